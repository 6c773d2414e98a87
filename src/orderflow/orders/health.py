"""Health of a process that works with the orders database: the Order Service and the relay."""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from orderflow.database.engine import DatabaseUnavailable
from orderflow.database.readiness import Readiness
from orderflow.orders.model import utc_text
from orderflow.runtime.health import Health
from orderflow.web.answers import EXCEPTION_HANDLERS, json_response
from orderflow.web.headers import takes
from orderflow.web.problems import ProblemError


class HealthApi:
    """The endpoints. `health` is what the loops of this process report to."""

    def __init__(self, readiness: Readiness, health: Health) -> None:
        self._readiness = readiness
        self._health = health

    async def live(self) -> Response:
        return json_response({"status": "ok"})

    async def ready(self) -> Response:
        """503 only when this process cannot do its job; another part that is down is named as degraded."""
        if disabled := self._health.disabled():
            raise _not_ready(f"This process cannot work: {disabled}.")
        try:
            await self._readiness.check()
        except DatabaseUnavailable as error:
            raise _not_ready(f"The orders database takes no writes: {error}.") from None
        degraded = [
            {"part": d.part, "reason": d.reason, "since": utc_text(d.since)} for d in self._health.degraded()
        ]
        return json_response({"status": "degraded" if degraded else "ready", "degraded": degraded})


def _not_ready(detail: str) -> ProblemError:
    return ProblemError(503, detail, kind="not-ready", headers={"Retry-After": "2"})


def create_health_app(health: HealthApi) -> Starlette:
    """For a process that serves nothing else."""

    async def live(_request: Request) -> Response:
        return await health.live()

    async def ready(_request: Request) -> Response:
        return await health.ready()

    routes = [Route("/health/live", takes(live)), Route("/health/ready", takes(ready))]
    return Starlette(routes=routes, exception_handlers=EXCEPTION_HANDLERS)
