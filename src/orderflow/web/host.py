"""The server as its connections see it."""

import asyncio
from typing import Any, Protocol

from starlette.types import ASGIApp

from orderflow.web.deadlines import Limits
from orderflow.web.exchanges import ShortWay
from orderflow.web.front_door import FrontDoor


class Host(Protocol):
    """What the connections of a server share."""

    app: ASGIApp
    door: FrontDoor
    limits: Limits
    short_way: ShortWay | None
    dated: bytes
    unread_bytes: int
    is_draining: bool
    connections: set[Any]
    tasks: set[asyncio.Task[None]]
