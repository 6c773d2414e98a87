"""A receiver of webhooks, which verifies what it gets as docs/webhooks.md says, and does what a test tells
it."""

import base64
import hashlib
import hmac
import json
import socket
import struct
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, NamedTuple, Self

TOLERANCE_S = 300


class Received(NamedTuple):
    """A request whose signature is right. `status` is what it was answered with; 0 for no answer."""

    id: str
    type: str
    data: dict[str, Any]
    status: int
    at: float


Answering = Callable[[str, dict[str, Any]], int | str]
"""What to answer to a type and its data: a status; `hang` until the receiver is closed; `reset` the
connection; `endless`, a body without an end; or an address, to which it redirects."""


class Receiver:
    """On a port of its own, in threads. Without the secret it verifies nothing."""

    def __init__(self, answering: Answering = lambda _type, _data: 204) -> None:
        self.answering: Answering = answering
        self.secret: str | None = None
        self.received: list[Received] = []
        self.refused: list[str] = []
        """What was wrong with requests that are not verified."""
        self.under_way_max = 0
        self._under_way = 0
        self._lock = threading.Lock()
        self._closed = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver._take(self, body)

            def do_GET(self) -> None:
                receiver.refused.append(f"GET {self.path}")
                self.send_error(404)

            def log_message(self, format: str, *args: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._closed.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?token=t"

    def taken(self) -> list[tuple[str, int]]:
        """(order, version) of everything that was answered with success, in order."""
        return [
            (each.data["orderId"], each.data["version"]) for each in list(self.received) if each.status == 204
        ]

    def of_order(self, order_id: str) -> list[tuple[int, int]]:
        """(version, status) of all attempts for an order."""
        found = [each for each in list(self.received) if each.data.get("orderId") == order_id]
        return [(each.data["version"], each.status) for each in found]

    def _take(self, request: BaseHTTPRequestHandler, body: bytes) -> None:
        if self.secret is not None and (wrong := wrong_with(self.secret, dict(request.headers), body)):
            self.refused.append(wrong)
            request.send_error(400)
            return
        message = json.loads(body)
        with self._lock:
            self._under_way += 1
            self.under_way_max = max(self.under_way_max, self._under_way)
        answer = self.answering(message["type"], message["data"])
        status = answer if isinstance(answer, int) else 0
        sent_id = request.headers["webhook-id"]
        # The sender may go on as soon as it has the answer, so this is known before.
        with self._lock:
            self._under_way -= 1
            self.received.append(
                Received(sent_id, message["type"], message["data"], status, time.monotonic())
            )
        self._answer(request, answer)

    def _answer(self, request: BaseHTTPRequestHandler, answer: int | str) -> None:
        if isinstance(answer, int):
            request.send_response(answer)
            request.send_header("content-length", "0")
            request.end_headers()
        elif answer == "hang":
            self._closed.wait(60)
        elif answer == "reset":
            reset = struct.pack("ii", 1, 0)
            request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
            request.connection.close()
        elif answer == "endless":
            request.send_response(200)
            request.end_headers()
            self._pour(request)
        else:
            request.send_response(307)
            request.send_header("location", answer)
            request.send_header("content-length", "0")
            request.end_headers()

    def _pour(self, request: BaseHTTPRequestHandler) -> None:
        try:
            while not self._closed.is_set():
                request.wfile.write(b"x" * 65_536)
        except OSError:
            request.close_connection = True


def wrong_with(secret: str, given: dict[str, str], body: bytes) -> str | None:
    """Why a request is not from whoever has the secret; None if it is. This is the program of
    docs/webhooks.md."""
    headers = {name.lower(): value for name, value in given.items()}
    sent_id, timestamp = headers["webhook-id"], headers["webhook-timestamp"]
    if abs(time.time() - int(timestamp)) > TOLERANCE_S:
        return "too old"
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = hmac.new(key, f"{sent_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    expected = f"v1,{base64.b64encode(signed).decode()}"
    known = headers["webhook-signature"].split(" ")
    return None if any(hmac.compare_digest(expected, each) for each in known) else "wrong signature"
