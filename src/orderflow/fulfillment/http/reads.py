"""What the Fulfillment Service shows over HTTP: shipments, dead letters, redrives, and feeds for audits."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from orderflow.contracts.audit import AuditQuery
from orderflow.contracts.audit_feeds import FeedQuery, StockFeedQuery, with_horizon
from orderflow.contracts.order_events import readable_order_id
from orderflow.contracts.pages import PageQuery
from orderflow.database.engine import Reader
from orderflow.fulfillment import queries
from orderflow.fulfillment.audit import AUDIT_LOG
from orderflow.fulfillment.audit_feed import audited_shipments, audited_stock
from orderflow.fulfillment.letters import LetterState
from orderflow.fulfillment.model import State
from orderflow.fulfillment.waiting import NOTHING_KNOWN, Known
from orderflow.web.answers import json_response, json_text
from orderflow.web.headers import read_query
from orderflow.web.problems import ProblemError

NO_SHIPMENT = "There is no shipment for such an order."
NO_LETTER = "There is no such dead letter."
NAMED_MAX = 100
"""Orders that one request may name."""


class LettersQuery(PageQuery):
    state: list[LetterState] = Field([])
    kind: Annotated[str, Field(max_length=64)] | None = None
    order_id: UUID | None = None


class ShipmentsQuery(PageQuery):
    """With `orderId`, which may be repeated, only the shipments of these orders."""

    state: list[State] = Field([])
    order_id: list[UUID] = Field([], max_length=NAMED_MAX)


class FulfillmentApi:
    """The endpoints that read. `known` is what the worker of this process knows now. Closed shipments are
    archived after `shipments_kept_s`, in seconds; None keeps them for ever."""

    def __init__(
        self,
        reader: Reader,
        known: Callable[[], Known] = lambda: NOTHING_KNOWN,
        *,
        shipments_kept_s: float | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._reader = reader
        self._known = known
        self._shipments_kept_s = shipments_kept_s
        self._clock = clock

    async def get_shipment(self, request: Request) -> Response:
        order_id = readable_order_id(request.path_params["order_id"])
        if order_id is None:
            raise ProblemError(404, NO_SHIPMENT)
        shipment = await self._reader.run(queries.get_shipment, order_id, known=self._known())
        if shipment is None:
            raise ProblemError(404, NO_SHIPMENT)
        return json_response(shipment)

    async def list_shipments(self, request: Request) -> Response:
        query = read_query(ShipmentsQuery, request)
        page = await self._reader.run(
            queries.list_shipments,
            states=query.state,
            limit=query.limit,
            after=query.cursor,
            order_ids=[str(each) for each in query.order_id],
            known=self._known(),
        )
        return json_text(page)

    async def list_dead_letters(self, request: Request) -> Response:
        query = read_query(LettersQuery, request)
        page = await self._reader.run(
            queries.list_dead_letters,
            kind=query.kind,
            order_id=None if query.order_id is None else str(query.order_id),
            states=query.state,
            limit=query.limit,
            after=query.cursor,
        )
        return json_text(page)

    async def list_audit(self, request: Request) -> Response:
        return json_text(await self._reader.run(AUDIT_LOG.page, read_query(AuditQuery, request)))

    async def list_audited_shipments(self, request: Request) -> Response:
        query = read_query(FeedQuery, request)
        page = await self._reader.run(
            audited_shipments, limit=query.limit, after=query.cursor, order_ids=query.order_id
        )
        return json_text(with_horizon(page, self._shipments_kept_s, self._clock()))

    async def list_audited_stock(self, request: Request) -> Response:
        query = read_query(StockFeedQuery, request)
        page = await self._reader.run(
            audited_stock, limit=query.limit, after=query.cursor, product_ids=query.product_id
        )
        return json_text(page)

    async def list_groups(self, _request: Request) -> Response:
        return json_response(await self._reader.run(queries.dead_letter_groups))

    async def list_redrives(self, _request: Request) -> Response:
        return json_response(await self._reader.run(queries.list_redrives))

    async def get_redrive(self, request: Request) -> Response:
        redrive_id = readable_order_id(request.path_params["redrive_id"])
        found = await self._reader.run(queries.list_redrives, redrive_id=redrive_id) if redrive_id else None
        if not (found and found["items"]):
            raise ProblemError(404, "There is no such redrive.")
        return json_response(found["items"][0])

    async def get_dead_letter(self, request: Request) -> Response:
        found = await self._reader.run(queries.get_dead_letter, letter_id_of(request), known=self._known())
        return _of_letter(found)

    async def get_message(self, request: Request) -> Response:
        return _of_letter(await self._reader.run(queries.get_message, letter_id_of(request)))


def letter_id_of(request: Request) -> str:
    """Raises ProblemError 404 for what is no id."""
    letter_id = readable_order_id(request.path_params["letter_id"])
    if letter_id is None:
        raise ProblemError(404, NO_LETTER)
    return letter_id


def _of_letter(found: queries.Document | None) -> Response:
    if found is None:
        raise ProblemError(404, NO_LETTER)
    return json_response(found)
