"""`orderflow up` tells what a person can type next."""

from pathlib import Path

import pytest

from orderflow.settings import Settings
from orderflow.web.announcement import announcement


@pytest.mark.parametrize(
    ("called", "on_path", "told"),
    [
        (".venv/bin/orderflow", False, "  .venv/bin/orderflow orders list"),
        (".venv/bin/orderflow", True, "  orderflow orders list"),
        ("/site-packages/orderflow/__main__.py", False, "  orderflow orders list"),
    ],
)
def test_the_next_command_is_one_that_the_shell_finds(
    called: str, on_path: bool, told: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "orderflow"
    if on_path:
        program.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert (
        told in announcement(Settings.model_validate({}), "http://127.0.0.1:8080", called=called).splitlines()
    )
