"""A copy of the product to attack: roles are restarted again and again, while the checkout may change."""

import compileall
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class PatchFailed(Exception):
    """The patch of a mutant does not apply to the product any more."""


def copy_of_source(directory: Path, *, commit: str | None = None, patch: Path | None = None) -> Path:
    """Copy `src` of the checkout or of a commit to `directory` and apply a patch. Raises PatchFailed."""
    target = directory / "source"
    directory.mkdir(parents=True, exist_ok=True)
    if commit is None:
        shutil.copytree(ROOT / "src", target / "src", ignore=shutil.ignore_patterns("__pycache__"))
    else:
        target.mkdir()
        archive = subprocess.run(
            ["git", "archive", commit, "src"], cwd=ROOT, check=True, capture_output=True
        ).stdout
        subprocess.run(["tar", "-x"], cwd=target, check=True, input=archive)
    if patch is not None:
        done = subprocess.run(
            ["patch", "-p1", "--forward", "--batch", "-i", str(patch)],
            cwd=target,
            check=False,
            capture_output=True,
            text=True,
        )
        if done.returncode != 0:
            raise PatchFailed(f"{patch.name}: {done.stdout}{done.stderr}")
    # A product that is installed has its byte code too; without it every start would compile all of it.
    compileall.compile_dir(target / "src", quiet=2)
    return target / "src"
