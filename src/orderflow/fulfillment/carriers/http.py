"""Any carrier that speaks the contract of `carrier-sim`, over HTTP (CONTRACT, "carrier-sim").

What an answer means:

    200, 201 with a valid label        the label
    204, 200 to a void                 voided, unless the body is not JSON, which no carrier's API sends
    422 to a create                    CarrierRejected, with the carrier's words
    401, 403, 404                      CarrierUnavailable: an outage of ours, nothing was made
    429                                CarrierUnavailable, nothing was made
    408, 5xx, unreadable, cut short    CarrierUnavailable, doubtful
    3xx, every other 4xx               CarrierRefused
    no answer                          CarrierUnavailable, doubtful once the request has begun to leave
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import quote, urlsplit

import aiohttp
from pydantic_core import from_json
from yarl import URL

from orderflow.contracts.retry_after import retry_after_s
from orderflow.fulfillment.carriers import (
    CarrierRefused,
    CarrierRejected,
    CarrierUnavailable,
    Label,
    ShipmentRequest,
)

ANSWER_BYTES_MAX = 1024 * 1024
WORDS_CHARS_MAX = 1_000
RETRY_AFTER_S_MAX = 3_600.0
_CHUNK_BYTES = 64 * 1024


@dataclass(slots=True)
class _Exchange:
    """How far one call got; aiohttp's tracing sets `leaving` when the request's headers are written."""

    leaving: bool = False


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    retry_after: str | None
    body: bytes | None
    """None where it exceeds ANSWER_BYTES_MAX."""


class HttpCarrier:
    """The `Carrier` port over HTTP. Redirects are not followed, proxies of the environment are not used."""

    def __init__(
        self,
        url: str,
        *,
        timeout_s: float = 10,
        connections_max: int = 200,
        api_key: str | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`timeout_s` bounds a whole call, the wait for one of `connections_max` connections included.

        `api_key` travels as a bearer token and never appears in an error. Raises ValueError for a `url` that
        is not http(s) with a host or that carries credentials, query or fragment, for bounds that are not
        positive, and for a key that is not printable ASCII.
        """
        self._shipments_url = _base_url(url) + "/v1/shipments"
        self.identity = _identity(url)
        """The address in one spelling; it tells which carrier holds a key. It contains no secrets."""
        if not timeout_s > 0 or connections_max < 1:
            raise ValueError("timeout_s and connections_max must be positive")
        if api_key is not None and not (api_key and api_key.isascii() and api_key.isprintable()):
            raise ValueError("the carrier's API key must be printable ASCII")
        self._timeout_s = timeout_s
        self._connections_max = connections_max
        self._api_key = api_key
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    async def create_shipment(self, request: ShipmentRequest) -> Label:
        headers = {"Idempotency-Key": request.idempotency_key, "Content-Type": "application/json"}
        answer = await self._call("POST", self._shipments_url, headers=headers, body=request.body)
        if answer.status == 422:
            raise CarrierRejected(self._words(answer) or "rejected without a reason")
        self._raise_unless(answer, (200, 201))
        label = _label(_parsed(answer))
        if label is None:
            raise _unreadable(answer)
        return label

    async def find_shipments(self, order_id: str) -> list[Label]:
        answer = await self._call("GET", f"{self._shipments_url}?reference={quote(order_id, safe='')}")
        self._raise_unless(answer, (200,))
        listed = _fields(_parsed(answer)).get("shipments")
        if not isinstance(listed, list):
            raise _unreadable(answer)
        labels: list[Label] = []
        for entry in cast("list[object]", listed):
            if _fields(entry).get("state") == "voided":
                continue
            label = _label(entry)
            if label is None:
                raise _unreadable(answer)
            labels.append(label)
        return labels

    async def void_shipment(self, shipment_id: str) -> None:
        answer = await self._call("DELETE", f"{self._shipments_url}/{quote(shipment_id, safe='')}")
        self._raise_unless(answer, (200, 204))
        if answer.body != b"" and _parsed(answer) is None:  # a page from a proxy on the way to the carrier
            raise _unreadable(answer)

    async def close(self) -> None:
        self._closed = True
        if self._session is not None:
            await self._session.close()

    async def _call(
        self, method: str, url: str, *, headers: dict[str, str] | None = None, body: bytes | None = None
    ) -> _Answer:
        exchange = _Exchange()
        # The error is raised outside of `except`. Otherwise its context would be an aiohttp error, which may
        # quote the request's headers.
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                self._opened().request(
                    method,
                    URL(url, encoded=True),
                    data=None if body is None else BytesIO(body),  # aiohttp warns of bytes over 1 MiB
                    headers=headers,
                    allow_redirects=False,
                    trace_request_ctx=exchange,
                ) as response,
            ):
                read = await _read_bounded(response)
                return _Answer(response.status, response.headers.get("Retry-After"), read)
        except TimeoutError:
            reason = f"no answer within {self._timeout_s:g} s"
        except (aiohttp.ClientError, OSError, RuntimeError, ValueError) as error:
            # RuntimeError: the session was closed meanwhile. ValueError: aiohttp raises it for some headers.
            reason = f"connection failed ({type(error).__name__})"
        raise CarrierUnavailable(f"{method}: {reason}", doubtful=exchange.leaving)

    def _opened(self) -> aiohttp.ClientSession:
        """Opened at the first call, because aiohttp wants a running loop."""
        if self._closed:
            raise RuntimeError("closed")
        if self._session is None:
            tracing = aiohttp.TraceConfig()
            tracing.on_request_headers_sent.append(_on_leaving)
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._connections_max),
                timeout=aiohttp.ClientTimeout(total=None),  # `asyncio.timeout` bounds the call as a whole
                headers={
                    # Nothing is decompressed, so a small answer cannot become a large one.
                    "Accept-Encoding": "identity",
                    **({"Authorization": f"Bearer {self._api_key}"} if self._api_key else {}),
                },
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                trace_configs=[tracing],
            )
        return self._session

    def _raise_unless(self, answer: _Answer, expected: tuple[int, ...]) -> None:
        status = answer.status
        if status in expected:
            return
        reason = f"HTTP {status}"
        if words := self._words(answer):
            reason += f": {words}"
        if status in (401, 403, 404):
            raise CarrierUnavailable(reason, doubtful=False, status=status)
        if status in (408, 429) or 500 <= status <= 599:
            wait_s = retry_after_s(answer.retry_after, now=self._clock(), seconds_max=RETRY_AFTER_S_MAX)
            raise CarrierUnavailable(reason, doubtful=status != 429, retry_after_s=wait_s, status=status)
        if 300 <= status <= 499:
            raise CarrierRefused(reason, status=status)
        raise _unreadable(answer)

    def _words(self, answer: _Answer) -> str:
        """What the carrier says about a refusal (RFC 9457, else `error`), or "". It has at most 1,000
        characters: a longer text is cut and ends with an ellipsis."""
        fields = _fields(_parsed(answer))
        for name in ("detail", "title", "error"):
            text = fields.get(name)
            if isinstance(text, str) and text:
                if self._api_key:
                    text = text.replace(self._api_key, "***")
                return text if len(text) <= WORDS_CHARS_MAX else f"{text[: WORDS_CHARS_MAX - 1]}…"
        return ""


async def _on_leaving(_session: aiohttp.ClientSession, context: SimpleNamespace, _sent: object) -> None:
    cast("_Exchange", context.trace_request_ctx).leaving = True


async def _read_bounded(response: aiohttp.ClientResponse) -> bytes | None:
    body = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
        body += chunk
        if len(body) > ANSWER_BYTES_MAX:
            return None
    return bytes(body)


def _base_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        addressed = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        addressed = False
    if not (addressed and url.isascii() and url.isprintable()) or any(mark in url for mark in " ?#@"):
        raise ValueError("the carrier's URL must be http(s)://host[:port][/path], without credentials")
    return url.rstrip("/")


def _identity(url: str) -> str:
    """The URL in one spelling: the host's case, a default port or a final slash do not make it another
    carrier."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    port = "" if parts.port in (None, {"http": 80, "https": 443}[parts.scheme]) else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}{parts.path.rstrip('/')}"


def _parsed(answer: _Answer) -> object:
    try:
        parsed: Any = from_json(answer.body or b"")
    except ValueError:
        return None
    return cast("object", parsed)


def _fields(parsed: object) -> dict[str, object]:
    return cast("dict[str, object]", parsed) if isinstance(parsed, dict) else {}


def _label(parsed: object) -> Label | None:
    """The label, or None if a field is missing or empty, or if the time has no offset or is not a time."""
    fields = _fields(parsed)
    texts: list[str] = []
    for name in ("shipmentId", "carrier", "trackingNumber", "shippedAt"):
        text = fields.get(name)
        if not (isinstance(text, str) and text):
            return None
        texts.append(text)
    shipment_id, carrier, tracking_number, written = texts
    try:
        shipped_at = datetime.fromisoformat(written)
        if shipped_at.tzinfo is None:
            return None
        return Label(shipment_id, carrier, tracking_number, shipped_at.astimezone(UTC))
    except (ValueError, OverflowError):
        return None


def _unreadable(answer: _Answer) -> CarrierUnavailable:
    told = f"HTTP {answer.status} with an unreadable answer"
    return CarrierUnavailable(told, doubtful=True, status=answer.status)
