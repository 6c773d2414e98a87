"""The tail: the newest changes of the stream, in the memory of a process that has subscribers.

One loop reads the stream for all of them, and only while there are any. A subscriber is a position and not a
queue: it takes changes from memory at its own pace, and if it is too slow they are no longer there.
"""

import asyncio
from bisect import bisect_right
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager

from orderflow.database.engine import DatabaseUnavailable, Reader
from orderflow.orders import stream
from orderflow.orders.stream import Change
from orderflow.runtime.health import Health
from orderflow.runtime.loop import TaskLoop

LOOP = "stream-tail"
CHANGES_MAX = 10_000
"""How many of the newest changes are kept, besides the rest of the oldest batch."""
POLL_S = 0.1
AWAY_S = 1.0
"""The pause after the database did not answer."""
IDLE_S = 60.0
ROWS_A_READ_MAX = 50

Placed = tuple[int, Change]
"""A change and its position."""


class Subscription:
    """`signal` is set when there is more, or when `is_lost`: positions that the subscriber has seen are not
    what they were, because the database was set back, or the stream was removed before it was read."""

    def __init__(self) -> None:
        self.signal = asyncio.Event()
        self.is_lost = False


class Batch:
    """Changes that were read together: at least one, with consecutive positions."""

    __slots__ = ("_of_customer", "changes")

    def __init__(self, changes: Sequence[Placed]) -> None:
        self.changes = changes
        self._of_customer: dict[str, list[Placed]] | None = None

    @property
    def first(self) -> int:
        return self.changes[0][0]

    def of(self, customer_id: str | None) -> Sequence[Placed]:
        """Those of one customer, or all. The first who asks for one customer sorts them for everybody."""
        if customer_id is None:
            return self.changes
        if self._of_customer is None:
            self._of_customer = defaultdict(list)
            for placed in self.changes:
                self._of_customer[placed[1].customer_id].append(placed)
        return self._of_customer.get(customer_id, ())


class Tail:
    """What this process knows of the stream. `close` ends its loop; only the event loop's thread may use it.

    The loop reads at most half of `changes_max` in `poll_s` seconds, however much is there, so that
    subscribers have time to take it.
    """

    def __init__(
        self, reader: Reader, health: Health, *, changes_max: int = CHANGES_MAX, poll_s: float = POLL_S
    ) -> None:
        self._reader = reader
        self._changes_max = changes_max
        self._poll_s = poll_s
        self._subscriptions: set[Subscription] = set()
        self._observers: list[Callable[[Sequence[Placed]], object]] = []
        self._is_following = False
        self._is_away = False
        self._batches: list[Batch] = []
        self._kept = 0
        self._more = 0
        """How many changes the last read gave, if there are more already."""
        self.next = 1
        """The position that will be read next; it means something to subscribers only."""
        self._is_closed = False
        self._loop = TaskLoop(
            LOOP, self.run_once, health=health, pause_s=self._pause_s, on_failure="try again"
        )

    async def close(self) -> None:
        """Subscribers are woken, but get nothing more."""
        self._is_closed = True
        self._wake()
        await self._loop.stop()

    def observe(self, observer: Callable[[Sequence[Placed]], object]) -> None:
        """Call the observer with all changes that are read, which is only while somebody subscribes."""
        self._observers.append(observer)

    @asynccontextmanager
    async def subscribed(self) -> AsyncGenerator[Subscription]:
        """Subscribe while the block runs. Every change that is committed after it began will be at `next`, as
        it is then, or behind. Raises DatabaseUnavailable."""
        subscription = Subscription()
        self._subscriptions.add(subscription)
        try:
            if not self._is_following:
                position = (await self._reader.run(stream.bounds)).next
                self._follow_from(position)
            yield subscription
        finally:
            self._subscriptions.discard(subscription)
            if not self._subscriptions:
                self._is_following = False
                self._forget()

    def _follow_from(self, position: int) -> None:
        if self._is_following or self._is_closed:  # another subscriber was faster
            return
        self._is_following = True
        self.next = position
        self._loop.start()
        self._loop.wake()

    def holds(self, position: int) -> bool:
        """Whether everything from this position on is in memory, or will be."""
        return position >= (self._batches[0].first if self._batches else self.next)

    def since(self, position: int, customer_id: str | None = None) -> Iterator[Placed]:
        """The changes in memory from this position on, all or those of one customer, in the order of
        positions."""
        begin = bisect_right(self._batches, position, key=lambda batch: batch.first) - 1
        for index in range(max(0, begin), len(self._batches)):
            for placed in self._batches[index].of(customer_id):
                if placed[0] >= position:
                    yield placed

    def _pause_s(self) -> float:
        if not self._is_following:
            return IDLE_S
        if self._is_away:
            return AWAY_S
        return self._poll_s * (min(1.0, 2 * self._more / self._changes_max) if self._more else 1.0)

    async def run_once(self) -> None:
        """Read what is there from `next` on."""
        if not self._is_following:
            return
        position = self.next
        # Whoever does not answer may be somebody else afterwards: a copy that lacks the last changes.
        was_away, self._is_away = self._is_away, True
        try:
            set_back = was_away and (await self._reader.run(stream.bounds)).next < position
            page = await self._reader.run(stream.read, position, rows_max=ROWS_A_READ_MAX)
        except DatabaseUnavailable:
            return
        self._is_away = False
        if not self._is_following or self.next != position:  # everybody has left meanwhile
            return
        self._more = len(page.changes) if page.more else 0
        if set_back or (page.changes and page.changes[0][0] != position):
            self._lose_all()
        elif page.changes:
            self._keep(Batch(page.changes))

    def _keep(self, batch: Batch) -> None:
        self._batches.append(batch)
        self._kept += len(batch.changes)
        self.next = batch.first + len(batch.changes)
        while self._kept - len(self._batches[0].changes) >= self._changes_max:
            self._kept -= len(self._batches.pop(0).changes)
        for observer in self._observers:
            observer(batch.changes)
        self._wake()

    def _lose_all(self) -> None:
        """Nobody can go on from where they are: whoever subscribes next begins anew."""
        for subscription in self._subscriptions:
            subscription.is_lost = True
        self._is_following = False
        self._forget()
        self._wake()

    def _forget(self) -> None:
        self._batches.clear()
        self._kept = self._more = 0

    def _wake(self) -> None:
        for subscription in self._subscriptions:
            subscription.signal.set()
