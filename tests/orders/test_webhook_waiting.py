"""What a receiver does not take waits, is tried again or is a dead letter; and what it costs to look."""

import json
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event
from tests.orders.conftest import ORDER, Service, Start, eventually, is_problem
from tests.orders.delivering import LONG, add, delivering, failed_order, sender, shown
from tests.orders.receiver import Receiver

from orderflow.contracts.audit import AUDIT
from orderflow.contracts.webhooks import WEBHOOKS
from orderflow.orders.tables import webhook_messages
from orderflow.orders.tail import POLL_S
from orderflow.orders.webhooks import queue
from orderflow.orders.webhooks.deliverer import CLAIM_PAUSE_S, STREAM_ROWS_A_ROUND_MAX

AT_ONCE = (0.0, 0.0)
"""The schedule of three attempts without waits."""
OTHER = "019c46f2-b0a0-7c11-8f3a-2b1c9d4e5f61"
NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


def test_after_the_schedule_a_message_is_a_dead_letter_and_the_next_one_of_its_order_follows(
    start: Start, receiver: Receiver
) -> None:
    refused = {1}
    receiver.answering = lambda _type, data: 500 if data["version"] in refused else 204
    service = delivering(start, AT_ONCE)
    endpoint_id = add(service, receiver)
    order_id = failed_order(service)
    eventually(lambda: receiver.taken() == [(order_id, 2), (order_id, 3)])
    assert [status for version, status in receiver.of_order(order_id) if version == 1] == [500] * 3
    assert [version for version, _ in receiver.of_order(order_id)] == [1, 1, 1, 2, 3]
    eventually(lambda: (shown(service)["waiting"], shown(service)["deadLetters"]) == (0, 1))
    letters = service.get(f"{WEBHOOKS}/{endpoint_id}/dead-letters")
    (letter,) = letters["items"]
    assert {name: letter[name] for name in ("id", "type", "attempts", "reason")} == {
        "id": f"{order_id}_1",
        "type": "order.created",
        "attempts": 3,
        "reason": "HTTP 500",
    }
    refused.clear()
    assert service.send("POST", f"{WEBHOOKS}/{endpoint_id}/redrive").document == {"redriven": 1}
    eventually(lambda: receiver.taken()[-1] == (order_id, 1))
    eventually(lambda: shown(service)["deadLetters"] == 0)


def test_a_single_dead_letter_is_tried_again_or_discarded(start: Start, receiver: Receiver) -> None:
    receiver.answering = lambda _type, _data: 500
    service = delivering(start, ())
    path = f"{WEBHOOKS}/{add(service, receiver)}"
    order_id = failed_order(service)
    eventually(lambda: shown(service)["deadLetters"] == 3)
    first, second, third = service.get(f"{path}/dead-letters")["items"]
    receiver.answering = lambda _type, _data: 204
    of_second = f"{path}/dead-letters/{second['position']}"
    assert service.send("POST", f"{of_second}/redrive").document == {"position": second["position"]}
    eventually(lambda: receiver.taken() == [(order_id, 2)])
    eventually(lambda: shown(service)["deadLetters"] == 2)
    is_problem(service.send("POST", f"{of_second}/redrive"), 404)
    is_problem(service.send("POST", f"{of_second}/discard", {"reason": "it is taken"}), 404)
    of_first = f"{path}/dead-letters/{first['position']}"
    is_problem(service.send("POST", f"{of_first}/discard"), 415)
    is_problem(service.send("POST", f"{of_first}/discard", {}), 422)
    is_problem(service.send("POST", f"{of_first}x/discard", {"reason": "r"}), 404)
    discarded = service.send("POST", f"{of_first}/discard", {"reason": "read from the list"})
    assert discarded.document == {"position": first["position"]}
    is_problem(service.send("POST", f"{of_first}/discard", {"reason": "again"}), 404)
    left = service.get(f"{path}/dead-letters")["items"]
    assert [each["position"] for each in left] == [third["position"]]
    assert receiver.taken() == [(order_id, 2)]
    entries = [each for each in service.get(AUDIT)["items"] if "position" in each["details"]]
    assert [(each["action"], each["details"]["position"], each["reason"]) for each in entries] == [
        ("webhooks.discard", first["position"], "read from the list"),
        ("webhooks.redrive", second["position"], None),
    ]


def test_no_more_changes_are_taken_up_while_very_many_messages_wait(start: Start, receiver: Receiver) -> None:
    service = start(sequencing=True, sender=sender())
    endpoint_id = add(service, receiver)
    orders = [f"{OTHER[:-4]}{number:04}" for number in range(queue.WAITING_MAX)]
    rows = [row(endpoint_id, -number, order) for number, order in enumerate(orders)]
    service.write(sa.insert(webhook_messages), rows)
    order_id = service.placed()["orderId"]
    service.deliver((10_000 * 86_400.0,))
    started = datetime.now(UTC)
    with statements(service) as asked:
        eventually(lambda: datetime.now(UTC) - started > timedelta(seconds=5))
    assert receiver.received == []
    assert shown(service)["behind"] == queue.WAITING_MAX + 1
    assert len([each for each in asked if "payload" in each]) <= 2, "what cannot change is not read again"
    now_due = sa.update(webhook_messages).where(webhook_messages.c.position == 0)
    service.write(now_due.values(due_at=NOW - timedelta(days=1_000)))
    eventually(lambda: receiver.taken() == [(orders[0], 1), (order_id, 1)])


def test_a_webhook_that_is_behind_gets_round_after_round_without_a_rest(
    start: Start, receiver: Receiver
) -> None:
    service = start(sequencing=True, sender=sender())
    add(service, receiver)
    rounds = 15
    orders = [service.placed()["orderId"] for _ in range(rounds * STREAM_ROWS_A_ROUND_MAX)]
    eventually(lambda: shown(service)["behind"] == len(orders))
    started = time.monotonic()
    service.deliver(LONG)
    eventually(lambda: len(receiver.taken()) == len(orders))
    assert time.monotonic() - started < rounds * CLAIM_PAUSE_S / 3
    assert len(receiver.received) == len(orders)


def test_a_redrive_is_noticed_while_there_is_always_more_to_send(start: Start, receiver: Receiver) -> None:
    service = start(sequencing=True, sender=sender())
    endpoint_id = add(service, receiver)
    service.write(sa.insert(webhook_messages), [row(endpoint_id, 0, OTHER, dead_at=NOW)])
    orders = [ORDER] * 700
    assert service.send("POST", "/api/orders/batch", {"orders": orders}).status == 200
    eventually(lambda: shown(service)["behind"] == len(orders))

    def slowly(_type: str, data: dict[str, Any]) -> int:
        time.sleep(0.15)
        return 204

    receiver.answering = slowly
    service.deliver(LONG)
    eventually(lambda: receiver.received)
    assert service.send("POST", f"{WEBHOOKS}/{endpoint_id}/redrive").document == {"redriven": 1}
    eventually(lambda: (OTHER, 1) in receiver.taken())
    assert len(receiver.taken()) < len(orders), "there was still more to send"


def test_what_was_taken_is_recorded_when_the_process_ends_though_a_receiver_hangs(
    start: Start, receiver: Receiver
) -> None:
    service = start(sequencing=True, sender=sender(timeout_s=20))
    add(service, receiver)
    hangs, *others = [service.placed()["orderId"] for _ in range(5)]
    receiver.answering = lambda _type, data: "hang" if data["orderId"] == hangs else 204
    service.deliver(LONG)
    eventually(lambda: len(receiver.taken()) == len(others))
    service.stop_delivering()
    assert (shown(service)["waiting"], shown(service)["behind"]) == (1, 1)
    ((left, attempts),) = service.rows("SELECT order_id, attempts FROM webhook_messages")
    assert (str(left), attempts) == (hangs, 0)


def row(endpoint_id: str, position: int, order_id: str, *, dead_at: datetime | None = None) -> dict[str, Any]:
    """A message that was tried once and is not due for long."""
    return {
        "endpoint_id": endpoint_id,
        "position": position,
        "order_id": order_id,
        "order_version": 1,
        "payload": json.dumps({"type": "order.created", "data": {"orderId": order_id, "version": 1}}),
        "attempts": 1,
        "due_at": NOW + timedelta(days=1_000),
        "reason": "HTTP 500",
        "dead_at": dead_at,
    }


def test_a_process_looks_once_for_all_of_its_endpoints(start: Start, receiver: Receiver) -> None:
    service = delivering(start)
    for _ in range(5):
        add(service, receiver)
    receiver.secret = None  # each has one of its own
    service.placed()
    eventually(lambda: len(receiver.taken()) == 5)
    eventually(lambda: all(each["behind"] == 0 for each in service.get(WEBHOOKS)["items"]))
    with statements(service) as asked:
        started = datetime.now(UTC)
        eventually(lambda: datetime.now(UTC) - started > timedelta(seconds=5))
        order_id = service.placed()["orderId"]
        eventually(lambda: receiver.taken().count((order_id, 1)) == 5)
    seconds = (datetime.now(UTC) - started).total_seconds()
    of_rows = [statement for statement in asked if "webhook_messages" in statement]
    assert 1 <= len(of_rows) <= 1 + seconds / CLAIM_PAUSE_S, "what others have made due"
    of_stream = [statement for statement in asked if "FROM stream" in statement]
    assert 1 <= len(of_stream) <= 1 + seconds / POLL_S, "the tail's, and the change is then in memory"


@contextmanager
def statements(service: Service) -> Generator[list[str]]:
    """What is read from the database while the block runs."""
    asked: list[str] = []

    def listener(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        asked.append(statement)

    engine = service.database.reader
    event.listen(engine, "before_cursor_execute", listener)
    try:
        yield asked
    finally:
        event.remove(engine, "before_cursor_execute", listener)
