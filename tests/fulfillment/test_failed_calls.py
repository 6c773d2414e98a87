"""A shipment tells which of its calls have failed, when and why, in our own words."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.fulfillment.conftest import World
from tests.fulfillment.test_carriers_words import WORDS, Says

from orderflow.fulfillment import queries
from orderflow.fulfillment.carriers import CarrierRefused, CarrierUnavailable
from orderflow.fulfillment.failed_calls import CHARS_MAX, line_of, told_failures
from orderflow.fulfillment.fencing import Change
from orderflow.fulfillment.model import Owner, Park, Shipment, State, Wait

AT = datetime(2026, 1, 1, tzinfo=UTC)


def shipment_of(world: World, order_id: str) -> dict[str, Any]:
    with world.fulfillment.reader.connect() as connection:
        found = queries.get_shipment(connection, order_id)
    assert found is not None
    return found


def told(world: World, answer: Exception) -> list[dict[str, Any]]:
    """What the shipment of an order tells once this answer of the carrier was decided on."""

    async def scenario() -> list[dict[str, Any]]:
        async with world.running():
            (order_id,) = await world.place()
            async with world.working(Says(answer), sleep=asyncio.sleep):

                def is_decided() -> bool:
                    return any(row["note"] is not None for row in world.rows())

                await world.until(is_decided, "the answer is decided on")
                return shipment_of(world, order_id)["failedCalls"]

    return asyncio.run(scenario())


def test_a_shipment_that_waits_tells_which_attempt_failed_and_repeats_no_word_of_the_carrier(
    world: World,
) -> None:
    answer = CarrierUnavailable(f"HTTP 503: {WORDS}", doubtful=True, status=503)
    failed = told(world, answer)[0]
    assert datetime.now(UTC) - datetime.fromisoformat(failed.pop("at")) < timedelta(minutes=5)
    assert failed == {"step": "ship", "attempt": 4, "outcome": "retry", "reason": "HTTP 503"}


def test_a_shipment_that_is_parked_tells_as_what(world: World) -> None:
    (failed,) = told(world, CarrierRefused(f"HTTP 400: {WORDS}", status=400))
    assert (failed["attempt"], failed["outcome"], failed["reason"]) == (1, "carrier-refused", "HTTP 400")


def calling(**changes: Any) -> Shipment:
    plain: dict[str, Any] = {"state": State.CALLING, "attempts": 7} | changes
    return Shipment("o", Owner("w", 1), "c", None, b"{}", AT, AT, **plain)


@pytest.mark.parametrize(
    ("shipment", "decision"),
    [
        (calling(state=State.RECEIVED), Wait(60_000, "the order is OnHold", counts=False)),
        (calling(state=State.SHIPPED), Park("update-refused", "refused", None)),
    ],
)
def test_what_follows_no_call_of_a_party_is_no_failed_call(shipment: Shipment, decision: Wait | Park) -> None:
    assert line_of(Change(shipment, decision, AT)) == ""


def test_only_the_last_calls_are_kept_and_each_is_told_whole(world: World) -> None:
    line = line_of(Change(calling(undoing=True), Wait(1, "no answer {that} can be relied on"), AT))
    (whole,) = told_failures(line)
    assert (whole["step"], whole["attempt"]) == ("undo ship", 7)
    many = (line * 100)[-CHARS_MAX:]
    assert told_failures(many) == [whole] * (CHARS_MAX // len(line))
    assert told_failures(None) == []

    async def scenario() -> list[dict[str, Any]]:
        async with world.running():
            (order_id,) = await world.place()
            answer = Says(CarrierUnavailable("HTTP 503", doubtful=True, status=503))
            async with world.working(answer, sleep=asyncio.sleep):
                await world.until(lambda: any(row["note"] for row in world.rows()), "it waits")
            world.execute(queries.shipments.update().values(failed_calls=many, due_at_ms=0))
            async with world.working(answer, sleep=asyncio.sleep):

                def is_added() -> bool:
                    return shipment_of(world, order_id)["failedCalls"][-1]["step"] == "ship"

                await world.until(is_added, "the next failure is kept")
                return shipment_of(world, order_id)["failedCalls"]

    kept = asyncio.run(scenario())
    assert kept[0] == whole
    assert len(kept) <= CHARS_MAX // len(line)
