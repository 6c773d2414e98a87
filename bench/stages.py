"""The systems that are measured, up and running: Orderflow on servers, Orderflow embedded, and the
conventional port."""

import json
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from bench import tools
from bench.processes import Processes, peak_rss_mb, run, wait_for
from bench.servers import Servers, scalar
from orderflow.security.keys import new_text

ROOT = Path(__file__).resolve().parent.parent
ORDERFLOW = [sys.executable, "-m", "orderflow"]
HTTP_TIMEOUT_S = 60
NO_FAILURES = {"ORDERFLOW_CARRIER_FAILURE_RATE": "0"}
MIGRATE_SECONDS_MAX = 60.0


@dataclass(slots=True)
class Stage:
    """One system under measurement with an empty database. `database` is a URL or an SQLite file."""

    url: str
    database: str
    processes: Processes
    parts: dict[str, list[int]]
    env: dict[str, str] = field(default_factory=dict[str, str])
    fulfillment_database: str = ""
    has_outbox: bool = True
    api_key: str | None = None
    """What callers show, if they are asked for a key."""

    def query(self, sql: str) -> Any:
        """The first value, read from the database itself."""
        if not self.database.startswith("postgresql"):
            with closing(
                sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, timeout=10)
            ) as connection:
                return connection.execute(sql).fetchone()[0]
        return scalar(self.database, sql)

    def orders(self, status: str | None = None) -> int:
        """Rows of the orders table."""
        return int(
            self.query("SELECT count(*) FROM orders" + (f" WHERE status = '{status}'" if status else ""))
        )

    def outbox_age_s(self) -> float | None:
        """How long the oldest unpublished event has waited; None if the system has no outbox."""
        return self.get("/api/stats")["outbox"]["oldestAgeMs"] / 1000 if self.has_outbox else None

    def get(self, path: str) -> Any:
        headers = {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}
        request = Request(f"{self.url}{path}", headers=headers)  # noqa: S310 - our own URL
        with urlopen(request, timeout=HTTP_TIMEOUT_S) as answer:  # noqa: S310 - our own URL
            return json.load(answer)

    def post(self, path: str, body: bytes) -> Any:
        request = Request(f"{self.url}{path}", body, {"Content-Type": "application/json"})  # noqa: S310
        with urlopen(request, timeout=HTTP_TIMEOUT_S) as answer:  # noqa: S310 - our own URL
            return json.load(answer)

    def rss_mb(self, part: str) -> float:
        """The peak resident size of the part's largest process."""
        return max((peak_rss_mb(root) for root in self.parts.get(part, [])), default=0.0)

    def start_fulfillment(self, *, delay_ms: str = "0-0", carrier: str = "simulated") -> None:
        settings = {
            "ORDERFLOW_CARRIER": carrier,
            "ORDERFLOW_IN_FLIGHT_MAX": "10000",
            "ORDERFLOW_CARRIER_DELAY_MS": delay_ms,
            "ORDERFLOW_FULFILLMENT_PORT": str(free_port()),
        }
        env = {**self.env, **NO_FAILURES, **settings}
        process = self.processes.start([*ORDERFLOW, "fulfillment"], name="fulfillment", env=env, cwd=ROOT)
        self.parts["fulfillment"] = [process.pid]

    def restart_api(self, settings: Mapping[str, str]) -> None:
        """Start the same `api` again with other settings."""
        self.processes.stop(self.parts["api"][0])
        api = self.processes.start([*ORDERFLOW, "api"], name="api", env={**self.env, **settings})
        self.parts["api"] = [api.pid]
        self.processes.wait_until_ready(f"{self.url}/health/ready")

    def start_relay(self, bus_url: str) -> None:
        env = {**self.env, "ORDERFLOW_BUS_URL": bus_url}
        process = self.processes.start([*ORDERFLOW, "relay"], name="relay-back", env=env)
        self.parts["relay"].append(process.pid)

    def backlog(self) -> int:
        return int(self.get("/api/stats")["outbox"]["backlog"])

    def start_conventional_worker(self, form: str) -> None:
        process = self.processes.start(
            [tools.install_conventional(), "-m", "bench.conventional.worker", form],
            name=f"conventional-{form}",
            env=self.env,
            cwd=ROOT,
        )
        self.parts["fulfillment"] = [process.pid]

    def wait_until_published(self) -> None:
        """Wait until the relay has sent every event, so that a drain depends on the log alone."""
        if self.has_outbox:
            wait_for(lambda: self.get("/api/stats")["outbox"]["backlog"] == 0, 60, "the outbox to empty")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def migrate(orders: str, fulfillment: str) -> None:
    """Bring both databases to the newest schema."""
    settings = {"ORDERFLOW_DATABASE_URL": orders, "ORDERFLOW_FULFILLMENT_DATABASE_URL": fulfillment}
    run([*ORDERFLOW, "migrate"], seconds_max=MIGRATE_SECONDS_MAX, env=settings)


@contextmanager
def orderflow(
    servers: Servers,
    logs: Path,
    *,
    api_workers: int,
    kafka_away: bool = False,
    settings: Mapping[str, str] | None = None,
    with_keys: bool = False,
) -> Generator[Stage]:
    """`api` in so many processes, and one `relay`, on PostgreSQL and Kafka; no fulfillment yet. `with_keys`:
    every caller is asked for an API key."""
    with (
        servers.database() as orders,
        servers.database() as fulfillment,
        servers.topic() as topic,
        Processes(logs) as processes,
    ):
        port = free_port()
        env = {
            "ORDERFLOW_DATABASE_URL": orders,
            "ORDERFLOW_FULFILLMENT_DATABASE_URL": fulfillment,
            "ORDERFLOW_BUS_URL": f"kafka://127.0.0.1:{free_port()}" if kafka_away else servers.bus_url,
            "ORDERFLOW_ORDERS_TOPIC": topic,
            "ORDERFLOW_CONSUMER_GROUP": topic,
            "ORDERFLOW_PORT": str(port),
            "ORDERFLOW_ORDERS_URL": f"http://127.0.0.1:{port}",
            "ORDERFLOW_API_WORKERS": str(api_workers),
            "ORDERFLOW_AUTH": "on" if with_keys else "off",
            **(settings or {}),
        }
        api = processes.start([*ORDERFLOW, "api"], name="api", env=env)
        relay = processes.start([*ORDERFLOW, "relay"], name="relay", env=env)
        parts = {"api": [api.pid], "relay": [relay.pid], **servers.parts()}
        stage = Stage(env["ORDERFLOW_ORDERS_URL"], orders, processes, parts, env, fulfillment)
        processes.wait_until_ready(f"{stage.url}/health/ready")
        if with_keys:
            migrate(orders, fulfillment)
            scopes = ["--scope", "orders:write", "--scope", "orders:read"]
            create = [*ORDERFLOW, "keys", "create", "--name", "bench", *scopes, "--key-file"]
            stage.api_key = new_text()
            key_file = logs / "bench.key"
            key_file.write_text(stage.api_key)
            run([*create, str(key_file)], seconds_max=MIGRATE_SECONDS_MAX, env=env)
        yield stage


@contextmanager
def embedded(
    scratch: Path, logs: Path, *, delay_ms: str, in_flight_max: int | None = None
) -> Generator[Stage]:
    """`up`: every role in one process on three SQLite files, durable at each commit."""
    data = scratch / f"embedded-{free_port()}"
    port = free_port()
    env = {
        "ORDERFLOW_DATA_DIR": str(data),
        "ORDERFLOW_PORT": str(port),
        "ORDERFLOW_FULFILLMENT_PORT": str(free_port()),
        "ORDERFLOW_CARRIER_DELAY_MS": delay_ms,
        **NO_FAILURES,
        **({"ORDERFLOW_IN_FLIGHT_MAX": str(in_flight_max)} if in_flight_max else {}),
    }
    with Processes(logs) as processes:
        up = processes.start([*ORDERFLOW, "up"], name="up", env=env)
        stage = Stage(f"http://127.0.0.1:{port}", str(data / "orders.db"), processes, {"up": [up.pid]}, env)
        processes.wait_until_ready(f"{stage.url}/health/ready")
        yield stage


@contextmanager
def conventional(
    servers: Servers, logs: Path, *, api_workers: int, delay_ms: str = "0-0"
) -> Generator[Stage]:
    """The conventional API in so many processes, on the same PostgreSQL and Kafka; no worker yet."""
    python = tools.install_conventional()
    with servers.database() as database, servers.topic() as topic, Processes(logs) as processes:
        port = free_port()
        env = {
            "BENCH_DATABASE_URL": database.replace("postgresql://", "postgresql+asyncpg://", 1),
            "BENCH_BROKER": servers.broker,
            "BENCH_TOPIC": topic,
            "BENCH_GROUP": topic,
            "BENCH_ORDERS_URL": f"http://127.0.0.1:{port}",
            "BENCH_CARRIER_DELAY_MS": delay_ms,
        }
        run([python, "-m", "bench.conventional.create_tables"], seconds_max=60, env=env, cwd=ROOT)
        server = [
            python,
            "-m",
            "uvicorn",
            "bench.conventional.api:app",
            "--port",
            str(port),
            "--no-access-log",
        ]
        api = processes.start(
            [*server, "--log-level", "warning", "--workers", str(api_workers)],
            name="conventional-api",
            env=env,
            cwd=ROOT,
        )
        parts = {"api": [api.pid], **servers.parts()}
        stage = Stage(env["BENCH_ORDERS_URL"], database, processes, parts, env, has_outbox=False)
        processes.wait_until_ready(f"{stage.url}/health")
        yield stage


def ended(process: subprocess.Popen[bytes]) -> bool:
    return process.poll() is not None
