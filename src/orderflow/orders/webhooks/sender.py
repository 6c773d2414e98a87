"""Sends a message to an address that somebody has named: to public addresses alone, unless a setting says
otherwise, and with bounds on everything that comes back."""

import asyncio
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from orderflow.orders.webhooks.bounded import bounded
from orderflow.orders.webhooks.messages import headers
from orderflow.orders.webhooks.names import Names
from orderflow.runtime.tls import ClientTls, tls_trouble

TIMEOUT_S = 10.0
"""Bounds an attempt as a whole, the look-up of its host's name included."""
CONNECTIONS_MAX = 1_000
"""As many as all endpoints together may have in flight, so that those that hang take none from others."""
LOOK_UP_S_MAX = 2.0
DETAIL_CHARS_MAX = 200

PRIVATE = (
    "its address is private: only public ones are called, unless ORDERFLOW_WEBHOOKS_PRIVATE_ADDRESSES=allowed"
)
PLAIN = "it is called by http: only https is, except in dev"

_NAT64 = IPv6Network("64:ff9b::/96")


class Attempt(NamedTuple):
    """Whether the receiver took the message, and what happened. The detail never has what the receiver said:
    a receiver within our own network would tell its secrets to whoever may read it."""

    delivered: bool
    detail: str


class _Private(OSError):
    """The address is not public."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """Which addresses may be called, besides public ones by https."""

    plain: bool = False
    private: bool = False


class Sender:
    """Sends messages. It belongs to one event loop."""

    def __init__(
        self,
        allowed: Allowed | None = None,
        *,
        tls: ClientTls | None = None,
        timeout_s: float = TIMEOUT_S,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        names: Names | None = None,
    ) -> None:
        self.timeout_s = timeout_s
        self._allowed = allowed or Allowed()
        self._tls = tls or ClientTls()
        self._clock = clock
        self._names = names or Names()
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def refusal(self, url: str) -> str | None:
        """Why this address is not called; None if it is. A host whose name cannot be looked up now may be
        called later, and is looked at again then."""
        parts = urlsplit(url)
        if parts.scheme != "https" and not self._allowed.plain:
            return PLAIN
        if self._allowed.private:
            return None
        try:
            async with asyncio.timeout(LOOK_UP_S_MAX):
                found = await self._names.look_up(parts.hostname or "", parts.port)
        except (OSError, TimeoutError, UnicodeError):
            return None
        return None if all(is_public(str(address[0])) for *_, address in found) else PRIVATE

    async def send(self, url: str, secrets: Sequence[str], sent_id: str, body: str) -> Attempt:
        """Make one attempt, signed with each of the secrets. Redirects are not followed: a receiver
        could lead us elsewhere by them."""
        if urlsplit(url).scheme != "https" and not self._allowed.plain:
            return Attempt(False, PLAIN)
        content = body.encode()
        try:
            async with (
                asyncio.timeout(self.timeout_s),
                self._opened().post(
                    URL(url, encoded=True),
                    data=BytesIO(content),
                    headers=headers(secrets, sent_id, self._clock(), content),
                    allow_redirects=False,
                    ssl=self._tls.context,
                ) as answer,
            ):
                # The answer's body is not read; its connection is used again only if it has all arrived.
                return Attempt(200 <= answer.status <= 299, f"HTTP {answer.status}")
        except TimeoutError:
            return Attempt(False, f"no answer within {self.timeout_s:g} s")
        except (aiohttp.ClientError, OSError, RuntimeError, ValueError) as error:
            return Attempt(False, _told(error)[:DETAIL_CHARS_MAX])

    def _opened(self) -> aiohttp.ClientSession:
        """Opened at the first call, because aiohttp wants a running loop."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=bounded(
                    aiohttp.TCPConnector(
                        limit=CONNECTIONS_MAX, socket_factory=self._socket, resolver=self._names
                    )
                ),
                timeout=aiohttp.ClientTimeout(total=None),  # `asyncio.timeout` bounds the attempt as a whole
                headers={"User-Agent": "orderflow-webhooks", "Accept-Encoding": "identity"},
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session

    def _socket(self, address: Any) -> socket.socket:
        """A socket for this very address, which it is about to be connected to: whatever a name means later
        does not matter."""
        family, kind, protocol, _, where = address
        if not self._allowed.private and not is_public(str(where[0])):
            raise _Private(PRIVATE)
        return socket.socket(family, kind, protocol)


def is_public(text: str) -> bool:
    """Whether everybody may reach this address: neither this machine nor a network of somebody's own, however
    it is written."""
    address = ip_address(text.partition("%")[0])
    if isinstance(address, IPv6Address):
        inner = _ipv4_within(address)
        if inner is None:
            return _is_global(address) and not (address.is_site_local or address.sixtofour or address.teredo)
        address = inner
    return _is_global(address)


def _ipv4_within(address: IPv6Address) -> IPv4Address | None:
    """The address of IPv4 that one of IPv6 stands for."""
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped


def _is_global(address: IPv4Address | IPv6Address) -> bool:
    return address.is_global and not (address.is_multicast or address.is_reserved)


def _told(error: Exception) -> str:
    """The error in words that have nothing of the address: it may contain a secret."""
    cause: object = error
    if isinstance(error, aiohttp.ClientConnectorError):
        cause = error.os_error
    if isinstance(cause, _Private):
        return PRIVATE
    return f"connection failed ({tls_trouble(error) or type(error).__name__})"
