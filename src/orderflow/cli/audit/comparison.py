"""An audit reads the feeds of both services and the ledgers together, by order id, and judges each order.

Whatever the number of orders, only a page of each feed is in memory, and the suspects. Feeds and ledgers are
read one after the other while orders move on, so what looks wrong is read again after a while, and only what
is still wrong in the same way is a finding.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, TypeVar

from orderflow.cli.audit.ledgers import Entries
from orderflow.cli.audit.rules import Finding, Known, Moment, judge, judge_product
from orderflow.contracts.audit_feeds import (
    AUDITED_ORDERS,
    AUDITED_SHIPMENTS,
    AUDITED_STOCK,
    SELECTED_MAX,
    AuditedOrder,
    AuditedOrders,
    AuditedProduct,
    AuditedShipment,
    AuditedShipments,
    AuditedStock,
)

SUSPECTS_MAX = 10_000
"""Orders and products that are looked at again. If more look wrong, the first of them are enough to begin
with."""

T = TypeVar("T")
Get = Callable[[str, Mapping[str, object]], Awaitable[dict[str, Any]]]
"""Sends a GET with a query to a service, and returns its answer."""


LookUp = Callable[[str], Awaitable[Entries]]
"""Asks all ledgers for one order."""


@dataclass(frozen=True, slots=True)
class Read:
    """Which ledgers an audit has: those of all carriers, and those of all payment providers."""

    carriers: bool
    payments: bool


@dataclass(slots=True)
class Report:
    """What an audit has looked at, and found. `has_more`: so much looks wrong that not all of it was looked
    at again."""

    orders: int = 0
    shipments: int = 0
    products: int = 0
    has_more: bool = False
    findings: list[Finding] = field(default_factory=list[Finding])


class Audit:
    """One audit. `grace_s` is how long an order may take before it is judged, and a step before it counts as
    late; `again_after_s` is how long after the first look the suspects are read again. Both are in seconds.
    Raises what `orders`, `fulfillment` and `look_up` raise."""

    def __init__(
        self,
        orders: Get,
        fulfillment: Get,
        entries: Iterator[Entries],
        look_up: LookUp,
        read: Read,
        *,
        grace_s: float,
        again_after_s: float,
        clock: Callable[[], datetime],
        sleep: Callable[[float], Awaitable[object]],
    ) -> None:
        self._orders = orders
        self._fulfillment = fulfillment
        self._entries = entries
        self._look_up = look_up
        self._read = read
        self._grace = timedelta(seconds=grace_s)
        self._again_after_s = again_after_s
        self._clock = clock
        self._sleep = sleep

    async def run(self) -> Report:
        report = Report()
        suspects = await self._first_look(report)
        products = await self._look_at_stock(report)
        if suspects or products:
            await self._sleep(self._again_after_s)
            still = await self._look_again(sorted({each.subject for each in suspects}))
            still |= await self._look_at_products(sorted({each.subject for each in products}))
            report.findings = [each for each in (*suspects, *products) if each in still]
        return report

    async def _first_look(self, report: Report) -> list[Finding]:
        moment = Moment(self._clock(), self._grace)
        orders, shipments = self._feeds(moment)
        suspects: list[Finding] = []
        async for order_id, order, shipment, entries in _merged(orders, shipments, self._entries):
            report.orders += order is not None
            report.shipments += shipment is not None
            found = judge(self._known(order_id, order, shipment, entries), moment)
            if len(suspects) < SUSPECTS_MAX:
                suspects += found
            else:
                report.has_more |= bool(found)
        return suspects

    def _feeds(
        self, moment: Moment, order_ids: Sequence[str] = ()
    ) -> tuple[AsyncIterator[AuditedOrder], AsyncIterator[AuditedShipment]]:
        """Both feeds, of all orders or of these. Their pages tell the moment what may be in an archive."""
        query = {"orderId": list(order_ids)}

        def of_orders(answer: Any) -> Page[AuditedOrder]:
            page = AuditedOrders.model_validate(answer)
            moment.orders_gone_before = page.gone_before
            return page.items, page.next_cursor

        def of_shipments(answer: Any) -> Page[AuditedShipment]:
            page = AuditedShipments.model_validate(answer)
            moment.shipments_gone_before = page.gone_before
            return page.items, page.next_cursor

        return (
            _feed(self._orders, AUDITED_ORDERS, of_orders, query),
            _feed(self._fulfillment, AUDITED_SHIPMENTS, of_shipments, query),
        )

    def _known(
        self,
        order_id: str,
        order: AuditedOrder | None,
        shipment: AuditedShipment | None,
        entries: Entries | None,
    ) -> Known:
        found = entries or Entries(order_id)
        return Known(
            order_id,
            order,
            shipment,
            found.live if self._read.carriers else None,
            found.payments if self._read.payments else None,
        )

    async def _look_at_stock(self, report: Report) -> list[Finding]:
        suspects: list[Finding] = []
        async for product in _feed(self._fulfillment, AUDITED_STOCK, _products):
            report.products += 1
            if len(suspects) < SUSPECTS_MAX:
                suspects += judge_product(product)
        return suspects

    async def _look_again(self, order_ids: Sequence[str]) -> set[Finding]:
        """What is wrong with these orders now."""
        found: set[Finding] = set()
        moment = Moment(self._clock(), self._grace)
        for some in _in_parts(order_ids):
            of_orders, of_shipments = self._feeds(moment, some)
            shipments = {each.order_id: each async for each in of_shipments}
            orders = {each.order_id: each async for each in of_orders}
            for order_id in some:
                entries = await self._look_up(order_id)
                known = self._known(order_id, orders.get(order_id), shipments.get(order_id), entries)
                found.update(judge(known, moment))
        return found

    async def _look_at_products(self, product_ids: Sequence[str]) -> set[Finding]:
        found: set[Finding] = set()
        for some in _in_parts(product_ids):
            products = _feed(self._fulfillment, AUDITED_STOCK, _products, {"productId": some})
            found.update([each async for product in products for each in judge_product(product)])
        return found


def _in_parts(ids: Sequence[str]) -> Iterator[list[str]]:
    rest = iter(ids)
    while some := list(islice(rest, SELECTED_MAX)):
        yield some


Page = tuple[Sequence[T], str | None]
"""Items, and where the next page begins."""


async def _feed(
    get: Get, path: str, page: Callable[[Any], Page[T]], query: Mapping[str, object] | None = None
) -> AsyncIterator[T]:
    """The items of a feed; `page` reads an answer."""
    cursor: str | None = None
    while True:
        items, cursor = page(await get(path, {**(query or {}), "cursor": cursor}))
        for item in items:
            yield item
        if cursor is None:
            return


def _products(answer: Any) -> Page[AuditedProduct]:
    page = AuditedStock.model_validate(answer)
    return page.items, page.next_cursor


Row = tuple[str, AuditedOrder | None, AuditedShipment | None, Entries | None]


async def _merged(
    orders: AsyncIterator[AuditedOrder],
    shipments: AsyncIterator[AuditedShipment],
    ledgers: Iterator[Entries],
) -> AsyncIterator[Row]:
    """What the three say of each order. Each of them is sorted by order id, and has an order once at most."""
    order, shipment, entries = await anext(orders, None), await anext(shipments, None), next(ledgers, None)
    while present := [each.order_id for each in (order, shipment, entries) if each is not None]:
        order_id = min(present)
        of_order = order if order is not None and order.order_id == order_id else None
        of_shipment = shipment if shipment is not None and shipment.order_id == order_id else None
        of_ledgers = entries if entries is not None and entries.order_id == order_id else None
        yield order_id, of_order, of_shipment, of_ledgers
        if of_order is not None:
            order = await anext(orders, None)
        if of_shipment is not None:
            shipment = await anext(shipments, None)
        if of_ledgers is not None:
            entries = next(ledgers, None)
