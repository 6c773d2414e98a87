"""What can be known of the fault runs on SQL Server without one."""

import os
import subprocess
import sys

import pytest
from tests.faults.mssql import COMMIT, needle, through
from tests.faults.source import ROOT

URL = "mssql://sa:p%40ss@db.example:1433/orders"


def test_without_a_server_a_run_on_mssql_says_what_is_missing_and_ends_with_2() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "ORDERFLOW_TEST_MSSQL_URL"}
    run = subprocess.run(
        [sys.executable, "-m", "tests.faults", "--parts", "mssql"],
        cwd=ROOT,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 2
    assert run.stdout == ""
    assert run.stderr == (
        "no SQL Server: name the database `master` of one in ORDERFLOW_TEST_MSSQL_URL (docs/databases.md)\n"
    )


def test_roles_reach_the_mssql_server_by_the_proxy_and_still_verify_its_own_name() -> None:
    assert through(URL, 4711) == "mssql://sa:p%40ss@127.0.0.1:4711/orders?hostNameInCertificate=db.example"
    assert through(f"{URL}?encrypt=no&HostNameInCertificate=other", 4711) == (
        "mssql://sa:p%40ss@127.0.0.1:4711/orders?encrypt=no&HostNameInCertificate=other"
    )


@pytest.mark.parametrize(
    ("query", "found"),
    [("", b""), ("?trustServerCertificate=yes", b""), ("?Encrypt=No", COMMIT), ("?encrypt=optional", COMMIT)],
)
def test_a_commit_to_mssql_is_told_from_other_requests_where_it_is_not_encrypted(
    query: str, found: bytes
) -> None:
    assert needle(URL + query) == found
