"""The direct way from the writer to the relay of the same process, past the outbox table."""

from collections import deque
from collections.abc import Callable, Sequence

from orderflow.orders.outbox import OutboxRow

ROWS_MAX = 2_000


class HandOff:
    """Events that this process has committed and leased for its own relay, which takes them from here.

    `is_open` says whether the relay wants events now; `on_put` wakes it. Any thread may call the methods.
    """

    def __init__(self, *, is_open: Callable[[], bool], on_put: Callable[[], object]) -> None:
        self._rows: deque[OutboxRow] = deque()
        self._is_open = is_open
        self._on_put = on_put

    def __len__(self) -> int:
        return len(self._rows)

    def has_room(self, rows: int) -> bool:
        """Whether there is room for this many more rows. The transaction that leases them asks this."""
        return len(self._rows) + rows <= ROWS_MAX and self._is_open()

    def put(self, rows: Sequence[OutboxRow]) -> None:
        """Add rows that were committed with a lease."""
        if rows:
            self._rows.extend(rows)
            self._on_put()

    def take(self) -> list[OutboxRow]:
        """Remove all rows and return them."""
        return [self._rows.popleft() for _ in range(len(self._rows))]
