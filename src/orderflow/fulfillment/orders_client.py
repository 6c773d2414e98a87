"""The Order Service as the Fulfillment Service calls it. Only this file knows its HTTP statuses."""

import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, cast

import aiohttp
from pydantic_core import from_json, to_json

from orderflow.contracts.orders_api import WORKER_AGENT
from orderflow.contracts.retry_after import retry_after_s
from orderflow.fulfillment.orders_answers import (
    Acknowledged,
    Answer,
    Conflict,
    Refused,
    Unanswered,
    UnknownOrder,
)
from orderflow.runtime.tls import ClientTls, tls_trouble

CALL_S_MAX = 10.0
RETRY_AFTER_S_MAX = 5.0
"""A longer wait might outlast the outage."""

_BULK_REFUSALS = frozenset({400, 413, 422})


class OrdersUnavailable(Exception):
    """The bulk got no answer that can be relied on: an outage, on their side or ours. Transient.

    `retry_after_s`: the wait that they asked for, 0 to 5 s.
    """

    def __init__(self, reason: str, *, retry_after_s: float = 0.0) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


class BulkRefused(Exception):
    """The Order Service refuses the bulk as a whole, because of something in it. Nothing was applied."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the Order Service refused a bulk with {status}")
        self.refused = Refused(f"with {status}")
        """What this means for an update that stands alone."""


class OrdersClient:
    """`PATCH /api/orders/status` (CONTRACT, "Order Service HTTP"). No redirects, no proxies."""

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        tls: ClientTls | None = None,
        timeout_s: float = CALL_S_MAX,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`api_key` travels as a bearer token and never appears in an error."""
        self._url = url.rstrip("/") + "/api/orders/status"
        self._headers = {"Content-Type": "application/json", "User-Agent": WORKER_AGENT}
        if api_key is not None:
            self._headers["Authorization"] = f"Bearer {api_key}"
        self._tls = tls or ClientTls()
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None

    async def patch(self, updates: Sequence[dict[str, Any]]) -> list[Answer]:
        """One answer per update, in order. Raises OrdersUnavailable, BulkRefused."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=self._timeout, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False
            )
        headers = self._headers | {"X-Correlation-ID": str(uuid.uuid4())}
        try:
            async with self._session.patch(
                self._url,
                data=to_json({"updates": updates}),
                headers=headers,
                allow_redirects=False,
                ssl=self._tls.context,
            ) as response:
                body = await response.read() if response.status == 200 else b""
                status = response.status
                retry_after = response.headers.get("Retry-After")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            # What the other end sent may be quoted in the error's text, and this is logged.
            said = f": {error.strerror}" if isinstance(error, OSError) and error.strerror else ""
            reason = tls_trouble(error) or f"{type(error).__name__}{said}"
            raise OrdersUnavailable(reason[:300]) from error
        if status in _BULK_REFUSALS:
            raise BulkRefused(status)
        if status != 200:
            wait_s = retry_after_s(retry_after, now=self._clock(), seconds_max=RETRY_AFTER_S_MAX)
            raise OrdersUnavailable(f"the Order Service answered {status}", retry_after_s=wait_s or 0.0)
        return _answers(body, len(updates))

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()


def _answers(body: bytes, expected: int) -> list[Answer]:
    try:
        results = cast("list[dict[str, Any]]", from_json(body)["results"])
        answers = [_answer(result) for result in results]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise OrdersUnavailable("the Order Service's answer cannot be read") from None
    if len(answers) != expected:
        raise OrdersUnavailable(f"the Order Service gave {len(answers)} answers to {expected} updates")
    return answers


def _answer(result: dict[str, Any]) -> Answer:
    status: Any = result["status"]
    if not isinstance(status, int):
        raise TypeError
    if status == 204:
        return Acknowledged()
    if status == 404:
        return UnknownOrder()
    if status in (408, 429) or status >= 500:
        return Unanswered(f"the Order Service answered {status}")
    problem = cast("dict[str, Any]", result.get("problem") or {})
    current = problem.get("currentStatus")
    return Conflict(current) if status == 409 and isinstance(current, str) else Refused(f"with {status}")
