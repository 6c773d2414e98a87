"""What the Fulfillment Service shows over HTTP: shipments, dead letters and redrives."""

from typing import Annotated

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from orderflow.contracts.audit import AuditQuery
from orderflow.contracts.order_events import readable_order_id
from orderflow.contracts.pages import PageQuery
from orderflow.database.engine import Reader
from orderflow.fulfillment import queries
from orderflow.fulfillment.audit import AUDIT_LOG
from orderflow.fulfillment.letters import LetterState
from orderflow.fulfillment.model import State
from orderflow.web.answers import json_response, json_text
from orderflow.web.headers import read_query
from orderflow.web.problems import ProblemError


class _LettersQuery(PageQuery):
    state: list[LetterState] = Field([])
    kind: Annotated[str, Field(max_length=64)] | None = None


class _ShipmentsQuery(PageQuery):
    state: list[State] = Field([])


class FulfillmentApi:
    """The endpoints that read."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def get_shipment(self, request: Request) -> Response:
        order_id = readable_order_id(request.path_params["order_id"])
        shipment = await self._reader.run(queries.get_shipment, order_id) if order_id else None
        if shipment is None:
            raise ProblemError(404, "There is no shipment for such an order.")
        return json_response(shipment)

    async def list_shipments(self, request: Request) -> Response:
        query = read_query(_ShipmentsQuery, request)
        page = await self._reader.run(
            queries.list_shipments, states=query.state, limit=query.limit, after=query.cursor
        )
        return json_text(page)

    async def list_dead_letters(self, request: Request) -> Response:
        query = read_query(_LettersQuery, request)
        page = await self._reader.run(
            queries.list_dead_letters,
            kind=query.kind,
            states=query.state,
            limit=query.limit,
            after=query.cursor,
        )
        return json_text(page)

    async def list_audit(self, request: Request) -> Response:
        return json_text(await self._reader.run(AUDIT_LOG.page, read_query(AuditQuery, request)))

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
        letter_id = readable_order_id(request.path_params["letter_id"])
        letter = await self._reader.run(queries.get_dead_letter, letter_id) if letter_id else None
        if letter is None:
            raise ProblemError(404, "There is no such dead letter.")
        return json_response(letter)
