"""The Order Service over HTTP: parses requests, calls the use cases and queries, and maps errors.

Writes are plain Starlette endpoints with compiled validators; FastAPI routes the reads and documents
everything.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Query
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from orderflow.contracts import orders_api as api
from orderflow.contracts.pages import PageQuery
from orderflow.database.engine import DatabaseUnavailable, Reader
from orderflow.database.group_commit import GroupCommit, QueueFull
from orderflow.orders import commands, openapi, parsing, queries
from orderflow.orders.intake import Accepted, Intake, database_unavailable, write_problem
from orderflow.orders.model import TERMINAL, IllegalTransition, offered
from orderflow.orders.parked_http import ParkedEvents
from orderflow.orders.waiting import Waiters
from orderflow.web import docs_page
from orderflow.web.answers import (
    EXCEPTION_HANDLERS,
    caller,
    json_response,
    json_text,
    problem_of,
    problem_response,
)
from orderflow.web.bodies import BodyBudget, read_json_body
from orderflow.web.headers import (
    NoQuery,
    header_values,
    idempotency_key,
    if_match,
    read_query,
    refuse_what_is_not_taken,
    takes,
)
from orderflow.web.health import HealthApi
from orderflow.web.problems import ProblemError, field_error, validation_problem


class OrdersApi:
    """The endpoints."""

    def __init__(
        self,
        *,
        writer: GroupCommit,
        reader: Reader,
        intake: Intake,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._writer = writer
        self._reader = reader
        self._intake = intake
        self._clock = clock
        self._bodies = BodyBudget()
        self._waiters = Waiters(lambda order_ids: reader.run(queries.statuses, order_ids))
        self._stopping = False

    def stop(self) -> None:
        """Answer every long poll now; the server is about to end."""
        self._stopping = True
        self._waiters.release_all()

    async def _body(self, request: Request, bytes_max: int) -> bytes:
        return await read_json_body(request, bytes_max, self._bodies)

    async def post_order(self, request: Request) -> Response:
        self._intake.check_room()
        body = await self._body(request, api.BODY_BYTES_MAX)
        key = idempotency_key(header_values(request, b"idempotency-key"))
        try:
            order = parsing.ORDER.validate_json(body)
        except ValidationError as error:
            raise validation_problem(error) from None
        parsing.check_prices(order)
        (answer,) = await self._intake.place([(order, key)], caller(request))
        if isinstance(answer, ProblemError):
            raise answer
        headers = {"Location": f"/api/orders/{answer.order_id}"}
        if answer.replayed:
            headers["Idempotent-Replayed"] = "true"
        return Response(answer.order, 201, headers, "application/json")

    async def post_batch(self, request: Request) -> Response:
        self._intake.check_room()
        body = await self._body(request, api.BATCH_BODY_BYTES_MAX)
        entries = parsing.entries(body, parsing.BATCH, api.BatchEnvelope, api.BatchOrderIn, "orders")
        for index, entry in enumerate(entries):
            if isinstance(entry, api.BatchOrderIn):
                try:
                    parsing.check_prices(entry, ("orders", index))
                except ProblemError as error:
                    entries[index] = error
        valid = [(entry, entry.idempotency_key) for entry in entries if not isinstance(entry, ProblemError)]
        answers = iter(await self._intake.place(valid, caller(request)))
        results = [
            self._batch_result(request, entry if isinstance(entry, ProblemError) else next(answers))
            for entry in entries
        ]
        return Response(f'{{"results":[{",".join(results)}]}}', media_type="application/json")

    def _batch_result(self, request: Request, answer: Accepted | ProblemError) -> str:
        if isinstance(answer, ProblemError):
            return to_json(_problem_result(request, answer)).decode()
        replayed = ',"replayed":true' if answer.replayed else ""
        return f'{{"status":201,"order":{answer.order}{replayed}}}'

    async def patch_status(self, request: Request) -> Response:
        order_id = parsing.order_id(request.path_params["order_id"])
        body = await self._body(request, api.BODY_BYTES_MAX)
        try:
            patch = parsing.PATCH.validate_json(body)
        except ValidationError as error:
            raise validation_problem(error) from None
        outcome = (await self._update(request, [(order_id, patch)], if_match(request)))[0]
        if isinstance(outcome, ProblemError):
            raise outcome
        return Response(status_code=204)

    async def patch_statuses(self, request: Request) -> Response:
        body = await self._body(request, api.BATCH_BODY_BYTES_MAX)
        entries = parsing.entries(
            body, parsing.UPDATES, api.StatusUpdatesEnvelope, api.StatusUpdate, "updates"
        )
        valid = [(entry.order_id, entry) for entry in entries if not isinstance(entry, ProblemError)]
        outcomes = iter(await self._update(request, valid))
        results: list[dict[str, Any]] = []
        for entry in entries:
            outcome = entry if isinstance(entry, ProblemError) else next(outcomes)
            results.append(_problem_result(request, outcome) if outcome else {"status": 204})
        return json_response({"results": results})

    async def _update(
        self,
        request: Request,
        patches: Sequence[tuple[str, api.StatusPatch]],
        versions: frozenset[int] | None = None,
    ) -> list[ProblemError | None]:
        """For each patch None if the order is now as requested, otherwise the problem."""
        now = self._clock()
        sender = caller(request)
        outcomes: list[ProblemError | None] = [None] * len(patches)
        updates: dict[int, commands.UpdateOrder] = {}
        for index, (order_id, patch) in enumerate(patches):
            if not patch.model_fields_set & {"status", "fulfillment", "attention"}:
                outcomes[index] = ProblemError(
                    422,
                    "The update changes nothing: give status, fulfillment or attention.",
                    errors=[field_error((), "one of status, fulfillment, attention is needed")],
                )
            else:
                # Each update has an instant of its own, by which the history distinguishes updates of one
                # order.
                at = now + timedelta(microseconds=index)
                updates[index] = parsing.update_command(order_id, patch, at, sender, versions)
        try:
            results = await self._writer.submit(commands.update_orders, list(updates.values()))
        except QueueFull:
            raise ProblemError(
                503, "The writer's queue is full.", kind="overloaded", headers={"Retry-After": "1"}
            ) from None
        for (index, update), result in zip(updates.items(), results, strict=True):
            outcomes[index] = _update_problem(result)
            if result == commands.Updated(changed=True) and update.status is not None:
                self._waiters.reached(update.order_id, update.status)
        return outcomes

    async def get_order(self, order_id: str, query: Annotated[parsing.OrderQuery, Query()]) -> Response:
        order_id = parsing.order_id(order_id)
        order = await (self._order(order_id) if query.wait is None else self._awaited(order_id, query))
        return json_response(order, headers={"ETag": f'"{order["version"]}"'})

    async def _order(self, order_id: str) -> queries.Document:
        order = await self._reader.run(queries.get_order, order_id)
        if order is None:
            raise parsing.unknown_order()
        return order

    async def _awaited(self, order_id: str, query: parsing.OrderQuery) -> queries.Document:
        """The order as soon as it has the status that is waited for, or a terminal one. Otherwise the order
        as it is at the time-out, or earlier if the server stops or too many requests wait already."""
        with self._waiters.expecting(order_id, query.wait or "") as reached:
            status = (await self._reader.run(queries.statuses, [order_id])).get(order_id)
            if status is None:
                raise parsing.unknown_order()
            if self._stopping or status == query.wait or status in TERMINAL:
                return await self._order(order_id)
            with suppress(TimeoutError):
                async with asyncio.timeout(query.timeout_ms / 1000):
                    await reached.wait()
        return await self._order(order_id)

    async def list_orders(self, query: Annotated[parsing.ListQuery, Query()]) -> Response:
        page = await self._reader.run(
            queries.list_orders,
            statuses=query.status,
            customer_id=query.customer_id,
            product_id=query.product_id,
            attention=query.attention,
            created_from=query.created_from,
            created_to=query.created_to,
            limit=query.limit,
            before=query.cursor,
        )
        return json_text(page)

    async def timeline(self, order_id: str) -> Response:
        document = await self._reader.run(queries.timeline, parsing.order_id(order_id))
        if document is None:
            raise parsing.unknown_order()
        return json_response(document)

    async def stats(self) -> Response:
        return json_response(await self._reader.run(queries.stats, self._clock()))


def create_app(service: OrdersApi, health: HealthApi, parked: ParkedEvents) -> ASGIApp:
    """The Order Service as an ASGI application, to be served by `web.server`."""
    app = FastAPI(
        title="Orderflow Order Service",
        version="1",
        exception_handlers={**EXCEPTION_HANDLERS, **_EXCEPTION_HANDLERS},
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
    )
    hot = [
        ("POST", "/api/orders", takes(service.post_order, key=True)),
        ("POST", "/api/orders/batch", takes(service.post_batch)),
        ("PATCH", "/api/orders/status", takes(service.patch_statuses)),
        ("PATCH", "/api/orders/{order_id}/status", takes(service.patch_status, versions=True)),
        ("POST", "/api/outbox/parked/release", takes(parked.release)),
    ]
    for method, path, endpoint in hot:
        app.router.routes.append(Route(path, endpoint, methods=[method]))
    for path, endpoint, query, answer in (
        ("/api/orders", service.list_orders, parsing.ListQuery, api.OrderPage),
        ("/api/orders/{order_id}", service.get_order, parsing.OrderQuery, api.OrderOut),
        ("/api/orders/{order_id}/timeline", service.timeline, NoQuery, api.Timeline),
        ("/api/stats", service.stats, NoQuery, api.Stats),
        ("/api/outbox/parked", parked.list_parked, PageQuery, api.ParkedPage),
        ("/health/live", health.live, NoQuery, None),
        ("/health/ready", health.ready, NoQuery, None),
    ):
        app.add_api_route(
            path,
            endpoint,
            methods=["GET"],
            dependencies=[Depends(_takes(query))],
            response_model=None,
            responses=openapi.get_responses(answer),
        )
    app.router.routes.extend(docs_page.ROUTES)
    openapi.document_writes(app)
    return app


def _takes(query: type[BaseModel]) -> Callable[[Request], Awaitable[None]]:
    """Refuse the headers and query parameters that a read does not take. FastAPI would use the last of
    repeated parameters, and ignore unknown ones where a route has no parameters."""

    async def check(request: Request) -> None:
        refuse_what_is_not_taken(request)
        read_query(query, request)

    return check


async def _on_invalid_query(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    errors = [
        field_error(item["loc"][1:], item["msg"].removeprefix("Value error, "), str(item["loc"][0]))
        for item in error.errors()
    ]
    problem = ProblemError(422, "The request breaks the contract: see errors.", errors=errors)
    return problem_response(problem, request)


async def _on_database_unavailable(request: Request, _error: Exception) -> Response:
    return problem_response(database_unavailable(), request)


_EXCEPTION_HANDLERS: dict[Any, Any] = {
    RequestValidationError: _on_invalid_query,
    DatabaseUnavailable: _on_database_unavailable,
}


def _problem_result(request: Request, problem: ProblemError) -> dict[str, Any]:
    return {"status": problem.status, "problem": problem_of(problem, request)}


def _update_problem(result: commands.UpdateResult | Exception) -> ProblemError | None:
    match result:
        case commands.Updated():
            return None
        case commands.UnknownOrder():
            return parsing.unknown_order()
        case commands.StaleVersion():
            return ProblemError(
                412,
                "The order has changed: its version is none of those that If-Match names.",
                headers={"ETag": f'"{result.version}"'},
                extra={"currentVersion": result.version},
            )
        case IllegalTransition():
            return ProblemError(
                409,
                str(result),
                kind="illegal-transition",
                title="Illegal transition",
                extra={
                    "currentStatus": result.current.value,
                    "allowedTransitions": offered(result.current),
                },
            )
        case _:
            return write_problem(result)
