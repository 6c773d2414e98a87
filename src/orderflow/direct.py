"""One route that is answered without ASGI in between, on uvicorn's own HTTP protocol.

A request that comes at once and in its usual form goes straight to the route, and its answer straight to the
socket. Every other one, and every one that the route does not take, goes the way of all requests: the
application has the same route, and says what is wrong.
"""

import asyncio
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Protocol, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

HELD_BYTES_MAX = 64 * 1024
HELD_SECONDS_MAX = 0.05
"""Head and body often come in two packets; one that takes longer is waited for by the application."""

HEAD_BYTES_MAX = 64 * 1024
HEAD_SECONDS_MAX = 30.0
"""What a connection has for the head of a request, before it is closed: uvicorn sets no bounds of its own."""

READ_SECONDS_MAX = 30.0
"""What a client has to read a part of its answer."""

NEVER = float("inf")

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
        closing = b"" if self.keep_alive else b"connection: close\r\n"
        protocol.transport.write(
            b"%b%b%bcontent-length: %d\r\n%b\r\n%b"
            % (
                STATUS_LINE[status],
                _lines(tuple(protocol.server_state.default_headers)),
                headers,
                len(body),
                closing,
                body,
            )
        )
        if not self.keep_alive:
            protocol.transport.close()
        protocol.on_response_complete()


@lru_cache(maxsize=4)
def _lines(headers: tuple[tuple[bytes, bytes], ...]) -> bytes:
    """Those of every answer; they change once a second, with the date."""
    return b"".join([b"%b: %b\r\n" % header for header in headers])


class _Nobody:
    """Nobody waits for what an exchange receives."""

    def set(self) -> None: ...


_NOBODY = _Nobody()


class _DirectProtocol(HttpToolsProtocol):
    """A connection. One timer looks after it, which is no more than asked for when it is due: setting
    `_deadline` costs nothing, where uvicorn makes and cancels a timer for each request."""

    route: DirectRoute
    _held: list[bytes] | None = None
    """The body so far of a request that may go to the route; None when it went the usual way."""
    _holding: asyncio.TimerHandle | None = None
    _head_bytes = 0
    """What has been read of a head that is not whole yet, at most."""
    _in_head = False
    _deadline = NEVER
    """When the connection is closed, in the loop's time, unless a whole head has come."""
    _watch: asyncio.TimerHandle | None = None
    _reading: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        self._deadline = self.loop.time() + HEAD_SECONDS_MAX
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        self._let_go()
        self._does_read()
        if self._watch is not None:
            self._watch.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        was_in_head = self._in_head
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._in_head:
            # Before the head's beginning may lie what ended an earlier request.
            self._head_bytes += len(data) if was_in_head else self._parsed_bytes()
            if self._head_bytes > HEAD_BYTES_MAX:
                self._close_with(431)
        elif self._held is not None:
            self._await_body()

    def _parsed_bytes(self) -> int:
        return len(self.url) + sum(len(name) + len(value) for name, value in self.headers)

    def _look(self) -> None:
        """Close what is over its time, or look again when it may be."""
        pause_s = HEAD_SECONDS_MAX if self._unanswered else self._deadline - self.loop.time()
        if pause_s > 0:
            # Meanwhile the deadline may come nearer, by what it is set to at the nearest.
            nearest_s = min(HEAD_SECONDS_MAX, self.timeout_keep_alive)
            self._watch = self.loop.call_later(min(pause_s, nearest_s), self._look)
        elif self._in_head or cast("Any", self.cycle) is None:
            self._close_with(408)
        else:
            self.transport.close()

    @property
    def _unanswered(self) -> bool:
        cycle = cast("Any", self.cycle)
        return cycle is not None and not cycle.response_complete

    def _close_with(self, status: int) -> None:
        """Close, with an answer where it cannot be taken for that to an earlier request."""
        if not self._unanswered:
            self.transport.write(STATUS_LINE[status] + b"connection: close\r\ncontent-length: 0\r\n\r\n")
        self.transport.close()

    def pause_writing(self) -> None:
        """The client does not read: what it is sent stays in memory meanwhile, for as long as it has."""
        super().pause_writing()
        self._reading = self.loop.call_later(READ_SECONDS_MAX, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._does_read()

    def _does_read(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    def on_response_complete(self) -> None:
        """As uvicorn's, but for the keep-alive timer."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif not self._in_head:
            self._deadline = self.loop.time() + self.timeout_keep_alive

    def on_message_begin(self) -> None:
        # The scope is for the application: it is made when a request goes there.
        self.url = b""
        self.expect_100_continue = False
        self.headers = []
        self._in_head = True
        self._head_bytes = 0
        self._deadline = self.loop.time() + HEAD_SECONDS_MAX

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._deadline = NEVER
        parser = cast("Any", self.parser)
        usual = (
            self.url != self.route.path
            or parser.get_method() != self.route.method
            or self._unanswered
            or self.flow.write_paused
            or self.expect_100_continue
            or parser.get_http_version() != "1.1"
            or parser.should_upgrade()
        )
        if usual:
            self._head_goes_the_usual_way()
        else:
            self._held = []

    def _head_goes_the_usual_way(self) -> None:
        url, expects, headers = self.url, self.expect_100_continue, self.headers
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expects
        self.headers += headers
        super().on_headers_complete()

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

    def _await_body(self) -> None:
        if sum(map(len, self._held or ())) > HELD_BYTES_MAX:
            self._go_the_usual_way()
        elif self._holding is None:
            self._holding = self.loop.call_later(HELD_SECONDS_MAX, self._go_the_usual_way)

    def _go_the_usual_way(self) -> None:
        held = self._let_go()
        self._head_goes_the_usual_way()
        for body in held:
            super().on_body(body)

    def _let_go(self) -> list[bytes]:
        held, self._held = self._held or [], None
        if self._holding is not None:
            self._holding.cancel()
            self._holding = None
        return held
