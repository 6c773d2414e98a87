"""Health of a process that works with the orders database: the Order Service and the relay."""

import asyncio
from collections.abc import Callable

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from orderflow.database.engine import DatabaseUnavailable, Reader
from orderflow.edge import EXCEPTION_HANDLERS, Degraded, ProblemError, json_response
from orderflow.orders.model import utc_text

READY_TIMEOUT_S = 3.0


class Health:
    """`degraded` tells which other parts are down."""

    def __init__(self, reader: Reader, degraded: Callable[[], list[Degraded]]) -> None:
        self._reader = reader
        self._degraded = degraded

    async def live(self) -> Response:
        return json_response({"status": "ok"})

    async def ready(self) -> Response:
        """503 only when orders cannot be taken; another part that is down is named as degraded."""
        try:
            async with asyncio.timeout(READY_TIMEOUT_S):
                await self._reader.run(_ping)
        except (DatabaseUnavailable, TimeoutError) as error:
            raise ProblemError(
                503,
                f"The orders database does not answer: {error or 'no answer in time'}.",
                kind="not-ready",
                headers={"Retry-After": "2"},
            ) from None
        degraded = [
            {"part": d.part, "reason": d.reason, "since": utc_text(d.since)} for d in self._degraded()
        ]
        return json_response({"status": "degraded" if degraded else "ready", "degraded": degraded})


def create_health_app(health: Health) -> Starlette:
    """For a process that serves nothing else."""

    async def live(_request: Request) -> Response:
        return await health.live()

    async def ready(_request: Request) -> Response:
        return await health.ready()

    routes = [Route("/health/live", live), Route("/health/ready", ready)]
    return Starlette(routes=routes, exception_handlers=EXCEPTION_HANDLERS)


def _ping(connection: Connection) -> None:
    connection.execute(sa.select(1))
