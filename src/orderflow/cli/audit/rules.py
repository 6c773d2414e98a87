"""The rules of an audit: what must hold between the two services, the carriers' ledgers and the payment
provider's. Pure.

Whatever a person has been told of is no finding: an order with attention, a dead letter that is open. Neither
is what a person has settled by discarding a dead letter, except at the ledgers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from orderflow.contracts.audit_feeds import AuditedOrder, AuditedProduct, AuditedShipment
from orderflow.contracts.orders_api import FINAL
from orderflow.runtime.ids import first_uuid7, is_uuid7

ON_HOLD = "OnHold"
SHIPPED = "Shipped"
CLOSED, PARKED = "closed", "parked"
DONE = "done"


class Payment(NamedTuple):
    """What the provider's ledger says of one authorization that was granted, in minor units."""

    voided: bool
    captured_minor: int
    refunded_minor: int

    @property
    def charged_minor(self) -> int:
        return self.captured_minor - self.refunded_minor

    @property
    def is_open(self) -> bool:
        """Whether money is still set aside."""
        return not self.voided and not self.captured_minor


@dataclass(frozen=True, slots=True)
class Known:
    """All that is known of one order. `order` and `shipment` are None where the service knows none. `live`
    are the tracking numbers of its live shipments by the carriers' ledgers, and `payments` is what the
    provider's says; None where no ledger can be read."""

    order_id: str
    order: AuditedOrder | None
    shipment: AuditedShipment | None
    live: tuple[str, ...] | None = None
    payments: tuple[Payment, ...] | None = None

    @property
    def is_settled(self) -> bool:
        """Whether a person has given up something of the order."""
        return self.shipment is not None and "discarded" in self.shipment.letters


@dataclass(frozen=True, slots=True)
class Finding:
    """`subject` is the id of an order or a product. `what` has nothing in it that changes by itself, so a
    finding that stays is equal to what it was before."""

    kind: str
    subject: str
    what: str

    @property
    def remedy(self) -> str:
        """What a person can do."""
        return REMEDIES[self.kind]


REMEDIES = {
    "event-unpublished": "see that a relay runs and the event log takes events: `orderflow health`",
    "event-missing": "the database has lost it: restore it, or cancel the order and place it again",
    "unknown-to-fulfillment": "see that workers run and read their partitions: `orderflow health "
    "fulfillment`; the reconciler sends the event again by itself",
    "shipment-missing": "the fulfillment database has lost it, or somebody else has reported Shipped: "
    "compare with the carrier, and see `orderflow orders show`; after a restore, `orderflow recover`",
    "shipment-without-order": "the orders database has lost the order, or it came from elsewhere: "
    "after a restore, `orderflow recover` takes it back; otherwise compare with a backup",
    "shipment-waits": "start a worker that can ask its carrier and payment provider",
    "shipment-without-timer": "restart the workers; if it stays, its row was changed by hand",
    "shipment-closed": "see `orderflow orders show`; the reconciler asks for a person in the end, or cancel "
    "the order",
    "parked-without-attention": "look at its dead letter, and redrive or discard it",
    "parked-without-letter": "its dead letter is gone: restore it from a backup",
    "status-differs": "see `orderflow orders show`, and ask the carrier which is right",
    "shipped-twice": "have the carrier stop one of the shipments, and report this as a defect",
    "not-at-carrier": "ask the carrier where the shipment is, and see `orderflow orders show`",
    "shipped-all-the-same": "have the carrier stop the shipment",
    "amount-differs": "see `orderflow orders show`, and correct the payment by hand",
    "not-captured": "capture the payment at the provider",
    "charged-wrongly": "correct the payment at the provider",
    "authorization-kept": "void the authorization at the provider",
    "payment-without-order": "void or refund the payment at the provider",
    "reservation-kept": "count the product again with `orderflow stock set`; report this as a defect",
    "reservation-missing": "count the product again with `orderflow stock set`; report this as a defect",
    "stock-differs": "the record was changed by hand; report this as a defect otherwise",
    "stock-below-zero": "count the product with `orderflow stock set`",
}
"""By kind of finding."""


@dataclass(slots=True)
class Moment:
    """When the audit looks, and how long everything may take by itself. Finished orders that have not changed
    since `orders_gone_before`, and shipments that were closed before `shipments_gone_before`, may be in an
    archive; None if everything is kept."""

    now: datetime
    grace: timedelta
    orders_gone_before: datetime | None = None
    shipments_gone_before: datetime | None = None

    def order_may_be_gone(self, order_id: str, closed_at: datetime | None) -> bool:
        """Whether an order that was last heard of then, or at its creation, may be in an archive. Without
        `closed_at` only the id tells, and not if it is no UUIDv7: then it is not from our Order Service."""
        if self.orders_gone_before is None:
            return False
        gone_before = self.orders_gone_before + self.grace
        if closed_at is not None:
            return closed_at < gone_before
        return is_uuid7(order_id) and order_id < first_uuid7(gone_before)

    def shipment_may_be_gone(self, order: AuditedOrder) -> bool:
        before = self.shipments_gone_before
        return before is not None and order.updated_at < before + self.grace

    def is_past(self, since: datetime) -> bool:
        return self.now - since > self.grace


def judge(known: Known, moment: Moment) -> list[Finding]:
    """What is wrong with the order. One that was placed within the grace is not judged."""
    since = known.order.created_at if known.order else known.shipment.ordered_at if known.shipment else None
    if since is not None and not moment.is_past(since):
        return []
    return [Finding(kind, known.order_id, what) for rule in _RULES for kind, what in rule(known, moment)]


def judge_product(product: AuditedProduct) -> list[Finding]:
    """What is wrong with the record of a product."""
    found: list[Finding] = []
    if product.reserved != product.reserved_for_orders:
        what = f"{product.reserved} are reserved, and {product.reserved_for_orders} of them for orders"
        found.append(Finding("stock-differs", product.product_id, what))
    if product.on_hand < 0:
        found.append(Finding("stock-below-zero", product.product_id, f"{product.on_hand} are on hand"))
    return found


Found = Iterator[tuple[str, str]]
"""Kinds of findings with what is wrong."""


def _event(known: Known, moment: Moment) -> Found:
    order = known.order
    if order is None:
        return
    if order.unpublished_since is not None and moment.is_past(order.unpublished_since):
        yield "event-unpublished", f"it is {order.status}, and an event of it was never published"
    if order.events == 0 and order.status not in FINAL:
        yield "event-missing", f"it is {order.status}, and the outbox has no event of it"


def _both_know_it(known: Known, moment: Moment) -> Found:
    order, shipment = known.order, known.shipment
    if order is None and moment.order_may_be_gone(known.order_id, shipment.closed_at if shipment else None):
        return
    if order is None:
        if shipment is not None and shipment.parked is None and not known.is_settled:
            yield "shipment-without-order", f"its shipment is {shipment.state}"
        elif shipment is None and known.live:
            yield "shipment-without-order", "only the carrier knows it, and has shipped it"
    elif shipment is None and order.status == SHIPPED and not moment.shipment_may_be_gone(order):
        yield "shipment-missing", "it is Shipped, and fulfillment does not know it"
    elif shipment is None and _waits_for_fulfillment(order) and _was_published(order, moment):
        yield "unknown-to-fulfillment", f"it is {order.status}, and its event is published"


def _was_published(order: AuditedOrder, moment: Moment) -> bool:
    """Whether nothing of it waits to be published, and fulfillment has had its time."""
    return not order.unpublished and order.published_at is not None and moment.is_past(order.published_at)


def _waits_for_fulfillment(order: AuditedOrder) -> bool:
    """Whether somebody should be working on it, and nobody was asked to look at it."""
    return order.status not in FINAL and order.status != ON_HOLD and order.attention is None


def _somebody_works_on_it(known: Known, moment: Moment) -> Found:
    order, shipment = known.order, known.shipment
    if shipment is None:
        return
    if shipment.state == PARKED and not {"open", "redriven", "discarding"}.intersection(shipment.letters):
        yield "parked-without-letter", f"its shipment is parked as {shipment.parked}"
    if shipment.state not in (CLOSED, PARKED) and not shipment.held:
        if shipment.due_in_ms is None:
            yield "shipment-without-timer", f"its shipment is {shipment.state}, and never due"
        elif shipment.due_in_ms < -moment.grace.total_seconds() * 1000:
            yield "shipment-waits", f"its shipment is {shipment.state} and due, and no live worker has it"
    if order is None or order.unpublished or not _waits_for_fulfillment(order):
        return
    if shipment.state == CLOSED:
        yield "shipment-closed", f"it is {order.status}, and its shipment is closed"
    elif shipment.state == PARKED and not shipment.attention_owed:
        yield "parked-without-attention", f"it is {order.status}, and parked as {shipment.parked}"


def _status_is_what_was_shipped(known: Known, _moment: Moment) -> Found:
    order, shipment = known.order, known.shipment
    if order is None or shipment is None or known.is_settled:
        return
    shipped = shipment.has_label and shipment.direction == "do"
    if order.status == SHIPPED and not shipped:
        yield "status-differs", "it is Shipped, and fulfillment has not shipped it"
    elif order.status == SHIPPED and order.tracking_number != shipment.tracking_number:
        yield "status-differs", "it is Shipped with another tracking number than fulfillment has"
    elif order.status in FINAL and order.status != SHIPPED and shipped:
        yield "status-differs", f"it is {order.status}, and fulfillment has shipped it"


def _carriers_agree(known: Known, _moment: Moment) -> Found:
    order, live = known.order, known.live
    if live is None:
        return
    if len(live) > 1:
        yield "shipped-twice", f"it has {len(live)} live shipments: {', '.join(sorted(live))}"
    if order is None or order.status not in FINAL:
        return
    if order.status != SHIPPED and live and order.attention is None:
        yield "shipped-all-the-same", f"it is {order.status}, and has a live shipment: {live[0]}"
    elif order.status == SHIPPED and order.tracking_number not in live:
        yield "not-at-carrier", f"it is Shipped as {order.tracking_number}, and no carrier has that"


def _paid_by_record(known: Known, _moment: Moment) -> Found:
    """What the services' own records say about the money."""
    order, shipment = known.order, known.shipment
    if shipment is None or known.is_settled:
        return
    priced = order is not None and None not in (order.amount_minor, shipment.amount_minor)
    if order is not None and priced and order.amount_minor != shipment.amount_minor:
        yield "amount-differs", f"it costs {order.amount_minor}, and fulfillment has {shipment.amount_minor}"
    if shipment.state != CLOSED or shipment.ended.get("authorize") != DONE:
        return
    if shipment.direction == "undo":
        yield "authorization-kept", "it was not shipped, and its authorization was not voided"
    elif shipment.ended.get("capture") is None:
        yield "not-captured", "it was shipped, and its payment was not captured"


def _paid_by_ledger(known: Known, moment: Moment) -> Found:
    order, shipment, payments = known.order, known.shipment, known.payments
    if payments is None or known.is_settled:
        return
    charged = sum(payment.charged_minor for payment in payments)
    is_open = any(payment.is_open for payment in payments)
    if order is None:
        is_gone = moment.order_may_be_gone(known.order_id, None)
        if shipment is None and (charged or is_open) and not is_gone:
            yield "payment-without-order", f"{charged} is charged, and nobody knows the order"
        return
    if order.status != SHIPPED and charged:
        yield "charged-wrongly", f"it is {order.status}, and {charged} is charged"
    if order.status not in FINAL or (shipment is not None and shipment.state != CLOSED):
        return
    if is_open and order.status == SHIPPED and not charged:
        yield "not-captured", "it is Shipped, and money is still set aside"
    elif is_open:
        yield "authorization-kept", f"it is {order.status}, and money is still set aside"
    elif order.status == SHIPPED and shipment is not None:
        pays = shipment.ended.get("authorize") == DONE
        due = (shipment.amount_minor or 0) if pays or (charged and not shipment.attempts) else 0
        if charged != due:
            yield "charged-wrongly", f"it is Shipped, {charged} is charged, and {due} is due"


def _stock_is_held(known: Known, _moment: Moment) -> Found:
    shipment = known.shipment
    if shipment is None:
        return
    if shipment.state == CLOSED and shipment.reserved:
        yield "reservation-kept", f"its shipment is closed, and {shipment.reserved} products are reserved"
    holds = shipment.ended.get("stock") == DONE and shipment.step != "capture"
    if shipment.state != CLOSED and holds and not shipment.reserved:
        yield "reservation-missing", f"its shipment is {shipment.state}, and what it reserved is not"


_RULES: tuple[Callable[[Known, Moment], Found], ...] = (
    _event,
    _both_know_it,
    _somebody_works_on_it,
    _status_is_what_was_shipped,
    _carriers_agree,
    _paid_by_record,
    _paid_by_ledger,
    _stock_is_held,
)
