"""The port to a payment provider: authorize an amount, find what exists, capture, void or refund it.

Shipped adapters: `simulated` (in process, a pure function of seed and order) and `http` (any provider that
speaks the contract of `orderflow payment-sim`).

An authorization is captured, voided and refunded as a whole. Its states are `authorized`, then `captured` or
`voided`; what was captured can be refunded.
"""

from dataclasses import dataclass
from typing import Protocol

from orderflow.fulfillment.parties import Parties, PartyRefused, PartyRejected, PartyUnavailable

AMOUNT_MINOR_MAX = 2**53 - 1
"""The largest amount that every JSON reader reads exactly."""


@dataclass(frozen=True, slots=True)
class PaymentRequest:
    """One payment to be authorized.

    `amount_minor`: 1 to 2^53 - 1, in the smallest unit of `currency` (ISO 4217, three capitals), which may be
    a hundredth, a thousandth or the currency itself. `idempotency_key` is derived from the order, so every
    retry, by any worker, names the same payment.
    """

    order_id: str
    idempotency_key: str
    amount_minor: int
    currency: str


@dataclass(frozen=True, slots=True)
class Authorization:
    """The provider holds the amount. The id is as the provider sent it."""

    authorization_id: str


@dataclass(frozen=True, slots=True)
class Payment:
    """What the provider knows of one request, in minor units of `currency`. `authorized`: the amount was
    granted, whatever became of it; False for a declined one."""

    authorization_id: str
    amount_minor: int
    currency: str
    authorized: bool
    voided: bool
    captured_minor: int
    refunded_minor: int


class PaymentDeclined(PartyRejected):
    """The provider declares that it will never grant this payment. The argument holds its words.
    Permanent."""


class PaymentUnavailable(PartyUnavailable):
    """No answer that can be relied on. `doubtful`: the provider may have done what was asked. Transient."""


class PaymentRefused(PartyRefused):
    """The provider does not accept our request as such (a 4xx that is not a decline), such as the capture of
    what is voided: a person must look at it."""


class PaymentProvider(Protocol):
    """Used from one event loop, with thousands of calls in flight. Every call ends within the adapter's
    time-out.

    An adapter that may stand for several providers or accounts has an attribute `identity`, a text without
    secrets that tells them apart: a key that was sent to one is never sent to another.

    Every method raises PaymentUnavailable or PaymentRefused, `authorize` PaymentDeclined as well, and nothing
    else.
    """

    async def authorize(self, request: PaymentRequest) -> Authorization:
        """Hold the amount, or return the authorization that this idempotency key already obtained, even if
        it is captured or voided by now. A key that was sent with another amount is refused."""
        ...

    async def find_payments(self, order_id: str) -> list[Payment]:
        """Every authorization that the provider ever granted for the order. Declined requests may be among
        them, with `authorized` False."""
        ...

    async def capture(self, authorization_id: str) -> None:
        """Take the whole amount, once. Repeating it succeeds, also after a refund. Refused after a void."""
        ...

    async def void(self, authorization_id: str) -> None:
        """Release the amount. Repeating it succeeds. Refused after a capture."""
        ...

    async def refund(self, authorization_id: str) -> None:
        """Return the whole amount that was captured, once. Repeating it succeeds. Refused if nothing was
        captured."""
        ...

    async def close(self) -> None: ...


Payments = Parties[PaymentProvider]
