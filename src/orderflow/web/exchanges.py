"""A request and its answer, which comes from an ASGI application or from a route of the short way."""

import asyncio
import time
import urllib.parse
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Protocol

import httptools
import structlog
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message

from orderflow.web.front_door import FrontDoor, Refusal
from orderflow.web.problems import ProblemError, nul_problem, problem_parts

log = structlog.get_logger()

CLIENT_WENT_AWAY = 499
"""The status that the log shows when the client did not wait for the answer (nginx uses the same number)."""

STATUS_LINES = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus
}
_NO_BODY = frozenset((204, 304))

Headers = list[tuple[bytes, bytes]]


class Answering(Protocol):
    """What an exchange needs of its connection."""

    @property
    def scope(self) -> dict[str, Any]:
        """What the scopes of all its requests have in common."""
        ...

    @property
    def dated(self) -> bytes:
        """The header lines of every answer."""
        ...

    def write(self, data: bytes) -> None: ...
    async def writable(self) -> None:
        """Returns when the client has read enough for more to be written, or is gone."""
        ...

    def consumed(self) -> None:
        """The application has taken what has arrived of the body."""

    def answered(self) -> None:
        """The answer to the connection's first exchange is complete."""

    def abort(self) -> None: ...


class ShortWay(Protocol):
    """A route that answers requests itself, without the application."""

    def take(self, exchange: "Exchange") -> bool:
        """Answer the whole request later, by `exchange.answer`, or return False and do nothing."""
        ...


class Exchange:
    """One request and its answer. The body grows while the request arrives.

    `failure` is why the rest of the body will never come: whoever reads the body gets it as an error, and it
    becomes the answer to this request. `is_stream` says that the answer has no end of its own: if the client
    closes its side, nothing more is sent, while other answers are sent to their end.
    """

    __slots__ = (
        "_awaited",
        "_chunked",
        "_connection",
        "_delivered",
        "_door",
        "_head",
        "_left",
        "_lost",
        "_path",
        "began",
        "body",
        "caller",
        "done",
        "expects_continue",
        "failure",
        "given",
        "headers",
        "http_10",
        "is_stream",
        "keep_alive",
        "method",
        "query",
        "raw_path",
        "route",
        "started",
        "status",
        "target",
        "whole",
    )

    def __init__(
        self,
        connection: Answering,
        door: FrontDoor,
        *,
        method: bytes,
        target: bytes,
        headers: Headers,
        given: Mapping[bytes, bytes],
        http_10: bool,
        keep_alive: bool,
    ) -> None:
        """`given` are the headers by name; of a repeated one it has the last. Raises ProblemError 400 for a
        target that is not valid."""
        self.began = time.perf_counter()
        self._connection = connection
        self._door = door
        self.method = method
        self.target = target
        self.headers = headers
        self.given = given
        self.http_10 = http_10
        self.keep_alive = keep_alive
        self.expects_continue = not http_10 and given.get(b"expect", b"").lower() == b"100-continue"
        self.body: list[bytes] = []
        self.whole = self._chunked = False
        self.failure: ProblemError | None = None
        self.started = self.done = self.is_stream = self._lost = self._delivered = False
        self.status, self.route = 0, ""
        self._awaited: asyncio.Future[None] | None = None
        self._head: list[tuple[bytes, bytes]] | None = None
        self._left: int | None = None
        self._path: str | None = None
        self.raw_path, self.query = _target_parts(target)

    @classmethod
    def of_nobody(cls, connection: Answering, door: FrontDoor) -> "Exchange":
        """An exchange by which the server sends a problem that is not the answer to a request."""
        exchange = cls(
            connection, door, method=b"-", target=b"/", headers=[], given={}, http_10=False, keep_alive=False
        )
        exchange.started = True
        exchange.caller = door.stranger()
        return exchange

    @property
    def path(self) -> str:
        if self._path is None:
            self._path = urllib.parse.unquote(self.raw_path.decode("ascii"))
        return self._path

    def take_body(self) -> bytes:
        body = self.whole_body()
        self.body = []
        return body

    def whole_body(self) -> bytes:
        return self.body[0] if len(self.body) == 1 else b"".join(self.body)

    def begin(self) -> bool:
        """Begin the request. Returns False if it is answered already: the front door refuses it, it is
        broken, or a browser only asks what it may send."""
        self.started = True
        address = self._connection.scope["client"][0] or ""
        met = self._door.begin(self.method, self.given, self.raw_path, address)
        self.caller = met.caller if isinstance(met, Refusal) else met
        preflight = self._door.cors.preflight(self.method, self.given)
        if preflight is not None:
            self.answer(204, preflight, b"")
            return False
        problem = met.problem if isinstance(met, Refusal) else self.failure
        if problem is None and b"%00" in self.target:
            problem = nul_problem(self.path, self.query)
        if problem is not None:
            self.answer_problem(problem)
        return problem is None

    # What comes in

    def arrived(self, body: bytes) -> None:
        self.body.append(body)
        self._wake()

    def end_of_body(self) -> None:
        self.whole = True
        self._wake()

    def fail(self, problem: ProblemError) -> None:
        """The rest of the body will not come; the connection ends with the answer."""
        self.failure = problem
        self.keep_alive = False
        self._wake()

    def lose(self) -> None:
        """The client is gone."""
        self._lost = True
        self._wake()

    def _wake(self) -> None:
        if self._awaited is not None and not self._awaited.done():
            self._awaited.set_result(None)

    # The application's side

    async def run(self, app: ASGIApp) -> None:
        error: Exception | None = None
        try:
            await app(self._scope(), self.receive, self.send)
            if not (self.done or self._lost):
                raise RuntimeError("the application ended without an answer")
        except ClientDisconnect:
            self.status = CLIENT_WENT_AWAY
        except ProblemError as problem:
            if not self.status:
                self.answer_problem(problem)
                return
        except Exception as unexpected:
            error = unexpected
            if not self.status and not self._lost:
                self.answer_problem(unexpected_problem(), error)
                return
        finally:
            if not self.done and not self._lost:
                self._connection.abort()
        self._end(error)

    def _end(self, error: Exception | None = None) -> None:
        self._door.end(
            self.caller,
            method=self.method.decode("ascii"),
            path=self.path,
            route=self.route,
            status=self.status,
            began=self.began,
            error=error,
        )

    def _scope(self) -> dict[str, Any]:
        # The application answers HEAD like GET, and the body of that answer is not sent.
        method = "GET" if self.method == b"HEAD" else self.method.decode("ascii")
        return {
            **self._connection.scope,
            "http_version": "1.0" if self.http_10 else "1.1",
            "method": method,
            "path": self.path,
            "raw_path": self.raw_path,
            "query_string": self.query,
            "headers": self.headers,
            "state": {"caller": self.caller, "exchange": self, "door": self._door},
        }

    async def receive(self) -> Message:
        """Raises ProblemError if the rest of the body will not come."""
        if self.expects_continue and not self.whole and not self.done:
            self.expects_continue = False
            self._connection.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        while not (self._lost or self.done):
            if self.body or (self.whole and not self._delivered):
                self._delivered = self.whole
                message = {"type": "http.request", "body": self.take_body(), "more_body": not self.whole}
                self._connection.consumed()
                return message
            if self.failure is not None:
                raise self.failure
            self._awaited = asyncio.get_running_loop().create_future()
            await self._awaited
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        if self._lost or self.done:
            return
        if message["type"] == "http.response.start":
            self._head = list(message.get("headers", ()))
            # The head of a stream is sent at once. Usually the body comes first, and both are one write.
            asyncio.get_running_loop().call_soon(self._begin_stream)
            return
        body: bytes = message.get("body", b"")
        more: bool = message.get("more_body", False)
        if self._head is not None and not more:
            lines, length = self._lines(self._head)
            self._head = None
            if length is not None and length != len(body) and self.method != b"HEAD":
                self._connection.abort()
                raise RuntimeError("the answer is not as long as it says")
            self._finish(lines, body, length)
            return
        self._begin_stream()
        await self._stream(body, more=more)

    def _begin_stream(self) -> None:
        if self._head is None or self.done or self._lost:
            return
        lines, self._left = self._lines(self._head)
        self._head = None
        if self._left is None and self.status not in _NO_BODY:
            self._chunked = not self.http_10
            lines += b"transfer-encoding: chunked\r\n" if self._chunked else b""
            self.keep_alive = self.keep_alive and self._chunked
        self._connection.write(b"%b%b\r\n" % (self._opening(), lines))

    async def _stream(self, body: bytes, *, more: bool) -> None:
        if self._left is not None:
            self._left -= len(body)
        if self.method != b"HEAD":
            if self._chunked:
                body = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
                body += b"" if more else b"0\r\n\r\n"
            if body:
                self._connection.write(body)
        if more:
            await self._connection.writable()
            return
        if self._left and self.method != b"HEAD":
            self._connection.abort()
            raise RuntimeError("the answer is not as long as it says")
        self._is_done()

    # Answers in one go

    def answer(self, status: int, lines: bytes, body: bytes) -> None:
        """Send the whole answer and end the exchange; `lines` are header lines with their line ends."""
        self.status = status
        self._finish(lines, body, None)
        self._end()

    def answer_problem(self, problem: ProblemError, error: Exception | None = None) -> None:
        lines, body = problem_parts(problem, self.path, self.caller.correlation_id)
        self.status = problem.status
        self._finish(lines, body, None)
        self._end(error)

    def _finish(self, lines: bytes, body: bytes, length: int | None) -> None:
        if self._lost:
            return
        if length is None and self.status not in _NO_BODY:
            lines += b"content-length: %d\r\n" % len(body)
        opening = self._opening()
        sent = b"" if self.method == b"HEAD" else body
        self._connection.write(b"%b%b\r\n%b" % (opening, lines, sent))
        self._is_done()

    def _lines(self, headers: Headers) -> tuple[bytes, int | None]:
        """The header lines, and the length of the body if they give it. `Connection` is left out: only the
        exchange decides about it."""
        lines: list[bytes] = []
        length = None
        for name, value in headers:
            if b"\r" in value or b"\n" in value:
                raise RuntimeError("a header of the answer has a line end in it")
            if name == b"connection":
                self.keep_alive = self.keep_alive and value.lower() != b"close"
                continue
            if name == b"content-length":
                length = int(value)
            lines.append(b"%b: %b\r\n" % (name, value))
        return b"".join(lines), length

    def _opening(self) -> bytes:
        if self.expects_continue and not self.whole:
            # The client may send the body or not, so what comes next could be the body or another request.
            self.keep_alive = False
        return b"%b%bx-correlation-id: %b\r\n%b%b" % (
            STATUS_LINES[self.status],
            self._connection.dated,
            self.caller.correlation_id.encode(),
            self._door.cors.lines(self.given),
            b"" if self.keep_alive else b"connection: close\r\n",
        )

    def _is_done(self) -> None:
        self.done = True
        self.body = []
        self._wake()
        self._connection.answered()


def unexpected_problem() -> ProblemError:
    return ProblemError(500, "Something went wrong here; the correlation id finds it in the log.")


def _target_parts(target: bytes) -> tuple[bytes, bytes]:
    """The path and the query. Raises ProblemError 400."""
    if target.startswith(b"/"):
        path, _, query = target.partition(b"?")
    else:
        try:
            url = httptools.parse_url(target)
        except httptools.HttpParserInvalidURLError:
            raise ProblemError(400, "The request's target is none.") from None
        path, query = url.path or b"/", url.query or b""
    if not path.isascii():
        raise ProblemError(400, "The request's target is none.")
    return path, query
