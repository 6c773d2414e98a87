"""Archiving in the Fulfillment Service: closed shipments and settled dead letters go, and what is needed
stays."""

import uuid
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.fulfillment.conftest import World

from orderflow.database.archive import Archive, Row, decoded, read
from orderflow.database.archiving import Archiver
from orderflow.database.group_commit import GroupCommit
from orderflow.fulfillment import archiving
from orderflow.fulfillment.tables import (
    attentions,
    dead_letter_actions,
    dead_letters,
    processed_events,
    redrives,
    reservations,
    shipments,
)
from orderflow.runtime.ids import new_uuid7

OLD = datetime.now(UTC) - timedelta(days=40)
KEPT_S = 30 * 86_400.0


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    made = tmp_path / "archive"
    made.mkdir()
    return made


@pytest.fixture
def archiver(world: World, directory: Path) -> Iterator[Archiver]:
    writer = GroupCommit(world.fulfillment.writer, "fulfillment")
    writer.start()
    kinds = archiving.kinds(shipments_s=KEPT_S)
    yield Archiver(world.fulfillment, writer, Archive(directory, "fulfillment"), kinds, step_rows=20)
    writer.close()


def old_shipment(world: World, **columns: Any) -> str:
    order_id = new_uuid7(int(OLD.timestamp() * 1000))
    event_id = str(uuid.uuid4())
    world.put_shipment(order_id, **{"event_id": event_id, "closed_at": OLD, "request": b'{"a":1}', **columns})
    row = {"event_id": event_id, "order_id": order_id, "at": OLD}
    world.execute(sa.insert(processed_events).values(row))
    return order_id


def letter(world: World, state: str, *, order_id: str | None = None, at: datetime = OLD, **more: Any) -> str:
    letter_id = str(uuid.uuid4())
    row = {"id": letter_id, "kind": "payment", "reason": "no", "order_id": order_id, "state": state}
    rest = {"headers": b"[]", "value": b"\x00\xff", "attempts": 1, "at": at, **more}
    action = {"id": str(uuid.uuid4()), "letter_id": letter_id, "at": at, "actor": "ada", "action": "redrive"}
    world.execute(sa.insert(dead_letters).values(row | rest))
    world.execute(sa.insert(dead_letter_actions).values(action))
    return letter_id


def redrive(world: World, state: str, ended_at: datetime | None) -> str:
    redrive_id = str(uuid.uuid4())
    row = {
        "id": redrive_id,
        "kind": "payment",
        "rate_per_s": 1,
        "actor": "ada",
        "state": state,
        "redriven": 1,
    }
    times = {"started_at": OLD, "ended_at": ended_at, "step_due_ms": 0}
    world.execute(sa.insert(redrives).values(row | times))
    return redrive_id


def archived(directory: Path) -> list[Row]:
    return [row for file in sorted(directory.iterdir()) for row in read(file)]


def test_a_closed_shipment_goes_with_its_event_id_and_is_in_the_archive(
    world: World, archiver: Archiver, directory: Path
) -> None:
    gone = [old_shipment(world) for _ in range(5)]
    assert archiver.run_once()["shipments"] == 5
    assert world.rows() == world.rows(processed_events) == []
    rows = archived(directory)
    assert Counter(row.table for row in rows) == {"shipments": 5, "processed_events": 5}
    kept = [decoded(shipments, row.values) for row in rows if row.table == "shipments"]
    assert sorted(row["order_id"] for row in kept) == sorted(gone)
    assert {row["request"] for row in kept} == {b'{"a":1}'}


def test_what_is_under_way_young_or_waits_for_a_person_stays(world: World, archiver: Archiver) -> None:
    stays = [
        old_shipment(world, state="ready", closed_at=None, due_at_ms=0),
        old_shipment(world, state="parked", closed_at=None, parked_kind="payment"),
        old_shipment(world, closed_at=datetime.now(UTC)),
        *(old_shipment(world) for _ in range(3)),
    ]
    owed = {"order_id": stays[3], "kind": "payment", "reason": "no", "due_at_ms": 0}
    world.execute(sa.insert(attentions).values(owed))
    held = {"order_id": stays[4], "product_id": "p", "quantity": 1}
    world.execute(sa.insert(reservations).values(held))
    letter(world, "open", order_id=stays[5])
    assert archiver.run_once() == {"shipments": 0, "letters": 0, "redrives": 0}
    assert sorted(world.states()) == sorted(stays)
    assert len(world.rows(processed_events)) == 6


def test_a_settled_letter_goes_with_its_actions_after_the_shipment_of_its_order(
    world: World, archiver: Archiver, directory: Path
) -> None:
    order_id = old_shipment(world)
    young = old_shipment(world, closed_at=datetime.now(UTC))
    gone = {letter(world, "discarded", order_id=order_id), letter(world, "resolved")}
    stays = {
        letter(world, "open"),
        letter(world, "redriven"),
        letter(world, "discarded", order_id=young),
        letter(world, "discarded", at=datetime.now(UTC)),
        letter(world, "discarded", copy_due_ms=0),
    }
    assert archiver.run_once()["letters"] == 2
    assert {row["id"] for row in world.rows(dead_letters)} == stays
    assert {row["letter_id"] for row in world.rows(dead_letter_actions)} == stays
    rows = archived(directory)
    assert {row.values["id"] for row in rows if row.table == "dead_letters"} == gone
    assert {row.values["letter_id"] for row in rows if row.table == "dead_letter_actions"} == gone


def test_many_letters_go_in_steps_of_a_few(world: World, archiver: Archiver) -> None:
    for _ in range(2 * archiving.LETTERS_A_STEP_MAX + 1):
        letter(world, "resolved")
    stays = letter(world, "open")
    assert archiver.run_once()["letters"] == 2 * archiving.LETTERS_A_STEP_MAX + 1
    assert [row["id"] for row in world.rows(dead_letters)] == [stays]


def test_a_redrive_that_has_ended_goes_once_its_letters_are_settled(world: World, archiver: Archiver) -> None:
    redrive(world, "done", OLD)
    young, running = redrive(world, "done", datetime.now(UTC)), redrive(world, "running", None)
    followed = redrive(world, "stopped", OLD)
    letter(world, "redriven", redrive_id=followed)
    assert archiver.run_once()["redrives"] == 1
    assert {row["id"] for row in world.rows(redrives)} == {young, running, followed}
