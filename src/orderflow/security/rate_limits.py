"""Limits how many requests each caller and each address may send.

Everyone has a bucket of tokens, which holds as many as the rate has requests, and refills steadily. The
buckets are in memory that processes share if they are forked after it was made. Nothing locks a bucket: when
two processes take from the same one within the same microsecond, one request too many may pass.
"""

import secrets
import time
from collections.abc import Callable, Mapping
from hashlib import blake2b
from ipaddress import IPv6Address, ip_address
from mmap import mmap

from orderflow.settings.rates import Rate, Rates
from orderflow.web.front_door import ANONYMOUS, Principal

SETS = 16_384
WAYS = 4
"""A bucket may be in any of the four places of its set. If others have them all, it takes the place of the
fullest bucket there, which is forgotten: its owner has a full one again."""
REMEMBERED_MAX = 20_000
"""Owners whose place a process remembers."""


class RateLimits:
    """The buckets of one role. `monotonic` gives seconds of a clock that all processes of the machine share.

    `behind_proxy` says that the last address of `X-Forwarded-For` is who has sent a request: our own proxy
    has added it.
    """

    def __init__(
        self,
        rates: Rates,
        *,
        behind_proxy: bool = False,
        sets: int = SETS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._key, self._address = rates.get("key"), rates.get("address")
        self._behind_proxy = behind_proxy
        self._sets = sets
        self._monotonic = monotonic
        memory = memoryview(mmap(-1, 16 * sets * WAYS))
        half = 8 * sets * WAYS
        self._owners = memory[:half].cast("Q")
        self._full_at = memory[half:].cast("d")
        """When each bucket will be full of tokens again: the more tokens are taken, the later."""
        self._salt = secrets.token_bytes(16)
        self._places: dict[str, tuple[int, int]] = {}

    def wait_s(self, principal: Principal, address: str, headers: Mapping[bytes, bytes]) -> float:
        """How many seconds the sender has to wait; 0 lets the request pass."""
        wait_s = 0.0
        if self._address is not None:
            wait_s = self._take("a" + self._sender(address, headers), self._address)
        if self._key is not None and wait_s == 0.0 and principal.name != ANONYMOUS:
            wait_s = self._take("k" + principal.name, self._key)
        return wait_s

    def _sender(self, address: str, headers: Mapping[bytes, bytes]) -> str:
        if not self._behind_proxy:
            return address
        forwarded = headers.get(b"x-forwarded-for", b"")
        return forwarded.rpartition(b",")[2].strip().decode("latin-1") or address

    def _take(self, owner: str, rate: Rate) -> float:
        """Take a token from the bucket, or say when there will be one (the generic cell rate algorithm)."""
        place = self._place(owner)
        now = self._monotonic()
        full_at = max(self._full_at[place], now)
        interval_s = rate.period_s / rate.requests
        wait_s = full_at + interval_s - now - rate.period_s
        if wait_s > _ROUNDING_S:
            return wait_s
        self._full_at[place] = full_at + interval_s
        return 0.0

    def _place(self, owner: str) -> int:
        known = self._places.get(owner)
        if known is not None and self._owners[known[0]] == known[1]:
            return known[0]
        tag = int.from_bytes(blake2b(_network(owner).encode(), digest_size=8, key=self._salt).digest()) or 1
        first = tag % self._sets * WAYS
        places = range(first, first + WAYS)
        place = next((p for p in places if self._owners[p] == tag), None)
        if place is None:
            place = min(places, key=lambda p: self._full_at[p])
            self._full_at[place] = 0.0
            self._owners[place] = tag
        if len(self._places) >= REMEMBERED_MAX:
            self._places.clear()
        self._places[owner] = place, tag
        return place


_ROUNDING_S = 1e-9


def _network(owner: str) -> str:
    """Who shares a bucket. Whoever has one address of IPv6 usually has all of its network's 2^64."""
    if owner[0] == "k":
        return owner
    try:
        parsed = ip_address(owner[1:])
    except ValueError:
        return owner
    if isinstance(parsed, IPv6Address):
        mapped = parsed.ipv4_mapped
        return f"a{mapped}" if mapped else f"a{int(parsed) >> 64:x}"
    return owner
