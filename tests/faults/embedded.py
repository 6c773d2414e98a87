"""The embedded parts: `up` in one process, and carrier-sim, with proxies before `up` and between the two."""

import asyncio
import random
import sqlite3
from collections.abc import Callable
from contextlib import closing

from tests.faults import databases, faults
from tests.faults.faults import Fault
from tests.faults.history import LoggedEvent
from tests.faults.proxy import Proxy
from tests.faults.stage import TOPIC, Stage, free_port, logged_event

CRASH_POINTS = (
    "orders.written",
    "orders.committed",
    "relay.claimed",
    "relay.published",
    "inbox.polled",
    "inbox.stored",
    "fulfillment.written",
    "fulfillment.committed",
    "intent.recorded",
    "carrier.answered",
    "outcome.recorded",
    "status.answered",
)


class EmbeddedStage(Stage):
    name = "embedded"
    singles = ("kill:up", "kill:carrier-sim")

    async def prepare(self) -> None:
        self._port, self._fulfillment_port = free_port(), free_port()
        self.proxies = {
            "client-up": Proxy("client-up", lambda: [self._port], needle=b"POST /api/orders"),
            "up-carrier": Proxy("up-carrier", lambda: [self.carrier_port], needle=b"POST /v1/"),
        }
        for proxy in self.proxies.values():
            await proxy.start()
        data = self.directory / "data"
        self._files = {name: data / f"{name}.db" for name in ("orders", "fulfillment")}
        environment = {
            "ORDERFLOW_DATA_DIR": str(self.directory / "data"),
            "ORDERFLOW_PORT": str(self._port),
            "ORDERFLOW_FULFILLMENT_PORT": str(self._fulfillment_port),
            "ORDERFLOW_CARRIER": "http",
            "ORDERFLOW_CARRIER_URL": f"http://127.0.0.1:{self.proxies['up-carrier'].port}",
        }
        environment |= self.takes_payments
        self.roles = {"up": self.role("up", ["up"], environment), **self.carrier_sims()}
        self.roles["payment-sim"] = self.payment_sim()

    @property
    def order_urls(self) -> list[str]:
        return [f"http://127.0.0.1:{self.proxies['client-up'].port}"]

    @property
    def direct_urls(self) -> list[str]:
        return [f"http://127.0.0.1:{self._port}"]

    @property
    def fulfillment_urls(self) -> list[str]:
        return [f"http://127.0.0.1:{self._fulfillment_port}"]

    def kinds(self) -> dict[str, Fault]:
        up, carrier_sim = self.roles["up"], self.roles["carrier-sim"]
        carrier_url = f"http://127.0.0.1:{self.proxies['up-carrier'].port}"
        return {
            "kill:up": faults.kill(up),
            "kill:carrier-sim": faults.kill(carrier_sim),
            "kill-all": faults.kill_all(up, carrier_sim),
            "stop:up": faults.stop(up, seconds=(2, 9)),
            "stop:carrier-sim": faults.stop(carrier_sim, seconds=(2, 12)),
            "restart:up": faults.restart(up),
            "restart:carrier-sim": faults.restart(carrier_sim),
            "disk-full:up": faults.disk_full(up),
            "disk-full:carrier-sim": faults.disk_full(carrier_sim),
            **{f"locked:{name}": databases.locked_file(file) for name, file in self._files.items()},
            **{f"snapshot:{name}": databases.snapshot_of_file(file) for name, file in self._files.items()},
            "offsets-lost": self._on_file(self._lose_offsets),
            "carrier-switched": self.switch_carrier([up], carrier_url),
            "topic-wiped": self._on_file(self._wipe_topic),
            **{f"crash:{point}": faults.crash(point, up) for point in CRASH_POINTS},
            **self.carrier_kinds(),
            **self.payment_kinds(),
            **self.link_kinds(),
        }

    def _on_file(self, change: Callable[[sqlite3.Connection], int]) -> Fault:
        """Kill `up`, change the event log's file, start `up` again."""

        async def inject(_draw: random.Random) -> str:
            up = self.roles["up"]
            async with up.faulted:
                await up.take_down()
                await self.keep_log()
                rows = await asyncio.to_thread(self._change, change)
                up.start()
            return f"{rows} rows"

        return inject

    def _change(self, change: Callable[[sqlite3.Connection], int]) -> int:
        with closing(sqlite3.connect(self.directory / "data" / "events.db")) as log, log:
            return change(log)

    def _lose_offsets(self, log: sqlite3.Connection) -> int:
        return log.execute("DELETE FROM committed").rowcount

    def _wipe_topic(self, log: sqlite3.Connection) -> int:
        self.log_wiped = True
        return log.execute("DELETE FROM messages WHERE topic = ?", (TOPIC,)).rowcount

    async def read_log(self) -> list[LoggedEvent]:
        return await asyncio.to_thread(self._read_log)

    def _read_log(self) -> list[LoggedEvent]:
        file = self.directory / "data" / "events.db"
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as log:
            rows = log.execute('SELECT partition, "offset", value FROM messages WHERE topic = ?', (TOPIC,))
            return [logged_event(*row) for row in rows]
