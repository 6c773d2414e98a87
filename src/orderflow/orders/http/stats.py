"""Statistics over HTTP."""

from collections.abc import Callable
from datetime import datetime

from starlette.responses import Response

from orderflow.database.engine import Reader
from orderflow.orders import queries
from orderflow.web.answers import json_response


class Statistics:
    """The endpoint."""

    def __init__(self, *, reader: Reader, clock: Callable[[], datetime]) -> None:
        self._reader = reader
        self._clock = clock

    async def stats(self) -> Response:
        return json_response(await self._reader.run(queries.stats, self._clock()))
