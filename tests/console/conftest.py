"""The console on a port of its own, beside real services."""

import http.client
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import urlencode

from starlette.responses import PlainTextResponse
from tests.orders.conftest import HOSTS
from tests.web.conftest import in_thread, listening

from orderflow.console.console import Console
from orderflow.contracts.scopes import OF_CUSTOMERS, Scope, granted
from orderflow.runtime.breakable import Breakable
from orderflow.runtime.health import Health
from orderflow.security.authentication import UNKNOWN
from orderflow.settings import Settings
from orderflow.web.front_door import EVERYONE, NOBODY, Authenticate, FrontDoor, Principal
from orderflow.web.server import bind, serving

NOWHERE = "http://127.0.0.1:9"
KEYS: dict[bytes | None, Principal] = {
    None: NOBODY,
    b"Bearer admin": Principal("ada", granted(frozenset((Scope.ADMIN,)))),
    b"Bearer shop": Principal("shop", OF_CUSTOMERS, "c-1"),
    b"Bearer desk": Principal("desk", OF_CUSTOMERS),
}


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    text: str


def asks_for_keys(authorization: bytes | None) -> Principal:
    return KEYS.get(authorization, UNKNOWN)


def ask(port: int, path: str, form: dict[str, str] | None = None, **headers: str) -> Answer:
    """GET, or POST a form as a browser does from a page of ours."""
    body = None
    if form is not None:
        body = urlencode(form)
        headers = {"Content-Type": "application/x-www-form-urlencoded", **headers}
        headers.setdefault("Origin", f"http://127.0.0.1:{port}")
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        given = {name.replace("_", "-"): value for name, value in headers.items() if value}
        connection.request("GET" if form is None else "POST", path, body, given)
        answer = connection.getresponse()
        text = answer.read().decode()
        return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, text)
    finally:
        connection.close()


class Stage(NamedTuple):
    console: int
    orders: int


@contextmanager
def console_beside(
    directory: Path,
    *,
    authenticate: Authenticate = lambda _authorization: EVERYONE,
    orders_url: str | None = None,
    fulfillment_url: str | None = None,
    settings: Mapping[str, object] = MappingProxyType({}),
    breakables: Sequence[Breakable] = (),
) -> Generator[Stage]:
    """The console beside an Order Service and a Fulfillment Service, each of which can be elsewhere."""
    for name in ("orders", "fulfillment"):
        (directory / name).mkdir(parents=True)
    signs_in = authenticate(None) is not EVERYONE
    with ExitStack() as stack:
        orders = stack.enter_context(listening("orders", directory / "orders", authenticate=authenticate))
        if fulfillment_url is None:
            port = stack.enter_context(
                listening("fulfillment", directory / "fulfillment", authenticate=authenticate)
            )
            fulfillment_url = f"http://127.0.0.1:{port}"
        given = Settings.model_validate({"auth": "on" if signs_in else "off", **settings})
        url = orders_url or f"http://127.0.0.1:{orders}"
        made = Console(given, url, fulfillment_url, breakables=breakables)
        listener = stack.enter_context(bind("127.0.0.1", 0, "port"))

        @asynccontextmanager
        async def served() -> AsyncGenerator[None]:
            async with (
                made.beside(PlainTextResponse("not of the console", 404), Health()) as app,
                serving(app, listener, door=FrontDoor(HOSTS, authenticate=authenticate), drain_s=2),
            ):
                yield

        stack.enter_context(in_thread(served))
        yield Stage(listener.getsockname()[1], orders)
