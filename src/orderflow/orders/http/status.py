"""Status updates over HTTP: endpoints that change the status, fulfillment details and attention of orders."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response

from orderflow.contracts import orders_api as api
from orderflow.contracts.scopes import OF_WORKERS
from orderflow.database.group_commit import GroupCommit
from orderflow.orders import commands
from orderflow.orders.http import parsing
from orderflow.orders.http.problems import problem_result, update_problem
from orderflow.orders.http.waiting import Waiters, update_orders
from orderflow.web.answers import caller, json_response
from orderflow.web.bodies import BodyBudget, read_json_body
from orderflow.web.front_door import EVERYONE
from orderflow.web.headers import header_values, if_match
from orderflow.web.problems import ProblemError, field_error, validation_problem


class StatusUpdates:
    """The endpoints. `topic` is the topic of the orders' events."""

    def __init__(
        self,
        *,
        writer: GroupCommit,
        bodies: BodyBudget,
        waiters: Waiters,
        topic: str,
        clock: Callable[[], datetime],
    ) -> None:
        self._writer = writer
        self._bodies = bodies
        self._waiters = waiters
        self._topic = topic
        self._clock = clock

    async def patch_status(self, request: Request) -> Response:
        order_id = parsing.order_id(request.path_params["order_id"])
        body = await read_json_body(request, api.BODY_BYTES_MAX, self._bodies)
        try:
            patch = parsing.PATCH.validate_json(body)
        except ValidationError as error:
            raise validation_problem(error) from None
        outcome = (await self._update(request, [(order_id, patch)], if_match(request)))[0]
        if isinstance(outcome, ProblemError):
            raise outcome
        return Response(status_code=204)

    async def patch_statuses(self, request: Request) -> Response:
        body = await read_json_body(request, api.BATCH_BODY_BYTES_MAX, self._bodies)
        entries = parsing.entries(
            body, parsing.UPDATES, api.StatusUpdatesEnvelope, api.StatusUpdate, "updates"
        )
        valid = [(entry.order_id, entry) for entry in entries if not isinstance(entry, ProblemError)]
        outcomes = iter(await self._update(request, valid))
        results: list[dict[str, Any]] = []
        for entry in entries:
            outcome = entry if isinstance(entry, ProblemError) else next(outcomes)
            results.append(problem_result(request, outcome) if outcome else {"status": 204})
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
                updates[index] = parsing.update_command(
                    order_id, patch, at, sender, topic=self._topic, versions=versions
                )
        results = await update_orders(
            self._writer,
            self._waiters,
            list(updates.values()),
            by_hand=None if _is_by_worker(request) else "order.update",
        )
        for index, result in zip(updates, results, strict=True):
            if not isinstance(result, commands.Updated):
                outcomes[index] = update_problem(result)
        return outcomes


def _is_by_worker(request: Request) -> bool:
    """Whether a worker reports what it has done, rather than a person. A worker's key allows nothing else.
    Where nobody is asked who they are, this is what the request says of itself."""
    principal = caller(request).principal
    if principal is EVERYONE:
        return header_values(request, b"user-agent") == [api.WORKER_AGENT.encode()]
    return principal.scopes == OF_WORKERS
