"""The HTTP client for every party outside: what an answer means is decided here once.

    the expected status                the answer
    401, 403, 404                      PartyUnavailable: an outage of ours, nothing was done
    429                                PartyUnavailable, nothing was done
    408, 5xx, unreadable, cut short    PartyUnavailable, doubtful
    3xx, every other 4xx               PartyRefused
    no answer                          PartyUnavailable, doubtful once the request has begun to leave

A party's own permanent refusal (a carrier's 422, a payment provider's 402) is its adapter's business.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from types import SimpleNamespace
from typing import Any, ClassVar, cast
from urllib.parse import urlsplit

import aiohttp
from pydantic_core import from_json
from yarl import URL

from orderflow.contracts.retry_after import retry_after_s
from orderflow.fulfillment.parties import PartyRefused, PartyUnavailable
from orderflow.runtime.telemetry.tracing import outgoing_traceparent
from orderflow.runtime.tls import ClientTls, tls_trouble

ANSWER_BYTES_MAX = 1024 * 1024
WORDS_CHARS_MAX = 1_000
RETRY_AFTER_S_MAX = 3_600.0
_CHUNK_BYTES = 64 * 1024


@dataclass(slots=True)
class _Exchange:
    """How far one call got; aiohttp's tracing sets `leaving` when the request's headers are written."""

    leaving: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    retry_after: str | None
    body: bytes | None
    """None where it exceeds ANSWER_BYTES_MAX."""

    def parsed(self) -> object:
        """What the JSON body says, or None if it is no JSON."""
        try:
            parsed: Any = from_json(self.body or b"")
        except ValueError:
            return None
        return cast("object", parsed)

    def listed(self, name: str) -> list[object] | None:
        """The list in that field of the body, or None if there is none."""
        listed = fields_of(self.parsed()).get(name)
        return cast("list[object]", listed) if isinstance(listed, list) else None

    @property
    def is_empty_or_json(self) -> bool:
        """False for a page from a proxy on the way."""
        return self.body == b"" or self.parsed() is not None


class PartyClient:
    """Calls a party over HTTP. Redirects are not followed, proxies of the environment are not used.

    An adapter derives from it and says what the party is called, and which exceptions its port raises.
    """

    noun: ClassVar[str]
    unavailable: ClassVar[type[PartyUnavailable]]
    refused: ClassVar[type[PartyRefused]]

    def __init__(
        self,
        url: str,
        *,
        timeout_s: float = 10,
        connections_max: int = 200,
        api_key: str | None = None,
        tls: ClientTls | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`timeout_s` bounds a whole call, the wait for one of `connections_max` connections included.

        `api_key` travels as a bearer token and never appears in an error. Raises ValueError for a `url` that
        is not http(s) with a host or that carries credentials, query or fragment, for bounds that are not
        positive, and for a key that is not printable ASCII.
        """
        self._base_url = _base_url(url, self.noun)
        self.identity = _identity(url)
        """The address in one spelling; it tells which party holds a key. It contains no secrets."""
        if not timeout_s > 0 or connections_max < 1:
            raise ValueError("timeout_s and connections_max must be positive")
        if api_key is not None and not (api_key and api_key.isascii() and api_key.isprintable()):
            raise ValueError(f"the {self.noun}'s API key must be printable ASCII")
        self._timeout_s = timeout_s
        self._connections_max = connections_max
        self._api_key = api_key
        self._tls = tls or ClientTls()
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    async def close(self) -> None:
        self._closed = True
        if self._session is not None:
            await self._session.close()

    async def _call(
        self, method: str, path: str, *, headers: dict[str, str] | None = None, body: bytes | None = None
    ) -> Answer:
        """The answer, whatever its status. `path` is already quoted. Raises PartyUnavailable for none."""
        exchange = _Exchange()
        if (traceparent := outgoing_traceparent()) is not None:
            headers = {**(headers or {}), "traceparent": traceparent}
        # The error is raised outside of `except`. Otherwise its context would be an aiohttp error, which may
        # quote the request's headers.
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                self._opened().request(
                    method,
                    URL(self._base_url + path, encoded=True),
                    data=None if body is None else BytesIO(body),  # aiohttp warns of bytes over 1 MiB
                    headers=headers,
                    allow_redirects=False,
                    ssl=self._tls.context,
                    trace_request_ctx=exchange,
                ) as response,
            ):
                read = await _read_bounded(response)
                return Answer(response.status, response.headers.get("Retry-After"), read)
        except TimeoutError:
            reason = f"no answer within {self._timeout_s:g} s"
        except (aiohttp.ClientError, OSError, RuntimeError, ValueError) as error:
            # RuntimeError: the session was closed meanwhile. ValueError: aiohttp raises it for some headers.
            reason = f"connection failed ({tls_trouble(error) or type(error).__name__})"
        raise self.unavailable(f"{method}: {reason}", doubtful=exchange.leaving)

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

    def _raise_unless(self, answer: Answer, expected: tuple[int, ...]) -> None:
        status = answer.status
        if status in expected:
            return
        reason = f"HTTP {status}"
        if words := self._words(answer):
            reason += f": {words}"
        if status in (401, 403, 404):
            raise self.unavailable(reason, doubtful=False, status=status)
        if status in (408, 429) or 500 <= status <= 599:
            wait_s = retry_after_s(answer.retry_after, now=self._clock(), seconds_max=RETRY_AFTER_S_MAX)
            raise self.unavailable(reason, doubtful=status != 429, retry_after_s=wait_s, status=status)
        if 300 <= status <= 499:
            raise self.refused(reason, status=status)
        raise self._unreadable(answer)

    def _words(self, answer: Answer) -> str:
        """What the party says about a refusal (RFC 9457, else `error`), or "". It has at most 1,000
        characters: a longer text is cut and ends with an ellipsis."""
        fields = fields_of(answer.parsed())
        for name in ("detail", "title", "error"):
            text = fields.get(name)
            if isinstance(text, str) and text:
                if self._api_key:
                    text = text.replace(self._api_key, "***")
                return text if len(text) <= WORDS_CHARS_MAX else f"{text[: WORDS_CHARS_MAX - 1]}…"
        return ""

    def _unreadable(self, answer: Answer) -> PartyUnavailable:
        told = f"HTTP {answer.status} with an unreadable answer"
        return self.unavailable(told, doubtful=True, status=answer.status)


def fields_of(parsed: object) -> dict[str, object]:
    """The fields of a JSON object; none if it is something else."""
    return cast("dict[str, object]", parsed) if isinstance(parsed, dict) else {}


async def _on_leaving(_session: aiohttp.ClientSession, context: SimpleNamespace, _sent: object) -> None:
    cast("_Exchange", context.trace_request_ctx).leaving = True


async def _read_bounded(response: aiohttp.ClientResponse) -> bytes | None:
    body = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
        body += chunk
        if len(body) > ANSWER_BYTES_MAX:
            return None
    return bytes(body)


def _base_url(url: str, noun: str) -> str:
    try:
        parts = urlsplit(url)
        addressed = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        addressed = False
    if not (addressed and url.isascii() and url.isprintable()) or any(mark in url for mark in " ?#@"):
        raise ValueError(f"the {noun}'s URL must be http(s)://host[:port][/path], without credentials")
    return url.rstrip("/")


def _identity(url: str) -> str:
    """The URL in one spelling: the host's case, a default port or a final slash do not make it another
    party."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    port = "" if parts.port in (None, {"http": 80, "https": 443}[parts.scheme]) else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}{parts.path.rstrip('/')}"
