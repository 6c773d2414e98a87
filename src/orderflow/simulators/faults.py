"""The faults of a simulator: set and cleared over HTTP, and forgotten at a restart.

    PUT /v1/faults [{"kind": "apply-then-hang", "share": 0.1, "seconds": 5}]   replaces all; [] clears
    GET /v1/faults                                                               what is active, and counts

`"orderId"` limits a fault to calls for that order. `"call"` says which calls; each simulator has its own.
Kinds:

    429, 503, 400       that status
    hang                no answer until the fault ends
    cut                 the answer breaks off
    garbage             success with bytes that are no JSON
    huge                success with a body of 16 MiB
    redirect            307 to somewhere else

and one of each simulator's own, a success that lacks what matters. With these kinds, nothing is done. With
the prefix `apply-then-`, it is, and the same wrong answer follows. A look-up takes no prefix, because it
changes nothing.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Generic, Self, TypeVar, cast

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import from_json
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

SECONDS_MAX = 600
FAULTS_MAX = 20
APPLIED = "apply-then-"
_PROMISED_BYTES = 1_000
_HUGE_PIECES = 256
_HUGE_PIECE = b" " * 65_536
_STATUSES = frozenset({"429", "503", "400"})


class Fault(BaseModel):
    """Hits a `share` of the calls, or of those for `order_id` if it is given, for `seconds` from now."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    calls: ClassVar[tuple[str, ...]]
    """The calls of the simulator. The first one makes something, and its success is a 201."""
    incomplete: ClassVar[str]
    """The kind whose answer lacks what matters; for the first call and for `find`."""

    decisions: ClassVar[frozenset[str]] = frozenset()
    """Kinds that change what is decided. The decision is remembered, and the answer is the usual one."""

    kind: str
    call: str
    order_id: Annotated[str | None, Field(alias="orderId", max_length=200)] = None
    share: float = Field(1.0, ge=0, le=1)
    seconds: float = Field(5.0, gt=0, le=SECONDS_MAX)

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        if self.call not in self.calls:
            raise ValueError("there is no such call")
        wrong_answers = {*_STATUSES, "hang", *_ANSWERS, self.incomplete}
        if self.effect not in wrong_answers and self.kind not in self.decisions:
            raise ValueError("there is no such kind")
        if self.call == "find" and self.applied:
            raise ValueError("a look-up changes nothing that could be applied")
        if self.effect == self.incomplete and self.call not in (self.calls[0], "find"):
            raise ValueError("this call is answered with nothing that could be incomplete")
        return self

    @property
    def applied(self) -> bool:
        return self.kind.startswith(APPLIED)

    @property
    def effect(self) -> str:
        return self.kind.removeprefix(APPLIED)

    @property
    def success(self) -> int:
        return 201 if self.call == self.calls[0] else 200

    def incomplete_content(self) -> object:
        """The JSON of the kind `incomplete`."""
        raise NotImplementedError


F = TypeVar("F", bound=Fault)


@dataclass(frozen=True)
class Drawn(Generic[F]):
    """The fault that a call gets. It lasts until `end`, on the clock of `Faults`."""

    fault: F
    end: float


class _CutShort(Response):
    """Promises more bytes than it sends: the server then closes the connection."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 (ASGI)
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % _PROMISED_BYTES)]
        await send({"type": "http.response.start", "status": self.status_code, "headers": headers})
        await send({"type": "http.response.body", "body": b'{"id":', "more_body": True})


class Faults(Generic[F]):
    """The active faults; a call gets the first one that hits it. Used from one event loop.

    `share` draws a number from 0 to 1; `clock` gives seconds.
    """

    def __init__(
        self,
        fault: type[F],
        *,
        share: Callable[[], float] = random.random,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fault = fault
        self._share = share
        self._clock = clock
        self._active: list[tuple[F, float]] = []
        self._replaced = asyncio.Event()
        self._counts: Counter[str] = Counter()

    async def handle(self, request: Request) -> Response:
        """PUT and GET of /v1/faults."""
        if request.method == "PUT":
            self.replace(self._parsed(await request.body()))
        now = self._clock()
        active = [
            {**fault.model_dump(by_alias=True, exclude_none=True), "seconds": round(end - now, 3)}
            for fault, end in self._active
            if end > now
        ]
        return JSONResponse({"active": active, "counts": dict(self._counts)})

    def replace(self, faults: list[F]) -> None:
        """Replace all faults by these. Calls that hang because of an earlier one are let go."""
        now = self._clock()
        self._active = [(fault, now + fault.seconds) for fault in faults]
        self._replaced.set()
        self._replaced = asyncio.Event()

    def draw(self, call: str, order_id: str) -> Drawn[F] | None:
        """The fault that such a call for this order gets, or None."""
        now = self._clock()
        for fault, end in self._active:
            concerned = end > now and fault.call == call and fault.order_id in (None, order_id)
            if concerned and self._share() < fault.share:
                self._counts[fault.kind] += 1
                return Drawn(fault, end)
        return None

    async def before(self, drawn: Drawn[F] | None) -> Response | None:
        """The wrong answer to a call that is to change nothing, or None if the call goes on."""
        if drawn is None or drawn.fault.applied:
            return None
        return await self.after(drawn)

    async def after(self, drawn: Drawn[F] | None) -> Response | None:
        """The wrong answer to a call whose change was made, or None if it gets the right answer."""
        if drawn is None or drawn.fault.kind in drawn.fault.decisions:
            return None
        return await self._wrong(drawn)

    def _parsed(self, body: bytes) -> list[F]:
        try:
            given: Any = from_json(body)
            entries = cast("list[object]", given if isinstance(given, list) else [given])
            faults = [self._fault.model_validate(entry) for entry in entries]
        except ValueError:
            raise HTTPException(422, "no such fault") from None
        if len(faults) > FAULTS_MAX:
            raise HTTPException(422, f"more than {FAULTS_MAX} faults")
        return faults

    async def _wrong(self, drawn: Drawn[F]) -> Response:
        fault = drawn.fault
        if fault.effect == fault.incomplete:
            return JSONResponse(fault.incomplete_content(), fault.success)
        if fault.effect in _ANSWERS:
            return _ANSWERS[fault.effect](fault.success)
        if fault.effect == "hang":
            try:
                async with asyncio.timeout(max(0.0, drawn.end - self._clock())):
                    await self._replaced.wait()
            except TimeoutError:
                pass
        status = int(fault.effect) if fault.effect in _STATUSES else 503
        raise HTTPException(status, "a fault that was asked for", {"Retry-After": "1"})


async def _huge() -> AsyncIterator[bytes]:
    yield b'{"id":'
    for _ in range(_HUGE_PIECES):
        yield _HUGE_PIECE
    yield b"1}"


_ANSWERS: dict[str, Callable[[int], Response]] = {
    "cut": lambda success: _CutShort(status_code=success),
    "garbage": lambda success: Response(b"<html>\x00\xff", success, media_type="application/json"),
    "huge": lambda success: StreamingResponse(_huge(), success, media_type="application/json"),
    "redirect": lambda _success: Response(status_code=307, headers={"Location": "/v1/elsewhere"}),
}
