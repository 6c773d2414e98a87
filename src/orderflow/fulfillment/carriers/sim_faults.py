"""What carrier-sim does wrong while it is told to: set and cleared by HTTP, forgotten at a restart.

    PUT /v1/faults [{"kind": "apply-then-hang", "share": 0.1, "seconds": 5}]   replaces all; [] clears
    GET /v1/faults                                                               what is active, and counts

Kinds, for calls that create a shipment:

    429, 503           answered before anything is made
    hang               no answer until the fault ends, nothing made
    cut                the answer breaks off, nothing made
    apply-then-hang    the shipment is made, then no answer until the fault ends
    apply-then-503     the shipment is made, then 503
    apply-then-cut     the shipment is made, then the answer breaks off
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

Kind = Literal["429", "503", "hang", "cut", "apply-then-hang", "apply-then-503", "apply-then-cut"]

SECONDS_MAX = 600
FAULTS_MAX = 20
_PROMISED_BYTES = 1_000


class Fault(BaseModel):
    """`share` of the calls, for `seconds` from now."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Kind
    share: float = Field(1.0, ge=0, le=1)
    seconds: float = Field(5.0, gt=0, le=SECONDS_MAX)


_FAULTS: TypeAdapter[Fault | list[Fault]] = TypeAdapter(
    Fault | Annotated[list[Fault], Field(max_length=FAULTS_MAX)]
)


class _CutShort(Response):
    """Promises more bytes than it sends: the server then closes the connection."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 (ASGI)
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % _PROMISED_BYTES)]
        await send({"type": "http.response.start", "status": 201, "headers": headers})
        await send({"type": "http.response.body", "body": b'{"shipmentId":', "more_body": True})


class Faults:
    """The faults at work; the first that takes a call has it. Used from one event loop.

    `share` draws 0 to 1, `clock` gives seconds.
    """

    def __init__(
        self, *, share: Callable[[], float] = random.random, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._share = share
        self._clock = clock
        self._active: list[tuple[Fault, float]] = []
        self._replaced = asyncio.Event()
        self._counts: Counter[str] = Counter()

    async def handle(self, request: Request) -> Response:
        """PUT and GET of /v1/faults."""
        if request.method == "PUT":
            try:
                given = _FAULTS.validate_json(await request.body())
            except ValidationError as error:
                raise HTTPException(422, f"no such fault: {error.error_count()} mistakes") from None
            self.replace(given if isinstance(given, list) else [given])
        now = self._clock()
        active = [
            {**fault.model_dump(), "seconds": round(end - now, 3)} for fault, end in self._active if end > now
        ]
        return JSONResponse({"active": active, "counts": dict(self._counts)})

    def replace(self, faults: list[Fault]) -> None:
        """From now on these and no others; what hangs for an earlier one is let go."""
        now = self._clock()
        self._active = [(fault, now + fault.seconds) for fault in faults]
        self._replaced.set()
        self._replaced = asyncio.Event()

    def draw(self) -> tuple[Kind, float] | None:
        """The fault that this call gets and when it ends, or None."""
        now = self._clock()
        for fault, end in self._active:
            if end > now and self._share() < fault.share:
                self._counts[fault.kind] += 1
                return fault.kind, end
        return None

    async def before(self, drawn: tuple[Kind, float] | None) -> Response | None:
        """The wrong answer to a call of which nothing is made, or None where it goes on."""
        if drawn is None or drawn[0].startswith("apply-"):
            return None
        return await self._wrong(drawn[0], drawn[1])

    async def after(self, drawn: tuple[Kind, float] | None) -> Response | None:
        """The wrong answer to a call whose shipment is made, or None where the right one is given."""
        if drawn is None:
            return None
        return await self._wrong(drawn[0].removeprefix("apply-then-"), drawn[1])

    async def _wrong(self, effect: str, end: float) -> Response:
        if effect == "cut":
            return _CutShort()
        if effect == "hang":
            try:
                async with asyncio.timeout(max(0.0, end - self._clock())):
                    await self._replaced.wait()
            except TimeoutError:
                pass
        raise HTTPException(
            429 if effect == "429" else 503, "a fault that was asked for", {"Retry-After": "1"}
        )
