"""What every payment adapter guarantees, as checks that run against any of them.

    python -m orderflow.fulfillment.payments.conformance package.module:Class [DECLINED.json]

DECLINED.json is a payment that the provider declines, `{"amountMinor": …, "currency": "…"}`; only you can
know one. Without it, how a decline is raised stays unchecked, and the output says so.

The checks authorize small amounts for orders with random ids, and void or refund them, so use the provider's
sandbox. The exit code is 0 when all pass, 1 when one fails, 2 for wrong use.
"""

import asyncio
import sys
import uuid
from collections.abc import Awaitable, Callable, Mapping

from orderflow.fulfillment.parties.conformance import (
    CONCURRENT,
    NotConformant,
    Suite,
    require,
    words_of,
    wrong_with,
)
from orderflow.fulfillment.payments import (
    Authorization,
    Payment,
    PaymentDeclined,
    PaymentProvider,
    PaymentRefused,
    PaymentRequest,
)
from orderflow.fulfillment.payments.answers import checked_authorization, checked_payments

AMOUNT_MINOR = 1_999

Check = Callable[[PaymentProvider], Awaitable[None]]


def a_request(amount_minor: int = AMOUNT_MINOR, currency: str = "EUR") -> PaymentRequest:
    """A small payment of an order that no provider has seen."""
    order_id = str(uuid.uuid4())
    return PaymentRequest(order_id, f"orderflow-{order_id}", amount_minor, currency)


async def the_same_key_gets_the_same_authorization(provider: PaymentProvider) -> None:
    request = a_request()
    first, again = await _authorize(provider, request), await _authorize(provider, request)
    require(first == again, f"{first} became {again}")


async def the_same_key_gets_one_authorization_while_calls_are_concurrent(provider: PaymentProvider) -> None:
    request = a_request()
    granted = await asyncio.gather(*(_authorize(provider, request) for _ in range(CONCURRENT)))
    require(len(set(granted)) == 1, "one key obtained several authorizations")
    await _only_payment(provider, request, granted[0])


async def two_orders_get_two_authorizations(provider: PaymentProvider) -> None:
    one, other = await _authorize(provider, a_request()), await _authorize(provider, a_request())
    require(one != other, "two orders share an authorization")


async def an_authorization_is_found_with_its_amount_and_takes_nothing(provider: PaymentProvider) -> None:
    request = a_request()
    await _require_taken(provider, request, await _authorize(provider, request), captured=0, refunded=0)


async def a_key_never_gets_another_amount(provider: PaymentProvider) -> None:
    request = a_request()
    granted = await _authorize(provider, request)
    other = PaymentRequest(request.order_id, request.idempotency_key, AMOUNT_MINOR + 1, request.currency)
    await words_of(provider.authorize(other), PaymentRefused)
    await _require_taken(provider, request, granted, captured=0, refunded=0)


async def a_capture_takes_the_amount_once_however_often_it_is_repeated(provider: PaymentProvider) -> None:
    request = a_request()
    granted = await _authorize(provider, request)
    for _ in range(2):
        await provider.capture(granted.authorization_id)
        await _require_taken(provider, request, granted, captured=AMOUNT_MINOR, refunded=0)


async def a_refund_returns_the_amount_once_however_often_it_is_repeated(provider: PaymentProvider) -> None:
    request = a_request()
    granted = await _authorize(provider, request)
    await provider.capture(granted.authorization_id)
    for _ in range(2):
        await provider.refund(granted.authorization_id)
        await _require_taken(provider, request, granted, captured=AMOUNT_MINOR, refunded=AMOUNT_MINOR)


async def a_late_capture_takes_nothing_again_after_a_refund(provider: PaymentProvider) -> None:
    request = a_request()
    granted = await _authorize(provider, request)
    await provider.capture(granted.authorization_id)
    await provider.refund(granted.authorization_id)
    await provider.capture(granted.authorization_id)
    await _require_taken(provider, request, granted, captured=AMOUNT_MINOR, refunded=AMOUNT_MINOR)


async def a_void_may_be_repeated_and_nothing_is_captured_after_it(provider: PaymentProvider) -> None:
    request = a_request()
    granted = await _authorize(provider, request)
    for _ in range(2):
        await provider.void(granted.authorization_id)
    await words_of(provider.capture(granted.authorization_id), PaymentRefused)
    payment = await _only_payment(provider, request, granted)
    require(payment.voided and not payment.captured_minor, f"it is found as {payment}")


async def a_void_after_a_capture_is_refused_and_changes_nothing(provider: PaymentProvider) -> None:
    request = a_request()
    granted = await _authorize(provider, request)
    await provider.capture(granted.authorization_id)
    await words_of(provider.void(granted.authorization_id), PaymentRefused)
    await _require_taken(provider, request, granted, captured=AMOUNT_MINOR, refunded=0)


async def a_refund_without_a_capture_is_refused(provider: PaymentProvider) -> None:
    request = a_request()
    granted = await _authorize(provider, request)
    await words_of(provider.refund(granted.authorization_id), PaymentRefused)
    await _require_taken(provider, request, granted, captured=0, refunded=0)


async def a_late_repeat_meets_the_voided_authorization_and_gets_no_new_one(
    provider: PaymentProvider,
) -> None:
    request = a_request()
    granted = await _authorize(provider, request)
    await provider.void(granted.authorization_id)
    # Declining the repeat is just as good: nothing is held.
    try:
        replayed = await _authorize(provider, request)
    except PaymentDeclined:
        replayed = granted
    require(replayed == granted, f"{granted} became {replayed}")
    payment = await _only_payment(provider, request, granted)
    require(payment.voided, f"it is found as {payment}")


def a_decline_is_raised_as_one(declined: Mapping[str, object]) -> Check:
    """The check for `declined`, a payment that the provider declines. Raises ValueError if it is none."""
    amount_minor, currency = declined.get("amountMinor"), declined.get("currency")
    if not (type(amount_minor) is int and isinstance(currency, str)):
        raise ValueError("it needs amountMinor, an integer, and currency")
    request = a_request(amount_minor, currency)

    async def a_decline_is_raised_as_one(provider: PaymentProvider) -> None:
        said = [await words_of(_authorize(provider, request), PaymentDeclined) for _ in range(2)]
        require(bool(said[0].strip()), "the decline has no words")
        require(said[0] == said[1], f"{said[0]!r} became {said[1]!r}")
        found = await _granted(provider, request)
        require(not found, f"a look-up finds {found}")

    return a_decline_is_raised_as_one


CHECKS: tuple[Check, ...] = (
    the_same_key_gets_the_same_authorization,
    the_same_key_gets_one_authorization_while_calls_are_concurrent,
    two_orders_get_two_authorizations,
    an_authorization_is_found_with_its_amount_and_takes_nothing,
    a_key_never_gets_another_amount,
    a_capture_takes_the_amount_once_however_often_it_is_repeated,
    a_refund_returns_the_amount_once_however_often_it_is_repeated,
    a_late_capture_takes_nothing_again_after_a_refund,
    a_void_may_be_repeated_and_nothing_is_captured_after_it,
    a_void_after_a_capture_is_refused_and_changes_nothing,
    a_refund_without_a_capture_is_refused,
    a_late_repeat_meets_the_voided_authorization_and_gets_no_new_one,
)


class _Tidy:
    """The provider under test. Closing it voids or refunds what the checks have left."""

    def __init__(self, inner: PaymentProvider) -> None:
        self._inner = inner
        self._open: dict[str, Callable[[str], Awaitable[None]]] = {}
        self.find_payments = inner.find_payments

    async def authorize(self, request: PaymentRequest) -> Authorization:
        granted = await self._inner.authorize(request)
        self._open.setdefault(checked_authorization(granted).authorization_id, self._inner.void)
        return granted

    async def capture(self, authorization_id: str) -> None:
        await self._inner.capture(authorization_id)
        self._open[authorization_id] = self._inner.refund

    async def void(self, authorization_id: str) -> None:
        await self._inner.void(authorization_id)

    async def refund(self, authorization_id: str) -> None:
        await self._inner.refund(authorization_id)

    async def close(self) -> None:
        """Return what was taken; the provider itself stays open."""
        for authorization_id, give_back in sorted(self._open.items()):
            await give_back(authorization_id)


async def run(provider: PaymentProvider, check: Check) -> str | None:
    """What the check found wrong, or None. Takes at most 120 s."""
    tidy = _Tidy(provider)
    return await wrong_with(check(tidy), tidy.close)


async def _authorize(provider: PaymentProvider, request: PaymentRequest) -> Authorization:
    return checked_authorization(await provider.authorize(request))


async def _granted(provider: PaymentProvider, request: PaymentRequest) -> list[Payment]:
    found = checked_payments(await provider.find_payments(request.order_id))
    return [payment for payment in found if payment.authorized]


async def _only_payment(
    provider: PaymentProvider, request: PaymentRequest, granted: Authorization
) -> Payment:
    found = await _granted(provider, request)
    if [payment.authorization_id for payment in found] != [granted.authorization_id]:
        raise NotConformant(f"a look-up finds {found}")
    return found[0]


async def _require_taken(
    provider: PaymentProvider,
    request: PaymentRequest,
    granted: Authorization,
    *,
    captured: int,
    refunded: int,
) -> None:
    """The order has this one payment, of the amount that was asked for, and so much of it was moved."""
    payment = await _only_payment(provider, request, granted)
    expected = Payment(
        granted.authorization_id,
        request.amount_minor,
        request.currency,
        authorized=True,
        voided=False,
        captured_minor=captured,
        refunded_minor=refunded,
    )
    require(payment == expected, f"it is found as {payment}")


SUITE = Suite[PaymentProvider](
    "orderflow.fulfillment.payments.conformance",
    "DECLINED.json",
    "a decline",
    CHECKS,
    a_decline_is_raised_as_one,
    run,
)

if __name__ == "__main__":
    sys.exit(SUITE.main(sys.argv[1:]))
