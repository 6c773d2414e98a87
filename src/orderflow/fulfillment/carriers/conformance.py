"""What every carrier adapter guarantees, as checks that run against any of them.

    python -m orderflow.fulfillment.carriers.conformance package.module:Class [REJECTED.json]

REJECTED.json is an order that the carrier rejects, `{"items": [...], "shipTo"?: {...}}`; only you can know
one. Without it, how a rejection is raised stays unchecked, and the output says so.

The checks make shipments for orders with random ids and void them, so use the carrier's sandbox. The exit
code is 0 when all pass, 1 when one fails, 2 for wrong use.
"""

import asyncio
import importlib
import json
import sys
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from orderflow.fulfillment.carriers import Carrier, CarrierRejected, Label, ShipmentRequest
from orderflow.fulfillment.carriers.answers import checked_label, checked_labels

CHECK_S_MAX = 120.0
CONCURRENT = 20

Check = Callable[[Carrier], Awaitable[None]]


class NotConformant(Exception):
    """The adapter breaks a guarantee of the port."""


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
    _require(_name(first) == _name(again), f"{_name(first)} became {_name(again)}")
    _require(first.shipped_at.utcoffset() is not None, "shipped_at has no offset from UTC")


async def the_same_key_gets_one_shipment_while_calls_are_concurrent(carrier: Carrier) -> None:
    request = a_request()
    labels = await asyncio.gather(*(_create(carrier, request) for _ in range(CONCURRENT)))
    _require(len({_name(label) for label in labels}) == 1, "one key made several shipments")
    await _require_live(carrier, request, labels[:1])


async def two_orders_get_two_shipments(carrier: Carrier) -> None:
    one, other = await _create(carrier, a_request()), await _create(carrier, a_request())
    _require(one.shipment_id != other.shipment_id, "two orders share a shipment id")
    _require(one.tracking_number != other.tracking_number, "two orders share a tracking number")


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
    _require(_name(replayed) == _name(label), f"{_name(label)} became {_name(replayed)}")
    await _require_live(carrier, request, [])


def a_rejection_is_raised_as_one(rejected: Mapping[str, object]) -> Check:
    """The check for `rejected`, the body of an order that the carrier rejects; the order's id is replaced."""

    async def a_rejection_is_raised_as_one(carrier: Carrier) -> None:
        order_id = str(uuid.uuid4())
        body = json.dumps({**rejected, "orderId": order_id}).encode()
        request = ShipmentRequest(order_id, f"orderflow-{order_id}", body)
        said = [await _rejection(carrier, request) for _ in range(2)]
        _require(bool(said[0].strip()), "the rejection has no words")
        _require(said[0] == said[1], f"{said[0]!r} became {said[1]!r}")
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
    try:
        async with asyncio.timeout(CHECK_S_MAX):
            try:
                await check(tidy)
            finally:
                await tidy.close()
    except TimeoutError:
        return f"not done within {CHECK_S_MAX:g} s"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


async def _create(carrier: Carrier, request: ShipmentRequest) -> Label:
    return checked_label(await carrier.create_shipment(request))


async def _rejection(carrier: Carrier, request: ShipmentRequest) -> str:
    try:
        label = await _create(carrier, request)
    except CarrierRejected as rejected:
        return str(rejected)
    except Exception as error:
        raise NotConformant(f"raised as {type(error).__name__}, not as CarrierRejected: {error}") from error
    raise NotConformant(f"the order was shipped as {_name(label)}")


async def _require_live(carrier: Carrier, request: ShipmentRequest, expected: Sequence[Label]) -> None:
    found = checked_labels(await carrier.find_shipments(request.order_id))
    names = sorted(_name(label) for label in found)
    _require(names == sorted(_name(label) for label in expected), f"a look-up finds {names}")


def _name(label: Label) -> tuple[str, str]:
    return label.shipment_id, label.tracking_number


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise NotConformant(otherwise)


async def _run_all(carrier: Carrier, checks: Sequence[Check]) -> int:
    failures = 0
    try:
        for check in checks:
            wrong = await run(carrier, check)
            failures += wrong is not None
            sentence = getattr(check, "__name__", "check").replace("_", " ")
            sys.stdout.write(f"{'FAIL' if wrong else 'ok  '}  {sentence}{f': {wrong}' if wrong else ''}\n")
    finally:
        await carrier.close()
    return 1 if failures else 0


def main(arguments: Sequence[str]) -> int:
    """Run the checks against the adapter that the first argument names."""
    module, separator, name = arguments[0].partition(":") if arguments else ("", "", "")
    if not separator or len(arguments) > 2:
        return _wrong_use(
            "usage: python -m orderflow.fulfillment.carriers.conformance package.module:Class [REJECTED.json]"
        )
    checks = list(CHECKS)
    if len(arguments) == 2:
        try:
            rejected: Any = json.loads(Path(arguments[1]).read_bytes())
            checks.append(a_rejection_is_raised_as_one(dict(rejected)))
        except (OSError, ValueError, TypeError) as error:
            return _wrong_use(f"{arguments[1]} holds no order: {error}")
    else:
        sys.stdout.write("skip  how a rejection is raised: name a file with an order that is rejected\n")

    async def within() -> int:
        return await _run_all(getattr(importlib.import_module(module), name)(), checks)

    return asyncio.run(within())


def _wrong_use(line: str) -> int:
    sys.stderr.write(f"{line}\n")
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
