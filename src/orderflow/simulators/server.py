"""What every simulator's HTTP side does alike: bounds, transient failures, problems, start and end."""

import asyncio
import itertools
import sqlite3
import sys
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from pathlib import Path
from typing import Any, TypeVar, cast

import uvloop
from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import to_json
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from orderflow.fulfillment.parties.simulated import RETRY_AFTER_S, Chances
from orderflow.runtime.tls import ServerTls
from orderflow.simulators.faults import Faults
from orderflow.simulators.ledger_file import LedgerFile
from orderflow.web.bodies import read_body
from orderflow.web.front_door import FrontDoor
from orderflow.web.headers import Endpoint, header_values, idempotency_key, takes
from orderflow.web.problems import ProblemError
from orderflow.web.server import address, bind, serving, stop_on_signals

BODY_BYTES_MAX = 2 * 1024 * 1024
NAME_CHARS_MAX = 200
REQUESTS_IN_PROGRESS_MAX = 20_000
DRAIN_S_MAX = 10

_RETRY_AFTER = {"Retry-After": str(RETRY_AFTER_S)}

L = TypeVar("L", bound=LedgerFile)


class FindQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reference: str = Field(min_length=1, max_length=NAME_CHARS_MAX)


class Calls:
    """Numbers the calls, bounds how many are in progress, and makes some of them fail transiently."""

    def __init__(self, chances: Chances) -> None:
        self._chances = chances
        self._numbers = itertools.count()
        self._in_progress = 0

    def bounded(self, answer: Endpoint) -> Endpoint:
        async def within(request: Request) -> Response:
            if self._in_progress >= REQUESTS_IN_PROGRESS_MAX:
                raise HTTPException(503, "too many requests in progress", _RETRY_AFTER)
            self._in_progress += 1
            try:
                return await answer(request)
            finally:
                self._in_progress -= 1

        return within

    def next_or_fail(self, name: str) -> int:
        """The number of this call for that order or id. Raises HTTPException 429 or 503, before anything is
        done."""
        number = next(self._numbers)
        status = self._chances.transient_status(name, number)
        if status is not None:
            raise HTTPException(status, "simulated transient failure", _RETRY_AFTER)
        return number


async def key_and_body(request: Request) -> tuple[str, bytes]:
    """The idempotency key and the body, up to 2 MiB. Raises HTTPException and ProblemError."""
    key = idempotency_key(header_values(request, b"idempotency-key"))
    if key is None:
        raise HTTPException(400, "Idempotency-Key is needed")
    return key, await read_body(request, BODY_BYTES_MAX)


def listing(name: str, parts: Iterator[Iterable[object]]) -> Response:
    """`{name: [...]}` as it is read, in parts."""

    def content() -> Iterator[bytes]:
        opening = f'{{"{name}":['.encode()
        for entries in parts:
            yield opening + b",".join(to_json(entry) for entry in entries)
            opening = b","
        yield b"]}" if opening == b"," else opening + b"]}"

    return StreamingResponse(content(), media_type="application/json")


def simulator_app(faults: Faults[Any], routes: list[Route]) -> Starlette:
    """The routes, and those that every simulator has."""
    app = Starlette(
        routes=[
            *routes,
            Route("/v1/faults", takes(faults.handle), methods=["GET", "PUT"]),
            Route("/health/live", takes(_live)),
        ],
        exception_handlers={
            HTTPException: _on_http_exception,
            ProblemError: _on_problem,
            ClientDisconnect: _on_client_gone,
            sqlite3.Error: _on_ledger_failure,
            Exception: _on_error,
        },
    )
    app.router.redirect_slashes = False
    return app


@asynccontextmanager
async def serving_simulator(
    host: str, port: int, ledger: Callable[[], L], app: Callable[[L], Starlette], tls: ServerTls | None = None
) -> AsyncGenerator[str]:
    """Serves while the block runs and yields the address, `http://host:port`; port 0 takes a free one. With
    `tls` it speaks HTTPS instead.

    Leaving the block drains: answers under way are finished within 10 s. Raises AddressUnavailable where the
    port is taken, sqlite3.Error where the ledger cannot be opened.
    """
    with bind(host, port, "--port") as listener, closing(ledger()) as book:
        door = FrontDoor((host,), logs=False)
        async with serving(app(book), listener, door=door, tls=tls, drain_s=DRAIN_S_MAX):
            yield address(listener, https=tls is not None)


def run_simulator(name: str, ledger: Path, served: AbstractAsyncContextManager[str]) -> None:
    """Serves until SIGTERM or SIGINT, then drains and returns. Raises what `served` raises."""

    async def until_stopped() -> None:
        stopped = asyncio.Event()
        with stop_on_signals(stopped):
            async with served as address:
                sys.stdout.write(f"{name} listens on {address}, ledger {ledger}\n")
                sys.stdout.flush()
                await stopped.wait()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(until_stopped())


def problem(
    status: int, detail: str, headers: dict[str, str] | None = None, *, title: str | None = None, **more: str
) -> Response:
    content = {"type": "about:blank", "title": title or detail, "status": status, "detail": detail}
    return JSONResponse({**content, **more}, status, headers, media_type="application/problem+json")


async def _live(_request: Request) -> Response:
    return JSONResponse({"status": "live"})


async def _on_http_exception(_request: Request, error: Exception) -> Response:
    refused = cast("HTTPException", error)
    return problem(refused.status_code, refused.detail, cast("dict[str, str] | None", refused.headers))


async def _on_problem(_request: Request, error: Exception) -> Response:
    told = cast("ProblemError", error)
    # 422 means that the order is rejected, and nothing else.
    status = 400 if told.status == 422 else told.status
    return problem(status, told.detail, told.headers)


async def _on_client_gone(_request: Request, _error: Exception) -> Response:
    return Response(status_code=400)  # nobody reads it


async def _on_ledger_failure(_request: Request, _error: Exception) -> Response:
    return problem(503, "the ledger could not be written", _RETRY_AFTER)


async def _on_error(_request: Request, _error: Exception) -> Response:
    return problem(500, "internal error")
