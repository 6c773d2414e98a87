"""Parked events over HTTP: endpoints that list them and have them tried again at once."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated

import structlog
from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from orderflow.contracts import orders_api as api
from orderflow.contracts.pages import PageQuery
from orderflow.database.audit import ByHand
from orderflow.database.batch import NotWritten
from orderflow.database.engine import Reader
from orderflow.database.group_commit import GroupCommit
from orderflow.orders import queries
from orderflow.orders.audit import RELEASE_PARKED
from orderflow.orders.http.problems import write_problem
from orderflow.orders.parked import Release
from orderflow.security.acts import act_of
from orderflow.web.answers import caller, json_response, json_text
from orderflow.web.bodies import read_model
from orderflow.web.front_door import Caller
from orderflow.web.problems import ProblemError

log = structlog.get_logger()


class ParkedEvents:
    """The endpoints."""

    def __init__(self, *, writer: GroupCommit, reader: Reader, clock: Callable[[], datetime]) -> None:
        self._writer = writer
        self._reader = reader
        self._clock = clock

    async def list_parked(self, query: Annotated[PageQuery, Query()]) -> Response:
        return json_text(await self._reader.run(queries.list_parked, limit=query.limit, behind=query.cursor))

    async def release(self, request: Request) -> Response:
        body = await read_model(api.ReleaseIn, request)
        released = await self._release(body.order_id, caller(request))
        if released == 0 and body.order_id is not None:
            raise ProblemError(404, "No event of such an order is parked.")
        log.info("outbox.released", events=released, order_id=body.order_id, actor=caller(request).name)
        return json_response({"released": released})

    async def _release(self, order_id: str | None, sender: Caller) -> int:
        """Release step by step, so that no order waits behind many events; returns how many events were
        released. Raises QueueFull before the first step only. If a step fails later, those before it have
        taken effect, and may be repeated."""
        released = 0
        command: Release | None = Release(order_id)
        has_begun = False
        while command is not None:
            # Only the first step is refused while the writer's queue is full: then nothing was released.
            by_hand = ByHand(command, act_of(sender, self._clock(), "parked.release", order_id or "all"))
            (step,) = await self._writer.submit(RELEASE_PARKED, [by_hand], later=has_begun)
            has_begun = True
            if isinstance(step, NotWritten):
                raise write_problem(step.cause)
            released += step.rows
            command = None if step.behind is None else Release(behind=step.behind)
        return released
