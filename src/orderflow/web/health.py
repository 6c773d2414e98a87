"""Health over HTTP: one document for every process, with the details that its role adds."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from orderflow.contracts.instants import utc_text
from orderflow.runtime.health import Degraded
from orderflow.web.access import METRICS_RULE, OPEN, guard
from orderflow.web.answers import EXCEPTION_HANDLERS, json_response
from orderflow.web.headers import takes
from orderflow.web.metrics import METRICS, MetricsApi
from orderflow.web.problems import ProblemError

LIVE, READY = "/health/live", "/health/ready"


class Live(BaseModel):
    status: Literal["ok"]


class DegradedPart(BaseModel):
    """A part that is down although the process can do its own job."""

    part: str
    reason: str
    since: datetime


class Ready(BaseModel):
    status: Literal["ready", "degraded"]
    degraded: list[DegradedPart]


class HealthApi:
    """The endpoints.

    `database_trouble` and `disabled` say why this process cannot do its job, None while it can; `degraded`
    names other parts that are down. `details` are what the role shows in addition.
    """

    def __init__(
        self,
        database_trouble: Callable[[], Awaitable[str | None]],
        *,
        disabled: Callable[[], str | None],
        degraded: Callable[[], Sequence[Degraded]],
        details: Callable[[], Mapping[str, Any]] = dict,
    ) -> None:
        self._database_trouble = database_trouble
        self._disabled = disabled
        self._degraded = degraded
        self._details = details

    async def live(self) -> Response:
        return json_response({"status": "ok"})

    async def ready(self) -> Response:
        """503 only when this process cannot do its job; another part that is down is named as degraded."""
        if disabled := self._disabled():
            raise _not_ready(f"This process cannot work: {disabled}.")
        if trouble := await self._database_trouble():
            raise _not_ready(f"The database takes no writes: {trouble}.")
        degraded = [
            {"part": each.part, "reason": each.reason, "since": utc_text(each.since)}
            for each in self._degraded()
        ]
        status = "degraded" if degraded else "ready"
        return json_response({"status": status, "degraded": degraded, **self._details()})

    def routes(self) -> list[Route]:
        async def live(_request: Request) -> Response:
            return await self.live()

        async def ready(_request: Request) -> Response:
            return await self.ready()

        return [Route(LIVE, takes(live)), Route(READY, takes(ready))]


def _not_ready(detail: str) -> ProblemError:
    return ProblemError(503, detail, kind="not-ready", headers={"Retry-After": "2"})


def create_health_app(health: HealthApi, metrics: MetricsApi) -> Starlette:
    """An application for a process that serves nothing but its health and metrics."""
    routes = [*health.routes(), metrics.route]
    guard(routes, {("GET", LIVE): OPEN, ("GET", READY): OPEN, ("GET", METRICS): METRICS_RULE})
    return Starlette(routes=routes, exception_handlers=EXCEPTION_HANDLERS)
