"""The SQL Server of a run: somebody else's, on which the run makes two databases and drops them at its end.

What would end or stop the server is left out. Instead, the proxies before it let nobody reach it for a while.
"""

import asyncio
import os
import random
import sys
import time
from importlib.util import find_spec
from urllib.parse import parse_qsl, urlencode, urlsplit
from uuid import uuid4

from sqlalchemy.exc import DBAPIError
from tests import mssql_server
from tests.faults.databases import READ_ONLY_S, SNAPSHOT_S, SNAPSHOT_S_MIN
from tests.faults.faults import Fault, NotInjected
from tests.faults.proxy import Proxy
from tests.faults.source import ROOT
from tests.faults.stage import retried

PORT = 1433
UNREACHABLE_S = (9.0, 12.0)
"""Longer than anybody asks for the outcome of a COMMIT in doubt."""
COMMIT = b"\x01\x00\x00\x00\x07\x00\x00\x01"
"""What the driver sends: one request (4 bytes) of type 7 (2 bytes), without a name, which also begins the
next transaction (MS-TDS, Transaction Manager Request)."""
NOT_ENCRYPTED = ("no", "optional", "false")
READS = {"orders": "SELECT count(*) FROM orders", "fulfillment": "SELECT count(*) FROM shipments"}
"""A query for each database."""


def missing() -> str:
    """What a run on SQL Server lacks here, in a sentence; empty if it lacks nothing."""
    if mssql_server.VARIABLE not in os.environ:
        return f"no SQL Server: {mssql_server.REMEDY}"
    if find_spec("mssql_python") is None:
        return "the driver for SQL Server is not installed: `make .venv/.mssql` does it"
    return ""


class SqlServer:
    """`url` is that of the database `master`, as a login that may create databases."""

    name = "mssql"
    singles: tuple[str, ...] = ()
    left_out = "what kills, stops, restarts or fills the SQL Server itself, which is somebody else's"

    def __init__(self, url: str) -> None:
        self.proxies: dict[str, Proxy] = {}
        self._url = url
        unique = uuid4().hex[:12]
        self._names = {database: f"orderflow_faults_{unique}_{database}" for database in READS}
        self._keeper: asyncio.subprocess.Process | None = None
        """A process that drops the databases when its input ends, as it does when this process ends."""
        self._is_unreachable = False

    async def start(self) -> None:
        """Raises RuntimeError if the databases cannot be made."""
        self._keeper = keeper = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.faults.own_databases", *self._names.values()),
            cwd=ROOT,
            env={**os.environ, mssql_server.VARIABLE: self._url},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        if keeper.stdout is not None and await keeper.stdout.readline() != b"made\n":
            await self._end_keeper(keeper)
        server = urlsplit(self._url)
        for role in ("api", "relay", "fulfillment"):
            name = f"{role}-mssql"
            self.proxies[name] = Proxy(
                name, self._ports, needle=needle(self._url), host=server.hostname or ""
            )

    def _ports(self) -> list[int]:
        return [] if self._is_unreachable else [urlsplit(self._url).port or PORT]

    def url(self, database: str, role: str, index: int) -> str:
        return through(self._url_of(database), self.proxies[f"{role}-mssql"].port)

    def _url_of(self, database: str) -> str:
        return urlsplit(self._url)._replace(path=f"/{self._names[database]}").geturl()

    def kinds(self) -> dict[str, Fault]:
        return {
            "unreachable:mssql": self._unreachable,
            **{f"read-only:{database}": self._read_only(name) for database, name in self._names.items()},
            **{f"snapshot:{database}": self._snapshot(database) for database in self._names},
        }

    async def heal(self) -> None:
        """Every fault has healed already."""

    async def stop(self) -> None:
        """Drop the databases. Raises RuntimeError."""
        if self._keeper is not None:
            await self._end_keeper(self._keeper)

    async def _end_keeper(self, keeper: asyncio.subprocess.Process) -> None:
        """Raises RuntimeError with what the keeper has failed at."""
        self._keeper = None
        _, errors = await keeper.communicate(b"")
        if keeper.returncode != 0:
            raise RuntimeError(f"the databases on the SQL Server: {errors.decode().strip()[-1000:]}")

    async def _unreachable(self, draw: random.Random) -> str:
        """Every connection is cut, and none is made for a while."""
        duration_s = draw.uniform(*UNREACHABLE_S)
        self._is_unreachable = True
        try:
            ends = sum(proxy.drop_all() for proxy in self.proxies.values())
            await asyncio.sleep(duration_s)
        finally:
            self._is_unreachable = False
        return f"{ends // 2} connections, for {duration_s:.1f} s"

    def _read_only(self, name: str) -> Fault:
        """As after a failover: all sessions are cut, and the database accepts no writes for a while."""

        async def inject(draw: random.Random) -> str:
            duration_s = draw.uniform(*READ_ONLY_S)
            await _tell(self._url, f"ALTER DATABASE {name} SET READ_ONLY WITH ROLLBACK IMMEDIATE")
            writable = f"ALTER DATABASE {name} SET READ_WRITE WITH ROLLBACK IMMEDIATE"
            try:
                await asyncio.sleep(duration_s)
            finally:
                await retried(lambda: _tell(self._url, writable))
            return f"for {duration_s:.1f} s"

        return inject

    def _snapshot(self, database: str) -> Fault:
        """A forgotten session: versions of rows that its snapshot may need are kept."""

        async def inject(draw: random.Random) -> str:
            duration_s = draw.uniform(*SNAPSHOT_S)
            name, url = self._names[database], self._url_of(database)
            await _tell(self._url, f"ALTER DATABASE {name} SET ALLOW_SNAPSHOT_ISOLATION ON")
            held_s = await asyncio.to_thread(_hold_snapshot, url, READS[database], duration_s)
            return f"for {held_s:.0f} s"

        return inject


def through(url: str, port: int) -> str:
    """The same database, reached by a port of this machine. The server's certificate is still that of its own
    name."""
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query))
    if "hostnameincertificate" not in {name.lower() for name in options}:
        options["hostNameInCertificate"] = parts.hostname or ""
    user = f"{parts.netloc.rpartition('@')[0]}@" if "@" in parts.netloc else ""
    return parts._replace(netloc=f"{user}127.0.0.1:{port}", query=urlencode(options)).geturl()


def needle(url: str) -> bytes:
    """What a COMMIT contains. On an encrypted connection it cannot be seen, so every request counts."""
    options = {name.lower(): value.lower() for name, value in parse_qsl(urlsplit(url).query)}
    return COMMIT if options.get("encrypt") in NOT_ENCRYPTED else b""


async def _tell(url: str, statement: str) -> None:
    """Raises NotInjected."""
    try:
        await asyncio.to_thread(_execute, url, statement)
    except DBAPIError as error:
        raise NotInjected(f"SQL Server: {error}") from error


def _execute(url: str, statement: str) -> None:
    with mssql_server.session(url) as server:
        server.exec_driver_sql(statement)


def _hold_snapshot(url: str, read: str, seconds: float) -> float:
    """How long it was held. Raises NotInjected if another fault has ended the session too early."""
    held_s = 0.0
    try:
        with mssql_server.session(url) as reader:
            reader.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL SNAPSHOT; BEGIN TRANSACTION")
            began = time.monotonic()
            while held_s < seconds:
                reader.exec_driver_sql(read).scalar()
                held_s = time.monotonic() - began
                time.sleep(0.5)
    except DBAPIError as error:
        if held_s < SNAPSHOT_S_MIN:
            raise NotInjected(f"SQL Server: {error}") from error
    return held_s
