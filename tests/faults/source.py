"""The product that is attacked: a copy, because roles start again and again while the checkout may change."""

import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class PatchFailed(Exception):
    """A mutant does not fit the product any more."""


def copy_of_source(directory: Path, *, commit: str | None = None, patch: Path | None = None) -> Path:
    """`src` of the checkout or of a commit, with a patch applied, in `directory`. Raises PatchFailed."""
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
    return target / "src"
