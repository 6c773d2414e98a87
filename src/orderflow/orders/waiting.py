"""Long polls that wait for an order to change."""

import asyncio
from dataclasses import dataclass, field

WAITERS_MAX = 1_000


@dataclass(slots=True)
class Waiters:
    """Long polls that wait for a change of an order; changes made by other processes they find by asking."""

    _events: dict[str, set[asyncio.Event]] = field(default_factory=dict[str, set[asyncio.Event]])
    _count: int = 0

    async def wait(self, order_id: str, seconds_max: float) -> bool:
        """True when it is time to look again, False when there are too many waiters already."""
        if self._count >= WAITERS_MAX:
            return False
        event = asyncio.Event()
        self._events.setdefault(order_id, set()).add(event)
        self._count += 1
        try:
            async with asyncio.timeout(seconds_max):
                await event.wait()
        except TimeoutError:
            pass
        finally:
            self._count -= 1
            self._events[order_id].discard(event)
            if not self._events[order_id]:
                del self._events[order_id]
        return True

    def notify(self, order_id: str) -> None:
        for event in self._events.get(order_id, ()):
            event.set()

    def release_all(self) -> None:
        for order_id in list(self._events):
            self.notify(order_id)
