"""One route that is answered without ASGI in between, on uvicorn's own HTTP protocol.

A request that comes at once and in its usual form goes straight to the route, and its answer straight to the
socket. Every other one, and every one that the route does not take, goes the way of all requests: the
application has the same route, and says what is wrong.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

HELD_BYTES_MAX = 64 * 1024
HELD_SECONDS_MAX = 0.05
"""Head and body often come in two packets; one that takes longer is waited for by the application."""

HEAD_BYTES_MAX = 64 * 1024
HEAD_SECONDS_MAX = 30.0
"""What a connection has for the head of a request, before it is closed: uvicorn sets no bounds of its own."""

Headers = Sequence[tuple[bytes, bytes]]


class Answer(Protocol):
    """Sends the answer: called once, on the event loop's thread. Headers are lines, each with its end."""

    def __call__(self, status: int, headers: bytes, body: bytes) -> None: ...


class DirectRoute(Protocol):
    """`take` answers later through `answer` and returns True, or returns False and does nothing."""

    method: bytes
    path: bytes

    def take(self, headers: Headers, body: bytes, answer: Answer) -> bool: ...


def protocol_for(route: DirectRoute) -> type[HttpToolsProtocol]:
    """What uvicorn is to make for every connection."""
    return type("DirectProtocol", (_DirectProtocol,), {"route": route})


class _Exchange:
    """A request that the route has taken; to uvicorn's protocol it is the connection's cycle."""

    __slots__ = ("_protocol", "disconnected", "keep_alive", "message_event", "response_complete")

    def __init__(self, protocol: "_DirectProtocol", *, keep_alive: bool) -> None:
        self._protocol = protocol
        self.keep_alive = keep_alive
        self.response_complete = False
        self.disconnected = False
        self.message_event = _NOBODY

    def answer(self, status: int, headers: bytes, body: bytes) -> None:
        protocol = self._protocol
        self.response_complete = True
        if protocol.transport.is_closing():
            return
        usual = b"".join([b"%b: %b\r\n" % header for header in protocol.server_state.default_headers])
        closing = b"" if self.keep_alive else b"connection: close\r\n"
        protocol.transport.write(
            b"%b%b%bcontent-length: %d\r\n%b\r\n%b"
            % (STATUS_LINE[status], usual, headers, len(body), closing, body)
        )
        if not self.keep_alive:
            protocol.transport.close()
        protocol.on_response_complete()


class _Nobody:
    """Nobody waits for what an exchange receives."""

    def set(self) -> None: ...


_NOBODY = _Nobody()


class _DirectProtocol(HttpToolsProtocol):
    route: DirectRoute
    _held: list[bytes] | None = None
    """The body so far of a request that may go to the route; None when it went the usual way."""
    _holding: asyncio.TimerHandle | None = None
    _in_head = False
    _head_bytes = 0
    _heading: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        self._await_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES_MAX:
                self._close_with(431)
            elif self._heading is None:
                self._await_head()
        elif self._held is not None:
            self._await_body()

    def _await_head(self) -> None:
        self._heading = self.loop.call_later(HEAD_SECONDS_MAX, self._close_with, 408)

    def _close_with(self, status: int) -> None:
        if not self.transport.is_closing():
            self.transport.write(STATUS_LINE[status] + b"connection: close\r\ncontent-length: 0\r\n\r\n")
            self.transport.close()

    def _await_body(self) -> None:
        if sum(map(len, self._held or ())) > HELD_BYTES_MAX:
            self._go_the_usual_way()
        elif self._holding is None:
            self._holding = self.loop.call_later(HELD_SECONDS_MAX, self._go_the_usual_way)

    def connection_lost(self, exc: Exception | None) -> None:
        self._let_go()
        self._head_is_there()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = True

    def _head_is_there(self) -> None:
        self._in_head = False
        self._head_bytes = 0
        if self._heading is not None:
            self._heading.cancel()
            self._heading = None

    def on_headers_complete(self) -> None:
        self._head_is_there()
        cycle, parser = cast("Any", self.cycle), cast("Any", self.parser)
        usual = (
            self.url != self.route.path
            or parser.get_method() != self.route.method
            or (cycle is not None and not cycle.response_complete)
            or self.flow.write_paused
            or self.expect_100_continue
            or parser.get_http_version() != "1.1"
            or parser.should_upgrade()
        )
        if usual:
            super().on_headers_complete()
        else:
            self._held = []

    def on_body(self, body: bytes) -> None:
        if self._held is None:
            super().on_body(body)
        else:
            self._held.append(body)

    def on_message_complete(self) -> None:
        if self._held is None:
            super().on_message_complete()
            return
        parser = cast("Any", self.parser)
        exchange = _Exchange(self, keep_alive=parser.should_keep_alive())
        if self.route.take(self.headers, b"".join(self._held), exchange.answer):
            self._let_go()
            self.cycle = cast("Any", exchange)
        else:
            self._go_the_usual_way()
            super().on_message_complete()

    def _go_the_usual_way(self) -> None:
        held = self._let_go()
        super().on_headers_complete()
        for body in held:
            super().on_body(body)

    def _let_go(self) -> list[bytes]:
        held, self._held = self._held or [], None
        if self._holding is not None:
            self._holding.cancel()
            self._holding = None
        return held
