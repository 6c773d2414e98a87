"""What every carrier adapter guarantees: the simulated one, and HTTP against a carrier-sim on a free port."""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from pathlib import Path
from uuid import UUID

import pytest

from orderflow.fulfillment.carriers import (
    Carrier,
    CarrierRejected,
    CarrierUnavailable,
    ShipmentRequest,
    conformance,
)
from orderflow.fulfillment.carriers.http import HttpCarrier
from orderflow.fulfillment.carriers.simulated import REJECTION, SimulatedCarrier
from orderflow.simulators.carrier_server import serving_carrier_sim

IN_FLIGHT = 2_000

OpenCarrier = Callable[..., AbstractAsyncContextManager[Carrier]]


@pytest.fixture(params=["simulated", "http"])
def open_carrier(request: pytest.FixtureRequest, tmp_path: Path) -> OpenCarrier:
    @asynccontextmanager
    async def simulated(
        *, seed: int = 0, failure_rate: float = 0.0, error_rate: float = 0.0
    ) -> AsyncGenerator[Carrier]:
        yield SimulatedCarrier(seed=seed, delay_ms=(0, 0), failure_rate=failure_rate, error_rate=error_rate)

    @asynccontextmanager
    async def http(
        *, seed: int = 0, failure_rate: float = 0.0, error_rate: float = 0.0
    ) -> AsyncGenerator[Carrier]:
        async with serving_carrier_sim(
            host="127.0.0.1",
            port=0,
            delay_ms=(0, 0),
            failure_rate=failure_rate,
            error_rate=error_rate,
            seed=seed,
            ledger=tmp_path / f"ledger-{seed}.db",
        ) as url:
            carrier = HttpCarrier(url, timeout_s=60)
            try:
                yield carrier
            finally:
                await carrier.close()

    return simulated if request.param == "simulated" else http


def a_request(number: int) -> ShipmentRequest:
    order_id = str(UUID(int=number))
    body = json.dumps({"orderId": order_id, "items": [{"productId": "p-1", "quantity": 2}]})
    return ShipmentRequest(order_id, f"ship-{order_id}", body.encode())


async def outcome_of(carrier: Carrier, request: ShipmentRequest) -> tuple[str, str] | str:
    try:
        label = await carrier.create_shipment(request)
    except CarrierRejected as rejection:
        return str(rejection)
    return label.shipment_id, label.tracking_number


def run(opened: AbstractAsyncContextManager[Carrier], scenario: Callable[[Carrier], Awaitable[None]]) -> None:
    async def within() -> None:
        async with opened as carrier:
            await scenario(carrier)

    asyncio.run(within())


@pytest.mark.parametrize("check", conformance.CHECKS, ids=lambda check: check.__name__)
def test_the_checks_for_everybodys_adapters_pass(open_carrier: OpenCarrier, check: conformance.Check) -> None:
    async def scenario(carrier: Carrier) -> None:
        assert await conformance.run(carrier, check) is None

    run(open_carrier(), scenario)


def test_a_rejection_is_in_the_carriers_words_and_is_repeated(open_carrier: OpenCarrier) -> None:
    async def scenario(carrier: Carrier) -> None:
        for _ in range(2):
            with pytest.raises(CarrierRejected, match=f"^{REJECTION}$"):
                await carrier.create_shipment(a_request(1))
        assert await carrier.find_shipments(a_request(1).order_id) == []

    run(open_carrier(failure_rate=1.0), scenario)


def test_thousands_of_calls_in_flight_all_return(open_carrier: OpenCarrier) -> None:
    async def scenario(carrier: Carrier) -> None:
        labels = await asyncio.gather(*(carrier.create_shipment(a_request(n)) for n in range(IN_FLIGHT)))
        assert len({label.shipment_id for label in labels}) == IN_FLIGHT
        assert len({label.tracking_number for label in labels}) == IN_FLIGHT

    run(open_carrier(), scenario)


def test_the_same_seed_decides_the_same_and_another_seed_does_not(open_carrier: OpenCarrier) -> None:
    async def outcomes(seed: int) -> list[tuple[str, str] | str]:
        async with open_carrier(seed=seed, failure_rate=0.15) as carrier:
            return [await outcome_of(carrier, a_request(n)) for n in range(100)]

    async def scenario() -> None:
        first, again, other = await outcomes(7), await outcomes(7), await outcomes(8)
        assert first == again
        assert REJECTION in first
        assert set(first) & set(other) == {REJECTION}

    asyncio.run(scenario())


def test_a_transient_failure_passes_and_asks_for_patience(open_carrier: OpenCarrier) -> None:
    async def until_it_succeeds(carrier: Carrier) -> AsyncGenerator[CarrierUnavailable]:
        for _ in range(1_000):
            try:
                await carrier.create_shipment(a_request(1))
            except CarrierUnavailable as failure:
                yield failure
            else:
                return
        pytest.fail("half of the calls should have succeeded")

    async def scenario(carrier: Carrier) -> None:
        failures: list[CarrierUnavailable] = []
        for _ in range(50):
            async with aclosing(until_it_succeeds(carrier)) as failing:
                failures += [failure async for failure in failing]
        assert {failure.retry_after_s for failure in failures} == {1.0}
        assert {failure.doubtful for failure in failures} == {True, False}

    run(open_carrier(error_rate=0.5), scenario)
