"""A carrier's words are either kept whole or left to a person. They are never logged, because they may name
somebody."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
import structlog
from tests.fulfillment.conftest import World

from orderflow.fulfillment.carriers import (
    CarrierRefused,
    CarrierRejected,
    CarrierUnavailable,
    Label,
    ShipmentRequest,
)
from orderflow.fulfillment.decisions import CallFailed, after_call, labelled
from orderflow.fulfillment.model import Done, Owner, Park, Shipment, TurnBack
from orderflow.fulfillment.tables import dead_letters

WORDS = "Ada Lovelace of St James's Square is not at home"
AT = datetime(2026, 1, 1, tzinfo=UTC)
LONG = "T" * 201


def label(**fields: str) -> Label:
    return Label(**({"shipment_id": "S-1", "carrier": "C", "tracking_number": "T-1"} | fields), shipped_at=AT)


@pytest.mark.parametrize("field", ["shipment_id", "carrier", "tracking_number"])
@pytest.mark.parametrize("text", ["x", "x" * 200, "Größe, no. 7"])
def test_a_label_that_fits_is_kept_whole(field: str, text: str) -> None:
    decision = labelled(label(**{field: text}))
    assert isinstance(decision, Done)
    assert getattr(decision.label, field) == text


@pytest.mark.parametrize("field", ["shipment_id", "carrier", "tracking_number"])
@pytest.mark.parametrize("text", [LONG, "T-1\x00", "T\t1", "\ud800", "x" * 5_000])
def test_a_label_that_does_not_fit_is_for_a_person_who_is_told_its_text(field: str, text: str) -> None:
    decision = labelled(label(**{field: text}))
    assert isinstance(decision, Park)
    assert decision.kind == "carrier-label"
    assert field.replace("_", " ") in (decision.attention or "")
    assert len(decision.note) <= 1_000
    if len(text) == 201:
        assert text in decision.note
    if len(text) == 5_000:
        assert decision.note.endswith("…")


def test_words_that_are_too_long_are_cut_visibly() -> None:
    shipment = Shipment("an order", Owner("w", 1), "abc", None, b"{}", AT, AT)
    decision = after_call(CallFailed(CarrierRejected("no " * 1_000)), shipment, quick_retries=0)
    assert isinstance(decision, TurnBack)
    assert decision.error is not None
    assert len(decision.error) <= 1_000
    assert decision.error.endswith("…")


class Says:
    """A carrier that answers every call like this."""

    def __init__(self, answer: Label | Exception) -> None:
        self.answer = answer

    async def create_shipment(self, request: ShipmentRequest) -> Label:
        del request
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def find_shipments(self, order_id: str) -> list[Label]:
        del order_id
        return []

    async def void_shipment(self, shipment_id: str) -> None:
        pass

    async def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("answer", "logged"),
    [
        (CarrierRejected(WORDS), None),
        (CarrierRefused(f"HTTP 400: {WORDS}", status=400), "HTTP 400"),
        (CarrierUnavailable(f"HTTP 503: {WORDS}", doubtful=True, status=503), "HTTP 503"),
        (CarrierUnavailable(WORDS, doubtful=True), "no answer that can be relied on"),
        (CarrierUnavailable(WORDS, doubtful=False), "not reached"),
        (KeyError(WORDS), "KeyError"),
        (label(tracking_number=f"{WORDS} {LONG}"), "the label does not fit"),
    ],
)
def test_the_carriers_words_stay_with_the_order_and_are_never_logged(
    world: World, answer: Label | Exception, logged: str | None
) -> None:
    async def scenario() -> tuple[list[Any], str]:
        async with world.running():
            (order_id,) = await world.place()
            with structlog.testing.capture_logs() as lines:
                async with world.working(Says(answer), sleep=asyncio.sleep) as worker:

                    def is_decided() -> bool:
                        (row,) = world.rows() or [None]
                        return row is not None and (
                            row["state"] in ("closed", "parked") or row["note"] is not None
                        )

                    await world.until(is_decided, "the answer is decided on")
                    shown = str(worker.status())
            kept = str(world.rows()) + str(world.rows(dead_letters)) + str(await world.order(order_id))
            return [*lines, shown], kept

    told, kept = asyncio.run(scenario())
    assert "Lovelace" not in str(told)
    if not isinstance(answer, KeyError):
        assert "Lovelace" in kept
    if logged is not None:
        assert logged in str(told)
