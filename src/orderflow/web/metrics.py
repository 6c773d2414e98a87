"""Metrics over HTTP: one document for every process, with the gauges that its role adds."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from orderflow.runtime.health import Degraded
from orderflow.runtime.telemetry.exposition import Reading, render
from orderflow.runtime.telemetry.metrics import DEGRADED, REGISTRY, SCRAPE_COMPLETE
from orderflow.web.headers import header_values, takes

log = structlog.get_logger()

METRICS = "/metrics"
READINGS_S_MAX = 1.0
"""How long a scrape waits for the database. Prometheus gives up after 10 s."""


class MetricsApi:
    """The endpoint. `readings` asks the database for gauges; what it gives in time is shown. `degraded` names
    parts that are down."""

    def __init__(
        self,
        readings: Callable[[], Awaitable[Sequence[Reading]]],
        degraded: Callable[[], Sequence[Degraded]],
    ) -> None:
        self._readings = readings
        self._degraded = degraded
        self.route = Route(METRICS, takes(self.metrics))

    async def metrics(self, request: Request) -> Response:
        readings: list[Reading] = [
            (DEGRADED, (part,), 1) for part in {each.part for each in self._degraded()}
        ]
        complete = True
        try:
            async with asyncio.timeout(READINGS_S_MAX):
                readings += await self._readings()
        except Exception as error:
            complete = False
            log.warning("metrics.incomplete", reason=f"{type(error).__name__}: {error}")
        readings.append((SCRAPE_COMPLETE, (), complete))
        accept = b",".join(header_values(request, b"accept")).decode("latin-1")
        # In a thread, so that no order waits for it.
        text, media_type = await asyncio.to_thread(render, REGISTRY, accept, readings)
        return Response(text, headers={"content-type": media_type})
