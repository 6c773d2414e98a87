"""What every payment adapter guarantees: the simulated one, and HTTP against a payment-sim on a free port."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from uuid import UUID

import pytest

from orderflow.fulfillment.payments import (
    PaymentDeclined,
    PaymentProvider,
    PaymentRequest,
    PaymentUnavailable,
    conformance,
)
from orderflow.fulfillment.payments.http import HttpPayments
from orderflow.fulfillment.payments.simulated import DECLINE, SimulatedPayments
from orderflow.simulators.payment_server import serving_payment_sim

IN_FLIGHT = 2_000

OpenProvider = Callable[..., AbstractAsyncContextManager[PaymentProvider]]


@pytest.fixture(params=["simulated", "http"])
def open_provider(request: pytest.FixtureRequest, tmp_path: Path) -> OpenProvider:
    @asynccontextmanager
    async def simulated(
        *, seed: int = 0, decline_rate: float = 0.0, error_rate: float = 0.0
    ) -> AsyncGenerator[PaymentProvider]:
        yield SimulatedPayments(seed=seed, decline_rate=decline_rate, error_rate=error_rate)

    @asynccontextmanager
    async def http(
        *, seed: int = 0, decline_rate: float = 0.0, error_rate: float = 0.0
    ) -> AsyncGenerator[PaymentProvider]:
        async with serving_payment_sim(
            host="127.0.0.1",
            port=0,
            decline_rate=decline_rate,
            error_rate=error_rate,
            seed=seed,
            ledger=tmp_path / f"ledger-{seed}.db",
        ) as url:
            provider = HttpPayments(url, timeout_s=60)
            try:
                yield provider
            finally:
                await provider.close()

    return simulated if request.param == "simulated" else http


def a_request(number: int, amount_minor: int = 500, currency: str = "EUR") -> PaymentRequest:
    order_id = str(UUID(int=number))
    return PaymentRequest(order_id, f"pay-{order_id}", amount_minor, currency)


def run(
    opened: AbstractAsyncContextManager[PaymentProvider],
    scenario: Callable[[PaymentProvider], Awaitable[None]],
) -> None:
    async def within() -> None:
        async with opened as provider:
            await scenario(provider)

    asyncio.run(within())


@pytest.mark.parametrize("check", conformance.CHECKS, ids=lambda check: check.__name__)
def test_the_checks_for_everybodys_adapters_pass(
    open_provider: OpenProvider, check: conformance.Check
) -> None:
    async def scenario(provider: PaymentProvider) -> None:
        assert await conformance.run(provider, check) is None

    run(open_provider(), scenario)


def test_a_decline_is_raised_in_words_that_stay(open_provider: OpenProvider) -> None:
    async def scenario(provider: PaymentProvider) -> None:
        check = conformance.a_decline_is_raised_as_one({"amountMinor": 7, "currency": "EUR"})
        assert await conformance.run(provider, check) is None
        with pytest.raises(PaymentDeclined, match=f"^{DECLINE}$"):
            await provider.authorize(a_request(1))

    run(open_provider(decline_rate=1.0), scenario)


@pytest.mark.parametrize(("amount_minor", "currency"), [(1, "JPY"), (1_234_567, "KWD"), (2**53 - 1, "EUR")])
def test_amounts_of_every_currency_stay_exactly_what_they_are(
    open_provider: OpenProvider, amount_minor: int, currency: str
) -> None:
    async def scenario(provider: PaymentProvider) -> None:
        granted = await provider.authorize(a_request(1, amount_minor, currency))
        await provider.capture(granted.authorization_id)
        await provider.refund(granted.authorization_id)
        (payment,) = await provider.find_payments(a_request(1).order_id)
        assert (payment.amount_minor, payment.currency) == (amount_minor, currency)
        assert (payment.captured_minor, payment.refunded_minor) == (amount_minor, amount_minor)

    run(open_provider(), scenario)


def test_thousands_of_calls_in_flight_all_return(open_provider: OpenProvider) -> None:
    async def scenario(provider: PaymentProvider) -> None:
        granted = await asyncio.gather(*(provider.authorize(a_request(n)) for n in range(IN_FLIGHT)))
        assert len({each.authorization_id for each in granted}) == IN_FLIGHT
        await asyncio.gather(*(provider.capture(each.authorization_id) for each in granted))

    run(open_provider(), scenario)


def test_the_same_seed_decides_the_same_and_another_seed_does_not(open_provider: OpenProvider) -> None:
    async def outcome(provider: PaymentProvider, request: PaymentRequest) -> str:
        try:
            return (await provider.authorize(request)).authorization_id
        except PaymentDeclined as declined:
            return str(declined)

    async def outcomes(seed: int) -> list[str]:
        async with open_provider(seed=seed, decline_rate=0.15) as provider:
            return [await outcome(provider, a_request(n)) for n in range(100)]

    async def scenario() -> None:
        first, again, other = await outcomes(7), await outcomes(7), await outcomes(8)
        assert first == again
        assert DECLINE in first
        assert set(first) & set(other) == {DECLINE}

    asyncio.run(scenario())


def test_a_transient_failure_passes_and_asks_for_patience(open_provider: OpenProvider) -> None:
    async def failures(call: Callable[[], Awaitable[object]]) -> list[PaymentUnavailable]:
        found: list[PaymentUnavailable] = []
        for _ in range(1_000):
            try:
                await call()
            except PaymentUnavailable as failure:
                found.append(failure)
            else:
                return found
        pytest.fail("half of the calls should have succeeded")

    async def scenario(provider: PaymentProvider) -> None:
        for number in range(50):
            request = a_request(number)
            failed = await failures(lambda request=request: provider.authorize(request))
            assert {each.retry_after_s for each in failed} <= {1.0}
            found.extend(failed)
        assert {each.doubtful for each in found} == {True, False}

    found: list[PaymentUnavailable] = []
    run(open_provider(error_rate=0.5), scenario)
