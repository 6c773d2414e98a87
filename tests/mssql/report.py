"""`make mssql`: suites, journeys and a short fault run on a real SQL Server, and a report in build/mssql.md.

The server is the one whose database `master` ORDERFLOW_TEST_MSSQL_URL names. The suites run with
READ_COMMITTED_SNAPSHOT off and on. Each part ends before the next begins, and the report is written after
each, so that an interrupted run leaves what it has found. Exit 0 only if nothing failed.
"""

import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa

from orderflow.database import mssql_engine
from orderflow.database.urls import parse_url

ROOT = Path(__file__).parents[2]
REPORT = ROOT / "build" / "mssql.md"
SUITES = ("tests/database", "tests/orders", "tests/fulfillment", "tests/security", "tests/mssql")
JOURNEYS = ("tests/journeys",)
FAULTS = ("tests/faults",)
SHOWN_CHARS_MAX = 20_000


@dataclass(frozen=True, slots=True)
class Part:
    """One command of the run."""

    title: str
    command: tuple[str, ...]
    options: str
    """What each database is made with."""


def suite(title: str, folders: tuple[str, ...], snapshot: str) -> Part:
    command = (sys.executable, "-m", "pytest", "-q", "-rfE", "--tb=short", "-k", "mssql", *folders)
    return Part(
        f"{title}, READ_COMMITTED_SNAPSHOT {snapshot}", command, f"READ_COMMITTED_SNAPSHOT {snapshot}"
    )


PARTS = (
    suite("Suites", SUITES, "OFF"),
    suite("Suites", SUITES, "ON"),
    suite("Journeys", JOURNEYS, "OFF"),
    suite("Fault runs", FAULTS, "OFF"),
)


def version(url: str) -> str:
    server = sa.create_engine(mssql_engine.complete(parse_url(url)))
    try:
        with server.connect() as connection:
            return " ".join(str(connection.exec_driver_sql("SELECT @@VERSION").scalar()).split())
    finally:
        server.dispose()


def run(part: Part) -> subprocess.CompletedProcess[str]:
    told = {"ORDERFLOW_TEST_REQUIRE": "mssql", "ORDERFLOW_TEST_MSSQL_OPTIONS": part.options}
    return subprocess.run(
        part.command, cwd=ROOT, env={**os.environ, **told}, capture_output=True, text=True, check=False
    )


def written(part: Part, done: subprocess.CompletedProcess[str]) -> str:
    """The part of the report: how it ended, and the end of what it said."""
    said = (done.stdout.strip() or done.stderr.strip())[-SHOWN_CHARS_MAX:]
    outcome = "passed" if done.returncode == 0 else f"FAILED, exit code {done.returncode}"
    last = said.splitlines()[-1] if said else "nothing was said"
    return f"## {part.title}: {outcome}\n\n{last}\n\n```\n{said}\n```"


def main() -> int:
    url = os.environ.get("ORDERFLOW_TEST_MSSQL_URL")
    if url is None:
        print("name the database `master` of a SQL Server in ORDERFLOW_TEST_MSSQL_URL", file=sys.stderr)  # noqa: T201
        return 2
    parts = [f"# Orderflow on SQL Server, {datetime.now(UTC):%Y-%m-%d}", version(url)]
    failed = 0
    REPORT.parent.mkdir(exist_ok=True)
    for part in PARTS:
        print(part.title, flush=True)  # noqa: T201
        done = run(part)
        failed += done.returncode != 0
        parts.append(written(part, done))
        REPORT.write_text("\n\n".join(parts) + "\n")
    print(REPORT)  # noqa: T201
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
