"""`python -m bench.parts`: what an order costs the API process, part by part, in µs of CPU.

One thread measures one part after the other. Each figure is the best of several rounds, which is the least
disturbed by other programs. Writes go to a new PostgreSQL database (`make services`), 64 orders a
transaction.
"""

import asyncio
import gc
import math
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import uvloop

from bench import bodies
from bench.processes import BenchError
from bench.servers import find_servers
from orderflow.contracts.scopes import EVERY_SCOPE
from orderflow.database.engine import Database, connect
from orderflow.database.migrate import migrate
from orderflow.database.transaction import Transaction
from orderflow.messaging.embedded import EmbeddedLog
from orderflow.orders import commands, outbox
from orderflow.orders.events import EventTooLarge, message
from orderflow.orders.http import parsing
from orderflow.orders.intake import Prepared
from orderflow.orders.migrations import SCHEMA as ORDERS
from orderflow.orders.process import OrdersProcess
from orderflow.orders.tables import api_keys
from orderflow.runtime import telemetry
from orderflow.runtime.health import Health
from orderflow.runtime.ids import new_uuid4
from orderflow.security.authentication import Authentication
from orderflow.security.key_ring import KeyRing
from orderflow.security.keys import new_text
from orderflow.web.connections import Connection
from orderflow.web.exchanges import Exchange
from orderflow.web.front_door import (
    ANONYMOUS,
    Caller,
    FrontDoor,
    Principal,
    correlation_id_from,
    traceparent_from,
)
from orderflow.web.server import Server

ROUNDS = 7
CALLS = 2_000
BATCH = 64
BATCHES = 20
DAY_S = 86_400.0


class _Nothing:
    """A route that answers at once, and a transport that sends nowhere."""

    def take(self, exchange: Exchange) -> bool:
        exchange.answer(201, b"content-type: application/json\r\n", b"x" * 500)
        return True

    def is_closing(self) -> bool:
        return False

    def write(self, data: bytes) -> None: ...

    def get_extra_info(self, _name: str) -> None: ...

    def set_write_buffer_limits(self, *, high: int) -> None: ...


def best_us(work: Callable[[], object], calls: int = CALLS, per_call: int = 1) -> float:
    """CPU time of this thread per unit of work."""
    work()
    rounds: list[float] = []
    for _ in range(ROUNDS):
        began = time.thread_time()
        for _ in range(calls):
            work()
        rounds.append((time.thread_time() - began) / calls / per_call)
    return 1e6 * min(rounds)


def _authenticated(database: Database) -> Callable[[], object]:
    """Finds out whose key a header has, in a new database."""
    migrate(database, ORDERS)
    key = new_text()
    ring = KeyRing(database, api_keys, Health(), own=[(key, Principal("shop", EVERY_SCOPE))])
    ring.refresh()
    header = f"Bearer {key}".encode()
    authenticate = Authentication(ring).authenticate
    # Each request has bytes of its own, whose hash is not known yet.
    return lambda: authenticate(bytes(bytearray(header)))


def front(process: OrdersProcess, database: Database) -> dict[str, float]:
    """What is done for a request before and after its order is written."""
    body = bodies.usual()[2].encode()
    head = b"POST /api/orders HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nIdempotency-Key: k\r\n"
    request = b"%bContent-Length: %d\r\n\r\n%b" % (head, len(body), body)
    nothing: Any = _Nothing()
    protocol = Connection(Server(_no_application, door=FrontDoor(logs=False), short_way=nothing))
    protocol.connection_made(nothing)
    order = parsing.ORDER.validate_json(body)
    writer, intake = process.writer, process.intake
    caller = Caller(ANONYMOUS, new_uuid4(), traceparent_from(None))
    prepared = _prepared(intake.prepare(order, "k", caller))
    line = partial(
        FrontDoor().end, caller, method="POST", path="/api/orders", route="/api/orders", status=201
    )
    return {
        "HTTP: parse the request, ids, build the answer": best_us(lambda: protocol.data_received(request)),
        "who calls, by an API key": best_us(_authenticated(database)),
        "validate the order": best_us(lambda: parsing.ORDER.validate_json(body)),
        "correlation id and trace": best_us(lambda: (correlation_id_from(None), traceparent_from(None))),
        "id, event, answer, hash": best_us(lambda: intake.prepare(order, "k", caller)),
        "queue": best_us(lambda: writer.submit_then(commands.place_orders, [prepared], print)),
        "log line and metric": best_us(lambda: line(began=0.0)),
    }


def back(process: OrdersProcess, database: Database) -> dict[str, float]:
    """What the writer's and the relay's threads do, per order of a batch; waiting is not counted."""
    migrate(database, ORDERS)
    intake, hand_off = process.intake, process.relay.hand_off
    caller = Caller(ANONYMOUS, new_uuid4(), traceparent_from(None))
    orders = [parsing.ORDER.validate_json(body) for body in bodies.usual()[:BATCH]]
    keys = count()
    place = partial(commands.place_orders, hand_off=hand_off)

    def batch() -> list[commands.PlaceOrder]:
        return [
            _prepared(intake.prepare(order, f"k-{next(keys)}" if n % 2 else None, caller))
            for n, order in enumerate(orders)
        ]

    def in_transaction(use_case: Any, batches: list[Any]) -> float:
        rounds: list[float] = []
        for given in batches:
            began = time.thread_time()
            with database.writer.connect() as connection:
                connection.begin()
                tx = Transaction(connection)
                use_case(tx, given)
                tx.send()
                connection.commit()
                for call in tx.follow_ups:
                    call()
            rounds.append((time.thread_time() - began) / BATCH)
            hand_off.take()
        return 1e6 * min(rounds)

    placed = [batch() for _ in range(BATCHES)]
    now = datetime.now(UTC)
    marks = [
        [outbox.MarkAll([outbox.Mark(c.order_id, 1, now, 3, 77) for c in commands_])] for commands_ in placed
    ]
    return {
        "write: key, order, items, event, counters": in_transaction(place, placed),
        "event as a Kafka message": best_us(
            lambda: [message(command.event) for command in placed[0]], 50, BATCH
        ),
        "mark as published": in_transaction(outbox.mark, marks),
    }


def _prepared(order: Prepared | EventTooLarge) -> commands.PlaceOrder:
    assert isinstance(order, Prepared), "the usual order is small"  # noqa: S101
    return order.command


async def _no_application(*_: object) -> None:
    """An ASGI application that is never called."""


@contextmanager
def _orders_process(url: str | None) -> Generator[tuple[OrdersProcess, Database]]:
    """A process whose loops do not run, and its database: this one, or an SQLite file."""
    with TemporaryDirectory() as directory:
        database = connect(url or f"sqlite:///{directory}/orders.db", application="bench-parts")
        log = EmbeddedLog(Path(directory) / "events.db")
        process = OrdersProcess(
            database=database,
            publisher=log.publisher(),
            topic="order-events",
            reconcile_after_s=DAY_S,
            keys_kept_s=DAY_S,
            events_kept_s=DAY_S,
            queue_commands_max=10**9,
            queue_seconds_max=math.inf,
        )
        try:
            yield process, database
        finally:
            database.dispose()
            log.close()


async def _front() -> dict[str, float]:
    with _orders_process(None) as (process, database):
        return front(process, database)


def main() -> int:
    sys.stderr = Path("/dev/null").open("w")  # noqa: SIM115 - for the log lines
    telemetry.configure_logging("json", "INFO", "bench")
    gc.freeze()
    gc.disable()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        costs = runner.run(_front())
    try:
        with find_servers().database() as url, _orders_process(url) as (process, database):
            costs |= back(process, database)
    except BenchError as error:
        sys.stdout.write(f"{error}\n")
        return 1
    width = max(map(len, costs))
    for part, cost_us in {**costs, "together": sum(costs.values())}.items():
        sys.stdout.write(f"{part:<{width}}  {cost_us:6.1f} µs\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
