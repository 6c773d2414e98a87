"""`orderflow orders cancel`, `hold` and `release` against an Order Service."""

import json

import pytest
from tests.orders.conftest import UNKNOWN_ID, Service

from orderflow import cli


@pytest.fixture
def called(service: Service, monkeypatch: pytest.MonkeyPatch) -> Service:
    """The service that commands call."""
    monkeypatch.setenv("ORDERFLOW_ORDERS_URL", f"http://127.0.0.1:{service.port}")
    return service


def test_an_order_is_held_released_and_cancelled(called: Service, capsys: pytest.CaptureFixture[str]) -> None:
    order_id = called.placed()["orderId"]
    assert cli.run(["orders", "hold", order_id, "--reason", "address is being checked"]) == 0
    assert f"{order_id} is OnHold (version 2)\n" in capsys.readouterr().out
    assert cli.run(["orders", "release", order_id]) == 0
    assert f"{order_id} is Created (version 3)\n" in capsys.readouterr().out
    for _ in range(2):
        assert cli.run(["orders", "cancel", order_id]) == 0
        assert f"{order_id} is Cancelled (version 4)\n" in capsys.readouterr().out
    changes = [e for e in called.get(f"/api/orders/{order_id}/timeline")["items"] if e["kind"] == "change"]
    assert [change["reason"] for change in changes] == [None, "address is being checked", None, None]


def test_json_shows_the_whole_order(called: Service, capsys: pytest.CaptureFixture[str]) -> None:
    order_id = called.placed()["orderId"]
    assert cli.run(["orders", "cancel", order_id, "--json"]) == 0
    printed = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("{"))
    assert json.loads(printed) == called.get(f"/api/orders/{order_id}")


def test_a_refusal_is_told_in_words_and_ends_with_1(
    called: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    order_id = called.placed()["orderId"]
    called.patch(order_id, status="Processing")
    assert cli.run(["orders", "hold", order_id]) == 1
    told = capsys.readouterr().err.splitlines()
    assert told[0] == "Illegal transition: An order that is Processing cannot be put on hold."
    assert told[1] == "  it is Processing; allowed next: Cancelling"
    assert cli.run(["orders", "cancel", UNKNOWN_ID]) == 1
    assert capsys.readouterr().err.startswith("Unknown order: There is no order with this id.")
