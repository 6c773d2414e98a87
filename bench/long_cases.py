"""Cases that take minutes: memory after a million orders; rates, pages and the purge with five million
stored."""

import time
from pathlib import Path
from statistics import median
from typing import LiteralString, cast

import psycopg

from bench import bodies
from bench.processes import BenchError, wait_for
from bench.scenarios import Sample, intake, latency
from bench.stages import Stage

MILLION_SECONDS_MAX = 1_800.0
STORE_SECONDS_MAX = 1_800.0
STORE_STEP = 10_000
SLICE_S = 30.0
DAY_S = 86_400
OLD_DAYS = 30
PURGE_RATE = 500
PURGE_STARTS_SECONDS_MAX = 180.0


def million_orders(stage: Stage, orders_file: Path, *, orders: int, connections: int) -> Sample:
    """wrk sends single orders until so many are stored. The figures are those of the last slice."""
    began = time.monotonic()
    slice_s = SLICE_S if orders >= 1_000_000 else 2.0
    while True:
        sample = intake(stage, orders_file, seconds=slice_s, connections=connections)
        if (stored := stage.orders()) >= orders:
            return Sample({**sample.values, "stored": float(stored)}, sample.marks)
        if time.monotonic() - began > MILLION_SECONDS_MAX:
            raise BenchError(f"only {stored} orders after {MILLION_SECONDS_MAX:g} s")


def stored_orders(
    stage: Stage, orders_file: Path, scratch: Path, *, stored: int, seconds: float, connections: int
) -> Sample:
    """Intake and first pages on an empty database, and again with so many shipped orders stored; then the p99
    at a fixed rate, before and during the purge of their events."""
    empty = intake(stage, orders_file, seconds=seconds, connections=connections)
    empty_pages = _first_pages_ms(stage)
    store(stage.database, stored)
    full = intake(stage, orders_file, seconds=seconds, connections=connections)
    full_pages = _first_pages_ms(stage)
    quiet = latency(stage, scratch, rate=PURGE_RATE, seconds=seconds)
    stage.restart_api({"ORDERFLOW_EVENTS_KEPT_S": str(7 * DAY_S)})
    wait_for(lambda: _events(stage) < stored, PURGE_STARTS_SECONDS_MAX, "the purge to begin")
    before = _events(stage)
    purging = latency(stage, scratch, rate=PURGE_RATE, seconds=seconds)
    purged = before - _events(stage)
    rate = empty.values["orders_per_s"]
    values = {
        **full.values,
        "empty_orders_per_s": rate,
        "share_of_empty": full.values["orders_per_s"] / rate,
        **{f"first_page_{name}_ms": ms for name, ms in full_pages.items()},
        **{f"first_page_{name}_empty_ms": ms for name, ms in empty_pages.items()},
        "slowest_first_page_ms": max(full_pages.values()),
        "p99_quiet_ms": quiet.values["p99_ms"],
        "p99_purging_ms": purging.values["p99_ms"],
        "p99_purging_share": purging.values["p99_ms"] / quiet.values["p99_ms"],
        "purged_rows": float(purged),
    }
    marks = [*empty.marks, *full.marks, *quiet.marks, *purging.marks]
    return Sample(values, (*marks, *(["nothing was purged"] if purged <= 0 else [])))


def _events(stage: Stage) -> int:
    """How many old events there are, which are to be purged."""
    return int(
        stage.query(f"SELECT count(*) FROM outbox WHERE created_at < now() - interval '{OLD_DAYS - 1} days'")
    )


PAGES = {
    "all": "",
    "status": "?status=Shipped",
    "customer": "?customerId=customer-5",
    "product": "?productId=product-5-1",
    "attention": "?attention=true",
}
PAGE_TRIES = 15


def _first_pages_ms(stage: Stage) -> dict[str, float]:
    """The median time of each kind of list's first page."""
    found: dict[str, float] = {}
    for name, query in PAGES.items():
        took_s: list[float] = []
        for _ in range(PAGE_TRIES):
            began = time.perf_counter()
            stage.get(f"/api/orders{query}")
            took_s.append(time.perf_counter() - began)
        found[name] = 1000 * median(took_s)
    return found


def store(database: str, orders: int) -> None:
    statement = bodies.insert_statement(STORE_STEP, shipped_days_ago=OLD_DAYS)
    for name, value in {":ship": "0", ":slot": "63"}.items():
        statement = statement.replace(name, value)
    deadline = time.monotonic() + STORE_SECONDS_MAX
    with psycopg.connect(database, autocommit=True) as connection:
        for _ in range(orders // STORE_STEP):
            connection.execute(cast("LiteralString", statement))
            if time.monotonic() > deadline:
                raise BenchError(f"storing {orders} orders takes longer than {STORE_SECONDS_MAX:g} s")
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")
