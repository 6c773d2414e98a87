"""HTTP/1.1 on a connection: requests are answered in order, and every size and every wait is bounded.

httptools (llhttp, Node's parser) reads them with none of its leniencies: a message that two programs could
read in two ways is refused, and ends the connection. What the parser leaves to us is in `messages.py`.
"""

import asyncio
from collections import deque
from typing import Any

import httptools

from orderflow.web.deadlines import Awaited, Deadline
from orderflow.web.exchanges import Exchange, Headers
from orderflow.web.host import Host
from orderflow.web.messages import by_name, check_head, head_without_offer, not_http
from orderflow.web.outlet import Outlet
from orderflow.web.problems import ProblemError

BUFFERED_BYTES_MAX = 64 * 1024
"""How much of a body is kept until the application takes it. While there is more, nothing is read."""

HELD_SECONDS_MAX = 0.05
"""Head and body often come in two packets: a request begins when it is complete, or after this time."""

DISCARDED_BYTES_MAX = 4 << 20
"""How much is still read from a connection on which we only have to answer. Closing it with unread bytes
would reset it, and the answer would be lost."""

FRAMING_BYTES_MAX = 64 * 1024
FRAMING_BYTES_PER_BYTE_MAX = 16
"""Bounds for what comes along with the bytes of a body: chunk sizes, chunk extensions and trailers."""


class _Refused(Exception):
    """Ends the parser's work from within a callback."""


class Connection(asyncio.Protocol):
    """Turns what a client sends into exchanges, and sends their answers in the same order."""

    scope: dict[str, Any]

    def __init__(self, host: Host) -> None:
        self._host = host
        self._limits = host.limits
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._queue: deque[Exchange] = deque()
        """Exchanges that are not answered yet, in order; only the first one may have begun."""
        self._receiving: Exchange | None = None
        self._url = b""
        self._headers: Headers = []
        self._in_head = self._head_began = self._message_ended = self._offers_upgrade = False
        self._read_bytes = self._head_bytes = self._framing_bytes = self._body_bytes = 0
        self._deaf = False
        """True when nothing that comes from now on is read as HTTP."""
        self._discarded_bytes = 0
        self._refused: ProblemError | None = None
        """Why a callback has ended the parser's work."""
        self._problem: ProblemError | None = None
        """What is sent before the connection is closed, after the answers to earlier requests."""
        self._deadline = Deadline(self._loop, self._limits, self._over_time)
        self._holding: asyncio.TimerHandle | None = None
        self._outlet = Outlet(host, host.limits.reading_s)
        self._paused = False

    @property
    def dated(self) -> bytes:
        return self._host.dated

    # The transport's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        self._outlet.open(transport)
        self._secure = transport.get_extra_info("sslcontext") is not None
        self.scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "scheme": "https" if self._secure else "http",
            "root_path": "",
            "client": (transport.get_extra_info("peername") or (None, 0))[:2],
            "server": (transport.get_extra_info("sockname") or (None, 0))[:2],
        }
        self._host.connections.add(self)
        self._deadline.begin("head")
        if self._host.is_draining:  # the TLS handshake ended after the server had stopped
            self.shut_down()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._host.connections.discard(self)
        self._deaf = True
        self._deadline.stop()
        if self._holding is not None:
            self._holding.cancel()
        for exchange in self._queue:
            exchange.lose()
        self.resume_writing()

    def eof_received(self) -> bool:
        """A client that has sent all may still read its answers, but not by TLS, and no stream."""
        self._deaf = True
        answers = self._queue and not self._queue[0].is_stream
        return bool(answers) and self._receiving is None and not self._secure

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            self._discard(len(data))
            return
        body_bytes = self._body_bytes
        self._read_bytes = len(data)
        self._head_began = self._message_ended = False
        self._feed(data)
        if not self._deaf:
            if self._in_head:
                # The data before this head may belong to the end of an earlier request.
                self._bound_head(self._parsed_bytes() if self._message_ended else len(data))
            elif self._receiving is not None:
                self._bound_body(len(data) - (self._body_bytes - body_bytes))
        if self._queue:
            self._go_on()
        elif self._deaf:
            self._settle()

    def _discard(self, count: int) -> None:
        self._discarded_bytes += count
        if self._discarded_bytes > DISCARDED_BYTES_MAX:
            self._transport.abort()

    def _feed(self, data: bytes) -> None:
        rest = memoryview(data)
        while True:
            try:
                self._parser.feed_data(rest)
            except httptools.HttpParserUpgrade as offer:
                if self._deaf:
                    return
                # An offer of a protocol that we do not support is ignored (RFC 9110, 7.8). The parser has
                # stopped behind the head: a new one reads the same head without the offer, and then the rest.
                rest = rest[offer.args[0] :]
                head = head_without_offer(self._parser, self._url, self._headers)
                self._parser = httptools.HttpRequestParser(self)
                try:
                    self._parser.feed_data(head)
                except httptools.HttpParserError:
                    self._break(self._refused or not_http())
                    return
                if not rest:
                    return
            except httptools.HttpParserError:
                if not self._deaf:
                    self._break(self._refused or not_http())
                return
            else:
                return

    def _parsed_bytes(self) -> int:
        return len(self._url) + sum([len(name) + len(value) for name, value in self._headers])

    def _bound_head(self, count: int) -> None:
        """Apply the limits to a head that is not complete yet."""
        if self._head_began:
            self._deadline.expect("head")
        self._head_bytes += count
        if self._head_bytes > self._limits.head_bytes:
            self._break(self._large_head())

    def _bound_body(self, framing: int) -> None:
        """Apply the limits to a request whose body is not complete yet."""
        if self._deadline.awaits != "body":
            self._deadline.expect("body")
        self._framing_bytes += framing
        if self._framing_bytes > FRAMING_BYTES_MAX + FRAMING_BYTES_PER_BYTE_MAX * self._body_bytes:
            self._break(ProblemError(400, "The body's framing is out of all proportion to the body."))
        elif self._receiving and self._receiving.done and self._body_bytes > DISCARDED_BYTES_MAX:
            self._break(not_http())  # it was answered already, so the rest need not be read

    def _large_head(self) -> ProblemError:
        return ProblemError(431, f"The head may have at most {self._limits.head_bytes} bytes.")

    # The parser's side

    def on_message_begin(self) -> None:
        if self._deaf:
            raise _Refused
        self._url = b""
        self._headers = []
        self._in_head = self._head_began = True
        self._head_bytes = 0

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        # Trailers are never headers.
        if self._in_head:
            self._headers.append((name.lower(), value.strip(b" \t")))

    def on_headers_complete(self) -> None:
        parser = self._parser
        method = parser.get_method()
        if parser.should_upgrade() and method != b"CONNECT":
            self._offers_upgrade = True
            return
        version = parser.get_http_version()
        try:
            if self._read_bytes > self._limits.head_bytes and self._parsed_bytes() > self._limits.head_bytes:
                raise self._large_head()
            given = by_name(self._headers)
            check_head(method, version, given)
            exchange = Exchange(
                self,
                self._host.door,
                method=method,
                target=self._url,
                headers=self._headers,
                given=given,
                http_10=version == "1.0",
                keep_alive=version == "1.1" and parser.should_keep_alive(),
            )
        except ProblemError as problem:
            self._refused = problem
            raise _Refused from None
        self._in_head = False
        self._deadline.expect("answer")
        self._framing_bytes = self._body_bytes = 0
        self._receiving = exchange
        self._queue.append(exchange)

    def on_body(self, body: bytes) -> None:
        exchange = self._receiving
        self._body_bytes += len(body)
        if exchange is not None and not exchange.done:
            exchange.arrived(body)

    def on_message_complete(self) -> None:
        if self._offers_upgrade:
            self._offers_upgrade = False
            return
        self._message_ended = True
        exchange, self._receiving = self._receiving, None
        if exchange is None:
            return
        exchange.end_of_body()
        if not exchange.keep_alive:
            self._deaf = True
        elif exchange.done:
            self._deadline.expect("idle")
        elif self._deadline.awaits == "body":
            self._deadline.expect("answer")

    # Requests begin, in order

    def _go_on(self) -> None:
        """Begin the first request that is not answered, and read no more than needed."""
        exchange = self._queue[0]
        if not exchange.started and not self._outlet.is_full:
            ready = exchange.whole or exchange.expects_continue or exchange.failure is not None
            if ready or self._is_buffer_full(exchange):
                self._begin(exchange)
            elif self._holding is None:
                self._holding = self._loop.call_later(HELD_SECONDS_MAX, self._held_long_enough)
        self._regulate()

    def _held_long_enough(self) -> None:
        self._holding = None
        if self._queue and not self._queue[0].started:
            self._begin(self._queue[0])

    def _begin(self, exchange: Exchange) -> None:
        if self._holding is not None:
            self._holding.cancel()
            self._holding = None
        if not exchange.begin():
            return
        short_way = self._host.short_way
        if short_way is not None and exchange.whole and short_way.take(exchange):
            return
        task = self._loop.create_task(exchange.run(self._host.app))
        self._host.tasks.add(task)
        task.add_done_callback(self._host.tasks.discard)

    def _is_buffer_full(self, exchange: Exchange) -> bool:
        return sum(map(len, exchange.body)) > BUFFERED_BYTES_MAX

    def _regulate(self) -> None:
        """Stop reading while more than one request waits for its answer, or a body's buffer is full."""
        receiving = self._receiving
        full = len(self._queue) > 1 or (receiving is not None and self._is_buffer_full(receiving))
        if full != self._paused and not self._deaf:
            self._paused = full
            if full:
                self._transport.pause_reading()
            else:
                self._transport.resume_reading()

    # The exchange's side

    def write(self, data: bytes) -> None:
        self._outlet.write(data)

    async def writable(self) -> None:
        await self._outlet.writable()

    def consumed(self) -> None:
        if self._paused:
            self._regulate()

    def answered(self) -> None:
        exchange = self._queue.popleft()
        if not exchange.keep_alive:
            self._deaf = True
            self._problem = None
            self._queue.clear()
        if self._queue:
            if not self._outlet.is_full:
                self._go_on()
        elif self._deaf:
            self._settle()
        else:
            if self._receiving is None and not self._in_head:
                self._deadline.expect("idle")
            if self._paused:
                self._regulate()

    def abort(self) -> None:
        self._transport.abort()

    # The end

    def _break(self, problem: ProblemError) -> None:
        """Stop reading, because what came is not readable. The problem answers the request that is being
        received, unless it has its answer already; if there is none, it is sent by itself after earlier
        answers."""
        self._deaf = True
        if self._receiving is None:
            self._problem = problem
        elif not self._receiving.done:
            self._receiving.fail(problem)

    def _settle(self) -> None:
        """Close the connection if no request waits for an answer. A pending problem is sent first."""
        if self._queue or self._transport.is_closing() or self._deadline.awaits == "closing":
            return
        problem, self._problem = self._problem, None
        if problem is None:
            self._close(at_once=self._receiving is None)
            return
        exchange = Exchange.of_nobody(self, self._host.door)
        self._queue.append(exchange)
        self._receiving = exchange  # the client may still be sending
        exchange.answer_problem(problem)

    def _close(self, *, at_once: bool) -> None:
        if at_once or not self._transport.can_write_eof():
            self._transport.close()
        else:
            # Closing before everything is read would reset the connection, and the answer might be lost.
            self._transport.write_eof()
            self._deadline.expect("closing")

    def shut_down(self) -> None:
        """The server stops: requests that have come are answered, and nothing more is read."""
        if self._queue:
            self._queue[-1].keep_alive = False
        else:
            self._transport.close()
            self._deadline.expect("closing")  # over TLS, closing waits for the client

    def _over_time(self, awaited: Awaited) -> None:
        if awaited == "closing":
            self._transport.abort()
        if self._transport.is_closing():
            return
        if self._queue and self._queue[0] is not self._receiving:
            # The client may be waiting for that answer before it sends more, or we may have stopped reading.
            self._deadline.expect(awaited)
            return
        self._deadline.expect("answer")
        if awaited == "body":
            self._break(ProblemError(408, f"The body did not arrive within {self._limits.body_s:g} s."))
        elif awaited == "head":
            self._break(ProblemError(408, f"The head did not arrive within {self._limits.head_s:g} s."))
        self._deaf = True
        if self._queue:
            self._go_on()
        else:
            self._settle()

    # The client reads slowly

    def pause_writing(self) -> None:
        self._outlet.fill()

    def resume_writing(self) -> None:
        self._outlet.drain()
        if self._queue and not self._transport.is_closing():
            self._go_on()
