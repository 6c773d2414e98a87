"""Shells learn to complete the commands."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_of_a_shell_is_installed_in_its_home(tmp_path: Path, shell: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "orderflow", "--install-completion", "--shell", shell],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    scripts = [file.read_text() for file in tmp_path.rglob("*") if file.is_file()]
    assert any("dead-letters" in script for script in scripts)
