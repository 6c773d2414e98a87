"""`GET /api/orders/stream`: the changes of orders as Server-Sent Events (HTML Standard, 9.2).

A client is a position in the stream. It takes what comes next from the tail, a chunk at a time, whenever its
connection takes more; nothing is kept for it meanwhile. A client that resumes from before the tail reads the
database until it is there. One that cannot keep up is dropped, and may resume by its `Last-Event-ID`.
"""

import asyncio
import random
import re
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from pydantic_core import to_json
from starlette.requests import Request
from starlette.types import Receive, Send
from starlette.types import Scope as Connection

from orderflow.contracts.orders_api import STREAM
from orderflow.database.engine import DatabaseUnavailable, Reader
from orderflow.orders import stream
from orderflow.orders.http import parsing
from orderflow.orders.http.access import RULES
from orderflow.orders.stream import Change
from orderflow.orders.tail import Placed, Subscription, Tail
from orderflow.runtime.health import wait_for
from orderflow.runtime.telemetry.metrics import STREAMS_ENDED
from orderflow.web.access import refusal
from orderflow.web.answers import caller
from orderflow.web.front_door import Principal
from orderflow.web.headers import read_query, refuse_what_is_not_taken
from orderflow.web.problems import ProblemError

CHUNK_BYTES_MAX = 16 * 1024
EVENT_BYTES_MAX = 1024
CATCH_UPS_MAX = 2
"""How many clients read the database at a time."""
CATCH_UP_ROWS = 50
CATCH_UP_S_MAX = 5.0
"""How long a client may take for what was read from so many rows, while others wait for their turn."""
RENDERED_MAX = 4_096

_HEADERS = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # nginx would keep events until it has a buffer full of them
]
_POSITION = re.compile(rb"[0-9]{1,18}")

End = Literal["gone", "slow", "lost", "database", "access", "age", "stop"]
"""Why a stream ends: its client has gone, or is too slow; positions are not what they were; what the client
resumes from cannot be read; its key is not valid any more; it has lasted long enough; the server stops."""


def _up_to_an_hour_s() -> float:
    return random.uniform(1_800, 3_600)


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """The bounds of the streams of a process."""

    streams_max: int = 1_000
    of_bound_caller_max: int = 20
    """How many a caller may have who is bound to a customer."""
    heartbeat_s: float = 15.0
    life_s: Callable[[], float] = _up_to_an_hour_s
    """When a stream ends. Its client resumes, maybe at another process: so a new process soon has its share
    of the clients."""


class Wanted(NamedTuple):
    """Which changes a client gets: of this customer or, for None, of all; with these statuses or, for None,
    with any."""

    customer_id: str | None
    statuses: frozenset[str] | None


@dataclass(slots=True)
class _Shared:
    """What the streams of a process have in common."""

    tail: Tail
    reader: Reader
    limits: StreamLimits
    turns: asyncio.Semaphore
    """For reading the database."""
    is_closed: bool = False


class OrderStream:
    """The endpoint. After `close` no stream begins, and those that are open end when the tail is closed."""

    def __init__(self, tail: Tail, reader: Reader, limits: StreamLimits) -> None:
        self._shared = _Shared(tail, reader, limits, asyncio.Semaphore(CATCH_UPS_MAX))
        self._open = 0
        self._of_caller: Counter[str] = Counter()

    def close(self) -> None:
        self._shared.is_closed = True

    async def __call__(self, connection: Connection, receive: Receive, send: Send) -> None:
        request = Request(connection)
        refuse_what_is_not_taken(request)
        principal = caller(request).principal
        wanted = _wanted(read_query(parsing.StreamQuery, request), principal.customer_id)
        exchange = connection["state"]["exchange"]
        with self._place(principal):
            async with self._shared.tail.subscribed() as subscription:
                position = await self._position(exchange.given.get(b"last-event-id"))
                client = _Client(self._shared, subscription, wanted, connection, send)
                exchange.is_stream = True
                await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
                if exchange.method != b"HEAD":
                    gone = asyncio.create_task(_gone(receive))
                    gone.add_done_callback(client.leave)
                    try:
                        STREAMS_ENDED.labels(await client.serve(position)).inc()
                    finally:
                        gone.cancel()
                await send({"type": "http.response.body", "body": b"", "more_body": False})

    @contextmanager
    def _place(self, principal: Principal) -> Generator[None]:
        """Raises ProblemError if there is none."""
        limits, name = self._shared.limits, principal.name
        if self._shared.is_closed or self._open >= limits.streams_max:
            raise ProblemError(
                503,
                "No further stream can be opened here now. Try again shortly.",
                kind="overloaded",
                headers={"Retry-After": "5"},
            )
        if principal.customer_id is not None and self._of_caller[name] >= limits.of_bound_caller_max:
            raise ProblemError(
                429,
                f"The caller has {limits.of_bound_caller_max} streams open. Close one of them first.",
                headers={"Retry-After": "5"},
            )
        self._open += 1
        self._of_caller[name] += 1
        try:
            yield
        finally:
            self._open -= 1
            self._of_caller[name] -= 1
            if not self._of_caller[name]:
                del self._of_caller[name]

    async def _position(self, last_id: bytes | None) -> int | None:
        """Where a client with this `Last-Event-ID` begins; None if it cannot go on from there.
        Raises DatabaseUnavailable."""
        tail = self._shared.tail
        if last_id is None:
            return tail.next
        if not _POSITION.fullmatch(last_id):
            return None
        position = int(last_id) + 1
        if tail.holds(position) and position <= tail.next:
            return position
        # The tail of the process that the client comes from may be a moment ahead, so the database decides.
        bounds = await self._shared.reader.run(stream.bounds)
        return position if bounds.first <= position <= bounds.next else None


class _Client:
    """Where a client is in the stream, and what it is sent."""

    def __init__(
        self, shared: _Shared, subscription: Subscription, wanted: Wanted, connection: Connection, send: Send
    ) -> None:
        self._shared = shared
        self._tail = shared.tail
        self._subscription = subscription
        self._wanted = wanted
        self._connection = connection
        self._send = send
        self._position = self._tail.next
        """Whatever is before it was sent, or is not wanted."""
        self._is_gone = False
        self._clock = asyncio.get_running_loop().time
        self._ends_at = self._clock() + shared.limits.life_s()
        self._beats_at = self._clock()  # the first heartbeat tells the client where it is

    def leave(self, _done: object) -> None:
        self._is_gone = True
        self._subscription.signal.set()

    async def serve(self, position: int | None) -> End:
        """Send what comes from this position on, or after a reset for None; returns why the stream ends."""
        try:
            if position is None:
                await self._reset()
            else:
                self._position = position
            return await self._catch_up() or await self._follow()
        except TimeoutError:
            return "slow"
        except DatabaseUnavailable:
            return "database"

    async def _reset(self) -> None:
        """Tell the client that it cannot go on from where it was, and begin with what happens from now on."""
        self._position = self._tail.next
        last = self._position - 1
        await self._write(b'event: reset\nid: %d\ndata: {"position":%d}\n\n' % (last, last))

    async def _catch_up(self) -> End | None:
        """Send what the tail has no more."""
        while not self._tail.holds(self._position):
            if end := self._end():
                return end
            async with self._shared.turns:
                page = await self._shared.reader.run(stream.read, self._position, rows_max=CATCH_UP_ROWS)
                async with asyncio.timeout(CATCH_UP_S_MAX):
                    await self._send_page(page.changes)
            await self._beat()
        return None

    async def _send_page(self, changes: Sequence[Placed]) -> None:
        if not changes or changes[0][0] != self._position:  # what followed was removed meanwhile
            await self._reset()
            return
        customer_id = self._wanted.customer_id
        rest = (placed for placed in changes if customer_id in (None, placed[1].customer_id))
        while chunk := self._chunk(rest, end=changes[-1][0] + 1):
            await self._write(chunk)

    async def _follow(self) -> End:
        """Send what the tail gets."""
        while (end := self._end()) is None:
            if not self._tail.holds(self._position):
                return "slow"
            await self._beat()
            self._subscription.signal.clear()
            changes = self._tail.since(self._position, self._wanted.customer_id)
            if chunk := self._chunk(changes, end=self._tail.next):
                await self._write(chunk)
                await asyncio.sleep(0)  # others get their turn, however fast this client is
            else:
                due = min(self._beats_at, self._ends_at)
                await wait_for(self._subscription.signal, max(0.0, due - self._clock()))
        return end

    def _chunk(self, changes: Iterable[Placed], *, end: int) -> bytes:
        """Events of these changes, CHUNK_BYTES_MAX at most; the position is then behind the last one, or at
        `end` if all are done."""
        events: list[bytes] = []
        size = 0
        for position, change in changes:
            if self._wanted.statuses is None or change.status in self._wanted.statuses:
                events.append(event(position, change))
                size += len(events[-1])
                if size > CHUNK_BYTES_MAX - EVENT_BYTES_MAX:
                    self._position = position + 1
                    break
        else:
            self._position = max(self._position, end)  # it may be ahead of our tail
        return b"".join(events)

    def _end(self) -> End | None:
        """Why the stream ends now, if it does."""
        now = self._clock()
        ends: dict[End, bool] = {
            "stop": self._shared.is_closed,
            "gone": self._is_gone,
            "lost": self._subscription.is_lost,
            "age": now >= self._ends_at,
            "access": now >= self._beats_at and not self._may_go_on(),
        }
        return next((why for why, holds in ends.items() if holds), None)

    def _may_go_on(self) -> bool:
        """Whether the client's key, asked about again, still allows what it did."""
        state: dict[str, Any] = self._connection["state"]
        principal: Principal = state["door"].principal(state["exchange"].given)
        same = principal.customer_id == state["caller"].principal.customer_id
        return same and refusal(principal, RULES["GET", STREAM]) is None

    async def _beat(self) -> None:
        """Send a heartbeat if it is due: it keeps the connection open, and tells a client that wants little
        how far it is."""
        if self._clock() >= self._beats_at:
            self._beats_at = self._clock() + self._shared.limits.heartbeat_s
            await self._write(b": heartbeat\nid: %d\n\n" % (self._position - 1))

    async def _write(self, chunk: bytes) -> None:
        """Returns when the connection takes more, or the client has gone."""
        await self._send({"type": "http.response.body", "body": chunk, "more_body": True})


def _wanted(query: parsing.StreamQuery, owner: str | None) -> Wanted:
    """What a caller gets who is bound to this customer, or to none."""
    statuses = frozenset(status.value for status in query.status) or None
    if owner is not None and query.customer_id not in (None, owner):
        statuses = frozenset[str]()  # nothing, as in a list
    return Wanted(owner or query.customer_id, statuses)


@lru_cache(maxsize=RENDERED_MAX)
def event(position: int, change: Change) -> bytes:
    """A change as an event, EVENT_BYTES_MAX at most. Clients of a process want the same ones at about the
    same time."""
    return b"id: %d\nevent: order\ndata: %b\n\n" % (position, to_json(stream.told(position, change)))


async def _gone(receive: Receive) -> None:
    """Returns when the client has gone, or sends what cannot be read."""
    with suppress(ProblemError):
        while (await receive())["type"] != "http.disconnect":
            pass
