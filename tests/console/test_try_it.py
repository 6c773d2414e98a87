"""In development somebody tries the system out: sample orders at a rate, and a carrier that behaves badly."""

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.console.conftest import NOWHERE, ask, asks_for_keys, console_beside
from tests.journeys.processes import Role, eventually, order
from tests.journeys.processes import ask as call
from tests.web.conftest import listening

from orderflow.console.sample_orders import SampleOrders
from orderflow.console.services import both_services
from orderflow.messaging.cuttable import CuttablePublisher
from orderflow.messaging.embedded import EmbeddedLog
from orderflow.runtime.health import Health
from orderflow.runtime.tls import ClientTls

PAGE = "/console/try-it"
SEND = {"action": "send", "rate": "3", "seconds": "600"}
BREAK = {"action": "break", "part": "Event log", "how": "Cut off"}
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


def event_log(tmp_path: Path) -> CuttablePublisher:
    return CuttablePublisher(EmbeddedLog(tmp_path / "events.db").publisher())


def test_only_an_admin_breaks_a_part(tmp_path: Path) -> None:
    log = event_log(tmp_path)
    with console_beside(tmp_path, authenticate=asks_for_keys, breakables=[log]) as stage:
        for key, status, state in (("desk", 403, "connected"), ("admin", 303, "cut off")):
            signed_in = ask(stage.console, "/console/sign-in", {"key": key})
            session = signed_in.headers["set-cookie"].partition(";")[0]
            assert ask(stage.console, PAGE, BREAK).status == 303
            assert log.state == "connected"
            assert ask(stage.console, PAGE, BREAK, Cookie=session).status == status
            assert log.state == state


def test_what_cannot_be_done_with_a_part_is_refused(tmp_path: Path) -> None:
    log = event_log(tmp_path)
    with console_beside(tmp_path, breakables=[log]) as stage:
        for wrong in ({"how": "Connect"}, {"how": ""}, {"part": "Order Service"}):
            assert ask(stage.console, PAGE, {**BREAK, **wrong}).status == 409
        assert "Cut off" in ask(stage.console, PAGE).text
        assert log.state == "connected"


@pytest.fixture
def up(tmp_path: Path) -> Iterator[str]:
    """The address of an `up` whose carrier ships at once."""
    settings = {"PORT": "0", "FULFILLMENT_PORT": "0", "DATA_DIR": str(tmp_path / "data")}
    settings |= {"CARRIER_DELAY_MS": "0-0", "CARRIER_FAILURE_RATE": "0"}
    role = Role(tmp_path, "up", environment={f"ORDERFLOW_{name}": value for name, value in settings.items()})
    try:
        yield role.url()
        assert role.stop() == 0
    finally:
        role.end()


@pytest.mark.parametrize(
    "case",
    [
        ("Event log", "Cut off", "cut off", "somebody has cut off the event log", "Connect"),
        ("Fulfillment Service", "Stop", "stopped", "cannot be reached", "Start"),
        ("Fulfillment Service", "Kill", "stopped", "cannot be reached", "Start"),
    ],
)
def test_orders_wait_for_a_part_that_was_broken_and_go_on(
    up: str, case: tuple[str, str, str, str, str]
) -> None:
    part, breaks, state, told, mends = case
    port = int(up.rsplit(":", 1)[1])

    def do(how: str) -> None:
        assert ask(port, PAGE, {"action": "break", "part": part, "how": how}).status == 303

    def status() -> str:
        return call(f"{up}/api/orders/{order_id}").body["status"]

    do(breaks)
    eventually(lambda: f">{state}</span>" in ask(port, PAGE).text, "it is broken")
    order_id = call(f"{up}/api/orders", method="POST", body=order(1)).body["orderId"]
    eventually(lambda: told in ask(port, "/").text, "the flow says so")
    assert status() == "Created"
    do(mends)
    eventually(lambda: status() == "Shipped", "the order is shipped")


@pytest.mark.parametrize(
    "wrong", [{"rate": "0"}, {"rate": "101"}, {"seconds": "601"}, {"rate": "5.5"}, {"action": "burn"}]
)
def test_what_is_too_much_is_refused(tmp_path: Path, wrong: dict[str, str]) -> None:
    with console_beside(tmp_path) as stage:
        assert ask(stage.console, PAGE, {**SEND, **wrong}).status == 422
        assert "a second for" not in ask(stage.console, PAGE).text


@pytest.mark.parametrize("settings", [{"env": "staging"}, {"env": "prod"}, {"api_workers": 2}])
def test_it_is_there_in_development_and_in_one_process_alone(
    tmp_path: Path, settings: dict[str, object]
) -> None:
    log = event_log(tmp_path)
    with console_beside(tmp_path, settings=settings, breakables=[log]) as stage:
        assert ask(stage.console, PAGE).status == 404
        assert ask(stage.console, PAGE, SEND).status == 404
        assert ask(stage.console, PAGE, BREAK).status == 404
        assert log.state == "connected"
        assert PAGE not in ask(stage.console, "/").text
