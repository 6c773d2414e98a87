"""`orderflow recover` on the files of an embedded deployment that does not run."""

from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.cli.restoring import NOW, TOPIC, Restored, recover

from orderflow import cli
from orderflow.database.transaction import Transaction
from orderflow.fulfillment import lease
from orderflow.orders import stream
from orderflow.orders.tables import idempotency_keys, order_changes, orders, outbox


def test_a_lost_order_comes_back_with_its_key_and_its_event(restored: Restored) -> None:
    order_id = restored.lose('k"é')
    assert recover() == 0
    assert restored.status(order_id) == ("Created", 1)
    ((key, by),) = restored.rows(
        sa.select(idempotency_keys.c.key, orders.c.created_by).select_from(
            idempotency_keys.join(orders, orders.c.order_id == idempotency_keys.c.order_id)
        )
    )
    assert (key, by) == ('k"é', "shop")
    ((published_at, payload),) = restored.rows(sa.select(outbox.c.published_at, outbox.c.payload))
    assert published_at is None
    assert order_id in str(payload)
    assert recover() == 0
    assert restored.status(order_id) == ("Created", 1)


def test_a_dry_run_tells_the_same_and_changes_nothing(
    restored: Restored, capsys: pytest.CaptureFixture[str]
) -> None:
    order_id = restored.lose()
    assert recover("--dry-run") == 0
    told = capsys.readouterr().out
    assert "1 lost orders would be taken back" in told
    assert restored.status(order_id) is None
    assert recover() == 0
    assert capsys.readouterr().out == told.replace("would be ", "")


def test_an_order_whose_key_was_used_again_is_left_to_a_person(
    restored: Restored, capsys: pytest.CaptureFixture[str]
) -> None:
    lost = restored.lose("k")
    again = restored.place(restored.order("k"))
    assert recover() == 1
    assert f"order {lost} is not taken back" in capsys.readouterr().err
    assert restored.status(lost) is None
    assert restored.status(again) == ("Created", 1)


@pytest.mark.parametrize(
    ("moves", "expected"),
    [
        ([("OrderReleased", 3)], ("Created", 3)),
        ([("OrderCancelled", 2)], ("Cancelled", 2)),
        ([("OrderReleased", 3), ("OrderReleased", 5), ("OrderCancelled", 8)], ("Cancelled", 8)),
    ],
    ids=["released", "cancelled", "one after the other"],
)
@pytest.mark.parametrize("is_lost", [True, False], ids=["lost", "old"])
def test_lost_moves_are_made_again_with_their_versions(
    restored: Restored, moves: list[tuple[str, int]], expected: tuple[str, int], is_lost: bool
) -> None:
    order_id = restored.lose() if is_lost else restored.place(restored.order())
    for event_type, version in moves:
        restored.move(order_id, event_type, version)
    assert recover() == 0
    assert restored.status(order_id) == expected
    events = restored.rows(sa.select(outbox.c.event_id).where(outbox.c.order_version > 1))
    assert len(events) == len(moves)
    history = restored.rows(sa.select(order_changes.c.version))
    assert recover() == 0, "once more"
    assert restored.status(order_id) == expected
    assert restored.rows(sa.select(order_changes.c.version)) == history


def test_a_cancellation_that_fulfillment_has_forgotten_is_left_to_a_person(
    restored: Restored, capsys: pytest.CaptureFixture[str]
) -> None:
    order_id = restored.lose()
    restored.move(order_id, "OrderCancellationRequested", 3)
    assert recover() == 0
    assert "1 cancellations left to a person" in capsys.readouterr().out
    assert restored.status(order_id) == ("OnHold", 3)
    ((kind,),) = restored.rows(sa.select(orders.c.attention_kind))
    assert kind == "cancellation-in-doubt"
    assert recover() == 0, "once more"
    assert restored.status(order_id) == ("OnHold", 3)


def test_a_shipment_that_was_redriven_and_has_shipped_since_is_closed_with_its_letter(
    restored: Restored,
) -> None:
    shipped, waits = restored.place(restored.order()), restored.place(restored.order())
    restored.end(shipped, "Shipped", carrier="carrier", tracking_number="T-1", shipped_at=NOW)
    for order_id in (shipped, waits):
        restored.put_shipment(order_id, "parked", parked_kind="carrier-changed", direction="do", step="ship")
        restored.put_letter(order_id)
    restored.put_letter(shipped, topic=TOPIC)
    assert recover() == 0
    found = restored.shipment(shipped)
    assert (found.state, found.tracking_number, found.parked_kind) == ("closed", "T-1", None)
    assert restored.shipment(waits).state == "parked"
    assert restored.letters() == {
        (shipped, None): "redriven",
        (shipped, TOPIC): "open",
        (waits, None): "open",
    }, "workers settle what was redriven; a letter about a message of the topic is another matter"


def test_a_shipment_whose_money_was_not_captured_still_waits_for_a_person(restored: Restored) -> None:
    order_id = restored.place(restored.order())
    restored.end(order_id, "Shipped", carrier="carrier", tracking_number="T-1", shipped_at=NOW)
    restored.put_shipment(
        order_id, "parked", parked_kind="payment", direction="do", step="capture", shipment_id="T-1"
    )
    restored.put_letter(order_id)
    assert recover() == 0
    assert restored.shipment(order_id).state == "parked"
    assert restored.letters() == {(order_id, None): "open"}


@pytest.mark.parametrize("status", ["Cancelled", "Failed"])
@pytest.mark.parametrize("state", ["ready", "calling", "parked"])
def test_a_shipment_in_progress_whose_order_has_been_given_up_since_turns_back(
    restored: Restored, capsys: pytest.CaptureFixture[str], status: str, state: str
) -> None:
    ended, goes_on = restored.place(restored.order()), restored.place(restored.order())
    restored.end(ended, status)
    restored.end(goes_on, "Processing")
    for order_id in (ended, goes_on):
        restored.put_shipment(order_id, state, direction="do", step="ship")
    assert recover() == 0
    assert "1 shipments of failed or cancelled orders turned back" in capsys.readouterr().out
    assert restored.shipment(ended).cancel_requested_at is not None
    assert restored.shipment(goes_on).cancel_requested_at is None
    assert recover() == 0, "once more"
    assert "0 shipments of failed or cancelled orders turned back" in capsys.readouterr().out


def test_what_others_write_on_the_topic_is_no_order_of_ours(restored: Restored) -> None:
    placed = restored.order()
    foreign = placed.payload.replace('"source":"OrderService"', '"source":"elsewhere"')
    restored.publish([(placed.order_id, foreign), ("x", "{"), ("x", '{"eventType":"Unknown"}')])
    assert recover() == 0
    assert restored.status(placed.order_id) is None


def test_orders_that_may_have_been_archived_are_not_taken_back(
    restored: Restored, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    old, young = restored.lose(at=NOW - timedelta(days=9)), restored.lose()
    monkeypatch.setenv("ORDERFLOW_ORDERS_KEPT_S", str(8 * 86_400))
    monkeypatch.setenv("ORDERFLOW_ARCHIVE_DIR", str(tmp_path / "archive"))
    assert recover() == 0
    assert restored.status(old) is None
    assert restored.status(young) == ("Created", 1)


def test_the_stream_goes_on_at_positions_that_nobody_has_seen(restored: Restored) -> None:
    with restored.orders.writer.begin() as connection:
        row = {"changes": "[]", "size": 3, "first_position": 7, "at": NOW}
        connection.execute(sa.insert(stream.stream).values(row))
    assert recover() == 0
    with restored.orders.reader.connect() as connection:
        found = stream.bounds(connection)
    assert found == (7 + stream.SHIFT, 10 + stream.SHIFT), "whoever resumes from before gets a reset"


def test_it_must_be_said_whether_it_is_meant(restored: Restored) -> None:
    assert cli.run(["recover", "--since", "1h"]) == 2
    assert recover("--yes", "--dry-run") == 2
    assert cli.run(["recover", "--since", "yesterday", "--yes"]) == 2
    assert cli.run(["recover", "--since", "2026-02-10T09:30:00", "--yes"]) == 2


def test_nothing_is_taken_back_while_a_worker_runs(
    restored: Restored, capsys: pytest.CaptureFixture[str]
) -> None:
    order_id = restored.lose()
    with restored.fulfillment.writer.begin() as connection:
        lease.acquire(Transaction(connection), [lease.Acquire("w")])
    assert recover() == 1
    assert "stop all roles first" in capsys.readouterr().err
    assert restored.status(order_id) is None
