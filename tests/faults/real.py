"""The real parts: several processes of api, relay and fulfillment, on a database server and a Kafka of this
run."""

import asyncio
import contextlib
import random
import shutil
import signal
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from confluent_kafka import KafkaException
from tests.faults import faults, kafka_log, rebalances, topics
from tests.faults.embedded import CRASH_POINTS
from tests.faults.faults import Fault, NotInjected
from tests.faults.history import LoggedEvent
from tests.faults.proxy import Proxy
from tests.faults.refusals import Refusals
from tests.faults.roles import Role
from tests.faults.servers import Services
from tests.faults.stage import TOPIC, Stage, free_port

from orderflow.messaging import PARTITIONS

GROUP = "fulfillment-service-group"
APIS, RELAYS, WORKERS = 2, 2, 3
NAMESAKE_HOST = "127.0.0.2"
LEASE_OF_OUTBOX_S = 15


class DatabaseServer(Protocol):
    """Where the two databases of a run are, and what can be done to them."""

    name: str
    singles: tuple[str, ...]
    """As those of a Stage."""
    left_out: str
    """What cannot be done to this server, for the report; empty if nothing is left out."""
    proxies: dict[str, Proxy]
    """Filled by `start`. There is one for the api, called `api-` and the server's name."""

    async def start(self) -> None:
        """Make the two databases. The proxies are started by the stage."""
        ...

    def url(self, database: str, role: str, index: int) -> str:
        """`orders` or `fulfillment`, as the role of this index reaches it."""
        ...

    def kinds(self) -> dict[str, Fault]: ...

    async def heal(self) -> None: ...

    async def stop(self) -> None: ...


class RealStage(Stage):
    def __init__(
        self,
        directory: Path,
        seed: int,
        source: Path,
        extra: Mapping[str, str],
        *,
        name: str,
        services: Services,
        database: DatabaseServer,
    ) -> None:
        super().__init__(directory, seed, source, extra)
        self.name = name
        self.singles = (
            "kill:api",
            "kill:relay",
            "kill:fulfillment",
            "kill:carrier-sim",
            *database.singles,
            "kill:kafka",
            "away:fulfillment",
        )
        self.left_out = database.left_out
        self._services = services
        self._database = database
        self._joining: list[Role] = []
        """Workers that run only during their own faults."""

    async def prepare(self) -> None:
        self._api_ports = [free_port() for _ in range(APIS)]
        self._worker_ports = [free_port() for _ in range(WORKERS + 1)]
        kafka_proxy = Proxy("kafka", lambda: [self._kafka_port], needle=TOPIC.encode())
        await kafka_proxy.start(free_port())
        urls = await self._services.start("kafka", "--advertised-kafka-port", str(kafka_proxy.port))
        self._kafka_port = urlsplit(urls["ORDERFLOW_BUS_URL"]).port or 0
        await self._database.start()
        self.proxies = {
            "client-api": Proxy("client-api", lambda: self._api_ports, needle=b"POST /api/orders"),
            "fulfillment-api": Proxy("fulfillment-api", lambda: self._api_ports, needle=b"PATCH "),
            "fulfillment-carrier": Proxy("carrier", lambda: [self.carrier_port], needle=b"POST /v1/"),
            **self._database.proxies,
            "kafka": kafka_proxy,
        }
        for proxy in self.proxies.values():
            if proxy is not kafka_proxy:
                await proxy.start()
        self._bus = f"kafka://127.0.0.1:{kafka_proxy.port}"
        self._refusals = Refusals(self._bootstrap, self.direct_urls[0], self._services.kafka.faulted)
        self._make_roles()

    def _make_roles(self) -> None:
        self.roles = self.carrier_sims() | {"payment-sim": self.payment_sim()}
        for index, port in enumerate(self._api_ports):
            environment = self._on_orders("api", index) | {"ORDERFLOW_PORT": str(port)}
            self.roles[f"api-{index}"] = self.role(f"api-{index}", ["api"], environment)
        for index in range(RELAYS):
            self.roles[f"relay-{index}"] = self.role(
                f"relay-{index}", ["relay"], self._on_orders("relay", index)
            )
        self.workers = {self._worker(index): self._url(index) for index in range(WORKERS)}
        self.roles |= {worker.name: worker for worker in self.workers}
        self.further = self._worker(WORKERS)
        # It has the same host name and port as the first worker, but another of the host's addresses.
        self.namesake = self._worker(0, name="fulfillment-namesake", host=NAMESAKE_HOST)
        self._joining += [self.further, self.namesake]

    def _on_orders(self, role: str, index: int) -> dict[str, str]:
        """The settings of a role of the Order Service."""
        return {
            "ORDERFLOW_BUS_URL": self._bus,
            "ORDERFLOW_DATABASE_URL": self._database.url("orders", role, index),
        }

    def _worker(self, index: int, *, name: str | None = None, host: str = "127.0.0.1") -> Role:
        environment = {
            "ORDERFLOW_HOST": host,
            "ORDERFLOW_BUS_URL": self._bus,
            "ORDERFLOW_FULFILLMENT_DATABASE_URL": self._database.url("fulfillment", "fulfillment", index),
            "ORDERFLOW_FULFILLMENT_PORT": str(self._worker_ports[index]),
            "ORDERFLOW_ORDERS_URL": f"http://127.0.0.1:{self._port('fulfillment-api')}",
            "ORDERFLOW_CARRIER": "http",
            "ORDERFLOW_CARRIER_URL": self._carrier_url,
            **self.takes_payments,
        }
        return self.role(name or f"fulfillment-{index}", ["fulfillment"], environment)

    def _url(self, index: int) -> str:
        return f"http://127.0.0.1:{self._worker_ports[index]}"

    @property
    def _carrier_url(self) -> str:
        return f"http://127.0.0.1:{self._port('fulfillment-carrier')}"

    def _port(self, proxy: str) -> int:
        return self.proxies[proxy].port

    async def stop(self) -> None:
        for worker in self._joining:
            await worker.stop()
        await super().stop()
        for log in self._services.directory.glob("*/*.log"):
            shutil.copy(log, self.directory)
        await self._services.clean()
        await self._database.stop()

    async def heal(self) -> None:
        await self._services.start("kafka")
        await self._database.heal()
        await super().heal()
        await self._refusals.heal()

    @property
    def order_urls(self) -> list[str]:
        return [f"http://127.0.0.1:{self._port('client-api')}"]

    @property
    def direct_urls(self) -> list[str]:
        return [f"http://127.0.0.1:{port}" for port in self._api_ports]

    @property
    def fulfillment_urls(self) -> list[str]:
        return list(self.workers.values())

    @property
    def sampled(self) -> dict[str, Role]:
        return self.roles | {worker.name: worker for worker in self._joining}

    @property
    def sampled_urls(self) -> list[str]:
        return [*self.fulfillment_urls, self._url(WORKERS)]

    def kinds(self) -> dict[str, Fault]:
        apis = [self.roles[f"api-{index}"] for index in range(APIS)]
        relays = [self.roles[f"relay-{index}"] for index in range(RELAYS)]
        workers = list(self.workers)
        kafka = self._services.kafka
        carrier_sim = self.roles["carrier-sim"]
        crashes = {
            point: apis if point.startswith(("orders.", "relay.")) else workers for point in CRASH_POINTS
        }
        return {
            "kill:api": faults.kill(*apis),
            "kill:relay": faults.kill(*relays),
            "kill:fulfillment": faults.kill(*workers),
            "kill:carrier-sim": faults.kill(carrier_sim),
            "kill:kafka": kafka.kill(signal.SIGKILL),
            "kill-all:fulfillment": faults.kill_all(*workers),
            "kill-all": faults.kill_all(*self.sampled.values()),
            "stop:api": faults.stop(*apis, seconds=(2, 9)),
            "stop:relay": faults.stop(*relays, seconds=(LEASE_OF_OUTBOX_S + 1, LEASE_OF_OUTBOX_S + 4)),
            "stop:fulfillment": faults.stop(*workers, seconds=(7, 14)),
            "stop:carrier-sim": faults.stop(carrier_sim, seconds=(2, 12)),
            "stop:kafka": kafka.stop((7, 10)),
            "restart:api": faults.restart(*apis),
            "restart:relay": faults.restart(*relays),
            "restart:fulfillment": faults.restart(*workers),
            "away:kafka": kafka.away((9, 12)),
            "away:fulfillment": rebalances.away(self.workers, PARTITIONS),
            "join:fulfillment": rebalances.join(self.further, self._url(WORKERS)),
            "join:namesake": rebalances.join(
                self.namesake, f"http://{NAMESAKE_HOST}:{self._worker_ports[0]}"
            ),
            "disk-full:kafka": kafka.disk_full(),
            "carrier-switched": self.switch_carrier(workers, self._carrier_url),
            "refuses-writes:kafka": self._refusals.refuse_writes,
            "refuses-sizes:kafka": self._refusals.refuse_sizes,
            "commit-late": faults.hold(self.proxies[f"api-{self._database.name}"], seconds=(2, 4)),
            "same-rows": self._same_rows,
            "offsets-lost": self._without_workers(self._lose_offsets),
            "topic-wiped": self._without_workers(lambda: topics.wiped(self, self._bootstrap)),
            "topic-recreated": topics.made_again(self, self._bootstrap),
            "partitions-added": topics.grown(self, self._bootstrap, self._without_workers),
            **{f"crash:{point}": faults.crash(point, *roles) for point, roles in crashes.items()},
            **self._database.kinds(),
            **self.carrier_kinds(),
            **self.payment_kinds(),
            **self.link_kinds(),
        }

    async def _same_rows(self, draw: random.Random) -> str:
        """Kafka stalls, so orders wait in the outbox. Then one relay claims rows and is suspended with them
        for longer than its lease, so another relay publishes the same rows."""
        await self.proxies["kafka"].freeze(8)
        relay = self.roles[f"relay-{draw.randrange(RELAYS)}"]
        async with relay.faulted:
            await relay.until_running()
            if not relay.send(signal.SIGSTOP):
                raise NotInjected(f"{relay.name} was not running")
            try:
                await asyncio.sleep(LEASE_OF_OUTBOX_S + 1)
            finally:
                relay.send(signal.SIGCONT)
        return relay.name

    def _without_workers(self, change: Callable[[], Awaitable[str]]) -> Fault:
        """Kill every worker, let events pile up, change the log, start the workers again."""

        async def inject(_draw: random.Random) -> str:
            workers = list(self.workers)
            async with contextlib.AsyncExitStack() as stack:
                for worker in (*workers, *self._joining):
                    await stack.enter_async_context(worker.faulted)
                await stack.enter_async_context(self._services.kafka.faulted)
                await asyncio.gather(*(worker.take_down() for worker in workers))
                try:
                    return await change()
                finally:
                    for worker in workers:
                        worker.start()

        return inject

    async def _lose_offsets(self) -> str:
        for _ in range(20):
            try:
                await asyncio.to_thread(kafka_log.delete_group, self._bootstrap, GROUP)
            except KafkaException:
                await asyncio.sleep(1)  # the dead members' sessions have not ended yet
            else:
                return "the group is deleted"
        raise NotInjected("the group could not be deleted")

    @property
    def _bootstrap(self) -> str:
        return self._bus.removeprefix("kafka://")

    async def read_log(self) -> list[LoggedEvent]:
        return await asyncio.to_thread(kafka_log.read_log, self._bootstrap)
