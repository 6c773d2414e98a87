"""Serves ASGI applications on sockets that were bound before anything else started, until told to stop."""

import asyncio
import socket
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from starlette.types import ASGIApp

from orderflow.direct import DirectRoute, protocol_for
from orderflow.runtime.signals import stopping_by
from orderflow.settings import SettingsError

DRAIN_S = 5
KEEP_ALIVE_S = 75
LISTEN_BACKLOG = 4096


class AddressUnavailable(SettingsError):
    """The port cannot be listened on; the text says which setting to change."""


def bind(host: str, port: int, setting: str) -> socket.socket:
    """A listening socket; port 0 takes a free one. Raises AddressUnavailable."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((host, port), family=family, backlog=LISTEN_BACKLOG)
    except OSError as error:
        raise AddressUnavailable(
            f"cannot listen on {host}:{port} ({error.strerror}): stop what uses it, or set {setting}"
        ) from None
    # A small answer must not wait for the acknowledgement of the one before.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Signals belong to the process, which drains all its parts in order."""
        yield


@asynccontextmanager
async def serving(
    app: ASGIApp, listener: socket.socket, *, direct: DirectRoute | None = None
) -> AsyncGenerator[None]:
    """Serve until the block ends, then stop accepting and finish what is under way, at most DRAIN_S long."""
    config = uvicorn.Config(
        app,
        loop="none",
        http="httptools" if direct is None else protocol_for(direct),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=DRAIN_S,
        backlog=LISTEN_BACKLOG,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield
    finally:
        server.should_exit = True
        await task


@contextmanager
def stop_on_signals(stop: asyncio.Event) -> Generator[None]:
    """SIGTERM and SIGINT set `stop`, whenever they come, and however often."""
    loop = asyncio.get_running_loop()
    with stopping_by(lambda: loop.call_soon_threadsafe(stop.set)):
        yield
