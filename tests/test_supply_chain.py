"""What `make audit` makes of the registry's answers: silence is never taken for good news."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest

FILE = Path(__file__).parents[1] / "deploy" / "supply_chain.py"

GOOD: dict[str, Any] = {"name": "good", "version": "1", "vulns": []}
BAD: dict[str, Any] = {
    "name": "bad",
    "version": "2",
    "vulns": [{"id": "PYSEC-1", "fix_versions": ["2.1", "3"]}],
}
HOPELESS: dict[str, Any] = {"name": "worse", "version": "3", "vulns": [{"id": "PYSEC-2", "fix_versions": []}]}
SKIPPED: dict[str, Any] = {"name": "unknown", "skip_reason": "not found"}


@pytest.fixture(scope="module")
def supply_chain() -> Any:
    spec = importlib.util.spec_from_file_location("supply_chain", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_nothing_known_is_good_only_if_every_package_was_asked_about(supply_chain: Any) -> None:
    good = (0, ["audit: nothing is known against 2 locked packages"])
    assert supply_chain.told({"a.lock": [GOOD], "b.lock": [GOOD]}, if_possible=False) == good
    silent: list[tuple[dict[str, Any], str]] = [
        ({"a.lock": [GOOD, SKIPPED]}, "1 of 2 packages"),
        ({"a.lock": [GOOD], "b.lock": None}, "all of b.lock"),
        ({"a.lock": None, "b.lock": [SKIPPED]}, "all of a.lock and 1 of 1 packages"),
    ]
    for answers, missing in silent:
        line = f"audit: skipped, the registry has no answer for {missing}"
        assert supply_chain.told(answers, if_possible=False) == (2, [line])
        assert supply_chain.told(answers, if_possible=True) == (0, [line])


def test_what_is_known_fails_whatever_else_was_not_answered(supply_chain: Any) -> None:
    code, lines = supply_chain.told({"a.lock": [BAD, HOPELESS, SKIPPED], "b.lock": None}, if_possible=True)
    assert code == 1
    assert lines[:2] == [
        "audit: bad 2 (a.lock): PYSEC-1, mended in 2.1, 3",
        "audit: worse 3 (a.lock): PYSEC-2, mended in no version yet",
    ]
    assert len(lines) == 4


def test_every_lock_file_is_asked_about(supply_chain: Any) -> None:
    assert set(supply_chain.LOCKS) == {file.name for file in FILE.parents[1].glob("*.lock")}
