"""payment-sim: a payment provider as its own program, with a durable ledger (CONTRACT, "carrier-sim").

What a client can rely on:
- The same key gets the same authorization or decline for ever, across restarts, changed rates, a capture and
  a void. The same key with another order, amount or currency gets 409.
- Another key makes another payment, even for the same order; the ledger shows them both.
- Capture, void and refund are of the whole amount, and succeed when repeated. 409: a capture after a void, a
  void after a capture, a refund where nothing was captured. 404: an authorization that was never granted.
- 429 and 503 of the error rate are given before anything is done, and are not remembered.
- It misbehaves as `payment_faults` describes, while it is told to; the ledger stays true throughout.
"""

from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from orderflow.fulfillment.payments import AMOUNT_MINOR_MAX, Payment
from orderflow.fulfillment.payments.simulated import DECLINE, SimulatedDecisions
from orderflow.runtime.tls import ServerTls
from orderflow.simulators.faults import Faults
from orderflow.simulators.payment_faults import DECLINED, PaymentFault
from orderflow.simulators.payment_ledger import Entry, PaymentLedger
from orderflow.simulators.server import (
    NAME_CHARS_MAX,
    Calls,
    FindQuery,
    key_and_body,
    listing,
    problem,
    serving_simulator,
    simulator_app,
)
from orderflow.web.headers import Endpoint, read_query, takes

_CHANGES = ("capture", "void", "refund")


class AuthorizationIn(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    order_id: Annotated[
        str, Field(alias="orderId", max_length=NAME_CHARS_MAX, pattern=r"^[^\x00-\x1f\x7f-\x9f]+$")
    ]
    amount_minor: Annotated[int, Field(alias="amountMinor", ge=1, le=AMOUNT_MINOR_MAX)]
    currency: str = Field(pattern="^[A-Z]{3}$")


class _PaymentSim:
    def __init__(self, ledger: PaymentLedger, decisions: SimulatedDecisions) -> None:
        self._ledger = ledger
        self._decisions = decisions
        self.calls = Calls(decisions)
        self.faults = Faults(PaymentFault)

    async def authorizations(self, request: Request) -> Response:
        authorize, find = takes(self._authorize, key=True), takes(self._find, reads_query=True)
        return await (authorize if request.method == "POST" else find)(request)

    async def ledger(self, _request: Request) -> Response:
        entries = (map(_json, made) for made in self._ledger.payments_ever_asked_for())
        return listing("payments", entries)

    def change(self, change: str) -> Endpoint:
        """The endpoint that captures, voids or refunds."""

        async def endpoint(request: Request) -> Response:
            authorization_id: str = request.path_params["authorization_id"]
            self.calls.next_or_fail(authorization_id)
            granted = await self._ledger.granted(authorization_id)
            if granted is None:
                raise HTTPException(404, "no such authorization was ever granted")
            fault = self.faults.draw(change, granted.order_id)
            if wrong := await self.faults.before(fault):
                return wrong
            if refused := await self._ledger.change(change, authorization_id):
                raise HTTPException(409, refused)
            if wrong := await self.faults.after(fault):
                return wrong
            return JSONResponse({"authorizationId": authorization_id})

        return endpoint

    async def _authorize(self, request: Request) -> Response:
        key, body = await key_and_body(request)
        try:
            asked = AuthorizationIn.model_validate_json(body)
        except ValidationError:
            raise HTTPException(400, "the body must be an authorization in whole minor units") from None
        self.calls.next_or_fail(asked.order_id)
        fault = self.faults.draw("authorize", asked.order_id)
        if wrong := await self.faults.before(fault):
            return wrong
        declined = self._decisions.declines(asked.order_id)
        if fault is not None and fault.fault.kind == DECLINED:
            declined = True
        decided = await self._ledger.decide_once(key, self._proposed(asked, key, declined))
        if wrong := await self.faults.after(fault):
            return wrong
        payment = decided.payment
        if (decided.order_id, payment.amount_minor, payment.currency) != (
            asked.order_id,
            asked.amount_minor,
            asked.currency,
        ):
            raise HTTPException(409, "this Idempotency-Key was used for another payment")
        if not payment.authorized:
            return problem(402, DECLINE, title="Payment declined", error=DECLINE)
        return JSONResponse({"authorizationId": payment.authorization_id}, status_code=201)

    async def _find(self, request: Request) -> Response:
        order_id = read_query(FindQuery, request).reference
        self.calls.next_or_fail(order_id)
        if wrong := await self.faults.before(self.faults.draw("find", order_id)):
            return wrong
        found = await self._ledger.payments_of(order_id)
        return JSONResponse({"authorizations": [_json(each) for each in found]})

    def _proposed(self, asked: AuthorizationIn, key: str, declined: bool) -> Entry:
        payment = Payment(
            self._decisions.authorization_id(asked.order_id, key),
            asked.amount_minor,
            asked.currency,
            authorized=not declined,
            voided=False,
            captured_minor=0,
            refunded_minor=0,
        )
        return Entry(asked.order_id, payment)


def create_app(*, ledger: PaymentLedger, decisions: SimulatedDecisions) -> Starlette:
    """The HTTP side alone. The caller closes the ledger, after the server has drained."""
    sim = _PaymentSim(ledger, decisions)
    one = "/v1/authorizations/{authorization_id}"
    return simulator_app(
        sim.faults,
        [
            Route("/v1/authorizations", sim.calls.bounded(sim.authorizations), methods=["GET", "POST"]),
            *(
                Route(f"{one}/{change}", takes(sim.calls.bounded(sim.change(change))), methods=["POST"])
                for change in _CHANGES
            ),
            Route("/v1/ledger", takes(sim.ledger)),
        ],
    )


def serving_payment_sim(
    *,
    host: str,
    port: int,
    decline_rate: float,
    error_rate: float,
    seed: int,
    ledger: Path,
    tls: ServerTls | None = None,
) -> AbstractAsyncContextManager[str]:
    """As `serving_simulator`. Raises ValueError outside the bounds of `SimulatedDecisions`."""
    decisions = SimulatedDecisions(seed=seed, decline_rate=decline_rate, error_rate=error_rate)

    def app(book: PaymentLedger) -> Starlette:
        return create_app(ledger=book, decisions=decisions)

    return serving_simulator(host, port, lambda: PaymentLedger(ledger), app, tls)


def _json(entry: Entry) -> dict[str, object]:
    payment = entry.payment
    return {
        "authorizationId": payment.authorization_id,
        "orderId": entry.order_id,
        "amountMinor": payment.amount_minor,
        "currency": payment.currency,
        "authorized": payment.authorized,
        "voided": payment.voided,
        "capturedMinor": payment.captured_minor,
        "refundedMinor": payment.refunded_minor,
    }
