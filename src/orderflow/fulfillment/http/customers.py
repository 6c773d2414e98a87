"""Erasing a customer's personal data over HTTP, one bounded step a request."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from starlette.requests import Request
from starlette.responses import Response

from orderflow.contracts.erasure import (
    EraseShipmentsIn,
    EraseShipmentsOut,
    Remains,
    ShipmentUnderWay,
)
from orderflow.contracts.pages import encode_cursor
from orderflow.database.audit import ByHand, Details
from orderflow.database.engine import Reader
from orderflow.database.group_commit import GroupCommit
from orderflow.fulfillment.audit import AUDIT_LOG
from orderflow.fulfillment.erasure import (
    Erased,
    EraseOrders,
    EraseStrays,
    count_orders,
    count_strays,
    erase_orders,
    erase_strays,
)
from orderflow.messaging import Kept
from orderflow.runtime.ids import FIRST_UUID
from orderflow.security.acts import act_of
from orderflow.web.answers import caller, json_response
from orderflow.web.bodies import read_model


def _changed(result: Erased) -> Details | None:
    changed = {
        "shipments": result.shipments,
        "deadLetters": result.dead_letters,
        "attentions": result.attentions,
    }
    return changed if any(changed.values()) else None


_ERASE_ORDERS = AUDIT_LOG.recording(erase_orders, _changed)
_ERASE_STRAYS = AUDIT_LOG.recording(erase_strays, _changed)


class Customers:
    """The endpoint. `copies_kept` says how long the log keeps copies of dead letters."""

    def __init__(
        self,
        *,
        writer: GroupCommit,
        reader: Reader,
        clock: Callable[[], datetime],
        copies_kept: Callable[[], Kept],
    ) -> None:
        self._writer = writer
        self._reader = reader
        self._clock = clock
        self._copies_kept = copies_kept

    async def erase(self, request: Request) -> Response:
        body = await read_model(EraseShipmentsIn, request)
        step = await self._count(body) if body.dry_run else await self._erase(body, request)
        # The dead letters without an order come last.
        ended = body.order_ids is None and step.behind is None
        answer = EraseShipmentsOut.model_construct(
            shipments=step.shipments,
            dead_letters=step.dead_letters,
            attentions=step.attentions,
            under_way=[ShipmentUnderWay.model_construct(order_id=i, state=s) for i, s in step.under_way],
            without_shipment=list(step.without_shipment),
            more=step.more,
            remains=await self._remains() if ended else [],
            next_cursor=None if step.behind is None else encode_cursor(step.behind),
        )
        return json_response(answer.model_dump(by_alias=True, mode="json"))

    async def _count(self, body: EraseShipmentsIn) -> Erased:
        if body.order_ids is not None:
            return await self._reader.run(count_orders, EraseOrders(tuple(body.order_ids)))
        return await self._reader.run(count_strays, EraseStrays(body.customer_id, body.cursor or FIRST_UUID))

    async def _erase(self, body: EraseShipmentsIn, request: Request) -> Erased:
        made = act_of(caller(request), self._clock(), "customers.erase", body.customer_id)
        if body.order_ids is not None:
            command = EraseOrders(tuple(body.order_ids))
            return await self._writer.submit_one(_ERASE_ORDERS, ByHand(command, made))
        strays = EraseStrays(body.customer_id, body.cursor or FIRST_UUID)
        return await self._writer.submit_one(_ERASE_STRAYS, ByHand(strays, made))

    async def _remains(self) -> list[Remains]:
        kept = await asyncio.to_thread(self._copies_kept)
        until = None if kept.seconds is None else self._clock() + timedelta(seconds=kept.seconds)
        return [
            Remains.model_construct(
                place=f"copies of dead letters in {kept.place}", until=until, why=kept.why
            ),
            Remains.model_construct(
                place="carriers and payment providers",
                until=None,
                why="they have the orders that they were asked about: the carrier has the address",
            ),
        ]
