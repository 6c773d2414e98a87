"""A TCP proxy between two parts; it cuts, delays and freezes what passes, at the moment that hurts most."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Literal

CutPlace = Literal["before", "after"]

_CHUNK_BYTES = 256 * 1024


class _Cut(Exception):
    """The connection ends here."""


class Proxy:
    """Listens on a free port and passes each connection on to one of `targets()`, in turn.

    A connection for which no target answers is closed, as if the process behind it was down.
    """

    def __init__(
        self, name: str, targets: Callable[[], list[int]], *, needle: bytes = b"", host: str = "127.0.0.1"
    ) -> None:
        """`needle`: a request counts as dangerous only if it contains this. `host`: where the targets are."""
        self.name = name
        self.port = 0
        self._host = host
        self._targets = targets
        self._needle = needle
        self._turn = 0
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._passing = asyncio.Event()
        self._passing.set()
        self._delay_s = 0.0
        self._cut_place: CutPlace | None = None
        self._cuts_left = 0
        self._hold_s = 0.0
        self._holds_left = 0
        self._done = asyncio.Event()

    async def start(self, port: int = 0) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port, backlog=1024)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        self.heal()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def heal(self) -> None:
        self._delay_s = 0.0
        self._cut_place = None
        self._holds_left = 0
        self._passing.set()

    def drop_all(self) -> int:
        """Cut every connection now, and return the number of connection ends."""
        connections = list(self._connections)
        for writer in connections:
            writer.transport.abort()
        return len(connections)

    async def cut(self, place: CutPlace, times: int, seconds_max: float) -> int:
        """Cut the next `times` connections on which a dangerous request passes, before either the request or
        its answer arrives. Returns how many were cut within `seconds_max`."""
        self._cut_place, self._cuts_left = place, times
        self._done.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds_max):
                await self._done.wait()
        self._cut_place = None
        return times - self._cuts_left

    async def hold(self, seconds: float, seconds_max: float) -> int:
        """Delay the next dangerous request by `seconds`. Returns 1 if one came within `seconds_max`, else
        0."""
        self._hold_s, self._holds_left = seconds, 1
        self._done.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds_max):
                await self._done.wait()
        held, self._holds_left = 1 - self._holds_left, 0
        await asyncio.sleep(seconds if held else 0)
        return held

    async def freeze(self, seconds: float) -> None:
        """Let nothing pass and close nothing for `seconds`: a network partition that heals."""
        self._passing.clear()
        try:
            await asyncio.sleep(seconds)
        finally:
            self._passing.set()

    async def delay(self, seconds: float, each_s: float) -> None:
        """For `seconds`, delay everything by `each_s` in each direction."""
        self._delay_s = each_s
        try:
            await asyncio.sleep(seconds)
        finally:
            self._delay_s = 0.0

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        target: asyncio.StreamWriter | None = None
        try:
            await self._passing.wait()
            target_reader, target = await self._connect()
            self._connections |= {writer, target}
            answering = _Answering()
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(reader, target, answering, up=True))
                group.create_task(self._pump(target_reader, writer, answering, up=False))
        except* (OSError, RuntimeError, _Cut):
            pass  # RuntimeError: the connection was cut while data was being written to it
        finally:
            for side in (writer, target):
                if side is not None:
                    self._connections.discard(side)
                    side.transport.abort()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        targets = self._targets()
        for _ in targets:
            self._turn += 1
            try:
                return await asyncio.open_connection(self._host, targets[self._turn % len(targets)])
            except OSError:
                continue
        raise ConnectionRefusedError

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answering: "_Answering", *, up: bool
    ) -> None:
        while chunk := await reader.read(_CHUNK_BYTES):
            if self._delay_s:
                await asyncio.sleep(self._delay_s)
            if up and self._needle in chunk:
                await self._before_request(answering)
            elif not up and answering.doomed:
                raise _Cut
            await self._passing.wait()
            writer.write(chunk)
            await writer.drain()
        raise _Cut

    async def _before_request(self, answering: "_Answering") -> None:
        if self._cut_place is not None and self._cuts_left:
            self._cuts_left -= 1
            if self._cuts_left == 0:
                self._done.set()
            if self._cut_place == "before":
                raise _Cut
            answering.doomed = True
        elif self._holds_left:
            self._holds_left -= 1
            self._done.set()
            await asyncio.sleep(self._hold_s)


class _Answering:
    """Whether the answer to the request under way must not arrive."""

    def __init__(self) -> None:
        self.doomed = False
