"""An adapter of somebody else's is checked by the same suite, and the suite finds what is wrong with it."""

import asyncio
import itertools
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from orderflow.fulfillment.carriers import Label, ShipmentRequest, conformance

EXAMPLES = Path(__file__).parents[2] / "examples"


class Forgetful:
    """A carrier that knows no idempotency key."""

    def __init__(self) -> None:
        self._numbers = itertools.count()
        self._live: dict[str, Label] = {}
        self._orders: dict[str, str] = {}

    async def create_shipment(self, request: ShipmentRequest) -> Label:
        number = str(next(self._numbers))
        label = Label(number, "Forgetful", f"T-{number}", datetime.now(UTC))
        self._live[number] = label
        self._orders[number] = request.order_id
        return label

    async def find_shipments(self, order_id: str) -> list[Label]:
        return [label for number, label in self._live.items() if self._orders[number] == order_id]

    async def void_shipment(self, shipment_id: str) -> None:
        self._live.pop(shipment_id, None)

    async def close(self) -> None:
        pass


def run_suite(directory: Path, name: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "orderflow.fulfillment.carriers.conformance", name],
        env=os.environ | {"PYTHONPATH": str(EXAMPLES), "PICK_SLIPS_DIR": str(directory)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_example_passes_the_suite(tmp_path: Path) -> None:
    ran = run_suite(tmp_path, "own_carrier:PickSlips")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.count("ok  ") == len(conformance.CHECKS)


def test_the_suite_says_how_it_is_used(tmp_path: Path) -> None:
    assert run_suite(tmp_path, "own_carrier").returncode == 2


def test_a_carrier_that_ships_twice_does_not_pass() -> None:
    async def scenario() -> list[str | None]:
        return [await conformance.run(Forgetful(), check) for check in conformance.CHECKS]

    found = asyncio.run(scenario())
    assert [wrong is None for wrong in found] == [False, False, True, True, True, False]
