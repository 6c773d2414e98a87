"""The faults of carrier-sim: set and cleared over HTTP, and forgotten at a restart.

    PUT /v1/faults [{"kind": "apply-then-hang", "share": 0.1, "seconds": 5}]   replaces all; [] clears
    GET /v1/faults                                                               what is active, and counts

`"orderId"` limits a fault to calls for that order. `"call"` says which calls: `create` (the default), `find`
or `void`. Kinds:

    429, 503, 400       that status
    hang                no answer until the fault ends
    cut                 the answer breaks off
    garbage             success with bytes that are no JSON
    huge                success with a body of 16 MiB
    redirect            307 to somewhere else
    no-tracking-number  success with a label that lacks it; not for `void`, which answers with none

With these kinds, nothing is made or voided. With the prefix `apply-then-`, it is, and the same wrong answer
follows. `find` takes no prefix, because it changes nothing.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

Kind = Literal[
    "429",
    "503",
    "400",
    "hang",
    "cut",
    "garbage",
    "huge",
    "redirect",
    "no-tracking-number",
    "apply-then-429",
    "apply-then-503",
    "apply-then-400",
    "apply-then-hang",
    "apply-then-cut",
    "apply-then-garbage",
    "apply-then-huge",
    "apply-then-redirect",
    "apply-then-no-tracking-number",
]

Call = Literal["create", "find", "void"]

SECONDS_MAX = 600
FAULTS_MAX = 20
_PROMISED_BYTES = 1_000
_HUGE_PIECES = 256
_HUGE_PIECE = b" " * 65_536


class Fault(BaseModel):
    """Hits a `share` of the calls, or of those for `order_id` if it is given, for `seconds` from now."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Kind
    call: Call = "create"
    order_id: Annotated[str | None, Field(alias="orderId", max_length=200)] = None
    share: float = Field(1.0, ge=0, le=1)
    seconds: float = Field(5.0, gt=0, le=SECONDS_MAX)

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        if self.call == "find" and self.kind.startswith("apply-"):
            raise ValueError("a look-up changes nothing that could be applied")
        if self.call == "void" and self.kind.endswith("no-tracking-number"):
            raise ValueError("a void is answered without a label")
        return self


@dataclass(frozen=True, slots=True)
class Drawn:
    """The fault that a call gets. It lasts until `end`, on the clock of `Faults`."""

    fault: Fault
    end: float


_FAULTS: TypeAdapter[Fault | list[Fault]] = TypeAdapter(
    Fault | Annotated[list[Fault], Field(max_length=FAULTS_MAX)]
)


class _CutShort(Response):
    """Promises more bytes than it sends: the server then closes the connection."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 (ASGI)
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % _PROMISED_BYTES)]
        await send({"type": "http.response.start", "status": self.status_code, "headers": headers})
        await send({"type": "http.response.body", "body": b'{"shipmentId":', "more_body": True})


class Faults:
    """The active faults; a call gets the first one that hits it. Used from one event loop.

    `share` draws a number from 0 to 1; `clock` gives seconds.
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
            {**fault.model_dump(by_alias=True, exclude_none=True), "seconds": round(end - now, 3)}
            for fault, end in self._active
            if end > now
        ]
        return JSONResponse({"active": active, "counts": dict(self._counts)})

    def replace(self, faults: list[Fault]) -> None:
        """Replace all faults by these. Calls that hang because of an earlier one are let go."""
        now = self._clock()
        self._active = [(fault, now + fault.seconds) for fault in faults]
        self._replaced.set()
        self._replaced = asyncio.Event()

    def draw(self, call: Call, order_id: str) -> Drawn | None:
        """The fault that such a call for this order gets, or None."""
        now = self._clock()
        for fault, end in self._active:
            concerned = end > now and fault.call == call and fault.order_id in (None, order_id)
            if concerned and self._share() < fault.share:
                self._counts[fault.kind] += 1
                return Drawn(fault, end)
        return None

    async def before(self, drawn: Drawn | None) -> Response | None:
        """The wrong answer to a call that is to change nothing, or None if the call goes on."""
        if drawn is None or drawn.fault.kind.startswith("apply-"):
            return None
        return await self._wrong(drawn)

    async def after(self, drawn: Drawn | None) -> Response | None:
        """The wrong answer to a call whose change was made, or None if it gets the right answer."""
        return None if drawn is None else await self._wrong(drawn)

    async def _wrong(self, drawn: Drawn) -> Response:
        effect = drawn.fault.kind.removeprefix("apply-then-")
        if effect in _ANSWERS:
            return _ANSWERS[effect](drawn.fault.call)
        if effect == "hang":
            try:
                async with asyncio.timeout(max(0.0, drawn.end - self._clock())):
                    await self._replaced.wait()
            except TimeoutError:
                pass
        status = int(effect) if effect.isdecimal() else 503
        raise HTTPException(status, "a fault that was asked for", {"Retry-After": "1"})


def _success(call: Call) -> int:
    return 201 if call == "create" else 200


async def _huge() -> AsyncIterator[bytes]:
    yield b'{"shipmentId":'
    for _ in range(_HUGE_PIECES):
        yield _HUGE_PIECE
    yield b"1}"


def _without_tracking_number(call: Call) -> Response:
    label: dict[str, Any] = {
        "shipmentId": "S-1",
        "carrier": "Simulated",
        "trackingNumber": "",
        "shippedAt": None,
    }
    content = {"shipments": [label | {"state": "live"}]} if call == "find" else label
    return JSONResponse(content, _success(call))


_ANSWERS: dict[str, Callable[[Call], Response]] = {
    "cut": lambda call: _CutShort(status_code=_success(call)),
    "garbage": lambda call: Response(b"<html>\x00\xff", _success(call), media_type="application/json"),
    "huge": lambda call: StreamingResponse(_huge(), _success(call), media_type="application/json"),
    "redirect": lambda _call: Response(status_code=307, headers={"Location": "/v1/elsewhere"}),
    "no-tracking-number": _without_tracking_number,
}
