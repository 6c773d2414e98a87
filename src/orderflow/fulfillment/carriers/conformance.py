"""What every carrier adapter guarantees, as checks that run against any of them.

    python -m orderflow.fulfillment.carriers.conformance package.module:Class [REJECTED.json]

REJECTED.json is an order that the carrier rejects, `{"items": [...], "shipTo"?: {...}}`; only you can know
one. Without it, how a rejection is raised stays unchecked, and the output says so.

The checks make shipments for orders with random ids and void them, so use the carrier's sandbox. The exit
code is 0 when all pass, 1 when one fails, 2 for wrong use.
"""

import asyncio
import json
import sys
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence

from orderflow.fulfillment.carriers import Carrier, CarrierRejected, Label, ShipmentRequest
from orderflow.fulfillment.carriers.answers import checked_label, checked_labels
from orderflow.fulfillment.parties.conformance import CONCURRENT, Suite, require, words_of, wrong_with

Check = Callable[[Carrier], Awaitable[None]]


def a_request() -> ShipmentRequest:
    """A small order that no carrier has seen."""
    order_id = str(uuid.uuid4())
    ship_to = {
        "name": "Ada Lovelace",
        "lines": ["12 St James's Square"],
        "city": "London",
        "postalCode": "SW1Y 4JH",
        "country": "GB",
    }
    body = {"orderId": order_id, "items": [{"productId": "p-1", "quantity": 2}], "shipTo": ship_to}
    return ShipmentRequest(order_id, f"orderflow-{order_id}", json.dumps(body).encode())


async def the_same_key_gets_the_same_shipment(carrier: Carrier) -> None:
    request = a_request()
    first = await _create(carrier, request)
    again = await _create(carrier, request)
    require(_name(first) == _name(again), f"{_name(first)} became {_name(again)}")
    require(first.shipped_at.utcoffset() is not None, "shipped_at has no offset from UTC")


async def the_same_key_gets_one_shipment_while_calls_are_concurrent(carrier: Carrier) -> None:
    request = a_request()
    labels = await asyncio.gather(*(_create(carrier, request) for _ in range(CONCURRENT)))
    require(len({_name(label) for label in labels}) == 1, "one key made several shipments")
    await _require_live(carrier, request, labels[:1])


async def two_orders_get_two_shipments(carrier: Carrier) -> None:
    one, other = await _create(carrier, a_request()), await _create(carrier, a_request())
    require(one.shipment_id != other.shipment_id, "two orders share a shipment id")
    require(one.tracking_number != other.tracking_number, "two orders share a tracking number")


async def a_shipment_that_was_made_is_found(carrier: Carrier) -> None:
    request = a_request()
    await _require_live(carrier, request, [await _create(carrier, request)])


async def a_voided_shipment_is_found_no_more_and_may_be_voided_again(carrier: Carrier) -> None:
    request = a_request()
    label = await _create(carrier, request)
    await carrier.void_shipment(label.shipment_id)
    await carrier.void_shipment(label.shipment_id)
    await _require_live(carrier, request, [])


async def a_late_repeat_meets_the_voided_shipment_and_makes_no_new_one(carrier: Carrier) -> None:
    request = a_request()
    label = await _create(carrier, request)
    await carrier.void_shipment(label.shipment_id)
    # Rejecting the repeat is just as good: nothing is shipped.
    try:
        replayed = await _create(carrier, request)
    except CarrierRejected:
        replayed = label
    require(_name(replayed) == _name(label), f"{_name(label)} became {_name(replayed)}")
    await _require_live(carrier, request, [])


def a_rejection_is_raised_as_one(rejected: Mapping[str, object]) -> Check:
    """The check for `rejected`, the body of an order that the carrier rejects; the order's id is replaced."""

    async def a_rejection_is_raised_as_one(carrier: Carrier) -> None:
        order_id = str(uuid.uuid4())
        body = json.dumps({**rejected, "orderId": order_id}).encode()
        request = ShipmentRequest(order_id, f"orderflow-{order_id}", body)
        said = [await words_of(_create(carrier, request), CarrierRejected) for _ in range(2)]
        require(bool(said[0].strip()), "the rejection has no words")
        require(said[0] == said[1], f"{said[0]!r} became {said[1]!r}")
        await _require_live(carrier, request, [])

    return a_rejection_is_raised_as_one


CHECKS: tuple[Check, ...] = (
    the_same_key_gets_the_same_shipment,
    the_same_key_gets_one_shipment_while_calls_are_concurrent,
    two_orders_get_two_shipments,
    a_shipment_that_was_made_is_found,
    a_voided_shipment_is_found_no_more_and_may_be_voided_again,
    a_late_repeat_meets_the_voided_shipment_and_makes_no_new_one,
)


class _Tidy:
    """The carrier under test. Closing it voids the shipments that were made."""

    def __init__(self, inner: Carrier) -> None:
        self._inner = inner
        self._made: set[str] = set()

    async def create_shipment(self, request: ShipmentRequest) -> Label:
        label = await self._inner.create_shipment(request)
        self._made.add(checked_label(label).shipment_id)
        return label

    async def find_shipments(self, order_id: str) -> list[Label]:
        return await self._inner.find_shipments(order_id)

    async def void_shipment(self, shipment_id: str) -> None:
        await self._inner.void_shipment(shipment_id)

    async def close(self) -> None:
        """Void what was made; the carrier itself stays open."""
        for shipment_id in sorted(self._made):
            await self._inner.void_shipment(shipment_id)


async def run(carrier: Carrier, check: Check) -> str | None:
    """What the check found wrong, or None. Takes at most 120 s."""
    tidy = _Tidy(carrier)
    return await wrong_with(check(tidy), tidy.close)


async def _create(carrier: Carrier, request: ShipmentRequest) -> Label:
    return checked_label(await carrier.create_shipment(request))


async def _require_live(carrier: Carrier, request: ShipmentRequest, expected: Sequence[Label]) -> None:
    found = checked_labels(await carrier.find_shipments(request.order_id))
    names = sorted(_name(label) for label in found)
    require(names == sorted(_name(label) for label in expected), f"a look-up finds {names}")


def _name(label: Label) -> tuple[str, str]:
    return label.shipment_id, label.tracking_number


SUITE = Suite[Carrier](
    "orderflow.fulfillment.carriers.conformance",
    "REJECTED.json",
    "a rejection",
    CHECKS,
    a_rejection_is_raised_as_one,
    run,
)

if __name__ == "__main__":
    sys.exit(SUITE.main(sys.argv[1:]))
