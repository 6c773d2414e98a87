"""A service's front door knows its callers by keys and by tokens, as its settings say."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from tests.security.conftest import stored
from tests.security.test_tokens import AUDIENCE, ISSUER, KEYS, signed

from orderflow.contracts.scopes import EVERY_SCOPE, Scope
from orderflow.database.engine import Database
from orderflow.orders.tables import api_keys
from orderflow.runtime.health import Health
from orderflow.security import keys
from orderflow.security.access import WORKER, front_door
from orderflow.settings import Settings, SettingsError, load
from orderflow.web.front_door import Caller, Denial, FrontDoor, Principal


def caller(door: FrontDoor, authorization: bytes | None) -> Principal:
    headers = {} if authorization is None else {b"authorization": authorization}
    met = door.begin(b"GET", headers)
    assert isinstance(met, Caller)
    assert met.name == met.principal.name
    return met.principal


@asynccontextmanager
async def key_server() -> AsyncGenerator[str]:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(body=KEYS)

    app = web.Application()
    app.router.add_get("/keys", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    try:
        yield f"http://{host}:{port}/keys"
    finally:
        await runner.cleanup()


def settings(**given: Any) -> Settings:
    return Settings.model_validate({"auth": "on", **given})


def with_door(
    database: Database,
    scenario: Callable[[FrontDoor], Awaitable[None]],
    *,
    own_keys: tuple[str, ...] = (),
    **given: Any,
) -> None:
    async def run() -> None:
        health = Health()
        async with front_door(settings(**given), database, api_keys, health, own_keys) as door:
            await scenario(door)
        health.check()

    asyncio.run(run())


def test_a_key_is_known_in_every_spelling_of_the_scheme(database: Database) -> None:
    key = stored(database, Scope.ORDERS_READ, name="shop").encode()

    async def scenario(door: FrontDoor) -> None:
        for header in (b"Bearer " + key, b"bearer " + key, b"BEARER  " + key):
            assert caller(door, header) == Principal("shop", frozenset((Scope.ORDERS_READ,)))
        for header in (b"Basic " + key, key, b"Bearer", b"Bearer ", b"", b"Bearer " + key + b", " + key):
            assert caller(door, header).denial is Denial.INVALID
        assert caller(door, None).denial is Denial.MISSING

    with_door(database, scenario)


def test_the_process_knows_its_own_worker(database: Database) -> None:
    own = keys.new_text()

    async def scenario(door: FrontDoor) -> None:
        assert caller(door, b"Bearer " + own.encode()) == Principal(WORKER, frozenset((Scope.ORDERS_STATUS,)))

    with_door(database, scenario, own_keys=(own,))


def test_without_questions_everyone_may_do_everything(database: Database) -> None:
    async def scenario(door: FrontDoor) -> None:
        for header in (None, b"Bearer nonsense"):
            assert caller(door, header) == Principal("anonymous", EVERY_SCOPE)

    with_door(database, scenario, auth="off")


def test_tokens_are_known_beside_keys_if_an_issuer_is_named(database: Database) -> None:
    key = stored(database, Scope.ORDERS_READ, name="shop")
    token = signed()

    async def scenario() -> None:
        async with key_server() as url:
            named = settings(jwt_issuer=ISSUER, jwt_audience=AUDIENCE, jwt_jwks_url=url)
            async with front_door(named, database, api_keys, Health()) as door:
                assert caller(door, b"Bearer " + token).name == "jwt:ada"
                assert caller(door, b"Bearer " + key.encode()).name == "shop"
                assert caller(door, b"Bearer " + token[:-9]).denial is Denial.INVALID
        async with front_door(settings(), database, api_keys, Health()) as door:
            assert caller(door, b"Bearer " + token).denial is Denial.INVALID

    asyncio.run(scenario())


@pytest.mark.parametrize("auth", ["on", "off"])
@pytest.mark.parametrize("behind_proxy", [True, False])
def test_the_door_knows_of_a_proxy_in_front(auth: str, behind_proxy: bool, database: Database) -> None:
    async def scenario(door: FrontDoor) -> None:
        assert door.behind_proxy is behind_proxy

    with_door(database, scenario, auth=auth, behind_proxy=behind_proxy)


def test_an_issuer_that_is_away_keeps_no_service_from_starting(database: Database) -> None:
    key = stored(database, Scope.ORDERS_READ, name="shop")

    async def scenario(door: FrontDoor) -> None:
        assert caller(door, b"Bearer " + signed()).denial is Denial.UNDECIDED
        assert caller(door, b"Bearer " + key.encode()).name == "shop"

    with_door(
        database,
        scenario,
        jwt_issuer=ISSUER,
        jwt_audience=AUDIENCE,
        jwt_jwks_url="http://127.0.0.1:9/keys",
    )


RIGHT = {"JWT_ISSUER": ISSUER, "JWT_AUDIENCE": AUDIENCE, "JWT_JWKS_URL": "https://login.example/keys?p=1"}


def loaded(**given: str) -> Settings:
    return load({f"ORDERFLOW_{name}": value for name, value in given.items()})


@pytest.mark.parametrize("missing", RIGHT)
def test_the_three_settings_of_tokens_belong_together(missing: str) -> None:
    assert loaded(**RIGHT).jwt_jwks_url == RIGHT["JWT_JWKS_URL"]
    with pytest.raises(SettingsError, match=f"ORDERFLOW_{missing}"):
        loaded(**{name: value for name, value in RIGHT.items() if name != missing})


@pytest.mark.parametrize(
    "url",
    ["http://login.example/keys", "file:///keys", "https://", "https://u:p@h/keys", "keys", "http://[::1"],
)
def test_keys_come_from_where_nobody_can_change_them(url: str) -> None:
    with pytest.raises(SettingsError, match="ORDERFLOW_JWT_JWKS_URL"):
        loaded(**{**RIGHT, "JWT_JWKS_URL": url})
    for local in ("http://127.0.0.1:9/keys", "http://localhost/keys", "http://[::1]:9/keys"):
        assert loaded(**{**RIGHT, "JWT_JWKS_URL": local}).jwt_jwks_url == local
