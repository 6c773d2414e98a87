"""The real parts: api, relay and fulfillment several times over, on a PostgreSQL and a Kafka of this run."""

import asyncio
import contextlib
import json
import os
import random
import shutil
import signal
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from confluent_kafka import KafkaException
from tests.faults import databases, faults, kafka_log, rebalances
from tests.faults.embedded import CRASH_POINTS
from tests.faults.faults import Fault, NotInjected
from tests.faults.history import LoggedEvent
from tests.faults.proxy import Proxy
from tests.faults.refusals import Refusals
from tests.faults.roles import Role, limit_file_size
from tests.faults.stage import TOPIC, Stage, free_port

from orderflow.messaging import PARTITIONS

SERVICES = Path(__file__).resolve().parents[2] / "deploy" / "services" / "services.py"
GROUP = "fulfillment-service-group"
APIS, RELAYS, WORKERS = 2, 2, 3
NAMESAKE_HOST = "127.0.0.2"
LEASE_OF_OUTBOX_S = 15
DISK_FULL_BYTES = 1024 * 1024
DISK_FULL_S = 4.0
QUICK_JVM = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
"""A broker that shares few cores with everything else is back sooner without its second compiler."""


@dataclass(frozen=True, slots=True)
class Server:
    """PostgreSQL or Kafka: `find` gives its process ids, the first is the one that a kill hits."""

    name: str
    find: Callable[[], list[int]]
    faulted: asyncio.Lock


class RealStage(Stage):
    name = "real"
    singles = (
        "kill:api",
        "kill:relay",
        "kill:fulfillment",
        "kill:carrier-sim",
        "kill:postgres",
        "kill:kafka",
        "away:fulfillment",
    )

    async def prepare(self) -> None:
        self._api_ports = [free_port() for _ in range(APIS)]
        self._worker_ports = [free_port() for _ in range(WORKERS + 1)]
        self._services_directory = self.directory / "services"
        kafka_proxy = Proxy("kafka", lambda: [self._kafka_port], needle=TOPIC.encode())
        await kafka_proxy.start(free_port())
        urls = await self._services("start", "--advertised-kafka-port", str(kafka_proxy.port))
        postgres_url = urlsplit(urls["ORDERFLOW_DATABASE_URL"])
        self._kafka_port = urlsplit(urls["ORDERFLOW_BUS_URL"]).port or 0
        self._databases = {
            "orders": urls["ORDERFLOW_DATABASE_URL"],
            "fulfillment": urls["ORDERFLOW_FULFILLMENT_DATABASE_URL"],
        }
        self.postgres = Server("postgres", self._postgres_pids, asyncio.Lock())
        self.kafka = Server("kafka", self._kafka_pids, asyncio.Lock())
        postgres = [postgres_url.port or 0]
        self.proxies = {
            "client-api": Proxy("client-api", lambda: self._api_ports, needle=b"POST /api/orders"),
            "fulfillment-api": Proxy("fulfillment-api", lambda: self._api_ports, needle=b"PATCH "),
            "fulfillment-carrier": Proxy("carrier", lambda: [self.carrier_port], needle=b"POST /v1/"),
            "api-postgres": Proxy("api-postgres", lambda: postgres, needle=b"COMMIT"),
            "relay-postgres": Proxy("relay-postgres", lambda: postgres, needle=b"COMMIT"),
            "fulfillment-postgres": Proxy("fulfillment-postgres", lambda: postgres, needle=b"COMMIT"),
            "kafka": kafka_proxy,
        }
        for proxy in self.proxies.values():
            if proxy is not kafka_proxy:
                await proxy.start()
        self._bus = f"kafka://127.0.0.1:{kafka_proxy.port}"
        self._refusals = Refusals(self._bootstrap, self.direct_urls[0], self.kafka.faulted)
        self._make_roles(urls)

    def _make_roles(self, urls: dict[str, str]) -> None:
        def through(variable: str, proxy: str) -> str:
            url = urlsplit(urls[variable])
            return url._replace(netloc=url.netloc.replace(f":{url.port}", f":{self._port(proxy)}")).geturl()

        bus = {"ORDERFLOW_BUS_URL": self._bus}
        self.roles = self.carrier_sims()
        for index, port in enumerate(self._api_ports):
            environment = {
                **bus,
                "ORDERFLOW_DATABASE_URL": through("ORDERFLOW_DATABASE_URL", "api-postgres"),
                "ORDERFLOW_PORT": str(port),
            }
            self.roles[f"api-{index}"] = self.role(f"api-{index}", ["api"], environment)
        for index in range(RELAYS):
            environment = {
                **bus,
                "ORDERFLOW_DATABASE_URL": through("ORDERFLOW_DATABASE_URL", "relay-postgres"),
            }
            self.roles[f"relay-{index}"] = self.role(f"relay-{index}", ["relay"], environment)
        self.workers = {self._worker(index, through): self._url(index) for index in range(WORKERS)}
        self.roles |= {worker.name: worker for worker in self.workers}
        self.further = self._worker(WORKERS, through)
        # Of the same host and port as the first one, on another of the host's addresses.
        self.namesake = self._worker(0, through, name="fulfillment-namesake", host=NAMESAKE_HOST)

    def _worker(
        self,
        index: int,
        through: Callable[[str, str], str],
        *,
        name: str | None = None,
        host: str = "127.0.0.1",
    ) -> Role:
        environment = {
            "ORDERFLOW_HOST": host,
            "ORDERFLOW_BUS_URL": self._bus,
            "ORDERFLOW_FULFILLMENT_DATABASE_URL": through(
                "ORDERFLOW_FULFILLMENT_DATABASE_URL", "fulfillment-postgres"
            ),
            "ORDERFLOW_FULFILLMENT_PORT": str(self._worker_ports[index]),
            "ORDERFLOW_ORDERS_URL": f"http://127.0.0.1:{self._port('fulfillment-api')}",
            "ORDERFLOW_CARRIER": "http",
            "ORDERFLOW_CARRIER_URL": self._carrier_url,
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
        await self.further.stop()
        await self.namesake.stop()
        await super().stop()
        for log in self._services_directory.glob("*/*.log"):
            shutil.copy(log, self.directory)
        await self._services("clean")

    async def heal(self) -> None:
        await self._services("start")
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
        return self.roles | {worker.name: worker for worker in (self.further, self.namesake)}

    @property
    def sampled_urls(self) -> list[str]:
        return [*self.fulfillment_urls, self._url(WORKERS)]

    def kinds(self) -> dict[str, Fault]:
        apis = [self.roles[f"api-{index}"] for index in range(APIS)]
        relays = [self.roles[f"relay-{index}"] for index in range(RELAYS)]
        workers = list(self.workers)
        carrier_sim = self.roles["carrier-sim"]
        crashes = {
            point: apis if point.startswith(("orders.", "relay.")) else workers for point in CRASH_POINTS
        }
        return {
            "kill:api": faults.kill(*apis),
            "kill:relay": faults.kill(*relays),
            "kill:fulfillment": faults.kill(*workers),
            "kill:carrier-sim": faults.kill(carrier_sim),
            "kill:postgres": self._kill(self.postgres, signal.SIGKILL),
            "kill:kafka": self._kill(self.kafka, signal.SIGKILL),
            "immediate:postgres": self._kill(self.postgres, signal.SIGQUIT),
            "kill-all:fulfillment": faults.kill_all(*workers),
            "kill-all": faults.kill_all(*self.sampled.values()),
            "stop:api": faults.stop(*apis, seconds=(2, 9)),
            "stop:relay": faults.stop(*relays, seconds=(LEASE_OF_OUTBOX_S + 1, LEASE_OF_OUTBOX_S + 4)),
            "stop:fulfillment": faults.stop(*workers, seconds=(7, 14)),
            "stop:carrier-sim": faults.stop(carrier_sim, seconds=(2, 12)),
            "stop:postgres": self._stop(self.postgres, (2, 8)),
            "stop:kafka": self._stop(self.kafka, (7, 10)),
            "restart:api": faults.restart(*apis),
            "restart:relay": faults.restart(*relays),
            "restart:fulfillment": faults.restart(*workers),
            "away:postgres": self._away(self.postgres, (9, 12)),
            "away:kafka": self._away(self.kafka, (9, 12)),
            "away:fulfillment": rebalances.away(self.workers, PARTITIONS),
            "join:fulfillment": rebalances.join(self.further, self._url(WORKERS)),
            "join:namesake": rebalances.join(
                self.namesake, f"http://{NAMESAKE_HOST}:{self._worker_ports[0]}"
            ),
            "disk-full:postgres": self._disk_full(self.postgres),
            "disk-full:kafka": self._disk_full(self.kafka),
            **{f"read-only:{name}": databases.read_only(url) for name, url in self._databases.items()},
            "read-only:server": databases.read_only_server(self._databases["orders"]),
            **{f"snapshot:{name}": databases.snapshot(url) for name, url in self._databases.items()},
            "carrier-switched": self.switch_carrier(workers, self._carrier_url),
            "refuses-writes:kafka": self._refusals.refuse_writes,
            "refuses-sizes:kafka": self._refusals.refuse_sizes,
            "commit-late": faults.hold(self.proxies["api-postgres"], seconds=(2, 4)),
            "same-rows": self._same_rows,
            "offsets-lost": self._without_workers(self._lose_offsets),
            "topic-wiped": self._without_workers(self._wipe_topic),
            **{f"crash:{point}": faults.crash(point, *roles) for point, roles in crashes.items()},
            **self.carrier_kinds(),
            **self.link_kinds(),
        }

    def _kill(self, server: Server, number: signal.Signals) -> Fault:
        """End it at once and start it again; for PostgreSQL SIGQUIT is the immediate shutdown."""

        async def inject(_draw: random.Random) -> str:
            async with server.faulted:
                self._signal(server, number, only_first=True)
                await self._started(server)
            return server.name

        return inject

    def _away(self, server: Server, seconds: tuple[float, float]) -> Fault:
        """Killed, and not there for a while: longer than a COMMIT in doubt is asked after."""

        async def inject(draw: random.Random) -> str:
            duration_s = draw.uniform(*seconds)
            async with server.faulted:
                self._signal(server, signal.SIGKILL, only_first=True)
                await asyncio.sleep(duration_s)
                await self._started(server)
            return f"for {duration_s:.1f} s"

        return inject

    def _stop(self, server: Server, seconds: tuple[float, float]) -> Fault:
        async def inject(draw: random.Random) -> str:
            duration_s = draw.uniform(*seconds)
            async with server.faulted:
                self._signal(server, signal.SIGSTOP)
                try:
                    await asyncio.sleep(duration_s)
                finally:
                    with contextlib.suppress(NotInjected):
                        self._signal(server, signal.SIGCONT)
            return f"for {duration_s:.1f} s"

        return inject

    def _disk_full(self, server: Server) -> Fault:
        """A quota on the size of its files. Either may give up; then it is started again."""

        async def inject(_draw: random.Random) -> str:
            async with server.faulted:
                for pid in server.find():
                    limit_file_size(pid, DISK_FULL_BYTES)
                await asyncio.sleep(DISK_FULL_S)
                survived = bool(server.find())
                for _ in range(2):  # what was forked meanwhile inherited the limit
                    for pid in server.find():
                        limit_file_size(pid, None)
                await self._started(server)
            return f"for {DISK_FULL_S:.0f} s, {'survived' if survived else 'gave up'}"

        return inject

    def _signal(self, server: Server, number: signal.Signals, *, only_first: bool = False) -> None:
        pids = server.find()
        if not pids:
            raise NotInjected(f"{server.name} was not running")
        for pid in pids[:1] if only_first else pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    async def _started(self, server: Server) -> None:
        await self._services("start", server.name)

    async def _services(self, action: str, *arguments: str) -> dict[str, str]:
        """Runs the script on this run's own directory; what it exports. Raises RuntimeError."""
        process = await asyncio.create_subprocess_exec(
            *(
                sys.executable,
                str(SERVICES),
                action,
                *arguments,
                "--directory",
                str(self._services_directory),
            ),
            env={**os.environ, "JAVA_TOOL_OPTIONS": QUICK_JVM},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, errors = await process.communicate()
        if process.returncode != 0:
            raise RuntimeError(f"services.py {action}: {errors.decode()[-2000:]}")
        lines = [line.removeprefix("export ").split("=", 1) for line in output.decode().splitlines()]
        return {name: value.strip("'") for name, value in lines}

    def _postgres_pids(self) -> list[int]:
        """The postmaster, then its children."""
        try:
            first = int((self._postgres_home() / "data" / "postmaster.pid").read_text().split()[0])
        except (OSError, ValueError, IndexError):
            return []
        if not Path(f"/proc/{first}").exists():
            return []
        return [first, *(pid for pid in _process_ids() if _parent_of(pid) == first)]

    def _postgres_home(self) -> Path:
        """As services.py chose it: in its directory, or where the user that runs PostgreSQL can reach it."""
        choices = json.loads((self._services_directory / "choices.json").read_text())
        return self._services_directory / choices["postgres_home"]

    def _kafka_pids(self) -> list[int]:
        wanted = str(self._services_directory / "kafka" / "server.properties")
        return [pid for pid in _process_ids() if _arguments_of(pid)[-2:] == ["kafka.Kafka", wanted]]

    async def _same_rows(self, draw: random.Random) -> str:
        """Kafka stalls, so that orders wait in the outbox; then one relay sweeps and is stopped with its rows
        for longer than its lease, and another publishes the same rows."""
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
                # The last two are down but for their own faults.
                for worker in (*workers, self.further, self.namesake):
                    await stack.enter_async_context(worker.faulted)
                await stack.enter_async_context(self.kafka.faulted)
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

    async def _wipe_topic(self) -> str:
        await asyncio.sleep(1)
        await self.keep_log()
        self.log_wiped = True
        try:
            lost = await asyncio.to_thread(kafka_log.delete_records, self._bootstrap)
        except KafkaException as error:
            raise NotInjected(str(error)) from error
        return f"{lost} partitions"

    @property
    def _bootstrap(self) -> str:
        return self._bus.removeprefix("kafka://")

    async def read_log(self) -> list[LoggedEvent]:
        return await asyncio.to_thread(kafka_log.read_log, self._bootstrap)


def _process_ids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _arguments_of(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
    except OSError:
        return []


def _parent_of(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    except (OSError, IndexError, ValueError):
        return 0
