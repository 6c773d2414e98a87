"""The issuer's keys are fetched when they are needed, and no more often, whatever tokens say."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt import PyJWK
from tests.security.test_tokens import EC, ED, RSA, STRANGER, jwk, key_set, signed

from orderflow.runtime.health import Health
from orderflow.runtime.tls import ClientTls
from orderflow.security.signing_keys import (
    FETCH_PAUSE_S_MIN,
    FETCHED_BYTES_MAX,
    PART,
    REFRESH_S,
    STALE_S_MAX,
    SigningKeys,
    fetching,
    usable_keys,
)
from orderflow.security.tokens import Tokens
from orderflow.web.front_door import Denial


class Issuer:
    """A source of keys whose document and clock the test changes."""

    def __init__(self) -> None:
        self.document = key_set(jwk(RSA, "old"))
        self.fetches = 0
        self.down = False
        self.now_s = 1_000.0
        self.health = Health()
        self.keys = SigningKeys(self.fetch, self.health, monotonic=lambda: self.now_s)

    async def fetch(self) -> bytes:
        self.fetches += 1
        if self.down:
            raise OSError("it is away")
        return self.document


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


def found(keys: SigningKeys, kid: str) -> bool:
    return isinstance(keys.find(kid), PyJWK)


def test_a_new_key_is_fetched_when_a_token_names_it(issuer: Issuer) -> None:
    async def scenario() -> None:
        await issuer.keys.refresh()
        assert found(issuer.keys, "old")
        issuer.document = key_set(jwk(EC, "new"))
        issuer.now_s += FETCH_PAUSE_S_MIN
        issuer.keys.loop.start()
        await asyncio.sleep(0.05)
        assert issuer.fetches == 1, "nobody has asked yet"
        assert issuer.keys.find("new") is Denial.UNDECIDED
        await asyncio.sleep(0.05)
        assert found(issuer.keys, "new")
        assert issuer.keys.find("old") is Denial.INVALID, "it was withdrawn"
        await issuer.keys.loop.stop()

    asyncio.run(scenario())


@pytest.mark.parametrize("down", [False, True])
def test_a_flood_of_unknown_keys_makes_one_fetch_at_a_time(issuer: Issuer, down: bool) -> None:
    async def scenario() -> None:
        await issuer.keys.refresh()
        issuer.down = down
        issuer.keys.loop.start()
        for second in range(100):
            for number in range(100):
                assert isinstance(issuer.keys.find(f"{second}-{number}"), Denial)
            assert found(issuer.keys, "old"), "those who have a key are not disturbed"
            await asyncio.sleep(0.001)
            issuer.now_s += 1
        await issuer.keys.loop.stop()

    asyncio.run(scenario())
    assert issuer.fetches <= 1 + 100 / FETCH_PAUSE_S_MIN


def test_a_key_that_was_asked_for_in_vain_is_refused(issuer: Issuer) -> None:
    asyncio.run(issuer.keys.refresh())
    assert issuer.keys.find("bogus") is Denial.INVALID


def test_known_keys_outlive_an_outage_for_a_while(issuer: Issuer) -> None:
    asyncio.run(issuer.keys.refresh())
    issuer.down = True
    issuer.now_s += STALE_S_MAX
    asyncio.run(issuer.keys.refresh())
    assert issuer.health.is_degraded(PART)
    assert found(issuer.keys, "old")
    issuer.now_s += 0.1
    assert issuer.keys.find("old") is issuer.keys.find("bogus") is Denial.UNDECIDED
    issuer.down = False
    asyncio.run(issuer.keys.refresh())
    assert found(issuer.keys, "old")
    assert not issuer.health.is_degraded(PART)


def test_keys_are_fetched_again_by_themselves(issuer: Issuer) -> None:
    async def scenario() -> None:
        await issuer.keys.refresh()
        issuer.now_s += REFRESH_S
        issuer.keys.loop.start()
        await asyncio.sleep(0.05)
        await issuer.keys.loop.stop()

    asyncio.run(scenario())
    assert issuer.fetches == 2


def test_a_token_whose_key_was_withdrawn_is_no_longer_remembered(issuer: Issuer) -> None:
    tokens = Tokens(issuer.keys, issuer="https://login.example", audience="orderflow")
    asyncio.run(issuer.keys.refresh())
    token = signed(header={"kid": "old"})
    assert tokens.find(token).denial is None
    issuer.document = key_set(jwk(EC, "new"))
    asyncio.run(issuer.keys.refresh())
    assert tokens.find(token).denial is Denial.INVALID


def test_keys_that_verify_nothing_safely_are_left_out() -> None:
    private = json.loads(json.dumps(jwk(RSA, "private"))) | {"d": "AQAB"}
    small = rsa.generate_private_key(65_537, 1_024)  # noqa: S505 - that is what it is about
    secret: dict[str, Any] = {"kty": "oct", "k": "c2VjcmV0", "kid": "secret"}
    document = key_set(
        jwk(RSA, "rsa"),
        jwk(ED, "ed"),
        jwk(STRANGER, "for encryption", use="enc"),
        jwk(small, "small"),
        secret,
        {**secret, "alg": "HS256", "kid": "secret-2"},
        {**jwk(RSA, "confused"), "alg": "HS256"},
        {**jwk(RSA, "none"), "alg": "none"},
        private,
        {"kty": "RSA", "kid": "broken"},
        {"kty": "unknown", "kid": "unknown"},
        {name: value for name, value in jwk(RSA, "x").items() if name != "kid"},
    )
    assert usable_keys(document).keys() == {"rsa", "ed"}


@pytest.mark.parametrize(
    "document", [b"", b"{}", b"[]", b'{"keys":7}', b'{"keys":[]}', b'{"keys":[7]}', b"[" * 5_000]
)
def test_what_is_no_key_set_changes_nothing(issuer: Issuer, document: bytes) -> None:
    asyncio.run(issuer.keys.refresh())
    issuer.document = document
    asyncio.run(issuer.keys.refresh())
    assert issuer.health.is_degraded(PART)
    assert found(issuer.keys, "old")


def served(answer: Callable[[web.Request], web.Response]) -> bytes:
    """What is fetched from a server with this answer."""

    async def run() -> bytes:
        app = web.Application()

        async def handle(request: web.Request) -> web.Response:
            return answer(request)

        app.router.add_get("/{any:.*}", handle)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        try:
            host, port = runner.addresses[0][:2]
            return await fetching(f"http://{host}:{port}/keys", ClientTls())()
        finally:
            await runner.cleanup()

    return asyncio.run(run())


def test_the_document_is_fetched_whole_and_no_larger_than_it_may_be() -> None:
    assert served(lambda _: web.Response(body=b"x" * FETCHED_BYTES_MAX)) == b"x" * FETCHED_BYTES_MAX
    with pytest.raises(ValueError, match="more than"):
        served(lambda _: web.Response(body=b"x" * (FETCHED_BYTES_MAX + 1)))


def test_only_the_address_itself_is_asked() -> None:
    def redirect(request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": str(request.url.with_path("/elsewhere"))})

    with pytest.raises(ValueError, match="302"):
        served(redirect)
    with pytest.raises(ValueError, match="500"):
        served(lambda _: web.Response(status=500))


def test_an_address_where_nobody_answers_is_an_outage() -> None:
    with pytest.raises(aiohttp.ClientError):
        asyncio.run(fetching("http://127.0.0.1:9/keys", ClientTls())())
