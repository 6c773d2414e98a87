"""`python -m tests.faults.own_databases NAME…`: makes the databases on the SQL Server of the tests, waits for
the end of its input, and drops them. The input ends with the run, even if the run is killed."""

import os
import sys

from tests import mssql_server


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
            mssql_server.drop_database(url, name)


if __name__ == "__main__":
    main()
