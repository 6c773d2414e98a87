"""`make release` makes a release only of a commit that is ready for its tag."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CHART = "deploy/kubernetes/orderflow/Chart.yaml"
EVENTS, KEPT = "docs/asyncapi/events.json", "docs/asyncapi/released/1.2.0.json"
READY = {
    "pyproject.toml": '[project]\nname = "orderflow"\nversion = "1.2.0"\n',
    "CHANGELOG.md": "# Changelog\n\n## Unreleased\n\n## 1.2.0 - 2026-12-01\n",
    CHART: "version: 1.2.0\nappVersion: 1.2.0\n",
    EVENTS: "{}",
    KEPT: "{}",
    "tests/upgrades/released/1.2.0/cases.json": "{}",
}


def git(checkout: Path, *arguments: str) -> None:
    who = ("-c", "user.name=test", "-c", "user.email=test@example.com")
    subprocess.run(["git", "-C", checkout, *who, *arguments], check=True, capture_output=True)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A commit that is ready, but has no sources, so that nothing can be built of it."""
    for name, content in READY.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    shutil.copy(ROOT / "deploy" / "release.py", tmp_path / "deploy")
    git(tmp_path, "init", "--quiet")
    commit(tmp_path)
    return tmp_path


def commit(checkout: Path) -> None:
    git(checkout, "add", "--all")
    git(checkout, "commit", "--quiet", "--allow-empty", "--message=a commit")


def refusal(checkout: Path) -> list[str]:
    command = [sys.executable, checkout / "deploy" / "release.py", "all"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert not (checkout / "dist").exists()
    return done.stderr.splitlines()


def test_what_is_not_committed_is_not_released(checkout: Path) -> None:
    (checkout / "new").touch()
    assert refusal(checkout) == ["commit everything: a release is made of a commit"]


def test_a_version_is_released_once(checkout: Path) -> None:
    git(checkout, "tag", "v1.2.0")
    assert refusal(checkout) == ["v1.2.0 is there already: set another version in pyproject.toml"]


def test_a_release_has_its_section_in_the_changelog_with_a_date(checkout: Path) -> None:
    for heading in ("", "## 1.2.0", "## 1.2.0 - soon", "## 11.2.0 - 2026-12-01", "## 1.2.00 - 2026-12-01"):
        (checkout / "CHANGELOG.md").write_text(f"# Changelog\n\n{heading}\n")
        commit(checkout)
        assert refusal(checkout) == [
            "CHANGELOG.md needs the heading `## 1.2.0 - YYYY-MM-DD`, with the date of the release"
        ]


@pytest.mark.parametrize("name", ["version", "appVersion"])
def test_the_chart_has_the_same_version(checkout: Path, name: str) -> None:
    (checkout / CHART).write_text(READY[CHART].replace(f"{name}: 1.2.0", f"{name}: 1.1.0", 1))
    commit(checkout)
    assert refusal(checkout) == [
        "Chart.yaml in deploy/kubernetes needs 1.2.0 as its version and its appVersion"
    ]


def test_what_the_events_of_a_release_look_like_is_kept_with_it(checkout: Path) -> None:
    (checkout / EVENTS).write_text('{"another": "event"}')
    commit(checkout)
    expected = [f"{KEPT} is not {EVENTS}: copy it"]
    assert refusal(checkout) == expected
    (checkout / KEPT).unlink()
    commit(checkout)
    assert refusal(checkout) == expected


def test_the_databases_of_a_release_are_kept_with_it(checkout: Path) -> None:
    shutil.rmtree(checkout / "tests")
    commit(checkout)
    assert refusal(checkout) == [
        "this release's databases are not kept: python -m tests.upgrades.make_dump 1.2.0"
    ]
