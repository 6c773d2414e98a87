"""Calls to the Order Service and the Fulfillment Service, and their errors in words."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self, cast

import aiohttp

from orderflow.cli.terminal import CommandFailed, WrongUse, complain
from orderflow.contracts.pages import PAGE_MAX
from orderflow.contracts.retry_after import retry_after_s
from orderflow.runtime.settings_error import SettingsError
from orderflow.runtime.tls import ClientTls, tls_trouble
from orderflow.settings import Settings

CONNECT_TIMEOUT_S = 5.0
ANSWER_TIMEOUT_S = 60.0
RETRY_AFTER_S_MAX = 30.0


_WHAT_TO_DO = {
    401: "\nset ORDERFLOW_API_KEY to a valid key; on the services' machine `orderflow keys create` makes one",
    403: "\n`orderflow keys list` shows what your key allows",
}


class Unreachable(CommandFailed):
    """No connection could be made to the address, so nothing was sent."""


class AnswerLost(CommandFailed):
    """The connection broke, or no answer came in time: the request may have been carried out."""


class Refused(CommandFailed):
    """The service answered with an error. `retry_after_s` is None where it gave none."""

    def __init__(self, status: int, problem: Mapping[str, Any], retry_after_s: float | None) -> None:
        super().__init__(problem_text(problem) + _WHAT_TO_DO.get(status, ""))
        self.status = status
        self.problem = problem
        self.retry_after_s = retry_after_s


class Client:
    """One service's HTTP API, within an `async with` block. Answers are JSON objects.

    Every call may raise the three errors above, WrongUse if a query is not valid (422), and CommandFailed for
    an address that cannot be called or an answer that is not Orderflow's.
    """

    def __init__(self, url: str, missing: str, api_key: str | None, tls: ClientTls) -> None:
        self._url = url
        self._tls = tls
        self._missing = missing
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._session = aiohttp.ClientSession(headers=headers)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def get(
        self, path: str, query: Mapping[str, str] | None = None, *, timeout_s: float = ANSWER_TIMEOUT_S
    ) -> dict[str, Any]:
        return await self._call("GET", path, timeout_s, params=query)

    async def pages(
        self, path: str, query: Mapping[str, str], limit: int | None
    ) -> AsyncIterator[tuple[list[Any], bool]]:
        """Pages of a list, and whether there are more items that `limit` leaves out; None leaves out none."""
        left = limit
        cursor: dict[str, str] = {}
        while True:
            size = PAGE_MAX if left is None else min(left, PAGE_MAX)
            page = await self.get(path, {**query, **cursor, "limit": str(size)})
            items: list[Any] = page["items"]
            following: str | None = page["nextCursor"]
            left = None if left is None else left - len(items)
            yield items, following is not None and left == 0
            if following is None or left == 0:
                return
            cursor = {"cursor": following}

    async def first(self, path: str, query: Mapping[str, str], limit: int) -> list[Any]:
        """The first items of a list. If there are more, says so on stderr."""
        found: list[Any] = []
        async for items, more in self.pages(path, query, limit):
            found += items
            if more:
                complain(f"the first {limit}; --limit takes another number")
        return found

    async def post(
        self,
        path: str,
        body: bytes,
        headers: Mapping[str, str] | None = None,
        *,
        timeout_s: float = ANSWER_TIMEOUT_S,
    ) -> dict[str, Any]:
        sent = {"Content-Type": "application/json", **(headers or {})}
        return await self._call("POST", path, timeout_s, data=body, headers=sent)

    async def put(self, path: str, body: bytes, *, timeout_s: float = ANSWER_TIMEOUT_S) -> dict[str, Any]:
        headers = {"Content-Type": "application/json"}
        return await self._call("PUT", path, timeout_s, data=body, headers=headers)

    async def _call(self, method: str, path: str, timeout_s: float, **what: Any) -> dict[str, Any]:
        timeout = aiohttp.ClientTimeout(total=timeout_s, connect=CONNECT_TIMEOUT_S)
        try:
            async with self._session.request(
                method,
                self._url + path,
                timeout=timeout,
                allow_redirects=False,
                ssl=self._tls.context,
                **what,
            ) as response:
                body = await response.read()
        except aiohttp.InvalidURL:
            raise CommandFailed(f"{self._url!r} is no address that can be called") from None
        except aiohttp.ClientConnectorError as error:
            trouble = tls_trouble(error)
            raise Unreachable(f"{self._url}: {trouble}" if trouble else self._missing) from None
        except aiohttp.ConnectionTimeoutError:
            raise Unreachable(f"{self._url} does not answer") from None
        except TimeoutError:
            raise AnswerLost(f"{self._url} did not answer within {timeout_s:g} s") from None
        except (aiohttp.ClientError, OSError) as error:
            why = tls_trouble(error) or error
            raise AnswerLost(f"{self._url} broke off the connection: {why}") from None
        document = _object(body)
        if response.status == 422 and method == "GET":  # the query is wrong: the command was given it
            raise WrongUse(problem_text(document or self._foreign(response)))
        if response.status >= 300:
            wait_s = retry_after_s(
                response.headers.get("Retry-After"), now=datetime.now(UTC), seconds_max=RETRY_AFTER_S_MAX
            )
            raise Refused(response.status, document or self._foreign(response), wait_s)
        if document is None:
            raise CommandFailed(self._foreign(response)["detail"])
        return document

    def _foreign(self, response: aiohttp.ClientResponse) -> dict[str, Any]:
        return {
            "title": f"{response.status} {response.reason}",
            "detail": f"{self._url} answered, but not as Orderflow does: is the address right?",
        }


@asynccontextmanager
async def order_service(settings: Settings) -> AsyncGenerator[Client]:
    url = settings.orders_url
    missing = f"no Order Service answers at {url}: start one with `orderflow up`, or set ORDERFLOW_ORDERS_URL"
    async with Client(url, missing, _key(settings), client_tls(settings)) as client:
        yield client


@asynccontextmanager
async def fulfillment_service(settings: Settings) -> AsyncGenerator[Client]:
    url = settings.fulfillment_url
    missing = (
        f"no Fulfillment Service answers at {url}: start one with `orderflow up`, "
        "or set ORDERFLOW_FULFILLMENT_URL"
    )
    async with Client(url, missing, _key(settings), client_tls(settings)) as client:
        yield client


def client_tls(settings: Settings) -> ClientTls:
    """How tools call the services by HTTPS. Raises WrongUse if a file cannot be used."""
    try:
        return ClientTls(settings.ca, settings.tls_cert, settings.tls_key)
    except SettingsError as error:
        raise WrongUse(str(error)) from None


def problem_text(problem: Mapping[str, Any]) -> str:
    """Problem details (RFC 9457) for people: title and detail, a line per error, the correlation id."""
    lines = [f"{problem.get('title', 'Error')}: {problem.get('detail', '')}".rstrip(": ")]
    for error in problem.get("errors") or ():
        where = f"{error['in']} {error.get('pointer', '')}" if error.get("in") else error.get("pointer", "")
        lines.append(f"  {where}: {error.get('message', '')}")
    if allowed := problem.get("allowedTransitions"):
        lines.append(f"  it is {problem.get('currentStatus')}; allowed next: {', '.join(allowed)}")
    if correlation := problem.get("correlationId"):
        lines.append(f"  correlation id {correlation}")
    return "\n".join(lines)


def _key(settings: Settings) -> str | None:
    return settings.api_key.get_secret_value() if settings.api_key else None


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        document: object = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return cast("dict[str, Any]", document) if isinstance(document, dict) else None
