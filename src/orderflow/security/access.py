"""What a running service needs to tell callers apart."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import sqlalchemy as sa

from orderflow.contracts.scopes import OF_WORKERS
from orderflow.database.engine import Database
from orderflow.runtime.health import Health
from orderflow.runtime.tls import ClientTls
from orderflow.security.authentication import Authentication
from orderflow.security.key_ring import KeyRing
from orderflow.security.rate_limits import RateLimits
from orderflow.security.signing_keys import SigningKeys, fetching
from orderflow.security.tokens import Tokens
from orderflow.settings import Settings
from orderflow.settings.rates import parse_rates
from orderflow.web.front_door import Admit, FrontDoor, Principal

WORKER = "fulfillment-worker"
"""What the timeline calls a worker that has no key of its own, because it runs in the same process."""


def rate_limits(settings: Settings) -> Admit | None:
    """What limits callers and addresses, if the settings do. Processes that are forked later share it."""
    rates = parse_rates(settings.rate_limit)
    return RateLimits(rates, behind_proxy=settings.behind_proxy).wait_s if rates else None


@asynccontextmanager
async def front_door(
    settings: Settings,
    database: Database,
    table: sa.Table,
    health: Health,
    own_keys: Sequence[str] = (),
    *,
    admit: Admit | None = None,
) -> AsyncGenerator[FrontDoor]:
    """The front door of a service, whose keys are in this table, while the block runs. `own_keys` are of this
    process's own worker."""
    if not settings.asks_who_calls:
        yield FrontDoor(
            settings.own_hosts,
            cors_origins=settings.cors_origin_list,
            admit=admit,
            behind_proxy=settings.behind_proxy,
        )
        return
    worker = Principal(WORKER, OF_WORKERS)
    key_ring = KeyRing(database, table, health, own=[(key, worker) for key in own_keys])
    await asyncio.to_thread(key_ring.refresh)
    key_ring.loop.start()
    try:
        async with _tokens(settings, health) as tokens:
            yield FrontDoor(
                settings.own_hosts,
                authenticate=Authentication(key_ring, tokens).authenticate,
                cors_origins=settings.cors_origin_list,
                admit=admit,
                behind_proxy=settings.behind_proxy,
            )
    finally:
        key_ring.loop.stop()
        await asyncio.to_thread(key_ring.loop.join)


@asynccontextmanager
async def _tokens(settings: Settings, health: Health) -> AsyncGenerator[Tokens | None]:
    """What verifies tokens while the block runs, if the settings name an issuer."""
    url, issuer, audience = settings.jwt_jwks_url, settings.jwt_issuer, settings.jwt_audience
    if url is None or issuer is None or audience is None:
        yield None
        return
    keys = SigningKeys(fetching(url, ClientTls(settings.ca)), health)
    await keys.refresh()
    keys.loop.start()
    try:
        yield Tokens(keys, issuer=issuer, audience=audience)
    finally:
        await keys.loop.stop()
