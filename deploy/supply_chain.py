"""`make audit` and `make sbom`: what the locked packages are, and what is known against them.

`audit` asks the registry for advisories against every package of the lock files. An answer that is missing
counts as no answer, not as a good one: exit 0 if nothing is known against any of them, 1 if something is, and
2 if the registry did not answer for all of them. With --if-possible the latter is a line and exit 0.
`sbom` writes a CycloneDX document of what `requirements.lock` brings.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ROOT / ".venv" / "audit" / "bin"
LOCKS = (
    "requirements.lock",
    "requirements-dev.lock",
    "requirements-mssql.lock",
    "requirements-audit.lock",
    "requirements-chart.lock",
    "requirements-docs.lock",
    "requirements-postgres.lock",
)
SBOM = ROOT / "build" / "sbom.cdx.json"
AUDIT_S_MAX = 300


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def asked(lock: str) -> list[dict[str, Any]] | None:
    """The packages of a lock file with their advisories; None if the registry does not answer."""
    options = (
        "--format=json",
        "--progress-spinner=off",
        "--disable-pip",
        "--require-hashes",
        "--requirement",
    )
    try:
        done = subprocess.run(  # noqa: S603 (the command is written in this file)
            [TOOLS / "pip-audit", *options, lock],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=AUDIT_S_MAX,
        )
        found: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (ValueError, subprocess.TimeoutExpired):  # it prints no JSON without an answer
        return None
    return found


def told(answers: dict[str, list[dict[str, Any]] | None], *, if_possible: bool) -> tuple[int, list[str]]:
    """The exit code and the lines that come of the answers, which are by lock file."""
    lines: list[str] = []
    packages = [(lock, package) for lock, found in answers.items() for package in found or ()]
    for lock, package in packages:
        for advisory in package.get("vulns", ()):
            mended = ", ".join(advisory["fix_versions"]) or "no version yet"
            named = f"{package['name']} {package['version']} ({lock})"
            lines.append(f"audit: {named}: {advisory['id']}, mended in {mended}")
    unanswered = [f"all of {lock}" for lock, found in answers.items() if found is None]
    if skipped := sum("skip_reason" in package for _, package in packages):
        unanswered.append(f"{skipped} of {len(packages)} packages")
    known = bool(lines)
    if known:
        lines.append("audit: `make lock ARGS='--upgrade-package NAME'` takes a newer version")
    if unanswered:
        lines.append(f"audit: skipped, the registry has no answer for {' and '.join(unanswered)}")
    if known:
        return 1, lines
    if unanswered:
        return 0 if if_possible else 2, lines
    return 0, [f"audit: nothing is known against {len(packages)} locked packages"]


def audit(*, if_possible: bool) -> int:
    code, lines = told({lock: asked(lock) for lock in LOCKS}, if_possible=if_possible)
    for line in lines:
        say(line)
    return code


def sbom() -> int:
    SBOM.parent.mkdir(exist_ok=True)
    # The tool warns that a lock file does not say which package needs which.
    done = subprocess.run(  # noqa: S603 (the command is written in this file)
        [
            *(TOOLS / "cyclonedx-py", "requirements", "requirements.lock", "--pyproject=pyproject.toml"),
            *("--output-reproducible", "--output-format=JSON", f"--output-file={SBOM}"),
        ],
        cwd=ROOT,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
        check=False,
    )
    if done.returncode:
        return done.returncode
    document = json.loads(SBOM.read_text())
    for component in document["components"]:
        del component["description"]  # it is the line of the lock file again, with all hashes
    SBOM.write_text(json.dumps(document, indent=2) + "\n")
    say(f"sbom: {SBOM.relative_to(ROOT)} has {len(document['components'])} packages (CycloneDX 1.6)")
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("action", choices=("audit", "sbom"))
    parser.add_argument("--if-possible", action="store_true", help="a registry without answers is no failure")
    given = parser.parse_args()
    return audit(if_possible=given.if_possible) if given.action == "audit" else sbom()


if __name__ == "__main__":
    sys.exit(main())
