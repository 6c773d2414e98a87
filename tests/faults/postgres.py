"""The PostgreSQL of a run: the run has started it and may kill it. The first api, relay and worker reach it
through PgBouncer, the others directly."""

import random
import shutil
import signal
from pathlib import Path
from urllib.parse import urlsplit

from tests.faults import databases
from tests.faults.faults import Fault, NotInjected
from tests.faults.proxy import Proxy
from tests.faults.servers import Services
from tests.faults.stage import free_port
from tests.pgbouncer import PgBouncer


class PostgreSql:
    """`directory` gets the pooler's log."""

    name = "postgres"
    singles: tuple[str, ...] = ("kill:postgres",)
    left_out = ""

    def __init__(self, services: Services, directory: Path) -> None:
        self.proxies: dict[str, Proxy] = {}
        self._services = services
        self._directory = directory
        self._pgbouncer: PgBouncer | None = None

    async def start(self) -> None:
        exports = await self._services.start("postgres")
        self._urls = {
            "orders": exports["ORDERFLOW_DATABASE_URL"],
            "fulfillment": exports["ORDERFLOW_FULFILLMENT_DATABASE_URL"],
        }
        server = [urlsplit(self._urls["orders"]).port or 0]
        self._pgbouncer = pgbouncer = PgBouncer(self._urls["orders"], port=free_port())
        for role in ("api", "relay", "fulfillment"):
            name = f"{role}-postgres"
            self.proxies[name] = Proxy(name, lambda: server, needle=b"COMMIT")
        self.proxies["pooled-postgres"] = Proxy("pooled-postgres", lambda: [pgbouncer.port], needle=b"COMMIT")

    def url(self, database: str, role: str, index: int) -> str:
        proxy = self.proxies["pooled-postgres" if index == 0 else f"{role}-postgres"]
        url = urlsplit(self._urls[database])
        return url._replace(netloc=url.netloc.replace(f":{url.port}", f":{proxy.port}")).geturl()

    def kinds(self) -> dict[str, Fault]:
        server = self._services.postgres
        return {
            "kill:postgres": server.kill(signal.SIGKILL),
            "immediate:postgres": server.kill(signal.SIGQUIT),
            "restart:postgres": server.restart(),
            "kill:pgbouncer": self._kill_pgbouncer,
            "stop:postgres": server.stop((2, 8)),
            "away:postgres": server.away((9, 12)),
            "disk-full:postgres": server.disk_full(),
            **{f"read-only:{name}": databases.read_only(url) for name, url in self._urls.items()},
            "read-only:server": databases.read_only_server(self._urls["orders"]),
            **{f"snapshot:{name}": databases.snapshot(url) for name, url in self._urls.items()},
        }

    async def heal(self) -> None:
        await self._services.start("postgres")

    async def stop(self) -> None:
        """End the pooler. The server ends with the run's Services."""
        if self._pgbouncer is not None:
            shutil.copy(self._pgbouncer.log_file, self._directory / "pgbouncer.log")
            self._pgbouncer.close()

    async def _kill_pgbouncer(self, _draw: random.Random) -> str:
        """Kill the pooler, with every connection that it holds, and start it again."""
        if self._pgbouncer is None:
            raise NotInjected("no pooler was started")
        self._pgbouncer.kill()
        self._pgbouncer.start()
        return "pgbouncer"
