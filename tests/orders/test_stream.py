"""`GET /api/orders/stream`: every change reaches every client that may see it, in order and without a gap."""

import http.client
import json
import socket
import threading
from collections import defaultdict
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.orders.conftest import ORDER, Service, Start, eventually, is_problem, on_a_server, patiently
from tests.orders.followed import STREAM, Event, Followed

from orderflow.contracts.orders_api import OrderChange
from orderflow.contracts.scopes import EVERY_SCOPE, OF_CUSTOMERS
from orderflow.orders.http.stream import CATCH_UP_ROWS, StreamLimits
from orderflow.orders.retention import Retention
from orderflow.security.authentication import UNKNOWN
from orderflow.web.deadlines import Limits
from orderflow.web.front_door import Principal

LONG = StreamLimits(life_s=lambda: 3_600)
HASTY = StreamLimits(life_s=lambda: 3_600, heartbeat_s=0.05)
OTHERS_ORDER = {**ORDER, "customer": {"customerId": "CUST-2", "name": "Bob"}}
BATCH: dict[str, Any] = {"orders": [ORDER] * 1_000}


@pytest.fixture
def service(start: Start) -> Service:
    return start(stream_limits=HASTY, sequencing=True)


def follow(service: Service, query: str = "", **more: Any) -> Followed:
    return Followed(service.port, query, **more)


def test_a_client_gets_each_change_as_it_happens_with_its_position(service: Service) -> None:
    service.placed()
    with follow(service) as client:
        begun_at = client.heartbeat().id
        placed = service.placed()
        order_id = placed["orderId"]
        service.patch(order_id, status="Processing", attention={"kind": "stuck", "reason": "Ada is away"})
        changed = service.get(f"/api/orders/{order_id}")
        events: list[Event] = []
        while len(events) < 2:
            (event,) = client.events(1)  # the first order's change may be among them
            events += [event] if event.data["orderId"] == order_id else []
    common = {"orderId": order_id}
    attention = {"kind": "stuck", "since": changed["attention"]["since"]}
    assert [event.data for event in events] == [
        common
        | {"position": events[0].id, "status": "Created", "version": 1, "at": placed["createdAt"]}
        | {"attention": None},
        common
        | {"position": events[1].id, "status": "Processing", "version": 2, "at": changed["updatedAt"]}
        | {"attention": attention},
    ]
    assert begun_at < events[0].id == events[1].id - 1
    for event in events:
        OrderChange.model_validate_json(json.dumps(event.data))


def test_it_is_a_stream_that_no_proxy_keeps(service: Service) -> None:
    with follow(service) as client:
        headers = client.answer.headers
        assert headers["content-type"] == "text/event-stream"
        assert headers["cache-control"] == "no-store"
        assert headers["x-accel-buffering"] == "no"


def test_a_client_resumes_behind_the_last_event_that_it_got(service: Service) -> None:
    batch: dict[str, Any] = {"orders": [ORDER] * 50}
    assert service.send("POST", "/api/orders/batch", batch).status == 200
    for _ in range(CATCH_UP_ROWS + 5):
        service.placed()
    total = 50 + CATCH_UP_ROWS + 5
    with follow(service, after=0) as first:
        everything = first.orders(total)
    assert [position for position, _, _ in everything] == list(range(1, total + 1))
    for after in (7, 50, total - 1):
        with follow(service, after=after) as client:
            assert client.orders(total - after) == everything[after:]
    with follow(service, after=total) as client:
        service.placed()
        assert client.orders(1)[0][0] == total + 1


def test_what_a_client_wants_and_no_more(service: Service) -> None:
    order_id = service.placed()["orderId"]
    others = service.placed(OTHERS_ORDER)["orderId"]
    for each in (order_id, others):
        service.patch(each, status="Processing")
        service.patch(each, status="Failed", fulfillment={"errorMessage": "no"})

    def got(query: str) -> list[tuple[str, str]]:
        with follow(service, query, after=0) as client:
            return [(event.data["orderId"], event.data["status"]) for event in client.until(6)]

    assert got("?customerId=CUST-2") == [(others, "Created"), (others, "Processing"), (others, "Failed")]
    assert got("?status=Failed") == [(order_id, "Failed"), (others, "Failed")]
    both = got("?status=Failed&status=Created&customerId=CUST-1")
    assert both == [(order_id, "Created"), (order_id, "Failed")]
    assert got("?customerId=nobody") == []


@pytest.mark.parametrize("query", ["status=Sent", "customerId=", "limit=5", "customerId=a&customerId=b"])
def test_an_unknown_filter_is_refused(refusing: Service, query: str) -> None:
    is_problem(refusing.send("GET", f"{STREAM}?{query}"), 422)


def test_heartbeats_tell_a_client_that_wants_little_how_far_it_is(service: Service) -> None:
    with follow(service, "?status=Shipped") as client:
        before = client.heartbeat().id
        for _ in range(3):
            service.placed()
        assert client.until(before + 3) == []


@pytest.mark.parametrize("after", ["x", "-1", "1.5", "99", "9" * 18, "9" * 40, "1, 2", "é"])
def test_a_client_that_names_what_is_no_position_is_reset(service: Service, after: str) -> None:
    service.placed()
    eventually(lambda: service.rows("SELECT count(*) FROM stream WHERE first_position = 1") == [(1,)])
    with follow(service, after=after) as client:
        (reset,) = client.events(1)
        assert (reset.name, reset.data) == ("reset", {"position": reset.id})
        service.placed()
        assert client.orders(1)[0][0] == 2 == reset.id + 1


def test_a_client_that_comes_back_after_retention_is_reset_and_goes_on(start: Start) -> None:
    service = start(stream_limits=HASTY)
    for _ in range(5):
        service.placed()
    service.process.sequencer.run_once()
    day_s = timedelta(days=1).total_seconds()
    retention = Retention(
        service.writer,
        keys_s=day_s,
        events_s=day_s,
        history_s=None,
        stream_s=day_s,
        clock=lambda: datetime.now(UTC) + timedelta(hours=25),
    )
    assert retention.run_once()["stream"] == 4
    for after, expected in ((3, "reset"), (4, "order")):
        with follow(service, after=after) as client:
            assert client.events(1)[0].name == expected
    with follow(service, after=0) as client:
        assert client.events(1)[0].id == 5
        service.placed()
        service.process.sequencer.run_once()
        assert client.orders(1)[0][0] == 6


@on_a_server
def test_a_client_goes_on_at_another_process_without_a_gap_or_a_repeat(start: Start) -> None:
    here, there = (start(stream_limits=LONG, sequencing=True) for _ in range(2))
    with follow(here, after=0) as client:
        for _ in range(3):
            there.placed()
        found = client.orders(3)
        here.stop_api()
        here.process.sequencer.close()
        assert client.rest() == []
        last = client.last_id
    for _ in range(3):
        there.placed()
    with follow(there, after=last) as client:
        found += client.orders(3)
    assert [position for position, _, _ in found] == list(range(1, 7))
    assert len({order_id for _, order_id, _ in found}) == 6


@on_a_server
def test_many_clients_get_the_same_while_several_write(start: Start) -> None:
    services = [start(stream_limits=LONG, sequencing=True) for _ in range(2)]
    rounds, clients = 15, 6

    def write(mine: Service, other: Service) -> None:
        for _ in range(rounds):
            order_id = patiently(mine.place).document["orderId"]
            failed = {"status": "Failed", "fulfillment": {"errorMessage": "no"}}
            for changed_by, update in ((other, {"status": "Processing"}), (mine, failed)):
                assert patiently(lambda: changed_by.patch(order_id, **update)).status == 204  # noqa: B023 - called at once

    with ExitStack() as stack:
        streams = [stack.enter_context(follow(services[number % 2], after=0)) for number in range(clients)]
        writers = [
            threading.Thread(target=write, args=(services[number], services[1 - number]))
            for number in range(2)
        ]
        for writer in writers:
            writer.start()
        found = [stream.orders(2 * 3 * rounds) for stream in streams]
        for writer in writers:
            writer.join()
    assert all(each == found[0] for each in found)
    assert [position for position, _, _ in found[0]] == list(range(1, 2 * 3 * rounds + 1))
    versions: dict[str, list[int]] = defaultdict(list)
    for _, order_id, version in found[0]:
        versions[order_id].append(version)
    assert all(each == [1, 2, 3] for each in versions.values())


def test_a_client_that_does_not_keep_up_is_dropped_and_resumes_without_a_gap(start: Start) -> None:
    limits = StreamLimits(life_s=lambda: 3_600)
    service = start(stream_limits=limits, tail_changes_max=100, sequencing=True)
    service.listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_096)
    batches = 3
    total = batches * len(BATCH["orders"])

    def newest() -> int:
        with follow(service) as client:
            return client.heartbeat().id

    with follow(service, receive_bytes=4_096) as slow:
        slow.heartbeat()
        for _ in range(batches):
            assert service.send("POST", "/api/orders/batch", BATCH).status == 200
        eventually(lambda: newest() == total)
        got = [event.id for event in slow.rest()]
        last = slow.last_id
    assert got == list(range(1, len(got) + 1))
    assert len(got) < total
    with follow(service, after=last) as client:
        assert client.orders(total - len(got))[-1][0] == total


CALLERS = {
    b"ada": Principal("ada", OF_CUSTOMERS, "CUST-1"),
    b"bob": Principal("bob", OF_CUSTOMERS, "CUST-2"),
    b"shop": Principal("shop", EVERY_SCOPE),
}


class Keys:
    """Callers by their key, until it is revoked."""

    def __init__(self) -> None:
        self.known = dict(CALLERS)

    def find(self, authorization: bytes | None) -> Principal:
        return self.known.get(authorization or b"", UNKNOWN)


@pytest.fixture
def keys() -> Keys:
    return Keys()


@pytest.fixture
def asking(start: Start, keys: Keys) -> Service:
    """A service that asks who calls."""
    limits = StreamLimits(life_s=lambda: 3_600, heartbeat_s=0.05, streams_max=4, of_bound_caller_max=2)
    return start(stream_limits=limits, sequencing=True, authenticate=keys.find)


def of(caller: str) -> dict[str, str]:
    return {"authorization": caller}


def place(service: Service, caller: str, order: dict[str, Any]) -> str:
    answer = service.send("POST", "/api/orders", order, of(caller))
    assert answer.status == 201, answer.body
    return answer.document["orderId"]


def test_a_bound_caller_gets_the_changes_of_its_own_customer_alone(asking: Service) -> None:
    with follow(asking, headers=of("ada")) as live:
        live.heartbeat()
        own, _ = place(asking, "ada", ORDER), place(asking, "bob", OTHERS_ORDER)
        assert [event.data["orderId"] for event in live.until(2)] == [own]
    for query, expected in (("", [own]), ("?customerId=CUST-1", [own]), ("?customerId=CUST-2", [])):
        with follow(asking, query, after=0, headers=of("ada")) as client:
            assert [event.data["orderId"] for event in client.until(2)] == expected
    with follow(asking, after=0, headers=of("shop")) as client:
        assert len(client.until(2)) == 2


def test_a_stream_ends_when_its_key_is_revoked_or_bound_to_another_customer(
    asking: Service, keys: Keys
) -> None:
    with ExitStack() as stack:
        ada, bob, shop = (
            stack.enter_context(follow(asking, headers=of(caller))) for caller in ("ada", "bob", "shop")
        )
        for stream in (ada, bob, shop):
            stream.heartbeat()
        del keys.known[b"ada"]
        keys.known[b"bob"] = keys.known[b"bob"]._replace(customer_id="CUST-1")
        assert ada.rest() == bob.rest() == []
        place(asking, "shop", ORDER)
        assert shop.orders(1)


def test_streams_are_bounded_in_number_and_those_of_a_bound_caller_more_so(asking: Service) -> None:
    def refused(caller: str) -> int:
        answer = asking.send("GET", STREAM, headers=of(caller))
        is_problem(answer, answer.status)
        assert int(answer.headers["retry-after"]) >= 1
        return answer.status

    with ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(follow(asking, headers=of("ada")))
        assert refused("ada") == 429
        for _ in range(2):
            stack.enter_context(follow(asking, headers=of("shop")))
        assert refused("shop") == refused("bob") == 503

    def again() -> bool:
        return all(asking.send("HEAD", STREAM, headers=of(caller)).status == 200 for caller in ("ada", "bob"))

    eventually(again)  # a place is free as soon as its client has gone


def test_head_is_answered_at_once(start: Start) -> None:
    service = start(stream_limits=LONG)
    answer = service.send("HEAD", STREAM)
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["content-type"] == "text/event-stream"


def test_streams_end_when_the_server_is_about_to_stop(start: Start) -> None:
    service = start(stream_limits=LONG, sequencing=True)
    with ExitStack() as stack:
        streams = [stack.enter_context(follow(service)) for _ in range(10)]
        for stream in streams:
            stream.heartbeat()
        service.stop_api()
        assert [stream.rest() for stream in streams] == [[]] * 10
        is_problem(service.send("GET", STREAM), 503)
        assert service.place().status == 201


def test_a_stream_ends_after_its_time_and_is_resumed(start: Start) -> None:
    service = start(stream_limits=StreamLimits(life_s=lambda: 0.2), sequencing=True)
    with follow(service) as client:
        assert client.rest() == []
    placed = service.placed()["orderId"]

    def resumed() -> list[str]:
        with follow(service, after=client.last_id) as again:
            return [event.data["orderId"] for event in again.rest()]

    eventually(lambda: resumed() == [placed])


def test_streams_do_not_count_as_requests_that_take_too_long(start: Start) -> None:
    service = start(stream_limits=HASTY, limits=Limits(head_s=0.2, body_s=0.2, idle_s=0.2), sequencing=True)
    with follow(service) as client:
        beats = 20  # a second
        assert len({client.heartbeat() for _ in range(beats)}) == 1
        service.placed()
        assert client.orders(1)


def test_a_client_that_leaves_is_noticed_at_once(start: Start) -> None:
    service = start(stream_limits=StreamLimits(life_s=lambda: 3_600, streams_max=1), sequencing=True)
    for _ in range(3):
        with follow(service) as client:
            client.heartbeat()

        def has_room() -> bool:
            return service.send("HEAD", STREAM).status == 200

        eventually(has_room, seconds_max=5)  # well before the next heartbeat


def test_a_request_is_answered_on_the_same_connection_behind_a_stream(start: Start) -> None:
    service = start(stream_limits=StreamLimits(life_s=lambda: 0.2))
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=30)
    connection.request("GET", STREAM)
    assert connection.getresponse().read().startswith(b": heartbeat\nid: 0\n\n")
    connection.request("GET", "/health/live")
    assert connection.getresponse().status == 200
    connection.close()
