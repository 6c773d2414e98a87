"""Where one message ends and the next begins: no listener ever reads a byte of a body as a request."""

import json
import socket
from typing import Any

import pytest
from tests.web.conftest import CLOSED, converse, received

ORDER: dict[str, Any] = {
    "customer": {"customerId": "c-1", "name": "Ada"},
    "items": [{"productId": "p-1", "quantity": 1}],
}
BODY = json.dumps(ORDER).encode()
HIDDEN = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"
"""A body that looks like a request, if it is mistakenly read as one."""

OWN = "own"
"""The listener's own answer to a whole request with that body."""


def head(*lines: bytes, version: bytes = b"1.1", host: bool = True) -> bytes:
    given = [
        b"POST {path} HTTP/" + version,
        *([b"Host: x"] if host else []),
        b"Content-Type: application/json",
    ]
    return b"\r\n".join([*given, *lines]) + b"\r\n\r\n"


def sized(body: bytes, *lines: bytes, **more: Any) -> bytes:
    return head(*lines, b"Content-Length: %d" % len(body), **more)


def chunked(body: bytes, *lines: bytes, trailer: bytes = b"", **more: Any) -> bytes:
    return head(*lines, b"Transfer-Encoding: chunked", **more) + b"%x\r\n%b\r\n0\r\n%b\r\n" % (
        len(body),
        body,
        trailer,
    )


UPGRADE = (b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAAQAAP__")

TWICE = (
    (b"Authorization: Bearer a", b"Authorization: Bearer b"),
    (b"Origin: http://evil.example", b"Origin: http://x"),
    (b"Sec-Fetch-Site: cross-site", b"Sec-Fetch-Site: same-origin"),
    (b"X-Correlation-ID: a", b"X-Correlation-ID: a"),
    (b"Last-Event-ID: 1", b"last-event-id: 2"),
)

EACH: dict[str, tuple[tuple[bytes, ...], list[int | str]]] = {
    # An offered upgrade is ignored, whatever comes with it.
    "upgrade, in one packet": ((sized(BODY, *UPGRADE) + BODY,), [OWN]),
    "upgrade, the body in a packet of its own": ((sized(BODY, *UPGRADE), BODY), [OWN]),
    "upgrade, a hidden request in a packet of its own": ((sized(HIDDEN, *UPGRADE), HIDDEN), [OWN]),
    "upgrade, head in pieces": ((sized(BODY, *UPGRADE)[:90], sized(BODY, *UPGRADE)[90:] + BODY), [OWN]),
    "upgrade, chunked": ((chunked(HIDDEN, *UPGRADE),), [OWN]),
    "upgrade to websocket": ((sized(HIDDEN, b"Connection: upgrade", b"Upgrade: websocket") + HIDDEN,), [OWN]),
    "upgrade, then the next request": ((sized(BODY, *UPGRADE) + BODY + HIDDEN,), [OWN, 200]),
    "upgrade after upgrade": ((2 * (sized(BODY, *UPGRADE) + BODY),), [OWN, OWN]),
    "upgrade without a body": (
        (b"GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n" + HIDDEN,),
        [200, 200],
    ),
    "upgrade in HTTP/1.0": ((sized(HIDDEN, *UPGRADE, version=b"1.0") + HIDDEN,), [OWN, CLOSED]),
    "upgrade and close": (
        (sized(HIDDEN, b"Connection: upgrade, close", b"Upgrade: x") + HIDDEN,),
        [OWN, CLOSED],
    ),
    "upgrade with a length and chunks": (
        (chunked(BODY, *UPGRADE, b"Content-Length: 5") + HIDDEN,),
        [400, CLOSED],
    ),
    "HTTP/2 without an offer": ((b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",), [400, CLOSED]),
    "CONNECT": ((b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n" + HIDDEN,), [501, CLOSED]),
    # Length and coding: a message that two programs could read differently is refused, and reading ends
    # there.
    "a length and chunks": (
        (head(b"Content-Length: 4", b"Transfer-Encoding: chunked") + HIDDEN,),
        [400, CLOSED],
    ),
    "chunks and a length": (
        (head(b"Transfer-Encoding: chunked", b"Content-Length: 4") + HIDDEN,),
        [400, CLOSED],
    ),
    "two lengths": ((head(b"Content-Length: 4", b"Content-Length: 5") + HIDDEN,), [400, CLOSED]),
    "a list of lengths": ((head(b"Content-Length: 4, 4") + HIDDEN,), [400, CLOSED]),
    "a signed length": ((head(b"Content-Length: +4") + HIDDEN,), [400, CLOSED]),
    "a negative length": ((head(b"Content-Length: -4") + HIDDEN,), [400, CLOSED]),
    "a hexadecimal length": ((head(b"Content-Length: 0x4") + HIDDEN,), [400, CLOSED]),
    "a length beyond all numbers": (
        (head(b"Content-Length: 99999999999999999999999") + HIDDEN,),
        [400, CLOSED],
    ),
    "another coding": ((head(b"Transfer-Encoding: gzip") + HIDDEN,), [501, CLOSED]),
    "another coding before chunks": (
        (head(b"Transfer-Encoding: gzip, chunked") + b"0\r\n\r\n" + HIDDEN,),
        [501, CLOSED],
    ),
    "identity": ((head(b"Transfer-Encoding: identity") + HIDDEN,), [501, CLOSED]),
    "chunks, then identity": ((head(b"Transfer-Encoding: chunked, identity") + HIDDEN,), [400, CLOSED]),
    "xchunked": ((head(b"Transfer-Encoding: xchunked") + HIDDEN,), [501, CLOSED]),
    "a coding with a space before its colon": (
        (head(b"Transfer-Encoding : chunked") + b"0\r\n\r\n" + HIDDEN,),
        [400, CLOSED],
    ),
    "a coding that is folded": (
        (head(b"Transfer-Encoding:\r\n chunked") + b"0\r\n\r\n" + HIDDEN,),
        [400, CLOSED],
    ),
    "chunks in HTTP/1.0": ((chunked(HIDDEN, version=b"1.0") + HIDDEN,), [501, CLOSED]),
    # Chunks.
    "chunks": ((chunked(BODY),), [OWN]),
    "chunks, one byte each": (
        (
            head(b"Transfer-Encoding: chunked")
            + b"".join(b"1\r\n%c\r\n" % byte for byte in BODY)
            + b"0\r\n\r\n",
        ),
        [OWN],
    ),
    "a chunk with an extension": (
        (head(b"Transfer-Encoding: chunked") + b"%x;a=b\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY),),
        [OWN],
    ),
    "chunks that end in bare line feeds": (
        (head(b"Transfer-Encoding: chunked") + b"4\nabcd\n0\n\n" + HIDDEN,),
        [400, CLOSED],
    ),
    "a chunk longer than it says": (
        (head(b"Transfer-Encoding: chunked") + b"4\r\nabcdef\r\n0\r\n\r\n" + HIDDEN,),
        [400, CLOSED],
    ),
    "a chunk's size with 0x": (
        (head(b"Transfer-Encoding: chunked") + b"0x4\r\nabcd\r\n0\r\n\r\n" + HIDDEN,),
        [400, CLOSED],
    ),
    "a chunk's size beyond all numbers": (
        (head(b"Transfer-Encoding: chunked") + b"10000000000000004\r\nabcd\r\n0\r\n\r\n" + HIDDEN,),
        [400, CLOSED],
    ),
    "an extension with a line feed": (
        (head(b"Transfer-Encoding: chunked") + b"4;\nx\r\nabcd\r\n0\r\n\r\n" + HIDDEN,),
        [400, CLOSED],
    ),
    "a length in a trailer": (
        (chunked(BODY, trailer=b"Content-Length: 40\r\n") + HIDDEN,),
        [400, CLOSED],
    ),
    "an upgrade in a trailer": (
        (chunked(BODY, trailer=b"Connection: upgrade\r\nUpgrade: h2c\r\n") + HIDDEN,),
        [OWN, 200],
    ),
    # Heads.
    "bare line feeds": ((sized(BODY).replace(b"\r\n", b"\n") + BODY,), [400, CLOSED]),
    "a bare line feed at the end of the head": ((sized(BODY)[:-2] + b"\n" + BODY,), [400, CLOSED]),
    "a bare carriage return": ((head(b"X: a\rContent-Length: 4") + HIDDEN,), [400, CLOSED]),
    "a folded line": ((sized(BODY, b"X: a\r\n b") + BODY,), [400, CLOSED]),
    "a space before the first header": (
        (b"GET /health/live HTTP/1.1\r\n Host: x\r\n\r\n" + HIDDEN,),
        [400, CLOSED],
    ),
    "NUL in a header": ((sized(BODY, b"X: a\0b") + BODY,), [400, CLOSED]),
    "no host": ((sized(BODY, host=False) + BODY,), [400, CLOSED]),
    # A field that may come only once comes twice: with the same value or another, in either order.
    **{
        f"two headers: {line.decode()}, {other.decode()}": ((sized(BODY, line, other) + BODY,), [400, CLOSED])
        for line, other in TWICE
    },
    "a second host": ((sized(BODY, b"Host: y") + BODY,), [400, CLOSED]),
    "the same host again": ((sized(BODY, b"Host: x") + BODY,), [400, CLOSED]),
    "a second content type": ((sized(BODY, b"Content-Type: text/plain") + BODY,), [400, CLOSED]),
    "a second length": ((sized(BODY, b"Content-Length: %d" % len(BODY)) + BODY,), [400, CLOSED]),
    "two codings of the transfer": (
        (chunked(BODY, b"Transfer-Encoding: chunked") + HIDDEN,),
        [400, CLOSED],
    ),
    "no host in HTTP/1.0": ((sized(BODY, host=False, version=b"1.0") + BODY,), [OWN, CLOSED]),
    "HTTP/2.0": ((sized(BODY, version=b"2.0") + BODY,), [505, CLOSED]),
    "empty lines before a request": ((b"\r\n\r\n" + sized(BODY) + BODY,), [OWN]),
    # One after the other.
    "pipelined": ((3 * (sized(BODY) + BODY) + HIDDEN,), [OWN, OWN, OWN, 200]),
    "a body that would be a request": ((sized(HIDDEN) + HIDDEN,), [OWN]),
    "more than the length": ((sized(BODY) + BODY + b"}}}",), [OWN, 400, CLOSED]),
    "bytes that are no HTTP behind a request": (
        (sized(BODY) + BODY + b"\x16\x03\x01\r\n\r\n",),
        [OWN, 400, CLOSED],
    ),
    "bytes that are no HTTP in a later packet": (
        (sized(BODY) + BODY, b"\x16\x03\x01\r\n\r\n"),
        [OWN, 400, CLOSED],
    ),
    "a refused head behind two requests": (
        (2 * (sized(BODY) + BODY) + head(b"Content-Length: x"),),
        [OWN, OWN, 400, CLOSED],
    ),
    "close, then more": ((sized(BODY, b"Connection: close") + BODY + HIDDEN,), [OWN, CLOSED]),
    "HTTP/1.0 that would be kept, then more": (
        (sized(BODY, b"Connection: keep-alive", version=b"1.0") + BODY + HIDDEN,),
        [OWN, CLOSED],
    ),
    "the body of a GET": (
        (b"GET /health/live HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(HIDDEN) + HIDDEN,),
        [200],
    ),
}


def own_status(path: str, port: int, body: bytes) -> list[int | str]:
    return converse(port, sized(body).replace(b"{path}", path.encode()) + body)


@pytest.mark.parametrize("name", EACH)
def test_each_request_gets_its_own_answer(name: str, listener: tuple[str, int]) -> None:
    path, port = listener
    parts, expected = EACH[name]
    sent = [part.replace(b"{path}", path.encode()) for part in parts]
    body = BODY if BODY in b"".join(sent) or b"one byte" in name.encode() else HIDDEN
    own = own_status(path, port, body)[0] if OWN in expected else None
    assert converse(port, *sent, count=len(expected)) == [
        own if status == OWN else status for status in expected
    ]


def test_an_order_is_placed_once_and_its_answer_is_its_own(listener: tuple[str, int]) -> None:
    path, port = listener
    if path != "/api/orders":
        return
    answer = received(
        port,
        sized(BODY, *UPGRADE, b"X-Correlation-ID: once").replace(b"{path}", path.encode()),
        BODY + b"no HTTP\r\n\r\n",
    )
    first, _, rest = answer.partition(b"HTTP/1.1 400 ")
    assert first.startswith(b"HTTP/1.1 201 ")
    assert b"application/problem+json" in rest
    order_id = first.split(b"location: /api/orders/")[1].split(b"\r\n")[0]
    listed = received(port, b"GET /api/orders?limit=2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert listed.count(b'"correlationId":"once"') == listed.count(order_id) == 1


def test_an_expected_100_comes_once_and_before_the_answer(listener: tuple[str, int]) -> None:
    path, port = listener
    expecting = sized(BODY, b"Expect: 100-continue").replace(b"{path}", path.encode())
    own = own_status(path, port, BODY)[0]
    answered = converse(port, expecting, BODY)
    # A listener that does not read this body answers at once. It cannot tell the body from a next request.
    assert answered in ([100, own], [own, CLOSED])
    assert converse(port, expecting + BODY) == [own]


def test_what_is_refused_before_its_body_was_asked_for_ends_the_connection(listener: tuple[str, int]) -> None:
    """The client may leave the body out and send its next request: that must not be read as the body."""
    path, port = listener
    head = (
        f"PUT {path} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 500\r\n"
        "Content-Type: text/plain\r\n\r\n"
    )
    first, *rest = converse(port, head.encode(), HIDDEN)
    assert first in (404, 405)
    assert rest == [CLOSED]


def test_head_has_no_body(listener: tuple[str, int]) -> None:
    _, port = listener
    answers = received(port, 2 * b"HEAD /health/live HTTP/1.1\r\nHost: x\r\n\r\n" + HIDDEN)
    assert answers.count(b"HTTP/1.1 200 ") == 3
    assert answers.count(b"{") == 1


def test_a_client_that_has_said_all_still_reads_its_answer(listener: tuple[str, int]) -> None:
    path, port = listener
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(sized(BODY).replace(b"{path}", path.encode()) + BODY)
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1 << 16).startswith(b"HTTP/1.1 ")
