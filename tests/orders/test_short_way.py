"""The short way of `POST /api/orders` answers as the application does, and leaves to it what is unusual."""

import json
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy import event
from tests.orders.conftest import ORDER, Service

from orderflow.web.connections import BUFFERED_BYTES_MAX, HELD_SECONDS_MAX

BODY = json.dumps(ORDER).encode()
OTHER = json.dumps({**ORDER, "customer": {"customerId": "c-2", "name": 'Zoë "Z" \\ O\'Hara'}}).encode()
HUGE = json.dumps({**ORDER, "items": [{"productId": f"p-{i}", "quantity": 1} for i in range(1_000)]}).encode()


JSON = "content-type: application/json"


def request(body: bytes = BODY, *lines: str, version: str = "1.1", length: int | None = None) -> bytes:
    length_line = f"content-length: {len(body) if length is None else length}"
    head = [f"POST /api/orders HTTP/{version}", "host: x", length_line, *lines]
    if not any(line.startswith("content-type:") for line in lines):
        head.append(JSON)
    return "\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + body


CLOSED = b"[closed]"
KEYED = request(BODY, JSON, "idempotency-key: k")
CHUNKED = (
    b"POST /api/orders HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    b"transfer-encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n"
    % (
        len(BODY),
        BODY,
    )
)

CONVERSATIONS: dict[str, tuple[list[bytes], int]] = {
    # The parts that are sent, with a pause after each, and how many requests the short way is to take.
    "plain": ([request()], 1),
    "with content type, correlation id and trace": (
        [
            request(
                BODY,
                JSON,
                "x-correlation-id: abc-1",
                "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            )
        ],
        1,
    ),
    "not ASCII": ([request(OTHER, JSON)], 1),
    "the same key again": ([KEYED, KEYED], 2),
    "the key with another order": ([KEYED, request(OTHER, JSON, "idempotency-key: k")], 2),
    "a key that is none": ([request(BODY, JSON, "idempotency-key: " + "k" * 256)], 0),
    "two keys": ([request(BODY, "idempotency-key: a", "idempotency-key: b")], 0),
    "many on one connection": ([request()] * 5, 5),
    "pipelined": ([request() + KEYED + request(OTHER)], 3),
    "pipelined behind a read": ([b"GET /api/stats HTTP/1.1\r\nhost: x\r\n\r\n" + request()], 1),
    "the body in a packet of its own": ([request()[: -len(BODY)], BODY], 1),
    "the last byte late": ([request()[:-1], b"", b"", b"", BODY[-1:]], 0),
    "many items": ([request(HUGE)], 1),
    "too large for the short way": ([request(BODY + b" " * (2 * BUFFERED_BYTES_MAX))], 0),
    "closing": ([request(BODY, "connection: close")], 1),
    "HTTP/1.0": ([request(version="1.0")], 1),
    "chunked": ([CHUNKED], 1),
    "expecting 100": ([request(BODY, "expect: 100-continue")], 1),
    "not JSON": ([request(b"{")], 0),
    "empty": ([request(b"")], 0),
    "breaking the contract": ([request(b'{"customer":{}}')], 0),
    "prices that do not agree": (
        [
            request(
                json.dumps(
                    {
                        **ORDER,
                        "items": [
                            {
                                "productId": "a",
                                "quantity": 1,
                                "unitPrice": {"amountMinor": 1, "currency": "EUR"},
                            },
                            {"productId": "b", "quantity": 1},
                        ],
                    }
                ).encode()
            )
        ],
        0,
    ),
    "text": ([request(BODY, "content-type: text/plain")], 0),
    "JSON with a charset": ([request(BODY, "content-type: application/json; charset=utf-8")], 0),
    "compressed": ([request(BODY, "content-encoding: gzip")], 0),
    "too large": ([request(b"x" * (1 << 20) + b"yz")], 0),
    "a query": ([request().replace(b"/api/orders ", b"/api/orders?a=1 ")], 0),
    "another route": ([request().replace(b"/api/orders ", b"/api/orders/batch ")], 0),
}


@pytest.fixture
def both(database_url: str, tmp_path: Path) -> Iterator[tuple[Service, Service]]:
    short, usual = Service(database_url), Service(f"sqlite:///{tmp_path / 'usual.db'}", short_way=False)
    yield short, usual
    short.close()
    usual.close()


def converse(service: Service, parts: list[bytes]) -> bytes:
    """Everything that came back until the server had been silent for a while, or closed."""
    received: list[bytes] = []
    with socket.create_connection(("127.0.0.1", service.port), timeout=10) as connection:
        whole = all(part.startswith(b"POST ") for part in parts)
        for part in parts:
            connection.sendall(part)
            if whole and len(parts) > 1:
                connection.settimeout(10)
                received.append(connection.recv(1 << 16))  # wait, so that the next request is not pipelined
            wait_s = 2 * HELD_SECONDS_MAX if len(parts) > 2 else 0.02
            received.append(_read(connection, wait_s))
        received.append(_read(connection, 0.3))
    return b"".join(received).replace(CLOSED + CLOSED, CLOSED)


def _read(connection: socket.socket, silent_s: float) -> bytes:
    chunks: list[bytes] = []
    connection.settimeout(silent_s)
    try:
        while chunk := connection.recv(1 << 16):
            chunks.append(chunk)
        chunks.append(CLOSED)
    except TimeoutError:
        pass
    return b"".join(chunks)


VARYING = re.compile(
    rb"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|20\d\d-\d\d-\d\dT[0-9:.]+Z|\r\ndate: [^\r]+|(?<=length: )\d+"
)


def answers(received: bytes) -> list[tuple[list[bytes], bytes]]:
    """(Head lines in any order, body) of each answer, without what differs from order to order."""
    found: list[tuple[list[bytes], bytes]] = []
    for answer in re.split(rb"(?=HTTP/1\.1 \d)", VARYING.sub(b"_", received)):
        head, _, body = answer.partition(b"\r\n\r\n")
        found.append((sorted(head.lower().split(b"\r\n")), body))
    return found


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("name", CONVERSATIONS)
def test_both_ways_answer_alike(name: str, both: tuple[Service, Service]) -> None:
    parts, expected = CONVERSATIONS[name]
    short, usual = (answers(converse(service, parts)) for service in both)
    assert short == usual
    assert both[0].taken.count(True) == expected


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_full_queue_is_refused_alike(database_url: str, tmp_path: Path) -> None:
    services = [
        Service(url, queue_commands_max=0, short_way=short)
        for url, short in ((database_url, True), (f"sqlite:///{tmp_path / 'usual.db'}", False))
    ]
    short, usual = (answers(converse(service, [request()])) for service in services)
    assert short == usual
    assert b"503" in short[1][0][-1] + b"".join(short[1][0])
    assert services[0].taken == [False]
    for service in services:
        service.close()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_is_under_way_is_answered_when_the_server_stops(database_url: str) -> None:
    service = Service(database_url)
    entered, go_on = threading.Event(), threading.Event()

    def slow_commit(_connection: sa.Connection) -> None:
        entered.set()
        assert go_on.wait(10)

    event.listen(service.database.writer, "commit", slow_commit)
    with socket.create_connection(("127.0.0.1", service.port), timeout=10) as connection:
        connection.sendall(request())
        assert entered.wait(10)
        closing = threading.Thread(target=service.close)
        closing.start()
        connection.settimeout(0.3)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        go_on.set()
        received = _read(connection, 5)
    closing.join(10)
    assert received.startswith(b"HTTP/1.1 201 ")
    assert b"connection: close" in received
    assert received.endswith(CLOSED)
