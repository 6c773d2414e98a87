"""A deployment with so many processes of each role, and what orders cost each of its parts."""

import time
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import bodies, tools
from bench.own_servers import OwnServers, Written, written
from bench.processes import START_SECONDS_MAX, Meter, Processes, cpu_by_process, wait_for
from bench.scenarios import Sample, noise, recorded_latency_ms, warm_up
from bench.servers import scalar
from bench.stages import NO_FAILURES, ORDERFLOW, Stage, ended, free_port, migrate
from orderflow.runtime.ids import new_uuid4

ROLES = ("api", "relay", "worker")
PARTS = (*ROLES, "orders_db", "fulfillment_db", "kafka")
IDLE_S = 10.0
SETTLE_S = 5.0
"""In this time the group gives each worker its partitions."""
SHIPPED_SECONDS_MAX = 180.0
SHIPPED_PERIOD_S = 0.1
BATCH_ORDERS = 200
BATCH_REQUESTS_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Deployment:
    """`replicas` is the number of `api` processes, which share one port, and of relays and of workers."""

    servers: OwnServers
    stage: Stage
    replicas: int
    topic: str

    def calls(self) -> int:
        """How often the carrier was called."""
        return int(
            scalar(self.stage.fulfillment_database, "SELECT coalesce(sum(attempts), 0) FROM shipments")
        )

    def written(self) -> dict[str, Written]:
        return {
            "orders_db": written(self.stage.database),
            "fulfillment_db": written(self.stage.fulfillment_database),
        }


@contextmanager
def deployment(servers: OwnServers, logs: Path, *, replicas: int) -> Generator[Deployment]:
    """So many processes of each role, on empty databases and an empty topic."""
    with (
        servers.orders.database() as orders,
        servers.fulfillment.database() as fulfillment,
        servers.orders.topic() as topic,
        Processes(logs) as processes,
    ):
        port = free_port()
        env = {
            "ORDERFLOW_DATABASE_URL": orders,
            "ORDERFLOW_FULFILLMENT_DATABASE_URL": fulfillment,
            "ORDERFLOW_BUS_URL": servers.orders.bus_url,
            "ORDERFLOW_ORDERS_TOPIC": topic,
            "ORDERFLOW_CONSUMER_GROUP": topic,
            "ORDERFLOW_PORT": str(port),
            "ORDERFLOW_ORDERS_URL": f"http://127.0.0.1:{port}",
            "ORDERFLOW_API_WORKERS": str(replicas),
            "ORDERFLOW_AUTH": "off",
            "ORDERFLOW_CARRIER_DELAY_MS": "0-0",
            "ORDERFLOW_IN_FLIGHT_MAX": "10000",
            **NO_FAILURES,
        }
        migrate(orders, fulfillment)

        def start(role: str, number: int) -> int:
            own = {"ORDERFLOW_FULFILLMENT_PORT": str(free_port())} if role == "fulfillment" else {}
            name = f"{replicas}-{role}-{number}"
            return processes.start([*ORDERFLOW, role], name=name, env={**env, **own}).pid

        parts = {
            "api": [start("api", 1)],
            "relay": [start("relay", number) for number in range(replicas)],
            "worker": [start("fulfillment", number) for number in range(replicas)],
            **servers.parts(),
        }
        url = env["ORDERFLOW_ORDERS_URL"]
        stage = Stage(url, orders, processes, parts, env, fulfillment)
        processes.wait_until_ready(f"{url}/health/ready")
        warm_up(stage)
        workers = "SELECT count(*) FROM workers"
        wait_for(lambda: scalar(fulfillment, workers) == replicas, START_SECONDS_MAX, "all workers to start")
        time.sleep(SETTLE_S)
        yield Deployment(servers, stage, replicas, topic)


def idle(deployment: Deployment, seconds: float = IDLE_S) -> Sample:
    """What the parts use while nothing is ordered: CPU in ms per second, of all replicas together."""
    meter = Meter(deployment.stage.parts)
    time.sleep(seconds)
    usage = meter.read()
    return Sample({f"idle_{part}_ms": 1000 * usage[part] / seconds for part in PARTS}, noise(usage))


def steady(deployment: Deployment, scratch: Path, *, rate: int, seconds: float) -> Sample:
    """Orders arrive one by one at a fixed rate by vegeta."""
    stage = deployment.stage
    targets, results = scratch / "targets.json", scratch / "results.bin"
    # A key that the warm-up has used would be an order that is there already.
    bodies.write_for_vegeta(targets, stage.url, count=round(rate * seconds) + 1, token=new_uuid4())

    def place() -> None:
        with tools.vegeta(targets, results, rate=rate, seconds=seconds) as process:
            wait_for(lambda: ended(process), seconds + tools.SLACK_S, "vegeta to end")

    sample = _measured(deployment, place)
    load = tools.vegeta_load(results)
    marks = [f"{load.failed} of {load.requests} requests failed"] if load.failed else []
    values = {**sample.values, "post_p50_ms": load.p50_ms, "post_p99_ms": load.p99_ms}
    return Sample(values, (*sample.marks, *marks))


def full(deployment: Deployment, *, orders: int) -> Sample:
    """So many orders as fast as the service takes them, 200 per request, so that every queue is full."""
    batches = bodies.batches(orders, BATCH_ORDERS)

    def post(batch: bytes) -> None:
        deployment.stage.post("/api/orders/batch", batch)

    def place() -> None:
        with ThreadPoolExecutor(BATCH_REQUESTS_AT_ONCE) as pool:
            list(pool.map(post, batches))

    return _measured(deployment, place)


def _measured(deployment: Deployment, place: Callable[[], object]) -> Sample:
    """What the orders that `place` places cost, from the first one until the last one is Shipped."""
    stage, servers = deployment.stage, deployment.servers
    orders_before, calls_before = stage.orders(), deployment.calls()
    bytes_before = servers.topic_bytes(deployment.topic)
    messages_before = servers.messages(deployment.topic)
    written_before = deployment.written()
    processes_before = {role: cpu_by_process(stage.parts[role]) for role in ROLES}
    meter, since, began = Meter(stage.parts), time.time(), time.monotonic()
    place()
    placed_at = time.monotonic()
    placed = stage.orders()

    def all_shipped() -> bool:
        stage.processes.check()
        return stage.orders("Shipped") >= placed

    wait_for(all_shipped, SHIPPED_SECONDS_MAX, "all orders to be shipped", pause_s=SHIPPED_PERIOD_S)
    usage, now = meter.read(), time.monotonic()
    shares = {
        f"busiest_{role}_share": _busiest_share(before, cpu_by_process(stage.parts[role]))
        for role, before in processes_before.items()
    }
    orders = placed - orders_before
    written_per_order = {
        f"{part}_{what}": value / orders
        for part, after in deployment.written().items()
        for what, value in after.since(written_before[part]).items()
    }
    messages = [n - messages_before[p] for p, n in servers.messages(deployment.topic).items()]
    values = {
        "orders": float(orders),
        "seconds": now - began,
        "orders_per_s": orders / (now - began),
        "drain_s": now - placed_at,
        **{f"cpu_{part}_us": 1e6 * usage[part] / orders for part in PARTS},
        **written_per_order,
        "topic_bytes": (servers.topic_bytes(deployment.topic) - bytes_before) / orders,
        "messages": sum(messages) / orders,
        "carrier_calls": (deployment.calls() - calls_before) / orders,
        "fullest_partition": len(messages) * max(messages) / sum(messages),
        **shares,
        **recorded_latency_ms(stage, since=since),
        "others_share": usage["others"],
    }
    return Sample(values, noise(usage))


def _busiest_share(before: Mapping[int, float], after: Mapping[int, float]) -> float:
    """The CPU of the busiest process, as a share of all."""
    spent = [seconds - before.get(pid, 0.0) for pid, seconds in after.items()]
    return max(spent) / max(0.001, sum(spent))
