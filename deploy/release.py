"""`make wheel`, `make image` and `make release`.

    release.py wheel [DIRECTORY]   the wheel; the same bytes from every checkout of the same commit
    release.py image               the container image, with the version as its tag
    release.py all                 both of a commit that is ready for its tag, and dist/SHA256SUMS

The version is that of pyproject.toml. Exit codes: 0 done, 1 failed, 2 wrong use.
"""

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DIST = ROOT / "dist"
SBOM = ROOT / "build" / "sbom.cdx.json"
SOURCES = ("pyproject.toml", "README.md", "LICENSE", "src/orderflow")
EARLIEST_EPOCH = "315532800"
"""1980, where the times of a zip file begin."""


class Failed(Exception):
    """Why there is no release; the text says what to do."""


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def version() -> str:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def git(*arguments: str) -> str:
    """What git prints; empty where there is none, or no repository."""
    try:
        done = subprocess.run(  # noqa: S603 (the commands are written in this file)
            ["git", "-C", ROOT, *arguments],  # noqa: S607 (the git of whoever releases)
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        return ""
    return done.stdout.strip()


def epoch() -> str:
    """The time that all files have: SOURCE_DATE_EPOCH (reproducible-builds.org), else the commit's."""
    return os.environ.get("SOURCE_DATE_EPOCH") or git("log", "-1", "--format=%ct") or EARLIEST_EPOCH


def wheel(directory: Path) -> Path:
    """Build the wheel of the sources alone: nothing of an earlier build, and no file mode of this checkout,
    gets into it."""
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        for source in (ROOT / name for name in SOURCES):
            files = [source] if source.is_file() else sorted(source.rglob("*"))
            for file in files:
                if file.is_file() and "__pycache__" not in file.parts:
                    copy = Path(place) / file.relative_to(ROOT)
                    copy.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(file, copy)
                    copy.chmod(0o644)
        new = Path(place) / "new"
        options = (
            "--quiet",
            "--disable-pip-version-check",
            "--no-deps",
            "--no-build-isolation",
            "--wheel-dir",
        )
        subprocess.run(  # noqa: S603 (written here)
            [sys.executable, "-m", "pip", "wheel", *options, new, place],
            env={**os.environ, "SOURCE_DATE_EPOCH": epoch()},
            umask=0o022,
            check=True,
        )
        (built,) = new.glob("*.whl")
        return Path(shutil.copy(built, directory))


def image() -> str:
    """Build the image, and return its name. Raises Failed without Docker."""
    name = f"orderflow:{version()}"
    labels = {"version": version(), "revision": git("rev-parse", "HEAD")}
    label = [f"--label=org.opencontainers.image.{key}={value}" for key, value in labels.items()]
    try:
        done = subprocess.run(  # noqa: S603 (written here)
            ["docker", "build", "--tag", name, *label, ROOT],  # noqa: S607 (the Docker of whoever releases)
            check=False,
        )
    except FileNotFoundError:
        raise Failed("no image: Docker is missing") from None
    if done.returncode:
        raise Failed("no image: `docker build` failed")
    return name


def not_ready() -> list[str]:
    """What must be done before this commit can be released."""
    number = version()
    found: list[str] = []
    if git("status", "--porcelain") or not git("rev-parse", "HEAD"):
        found.append("commit everything: a release is made of a commit")
    if git("tag", "--list", f"v{number}"):
        found.append(f"v{number} is there already: set another version in pyproject.toml")
    changes = (ROOT / "CHANGELOG.md").read_text()
    if not re.search(rf"^## {re.escape(number)} - \d{{4}}-\d\d-\d\d$", changes, re.MULTILINE):
        found.append(
            f"CHANGELOG.md needs the heading `## {number} - YYYY-MM-DD`, with the date of the release"
        )
    chart = (ROOT / "deploy" / "kubernetes" / "orderflow" / "Chart.yaml").read_text()
    if re.findall(r"^(?:v|appV)ersion: (\S+)$", chart, re.MULTILINE) != [number, number]:
        found.append(f"Chart.yaml in deploy/kubernetes needs {number} as its version and its appVersion")
    events, kept = ROOT / "docs" / "asyncapi" / "events.json", f"docs/asyncapi/released/{number}.json"
    if not (ROOT / kept).exists() or (ROOT / kept).read_bytes() != events.read_bytes():
        found.append(f"{kept} is not docs/asyncapi/events.json: copy it")
    if not (ROOT / "tests" / "upgrades" / "released" / number).is_dir():
        found.append(f"this release's databases are not kept: python -m tests.upgrades.make_dump {number}")
    return found


def release() -> None:
    if reasons := not_ready():
        raise Failed("\n".join(reasons))
    shutil.rmtree(DIST, ignore_errors=True)
    built = wheel(DIST)
    with tempfile.TemporaryDirectory() as elsewhere:
        again = wheel(Path(elsewhere))
        if digest(again) != digest(built):
            raise Failed("the wheel is not reproducible: two builds of the same sources differ")
    files = [built]
    if SBOM.exists():
        files.append(Path(shutil.copy(SBOM, DIST / f"orderflow-{version()}.cdx.json")))
    (DIST / "SHA256SUMS").write_text("".join(f"{digest(file)}  {file.name}\n" for file in files))
    say((DIST / "SHA256SUMS").read_text().rstrip())
    say(image())
    say(f"To release it: git tag -a v{version()} -m 'Orderflow {version()}' && git push origin v{version()}")


def digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def main() -> int:
    parser = argparse.ArgumentParser(description="Builds what a release consists of.")
    parser.add_argument("action", choices=("wheel", "image", "all"))
    parser.add_argument("directory", nargs="?", type=Path, default=DIST)
    given = parser.parse_args()
    try:
        if given.action == "wheel":
            say(str(wheel(given.directory)))
        elif given.action == "image":
            say(image())
        else:
            release()
    except (Failed, subprocess.CalledProcessError) as failure:
        sys.stderr.write(f"{failure}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
