"""The simulated payment provider: it moves no money.

Whether an order's payment is declined, and its authorization id, are pure functions of (seed, order id): a
process answers the same after it was killed. `payment-sim` uses `SimulatedDecisions`, too.
"""

import itertools
from dataclasses import dataclass, replace

from orderflow.fulfillment.parties.simulated import RETRY_AFTER_S, Chances, require_share
from orderflow.fulfillment.payments import (
    Authorization,
    Payment,
    PaymentDeclined,
    PaymentRefused,
    PaymentRequest,
    PaymentUnavailable,
)

DECLINE = "Simulated decline"
REMEMBERED_MAX = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedDecisions(Chances):
    """What happens to each payment and call. `decline_rate`: share of orders whose payment is declined, 0 to
    1. Raises ValueError outside these bounds."""

    decline_rate: float

    def __post_init__(self) -> None:
        Chances.__post_init__(self)  # `super()` does not work in a dataclass with slots
        require_share("decline_rate", self.decline_rate)

    def declines(self, order_id: str) -> bool:
        return self.share("decline", order_id) < self.decline_rate

    def authorization_id(self, order_id: str, idempotency_key: str = "") -> str:
        """`idempotency_key` tells several payments of one order apart, where a provider allows them."""
        return "pay_" + self.digest("authorization", order_id, idempotency_key).hex()


def refusal(change: str, payment: Payment) -> str | None:
    """Why a provider refuses to `capture`, `void` or `refund` the payment, or None if it does not."""
    if change == "capture" and payment.voided:
        return "it is voided, so it cannot be captured"
    if change == "void" and payment.captured_minor:
        return "it is captured, so it cannot be voided"
    if change == "refund" and not payment.captured_minor:
        return "nothing was captured that could be refunded"
    return None


class SimulatedPayments:
    """The `PaymentProvider` port within the process. One payment per order, whatever the idempotency key.

    How it differs from a real provider:
    - Amounts, and whether a payment is captured, voided or refunded, are remembered within this process only
      (the latest 100,000 payments). After a restart, an order is found once it is authorized again.
    - A change of a payment that is not remembered succeeds: it may have been made before a restart.
    - Transient failures depend on the number of the call within this process, in order of arrival.
    """

    def __init__(self, *, seed: int, decline_rate: float, error_rate: float) -> None:
        """Raises ValueError outside the bounds of `SimulatedDecisions`."""
        self._decisions = SimulatedDecisions(seed=seed, decline_rate=decline_rate, error_rate=error_rate)
        self.identity = f"seed {seed}"
        self._call_numbers = itertools.count()
        self._remembered: dict[str, Payment] = {}

    async def authorize(self, request: PaymentRequest) -> Authorization:
        self._fail_transiently(request.order_id)
        if self._decisions.declines(request.order_id):
            raise PaymentDeclined(DECLINE)
        authorization_id = self._decisions.authorization_id(request.order_id)
        known = self._remembered.get(authorization_id)
        if known is None:
            known = Payment(
                authorization_id,
                request.amount_minor,
                request.currency,
                authorized=True,
                voided=False,
                captured_minor=0,
                refunded_minor=0,
            )
            self._remember(known)
        if (known.amount_minor, known.currency) != (request.amount_minor, request.currency):
            raise PaymentRefused("this order has a payment of another amount", status=409)
        return Authorization(authorization_id)

    async def find_payments(self, order_id: str) -> list[Payment]:
        self._fail_transiently(order_id)
        known = self._remembered.get(self._decisions.authorization_id(order_id))
        return [] if known is None else [known]

    async def capture(self, authorization_id: str) -> None:
        if payment := self._to_change("capture", authorization_id):
            self._remember(replace(payment, captured_minor=payment.amount_minor))

    async def void(self, authorization_id: str) -> None:
        if payment := self._to_change("void", authorization_id):
            self._remember(replace(payment, voided=True))

    async def refund(self, authorization_id: str) -> None:
        if payment := self._to_change("refund", authorization_id):
            self._remember(replace(payment, refunded_minor=payment.captured_minor))

    async def close(self) -> None:
        pass

    def _to_change(self, change: str, authorization_id: str) -> Payment | None:
        """The payment, if it is remembered. Raises PaymentRefused."""
        self._fail_transiently(authorization_id)
        payment = self._remembered.get(authorization_id)
        if payment is not None and (refused := refusal(change, payment)):
            raise PaymentRefused(refused, status=409)
        return payment

    def _remember(self, payment: Payment) -> None:
        self._remembered[payment.authorization_id] = payment
        if len(self._remembered) > REMEMBERED_MAX:
            del self._remembered[next(iter(self._remembered))]

    def _fail_transiently(self, name: str) -> None:
        status = self._decisions.transient_status(name, next(self._call_numbers))
        if status is not None:
            raise PaymentUnavailable(
                f"simulated provider answers {status}", doubtful=status == 503, retry_after_s=RETRY_AFTER_S
            )
