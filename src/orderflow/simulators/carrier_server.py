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
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import from_json
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from orderflow.fulfillment.carriers.simulated import CARRIER_NAME, REJECTION, SimulatedOutcomes
from orderflow.runtime.tls import ServerTls
from orderflow.simulators.carrier_faults import CarrierFault
from orderflow.simulators.carrier_ledger import Answer, Ledger, State
from orderflow.simulators.faults import Faults
from orderflow.simulators.server import (
    BODY_BYTES_MAX,
    NAME_CHARS_MAX,
    Calls,
    FindQuery,
    key_and_body,
    listing,
    problem,
    serving_simulator,
    simulator_app,
)
from orderflow.web.bodies import read_body
from orderflow.web.headers import read_query, takes

KEY_LIFETIME_S_MAX = 31_536_000


class KeyLifetime(BaseModel):
    """How long a key is remembered, in seconds; None for ever."""

    model_config = ConfigDict(extra="forbid")

    seconds: float | None = Field(ge=0, le=KEY_LIFETIME_S_MAX)


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
        self.calls = Calls(outcomes)
        self.faults = Faults(CarrierFault)

    async def shipments(self, request: Request) -> Response:
        create, find = takes(self._create, key=True), takes(self._find, reads_query=True)
        return await (create if request.method == "POST" else find)(request)

    async def ledger(self, _request: Request) -> Response:
        entries = (map(_entry, made) for made in self._ledger.shipments_ever_made())
        return listing("shipments", entries)

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
        key, body = await key_and_body(request)
        order_id = _order_id(body)
        call_number = self.calls.next_or_fail(order_id)
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
            return problem(422, REJECTION, title="Shipment rejected", error=REJECTION)
        return JSONResponse(_label(answer), status_code=201)

    async def _find(self, request: Request) -> Response:
        order_id = read_query(FindQuery, request).reference
        self.calls.next_or_fail(order_id)
        if wrong := await self.faults.before(self.faults.draw("find", order_id)):
            return wrong
        found = await self._ledger.shipments_of(order_id)
        return JSONResponse({"shipments": [{**_label(each), "state": each.state} for each in found]})

    async def void(self, request: Request) -> Response:
        shipment_id: str = request.path_params["shipment_id"]
        self.calls.next_or_fail(shipment_id)
        order_id = await self._ledger.order_of(shipment_id)
        fault = self.faults.draw("void", order_id or "")
        if wrong := await self.faults.before(fault):
            return wrong
        if not await self._ledger.void(shipment_id):
            raise HTTPException(404, "no such shipment was ever made")
        if wrong := await self.faults.after(fault):
            return wrong
        return Response(status_code=204)

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
    return simulator_app(
        sim.faults,
        [
            Route("/v1/shipments", sim.calls.bounded(sim.shipments), methods=["GET", "POST"]),
            Route("/v1/shipments/{shipment_id}", takes(sim.calls.bounded(sim.void)), methods=["DELETE"]),
            Route("/v1/ledger", takes(sim.ledger)),
            Route("/v1/key-lifetime", takes(sim.key_lifetime), methods=["GET", "PUT"]),
        ],
    )


def serving_carrier_sim(
    *,
    host: str,
    port: int,
    delay_ms: tuple[int, int],
    failure_rate: float,
    error_rate: float,
    seed: int,
    ledger: Path,
    key_lifetime_s: float | None = None,
    tls: ServerTls | None = None,
) -> AbstractAsyncContextManager[str]:
    """As `serving_simulator`. Raises ValueError outside the bounds of `SimulatedOutcomes`."""
    outcomes = SimulatedOutcomes(
        seed=seed, delay_ms=delay_ms, failure_rate=failure_rate, error_rate=error_rate
    )

    def app(book: Ledger) -> Starlette:
        return create_app(ledger=book, outcomes=outcomes, key_lifetime_s=key_lifetime_s)

    return serving_simulator(host, port, lambda: Ledger(ledger), app, tls)


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


def _entry(answer: Answer) -> dict[str, str]:
    return {
        "shipmentId": answer.shipment_id,
        "orderId": answer.order_id,
        "trackingNumber": answer.tracking_number,
        "state": answer.state,
        "createdAt": answer.created_at,
    }
