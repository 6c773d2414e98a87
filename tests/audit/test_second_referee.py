"""The fault runs' second referee reports what the audit finds, and that it could not look."""

import asyncio
from pathlib import Path

from tests.audit.conftest import Stage
from tests.faults.second_referee import audited

SOURCE = Path(__file__).parents[2] / "src"


def refereed(stage: Stage, *, fulfillment_url: str | None = None) -> list[str]:
    to = stage.addresses
    return asyncio.run(
        audited(SOURCE, to["orders"], fulfillment_url or to["fulfillment"], [to["carrier"]], to["payments"])
    )


def test_a_second_shipment_is_reported_and_a_sound_order_is_not(stage: Stage) -> None:
    stage.failed()
    order_id = stage.shipped()
    assert refereed(stage) == []
    stage.at_carrier(order_id)
    (found,) = refereed(stage)
    assert found.startswith(f"{order_id} shipped-twice: it has 2 live shipments")


def test_an_audit_that_cannot_be_made_is_reported(stage: Stage) -> None:
    (found,) = refereed(stage, fulfillment_url="http://127.0.0.1:9")
    assert "the audit ended with 1: no Fulfillment Service answers" in found
