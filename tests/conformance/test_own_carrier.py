"""An adapter written by somebody else is checked by the same suite, which finds what is wrong with it."""

import asyncio
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Set
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from orderflow.fulfillment.carriers import (
    Carrier,
    CarrierRefused,
    CarrierRejected,
    CarrierUnavailable,
    Label,
    ShipmentRequest,
    conformance,
)

EXAMPLES = Path(__file__).parents[2] / "examples"
REJECTED = {"items": [{"productId": "p-1", "quantity": 1_001}]}


class Sound:
    """A carrier in memory that keeps every guarantee; those below break one each."""

    def __init__(self) -> None:
        self._numbers = itertools.count()
        self._by_key: dict[str, Label] = {}
        self._live: dict[str, str] = {}

    async def create_shipment(self, request: ShipmentRequest) -> Label:
        if any(item["quantity"] > 1_000 for item in json.loads(request.body)["items"]):
            self.reject(request)
        if request.idempotency_key not in self._by_key:
            self._by_key[request.idempotency_key] = self.make(request)
        return self._by_key[request.idempotency_key]

    def reject(self, request: ShipmentRequest) -> None:
        del request
        raise CarrierRejected("too many of a kind")

    def make(self, request: ShipmentRequest) -> Label:
        number = str(next(self._numbers))
        self._live[number] = request.order_id
        return Label(number, "Sound", f"T-{number}", datetime.now(UTC))

    async def find_shipments(self, order_id: str) -> list[Label]:
        labels = {label.shipment_id: label for label in self._by_key.values()}
        return [labels[number] for number, of in self._live.items() if of == order_id and number in labels]

    async def void_shipment(self, shipment_id: str) -> None:
        self._live.pop(shipment_id, None)

    async def close(self) -> None:
        pass


class Forgetful(Sound):
    """Knows no idempotency key."""

    async def create_shipment(self, request: ShipmentRequest) -> Label:
        label = self.make(request)
        self._by_key[label.shipment_id] = label
        return label


class Timeless(Sound):
    """Says when it shipped, but not in which zone."""

    def make(self, request: ShipmentRequest) -> Label:
        made = super().make(request)
        return Label(made.shipment_id, made.carrier, made.tracking_number, datetime(2026, 1, 1))  # noqa: DTZ001


class Hasty(Sound):
    """Looks for the key, then waits, then makes a shipment."""

    async def create_shipment(self, request: ShipmentRequest) -> Label:
        known = self._by_key.get(request.idempotency_key)
        await asyncio.sleep(0)
        if known is not None:
            return known
        self._by_key[request.idempotency_key] = made = self.make(request)
        return made


class OneNumber(Sound):
    """Every parcel has the same tracking number."""

    def make(self, request: ShipmentRequest) -> Label:
        made = super().make(request)
        return Label(made.shipment_id, made.carrier, "T-1", made.shipped_at)


class OneId(Sound):
    """Every parcel has the same shipment id."""

    def make(self, request: ShipmentRequest) -> Label:
        made = super().make(request)
        return Label("S-1", made.carrier, made.tracking_number, made.shipped_at)


class Blind(Sound):
    """Finds nothing."""

    async def find_shipments(self, order_id: str) -> list[Label]:
        del order_id
        return []


class Stubborn(Sound):
    """Says that it voids, and does not."""

    async def void_shipment(self, shipment_id: str) -> None:
        pass


class Resurrecting(Sound):
    """Forgets the key of what is voided."""

    async def void_shipment(self, shipment_id: str) -> None:
        await super().void_shipment(shipment_id)
        self._by_key = {key: label for key, label in self._by_key.items() if label.shipment_id != shipment_id}


class Mute(Sound):
    """Answers a repeat with nothing."""

    async def create_shipment(self, request: ShipmentRequest) -> Label:
        known = request.idempotency_key in self._by_key
        label = await super().create_shipment(request)
        nothing: Any = None
        return nothing if known else label


ALL_BUT_ORDERS = {
    conformance.the_same_key_gets_the_same_shipment,
    conformance.the_same_key_gets_one_shipment_while_calls_are_concurrent,
    conformance.a_late_repeat_meets_the_voided_shipment_and_makes_no_new_one,
}
BREAKS: dict[type[Sound], Set[conformance.Check]] = {
    Sound: set(),
    Forgetful: ALL_BUT_ORDERS,
    Timeless: {conformance.the_same_key_gets_the_same_shipment},
    Hasty: {conformance.the_same_key_gets_one_shipment_while_calls_are_concurrent},
    OneNumber: {conformance.two_orders_get_two_shipments},
    OneId: {
        conformance.the_same_key_gets_one_shipment_while_calls_are_concurrent,
        conformance.two_orders_get_two_shipments,
        conformance.a_shipment_that_was_made_is_found,
    },
    Blind: {
        conformance.the_same_key_gets_one_shipment_while_calls_are_concurrent,
        conformance.a_shipment_that_was_made_is_found,
    },
    Stubborn: {
        conformance.a_voided_shipment_is_found_no_more_and_may_be_voided_again,
        conformance.a_late_repeat_meets_the_voided_shipment_and_makes_no_new_one,
    },
    Resurrecting: {conformance.a_late_repeat_meets_the_voided_shipment_and_makes_no_new_one},
    Mute: ALL_BUT_ORDERS,
}


def found_wrong(adapter: type[Sound]) -> dict[conformance.Check, str]:
    """What each check that fails says; every check has a carrier of its own."""

    async def scenario() -> dict[conformance.Check, str]:
        found = {check: await conformance.run(adapter(), check) for check in conformance.CHECKS}
        return {check: wrong for check, wrong in found.items() if wrong is not None}

    return asyncio.run(scenario())


@pytest.mark.parametrize("adapter", BREAKS)
def test_an_adapter_fails_the_checks_of_the_guarantees_that_it_breaks_and_no_others(
    adapter: type[Sound],
) -> None:
    assert set(found_wrong(adapter)) == BREAKS[adapter]


def test_every_check_has_an_adapter_that_fails_it() -> None:
    assert {check for broken in BREAKS.values() for check in broken} == set(conformance.CHECKS)


class Refusing(Sound):
    def reject(self, request: ShipmentRequest) -> None:
        raise CarrierRefused(f"will not ship {request.order_id}")


class Sulking(Sound):
    def reject(self, request: ShipmentRequest) -> None:
        raise CarrierUnavailable(f"will not ship {request.order_id}", doubtful=False)


class Wordless(Sound):
    def reject(self, request: ShipmentRequest) -> None:
        raise CarrierRejected("  ")


class Fickle(Sound):
    def reject(self, request: ShipmentRequest) -> None:
        raise CarrierRejected(f"{request.order_id}: reason {next(self._numbers)}")


class Shipping(Sound):
    def reject(self, request: ShipmentRequest) -> None:
        pass


class ShippingAllTheSame(Sound):
    def reject(self, request: ShipmentRequest) -> None:
        made = self.make(request)
        self._by_key[made.shipment_id] = made
        raise CarrierRejected("too many of a kind")


@pytest.mark.parametrize(
    ("adapter", "words"),
    [
        (Refusing, "raised as CarrierRefused, not as CarrierRejected"),
        (Sulking, "raised as CarrierUnavailable, not as CarrierRejected"),
        (Wordless, "has no words"),
        (Fickle, "became"),
        (Shipping, "not raised as CarrierRejected: the answer was Label("),
        (ShippingAllTheSame, "a look-up finds [("),
        (Sound, None),
    ],
)
def test_a_rejection_must_be_the_ports_own_in_words_that_stay_and_make_nothing(
    adapter: type[Sound], words: str | None
) -> None:
    carrier: Carrier = adapter()
    found = asyncio.run(conformance.run(carrier, conformance.a_rejection_is_raised_as_one(REJECTED)))
    assert found is None if words is None else words in (found or "")


def run_suite(directory: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "orderflow.fulfillment.carriers.conformance", *arguments],
        env=os.environ | {"PYTHONPATH": str(EXAMPLES), "PICK_SLIPS_DIR": str(directory)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_example_passes_the_suite_its_rejection_included(tmp_path: Path) -> None:
    file = tmp_path / "rejected.json"
    file.write_text(json.dumps(REJECTED))
    ran = run_suite(tmp_path / "slips", "own_carrier:PickSlips", str(file))
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.count("ok  ") == len(conformance.CHECKS) + 1
    assert "skip" not in ran.stdout


def test_without_an_order_that_is_rejected_the_suite_says_what_it_skips(tmp_path: Path) -> None:
    ran = run_suite(tmp_path, "own_carrier:PickSlips")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.count("ok  ") == len(conformance.CHECKS)
    assert ran.stdout.count("skip  how a rejection is raised") == 1


def test_an_order_that_is_not_rejected_after_all_fails_the_suite(tmp_path: Path) -> None:
    file = tmp_path / "rejected.json"
    file.write_text(json.dumps({"items": [{"productId": "p-1", "quantity": 1}]}))
    ran = run_suite(tmp_path / "slips", "own_carrier:PickSlips", str(file))
    assert ran.returncode == 1
    assert (
        "FAIL  a rejection is raised as one: NotConformant: not raised as CarrierRejected: the answer was"
        in ran.stdout
    )


@pytest.mark.parametrize(
    "arguments",
    [(), ("own_carrier",), ("own_carrier:PickSlips", "no-such-file"), ("own_carrier:PickSlips", "a", "b")],
)
def test_the_suite_says_how_it_is_used(arguments: tuple[str, ...], tmp_path: Path) -> None:
    ran = run_suite(tmp_path, *arguments)
    assert ran.returncode == 2
    assert len(ran.stderr.splitlines()) == 1
