"""A deployment whose roles are replaced one after the other, and clients who must not notice."""

import asyncio
import os
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.faults.proxy import Proxy
from tests.journeys.processes import Role, StartRole, ask, eventually, order

CLIENTS = 3
PAUSE_S = 0.1
"""Of each client, between two orders."""
UNDER_WAY_S = 1.0
"""How long a process that was taken out of rotation goes on before it is stopped, as with every balancer:
what is on its way to it still arrives."""
TOOL_S_MAX = 100


class Balancer:
    """Passes each connection to one of the processes that are in rotation."""

    def __init__(self) -> None:
        self.ports: list[int] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._proxy = Proxy("balancer", lambda: list(self.ports))
        self._run(self._proxy.start())
        self.url = f"http://127.0.0.1:{self._proxy.port}"

    def _run(self, coroutine: Any) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(30)

    def close(self) -> None:
        self._run(self._proxy.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class Clients:
    """They place orders and read them again, without a pause that an upgrade could use. Each request has one
    try."""

    def __init__(self, url: str, key: str) -> None:
        self._url = url
        self._key = key
        self._done = threading.Event()
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(CLIENTS)]
        self.placed: list[str] = []
        self.failed: list[str] = []
        self.slowest_s = 0.0

    @contextmanager
    def working(self) -> Generator[None]:
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._done.set()
            for thread in self._threads:
                thread.join(timeout=90)

    def until_more(self, orders: int = 20) -> None:
        """Wait until so many more orders have been placed."""
        wanted = len(self.placed) + orders
        eventually(lambda: len(self.placed) >= wanted, f"{orders} more orders are placed")

    def _work(self) -> None:
        number = 0
        while not self._done.wait(PAUSE_S):
            number += 1
            key = {"idempotency-key": str(uuid.uuid4())}
            made = self._ask("/api/orders", 201, method="POST", body=order(number), headers=key)
            if made is not None:
                self.placed.append(str(made["orderId"]))
                self._ask(f"/api/orders/{made['orderId']}", 200)

    def _ask(
        self, path: str, wanted: int, *, headers: Mapping[str, str] | None = None, **request: Any
    ) -> Any:
        began = time.monotonic()
        try:
            authorization = {"authorization": f"Bearer {self._key}"}
            answer = ask(self._url + path, headers={**authorization, **(headers or {})}, **request)
        except Exception as error:
            self.failed.append(f"{path}: {error!r}")
            return None
        self.slowest_s = max(self.slowest_s, time.monotonic() - began)
        if answer.status != wanted:
            self.failed.append(f"{path}: {answer.status} {answer.body}")
            return None
        return answer.body


class Fleet:
    """Two processes of `api`, a `relay` and two `fulfillment` workers, of whatever release they are."""

    def __init__(self, start: StartRole, balancer: Balancer, directory: Path, **settings: str) -> None:
        self._start = start
        self._balancer = balancer
        self._directory = directory
        self.settings = {"ENV": "staging", "ORDERS_URL": balancer.url, **settings}
        self.apis: list[Role] = []
        self.relay: Role | None = None
        self.workers: list[Role] = []

    def tool(self, source: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """`orderflow …` of a release."""
        settings = {f"ORDERFLOW_{name}": value for name, value in self.settings.items()}
        return subprocess.run(
            [sys.executable, "-m", "orderflow", *arguments],
            env={**os.environ, **settings, "PYTHONPATH": str(source)},
            cwd=self._directory,
            capture_output=True,
            text=True,
            timeout=TOOL_S_MAX,
            check=False,
        )

    def begin(self, source: Path) -> None:
        for _ in range(2):
            self._add_api(source)
            self.workers.append(self._worker(source))
        self.relay = self._new_relay(source)
        for worker in self.workers:
            worker.url()

    def roll(self, source: Path) -> None:
        """Replace every process by one of that release, in the order that docs/upgrades.md says."""
        for worker in list(self.workers):
            self._replace_worker(worker, source)
        relay, self.relay = self.relay, self._new_relay(source)
        assert relay is not None
        assert relay.stop() == 0
        for api in list(self.apis):
            self._replace_api(api, source)

    def take_one_back(self, source: Path) -> None:
        """Replace an `api` and a worker by those of the release before, in the opposite order."""
        self._replace_api(self.apis[0], source)
        self._replace_worker(self.workers[0], source)

    def bring_it_forward(self, source: Path) -> None:
        """Replace those that `take_one_back` has started."""
        self._replace_worker(self.workers[-1], source)
        self._replace_api(self.apis[-1], source)

    def _replace_worker(self, worker: Role, source: Path) -> None:
        self.workers.append(self._worker(source))
        self.workers[-1].url()
        self.workers.remove(worker)
        assert worker.stop() == 0

    def _replace_api(self, api: Role, source: Path) -> None:
        """Start the new one, and stop the old one in the way in which orchestrators do."""
        self._add_api(source)
        self.apis.remove(api)
        self._balancer.ports.remove(port_of(api))
        time.sleep(UNDER_WAY_S)
        assert api.stop() == 0

    def crash(self, source: Path) -> None:
        """A worker and an `api` die, and are started again; the balancer has noticed the latter."""
        api = self.apis.pop(0)
        self._balancer.ports.remove(port_of(api))
        time.sleep(UNDER_WAY_S)
        api.kill()
        self.workers.pop(0).kill()
        self._add_api(source)
        self.workers.append(self._worker(source))
        self.workers[-1].url()

    def api(self, source: Path) -> Role:
        return self._start("api", source=source, PORT="0", **self.settings)

    def _add_api(self, source: Path) -> None:
        self.apis.append(self.api(source))
        self._balancer.ports.append(port_of(self.apis[-1]))

    def _new_relay(self, source: Path) -> Role:
        relay = self._start("relay", source=source, **self.settings)
        eventually(lambda: "Relay: running" in relay.output, "the relay runs")
        return relay

    def _worker(self, source: Path) -> Role:
        return self._start("fulfillment", source=source, FULFILLMENT_PORT="0", **self.settings)


def port_of(api: Role) -> int:
    port = urlsplit(api.url()).port
    assert port is not None
    return port
