"""Erasing a customer's personal data over HTTP, one bounded step a request: the client follows the cursor."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog
from starlette.requests import Request
from starlette.responses import Response

from orderflow.contracts.erasure import EraseCustomerIn, EraseCustomerOut, OrderUnderWay, Remains
from orderflow.contracts.pages import encode_cursor
from orderflow.database.audit import ByHand
from orderflow.database.batch import NotWritten
from orderflow.database.engine import Reader
from orderflow.database.group_commit import GroupCommit
from orderflow.messaging import Kept
from orderflow.orders import erasure
from orderflow.orders.audit import ERASE
from orderflow.orders.erasure import Erase, Erased
from orderflow.orders.http.problems import write_problem
from orderflow.runtime.ids import FIRST_UUID
from orderflow.security.acts import act_of
from orderflow.web.answers import caller, json_response
from orderflow.web.bodies import read_model

log = structlog.get_logger()


class Customers:
    """The endpoint. `events_kept` says how long the log keeps the orders' events."""

    def __init__(
        self,
        *,
        writer: GroupCommit,
        reader: Reader,
        clock: Callable[[], datetime],
        events_kept: Callable[[], Kept],
        keys_kept_s: float,
    ) -> None:
        self._writer = writer
        self._reader = reader
        self._clock = clock
        self._events_kept = events_kept
        self._keys_kept_s = keys_kept_s

    async def erase(self, request: Request) -> Response:
        body = await read_model(EraseCustomerIn, request)
        command = Erase(body.customer_id, body.cursor or FIRST_UUID)
        step = await self._count(command) if body.dry_run else await self._erase(command, request)
        ended = step.behind is None
        answer = EraseCustomerOut.model_construct(
            orders=step.orders,
            events=step.events,
            reasons=step.reasons,
            order_ids=step.finished,
            under_way=[OrderUnderWay.model_construct(order_id=i, status=s) for i, s in step.under_way],
            remains=await self._remains() if ended else [],
            next_cursor=None if step.behind is None else encode_cursor(step.behind),
        )
        return json_response(answer.model_dump(by_alias=True, mode="json"))

    async def _count(self, command: Erase) -> Erased:
        return await self._reader.run(erasure.count, command)

    async def _erase(self, command: Erase, request: Request) -> Erased:
        sender = caller(request)
        made = act_of(sender, self._clock(), "customers.erase", command.customer_id)
        (step,) = await self._writer.submit(ERASE, [ByHand(command, made)])
        if isinstance(step, NotWritten):
            raise write_problem(step.cause)
        log.info("customers.erased", orders=step.orders, under_way=len(step.under_way), actor=sender.name)
        return step

    async def _remains(self) -> list[Remains]:
        now = self._clock()
        kept = await asyncio.to_thread(self._events_kept)
        until = None if kept.seconds is None else now + timedelta(seconds=kept.seconds)
        return [
            Remains.model_construct(place=f"events in {kept.place}", until=until, why=kept.why),
            Remains.model_construct(
                place="digests of requests with an idempotency key",
                until=now + timedelta(seconds=self._keys_kept_s),
                why="a repeated request must not place a second order; only somebody who knows the whole "
                "request can recognize it by its SHA-256",
            ),
            Remains.model_construct(
                place="audit log",
                until=None,
                why="reasons that people gave stay, because nobody may change the log",
            ),
            Remains.model_construct(
                place="archives, program logs, database logs and backups",
                until=None,
                why="requests are logged without their bodies, but errors may quote what a carrier or a "
                "database said; how long they are kept is decided outside of Orderflow",
            ),
        ]
