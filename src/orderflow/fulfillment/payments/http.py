"""Any payment provider that speaks the contract of `payment-sim`, over HTTP (CONTRACT, "carrier-sim").

What an answer means, beside what `parties/http.py` says:

    200, 201 with an authorization id  the authorization
    200 to a capture, void or refund   done, unless the body is not JSON, which no provider's API sends
    402 to an authorization            PaymentDeclined, with the provider's words
    409                                PaymentRefused: another amount, or not possible any more
"""

from typing import Any
from urllib.parse import quote

from pydantic_core import to_json

from orderflow.fulfillment.parties.http import PartyClient, fields_of
from orderflow.fulfillment.payments import (
    Authorization,
    Payment,
    PaymentDeclined,
    PaymentRefused,
    PaymentRequest,
    PaymentUnavailable,
)
from orderflow.fulfillment.payments.answers import is_sound


class HttpPayments(PartyClient):
    """The `PaymentProvider` port over HTTP."""

    noun = "payment provider"
    unavailable = PaymentUnavailable
    refused = PaymentRefused

    async def authorize(self, request: PaymentRequest) -> Authorization:
        body = {
            "orderId": request.order_id,
            "amountMinor": request.amount_minor,
            "currency": request.currency,
        }
        headers = {"Idempotency-Key": request.idempotency_key, "Content-Type": "application/json"}
        answer = await self._call("POST", "/v1/authorizations", headers=headers, body=to_json(body))
        if answer.status == 402:
            raise PaymentDeclined(self._words(answer) or "declined without a reason")
        self._raise_unless(answer, (200, 201))
        authorization_id = fields_of(answer.parsed()).get("authorizationId")
        if not (isinstance(authorization_id, str) and authorization_id):
            raise self._unreadable(answer)
        return Authorization(authorization_id)

    async def find_payments(self, order_id: str) -> list[Payment]:
        answer = await self._call("GET", f"/v1/authorizations?reference={quote(order_id, safe='')}")
        self._raise_unless(answer, (200,))
        listed = answer.listed("authorizations")
        payments = [] if listed is None else [_payment(entry) for entry in listed]
        if listed is None or not all(map(is_sound, payments)):
            raise self._unreadable(answer)
        return payments

    async def capture(self, authorization_id: str) -> None:
        await self._change(authorization_id, "capture")

    async def void(self, authorization_id: str) -> None:
        await self._change(authorization_id, "void")

    async def refund(self, authorization_id: str) -> None:
        await self._change(authorization_id, "refund")

    async def _change(self, authorization_id: str, change: str) -> None:
        answer = await self._call("POST", f"/v1/authorizations/{quote(authorization_id, safe='')}/{change}")
        self._raise_unless(answer, (200,))
        if not answer.is_empty_or_json:
            raise self._unreadable(answer)


def _payment(entry: object) -> Payment:
    """The payment as it was sent, before anything in it is checked."""
    names = (
        "authorizationId",
        "amountMinor",
        "currency",
        "authorized",
        "voided",
        "capturedMinor",
        "refundedMinor",
    )
    values: list[Any] = [fields_of(entry).get(name) for name in names]
    return Payment(*values)
