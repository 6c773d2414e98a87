"""An audit does not miss what may be in an archive."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from orderflow.cli.audit.rules import Known, Moment, Payment, judge
from orderflow.contracts.audit_feeds import AuditedOrder, AuditedShipment
from orderflow.runtime.ids import new_uuid7

NOW = datetime.now(UTC)
DAY = timedelta(days=1)
OLD = NOW - 40 * DAY
ID = new_uuid7(int(OLD.timestamp() * 1000))


def moment(**gone: Any) -> Moment:
    return Moment(NOW, timedelta(minutes=1), **gone)


def shipped_order() -> AuditedOrder:
    return AuditedOrder.model_validate(
        {
            "orderId": ID,
            "status": "Shipped",
            "version": 3,
            "createdAt": OLD,
            "updatedAt": OLD,
            "attention": None,
            "trackingNumber": "T",
            "amountMinor": None,
            "currency": None,
            "events": 0,
            "unpublished": 0,
            "unpublishedSince": None,
            "parked": False,
            "publishedAt": None,
        }
    )


def closed_shipment() -> AuditedShipment:
    return AuditedShipment.model_validate(
        {
            "orderId": ID,
            "state": "closed",
            "step": "ship",
            "direction": "do",
            "ended": {},
            "attempts": 1,
            "held": False,
            "dueInMs": None,
            "parked": None,
            "letters": [],
            "attentionOwed": False,
            "hasLabel": True,
            "trackingNumber": "T",
            "isFailure": False,
            "amountMinor": None,
            "currency": None,
            "reserved": 0,
            "orderedAt": OLD,
            "receivedAt": OLD,
            "closedAt": OLD,
        }
    )


MISSING = {
    "shipment-missing": (Known(ID, shipped_order(), None), "shipments_gone_before"),
    "shipment-without-order": (Known(ID, None, closed_shipment()), "orders_gone_before"),
    "payment-without-order": (
        Known(ID, None, None, payments=(Payment(voided=False, captured_minor=5, refunded_minor=0),)),
        "orders_gone_before",
    ),
}


@pytest.mark.parametrize("kind", MISSING)
def test_what_is_older_than_rows_are_kept_may_be_missing(kind: str) -> None:
    known, gone_before = MISSING[kind]
    assert [each.kind for each in judge(known, moment())] == [kind]
    assert [each.kind for each in judge(known, moment(**{gone_before: NOW - 50 * DAY}))] == [kind]
    assert judge(known, moment(**{gone_before: NOW - 30 * DAY})) == []


def test_what_a_carrier_has_shipped_for_an_order_that_may_be_archived_is_no_finding() -> None:
    known = Known(ID, None, None, live=("T",))
    assert [each.kind for each in judge(known, moment())] == ["shipment-without-order"]
    assert judge(known, moment(orders_gone_before=NOW - 30 * DAY)) == []


@pytest.mark.parametrize("first", ["00000000", "7fffffff", "ffffffff"])
def test_an_id_that_our_order_service_has_not_made_is_in_no_archive(first: str) -> None:
    known = Known(f"{first}-ffff-4fff-bfff-ffffffffffff", None, None, live=("T",))
    for gone_before in (None, NOW - 30 * DAY, NOW):
        assert [each.kind for each in judge(known, moment(orders_gone_before=gone_before))] == [
            "shipment-without-order"
        ]
