"""Calls of the two services' public APIs, with the key of whoever looks at the page."""

import json
import os
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import aiohttp
from yarl import URL

from orderflow.contracts.answers import json_object
from orderflow.runtime.tls import ClientTls

ANSWER_TIMEOUT_S = 5.0
CONNECT_TIMEOUT_S = 2.0
ANSWER_BYTES_MAX = 8 << 20

Document = dict[str, Any]
Query = Sequence[tuple[str, str]]


class Away(Exception):
    """The service does not answer now; the text says why."""


class Refused(Exception):
    """The service answered with a problem."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        detail = str(problem.get("detail") or problem.get("title") or f"It answered {status}.")
        errors = [
            f"{each.get('pointer', '')} {each.get('message', '')}" for each in problem.get("errors", ())
        ]
        super().__init__(" ".join([detail, *errors]))
        self.status = status


class Service(NamedTuple):
    """One service. Every call may raise Away and Refused."""

    name: str
    url: str
    session: aiohttp.ClientSession
    tls: ClientTls

    async def get(self, path: str, key: str | None, query: Query = ()) -> Document:
        return await self._call("GET", path, key, query=query)

    async def send(self, method: str, path: str, key: str | None, body: object) -> Document:
        return await self._call(method, path, key, body=json.dumps(body).encode())

    async def health(self) -> Document:
        """What the service says of itself, ready or not. Raises Away."""
        return await self._call("GET", "/health/ready", None, refused=False)

    async def metrics(self, key: str | None) -> str:
        """The service's metrics in Prometheus' text format. Raises Away and Refused."""
        status, text = await self._exchange("GET", "/metrics", key)
        self._require_success(status, json_object(text) or {})
        return text.decode(errors="replace")

    async def _call(
        self,
        method: str,
        path: str,
        key: str | None,
        *,
        query: Query = (),
        body: bytes | None = None,
        refused: bool = True,
    ) -> Document:
        status, text = await self._exchange(method, path, key, query, body)
        document = json_object(text)
        if document is None:
            raise Away(f"What answers for the {self.name} is not Orderflow.")
        if refused:
            self._require_success(status, document)
        return document

    async def _exchange(
        self, method: str, path: str, key: str | None, query: Query = (), body: bytes | None = None
    ) -> tuple[int, bytes]:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        if body is not None:
            headers["Content-Type"] = "application/json"
        timeout = aiohttp.ClientTimeout(total=ANSWER_TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
        try:
            async with self.session.request(
                method,
                # A path comes encoded, and stays as it is: a product may be called `a/b` or `..`.
                URL(self.url + path, encoded=True),
                params=query,
                data=body,
                headers=headers,
                timeout=timeout,
                allow_redirects=False,
                ssl=self.tls.context,
            ) as answer:
                return answer.status, await self._whole(answer)
        except TimeoutError:
            raise Away(f"The {self.name} does not answer within {ANSWER_TIMEOUT_S:g} s.") from None
        except (aiohttp.ClientError, OSError) as error:
            raise Away(f"The {self.name} cannot be reached: {_reason(error)}.") from None

    async def _whole(self, answer: aiohttp.ClientResponse) -> bytes:
        """All of the body; a single read gives what has arrived."""
        body = bytearray()
        async for piece in answer.content.iter_any():
            body += piece
            if len(body) > ANSWER_BYTES_MAX:
                raise Away(f"The {self.name} answers with more than {ANSWER_BYTES_MAX >> 20} MiB.")
        return bytes(body)

    def _require_success(self, status: int, document: Document) -> None:
        if status >= 500:
            raise Away(f"The {self.name} is not well: {document.get('detail', status)}")
        if status >= 300:
            raise Refused(status, document)


def _reason(error: Exception) -> str:
    """What happened, in the system's words; aiohttp's name its classes and functions."""
    if isinstance(error, aiohttp.ClientSSLError):
        return "TLS was refused, or its certificate is not trusted"
    number = error.errno if isinstance(error, OSError) else None
    return os.strerror(number).lower() if number and number > 0 else "the connection broke"


class Services(NamedTuple):
    """Both services."""

    orders: Service
    fulfillment: Service


@asynccontextmanager
async def both_services(orders_url: str, fulfillment_url: str, tls: ClientTls) -> AsyncGenerator[Services]:
    """The services at these addresses, while the block runs."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield Services(
            Service("Order Service", orders_url, session, tls),
            Service("Fulfillment Service", fulfillment_url, session, tls),
        )
