"""Nothing grows for ever: every table of both services has a rule, and whatever came with orders that ended
ago is gone once retention and archiving have worked."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from orderflow.database.archive import Archive
from orderflow.database.archiving import Archiver
from orderflow.database.engine import Database, connect
from orderflow.database.group_commit import GroupCommit
from orderflow.database.migrate import Schema, migrate
from orderflow.fulfillment import archiving as of_fulfillment
from orderflow.fulfillment.migrations import SCHEMA as FULFILLMENT
from orderflow.fulfillment.tables import metadata as fulfillment
from orderflow.orders import archiving as of_orders
from orderflow.orders.migrations import SCHEMA as ORDERS
from orderflow.orders.retention import Retention
from orderflow.orders.tables import metadata as orders
from orderflow.runtime.ids import new_uuid7

OLD = datetime.now(UTC) - timedelta(days=400)
DAY_S = 86_400.0

BOUNDED = {
    "status_counts": "one row for each process and status; the counts of ended processes are folded",
    "api_keys": "people make them, and at most 10,000 are not revoked",
    "fulfillment_api_keys": "as in the Order Service",
    "audit_log": "people's changes alone, which nobody may delete",
    "fulfillment_audit_log": "as in the Order Service",
    "workers": "one row for each worker; one whose lease ended an hour ago is deleted when another starts",
    "attentions": "a row is deleted once its order has been told",
    "reservations": "a row is deleted once its order has shipped or turned back",
    "stock": "one row for each product",
    "webhooks": "people make them, and there are at most 100",
}
"""Tables that do not grow with the orders of the past, and why."""

GOES = {
    *("orders", "order_items", "order_changes", "outbox", "idempotency_keys", "stream", "webhook_messages"),
    *("shipments", "processed_events", "dead_letters", "dead_letter_actions", "redrives"),
}
"""Tables whose old rows are removed."""


def test_every_table_has_a_rule() -> None:
    assert {*orders.tables, *fulfillment.tables} == {*BOUNDED, *GOES}


@pytest.fixture
def databases(tmp_path: Path) -> Iterator[dict[str, Database]]:
    made: dict[str, Database] = {}
    schemas: dict[str, Schema] = {"orders": ORDERS, "fulfillment": FULFILLMENT}
    for name, schema in schemas.items():
        made[name] = connect(f"sqlite:///{tmp_path / name}.db", application="test")
        migrate(made[name], schema)
    yield made
    for database in made.values():
        database.dispose()


def old_row(table: sa.Table, order_id: str) -> dict[str, Any]:
    """A row as it was when its order had ended long ago."""
    told: Mapping[str, Any] = {
        "status": "Shipped",
        "state": "closed",
        "order_id": order_id,
        "letter_id": LETTER,
    }
    states = {"dead_letters": "discarded", "redrives": "done"}
    row = {column.name: told.get(column.name, _value(column)) for column in table.columns}
    nothing = (
        "parked_reason",
        "attention_kind",
        "due_at_ms",
        "worker_id",
        "epoch",
        "copy_due_ms",
        "parked_kind",
    )
    row |= dict.fromkeys([name for name in nothing if name in row])
    if table.name in states:
        row |= {"state": states[table.name], "id": LETTER, "redrive_id": None, "order_id": None}
    return {name: value for name, value in row.items() if name in table.columns}


LETTER = "b3f1c2d4-5e6f-5a7b-8c9d-0e1f2a3b4c5d"


def _value(column: sa.Column[Any]) -> Any:
    kind = column.type.python_type if not isinstance(column.type, sa.TypeDecorator) else datetime
    values: dict[type, Any] = {datetime: OLD, int: 1, bool: True, bytes: b"{}", str: "1"}
    return values[kind]


def test_what_came_with_orders_of_long_ago_is_gone(databases: dict[str, Database], tmp_path: Path) -> None:
    order_id = new_uuid7(int(OLD.timestamp() * 1000))
    for name, metadata in (("orders", orders), ("fulfillment", fulfillment)):
        with databases[name].writer.begin() as connection:
            for table in metadata.sorted_tables:
                if table.name in GOES:
                    connection.execute(sa.insert(table).values(old_row(table, order_id)))
            if name == "orders":
                newest = orders.tables["stream"]
                values = {"at": OLD, "changes": "[]", "size": 1, "first_position": 2}
                connection.execute(sa.insert(newest).values(values))
    run_all(databases, tmp_path)
    for name, metadata in (("orders", orders), ("fulfillment", fulfillment)):
        with databases[name].reader.connect() as connection:
            for table in metadata.sorted_tables:
                left = connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0
                # The stream's last row tells the next position.
                assert left == (1 if table.name == "stream" else 0), table.name


def run_all(databases: dict[str, Database], directory: Path) -> None:
    for name, database in databases.items():
        writer = GroupCommit(database.writer, name)
        writer.start()
        if name == "orders":
            Retention(
                writer, keys_s=DAY_S, events_s=None, history_s=None, stream_s=DAY_S, webhook_letters_s=DAY_S
            ).run_once()
            kinds = of_orders.kinds(events_s=DAY_S, history_s=DAY_S, orders_s=DAY_S)
        else:
            kinds = of_fulfillment.kinds(shipments_s=DAY_S)
        Archiver(database, writer, Archive(directory, name), kinds).run_once()
        writer.close()
