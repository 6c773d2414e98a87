"""Clients that are slow, vanish or talk nonsense: nothing half is written, and the server goes on."""

import json
import socket

import pytest
from tests.orders.conftest import ORDER, Service, Start, eventually

from orderflow.web.deadlines import Limits


def exchange(service: Service, *parts: bytes) -> bytes:
    """Send raw bytes and read until the server closes."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=30) as client:
        for part in parts:
            client.sendall(part)
        received = b""
        while chunk := client.recv(65536):
            received += chunk
        return received


HEAD = (
    b"POST /api/orders HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n"
)


def test_a_body_that_does_not_arrive_in_time_is_a_408_and_closes(start: Start) -> None:
    service = start(limits=Limits(body_s=0.2))
    received = exchange(service, HEAD, b'{"customer":')
    assert received.startswith(b"HTTP/1.1 408 ")
    assert service.orders == 0
    assert service.place().status == 201


def test_a_client_that_vanishes_half_way_leaves_nothing_and_harms_nobody(service: Service) -> None:
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", service.port), timeout=30) as client:
            client.sendall(HEAD + b'{"customer":')
    assert service.place().status == 201
    assert service.orders == 1


def test_a_client_that_vanishes_before_its_answer_has_its_order_all_the_same(service: Service) -> None:
    body = json.dumps(ORDER).encode().ljust(500)
    with socket.create_connection(("127.0.0.1", service.port), timeout=30) as client:
        client.sendall(HEAD + body)
    eventually(lambda: service.orders == 1)
    assert service.place().status == 201


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET /api/orders/\xff HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET /api/orders?status=\xff HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET /api/orders HTTP/1.1\r\nHost: x\r\nX-Correlation-ID: \xff\xfe\r\nConnection: close\r\n\r\n",
        b"GET /api/orders HTTP/1.1\r\nHost: x\r\ntraceparent: \xff\r\nConnection: close\r\n\r\n",
        b"POST /api/orders HTTP/1.1\r\nContent-Type: \xff\r\nConnection: close\r\n\r\n",
        b"POST /api/orders HTTP/1.1\r\nIdempotency-Key: \xff\r\nConnection: close\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
    ],
)
def test_bytes_that_are_no_proper_request_are_never_a_server_error(service: Service, garbage: bytes) -> None:
    received = exchange(service, garbage)
    assert not received or received.split(b" ")[1].startswith((b"2", b"4"))
    assert service.place().status == 201


@pytest.mark.parametrize("given", ["a b", "x" * 201, "<script>", ""])
def test_a_correlation_id_outside_the_alphabet_is_replaced(service: Service, given: str) -> None:
    answer = service.send("GET", "/health/live", headers={"X-Correlation-ID": given})
    assert answer.headers["x-correlation-id"] != given
    assert len(answer.headers["x-correlation-id"]) == 36


def test_a_correlation_id_travels_into_the_order(service: Service) -> None:
    answer = service.send("POST", "/api/orders", ORDER, {"X-Correlation-ID": "checkout/42"})
    assert answer.headers["x-correlation-id"] == answer.document["correlationId"] == "checkout/42"


def test_a_head_that_does_not_come_in_time_closes_the_connection(
    start: Start,
) -> None:
    service = start(limits=Limits(head_s=0.2))
    assert exchange(service).startswith(b"HTTP/1.1 408 ")
    assert exchange(service, b"POST /api/orders HTTP/1.1\r\nHost: x\r\n").startswith(b"HTTP/1.1 408 ")
    answered_first = exchange(service, b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /hea")
    assert answered_first.startswith(b"HTTP/1.1 200 ")
    assert b"HTTP/1.1 408 " in answered_first


def test_bytes_that_begin_no_request_do_not_keep_a_connection_open(start: Start) -> None:
    service = start(limits=Limits(head_s=0.5, body_s=0.5, idle_s=0.5))
    silent = b"GET /health/live HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"
    for sent, then in ((b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n", b"\r\n"), (silent, b"x")):
        with socket.create_connection(("127.0.0.1", service.port), timeout=30) as client:
            client.sendall(sent)
            assert client.recv(65_536).startswith(b"HTTP/1.1 200 ")
            client.sendall(then)
            while client.recv(65_536):
                pass  # ends when the service closes, fails at the time-out


def test_the_end_of_a_request_is_no_part_of_the_next_ones_head(service: Service) -> None:
    """A large body and the beginning of a pipelined head in one read."""
    body = json.dumps(ORDER).encode() + b" " * 70_000
    head = HEAD.replace(b"500", b"%d" % len(body))
    rest = b"GET /health/live HTTP/1.1\r\nHost: x\r\n"
    with socket.create_connection(("127.0.0.1", service.port), timeout=30) as client:
        client.sendall(head + body + rest)
        assert client.recv(65_536).startswith(b"HTTP/1.1 201 ")
        client.sendall(b"\r\n")
        assert client.recv(65_536).startswith(b"HTTP/1.1 200 ")


def test_a_half_head_is_no_answer_to_the_request_before_it(
    start: Start,
) -> None:
    service = start(limits=Limits(head_s=0.2))
    order_id = service.placed()["orderId"]
    poll = f"GET /api/orders/{order_id}?wait=Shipped&timeoutMs=1000 HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    answers = exchange(service, poll + b"GET /hea")
    assert answers.startswith(b"HTTP/1.1 200 ")
    assert b"HTTP/1.1 408 " in answers


def test_a_head_without_end_is_refused(service: Service) -> None:
    head = b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: %s\r\n" % (n, b"x" * 1_000) for n in range(68))
    assert exchange(service, head).startswith(b"HTTP/1.1 431 ")
    assert service.place().status == 201


def test_many_connections_that_say_nothing_leave_room_for_the_others(service: Service) -> None:
    idle = [socket.create_connection(("127.0.0.1", service.port), timeout=30) for _ in range(400)]
    for number, client in enumerate(idle):
        if number % 2:
            client.sendall(HEAD + b'{"customer":')
    assert [service.place().status for _ in range(5)] == [201] * 5
    for client in idle:
        client.close()
    assert service.orders == 5
