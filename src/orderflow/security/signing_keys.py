"""The public keys of whoever issues tokens (JSON Web Key Set, RFC 7517), kept up to date by a loop.

No request waits for a fetch, and a flood of tokens with unknown keys makes no flood of fetches.
"""

import time
from collections.abc import Callable, Coroutine
from math import inf
from typing import Any

import aiohttp
from jwt import PyJWK
from jwt.exceptions import PyJWTError
from pydantic import BaseModel, TypeAdapter, ValidationError

from orderflow.runtime.health import Health
from orderflow.runtime.loop import TaskLoop
from orderflow.runtime.masking import mask_urls
from orderflow.runtime.tls import ClientTls, tls_trouble
from orderflow.web.front_door import Denial

ALGORITHMS = frozenset(
    ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
)
"""Signatures that only the holder of a private key can make."""
REFRESH_S = 300.0
FETCH_PAUSE_S_MIN = 10.0
"""No two fetches are closer together, whatever tokens come and whatever the fetches bring."""
STALE_S_MAX = 3_600.0
"""How long keys are still accepted while they cannot be fetched."""
FETCH_TIMEOUT_S = 5.0
FETCHED_BYTES_MAX = 256 * 1024
KEYS_MAX = 100
RSA_BITS_MIN = 2_048
LOOP = "signing-keys"
PART = "token-keys"
"""What health calls the keys while they cannot be fetched."""

FETCH_ERRORS = (aiohttp.ClientError, OSError, TimeoutError, ValueError)

Fetch = Callable[[], Coroutine[Any, Any, bytes]]


class _KeySet(BaseModel):
    keys: list[dict[str, Any]]


_KEY_SET: TypeAdapter[_KeySet] = TypeAdapter(_KeySet)


class SigningKeys:
    """The keys at an address, by key id. `fetch` gets the document, and raises FETCH_ERRORS;
    `monotonic` gives seconds. Everything runs on one event loop."""

    def __init__(
        self, fetch: Fetch, health: Health, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._fetch = fetch
        self._health = health
        self._monotonic = monotonic
        self._keys: dict[str, PyJWK] = {}
        self._tried_at = self._fetched_at = -inf
        self._is_wanted = False
        self.version = 0
        """Changes with every fetch that succeeds."""
        self.loop = TaskLoop(LOOP, self.refresh, health=health, pause_s=self._pause_s, on_failure="try again")

    def find(self, kid: str) -> PyJWK | Denial:
        """The key. An unknown one is fetched soon, unless the last fetch is younger than FETCH_PAUSE_S_MIN;
        until then nobody can tell."""
        now = self._monotonic()
        is_stale = now > self._fetched_at + STALE_S_MAX
        if not is_stale and kid in self._keys:
            return self._keys[kid]
        if now < self._tried_at + FETCH_PAUSE_S_MIN:
            return Denial.UNDECIDED if is_stale else Denial.INVALID
        self._is_wanted = True
        self.loop.wake()
        return Denial.UNDECIDED

    async def refresh(self) -> None:
        """Fetch the keys. If that fails, those that are known stay."""
        self._is_wanted = False
        self._tried_at = self._monotonic()
        try:
            self._keys = usable_keys(await self._fetch())
        except FETCH_ERRORS as error:
            self._health.trouble(PART, f"the keys of tokens cannot be fetched: {why_not(error)}")
        else:
            self._fetched_at = self._tried_at
            self.version += 1
            self._health.recovered(PART)

    def _pause_s(self) -> float:
        now = self._monotonic()
        if self._is_wanted or self._fetched_at < self._tried_at:
            return max(0.0, self._tried_at + FETCH_PAUSE_S_MIN - now)
        return max(0.0, self._tried_at + REFRESH_S - now)


def why_not(error: Exception) -> str:
    """Why a fetch failed, for people to read."""
    return tls_trouble(error) or mask_urls(str(error)) or type(error).__name__


def usable_keys(document: bytes) -> dict[str, PyJWK]:
    """The keys in the document that can verify signatures of ALGORITHMS, by key id. A key is used with one
    algorithm only: its own `alg`, or the usual one of its type. Raises ValueError if there are none."""
    try:
        listed = _KEY_SET.validate_json(document).keys
    except ValidationError:
        raise ValueError("it is no key set") from None
    found: dict[str, PyJWK] = {}
    for each in listed[:KEYS_MAX]:
        if (key := _usable(each)) is not None:
            found[each["kid"]] = key
    if not found:
        raise ValueError("there is no usable key in it")
    return found


def _usable(described: dict[str, Any]) -> PyJWK | None:
    # A published private key can be used by everybody.
    if not isinstance(described.get("kid"), str) or described.get("use", "sig") != "sig" or "d" in described:
        return None
    try:
        if described.get("alg", "RS256") not in ALGORITHMS:
            return None
        key = PyJWK(described)
    except (PyJWTError, TypeError, ValueError):
        return None
    if key.algorithm_name not in ALGORITHMS:
        return None
    return None if described["kty"] == "RSA" and key.key.key_size < RSA_BITS_MIN else key


def fetching(url: str, tls: ClientTls) -> Fetch:
    """Gets the document at this address. It follows no redirects, which could lead to another host."""

    async def fetch() -> bytes:
        timeout = aiohttp.ClientTimeout(total=FETCH_TIMEOUT_S)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(url, allow_redirects=False, ssl=tls.context) as response,
        ):
            if response.status != 200:
                raise ValueError(f"{url} answers with {response.status}")
            document = await response.content.read(FETCHED_BYTES_MAX + 1)
            while len(document) <= FETCHED_BYTES_MAX and (
                more := await response.content.read(FETCHED_BYTES_MAX)
            ):
                document += more
            if len(document) > FETCHED_BYTES_MAX:
                raise ValueError(f"{url} answers with more than {FETCHED_BYTES_MAX} bytes")
            return document

    return fetch
