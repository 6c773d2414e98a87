"""What a provider holds of an order's money is told by the steps of its shipment."""

from typing import Any

import pytest

from orderflow.console.payments import held


def shipment(authorize: str, capture: str) -> dict[str, Any]:
    return {"steps": [{"step": "authorize", "state": authorize}, {"step": "capture", "state": capture}]}


@pytest.mark.parametrize(
    ("authorize", "capture", "told"),
    [
        ("done", "done", "charged"),
        ("done", "parked", "set aside; whether it was charged is not known"),
        ("done", "pending", "set aside, not charged"),
        ("parked", "skipped", "not known: it may be set aside"),
        ("undone", "skipped", "nothing: it was released"),
        ("skipped", "skipped", "nothing"),
    ],
)
def test_what_is_held_is_told_by_the_last_step_that_did_something(
    authorize: str, capture: str, told: str
) -> None:
    assert held(shipment(authorize, capture)) == told


def test_without_a_shipment_nothing_is_held() -> None:
    assert held(None) == "nothing"
