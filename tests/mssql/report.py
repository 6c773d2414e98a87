"""`make mssql`: the suites on a real SQL Server, with READ_COMMITTED_SNAPSHOT off and on, and a report.

The server is the one whose database `master` ORDERFLOW_TEST_MSSQL_URL names. Exit 0 only if nothing failed.
"""

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa

from orderflow.database import mssql_engine
from orderflow.database.urls import parse_url

ROOT = Path(__file__).parents[2]
REPORT = ROOT / "build" / "mssql.md"
SUITES = ("tests/database", "tests/orders", "tests/fulfillment", "tests/security", "tests/mssql")
SNAPSHOTS = ("OFF", "ON")


def version(url: str) -> str:
    server = sa.create_engine(mssql_engine.complete(parse_url(url)))
    try:
        with server.connect() as connection:
            return " ".join(str(connection.exec_driver_sql("SELECT @@VERSION").scalar()).split())
    finally:
        server.dispose()


def run(snapshot: str) -> subprocess.CompletedProcess[str]:
    told = {
        "ORDERFLOW_TEST_REQUIRE": "mssql",
        "ORDERFLOW_TEST_MSSQL_OPTIONS": f"READ_COMMITTED_SNAPSHOT {snapshot}",
    }
    command = [sys.executable, "-m", "pytest", "-q", "-k", "mssql", *SUITES]
    return subprocess.run(
        command, cwd=ROOT, env={**os.environ, **told}, capture_output=True, text=True, check=False
    )


def main() -> int:
    url = os.environ.get("ORDERFLOW_TEST_MSSQL_URL")
    if url is None:
        print("name the database `master` of a SQL Server in ORDERFLOW_TEST_MSSQL_URL", file=sys.stderr)  # noqa: T201
        return 2
    parts = [f"# Orderflow on SQL Server, {datetime.now(UTC):%Y-%m-%d}", version(url)]
    failed = 0
    for snapshot in SNAPSHOTS:
        done = run(snapshot)
        failed += done.returncode != 0
        parts += [f"## READ_COMMITTED_SNAPSHOT {snapshot}", f"```\n{done.stdout.strip()}\n```"]
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text("\n\n".join(parts) + "\n")
    print(REPORT)  # noqa: T201
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
