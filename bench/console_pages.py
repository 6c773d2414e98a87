"""How long the console's pages and the lists of orders take with many orders stored, and how much they read:
`python -m bench.console_pages --orders 1000000`; needs `make services`."""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any, LiteralString, NamedTuple, cast
from urllib.parse import parse_qs
from urllib.request import urlopen
from uuid import UUID

import psycopg
from sqlalchemy import event
from sqlalchemy.engine import Connection

from bench.servers import find_servers
from bench.stages import NO_FAILURES, ORDERFLOW, ROOT, free_port, orderflow
from orderflow.database.engine import connect
from orderflow.fulfillment import queries as fulfillment
from orderflow.fulfillment.letters import LetterState
from orderflow.orders import queries as orders
from orderflow.orders.http.parsing import ListQuery

Query = Callable[[Connection], object]

HERE = Path(__file__).resolve().parent
TRIES = 7
TIMEOUT_S = 120.0
DAY_S = 86_400

LISTS: dict[str, str] = {
    "all": "",
    "a common status": "status=Shipped",
    "a rare status, far back": "status=OnHold",
    "two statuses": "status=Failed&status=Cancelled",
    "two rare statuses, far back": "status=OnHold&status=Created",
    "a customer": "customerId=customer-77",
    "a customer, far back": "customerId=customer-old",
    "a large customer and a status": "customerId=customer-big&status=Failed",
    "a large customer without such orders": "customerId=customer-big&status=OnHold",
    "a product": "productId=product-77",
    "a popular product": "productId=product-popular",
    "a popular product and a status": "productId=product-popular&status=Failed",
    "a popular product without such orders": "productId=product-popular&status=OnHold",
    "a product of a customer": "productId=product-popular&customerId=customer-78",
    "attention": "attention=true",
    "attention and a status": "attention=true&status=OnHold",
    "no attention": "attention=false",
    "a tracking number": "trackingNumber=TRK-1234",
    "an idempotency key": "idempotencyKey=key-1234",
    "no such key": "idempotencyKey=nobody",
}
PAGES = {
    "Flow": "/",
    "Orders": "/console/orders",
    "Orders: search for a tracking number": "/console/orders?q=TRK-1234",
    "Orders: search for nothing there is": "/console/orders?q=nobody",
    "an order": "/console/orders/{order}",
    "Dead letters": "/console/dead-letters",
    "Dead letters of a kind": "/console/dead-letters?kind=payment",
    "a dead letter": "/console/dead-letters/{letter}",
    "what a discard would do": "/console/dead-letters/discards?kind=payment&reason=reason+1",
    "Payments": "/console/payments",
    "Stock": "/console/stock",
}


class Row(NamedTuple):
    """`read` is how many rows the plan's nodes put out, or read and dropped."""

    name: str
    ms: float
    slowest_ms: float
    read: int | None = None


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.console_pages", description=__doc__)
    parser.add_argument("--orders", type=int, default=1_000_000)
    stored: int = parser.parse_args().orders
    servers = find_servers()
    servers.remove_leftovers()
    with tempfile.TemporaryDirectory() as logs:
        port = free_port()
        settings = {
            "ORDERFLOW_FULFILLMENT_URL": f"http://127.0.0.1:{port}",
            "ORDERFLOW_FULFILLMENT_PORT": str(port),
            "ORDERFLOW_RECONCILE_AFTER_S": str(DAY_S),
        }
        with orderflow(servers, Path(logs), api_workers=1, settings=settings) as stage:
            env = {**stage.env, **NO_FAILURES}
            stage.processes.start([*ORDERFLOW, "fulfillment"], name="fulfillment", env=env, cwd=ROOT)
            stage.processes.wait_until_ready(f"http://127.0.0.1:{port}/health/ready")
            for url, file in (
                (stage.database, "stored.sql"),
                (stage.fulfillment_database, "stored_fulfillment.sql"),
            ):
                _fill(url, HERE / file, stored)
            _report(f"Lists of {stored:,} orders by the API", _lists(stage.url, stage.database))
            _report("Queries of the Fulfillment Service", _letters(stage.fulfillment_database))
            known = {
                "order": stage.query("SELECT order_id FROM orders ORDER BY order_id OFFSET 1000 LIMIT 1"),
                "letter": _scalar(stage.fulfillment_database, "SELECT id FROM dead_letters LIMIT 1"),
            }
            pages = {name: stage.url + path.format(**known) for name, path in PAGES.items()}
            _report("Pages of the console", [Row(name, *_timed(url)) for name, url in pages.items()])
    return 0


def _fill(url: str, file: Path, stored: int) -> None:
    began = time.monotonic()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(cast("LiteralString", file.read_text().replace("ORDERS", str(stored))))
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")
    _say(f"{file.name}: {time.monotonic() - began:.0f} s")


def _scalar(url: str, statement: LiteralString) -> Any:
    with psycopg.connect(url) as connection:
        found = connection.execute(statement).fetchone()
    return found[0] if found else None


def _timed(url: str) -> tuple[float, float]:
    """The median and the longest time of some requests in ms, after one that warms up."""
    took_ms: list[float] = []
    for _ in range(TRIES + 1):
        began = time.perf_counter()
        with urlopen(url, timeout=TIMEOUT_S) as answer:  # noqa: S310 - our own address
            answer.read()
        took_ms.append(1000 * (time.perf_counter() - began))
    return median(took_ms[1:]), max(took_ms[1:])


def _lists(api: str, database: str) -> list[Row]:
    rows: list[Row] = []
    with _reading(database) as read:
        for name, query in LISTS.items():
            given = {key: values if key == "status" else values[0] for key, values in parse_qs(query).items()}
            asked = ListQuery.model_validate(given)

            def page(connection: Connection, asked: ListQuery = asked) -> object:
                return orders.list_orders(
                    connection,
                    statuses=asked.status,
                    customer_id=asked.customer_id,
                    product_id=asked.product_id,
                    tracking_number=asked.tracking_number,
                    idempotency_key=asked.idempotency_key,
                    attention=asked.attention,
                )

            rows.append(Row(name, *_timed(f"{api}/api/orders?{query}"), read(page)))
    return rows


def _letters(database: str) -> list[Row]:
    def listed(
        kind: str | None = None,
        order_id: str | None = None,
        states: Sequence[LetterState] = (LetterState.OPEN,),
    ) -> Query:
        return lambda connection: fulfillment.list_dead_letters(
            connection, kind=kind, order_id=order_id, states=list(states), limit=100, after=None
        )

    asked: dict[str, Query] = {
        "groups of dead letters": fulfillment.dead_letter_groups,
        "open dead letters": listed(),
        "open dead letters of a kind": listed("payment"),
        "dead letters of an order": listed(order_id=str(UUID(int=0)), states=()),
        "redrives": fulfillment.list_redrives,
    }
    rows: list[Row] = []
    with _reading(database) as read, connect(database, application="bench").reader.connect() as connection:
        for name, query in asked.items():
            took_ms: list[float] = []
            for _ in range(TRIES):
                began = time.perf_counter()
                query(connection)
                took_ms.append(1000 * (time.perf_counter() - began))
            rows.append(Row(name, median(took_ms), max(took_ms), read(query)))
    return rows


@contextmanager
def _reading(url: str) -> Generator[Callable[[Query], int]]:
    """Counts the rows that the statements of a query read."""
    database = connect(url, application="bench")
    sent: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        sent.append((statement, parameters))

    event.listen(database.reader, "before_cursor_execute", note)

    def read(query: Query) -> int:
        with database.reader.connect() as connection:
            sent.clear()
            query(connection)
            explained = [
                connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {text}", given).scalar_one()
                for text, given in [*sent]
            ]
        return sum(_rows(plan[0]["Plan"]) for plan in explained)

    yield read
    database.dispose()


def _rows(plan: dict[str, Any]) -> int:
    removed = plan.get("Rows Removed by Filter", 0) + plan.get("Rows Removed by Index Recheck", 0)
    own = plan["Actual Loops"] * (plan["Actual Rows"] + removed)
    return int(own) + sum(_rows(child) for child in plan.get("Plans", ()))


def _report(title: str, rows: list[Row]) -> None:
    _say(f"\n{title}")
    for row in rows:
        read = "" if row.read is None else f"{row.read:>10,} rows"
        _say(f"  {row.name:<42} {row.ms:>8.1f} ms  (slowest {row.slowest_ms:>8.1f} ms){read}")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
