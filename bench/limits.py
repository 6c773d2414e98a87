"""`python -m bench.limits`: what only one can do at a time, and how fast: flushes of a disk, positions in the
stream, the removal of old events, reservations of one product, and the reading of the stream by a process.

Writes go to a new PostgreSQL database (`make services`).
"""

import os
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import LiteralString, cast

import psycopg

from bench.long_cases import OLD_DAYS, store
from bench.processes import BenchError
from bench.servers import find_servers
from orderflow.database.engine import connect
from orderflow.database.migrate import migrate
from orderflow.database.steps import Step
from orderflow.database.transaction import Transaction
from orderflow.fulfillment.migrations import SCHEMA as FULFILLMENT
from orderflow.fulfillment.stock.records import SetOnHand, set_on_hand
from orderflow.fulfillment.stock.reservations import Reserve, move
from orderflow.orders import stream
from orderflow.orders.migrations import SCHEMA as ORDERS
from orderflow.orders.retention import SHARE_OF_WRITER, STEP_ROWS, Remove, remove
from orderflow.orders.sequencer import ROWS_A_PASS_MAX, Pass, sequence
from orderflow.runtime.ids import FIRST_UUID, new_uuid7

SECONDS = 5.0
FLUSHES = 500
PAGE_BYTES = 8_192
STREAM_ROWS = 20_000
STORED_ORDERS = 20_000
CHANGES_A_ROW = 50
PRODUCTS = 1_000
ON_HAND = 10**11
WRITERS = (1, 2, 4)
BATCHES = (1, 20, 200)


def flush_us(directory: Path) -> float:
    """How long it takes until one page is on the disk."""
    with tempfile.TemporaryFile(dir=directory) as file:
        began = time.perf_counter()
        for _ in range(FLUSHES):
            file.write(bytes(PAGE_BYTES))
            file.flush()
            os.fdatasync(file.fileno())
        return 1e6 * (time.perf_counter() - began) / FLUSHES


def stream_limits(url: str) -> None:
    """How many transactions get their positions per second, and what a change costs who reads the stream."""
    database = connect(url, application="bench-limits")
    migrate(database, ORDERS)
    change = '["01a204ae-55a8-7108-9708-e86d5ad677de",1,"Created","2026-11-22T19:14:23.784Z","c-1",null,null]'
    insert = (
        "INSERT INTO stream (at, changes, size) SELECT now(), "
        f"'[{','.join([change] * CHANGES_A_ROW)}]', {CHANGES_A_ROW} FROM generate_series(1, {STREAM_ROWS})"
    )
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(cast("LiteralString", insert))
        connection.execute("VACUUM ANALYZE stream")
    began = time.perf_counter()
    for _ in range(STREAM_ROWS // ROWS_A_PASS_MAX):
        with database.writer.connect() as connection:
            tx = Transaction(connection)
            sequence(tx, [Pass()])
            tx.send()
            connection.commit()
    sequenced_s = time.perf_counter() - began
    with database.reader.connect() as connection:
        began = time.thread_time()
        page = stream.read(connection, 1, rows_max=STREAM_ROWS // 20)
        read_s = time.thread_time() - began
    database.dispose()
    say(STREAM_ROWS / sequenced_s, "transactions that get positions, per second")
    say(1e6 * read_s / len(page.changes), "µs of a process per change that it reads")


def removed_per_s(url: str) -> float:
    """How many old events retention removes per second in the share of the writer's time that it may take."""
    store(url, STORED_ORDERS)
    database = connect(url, application="bench-limits")
    before = datetime.now(UTC) - timedelta(days=OLD_DAYS - 1)
    removed, step = 0, Step(0, FIRST_UUID)
    began = time.perf_counter()
    while step.behind is not None:
        with database.writer.connect() as connection:
            tx = Transaction(connection)
            (step,) = remove(tx, [Remove("events", step.behind, before, STEP_ROWS)])
            tx.send()
            connection.commit()
        removed += step.rows
    took_s = time.perf_counter() - began
    database.dispose()
    if removed != STORED_ORDERS:
        raise BenchError(f"{removed} of {STORED_ORDERS} events were removed")
    return SHARE_OF_WRITER * removed / took_s


def _reserve(url: str, batch: int, products: int, seconds: float) -> int:
    """One writer: reserves for batches of orders, each with one product, until the time is over."""
    database = connect(url, application="bench-limits")
    begin = os.getpid() * 37  # writers that run side by side begin elsewhere
    done, ends = 0, time.monotonic() + seconds
    while time.monotonic() < ends:
        now_ms = int(time.time() * 1000)
        moves = [
            Reserve(new_uuid7(now_ms), ((f"product-{(begin + done + n) % products}", 1),))
            for n in range(batch)
        ]
        with database.writer.connect() as connection:
            tx = Transaction(connection)
            move(tx, moves)
            tx.send()
            connection.commit()
        done += batch
    database.dispose()
    return done


def reservations(url: str) -> None:
    """Reservations per second of one product, and of a thousand in turn, by writers and batch."""
    database = connect(url, application="bench-limits")
    migrate(database, FULFILLMENT)
    with database.writer.begin() as connection:
        now = datetime.now(UTC)
        tx = Transaction(connection)
        set_on_hand(tx, [SetOnHand(f"product-{n}", ON_HAND, now) for n in range(PRODUCTS)])
        tx.send()
    database.dispose()
    for writers in WRITERS:
        for batch in BATCHES:
            for products, told in ((1, "one product"), (PRODUCTS, "a thousand products")):
                with ProcessPoolExecutor(writers, mp_context=get_context("spawn")) as pool:
                    runs = [pool.submit(_reserve, url, batch, products, SECONDS) for _ in range(writers)]
                    rate = sum(run.result() for run in runs) / SECONDS
                say(rate, f"reservations of {told}/s, {writers} writers, {batch} orders a transaction")


def say(value: float, name: str) -> None:
    sys.stdout.write(f"{value:12,.1f}  {name}\n")
    sys.stdout.flush()


def main() -> int:
    say(flush_us(Path.cwd()), "µs until a page of 8 KB is on this disk")
    try:
        servers = find_servers()
        with servers.database() as url:
            stream_limits(url)
            say(removed_per_s(url), "old events that retention removes, per second")
        with servers.database() as url:
            reservations(url)
    except BenchError as error:
        sys.stdout.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
