"""In development, the simulated carrier behaves as somebody asks, from the next call on."""

import asyncio
import json
from pathlib import Path

import pytest
from tests.fulfillment.test_stock import database
from tests.fulfillment.test_stock_api import Call, with_api
from tests.journeys.processes import ask
from tests.web.conftest import listening

from orderflow.database.engine import Database
from orderflow.fulfillment.carriers import CarrierRejected, CarrierUnavailable, ShipmentRequest
from orderflow.fulfillment.carriers.simulated import SimulatedCarrier
from orderflow.fulfillment.http.simulation import SIMULATED_CARRIER

__all__ = ["database"]

WORSE = {"delayMsLeast": 5, "delayMsMost": 10, "failureRate": 0.5, "errorRate": 1.0}


def test_it_tells_how_it_behaves_and_is_changed(tmp_path: Path) -> None:
    with listening("fulfillment", tmp_path) as port:
        url = f"http://127.0.0.1:{port}{SIMULATED_CARRIER}"
        kind = {"delayMsLeast": 0, "delayMsMost": 0, "failureRate": 0.0, "errorRate": 0.0}
        assert ask(url).body == kind
        assert ask(url, method="PUT", body=WORSE).body == WORSE
        for wrong in ({**WORSE, "delayMsLeast": 11}, {**WORSE, "errorRate": 1.1}, {}, {**WORSE, "seed": 1}):
            assert ask(url, method="PUT", body=wrong).status == 422
        assert ask(url).body == WORSE


def test_there_is_nothing_to_change_where_no_carrier_may_be_changed(database: Database) -> None:
    async def scenario(call: Call) -> None:
        assert (await call("GET", SIMULATED_CARRIER))[0] == 404
        assert (await call("PUT", SIMULATED_CARRIER, json.dumps(WORSE).encode()))[0] == 404

    with_api(database, scenario)


def test_an_order_keeps_its_shipment_whatever_the_carrier_does_otherwise() -> None:
    async def scenario() -> None:
        carrier = SimulatedCarrier(seed=1, delay_ms=(0, 0), failure_rate=0, error_rate=0)
        request = ShipmentRequest(order_id="o-1", idempotency_key="k-1", body=b"{}")
        label = await carrier.create_shipment(request)
        carrier.behave(delay_ms=(0, 0), failure_rate=1, error_rate=0)
        with pytest.raises(CarrierRejected):
            await carrier.create_shipment(request)
        carrier.behave(delay_ms=(0, 0), failure_rate=0, error_rate=1)
        with pytest.raises(CarrierUnavailable):
            await carrier.create_shipment(request)
        carrier.behave(delay_ms=(0, 0), failure_rate=0, error_rate=0)
        again = await carrier.create_shipment(request)
        assert (again.shipment_id, again.tracking_number) == (label.shipment_id, label.tracking_number)
        with pytest.raises(ValueError, match="failure_rate"):
            carrier.behave(delay_ms=(0, 0), failure_rate=2, error_rate=0)

    asyncio.run(scenario())
