"""What releases before the saga left in both databases: shipments, dead letters and orders in every state.

Rows are kept here as those releases wrote them, with the columns of their time. A schema that is older still
gets those columns and tables that it has.
"""

import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext

from orderflow.database.engine import Database
from orderflow.database.migrate import Schema, scripts
from orderflow.fulfillment.tables import metadata as fulfillment
from orderflow.orders.tables import metadata as orders

TOPIC = "order-events"
PARTY = "carrier"
"""The only carrier there ever was."""

THEN = datetime.now(UTC) - timedelta(minutes=20)
LONG_AGO = THEN - timedelta(days=30)
"""By now the carrier may have forgotten the keys of that time."""

LABEL = {"shipment_id": "s-1", "carrier": "Old Carrier", "tracking_number": "OLD-1", "shipped_at": THEN}
CALLED = {"attempts": 1, "intent_at": THEN, "party": PARTY}
DUE = {"due_at_ms": 0}
OWNED = {"worker_id": "gone", "epoch": 3}

CREATED, PROCESSING, SHIPPED = "Created", "Processing", "Shipped"


def parked(kind: str, **columns: Any) -> dict[str, Any]:
    return {"state": "parked", "parked_kind": kind, "note": "told to a person", **columns}


@dataclass(frozen=True)
class Case:
    """An order: its status then, its shipment's row if it had one, and the status that it must reach.

    `held_by_carrier`: the carrier has made the shipment. `keeps_label`: it ends with the label that is in its
    row, and nobody asks the carrier again. `letter`: the kind of its dead letter. `value`: the bytes of the
    event that became one, if nobody can read them.
    """

    status: str
    shipment: Mapping[str, Any] | None
    ends: str = SHIPPED
    held_by_carrier: bool = False
    keeps_label: bool = False
    is_published: bool = True
    letter: str | None = None
    letter_state: str = "open"
    value: bytes | None = None
    # It sorts behind every id that begins with a time, so what looks at times finds the same in each run.
    order_id: str = field(default_factory=lambda: f"f{str(uuid.uuid4())[1:]}")


CASES = {
    "not published": Case(CREATED, None, is_published=False),
    "published, not received": Case(CREATED, None),
    "received": Case(CREATED, {"state": "received", **DUE, **OWNED}),
    "received, asked twice": Case(CREATED, {"state": "received", "waits": 2, "note": "busy", **DUE}),
    "on hold": Case("OnHold", {"state": "received", "due_at_ms": 2**50, "note": "on hold"}, "OnHold"),
    "cancelled before its gate": Case("Cancelled", {"state": "received", **DUE}, "Cancelled"),
    "cancelling": Case("Cancelling", {"state": "received", **DUE}, "Cancelled"),
    "discarded before its gate": Case(CREATED, {"state": "received", "error": "by ada", **DUE}, "Failed"),
    "ready again": Case(PROCESSING, {"state": "ready", **CALLED, "attempts": 4, "waits": 1, **DUE}),
    "calling, not heard": Case(PROCESSING, {"state": "calling", **CALLED, **DUE, **OWNED}),
    "calling, made": Case(PROCESSING, {"state": "calling", **CALLED, **DUE, **OWNED}, held_by_carrier=True),
    "shipped, not told": Case(PROCESSING, {"state": "shipped", **CALLED, **LABEL, **DUE}, keeps_label=True),
    "shipped, told": Case(SHIPPED, {"state": "shipped", **CALLED, **LABEL, **DUE}, keeps_label=True),
    "rejected, not told": Case(
        PROCESSING, {"state": "rejected", **CALLED, "error": "too heavy", **DUE}, "Failed"
    ),
    "closed, shipped": Case(
        SHIPPED, {"state": "closed", **CALLED, **LABEL, "closed_at": THEN}, keeps_label=True
    ),
    "closed, failed": Case(
        "Failed", {"state": "closed", **CALLED, "error": "no", "closed_at": THEN}, "Failed"
    ),
    **{
        kind: Case(PROCESSING, parked(kind, **CALLED, waits=6), letter=kind)
        for kind in ("carrier-refused", "carrier-unavailable", "carrier-changed", "carrier-label")
    },
    "interrupted": Case(
        PROCESSING,
        parked("interrupted", **CALLED, interruptions=21),
        letter="interrupted",
        held_by_carrier=True,
    ),
    "carrier-doubt": Case(
        PROCESSING,
        parked("carrier-doubt", **CALLED | {"intent_at": LONG_AGO}),
        letter="carrier-doubt",
        held_by_carrier=True,
    ),
    **{
        kind: Case(PROCESSING, parked(kind, **CALLED, **LABEL), letter=kind, keeps_label=True)
        for kind in ("update-unavailable", "status-conflict")
    },
    "unknown-order": Case(CREATED, parked("unknown-order", attempts=0), letter="unknown-order"),
    "redriven": Case(
        CREATED, {"state": "received", **DUE}, letter="carrier-unavailable", letter_state="redriven"
    ),
    "unstorable": Case(CREATED, None, letter="unstorable"),
    "newer-schema": Case(CREATED, None, CREATED, letter="newer-schema", value=b'{"schemaVersion": 9}'),
    "undecodable": Case(CREATED, None, CREATED, letter="undecodable", value=b"no JSON"),
    "contract-violation": Case(CREATED, None, CREATED, letter="contract-violation", value=b"{}"),
}


def event(case: Case) -> bytes:
    return (
        f'{{"eventType":"OrderCreated","schemaVersion":2,"eventId":"{_id_of(case, "event")}","orderId":'
        f'"{case.order_id}","orderVersion":1,"customer":{{"customerId":"c-1","name":"Ada"}},"items":'
        f'[{{"productId":"p-1","quantity":2}}],"createdAt":"{THEN.isoformat()}",'
        '"metadata":{"source":"OrderService","correlationId":"abc"}}'
    ).encode()


def request_of(case: Case) -> bytes:
    """What the carrier is sent."""
    return f'{{"orderId":"{case.order_id}","items":[{{"productId":"p-1","quantity":2}}]}}'.encode()


def letter_id(case: Case) -> str:
    return _id_of(case, "letter")


def _id_of(case: Case, what: str) -> str:
    return str(uuid.uuid5(uuid.UUID(case.order_id), what))


def rows(cases: Mapping[str, Case]) -> Iterator[tuple[sa.Table, dict[str, Any]]]:
    """Every row of both databases, with its table as it is today."""
    of_order, of_shipment = orders.tables, fulfillment.tables
    yield of_shipment["workers"], {"worker_id": "gone", "epoch": 3, "lease_until_ms": 0}
    for status, count in Counter(case.status for case in cases.values()).items():
        yield of_order["status_counts"], {"slot": 0, "status": status, "orders": count}
    for case in cases.values():
        yield of_order["orders"], _order(case)
        yield (
            of_order["order_items"],
            {"order_id": case.order_id, "line": 1, "product_id": "p-1", "quantity": 2},
        )
        yield of_order["order_changes"], _change(case)
        yield of_order["outbox"], _outbox(case)
        if case.shipment is not None:
            yield of_shipment["shipments"], _shipment(case)
            yield (
                of_shipment["processed_events"],
                {"event_id": _id_of(case, "event"), "order_id": case.order_id, "at": THEN},
            )
        if case.letter is not None:
            yield of_shipment["dead_letters"], _letter(case)
        if case.letter_state == "redriven":
            done = {"id": _id_of(case, "action"), "letter_id": letter_id(case), "at": THEN}
            yield of_shipment["dead_letter_actions"], done | {"actor": "ada", "action": "redrive"}
    keyed = cases["closed, shipped"]
    key = {"caller": "shop", "key": "k", "request_hash": "0" * 64, "order_id": keyed.order_id}
    yield of_order["idempotency_keys"], key | {"created_at": THEN}
    owed = {"order_id": cases["undecodable"].order_id, "kind": "dead-letter", "reason": "see its letter"}
    yield of_shipment["attentions"], owed | {"correlation_id": "abc", "due_at_ms": 0}
    group = {"id": str(uuid.uuid4()), "kind": "carrier-refused", "rate_per_s": 10, "actor": "ada"}
    group |= {"state": "running", "redriven": 0, "started_at": THEN, "step_due_ms": 0}
    yield of_shipment["redrives"], group


def _order(case: Case) -> dict[str, Any]:
    row = {
        "order_id": case.order_id,
        "customer_id": "c-1",
        "customer_name": "Ada",
        "created_at": THEN,
        "correlation_id": "abc",
        "status": case.status,
        "version": 1,
        "updated_at": THEN,
    }
    if case.status == SHIPPED:
        row |= {name: value for name, value in LABEL.items() if name != "shipment_id"}
    if case.status == "Failed":
        row["error_message"] = "no"
    if case.letter is not None and case.letter_state == "open":
        row |= {"attention_kind": case.letter, "attention_reason": "ask", "attention_since": THEN}
    return row


def _change(case: Case) -> dict[str, Any]:
    told = {"status": case.status, "actor": "api", "correlation_id": "abc"}
    return {"order_id": case.order_id, "version": 1, "at": THEN, **told}


def _outbox(case: Case) -> dict[str, Any]:
    row = {
        "order_id": case.order_id,
        "order_version": 1,
        "event_id": _id_of(case, "event"),
        "event_type": "OrderCreated",
        "topic": TOPIC,
        "payload": event(case).decode(),
        "correlation_id": "abc",
        "created_at": THEN,
        "leased_until_ms": 0,
    }
    return row | ({"published_at": THEN, "partition": 0, "offset": 0} if case.is_published else {})


def _shipment(case: Case) -> dict[str, Any]:
    row = {
        "order_id": case.order_id,
        "event_id": _id_of(case, "event"),
        "correlation_id": "abc",
        "ordered_at": THEN,
        "received_at": THEN,
        "request": request_of(case),
        "attempts": 0,
        "waits": 0,
        "interruptions": 0,
    }
    return row | dict(case.shipment or {})


def _letter(case: Case) -> dict[str, Any]:
    place = {"topic": None, "key": case.order_id.encode(), "value": request_of(case)}
    if case.shipment is None:
        place = {"topic": TOPIC, "partition": 0, "offset": 7, "value": case.value or event(case)}
    return {
        "id": letter_id(case),
        "kind": case.letter,
        "reason": "told to a person",
        "order_id": case.order_id,
        "headers": b"[]",
        "attempts": 1,
        "at": THEN,
        "state": case.letter_state,
        "copy_due_ms": 0,
        "redriven_at": THEN if case.letter_state == "redriven" else None,
        **place,
    }


def make_schema(database: Database, schema: Schema, revision: str) -> None:
    """Bring the empty database to this revision, as the release did whose newest one it was."""
    script = scripts(schema)

    def steps(current: Any, _context: object) -> list[Any]:
        return list(script._upgrade_revs(revision, current))  # pyright: ignore[reportPrivateUsage]

    with (
        database.writer.begin() as connection,
        EnvironmentContext(Config(), script, fn=steps) as environment,
    ):
        environment.configure(connection=connection, version_table=schema.version_table)
        environment.run_migrations()


def fill(database: Database, metadata: sa.MetaData) -> None:
    """Insert what the schema has room for."""
    with database.writer.begin() as connection:
        schema = sa.inspect(connection)
        tables = set(schema.get_table_names())
        for table, row in rows(CASES):
            if table.metadata is metadata and table.name in tables:
                there = {column["name"] for column in schema.get_columns(table.name)}
                kept = {name: value for name, value in row.items() if name in there}
                old = sa.table(table.name, *[sa.column(name, table.c[name].type) for name in kept])
                connection.execute(sa.insert(old).values(kept))


def contents(database: Database, metadata: sa.MetaData) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table that the database has, ordered by all columns."""
    found: dict[str, list[dict[str, Any]]] = {}
    with database.reader.connect() as connection:
        schema = sa.inspect(connection)
        for name in sorted(set(schema.get_table_names()) & set(metadata.tables)):
            read = connection.execute(sa.select(sa.text("*")).select_from(sa.table(name))).mappings()
            found[name] = sorted((dict(row) for row in read), key=lambda row: str(sorted(row.items())))
    return found
