"""Orders over HTTP: endpoints that place and read them."""

import asyncio
from contextlib import suppress
from typing import Annotated

from fastapi import Query
from pydantic import ValidationError
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from orderflow.contracts import orders_api as api
from orderflow.contracts.scopes import Scope
from orderflow.database.engine import Reader
from orderflow.orders import queries
from orderflow.orders.http import parsing
from orderflow.orders.http.problems import placement_problem, problem_result, unknown_order
from orderflow.orders.http.waiting import Waiters
from orderflow.orders.intake import Accepted, Intake, Refused
from orderflow.orders.model import TERMINAL
from orderflow.orders.tail import Tail
from orderflow.web.answers import caller, json_response, json_text, owner_of
from orderflow.web.bodies import BodyBudget, read_json_body
from orderflow.web.front_door import Caller
from orderflow.web.headers import header_values, idempotency_key
from orderflow.web.problems import ProblemError, validation_problem


class Orders:
    """The endpoints."""

    def __init__(
        self, *, intake: Intake, reader: Reader, bodies: BodyBudget, waiters: Waiters, tail: Tail
    ) -> None:
        self._intake = intake
        self._reader = reader
        self._bodies = bodies
        self._waiters = waiters
        self._tail = tail

    async def post_order(self, request: Request) -> Response:
        self._intake.check_room()
        body = await read_json_body(request, api.BODY_BYTES_MAX, self._bodies)
        key = idempotency_key(header_values(request, b"idempotency-key"))
        try:
            order = parsing.ORDER.validate_json(body)
        except ValidationError as error:
            raise validation_problem(error) from None
        parsing.check_prices(order)
        parsing.check_customer(order, caller(request))
        (answer,) = await self._intake.place([(order, key)], caller(request))
        if not isinstance(answer, Accepted):
            raise placement_problem(answer)
        headers = {"Location": f"/api/orders/{answer.order_id}"}
        if answer.replayed:
            headers["Idempotent-Replayed"] = "true"
        return Response(answer.order, 201, headers, "application/json")

    async def post_batch(self, request: Request) -> Response:
        self._intake.check_room()
        body = await read_json_body(request, api.BATCH_BODY_BYTES_MAX, self._bodies)
        sender = caller(request)
        entries = parsing.entries(body, parsing.BATCH, api.BatchEnvelope, api.BatchOrderIn, "orders")
        for index, entry in enumerate(entries):
            if isinstance(entry, api.BatchOrderIn):
                try:
                    parsing.check_prices(entry, ("orders", index))
                    parsing.check_customer(entry, sender)
                except ProblemError as error:
                    entries[index] = error
        valid = [(entry, entry.idempotency_key) for entry in entries if not isinstance(entry, ProblemError)]
        answers = iter(await self._intake.place(valid, sender))
        results = [
            _batch_result(request, entry if isinstance(entry, ProblemError) else next(answers))
            for entry in entries
        ]
        return Response(f'{{"results":[{",".join(results)}]}}', media_type="application/json")

    async def get_order(
        self, request: Request, order_id: str, query: Annotated[parsing.OrderQuery, Query()]
    ) -> Response:
        order_id, owner = parsing.order_id(order_id), owner_of(request)
        if query.wait is None:
            order = await self._order(order_id, owner)
        else:
            order = await self._awaited(order_id, query, owner)
        return json_response(order, headers={"ETag": f'"{order["version"]}"'})

    async def _order(self, order_id: str, owner: str | None) -> queries.Document:
        order = await self._reader.run(queries.get_order, order_id, owner=owner)
        if order is None:
            raise unknown_order()
        return order

    async def _awaited(self, order_id: str, query: parsing.OrderQuery, owner: str | None) -> queries.Document:
        """The order as soon as it has the status that is waited for, or a terminal one. Otherwise the order
        as it is at the time-out, or earlier if the server stops or too many requests wait already."""
        async with self._tail.subscribed():  # it then tells the waiters of each change
            with self._waiters.expecting(order_id, query.wait or "") as waiter:
                order = await self._order(order_id, owner)
                if order["status"] == query.wait or order["status"] in TERMINAL:
                    return order
                waiter.version = order["version"]
                with suppress(TimeoutError):
                    async with asyncio.timeout(query.timeout_ms / 1000):
                        await waiter.reached.wait()
        return await self._order(order_id, owner)

    async def list_orders(self, request: Request, query: Annotated[parsing.ListQuery, Query()]) -> Response:
        page = await self._reader.run(
            queries.list_orders,
            statuses=query.status,
            customer_id=query.customer_id,
            owner=owner_of(request),
            product_id=query.product_id,
            tracking_number=query.tracking_number,
            idempotency_key=query.idempotency_key,
            keys_of=_keys_of(caller(request)),
            attention=query.attention,
            created_from=query.created_from,
            created_to=query.created_to,
            limit=query.limit,
            before=query.cursor,
        )
        return json_text(page)

    async def timeline(self, request: Request, order_id: str) -> Response:
        order_id = parsing.order_id(order_id)
        document = await self._reader.run(queries.timeline, order_id, owner=owner_of(request))
        if document is None:
            raise unknown_order()
        return json_response(document)


def _keys_of(sender: Caller) -> str | None:
    """The caller whose idempotency keys alone the sender may look for; None for one who may see all."""
    return None if Scope.ADMIN in sender.principal.scopes else sender.name


def _batch_result(request: Request, answer: Accepted | Refused | ProblemError) -> str:
    if not isinstance(answer, Accepted):
        problem = answer if isinstance(answer, ProblemError) else placement_problem(answer)
        return to_json(problem_result(request, problem)).decode()
    replayed = ',"replayed":true' if answer.replayed else ""
    return f'{{"status":201,"order":{answer.order}{replayed}}}'
