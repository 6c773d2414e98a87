"""Webhooks: each change reaches the receiver at least once, signed, and each order's in order, whatever the
receiver does."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from tests.orders.conftest import ORDER, Service, Start, eventually, patiently
from tests.orders.delivering import FAILED, LONG, add, delivering, failed_order, sender, shown
from tests.orders.receiver import Receiver

from orderflow.contracts.webhooks import EVENT_OF_STATUS, WEBHOOKS
from orderflow.database.transaction import Transaction
from orderflow.orders.model import Status
from orderflow.orders.retention import Retention
from orderflow.orders.tables import webhooks
from orderflow.orders.webhooks import queue
from orderflow.orders.webhooks.endpoints import LEASE_MS
from orderflow.orders.webhooks.queue import Message, Record

OTHER = "019c46f2-b0a0-7c11-8f3a-2b1c9d4e5f61"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def pair(server_database: str) -> Iterator[tuple[Service, Service]]:
    """Two processes on one database."""
    services = [Service(server_database, sequencing=True, sender=sender()) for _ in range(2)]
    for service in services:
        service.deliver(LONG)
    yield services[0], services[1]
    for service in services:
        service.close()


def test_each_change_is_sent_once_signed_and_in_the_order_of_versions(
    start: Start, receiver: Receiver
) -> None:
    service = delivering(start)
    before = failed_order(service)
    eventually(lambda: not service.rows("SELECT 1 FROM stream WHERE first_position IS NULL"))
    add(service, receiver)
    orders = [failed_order(service) for _ in range(8)]
    eventually(lambda: len(receiver.taken()) == 3 * len(orders))
    eventually(lambda: shown(service)["behind"] == 0)
    assert receiver.refused == []
    assert before not in {order_id for order_id, _ in receiver.taken()}
    for order_id in orders:
        assert receiver.of_order(order_id) == [(1, 204), (2, 204), (3, 204)]
    sent = [each for each in receiver.received if each.data["orderId"] == orders[0]]
    assert [each.id for each in sent] == [f"{orders[0]}_{version}" for version in (1, 2, 3)]
    assert [each.type for each in sent] == ["order.created", "order.processing", "order.failed"]
    assert sent[0].data.keys() == {"position", "orderId", "status", "version", "at", "attention"}
    assert service.rows("SELECT count(*) FROM webhook_messages") == [(0,)]


def test_every_status_has_a_type_of_its_own() -> None:
    assert set(EVENT_OF_STATUS) == {status.value for status in Status}
    assert len(set(EVENT_OF_STATUS.values())) == len(Status)


def test_a_webhook_gets_the_types_that_it_names_and_no_others(start: Start, receiver: Receiver) -> None:
    service = delivering(start)
    add(service, receiver, eventTypes=["order.failed", "order.created"])
    order_id = failed_order(service)
    eventually(lambda: (order_id, 3) in receiver.taken())
    assert receiver.of_order(order_id) == [(1, 204), (3, 204)]


@pytest.mark.parametrize("answer", [500, 404, 302, "hang", "reset", "http://127.0.0.1:9/"])
def test_an_order_whose_message_is_not_taken_waits_and_holds_up_no_other(
    start: Start, receiver: Receiver, answer: int | str
) -> None:
    service = delivering(start, tuple([0.2] * 200), timeout_s=1)
    add(service, receiver)
    poison: list[str] = []
    receiver.answering = lambda _type, data: answer if data["orderId"] in poison else 204
    poison.append(patiently(service.place).document["orderId"])
    for update in ({"status": "Processing"}, FAILED):
        patiently(lambda: service.patch(poison[0], **update))  # noqa: B023 - called at once
    others = [failed_order(service) for _ in range(3)]
    eventually(lambda: len(set(receiver.taken())) == 3 * len(others))
    eventually(lambda: len(receiver.of_order(poison[0])) >= 3)
    assert {version for version, _ in receiver.of_order(poison[0])} == {1}
    assert len({each.id for each in receiver.received if each.data["orderId"] == poison[0]}) == 1
    held = poison.pop()
    eventually(lambda: (held, 3) in receiver.taken())
    assert list(dict.fromkeys(v for v, s in receiver.of_order(held) if s == 204)) == [1, 2, 3]
    eventually(lambda: (shown(service)["behind"], shown(service)["failingSince"]) == (0, None))
    assert receiver.refused == []


def test_an_answer_without_an_end_is_not_read(start: Start, receiver: Receiver) -> None:
    receiver.answering = lambda _type, _data: "endless"
    service = delivering(start)
    add(service, receiver)
    service.placed()
    eventually(lambda: shown(service)["behind"] == 0 and receiver.received)
    assert len(receiver.received) == 1


def test_a_new_secret_is_used_while_messages_flow(start: Start, receiver: Receiver) -> None:
    service = delivering(start)
    path = f"{WEBHOOKS}/{add(service, receiver)}"
    failed_order(service)
    eventually(lambda: len(receiver.taken()) == 3)
    receiver.secret = service.send("POST", f"{path}/rotate", {"overlapSeconds": 0}).document["secret"]
    order_id = failed_order(service)
    eventually(lambda: receiver.of_order(order_id)[-1:] == [(3, 204)])
    assert len(receiver.refused) <= 3, "only until the sender has seen it"


def test_while_a_receiver_is_away_it_is_only_probed_and_then_it_gets_everything(
    start: Start, receiver: Receiver
) -> None:
    receiver.answering = lambda _type, _data: 503
    service = delivering(start)
    add(service, receiver)
    order_ids = [patiently(service.place).document["orderId"] for _ in range(40)]
    eventually(lambda: shown(service)["failingSince"] is not None)
    eventually(lambda: receiver.received and receiver.received[-1].at - receiver.received[0].at > 3)
    assert shown(service)["lastError"] == "HTTP 503"
    assert len(receiver.received) < 25
    receiver.answering = lambda _type, _data: 204
    eventually(lambda: {order_id for order_id, _ in receiver.taken()} == set(order_ids))
    assert len(receiver.taken()) == len(order_ids)
    eventually(lambda: (shown(service)["behind"], shown(service)["failingSince"]) == (0, None))


def test_a_receiver_gets_no_more_than_a_few_at_once(start: Start, receiver: Receiver) -> None:
    service = delivering(start)
    add(service, receiver)
    service.send("POST", "/api/orders/batch", {"orders": [ORDER] * 60})
    eventually(lambda: len(receiver.taken()) == 60)
    assert receiver.under_way_max <= 10


def test_two_processes_deliver_each_message_once_and_the_second_takes_over(
    pair: tuple[Service, Service], receiver: Receiver
) -> None:
    first, second = pair
    add(first, receiver)
    orders = [failed_order(service) for _ in range(5) for service in (first, second)]
    eventually(lambda: len(receiver.taken()) >= 3 * len(orders))
    owners = [first.rows("SELECT owner FROM webhooks")]
    assert len(receiver.received) == 3 * len(orders)
    busy, other = (first, second) if _has(first) else (second, first)
    busy.stop_delivering()
    more = [failed_order(other) for _ in range(3)]
    eventually(lambda: len(receiver.taken()) == 3 * len(orders + more))
    assert len(receiver.received) == 3 * len(orders + more)
    assert other.rows("SELECT owner FROM webhooks") != owners[0]
    for order_id in [*orders, *more]:
        assert [version for version, _ in receiver.of_order(order_id)] == [1, 2, 3]


def _has(service: Service) -> bool:
    assert service.deliverer is not None
    return bool(service.deliverer._mine)  # pyright: ignore[reportPrivateUsage]


def test_an_endpoint_that_another_process_has_is_left_alone_until_its_lease_ends(
    start: Start, receiver: Receiver
) -> None:
    service = delivering(start)
    add(service, receiver)
    owned = sa.update(webhooks).values(owner=OTHER, leased_until_ms=_now_ms(service) + LEASE_MS - 5_000)
    service.write(owned)
    service.placed()
    started = datetime.now(UTC)
    eventually(lambda: datetime.now(UTC) - started > timedelta(seconds=6))
    assert receiver.received == []
    service.write(sa.update(webhooks).values(leased_until_ms=0))
    eventually(lambda: len(receiver.taken()) == 1)


def _now_ms(service: Service) -> int:
    return int(datetime.now(UTC).timestamp() * 1000)


def test_what_a_former_owner_records_changes_nothing(start: Start, receiver: Receiver) -> None:
    service = start(sender=sender())
    endpoint_id = add(service, receiver)
    now = datetime.now(UTC)
    service.write(sa.update(webhooks).values(owner=OTHER, position=7))
    late = Message(5, OTHER, 1, "{}", 1, now)

    def record(owner: str, began_at: int) -> bool:
        command = Record(endpoint_id, owner, began_at, 9, 0, None, None, (), [late])
        (written,) = service.writer.submit_blocking(queue.record, [command])
        assert isinstance(written, bool)
        return written

    assert not record("019c46f2-b0a0-7c11-8f3a-2b1c9d4e5f62", 7)
    assert not record(OTHER, 5), "another process has been further since then"
    assert service.rows("SELECT position FROM webhooks") == [(7,)]
    assert service.rows("SELECT count(*) FROM webhook_messages") == [(0,)]
    assert record(OTHER, 7)
    assert record(OTHER, 7), "as after an answer to COMMIT that was lost"
    assert service.rows("SELECT position FROM webhooks") == [(9,)]
    assert service.rows("SELECT position FROM webhook_messages") == [(5,)]
    assert service.send("DELETE", f"{WEBHOOKS}/{endpoint_id}").document == {"undelivered": 1}
    assert not record(OTHER, 9)
    assert service.rows("SELECT count(*) FROM webhook_messages") == [(0,)]


def test_nothing_that_waits_or_is_dead_tells_of_a_person(start: Start, receiver: Receiver) -> None:
    receiver.answering = lambda _type, _data: 500
    service = delivering(start, ())
    add(service, receiver)
    order_id = service.placed()["orderId"]
    service.patch(order_id, attention={"kind": "stuck", "reason": "Ada is away"})
    eventually(lambda: shown(service)["deadLetters"] == 2)
    stored = str(service.rows("SELECT * FROM webhook_messages")) + str(receiver.received)
    assert order_id in stored
    for personal in ("Ada", "CUST-1", "St James"):
        assert personal not in stored


def test_changes_that_were_removed_before_they_were_sent_are_told(start: Start, receiver: Receiver) -> None:
    service = start(sequencing=True, sender=sender())
    add(service, receiver)
    for _ in range(3):
        service.placed()
    eventually(lambda: not service.rows("SELECT 1 FROM stream WHERE first_position IS NULL"))
    retention = Retention(
        service.writer,
        keys_s=86_400,
        events_s=86_400,
        history_s=None,
        stream_s=0,
        clock=lambda: datetime.now(UTC) + timedelta(hours=1),
    )
    removed = retention.run_once()["stream"]
    assert removed >= 1
    kept = service.rows("SELECT sum(size) FROM stream")[0][0]
    service.deliver(LONG)
    eventually(lambda: shown(service)["behind"] == 0)
    assert shown(service)["missed"] == 3 - kept
    assert len(receiver.taken()) == kept


def test_a_removed_webhook_gets_nothing_more(start: Start, receiver: Receiver) -> None:
    receiver.answering = lambda _type, _data: 500
    service = delivering(start, tuple([0.1] * 200))
    endpoint_id = add(service, receiver)
    service.placed()
    eventually(lambda: shown(service)["waiting"] == 1)
    assert service.send("DELETE", f"{WEBHOOKS}/{endpoint_id}").document == {"undelivered": 1}
    service.placed()
    attempts = len(receiver.received)
    started = datetime.now(UTC)
    eventually(lambda: datetime.now(UTC) - started > timedelta(seconds=4))
    assert len(receiver.received) <= attempts + 1
    assert service.rows("SELECT count(*) FROM webhook_messages") == [(0,)]


NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)


def test_an_added_endpoint_is_there_after_the_answer_to_its_commit_was_lost(service: Service) -> None:
    from orderflow.orders.webhooks import endpoints

    command = endpoints.Add(OTHER, "https://example.com", "whsec_x", None, NOW)
    for may_be_committed in (False, True):
        with service.database.writer.begin() as connection:
            tx = Transaction(connection, may_be_committed=may_be_committed)
            assert endpoints.add(tx, [command]) == [True]
            tx.send()
    assert service.rows("SELECT count(*) FROM webhooks") == [(1,)]
    for may_be_committed, removed in ((False, 0), (True, 0), (False, None)):
        with service.database.writer.begin() as connection:
            tx = Transaction(connection, may_be_committed=may_be_committed)
            assert endpoints.remove(tx, [endpoints.Remove(OTHER)]) == [removed]
