"""The measurements: each puts one load on one stage and returns the figures."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from bench import bodies, tools
from bench.processes import BenchError, Meter, wait_for
from bench.servers import Servers, scalar
from bench.stages import Stage, ended
from bench.tools import Load

OUTBOX_AGE_S_MAX = 1.0
OTHERS_MAX = 0.10
WARM_UP_SHARE = 0.2
CONNECTIONS = (32, 128, 512)
"""The numbers that are tried: each system gets the one with which it takes most orders."""

SAMPLE_PERIOD_S = 0.5
SHIPPED_PERIOD_S = 0.05
DRAIN_SECONDS_MAX = 120.0
PRELOAD_BATCH = 500
WARM_UP_ORDERS = 200

_tokens = count(1)


@dataclass(frozen=True, slots=True)
class Sample:
    """Figures by name (the unit comes last in it), and what makes them doubtful."""

    values: Mapping[str, float]
    marks: tuple[str, ...] = ()


def limit(
    servers: Servers,
    database: str,
    scratch: Path,
    *,
    orders_per_transaction: int,
    clients: int,
    seconds: float,
) -> Sample:
    """The rate at which PostgreSQL takes orders from pgbench, after a warm-up that is not counted."""

    def rate_over(duration_s: float) -> float:
        return tools.pgbench(
            database,
            scratch,
            orders_per_transaction=orders_per_transaction,
            clients=clients,
            seconds=duration_s,
        )

    rate_over(max(1.0, seconds * WARM_UP_SHARE))
    meter = Meter(servers.parts())
    rate = rate_over(seconds)
    usage = meter.read()
    values = {"orders_per_s": rate, "clients": float(clients), **costs(usage, rate * seconds)}
    return Sample(values, noise(usage))


def intake(
    stage: Stage,
    orders: Path,
    *,
    seconds: float,
    connections: int,
    orders_per_request: int = 0,
) -> Sample:
    """Intake in a closed loop by wrk, after a warm-up that is not counted. `orders_per_request` 0 means the
    endpoint for single orders."""
    per_request = max(1, orders_per_request)
    before = stage.orders()

    def load(duration_s: float) -> Load:
        return tools.wrk(
            stage.url,
            orders,
            seconds=duration_s,
            connections=connections,
            token=f"w{next(_tokens)}",
            orders_per_request=orders_per_request,
            api_key=stage.api_key,
        )

    warm_up = load(max(1.0, seconds * WARM_UP_SHARE))
    meter = Meter(stage.parts)
    measured = load(seconds)
    usage = meter.read()
    age_s = stage.outbox_age_s()
    answered = (warm_up.accepted + measured.accepted) * per_request
    marks = [*noise(usage), *_failures(measured), *_outbox(age_s)]
    # wrk ends without waiting for the answers to its last requests, at most one per connection and run.
    surplus = _settled(stage) - before - answered
    if not 0 <= surplus <= 2 * connections * per_request:
        marks.append(f"{answered} orders answered 201, {surplus:+d} rows")
    accepted = measured.accepted * per_request
    values = {
        "orders_per_s": accepted / measured.seconds,
        "p50_ms": measured.p50_ms,
        "p99_ms": measured.p99_ms,
        **costs(usage, accepted),
        **memory(stage),
        **({} if age_s is None else {"outbox_age_s": age_s}),
    }
    return Sample(values, tuple(marks))


def best_connections(stage: Stage, orders: Path, *, seconds: float) -> int:
    """The number of wrk's connections with which the stage takes most orders."""

    def rate(connections: int) -> float:
        load = tools.wrk(
            stage.url, orders, seconds=seconds, connections=connections, token=f"w{next(_tokens)}"
        )
        return load.accepted / load.seconds

    rate(CONNECTIONS[0])  # a warm-up
    return max(CONNECTIONS, key=rate)


def kafka_away(stage: Stage, orders: Path, *, seconds: float, connections: int, bus_url: str) -> Sample:
    """Intake while no broker answers; then one relay gets a broker, and the backlog drains without other
    load.

    The drain's rate is that of its first nine tenths: for some seconds, some of the last events are still
    claimed by relays that look for the absent broker.
    """
    intake(stage, orders, seconds=seconds, connections=connections)
    rss_mb = stage.rss_mb("api")
    taken = intake(stage, orders, seconds=seconds, connections=connections)
    backlog = stage.backlog()
    stage.start_relay(bus_url)
    wait_for(lambda: stage.backlog() < backlog, 60, "the relay to publish")
    began, first = time.monotonic(), stage.backlog()
    wait_for(lambda: stage.backlog() <= backlog // 10, DRAIN_SECONDS_MAX, "the backlog to drain")
    drained = first - stage.backlog()
    drained_per_s = drained / max(0.001, time.monotonic() - began)
    wait_for(lambda: stage.backlog() == 0, DRAIN_SECONDS_MAX, "the rest of the backlog to drain")
    marks = [mark for mark in taken.marks if "outbox" not in mark]
    grown_mb = stage.rss_mb("api") - rss_mb
    values = {**taken.values, "drained_events_per_s": drained_per_s, "rss_api_grown_mb": grown_mb}
    return Sample(values, tuple(marks))


def latency(stage: Stage, scratch: Path, *, rate: int, seconds: float) -> Sample:
    """Latency in an open loop by vegeta, after a warm-up that is not counted."""
    before = stage.orders()
    warm_up = _attack(stage, scratch, rate=rate, seconds=max(1.0, seconds * WARM_UP_SHARE))
    meter = Meter(stage.parts)
    measured = _attack(stage, scratch, rate=rate, seconds=seconds)
    usage = meter.read()
    age_s = stage.outbox_age_s()
    marks = [*noise(usage), *_failures(measured), *_outbox(age_s)]
    answered = warm_up.accepted + measured.accepted
    if (rows := _settled(stage) - before) != answered:
        marks.append(f"{answered} orders answered 201, {rows - answered:+d} rows")
    values = {
        "orders_per_s": measured.accepted / measured.seconds,
        "p50_ms": measured.p50_ms,
        "p99_ms": measured.p99_ms,
        "max_ms": measured.max_ms,
        **costs(usage, measured.accepted),
        **memory(stage),
    }
    return Sample(values, tuple(marks))


def _attack(stage: Stage, scratch: Path, *, rate: int, seconds: float) -> Load:
    targets, results = _targets(stage, scratch, rate=rate, seconds=seconds)
    with tools.vegeta(targets, results, rate=rate, seconds=seconds) as process:
        wait_for(lambda: ended(process), seconds + tools.SLACK_S, "vegeta to end")
    return tools.vegeta_load(results)


def _targets(stage: Stage, scratch: Path, *, rate: int, seconds: float) -> tuple[Path, Path]:
    targets = scratch / "targets.json"
    bodies.write_for_vegeta(targets, stage.url, count=round(rate * seconds) + 1, token=f"v{next(_tokens)}")
    return targets, scratch / "results.bin"


def end_to_end(stage: Stage, scratch: Path, *, rate: int, seconds: float) -> Sample:
    """POST at a fixed rate while fulfillment ships: the rate that is held, and whether the backlog grows."""
    warm_up(stage)
    before = stage.orders()
    targets, results = _targets(stage, scratch, rate=rate, seconds=seconds)
    trace: list[tuple[float, int, int]] = []
    meter = Meter(stage.parts)
    with tools.vegeta(targets, results, rate=rate, seconds=seconds) as process:
        began = time.monotonic()
        while not ended(process):
            if time.monotonic() - began > seconds + tools.SLACK_S:
                raise BenchError("vegeta did not end")
            trace.append((time.monotonic() - began, *_progress(stage)))
            time.sleep(SAMPLE_PERIOD_S)
    usage = meter.read()
    offered = tools.vegeta_load(results)
    shipped_s = _wait_for_shipped(stage, before + offered.accepted)
    half, last = (
        [placed - shipped for at, placed, shipped in trace if low * seconds <= at < high * seconds]
        for low, high in ((1 / 3, 2 / 3), (2 / 3, 1.0))
    )
    waiting = [sum(part) / max(1, len(part)) for part in (half, last)]
    grows = waiting[1] - waiting[0] > 0.25 * rate
    marks = [*noise(usage), *_failures(offered), *(["what waits grows"] if grows else [])]
    if shipped_s is None:
        marks.append("not all were shipped in time")
    if len(trace) < seconds / SAMPLE_PERIOD_S / 2:
        marks.append("too few samples to tell the rate")
    values = {
        "orders_per_s": _shipped_per_s(trace, seconds),
        "offered_per_s": float(rate),
        "waiting_mid": waiting[0],
        "waiting_end": waiting[1],
        "p50_ms": offered.p50_ms,
        "p99_ms": offered.p99_ms,
        **costs(usage, offered.accepted),
        **memory(stage),
    }
    return Sample(values, tuple(marks))


def _progress(stage: Stage) -> tuple[int, int]:
    """Orders placed and orders shipped, from the counters, which cost little."""
    placed = stage.query("SELECT coalesce(sum(orders), 0) FROM status_counts")
    shipped = stage.query("SELECT coalesce(sum(orders), 0) FROM status_counts WHERE status = 'Shipped'")
    return int(placed), int(shipped)


def _shipped_per_s(trace: list[tuple[float, int, int]], seconds: float) -> float:
    """The rate of shipping over the last two thirds of the time."""
    steady = [point for point in trace if seconds / 3 <= point[0] <= seconds]
    if len(steady) < 2:
        return 0.0
    return (steady[-1][2] - steady[0][2]) / (steady[-1][0] - steady[0][0])


def _wait_for_shipped(stage: Stage, orders: int) -> float | None:
    """Seconds until so many orders are Shipped, or None if that takes too long."""
    began = time.monotonic()
    while stage.orders("Shipped") < orders:
        stage.processes.check()
        if time.monotonic() - began > DRAIN_SECONDS_MAX:
            return None
        time.sleep(SHIPPED_PERIOD_S)
    return time.monotonic() - began


def warm_up(stage: Stage) -> None:
    """Ship some orders, so that every connection is open and the consumer has its partitions."""
    before = stage.orders()
    _place(stage, WARM_UP_ORDERS)
    if _wait_for_shipped(stage, before + WARM_UP_ORDERS) is None:
        raise BenchError("the first orders did not ship")


def _place(stage: Stage, orders: int) -> None:
    for batch in bodies.batches(orders, PRELOAD_BATCH):
        stage.post("/api/orders/batch", batch)


def drain(stage: Stage, *, orders: int, delay_ms: str) -> Sample:
    """A fulfillment process starts and ships waiting orders. The time runs from the first event that it polls
    until the last order is Shipped."""
    _place(stage, orders)
    stage.wait_until_published()
    stage.start_fulfillment(delay_ms=delay_ms)
    meter = Meter(stage.parts)
    shipped_s = _wait_for_shipped(stage, orders)
    ended_at = time.time()
    usage = meter.read()
    polled_at = float(
        scalar(stage.fulfillment_database, "SELECT extract(epoch FROM min(received_at)) FROM shipments")
        or ended_at
    )
    marks = [*noise(usage), *([] if shipped_s is not None else ["not all were shipped in time"])]
    seconds = max(0.001, ended_at - polled_at)
    values = {
        "orders_per_s": stage.orders("Shipped") / seconds,
        "drain_s": seconds,
        **costs(usage, orders),
        **memory(stage),
    }
    return Sample(values, tuple(marks))


def conventional_drain(stage: Stage, orders_file: Path, *, form: str, seconds: float) -> Sample:
    """The conventional worker has more waiting orders than it can ship in the time: orders shipped per
    second."""
    tools.wrk(stage.url, orders_file, seconds=max(2.0, seconds), connections=32, token=f"w{next(_tokens)}")
    waiting = _settled(stage)
    stage.start_conventional_worker(form)
    wait_for(lambda: stage.orders("Shipped") > 0, 60, "the port's first shipment")
    meter = Meter(stage.parts)
    began, first = time.monotonic(), stage.orders("Shipped")
    while (passed := time.monotonic() - began) < seconds and stage.orders("Shipped") < waiting:
        time.sleep(SHIPPED_PERIOD_S)
    shipped = stage.orders("Shipped") - first
    usage = meter.read()
    values = {"orders_per_s": shipped / max(passed, 0.001), **costs(usage, shipped), **memory(stage)}
    return Sample(values, noise(usage))


def _settled(stage: Stage) -> int:
    """The number of rows in the orders table, once no request is under way any more."""
    rows = -1

    def unchanged() -> bool:
        nonlocal rows
        before, rows = rows, stage.orders()
        return rows == before

    wait_for(unchanged, 30, "the last orders to be written", pause_s=0.3)
    return rows


def costs(usage: Mapping[str, float], orders: float) -> dict[str, float]:
    """CPU per order of each part, in µs; `service` is everything but the servers and the load generator."""
    servers = {name: usage[name] for name in ("postgres", "kafka", "load") if name in usage}
    parts = {name: spent for name, spent in usage.items() if name not in (*servers, "others")}
    costs = {**servers, **({"service": sum(parts.values())} if parts else {})}
    detail = parts if len(parts) > 1 else {}
    per_order = {f"cpu_{name}_us": 1e6 * spent / max(1.0, orders) for name, spent in (costs | detail).items()}
    return {**per_order, "others_share": usage["others"]}


def memory(stage: Stage) -> dict[str, float]:
    own = [part for part in stage.parts if part not in ("postgres", "kafka")]
    return {f"rss_{part}_mb": stage.rss_mb(part) for part in own}


def noise(usage: Mapping[str, float]) -> tuple[str, ...]:
    share = usage["others"]
    return (f"others used {share:.0%} of the CPUs",) if share > OTHERS_MAX else ()


def _failures(load: Load) -> list[str]:
    return [f"{load.failed} of {load.requests} requests failed"] if load.failed else []


def _outbox(age_s: float | None) -> list[str]:
    late = age_s is not None and age_s > OUTBOX_AGE_S_MAX
    return [f"oldest outbox row {age_s:.1f} s at the end"] if late else []


def recorded_latency_ms(stage: Stage, *, since: float) -> dict[str, float]:
    """The time from an order's creation until it is Shipped, in ms, from the rows of the orders that were
    made since that Unix time."""
    took_ms = "extract(epoch FROM updated_at - created_at) * 1000"
    found: dict[str, float] = {}
    for name, share in (("recorded_p50_ms", 0.5), ("recorded_p99_ms", 0.99)):
        of = f"percentile_cont({share}) WITHIN GROUP (ORDER BY {took_ms})"
        those = f"status = 'Shipped' AND created_at >= to_timestamp({since})"
        found[name] = float(stage.query(f"SELECT {of} FROM orders WHERE {those}") or 0)
    return found
