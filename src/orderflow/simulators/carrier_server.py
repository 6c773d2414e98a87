"""carrier-sim: a carrier as its own program, with a durable ledger (CONTRACT, "carrier-sim").

What a client can rely on:
- A shipment is durable before its answer is delayed, so a client that gives up waiting is left in doubt.
- The same key and body get the same status and body for ever: across restarts, changed rates and a void.
  The exception: if keys have a lifetime, a key that is older is forgotten, and makes another shipment.
  `PUT /v1/key-lifetime {"seconds": 2.5}` sets the lifetime until the next start (null: no end), GET shows it.
- The same key with another body gets 409: 422 means that the order is rejected, and must mean nothing else.
- Another key makes another shipment, even for the same order; the ledger shows them both.
- 429 and 503 of the error rate are given before anything is made, and are not remembered.
- It misbehaves as `carrier_faults` describes, while it is told to; the ledger stays true throughout.
"""

import asyncio
import itertools
import sqlite3
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from pathlib import Path
from typing import Any, cast

import uvloop
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import from_json, to_json
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from orderflow.fulfillment.carriers.simulated import (
    CARRIER_NAME,
    REJECTION,
    SimulatedOutcomes,
)
from orderflow.fulfillment.parties.simulated import RETRY_AFTER_S
from orderflow.simulators.carrier_faults import Faults
from orderflow.simulators.carrier_ledger import Answer, Ledger, State
from orderflow.web.bodies import read_body
from orderflow.web.front_door import FrontDoor
from orderflow.web.headers import header_values, idempotency_key, read_query, takes
from orderflow.web.problems import ProblemError
from orderflow.web.server import address, bind, serving, stop_on_signals

BODY_BYTES_MAX = 2 * 1024 * 1024
NAME_CHARS_MAX = 200
REQUESTS_IN_PROGRESS_MAX = 20_000
DRAIN_S_MAX = 10
KEY_LIFETIME_S_MAX = 31_536_000

_RETRY_AFTER = {"Retry-After": str(RETRY_AFTER_S)}


class KeyLifetime(BaseModel):
    """How long a key is remembered, in seconds; None for ever."""

    model_config = ConfigDict(extra="forbid")

    seconds: float | None = Field(ge=0, le=KEY_LIFETIME_S_MAX)


class FindQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reference: str = Field(min_length=1, max_length=NAME_CHARS_MAX)


class _CarrierSim:
    def __init__(
        self,
        ledger: Ledger,
        outcomes: SimulatedOutcomes,
        sleep: Callable[[float], Awaitable[object]],
        clock: Callable[[], datetime],
        key_lifetime_s: float | None,
    ) -> None:
        self._key_lifetime_s = key_lifetime_s
        self._ledger = ledger
        self._outcomes = outcomes
        self._sleep = sleep
        self._clock = clock
        self._call_numbers = itertools.count()
        self._in_progress = 0
        self.faults = Faults()

    async def shipments(self, request: Request) -> Response:
        create, find = takes(self._create, key=True), takes(self._find, reads_query=True)
        return await self._bounded(create if request.method == "POST" else find, request)

    async def shipment(self, request: Request) -> Response:
        return await self._bounded(self._void, request)

    async def ledger(self, _request: Request) -> Response:
        return StreamingResponse(_ledger_json(self._ledger), media_type="application/json")

    async def live(self, _request: Request) -> Response:
        return JSONResponse({"status": "live"})

    async def key_lifetime(self, request: Request) -> Response:
        """PUT and GET of /v1/key-lifetime."""
        if request.method == "PUT":
            try:
                given = KeyLifetime.model_validate_json(await read_body(request, BODY_BYTES_MAX))
            except ValidationError:
                raise HTTPException(422, f"seconds must be 0 to {KEY_LIFETIME_S_MAX} or null") from None
            self._key_lifetime_s = given.seconds
        return JSONResponse({"seconds": self._key_lifetime_s})

    async def _create(self, request: Request) -> Response:
        key = idempotency_key(header_values(request, b"idempotency-key"))
        if key is None:
            raise HTTPException(400, "Idempotency-Key is needed")
        body = await read_body(request, BODY_BYTES_MAX)
        order_id = _order_id(body)
        call_number = next(self._call_numbers)
        self._fail_transiently(order_id, call_number)
        fault = self.faults.draw("create", order_id)
        if wrong := await self.faults.before(fault):
            return wrong
        proposed = self._decide(order_id, key, body)
        forgotten = None
        if self._key_lifetime_s is not None:
            forgotten = (self._clock() - timedelta(seconds=self._key_lifetime_s)).isoformat()
        answer = await self._ledger.answer_once(key, proposed, forgotten_before=forgotten)
        if wrong := await self.faults.after(fault):
            return wrong
        await self._sleep(self._outcomes.delay_s(order_id, call_number))
        if answer.request_hash != proposed.request_hash:
            raise HTTPException(409, "this Idempotency-Key was used with another body")
        if answer.state == "rejected":
            return _problem(422, REJECTION, error=REJECTION)
        return JSONResponse(_label(answer), status_code=201)

    async def _find(self, request: Request) -> Response:
        order_id = read_query(FindQuery, request).reference
        self._fail_transiently(order_id, next(self._call_numbers))
        if wrong := await self.faults.before(self.faults.draw("find", order_id)):
            return wrong
        found = await self._ledger.shipments_of(order_id)
        return JSONResponse({"shipments": [{**_label(each), "state": each.state} for each in found]})

    async def _void(self, request: Request) -> Response:
        shipment_id: str = request.path_params["shipment_id"]
        self._fail_transiently(shipment_id, next(self._call_numbers))
        order_id = await self._ledger.order_of(shipment_id)
        fault = self.faults.draw("void", order_id or "")
        if wrong := await self.faults.before(fault):
            return wrong
        if not await self._ledger.void(shipment_id):
            raise HTTPException(404, "no such shipment was ever made")
        if wrong := await self.faults.after(fault):
            return wrong
        return Response(status_code=204)

    async def _bounded(self, answer: Callable[[Request], Awaitable[Response]], request: Request) -> Response:
        if self._in_progress >= REQUESTS_IN_PROGRESS_MAX:
            raise HTTPException(503, "too many requests in progress", _RETRY_AFTER)
        self._in_progress += 1
        try:
            return await answer(request)
        finally:
            self._in_progress -= 1

    def _decide(self, order_id: str, key: str, body: bytes) -> Answer:
        state: State = "rejected" if self._outcomes.rejects(order_id) else "live"
        return Answer(
            request_hash=blake2b(body, digest_size=16).digest(),
            order_id=order_id,
            shipment_id=self._outcomes.shipment_id(order_id, key),
            tracking_number=self._outcomes.tracking_number(order_id, key),
            state=state,
            created_at=self._clock().isoformat(),
        )

    def _fail_transiently(self, name: str, call_number: int) -> None:
        status = self._outcomes.transient_status(name, call_number)
        if status is not None:
            raise HTTPException(status, "simulated transient failure", _RETRY_AFTER)


def create_app(
    *,
    ledger: Ledger,
    outcomes: SimulatedOutcomes,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    key_lifetime_s: float | None = None,
) -> Starlette:
    """The HTTP side alone. The caller closes the ledger, after the server has drained."""
    sim = _CarrierSim(ledger, outcomes, sleep, clock, key_lifetime_s)
    app = Starlette(
        routes=[
            Route("/v1/shipments", sim.shipments, methods=["GET", "POST"]),
            Route("/v1/shipments/{shipment_id}", takes(sim.shipment), methods=["DELETE"]),
            Route("/v1/ledger", takes(sim.ledger)),
            Route("/v1/faults", takes(sim.faults.handle), methods=["GET", "PUT"]),
            Route("/v1/key-lifetime", takes(sim.key_lifetime), methods=["GET", "PUT"]),
            Route("/health/live", takes(sim.live)),
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
async def serving_carrier_sim(
    *,
    host: str,
    port: int,
    delay_ms: tuple[int, int],
    failure_rate: float,
    error_rate: float,
    seed: int,
    ledger: Path,
    key_lifetime_s: float | None = None,
) -> AsyncGenerator[str]:
    """Serves while the block runs and yields the address, `http://host:port`; port 0 takes a free one.

    Leaving the block drains: answers under way are finished within 10 s. Raises AddressUnavailable where the
    port is taken, sqlite3.Error where the ledger cannot be opened, ValueError outside the bounds of
    `SimulatedOutcomes`.
    """
    outcomes = SimulatedOutcomes(
        seed=seed, delay_ms=delay_ms, failure_rate=failure_rate, error_rate=error_rate
    )
    with bind(host, port, "--port") as listener, closing(Ledger(ledger)) as book:
        app = create_app(ledger=book, outcomes=outcomes, key_lifetime_s=key_lifetime_s)
        async with serving(app, listener, door=FrontDoor((host,), logs=False), drain_s=DRAIN_S_MAX):
            yield address(listener)


def run_carrier_sim(
    *,
    host: str,
    port: int,
    delay_ms: tuple[int, int],
    failure_rate: float,
    error_rate: float,
    seed: int,
    ledger: Path,
    key_lifetime_s: float | None = None,
) -> None:
    """Serves until SIGTERM or SIGINT, then drains and returns. Raises what `serving_carrier_sim` raises."""

    async def until_stopped() -> None:
        stopped = asyncio.Event()
        with stop_on_signals(stopped):
            async with serving_carrier_sim(
                host=host,
                port=port,
                delay_ms=delay_ms,
                failure_rate=failure_rate,
                error_rate=error_rate,
                seed=seed,
                ledger=ledger,
                key_lifetime_s=key_lifetime_s,
            ) as address:
                sys.stdout.write(f"carrier-sim listens on {address}, ledger {ledger}\n")
                sys.stdout.flush()
                await stopped.wait()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(until_stopped())


def _order_id(body: bytes) -> str:
    try:
        parsed: Any = from_json(body)
    except ValueError:
        raise HTTPException(400, "the body is not JSON") from None
    if not isinstance(parsed, dict):
        raise HTTPException(400, "the body must be an object")
    fields = cast("dict[str, object]", parsed)
    order_id, items, ship_to = fields.get("orderId"), fields.get("items"), fields.get("shipTo", {})
    if not (isinstance(order_id, str) and 1 <= len(order_id) <= NAME_CHARS_MAX and order_id.isprintable()):
        raise HTTPException(400, f"orderId must be 1 to {NAME_CHARS_MAX} printable characters")
    if not (isinstance(items, list) and items):
        raise HTTPException(400, "items must be a list with at least one entry")
    if not isinstance(ship_to, dict):
        raise HTTPException(400, "shipTo must be an object where it is given")
    return order_id


def _label(answer: Answer) -> dict[str, str]:
    return {
        "shipmentId": answer.shipment_id,
        "carrier": CARRIER_NAME,
        "trackingNumber": answer.tracking_number,
        "shippedAt": answer.created_at,
    }


def _ledger_json(ledger: Ledger) -> Iterator[bytes]:
    opening = b'{"shipments":['
    for shipments in ledger.shipments_ever_made():
        entries = (
            to_json(
                {
                    "shipmentId": each.shipment_id,
                    "orderId": each.order_id,
                    "trackingNumber": each.tracking_number,
                    "state": each.state,
                    "createdAt": each.created_at,
                }
            )
            for each in shipments
        )
        yield opening + b",".join(entries)
        opening = b","
    yield b"]}" if opening == b"," else opening + b"]}"


def _problem(status: int, detail: str, headers: dict[str, str] | None = None, **more: str) -> Response:
    titles = {422: "Shipment rejected", 503: "Service unavailable"}
    content = {"type": "about:blank", "title": titles.get(status, detail), "status": status, "detail": detail}
    return JSONResponse({**content, **more}, status, headers, media_type="application/problem+json")


async def _on_http_exception(_request: Request, error: Exception) -> Response:
    refused = cast("HTTPException", error)
    return _problem(refused.status_code, refused.detail, cast("dict[str, str] | None", refused.headers))


async def _on_problem(_request: Request, error: Exception) -> Response:
    problem = cast("ProblemError", error)
    # 422 means that the order is rejected, and nothing else.
    status = 400 if problem.status == 422 else problem.status
    return _problem(status, problem.detail, problem.headers)


async def _on_client_gone(_request: Request, _error: Exception) -> Response:
    return Response(status_code=400)  # nobody reads it


async def _on_ledger_failure(_request: Request, _error: Exception) -> Response:
    return _problem(503, "the ledger could not be written", _RETRY_AFTER)


async def _on_error(_request: Request, _error: Exception) -> Response:
    return _problem(500, "internal error")
