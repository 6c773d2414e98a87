"""Looks names up in threads of its own: a look-up cannot be cancelled, and one that hangs must hold up
neither those of others nor the end of the process."""

import asyncio
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

THREADS_MAX = 200
"""As many names as all endpoints may have, and some that are being added."""

Found = Sequence[tuple[int, int, int, str, Any]]
"""As `socket.getaddrinfo` returns it."""
Ask = Callable[..., Found]


class Names(AbstractResolver):
    """It belongs to one event loop. `ask` answers as `socket.getaddrinfo`, and may take its time."""

    def __init__(self, ask: Ask = socket.getaddrinfo) -> None:
        self._ask = ask
        self._threads = 0

    async def look_up(self, host: str, port: int | None) -> Found:
        """Raises OSError and UnicodeError."""
        if self._threads >= THREADS_MAX:
            raise OSError("too many names are being looked up")
        loop = asyncio.get_running_loop()
        found: asyncio.Future[Found] = loop.create_future()

        def end(settle: Callable[[], object]) -> None:
            self._threads -= 1
            if not found.done():
                settle()

        def look() -> None:
            try:
                result = self._ask(host, port, type=socket.SOCK_STREAM)
            except (OSError, UnicodeError) as error:
                settle = partial(found.set_exception, error)
            else:
                settle = partial(found.set_result, result)
            with suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(end, settle)

        self._threads += 1
        threading.Thread(target=look, name="webhooks-name", daemon=True).start()
        return await found

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self.look_up(host, port)
        return [
            ResolveResult(
                hostname=host,
                host=_numeric(address),
                port=port,
                family=kind,
                proto=protocol,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for kind, _, protocol, _, address in found
            if family in (socket.AF_UNSPEC, kind)
        ]

    async def close(self) -> None: ...


def _numeric(address: tuple[Any, ...]) -> str:
    """With its interface, which an address within one network alone needs."""
    return socket.getnameinfo(address, socket.NI_NUMERICHOST | socket.NI_NUMERICSERV)[0]
