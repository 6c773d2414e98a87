"""What each listener allows a client: bytes and time for head and body, and time between requests and to
read."""

import socket
import time
from collections.abc import Iterator

import pytest
from tests.web.conftest import CLOSED, LISTENERS, PATHS, converse, listening, received, statuses

from orderflow.web.connections import BUFFERED_BYTES_MAX, DISCARDED_BYTES_MAX
from orderflow.web.deadlines import Limits

WAIT_S = 3.0
SHORT = Limits(head_s=0.3, body_s=0.3, idle_s=0.3, reading_s=0.3)
HEAD = b"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nIdempotency-Key: k\r\n"


def send_until_cut_off(client: socket.socket, part: bytes, *, bytes_max: int, pause_s: float = 0) -> int:
    """How many bytes the server let through before it ended the connection; fails where it does not."""
    sent = 0
    try:
        while sent < bytes_max:
            client.sendall(part)
            sent += len(part)
            time.sleep(pause_s)
    except OSError:
        return sent
    raise AssertionError(f"{sent} bytes were let through")


@pytest.fixture(params=LISTENERS, scope="module")
def hasty(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[bytes, int]]:
    """(Path, port) of a listener that waits for only 0.3 s, whatever it waits for."""
    with listening(request.param, tmp_path_factory.mktemp("hasty"), SHORT) as port:
        yield PATHS[request.param].encode(), port


def test_a_head_has_its_time(hasty: tuple[bytes, int]) -> None:
    path, port = hasty
    for begun in (b"", b"GET /hea", HEAD.replace(b"{path}", path)):
        assert converse(port, begun, silent_s=WAIT_S) == [408, CLOSED]


def test_a_body_has_its_time(hasty: tuple[bytes, int]) -> None:
    path, port = hasty
    head = HEAD.replace(b"{path}", path) + b"Content-Length: 50\r\n\r\n{"
    first, *rest = converse(port, head, silent_s=WAIT_S)
    # A listener that does not look at the body has answered; the rest of the body gets no more time from it.
    assert first in (408, 403, 405, 422)  # 422: it takes no Idempotency-Key
    assert rest == [CLOSED]


def test_a_trickling_body_has_no_more_time(hasty: tuple[bytes, int]) -> None:
    path, port = hasty
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(HEAD.replace(b"{path}", path) + b"Content-Length: 5000\r\n\r\n")
        send_until_cut_off(client, b" ", bytes_max=200, pause_s=0.05)
    assert time.monotonic() < began + 8


def test_an_idle_connection_is_closed_without_a_word(hasty: tuple[bytes, int]) -> None:
    _, port = hasty
    assert converse(port, b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n", silent_s=WAIT_S) == [200, CLOSED]


def test_a_client_that_does_not_read_is_cut_off(hasty: tuple[bytes, int]) -> None:
    _, port = hasty
    request = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        client.settimeout(10)
        client.connect(("127.0.0.1", port))
        send_until_cut_off(client, request * 100, bytes_max=1 << 30)


def test_a_head_is_bounded_in_bytes(listener: tuple[str, int]) -> None:
    _, port = listener
    large = b"GET /health/live HTTP/1.1\r\nHost: x\r\nX: %b" % (b"x" * 70_000)
    assert converse(port, large + b"\r\n\r\n") == [431, CLOSED]
    assert converse(port, large) == [431, CLOSED]
    assert converse(port, *[large[i : i + 9_000] for i in range(0, len(large), 9_000)]) == [431, CLOSED]


def test_a_header_that_does_not_end_is_not_read_to_its_end(listener: tuple[str, int]) -> None:
    _, port = listener
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\nX: ")
        assert send_until_cut_off(client, b"x" * 65_536, bytes_max=300 << 20) < 32 << 20


@pytest.mark.parametrize("framing", [b"1;" + b"x" * 100_000, b"0\r\nX: " + b"x" * 100_000])
def test_chunk_extensions_and_trailers_are_bounded(listener: tuple[str, int], framing: bytes) -> None:
    path, port = listener
    head = HEAD.replace(b"{path}", path.encode()) + b"Transfer-Encoding: chunked\r\n\r\n"
    first, *rest = converse(port, head, *[framing] * 3)
    assert first in (400, 403, 405)
    assert rest == [CLOSED]


def test_a_body_that_nobody_wants_is_not_read_to_its_end(listener: tuple[str, int]) -> None:
    _, port = listener
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(b"POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (1 << 30))
        sent = send_until_cut_off(client, b"x" * 65_536, bytes_max=1 << 30)
    assert sent < 4 * DISCARDED_BYTES_MAX + 32 * BUFFERED_BYTES_MAX


def test_the_answer_arrives_although_the_client_still_sends(listener: tuple[str, int]) -> None:
    """Closing with unread bytes would reset the connection, and take the answer with it."""
    _, port = listener
    head = b"GET /health/live HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n"
    for _ in range(5):
        assert statuses(received(port, head + b"x" * 500_000, b"x" * 500_000)) == [400, CLOSED]
