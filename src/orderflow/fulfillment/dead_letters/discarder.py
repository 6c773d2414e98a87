"""Asks the Order Service and the carrier before the use cases of `discard.py` discard a dead letter."""

import asyncio
import contextlib
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from orderflow.database.audit import ByHand, act
from orderflow.database.group_commit import GroupCommit
from orderflow.fulfillment.audit import AUDIT_LOG, if_done
from orderflow.fulfillment.carriers import (
    CarrierRefused,
    CarrierRejected,
    Carriers,
    CarrierUnavailable,
)
from orderflow.fulfillment.dead_letters.discard import (
    Begin,
    Begun,
    Discarded,
    End,
    Refuse,
    begin,
    end,
    refuse,
)
from orderflow.fulfillment.decisions import party_changed
from orderflow.fulfillment.model import ERROR_CHARS_MAX, Shipment, State, clean, status_update
from orderflow.fulfillment.orders_answers import Acknowledged, Answer, Conflict, Unanswered
from orderflow.fulfillment.orders_client import BulkRefused, OrdersClient, OrdersUnavailable
from orderflow.fulfillment.steps import Shipping

VOID_S_MAX = 60.0

_END = AUDIT_LOG.recording(end, if_done)


class _NoVoid(Exception):
    """The void was not obtained, for a reason that is a sentence. `touched`: the carrier may have voided
    something even so."""

    def __init__(self, reason: str, *, touched: bool) -> None:
        super().__init__(reason)
        self.touched = touched


class Discarder:
    """Discards letters, once the carrier that was called has voided what it may have made."""

    def __init__(
        self,
        writer: GroupCommit,
        carriers: Carriers,
        orders: OrdersClient,
        key_lifetime: timedelta,
        clock: Callable[[], datetime],
    ) -> None:
        self._writer = writer
        self._carriers = carriers
        self._orders = orders
        self._key_lifetime = key_lifetime
        self._clock = clock

    async def discard(
        self, letter_id: str, *, actor: str, reason: str, correlation_id: str
    ) -> tuple[Discarded, str]:
        """Discard the letter, or say why not. Repeating it is safe. Raises the database's errors."""
        reason = clean(reason, ERROR_CHARS_MAX)
        token = str(uuid.uuid4())
        begun = await self._writer.submit_one(begin, Begin(letter_id, token))
        if not isinstance(begun, Begun):
            return begun
        try:
            if begun.called is not None:
                await self._refuse_if_shipped(begun.called)
                await self._obtain_void(begun.called)
        except _NoVoid as error:
            why = str(error)
            reopen = not (error.touched or begun.tried_before)
            told = Refuse(letter_id, token, actor, why, reopen=reopen, at=self._clock())
            await self._writer.submit_one(refuse, told)
            return Discarded.NO_VOID, why
        now = self._clock()
        made = act(
            now,
            "dead-letter.discard",
            letter_id,
            actor=actor,
            correlation_id=correlation_id,
            reason=reason,
        )
        await self._writer.submit_one(_END, ByHand(End(letter_id, actor, reason, now), made))
        return Discarded.DONE, ""

    async def _refuse_if_shipped(self, called: Shipment) -> None:
        """The update that tells of a label may have been taken, though every answer to it was lost. Raises
        _NoVoid."""
        if called.label is None or called.undoing:
            return
        if await self._told(replace(called, state=State.RECEIVED)) != Conflict("Shipped"):
            return
        # It is Shipped, by this shipment or by another: a repeated update is acknowledged, another is not.
        if isinstance(await self._told(replace(called, state=State.SHIPPED)), Acknowledged):
            raise _NoVoid(
                "The order is Shipped with this shipment: redrive the dead letter, and it is done.",
                touched=False,
            )

    async def _told(self, shipment: Shipment) -> Answer:
        """The answer to the update that the shipment's state owes. Raises _NoVoid."""
        try:
            (answer,) = await self._orders.patch([status_update(shipment)])
        except BulkRefused as error:
            return error.refused
        except OrdersUnavailable as error:
            answer = Unanswered(str(error))
        if isinstance(answer, Unanswered):
            why = f"Nobody knows whether the order is Shipped: {answer.reason}. Try again."
            raise _NoVoid(why, touched=False)
        return answer

    async def _obtain_void(self, called: Shipment) -> None:
        """Make the shipment under its own key and void it, so that a late repeat of the call meets the voided
        one: a look-up that finds nothing would prove nothing. A key that has expired is not used again.
        Raises _NoVoid."""
        party = self._carriers.holding(called.party)
        if party is None:
            raise _not_voided(party_changed(called).note, touched=False)
        shipping = Shipping(party.adapter)
        touched = False
        try:
            async with asyncio.timeout(VOID_S_MAX):
                made: set[str] = set()
                if not called.is_past_key_lifetime(self._clock(), self._key_lifetime):
                    with contextlib.suppress(CarrierRejected):
                        made.add((await shipping.create(called)).shipment_id)
                made.update(label.shipment_id for label in await shipping.live(called.order_id))
                for shipment_id in sorted(made):
                    try:
                        await party.adapter.void_shipment(shipment_id)
                    except CarrierRefused:
                        raise
                    except CarrierUnavailable as error:
                        touched |= error.doubtful
                        raise
                    except BaseException:
                        touched = True
                        raise
                    touched = True
                left = len(await shipping.live(called.order_id))
        except Exception as error:
            raise _not_voided(str(error) or type(error).__name__, touched=touched) from error
        if left:
            raise _not_voided(f"it still shows {left} live", touched=touched)


def _not_voided(reason: str, *, touched: bool) -> _NoVoid:
    return _NoVoid(f"The carrier has not voided what it may have made: {reason}", touched=touched)
