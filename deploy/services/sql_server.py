"""A SQL Server that somebody else runs: it is told where it is, and is never started or stopped from here."""

import os
import socket
from dataclasses import dataclass
from pathlib import Path
from signal import Signals
from urllib.parse import urlsplit

from machine import output_of, say

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venv" / "bin" / "python"
MAKE_DATABASES = Path(__file__).with_name("sql_server_databases.py")
DATABASES = ("orderflow_orders", "orderflow_fulfillment")
DEFAULT_PORT = 1433
ANSWER_SECONDS_MAX = 2


@dataclass(frozen=True)
class SqlServer:
    url: str
    """Of the database `master`, as a login that may create databases."""

    def missing(self) -> list[str]:
        if PYTHON.exists():
            return []
        return ["the driver for SQL Server is missing: make services MSSQL=… installs it"]

    def start(self) -> None:
        say(f"Making the databases {' and '.join(DATABASES)} on the SQL Server, where they are missing")
        output_of(
            [str(PYTHON), str(MAKE_DATABASES), *DATABASES],
            environment={**os.environ, "ORDERFLOW_TEST_MSSQL_URL": self.url},
        )

    def stop(self, _with_signal: Signals) -> None:
        """It is somebody else's."""

    def answers(self) -> bool:
        server = urlsplit(self.url)
        try:
            address = (server.hostname or "", server.port or DEFAULT_PORT)
            socket.create_connection(address, ANSWER_SECONDS_MAX).close()
        except OSError:
            return False
        return True

    def exports(self) -> dict[str, str]:
        orders, fulfillment = (urlsplit(self.url)._replace(path=f"/{name}").geturl() for name in DATABASES)
        return {
            "ORDERFLOW_DATABASE_URL": orders,
            "ORDERFLOW_FULFILLMENT_DATABASE_URL": fulfillment,
            "ORDERFLOW_TEST_MSSQL_URL": self.url,
        }

    def remove(self) -> None:
        """Its databases stay, because nobody may have meant them by `clean`."""
