"""Calls to the Order Service and the Fulfillment Service, and their errors in words."""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Mapping
from contextlib import aclosing, asynccontextmanager, contextmanager, suppress
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

from orderflow import client as api
from orderflow.cli.terminal import CommandFailed, WrongUse, complain
from orderflow.contracts.pages import PAGE_MAX
from orderflow.runtime.settings_error import SettingsError
from orderflow.runtime.tls import ClientTls, tls_trouble
from orderflow.settings import Settings

ANSWER_TIMEOUT_S = 60.0
_WITH_KEY = api.Retries(times_max=3)
"""A person waits. With the key, the command can be repeated for longer."""

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

    def __init__(self, problem: api.Problem) -> None:
        super().__init__(problem_text(problem.document) + _WHAT_TO_DO.get(problem.status, ""))
        self.status = problem.status
        self.problem = problem.document
        self.retry_after_s = problem.retry_after_s


class Client:
    """One service's HTTP API, within an `async with` block. Answers are JSON objects.

    Every call may raise the three errors above, WrongUse if a query is not valid (422), and CommandFailed for
    an address that cannot be called or an answer that is not Orderflow's.
    """

    def __init__(self, url: str, missing: str, api_key: str | None, tls: ClientTls) -> None:
        self._url = url
        self._missing = missing
        self._service = api.AsyncClient(
            url, api_key=api_key, tls=lambda: _context(tls), retries=api.NO_RETRIES
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        await self._service.close()

    async def get(
        self,
        path: str,
        query: Mapping[str, object] | None = None,
        *,
        timeout_s: float = ANSWER_TIMEOUT_S,
        retries: api.Retries | None = None,
    ) -> dict[str, Any]:
        with self._in_words(of_a_query=True):
            return await self._service.call("GET", path, query=query, timeout_s=timeout_s, retries=retries)

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
        self, path: str, body: bytes, *, key: str | None = None, timeout_s: float = ANSWER_TIMEOUT_S
    ) -> dict[str, Any]:
        """With an idempotency key, the request is repeated where its answer is lost."""
        retries = _WITH_KEY if key is not None else None
        with self._in_words():
            return await self._service.call(
                "POST", path, body=body, idempotency_key=key, timeout_s=timeout_s, retries=retries
            )

    async def put(self, path: str, body: bytes, *, timeout_s: float = ANSWER_TIMEOUT_S) -> dict[str, Any]:
        with self._in_words():
            return await self._service.call("PUT", path, body=body, timeout_s=timeout_s)

    async def delete(self, path: str, *, timeout_s: float = ANSWER_TIMEOUT_S) -> dict[str, Any]:
        with self._in_words():
            return await self._service.call("DELETE", path, timeout_s=timeout_s)

    async def lines(
        self, path: str, query: Mapping[str, object], headers: Mapping[str, str], *, silent_s_max: float
    ) -> AsyncGenerator[bytes]:
        """The lines of an answer, as they come, until it ends. Raises AnswerLost if none comes for
        `silent_s_max` seconds."""
        with self._in_words(of_a_query=True):
            async with aclosing(
                self._service.lines(path, query, headers, silent_s_max=silent_s_max)
            ) as lines:
                async for line in lines:
                    yield line

    async def final(self, order_id: str, timeout_s: float) -> dict[str, Any]:
        """The order once its status is final, or as it is after so many seconds. Trouble that may pass is
        told on stderr."""

        def on_trouble(error: api.OrderflowError) -> None:
            complain(f"order {order_id} is placed, waiting goes on: {self._command_error(error)}")

        with self._in_words(), suppress(api.NotInTime):
            await self._service.wait_for(order_id, timeout_s=timeout_s, on_trouble=on_trouble)
        return await self.get(f"/api/orders/{quote(order_id, safe='')}")

    @contextmanager
    def _in_words(self, *, of_a_query: bool = False) -> Generator[None]:
        """Turns the client's errors into those of commands. A query that is not valid was given to the
        command."""
        try:
            yield
        except ValueError:
            raise CommandFailed(f"{self._url!r} is no address that can be called") from None
        except api.OrderflowError as error:
            told = self._command_error(error)
            if of_a_query and isinstance(told, Refused) and told.status == 422:
                raise WrongUse(str(told)) from None
            raise told from None

    def _command_error(self, error: api.OrderflowError) -> CommandFailed:
        trouble = tls_trouble(error.__cause__)
        match error:
            case api.NotSent():
                return Unreachable(f"{self._url}: {trouble}" if trouble else self._missing)
            case api.AnswerLost():
                return AnswerLost(
                    f"{self._url} broke off the connection: {trouble}" if trouble else str(error)
                )
            case api.Problem():
                return Refused(error)
            case _:
                return CommandFailed(f"{self._url}: {error}")


def _context(tls: ClientTls) -> ssl.SSLContext | None:
    context = tls.context
    return None if context is True else context


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
