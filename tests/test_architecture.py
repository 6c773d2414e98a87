"""The architecture page names what exists, and its hops follow imports; tests keep the rules of
CONTRIBUTING."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "orderflow"
PAGE = (ROOT / "docs" / "architecture.md").read_text()
ROOMS_MAX = 16
LINES_MAX = 400
FUNCTION_LINES_MAX = 70

# The composition root passes these on: the caller knows only a port, or a function that it is given.
HANDED_OVER = {
    ("web/connections.py", "orders/http/short_way.py"),
    ("fulfillment/status_updates.py", "fulfillment/calls.py"),
}


def hop_lists() -> list[list[str]]:
    """One list per flow. A name without a package is in the package of the hop before it, or in the
    service's."""
    lists: list[list[str]] = []
    for line in re.findall(r"^To follow .*$", PAGE, flags=re.MULTILINE):
        hops: list[str] = []
        service = ""
        for name in re.findall(r"→ `([^`]+)`|: `([^`]+)`", line):
            written = name[0] or name[1]
            hop = written if "/" in written.rstrip("/") else f"{service}/{written}"
            if hop.startswith(("orders/", "fulfillment/")):
                service = hop.split("/")[0]
            hops.append(hop)
        lists.append(hops)
    return lists


def imported(file: Path) -> set[str]:
    """The dotted names that a file, or a package's files, import."""
    files = sorted(file.rglob("*.py")) if file.is_dir() else [file]
    found: set[str] = set()
    for each in files:
        for node in ast.walk(ast.parse(each.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module)
                found.update(f"{node.module}.{alias.name}" for alias in node.names)
            elif isinstance(node, ast.Import):
                found.update(alias.name for alias in node.names)
    return found


def dotted(hop: str) -> str:
    return "orderflow." + hop.removesuffix("/").removesuffix(".py").replace("/", ".")


def test_a_write_and_a_shipment_have_a_hop_list() -> None:
    assert [len(hops) > 2 for hops in hop_lists()] == [True, True]


@pytest.mark.parametrize("hops", hop_lists(), ids=lambda hops: hops[0])
def test_every_hop_is_a_file_that_is_there(hops: list[str]) -> None:
    assert [hop for hop in hops if not (SOURCE / hop).exists()] == []


@pytest.mark.parametrize("hops", hop_lists(), ids=lambda hops: hops[0])
def test_every_hop_is_imported_by_one_before_it_or_handed_over(hops: list[str]) -> None:
    for index, hop in enumerate(hops[1:], start=1):
        if (hops[index - 1], hop) in HANDED_OVER:
            continue
        names = set[str]().union(*(imported(SOURCE / before) for before in hops[:index]))
        assert dotted(hop) in names, f"{hop} is not imported by {hops[:index]}"


def test_no_flow_has_more_hops_than_contributors_are_told() -> None:
    told = re.search(r"a reader opens at most (\d+) files", (ROOT / "CONTRIBUTING.md").read_text())
    assert told is not None
    assert max(len(hops) for hops in hop_lists()) <= int(told[1])


def test_every_file_that_the_page_names_is_there() -> None:
    named = re.findall(r"`((?:orders|fulfillment|runtime|web|database)/[\w/]+\.py)`", PAGE)
    assert named
    assert [file for file in named if not (SOURCE / file).exists()] == []


def test_the_house_has_few_rooms() -> None:
    rooms = [path for path in SOURCE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()]
    assert len(rooms) <= ROOMS_MAX


def our_files() -> list[Path]:
    rooms = ("src", "tests", "bench", "loadtest", "deploy", "examples")
    files = [file for room in rooms for file in (ROOT / room).rglob("*.py")]
    assert len(files) > 100
    return files


def test_no_file_has_more_than_400_lines() -> None:
    long = {str(file): lines for file in our_files() if (lines := file.read_text().count("\n")) > LINES_MAX}
    assert long == {}


def test_no_function_has_more_than_70_lines() -> None:
    long: dict[str, int] = {}
    for file in our_files():
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
                lines = node.end_lineno - node.lineno + 1
                if lines > FUNCTION_LINES_MAX:
                    long[f"{file}: {node.name}"] = lines
    assert long == {}


def test_tests_patch_nothing_of_ours_and_name_no_type_any() -> None:
    for file in (ROOT / "tests").rglob("*.py"):
        text = file.read_text()
        assert set(re.findall(r"monkeypatch\.setattr\(([^,]+),", text)) <= {"sys"}, file
        assert not re.search(r"^[A-Z]\w+ = Any$", text, re.MULTILINE), file
