"""Serves ASGI applications, until told to stop, on sockets that were bound before anything else started."""

import asyncio
import gc
import socket
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from contextlib import asynccontextmanager, contextmanager
from email.utils import formatdate
from typing import Any

import uvloop
from starlette.types import ASGIApp

from orderflow.runtime.health import Health
from orderflow.runtime.processes import raise_open_files_limit
from orderflow.runtime.settings_error import SettingsError
from orderflow.runtime.signals import stopping_by
from orderflow.runtime.tls import CertificateKeeper, ServerTls
from orderflow.settings import Settings
from orderflow.web.connections import Connection
from orderflow.web.deadlines import Limits
from orderflow.web.exchanges import ShortWay
from orderflow.web.front_door import FrontDoor

ON_EVERY_ANSWER = b"x-content-type-options: nosniff\r\ncross-origin-resource-policy: same-origin\r\n"
"""No browser takes an answer for anything else than it says it is, or gives it to a page of another origin
that embeds it."""
ON_EVERY_ANSWER_BY_TLS = b"strict-transport-security: max-age=31536000\r\n"
"""For a year, browsers call this host by HTTPS alone (RFC 6797)."""
GC_THRESHOLDS = (10_000, 20, 20)
"""New objects before a collection, and how often older ones are examined: few of ours are in cycles."""

DRAIN_S = 5
LISTEN_BACKLOG = 4096


class AddressUnavailable(SettingsError):
    """We cannot listen on the port; the text says which setting to change."""


def bind(host: str, port: int, setting: str) -> socket.socket:
    """A listening socket; port 0 chooses a free port. Raises AddressUnavailable."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        both = host == "::" and socket.has_dualstack_ipv6()
        listener = socket.create_server(
            (host, port), family=family, backlog=LISTEN_BACKLOG, dualstack_ipv6=both
        )
    except (OSError, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "this is no host's name"
        raise AddressUnavailable(
            f"cannot listen on {host}:{port} ({why}): stop what uses it, or set ORDERFLOW_HOST or {setting}"
        ) from None
    # A small answer must not wait until the previous one is acknowledged.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def address(listener: socket.socket, *, https: bool = False) -> str:
    """The URL at which this machine reaches the listener."""
    scheme = "https" if https else "http"
    name: tuple[str, int] = listener.getsockname()[:2]
    host, port = name
    host = {"::": "::1", "0.0.0.0": "127.0.0.1"}.get(host, host)  # noqa: S104 - a name of every address
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def server_tls(settings: Settings) -> ServerTls | None:
    """How our listeners identify themselves; None if they speak plain HTTP. Raises SettingsError for files
    that cannot be used."""
    if settings.tls_cert is None or settings.tls_key is None:
        return None
    return ServerTls(settings.tls_cert, settings.tls_key, settings.tls_client_ca)


class Server:
    """What the connections of a listener share. Every request passes `door`; `short_way` answers some
    requests without the application."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        door: FrontDoor | None = None,
        short_way: ShortWay | None = None,
        limits: Limits | None = None,
        speaks_tls: bool = False,
    ) -> None:
        self.app = app
        self.door = door or FrontDoor()
        self.short_way = short_way
        self.limits = limits or Limits()
        self._on_every_answer = ON_EVERY_ANSWER + (
            ON_EVERY_ANSWER_BY_TLS if speaks_tls or self.door.behind_proxy else b""
        )
        self.connections: set[Connection] = set()
        self.tasks: set[asyncio.Task[None]] = set()
        self.dated = b""
        self.unread_bytes = 0
        self.is_draining = False
        self._clock: asyncio.TimerHandle | None = None

    def tell_time(self) -> None:
        """Render the headers of all answers, now and every second."""
        self.dated = f"date: {formatdate(usegmt=True)}\r\n".encode() + self._on_every_answer
        self._clock = asyncio.get_running_loop().call_later(1.0, self.tell_time)

    async def drain(self, seconds_max: float) -> None:
        """Answer the requests that are under way, and cut off those that take longer than `seconds_max`."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds_max
        self.is_draining = True
        for connection in list(self.connections):
            connection.shut_down()
        while self.connections and loop.time() < deadline:  # noqa: ASYNC110 - it is looked at once in a life
            await asyncio.sleep(0.01)
        for task in list(self.tasks):
            task.cancel()
        for connection in list(self.connections):
            connection.abort()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        if self._clock is not None:
            self._clock.cancel()


@asynccontextmanager
async def serving(
    app: ASGIApp,
    listener: socket.socket,
    *,
    door: FrontDoor | None = None,
    short_way: ShortWay | None = None,
    limits: Limits | None = None,
    tls: ServerTls | None = None,
    health: Health | None = None,
    drain_s: float = DRAIN_S,
) -> AsyncGenerator[None]:
    """Serve until the block ends, by HTTPS if there is `tls`. Then stop accepting, and finish what is under
    way within `drain_s` seconds. Renewed files of `tls` are taken up, or reported to `health`."""
    server = Server(app, door=door, short_way=short_way, limits=limits, speaks_tls=tls is not None)
    server.tell_time()
    accepting = await asyncio.get_running_loop().create_server(
        lambda: Connection(server),
        sock=listener,
        backlog=LISTEN_BACKLOG,
        ssl=tls.context if tls else None,
        ssl_handshake_timeout=server.limits.handshake_s if tls else None,
        # Closing a TLS connection begins with sending what is left of the answer.
        ssl_shutdown_timeout=server.limits.reading_s if tls else None,
    )
    keeper = CertificateKeeper(tls, health=health or Health()) if tls else None
    if keeper:
        keeper.start()
    try:
        yield
    finally:
        if keeper:
            keeper.close()
        accepting.close()
        await server.drain(drain_s)


@contextmanager
def stop_on_signals(stop: asyncio.Event) -> Generator[None]:
    """SIGTERM and SIGINT set `stop`, whenever they come and however often."""
    loop = asyncio.get_running_loop()
    with stopping_by(lambda: loop.call_soon_threadsafe(stop.set)):
        yield


def run_until_signal(main: Callable[[asyncio.Event], Coroutine[Any, Any, None]]) -> int:
    """Run `main`, the whole of a server's process, until it ends; SIGTERM and SIGINT set its event. Returns
    the exit code."""

    async def until_signal() -> None:
        stop = asyncio.Event()
        with stop_on_signals(stop):
            await main(stop)

    raise_open_files_limit()
    # Objects that live as long as the process need not be examined by every collection.
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(until_signal())
    return 0
