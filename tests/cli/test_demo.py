"""The demo's verdict finds whatever is wrong; a short demo finds nothing."""

import asyncio
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import pytest

from orderflow.cli.demo_verdict import last_verdict, verdict
from orderflow.contracts.orders_api import OrderOut

ID = "019c46f2-b0a0-7c11-8f3a-2b1c9d4e5f60"
NOW = datetime(2026, 2, 10, 9, 30, tzinfo=UTC).isoformat()


def order(status: str, **more: Any) -> OrderOut:
    shipped = {"carrier": "c", "trackingNumber": "T-1", "shippedAt": NOW, "errorMessage": None}
    price = {"amountMinor": 250, "currency": "EUR"}
    return OrderOut.model_validate(
        {
            "customer": {"customerId": "c", "name": "Ada"},
            "items": [{"productId": "p", "quantity": 2, "unitPrice": price}],
            "orderId": ID,
            "status": status,
            "version": 3,
            "fulfillment": shipped if status == "Shipped" else None,
            "attention": None,
            "createdAt": NOW,
            "updatedAt": NOW,
            "correlationId": "c",
            "allowedTransitions": [],
            **more,
        }
    )


def shipment(**more: Any) -> dict[str, Any]:
    return {
        "shipmentId": "s",
        "orderId": ID,
        "trackingNumber": "T-1",
        "state": "live",
        "createdAt": NOW,
        **more,
    }


def payment(**more: Any) -> dict[str, Any]:
    return {
        "authorizationId": "a",
        "orderId": ID,
        "amountMinor": 500,
        "currency": "EUR",
        "authorized": True,
        "voided": False,
        "capturedMinor": 500,
        "refundedMinor": 0,
        **more,
    }


GOOD: list[tuple[OrderOut, list[dict[str, Any]], list[dict[str, Any]]]] = [
    (order("Shipped"), [shipment(), shipment(state="voided")], [payment()]),
    (order("Failed"), [], [payment(authorized=False, capturedMinor=0)]),
    (order("Cancelled"), [shipment(state="voided")], [payment(capturedMinor=0, voided=True)]),
    (order("Cancelled"), [shipment(state="voided")], [payment(refundedMinor=500)]),
    (order("Cancelled"), [], []),
]


@pytest.mark.parametrize(("told", "shipments", "payments"), GOOD)
def test_orders_that_agree_with_the_ledgers_are_not_complained_of(
    told: OrderOut, shipments: list[dict[str, Any]], payments: list[dict[str, Any]]
) -> None:
    assert verdict({ID}, [told], shipments, payments) == []


@pytest.mark.parametrize(
    ("orders", "shipments", "payments", "said"),
    [
        ([], [], [], "is lost"),
        ([], [shipment()], [], "nobody knows it"),
        ([order("Processing")], [], [], "not finished"),
        (
            [order("Created", attention={"kind": "k", "reason": "look at it", "since": NOW})],
            [],
            [],
            "look at it",
        ),
        ([order("Shipped")], [], [payment()], "has 0 shipments"),
        ([order("Shipped")], [shipment(), shipment(shipmentId="s-2")], [payment()], "has 2 shipments"),
        ([order("Shipped")], [shipment(trackingNumber="T-2")], [payment()], "tracking number"),
        ([order("Shipped")], [shipment()], [payment(capturedMinor=0)], "charged 0 of 500"),
        ([order("Shipped")], [shipment()], [payment(), payment()], "charged 1000 of 500"),
        ([order("Cancelled")], [shipment()], [], "has 1 shipments"),
        ([order("Failed")], [], [payment()], "charged 500"),
        ([order("Cancelled")], [], [payment(capturedMinor=0)], "set aside"),
    ],
)
def test_whatever_is_wrong_is_found(
    orders: list[OrderOut], shipments: list[dict[str, Any]], payments: list[dict[str, Any]], said: str
) -> None:
    assert said in "\n".join(verdict({ID}, orders, shipments, payments))


@pytest.mark.parametrize(("seconds_max", "found"), [(10.0, []), (0.0, ["not yet paid"])])
def test_what_comes_right_in_time_is_not_wrong(seconds_max: float, found: list[str]) -> None:
    verdicts = iter([["not yet paid"], ["not yet paid"], []])

    async def look() -> tuple[list[OrderOut], list[str]]:
        return [], next(verdicts)

    _, wrong = asyncio.run(last_verdict(look, seconds_max))
    assert wrong == found


def test_a_short_demo_runs_and_finds_nothing_wrong() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "orderflow", "demo", "--minutes", "0.1", "--rate", "5"],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "30 orders were accepted: " in done.stdout
    assert "None is lost." in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [["--minutes", "0"], ["--minutes", "nan"], ["--minutes", "61"], ["--rate", "0"]],
    ids=" ".join,
)
def test_a_demo_without_bounds_is_wrong_use(arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "orderflow", "demo", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
