"""One key means one order: if requests are repeated or concurrent, across processes, and while somebody else
holds the key."""

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.orders.conftest import ORDER, Answer, Service, Start, eventually, on_a_server

from orderflow.database.batch import Outcome
from orderflow.orders import commands
from orderflow.orders.events import order_created
from orderflow.orders.tables import idempotency_keys
from orderflow.runtime.ids import new_uuid4, new_uuid7

OTHER = ORDER | {"customer": {"customerId": "CUST-2", "name": "Grace Hopper"}}


def test_a_repeated_request_gets_the_same_bytes_and_makes_no_second_order(service: Service) -> None:
    first = service.place(key="k")
    again = service.place(key="k")
    assert (first.status, again.status) == (201, 201)
    assert again.body == first.body
    assert again.headers["location"] == first.headers["location"]
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert service.orders == 1


def test_a_key_belongs_to_its_caller(service: Service) -> None:
    def place(caller: str, name: str) -> Outcome[commands.PlaceResult]:
        order_id, event_id = new_uuid7(1_770_715_800_000), new_uuid4()
        content = json.dumps(ORDER | {"customer": {"customerId": "c", "name": name}})
        command = commands.PlaceOrder(
            order_id,
            datetime(2026, 2, 10, tzinfo=UTC),
            "c",
            f"00-{'1' * 32}-{'2' * 16}-00",
            event_id,
            "order-events",
            order_created(content, event_id, order_id, "2026-02-10T00:00:00.000Z", "c", placed_by=caller),
            1,
            caller,
            "the same key",
            name,
        )
        return service.writer.submit_blocking(commands.place_orders, [command])[0]

    assert isinstance(place("shop", "ann"), commands.Placed)
    assert isinstance(place("app", "bob"), commands.Placed)
    assert isinstance(place("shop", "ann"), commands.Replay)
    assert isinstance(place("shop", "bob"), commands.KeyReused)
    assert service.orders == 2


def test_a_replay_shows_the_order_as_it_was_created_however_far_it_has_moved(service: Service) -> None:
    first = service.place(key="k")
    order_id = first.document["orderId"]
    assert service.patch(order_id, status="Processing", fulfillment={"carrier": "C"}).status == 204
    assert service.patch(order_id, status="Shipped", attention={"kind": "x", "reason": "y"}).status == 204
    assert service.place(key="k").body == first.body


def test_the_same_order_written_otherwise_is_the_same_order(service: Service) -> None:
    first = service.place(key="k")
    reordered = dict(reversed(list(ORDER.items())))
    assert service.place(reordered, key="k").body == first.body


def test_a_key_used_with_another_order_is_refused_and_writes_nothing(service: Service) -> None:
    service.place(key="k")
    answer = service.place(OTHER, key="k")
    assert (answer.status, answer.document["type"]) == (422, "urn:orderflow:problem:idempotency-key-reused")
    assert service.orders == 1


def test_a_refused_order_leaves_its_key_free(service: Service) -> None:
    assert service.place(ORDER | {"items": []}, key="k").status == 422
    assert service.place(key="k").status == 201


def test_single_and_batch_calls_agree_about_a_key(service: Service) -> None:
    first = service.place(key="single")
    batch = {"orders": [ORDER | {"idempotencyKey": "single"}, ORDER | {"idempotencyKey": "batched"}]}
    results = service.send("POST", "/api/orders/batch", batch).document["results"]
    assert results[0]["order"] == first.document
    later = service.place(key="batched")
    assert (later.document, later.headers["idempotent-replayed"]) == (results[1]["order"], "true")
    assert service.orders == 2


def test_equal_keys_in_one_batch_make_one_order_and_a_differing_one_is_refused(service: Service) -> None:
    entries = [
        ORDER | {"idempotencyKey": "k"},
        ORDER | {"idempotencyKey": "k"},
        OTHER | {"idempotencyKey": "k"},
    ]
    results = service.send("POST", "/api/orders/batch", {"orders": entries}).document["results"]
    assert [result["status"] for result in results] == [201, 201, 422]
    assert results[0]["order"] == results[1]["order"]
    assert service.orders == 1


def at_once(count: int, call: Callable[[int], Answer]) -> list[Answer]:
    barrier = threading.Barrier(count)

    def after_all_are_ready(index: int) -> Answer:
        barrier.wait()
        return call(index)

    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(after_all_are_ready, range(count)))


def test_fifty_requests_at_once_with_one_key_make_one_order(service: Service) -> None:
    answers = at_once(50, lambda _: service.place(key="k"))
    assert {(answer.status, answer.body) for answer in answers} == {(201, answers[0].body)}
    assert sum("idempotent-replayed" not in answer.headers for answer in answers) == 1
    assert service.orders == 1


@on_a_server
def test_two_processes_that_get_one_key_at_once_make_one_order(start: Start) -> None:
    processes = [start(), start()]
    for round_ in range(10):
        answers = at_once(8, lambda i, key=f"k{round_}": processes[i % 2].place(key=key))
        assert {(answer.status, answer.body) for answer in answers} == {(201, answers[0].body)}
    assert processes[0].orders == 10


class Held:
    """A key whose transaction another process holds open."""

    def __init__(self, service: Service, key: str) -> None:
        self._context = service.session()
        self.connection = self._context.__enter__()
        values: dict[str, Any] = {
            "caller": "anonymous",
            "key": key,
            "request_hash": "0" * 64,
            "order_id": str(uuid4()),
            "created_at": datetime.now(UTC),
        }
        self.connection.execute(sa.insert(idempotency_keys), [values])

    def end(self) -> None:
        self.connection.rollback()
        self._context.__exit__(None, None, None)


@pytest.fixture
def in_time(start: Start) -> Service:
    """A service on a server, which may have two writers, that waits half a second for a key."""
    return start(key_wait_s=0.5)


@on_a_server
def test_a_key_that_stays_open_elsewhere_is_answered_409_and_stops_no_other_order(in_time: Service) -> None:
    held = Held(in_time, "k")
    try:
        with ThreadPoolExecutor(1) as thread:
            waiting = thread.submit(in_time.place, ORDER, "k")
            others = 0
            while not waiting.done():
                assert in_time.place().status == 201
                others += 1
        assert others > 0
        answer = waiting.result()
    finally:
        held.end()
    assert answer.status == 409
    assert answer.document["type"] == "urn:orderflow:problem:idempotency-key-in-progress"
    assert "retry-after" in answer.headers
    assert in_time.orders == others


@on_a_server
def test_a_batch_with_an_open_key_places_its_other_orders(in_time: Service) -> None:
    held = Held(in_time, "k")
    try:
        batch = {"orders": [ORDER, ORDER | {"idempotencyKey": "k"}, ORDER | {"idempotencyKey": "free"}]}
        results = in_time.send("POST", "/api/orders/batch", batch).document["results"]
    finally:
        held.end()
    assert [result["status"] for result in results] == [201, 409, 201]
    assert in_time.orders == 2


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_key_whose_other_transaction_rolls_back_makes_the_order(start: Start) -> None:
    service = start()
    held = Held(service, "k")
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(service.place, ORDER, "k")
        eventually(lambda: blocked(service))
        held.end()
        answer = waiting.result()
    assert (answer.status, "idempotent-replayed" in answer.headers) == (201, False)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_key_whose_other_transaction_commits_in_time_is_replayed(start: Start) -> None:
    service = start()
    first = service.place(key="k")
    with service.session() as other:
        # The winner's own row, taken out and put back within one open transaction.
        (row,) = other.execute(sa.select(idempotency_keys)).mappings().all()
        service.write(sa.delete(idempotency_keys))
        other.rollback()
        other.execute(sa.insert(idempotency_keys), [dict(row)])
        with ThreadPoolExecutor(1) as thread:
            waiting = thread.submit(service.place, ORDER, "k")
            eventually(lambda: blocked(service))
            other.commit()
            answer = waiting.result()
    assert (answer.body, answer.headers["idempotent-replayed"]) == (first.body, "true")
    assert service.orders == 1


def blocked(service: Service) -> bool:
    waiting = service.rows("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
    return bool(waiting[0][0])


keys = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=255).filter(
    lambda k: k.strip()
)


@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(keys, min_size=1, max_size=5))
def test_every_key_of_the_contract_works_in_a_batch(service: Service, some: list[str]) -> None:
    batch = {"orders": [deepcopy(ORDER) | {"idempotencyKey": key} for key in some]}
    first = service.send("POST", "/api/orders/batch", batch).document["results"]
    assert [result["status"] for result in first] == [201] * len(some)
    again = service.send("POST", "/api/orders/batch", batch).document["results"]
    assert [result["order"] for result in again] == [result["order"] for result in first]


@pytest.mark.parametrize("key", ["", " ", "x" * 256, "x" * 10_000, "a\tb", "\x85", "\x7f"])
def test_a_key_outside_the_contract_is_refused_and_not_echoed(service: Service, key: str) -> None:
    answer = service.send("POST", "/api/orders", ORDER, {"Idempotency-Key": key})
    assert answer.status in (422, 400)
    assert len(answer.body) < 2_000
    assert service.orders == 0
