"""The audit log is append-only: the database refuses anything else, and no statement of ours tries."""

import ast
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from pydantic_core import from_json
from sqlalchemy.exc import DBAPIError

from orderflow.contracts.audit import AuditQuery
from orderflow.database.audit import AuditLog, ByHand, act
from orderflow.database.engine import Database
from orderflow.database.migrate import Schema, migrate
from orderflow.database.transaction import Transaction
from orderflow.fulfillment.migrations import SCHEMA as FULFILLMENT
from orderflow.fulfillment.tables import audit_log as fulfillment_audit_log
from orderflow.orders.migrations import SCHEMA as ORDERS
from orderflow.orders.tables import audit_log

SOURCE = Path(__file__).parents[2] / "src" / "orderflow"
NOW = datetime(2030, 1, 1, tzinfo=UTC)

services = pytest.mark.parametrize(
    ("schema", "table"),
    [(ORDERS, audit_log), (FULFILLMENT, fulfillment_audit_log)],
    ids=["orders", "fulfillment"],
)


def doubled(_tx: Transaction, commands: Sequence[int]) -> list[int]:
    return [2 * command for command in commands]


def record(database: Database, log: AuditLog, *acts: ByHand[int]) -> None:
    recorded = log.recording(doubled, lambda result: {"result": result} if result else None)
    with database.writer.begin() as connection:
        tx = Transaction(connection)
        assert recorded(tx, acts) == [2 * each.command for each in acts]
        tx.send()


def made(command: int, **given: Any) -> ByHand[int]:
    told: dict[str, Any] = {"actor": "ada", "correlation_id": "c-1", **given}
    return ByHand(command, act(told.pop("at", NOW), told.pop("action", "double"), "s-1", **told))


def page(database: Database, log: AuditLog, **query: Any) -> dict[str, Any]:
    with database.reader.connect() as connection:
        return from_json(log.page(connection, AuditQuery(**query)))


@services
def test_an_entry_has_what_was_done_and_what_came_of_it(
    database: Database, schema: Schema, table: sa.Table
) -> None:
    migrate(database, schema)
    log = AuditLog(table)
    record(database, log, made(21, reason="asked for", details={"given": 21}), made(0))
    (entry,) = page(database, log)["items"]
    assert entry.pop("id")
    assert entry == {
        "at": "2030-01-01T00:00:00.000Z",
        "actor": "ada",
        "action": "double",
        "subject": "s-1",
        "reason": "asked for",
        "correlationId": "c-1",
        "details": {"given": 21, "result": 42},
    }


@services
def test_an_act_whose_transaction_is_tried_again_has_one_entry(
    database: Database, schema: Schema, table: sa.Table
) -> None:
    migrate(database, schema)
    log = AuditLog(table)
    again = made(1)
    record(database, log, again)
    record(database, log, again, made(2))
    assert len(page(database, log)["items"]) == 2


@services
def test_entries_are_found_by_time_actor_and_action_newest_first(
    database: Database, schema: Schema, table: sa.Table
) -> None:
    migrate(database, schema)
    log = AuditLog(table)
    for hour in range(5):
        at = NOW + timedelta(hours=hour)
        actor, action = ("bob", "halve") if hour == 3 else ("ada", "double")
        record(database, log, made(hour + 1, at=at, actor=actor, action=action))

    def results(**query: Any) -> Iterator[int]:
        while True:
            found = page(database, log, **query)
            yield from (item["details"]["result"] for item in found["items"])
            if found["nextCursor"] is None:
                return
            query["cursor"] = found["nextCursor"]

    assert list(results(limit=2)) == [10, 8, 6, 4, 2]
    assert list(results(since="2030-01-01T02:00:00Z")) == [10, 8, 6]
    assert list(results(actor="bob")) == list(results(action="halve")) == [8]
    assert list(results(actor="ada", action="halve")) == []


@services
def test_the_database_refuses_to_change_or_delete_an_entry(
    database: Database, schema: Schema, table: sa.Table
) -> None:
    migrate(database, schema)
    log = AuditLog(table)
    record(database, log, made(1))
    before = page(database, log)
    statements = [f"UPDATE {table.name} SET actor = 'nobody'", f"DELETE FROM {table.name}"]  # noqa: S608
    if database.url.get_backend_name() == "postgresql":  # SQL Server's triggers do not see it
        statements.append(f"TRUNCATE {table.name}")
    for statement in statements:
        with pytest.raises(DBAPIError, match="is append-only"), database.writer.begin() as connection:
            connection.exec_driver_sql(statement)
    assert page(database, log) == before


def test_no_statement_of_ours_updates_or_deletes_entries() -> None:
    """Statements are made by these functions; the table's name in a text is allowed only where it is made."""
    writers = {"update", "delete", "Update", "InsertOrUpdate", "insert_or_update"}
    named: set[str] = set()
    for file in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call):
                function = (
                    node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                )
                targets = [ast.unparse(argument) for argument in node.args]
                assert not (function in writers and any("audit" in target for target in targets)), file
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and "audit_log" in node.value:
                named.add(str(file.relative_to(SOURCE)))
    assert named == {
        "orders/tables.py",
        "fulfillment/tables.py",
        "orders/migrations/versions/0005_audit_log.py",
        "fulfillment/migrations/versions/0007_audit_log.py",
    }
