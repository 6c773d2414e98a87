"""`python -m tests.faults.own_databases NAME…`: makes the databases on the SQL Server of the tests, waits for
the end of its input, and drops them. The input ends with the run, even if the run is killed."""

import os
import sys
import time

from sqlalchemy.exc import DBAPIError
from tests import mssql_server

DROP_TRIES = 30
DROP_PAUSE_S = 1.0
"""The server may be starting, or somebody may have connected in between."""


def main() -> None:
    url = os.environ[mssql_server.VARIABLE]
    made: list[str] = []
    try:
        for name in sys.argv[1:]:
            mssql_server.make_database(url, name)
            made.append(name)
        sys.stdout.write("made\n")
        sys.stdout.flush()
        sys.stdin.read()
    finally:
        for name in made:
            _drop(url, name)


def _drop(url: str, name: str) -> None:
    for last_try in (*[False] * (DROP_TRIES - 1), True):
        try:
            mssql_server.drop_database(url, name)
        except DBAPIError:
            if last_try:
                raise
            time.sleep(DROP_PAUSE_S)
        else:
            return


if __name__ == "__main__":
    main()
