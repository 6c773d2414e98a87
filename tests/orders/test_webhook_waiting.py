"""What a receiver does not take waits, is tried again or is a dead letter; and what it costs to look."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy import event
from tests.orders.conftest import Service, Start, eventually, is_problem
from tests.orders.delivering import LONG, add, delivering, failed_order, sender, shown
from tests.orders.receiver import Receiver

from orderflow.contracts.audit import AUDIT
from orderflow.contracts.webhooks import WEBHOOKS
from orderflow.orders.tables import webhook_messages
from orderflow.orders.tail import POLL_S
from orderflow.orders.webhooks import queue
from orderflow.orders.webhooks.deliverer import CLAIM_PAUSE_S

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
    rows = [
        {
            "endpoint_id": endpoint_id,
            "position": -number,
            "order_id": OTHER,
            "order_version": number,
            "payload": "{}",
            "attempts": 1,
            "due_at": NOW + timedelta(days=1_000),
        }
        for number in range(queue.WAITING_MAX)
    ]
    service.write(sa.insert(webhook_messages), rows)
    order_id = service.placed()["orderId"]
    service.deliver(LONG)
    started = datetime.now(UTC)
    eventually(lambda: datetime.now(UTC) - started > timedelta(seconds=3))
    assert receiver.received == []
    assert shown(service)["behind"] == queue.WAITING_MAX + 1
    service.write(sa.delete(webhook_messages).where(webhook_messages.c.position == 0))
    eventually(lambda: receiver.taken() == [(order_id, 1)])


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
