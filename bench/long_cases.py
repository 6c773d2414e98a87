"""What takes minutes: memory after a million orders, and the rate with five million stored."""

import time
from pathlib import Path
from typing import LiteralString, cast

import psycopg

from bench import bodies
from bench.processes import BenchError
from bench.scenarios import Sample, intake
from bench.stages import Stage

MILLION_SECONDS_MAX = 1_800.0
STORE_SECONDS_MAX = 1_800.0
STORE_STEP = 10_000
SLICE_S = 30.0


def million_orders(stage: Stage, orders_file: Path, *, orders: int) -> Sample:
    """Singles by wrk until so many are stored; the figures are those of the last slice."""
    began = time.monotonic()
    slice_s = SLICE_S if orders >= 1_000_000 else 2.0
    while True:
        sample = intake(stage, orders_file, seconds=slice_s)
        if (stored := stage.orders()) >= orders:
            return Sample({**sample.values, "stored": float(stored)}, sample.marks)
        if time.monotonic() - began > MILLION_SECONDS_MAX:
            raise BenchError(f"only {stored} orders after {MILLION_SECONDS_MAX:g} s")


def stored_orders(stage: Stage, orders_file: Path, *, stored: int, seconds: float) -> Sample:
    """Intake on the empty database, then again with so many published orders stored: both rates."""
    empty = intake(stage, orders_file, seconds=seconds)
    _store(stage.database, stored)
    full = intake(stage, orders_file, seconds=seconds)
    before = empty.values["orders_per_s"]
    values = {
        **full.values,
        "empty_orders_per_s": before,
        "share_of_empty": full.values["orders_per_s"] / before,
    }
    return Sample(values, (*empty.marks, *full.marks))


def _store(database: str, orders: int) -> None:
    statement = bodies.insert_statement(STORE_STEP, published=True)
    for name, value in {":ship": "0", ":customer": "500", ":slot": "63"}.items():
        statement = statement.replace(name, value)
    deadline = time.monotonic() + STORE_SECONDS_MAX
    with psycopg.connect(database, autocommit=True) as connection:
        for _ in range(orders // STORE_STEP):
            connection.execute(cast("LiteralString", statement))
            if time.monotonic() > deadline:
                raise BenchError(f"storing {orders} orders takes longer than {STORE_SECONDS_MAX:g} s")
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")
