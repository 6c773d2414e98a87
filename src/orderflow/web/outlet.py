"""What a connection sends, and what happens if the client does not read it."""

import asyncio
from typing import Any, Protocol

UNREAD_BYTES_HIGH = 64 * 1024
"""With so many unread bytes on one connection, no more is written to it for the moment."""

UNREAD_BYTES_MAX = 256 << 20
"""The bytes of all answers together that clients have not read yet. A client that takes them over this is cut
off."""


class Unread(Protocol):
    """A count over all connections of a server."""

    unread_bytes: int


class Outlet:
    """Sends the data of one connection. Unread data stays in memory for `reading_s` seconds at most, and
    within UNREAD_BYTES_MAX for all connections together; otherwise the connection is cut off."""

    transport: Any

    def __init__(self, unread: Unread, reading_s: float) -> None:
        self._all = unread
        self._reading_s = reading_s
        self._own_bytes = 0
        self._drained: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def open(self, transport: Any) -> None:
        self.transport = transport
        transport.set_write_buffer_limits(high=UNREAD_BYTES_HIGH)  # by default, TLS buffers more

    @property
    def is_full(self) -> bool:
        return self._drained is not None

    def write(self, data: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(data)

    async def writable(self) -> None:
        """Returns when the client has read enough for more to be written, or is gone."""
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
