"""What a connection sends, and what becomes of it where the client does not read."""

import asyncio
from typing import Any, Protocol

UNREAD_BYTES_MAX = 256 << 20
"""Of all answers that clients have not read yet: one that makes them more is cut off."""


class Unread(Protocol):
    """Counts for all connections of a server."""

    unread_bytes: int


class Outlet:
    """What is sent stays in memory until it is read: for `reading_s` at most, and as much as all may have."""

    transport: Any

    def __init__(self, unread: Unread, reading_s: float) -> None:
        self._all = unread
        self._reading_s = reading_s
        self._own_bytes = 0
        self._drained: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_full(self) -> bool:
        return self._drained is not None

    def write(self, data: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(data)

    async def writable(self) -> None:
        """Returns when the client has read enough for more, or is gone."""
        if self._drained is not None:
            await asyncio.shield(self._drained)

    def fill(self) -> None:
        loop = asyncio.get_running_loop()
        self._drained = loop.create_future()
        self._timer = loop.call_later(self._reading_s, self.transport.abort)
        self._own_bytes = self.transport.get_write_buffer_size()
        self._all.unread_bytes += self._own_bytes
        if self._all.unread_bytes > UNREAD_BYTES_MAX:
            loop.call_soon(self.transport.abort)

    def drain(self) -> None:
        self._all.unread_bytes -= self._own_bytes
        self._own_bytes = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        drained, self._drained = self._drained, None
        if drained is not None and not drained.done():
            drained.set_result(None)
