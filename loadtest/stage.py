"""What is put under load: `api`, `relay` and a carrier, and workers that come and go."""

import shutil
import subprocess
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.servers import Servers
from bench.stages import ORDERFLOW, Stage, free_port, orderflow

WORKERS = 3
API_PROCESSES = 2
CARRIER = ("--delay-ms", "50-250", "--failure-rate", "0.01", "--error-rate", "0.01", "--seed", "1")
SETTINGS = {"ORDERFLOW_ENV": "dev", "ORDERFLOW_PAYMENTS": "none", "ORDERFLOW_CARRIER": "http"}


@dataclass(slots=True)
class Worker:
    """`orderflow fulfillment`. `pid` is None while it does not run; its name and port stay."""

    name: str
    port: int = field(default_factory=free_port)
    pid: int | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@dataclass(slots=True)
class Shop:
    """Orderflow with its carrier, whose shipments are all in a ledger."""

    stage: Stage
    carrier_url: str
    ledger: Path
    workers: Sequence[Worker]

    @property
    def group(self) -> str:
        return self.stage.env["ORDERFLOW_CONSUMER_GROUP"]

    @property
    def topic(self) -> str:
        return self.stage.env["ORDERFLOW_ORDERS_TOPIC"]

    @property
    def running(self) -> list[Worker]:
        return [worker for worker in self.workers if worker.pid is not None]

    def start(self, worker: Worker) -> None:
        env = {**self.stage.env, "ORDERFLOW_FULFILLMENT_PORT": str(worker.port)}
        process = self.stage.processes.start([*ORDERFLOW, "fulfillment"], name=worker.name, env=env)
        worker.pid = process.pid
        self._count()

    def kill(self, worker: Worker) -> None:
        """SIGKILL: nothing is said to the group, and nothing is drained."""
        if worker.pid is not None:
            self.stage.processes.kill(worker.pid)
        worker.pid = None
        self._count()

    def stop(self, worker: Worker) -> None:
        """SIGTERM: the worker drains."""
        if worker.pid is not None:
            self.stage.processes.stop(worker.pid)
        worker.pid = None
        self._count()

    def _count(self) -> None:
        self.stage.parts["fulfillment"] = [worker.pid for worker in self.workers if worker.pid is not None]


@contextmanager
def shop(servers: Servers, directory: Path) -> Generator[Shop]:
    """Two `api` processes, a relay, the carrier and one worker, with databases and a topic of their own. Two
    more workers may be started. Raises BenchError."""
    carrier_port = free_port()
    carrier_url = f"http://127.0.0.1:{carrier_port}"
    ledger = directory / "carrier.db"
    settings = {**SETTINGS, "ORDERFLOW_CARRIER_URL": carrier_url}
    logs = directory / "logs"
    shutil.rmtree(logs, ignore_errors=True)
    logs.mkdir(parents=True)
    ledger.unlink(missing_ok=True)
    with orderflow(servers, logs, api_workers=API_PROCESSES, settings=settings) as stage:
        command = [*ORDERFLOW, "carrier-sim", "--port", str(carrier_port), "--ledger", str(ledger), *CARRIER]
        carrier = stage.processes.start(command, name="carrier-sim")
        stage.parts["carrier"] = [carrier.pid]
        stage.processes.wait_until_ready(f"{carrier_url}/health/live")
        made = Shop(stage, carrier_url, ledger, [Worker(f"worker-{number + 1}") for number in range(WORKERS)])
        first = made.workers[0]
        made.start(first)
        stage.processes.wait_until_ready(f"{first.url}/health/ready")
        yield made


@contextmanager
def ended_afterwards(process: subprocess.Popen[bytes]) -> Generator[subprocess.Popen[bytes]]:
    """The process does not outlive the block."""
    try:
        yield process
    finally:
        process.kill()
        process.wait()
