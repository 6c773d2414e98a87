"""What is sent: order bodies of a realistic size, and the same content as SQL to measure PostgreSQL's
limits."""

import base64
import json
from collections.abc import Sequence
from functools import cache
from itertools import cycle, islice
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
REAL_ORDERS = HERE.parent / "examples" / "orders-sample.ndjson"
DIFFERENT_ORDERS = 997

SHIP_TO = {
    "name": "Maria Beispiel",
    "lines": ["Lange Strasse 117", "Hinterhaus, 3. Stock"],
    "city": "Hamburg",
    "postalCode": "20095",
    "country": "DE",
}


def order(number: int) -> dict[str, Any]:
    """An order with two items; every second order has an address."""
    content: dict[str, Any] = {
        "customer": {"customerId": f"customer-{number}", "name": f"Customer Number {number}"},
        "items": [{"productId": f"product-{number}-{line}", "quantity": line} for line in (1, 2)],
    }
    return content if number % 2 else {**content, "shipTo": SHIP_TO}


@cache
def usual() -> tuple[str, ...]:
    """The bodies of the synthetic orders, compact JSON."""
    return tuple(_compact(order(number)) for number in range(DIFFERENT_ORDERS))


@cache
def real() -> tuple[str, ...]:
    """The bodies of the sample of a gift wholesaler's orders, without their keys."""
    lines = (json.loads(line) for line in REAL_ORDERS.read_text().splitlines())
    return tuple(
        _compact({name: value for name, value in line.items() if name != "idempotencyKey"}) for line in lines
    )


def lines_per_real_order() -> float:
    return sum(len(json.loads(body)["items"]) for body in real()) / len(real())


def _compact(document: object) -> str:
    return json.dumps(document, separators=(",", ":"))


def write_for_wrk(file: Path, bodies: Sequence[str]) -> Path:
    file.write_text("\n".join(bodies) + "\n")
    return file


def write_for_vegeta(file: Path, url: str, *, count: int, token: str) -> Path:
    """Write `count` targets, every second one with an idempotency key of its own."""
    with file.open("w") as targets:
        for number, body in enumerate(islice(cycle(usual()), count)):
            header = {"Content-Type": ["application/json"]}
            if number % 2:
                header["Idempotency-Key"] = [f"{token}-{number}"]
            encoded = base64.b64encode(body.encode()).decode()
            target = {"method": "POST", "url": f"{url}/api/orders", "header": header, "body": encoded}
            targets.write(_compact(target) + "\n")
    return file


def batches(count: int, size: int) -> list[bytes]:
    """Bodies for the batch endpoint that hold `count` orders together."""
    bodies = list(islice(cycle(usual()), count))
    return [
        f'{{"orders":[{",".join(bodies[start : start + size])}]}}'.encode() for start in range(0, count, size)
    ]


def insert_statement(orders_per_transaction: int, *, shipped_days_ago: int | None = None) -> str:
    """One statement that inserts the rows of our orders, with the pgbench variables ship, customer and slot.
    Payloads have the size of the events that the Order Service writes. With `shipped_days_ago` the orders are
    that old and Shipped, and there are as many customers as different bodies."""
    text = (HERE / "order.sql").read_text()
    values = {
        "LONG_PAYLOAD": _payload(500),
        "SHORT_PAYLOAD": _payload(501),
        "SHIP_TO": _compact(SHIP_TO),
        "ORDERS": str(orders_per_transaction),
        "PUBLISHED_AT": "NULL::timestamptz" if shipped_days_ago is None else "at",
        "STATUS": "Created" if shipped_days_ago is None else "Shipped",
        "AGE": f"{shipped_days_ago or 0} days",
        "CUSTOMER": ":customer" if shipped_days_ago is None else f"n % {DIFFERENT_ORDERS}",
    }
    for name, value in values.items():
        text = text.replace(name, value)
    return text


def _payload(number: int) -> str:
    some_id = "01a204ae-55a8-7108-9708-e86d5ad677de"
    event = {
        "eventType": "OrderCreated",
        "schemaVersion": 2,
        "eventId": some_id,
        "orderId": some_id,
        "orderVersion": 1,
        **order(number),
        "createdAt": "2026-11-22T19:14:23.784Z",
        "metadata": {"source": "OrderService", "correlationId": some_id},
    }
    return _compact(event)


def pgbench_script(orders_per_transaction: int) -> str:
    # Idempotency keys and the relay's marks are left out, which makes the limit higher.
    variables = "\\set ship random(0, 1)\n\\set customer random(1, 997)\n\\set slot :client_id % 64\n"
    return variables + insert_statement(orders_per_transaction)
