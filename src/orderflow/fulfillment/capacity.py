"""The shipments that this worker holds in memory, and the bounds on them."""

import threading
from collections.abc import Callable, Iterable, Sequence

from orderflow.fulfillment.model import Owner, Shipment

REQUEST_BYTES_MAX = 256 * 1024 * 1024
"""Bytes of requests in memory, beyond which there is no room for another shipment, however few there are."""


def within(sized: Iterable[tuple[str, int]], bytes_max: int) -> list[str]:
    """As many of the first ids as fit together by their sizes in bytes; the first one always does."""
    fitting: list[str] = []
    room = bytes_max
    for name, size in sized:
        room -= size
        if fitting and room < 0:
            break
        fitting.append(name)
    return fitting


class Capacity:
    """The shipments of this worker that are somewhere in memory, at most `shipments_max`, and about
    REQUEST_BYTES_MAX: what was reserved before its size was known may exceed that.

    Room is reserved, from any thread, before a row is taken in the database; `take` turns it into a shipment.
    While fresh rows wait in the database (`backlog`), room goes to recovery only, which takes the longest
    due first: so the newest never overtake forever. What has failed before (`waits`) gets at most half of
    the room: however much of it is due, fresh orders find theirs.
    """

    def __init__(self, shipments_max: int, *, owner: Callable[[], Owner]) -> None:
        self._shipments_max = shipments_max
        self._retried_max = max(1, shipments_max // 2)
        self._owner = owner
        self._lock = threading.Lock()
        self._held: dict[str, Owner] = {}
        self._retried: set[str] = set()
        self._reserved = 0
        self._bytes = 0
        self.backlog = False

    def __len__(self) -> int:
        return len(self._held)

    @property
    def room(self) -> int:
        if self._bytes >= REQUEST_BYTES_MAX:
            return 0
        return self._shipments_max - len(self._held) - self._reserved

    @property
    def retried_room(self) -> int:
        """How much of the room may go to shipments that have failed before."""
        return max(0, min(self._retried_max - len(self._retried), self.room))

    def reserve(self, shipments_max: int) -> int:
        """Reserve room for at most so many, until `take` or `give_back`. Returns the number granted."""
        with self._lock:
            granted = max(0, min(shipments_max, self.room))
            self._reserved += granted
            return granted

    def give_back(self, reserved: int) -> None:
        with self._lock:
            self._reserved -= reserved

    def take(self, shipments: Sequence[Shipment], *, reserved: int) -> list[Shipment]:
        """Hold these in the room reserved for them, and return those that are to be worked on.

        One that is held already, or was taken in an earlier life of this worker, is left out.
        """
        owner = self._owner()
        with self._lock:
            self._reserved -= reserved
            new = [s for s in shipments if s.owner == owner and s.order_id not in self._held]
            self._held.update((shipment.order_id, owner) for shipment in new)
            self._bytes += sum([len(shipment.request) for shipment in new])
            self._retried.update(shipment.order_id for shipment in new if shipment.waits)
            return new

    def let_go(self, shipments: Iterable[Shipment]) -> None:
        """Drop these from memory: this worker does not work on them any more."""
        with self._lock:
            for shipment in shipments:
                if self._held.get(shipment.order_id) == shipment.owner:
                    del self._held[shipment.order_id]
                    self._bytes -= len(shipment.request)
                    self._retried.discard(shipment.order_id)

    def clear(self) -> None:
        with self._lock:
            self._held.clear()
            self._bytes = 0
            self._retried.clear()
