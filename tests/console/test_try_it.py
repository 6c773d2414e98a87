"""In development somebody tries the system out: sample orders at a rate, and a carrier that behaves badly."""

import asyncio
import random
from pathlib import Path

import pytest
from tests.console.conftest import NOWHERE, ask, console_beside
from tests.journeys.processes import eventually
from tests.web.conftest import listening

from orderflow.console.sample_orders import SampleOrders
from orderflow.console.services import both_services
from orderflow.runtime.health import Health
from orderflow.runtime.tls import ClientTls

PAGE = "/console/try-it"
SEND = {"action": "send", "rate": "3", "seconds": "600"}
WORSE = {"action": "carrier", "least": "5", "most": "10", "rejected": "50", "failing": "100"}


async def sent(url: str, times: list[float]) -> SampleOrders:
    """Orders that are sent 5 a second for 3 s, at these times."""
    async with both_services(url, NOWHERE, ClientTls(None, None, None)) as services:
        now = [0.0]
        samples = SampleOrders(services.orders, Health(), clock=lambda: now[0], chance=random.Random(1))
        samples.start(5, 3, None)
        for now[0] in times:
            await samples.run_once()
        return samples


def test_as_many_orders_are_placed_as_were_asked_for_and_no_longer(tmp_path: Path) -> None:
    with listening("orders", tmp_path) as port:
        samples = asyncio.run(sent(f"http://127.0.0.1:{port}", [0.0, 1.0, 2.0, 3.0, 4.0]))
    assert samples.sending is not None
    assert (samples.sending.placed, samples.sending.trouble, samples.seconds_left) == (15, "", 0)


def test_an_order_service_that_is_away_is_told() -> None:
    samples = asyncio.run(sent(NOWHERE, [0.0]))
    assert samples.sending is not None
    assert samples.sending.placed == 0
    assert "cannot be reached" in samples.sending.trouble
    assert samples.seconds_left == 3


def test_a_person_sends_orders_and_stops_them(tmp_path: Path) -> None:
    with console_beside(tmp_path) as stage:
        assert PAGE in ask(stage.console, "/").text
        assert ask(stage.console, PAGE, SEND).headers["location"] == PAGE
        eventually(lambda: "sample-" in ask(stage.console, "/console/orders").text, "orders are placed")
        shown = ask(stage.console, PAGE).text
        assert "3 a second for" in shown
        assert ask(stage.console, PAGE, {"action": "stop"}).status == 303
        assert "a second for" not in ask(stage.console, PAGE).text


def test_a_person_makes_the_carrier_worse(tmp_path: Path) -> None:
    with console_beside(tmp_path) as stage:
        assert ask(stage.console, PAGE, WORSE).status == 303
        shown = ask(stage.console, PAGE).text
        for name, value in (("least", 5), ("most", 10), ("rejected", 50), ("failing", 100)):
            assert f'value="{value}"' in shown.split(f'name="{name}"')[1].split(">")[0]
        refused = ask(stage.console, PAGE, {**WORSE, "least": "11"})
        assert refused.status == 422


@pytest.mark.parametrize(
    "wrong", [{"rate": "0"}, {"rate": "101"}, {"seconds": "601"}, {"rate": "5.5"}, {"action": "burn"}]
)
def test_what_is_too_much_is_refused(tmp_path: Path, wrong: dict[str, str]) -> None:
    with console_beside(tmp_path) as stage:
        assert ask(stage.console, PAGE, {**SEND, **wrong}).status == 422
        assert "a second for" not in ask(stage.console, PAGE).text


@pytest.mark.parametrize("settings", [{"env": "staging"}, {"api_workers": 2}])
def test_it_is_there_in_development_and_in_one_process_alone(
    tmp_path: Path, settings: dict[str, object]
) -> None:
    with console_beside(tmp_path, settings=settings) as stage:
        assert ask(stage.console, PAGE).status == 404
        assert ask(stage.console, PAGE, SEND).status == 404
        assert PAGE not in ask(stage.console, "/").text
