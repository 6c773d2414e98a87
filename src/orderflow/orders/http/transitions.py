"""Actions on an order over HTTP: endpoints that cancel it, hold it and release it."""

from collections.abc import Callable
from datetime import datetime

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response

from orderflow.contracts import orders_api as api
from orderflow.database.engine import DatabaseUnavailable, Reader
from orderflow.database.group_commit import GroupCommit
from orderflow.orders import commands, queries
from orderflow.orders.http import parsing
from orderflow.orders.http.problems import unknown_order, unread_order, update_problem
from orderflow.orders.http.waiting import Waiters, update_orders
from orderflow.orders.model import Action
from orderflow.web.answers import caller, json_response
from orderflow.web.bodies import BodyBudget, read_optional_json_body
from orderflow.web.headers import if_match
from orderflow.web.problems import validation_problem


class Transitions:
    """The endpoints. `topic` is the topic of the orders' events."""

    def __init__(
        self,
        *,
        writer: GroupCommit,
        reader: Reader,
        bodies: BodyBudget,
        waiters: Waiters,
        topic: str,
        clock: Callable[[], datetime],
    ) -> None:
        self._writer = writer
        self._reader = reader
        self._bodies = bodies
        self._waiters = waiters
        self._topic = topic
        self._clock = clock

    async def cancel(self, request: Request) -> Response:
        return await self._act(request, Action.CANCEL)

    async def hold(self, request: Request) -> Response:
        return await self._act(request, Action.HOLD)

    async def release(self, request: Request) -> Response:
        return await self._act(request, Action.RELEASE)

    async def _act(self, request: Request, action: Action) -> Response:
        order_id = parsing.order_id(request.path_params["order_id"])
        reason = await self._reason(request)
        sender = caller(request)
        command = commands.UpdateOrder(
            order_id=order_id,
            status=None,
            fulfillment=None,
            attention=None,
            at=self._clock(),
            actor=sender.name,
            reason=reason,
            correlation_id=sender.correlation_id,
            versions=if_match(request),
            action=action,
            topic=self._topic,
            traceparent=sender.traceparent,
            owner=sender.principal.customer_id,
        )
        (result,) = await update_orders(
            self._writer, self._waiters, [command], by_hand=f"order.{action.value}"
        )
        if not isinstance(result, commands.Updated):
            raise update_problem(result)
        return await self._order(order_id)

    async def _reason(self, request: Request) -> str | None:
        body = await read_optional_json_body(request, api.BODY_BYTES_MAX, self._bodies)
        if body is None:
            return None
        try:
            return parsing.ACTION.validate_json(body).reason
        except ValidationError as error:
            raise validation_problem(error) from None

    async def _order(self, order_id: str) -> Response:
        try:
            order = await self._reader.run(queries.get_order, order_id)
        except DatabaseUnavailable:
            raise unread_order() from None
        if order is None:
            raise unknown_order()
        return json_response(order, headers={"ETag": f'"{order["version"]}"'})
