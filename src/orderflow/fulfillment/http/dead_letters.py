"""What a person does with dead letters, over HTTP. Each action is recorded with its actor."""

import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel
from starlette.requests import Request
from starlette.responses import Response

from orderflow.contracts.order_events import readable_order_id
from orderflow.contracts.orders_api import Reason
from orderflow.database.audit import ByHand, Details
from orderflow.database.engine import Reader
from orderflow.database.group_commit import GroupCommit
from orderflow.fulfillment import queries
from orderflow.fulfillment.audit import AUDIT_LOG, if_done
from orderflow.fulfillment.dead_letters import group_redrive, redrive
from orderflow.fulfillment.dead_letters.discard import Discarded
from orderflow.fulfillment.dead_letters.discarder import Discarder
from orderflow.fulfillment.dead_letters.group_redrive import RATE_PER_S_MAX, StartRedrive, StopRedrive
from orderflow.fulfillment.dead_letters.redrive import Redrive, Redriven
from orderflow.fulfillment.http.reads import letter_id_of
from orderflow.security.acts import act_of
from orderflow.web.answers import caller, json_response
from orderflow.web.bodies import read_model
from orderflow.web.problems import ProblemError

NO_NUL = r"^[^\x00]*$"

_START = AUDIT_LOG.recording(group_redrive.start, if_done)
_STOP = AUDIT_LOG.recording(group_redrive.stop, if_done)


def _redriven(result: tuple[Redriven, str]) -> Details | None:
    return {"outcome": result[0].value} if result[0] in (Redriven.BACK, Redriven.FAILED) else None


_REDRIVE = AUDIT_LOG.recording(redrive.redrive, _redriven)


class _Body(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", strict=True)


class DiscardIn(_Body):
    reason: Reason


class RedriveIn(_Body):
    """Redrives all open letters of a kind, or only those with exactly this reason; `staged`: one, ten and a
    hundred of them first. `why` is for the audit log."""

    kind: Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=NO_NUL)]
    reason: Annotated[str, StringConstraints(max_length=1_000, pattern=NO_NUL)] | None = None
    rate_per_s: Annotated[int, Field(ge=1, le=RATE_PER_S_MAX)] = 1
    staged: bool = False
    why: Reason | None = None


class DeadLetterActions:
    """The endpoints that change something."""

    def __init__(
        self,
        *,
        writer: GroupCommit,
        reader: Reader,
        discarder: Discarder,
        clock: Callable[[], datetime],
    ) -> None:
        self._writer = writer
        self._reader = reader
        self._discarder = discarder
        self._clock = clock

    async def redrive(self, request: Request) -> Response:
        letter_id = letter_id_of(request)
        made = act_of(caller(request), self._clock(), "dead-letter.redrive", letter_id)
        command = Redrive(letter_id, made.actor, made.at)
        result, why = await self._writer.submit_one(_REDRIVE, ByHand(command, made))
        if result is Redriven.UNKNOWN:
            raise ProblemError(404, why)
        if result is Redriven.NOT_OPEN:
            raise _conflict("not-open", why)
        if result is Redriven.FAILED:
            raise _conflict("failed-again", f"It failed again at once: {why}.")
        return await self._letter(letter_id, 202)

    async def discard(self, request: Request) -> Response:
        letter_id = letter_id_of(request)
        body = await read_model(DiscardIn, request)
        sender = caller(request)
        result, why = await self._discarder.discard(
            letter_id, actor=sender.name, reason=body.reason, correlation_id=sender.correlation_id
        )
        if result is Discarded.UNKNOWN:
            raise ProblemError(404, why)
        if result is Discarded.NOT_OPEN:
            raise _conflict("not-open", why)
        if result is Discarded.NO_VOID:
            raise _conflict("void-not-obtained", why)
        return await self._letter(letter_id, 200)

    async def start_redrive(self, request: Request) -> Response:
        body = await read_model(RedriveIn, request)
        details: Details = {"kind": body.kind, "ratePerS": body.rate_per_s, "staged": body.staged}
        made = act_of(
            caller(request),
            self._clock(),
            "redrive.start",
            str(uuid.uuid4()),
            reason=body.why,
            details=details,
        )
        command = StartRedrive(
            made.subject, body.kind, body.reason, body.rate_per_s, made.actor, made.at, body.staged
        )
        if not await self._writer.submit_one(_START, ByHand(command, made)):
            raise _conflict("redrive-running", f"A redrive of {body.kind} runs already.")
        return await self._redrive(command.id, 202)

    async def stop_redrive(self, request: Request) -> Response:
        redrive_id = readable_order_id(request.path_params["redrive_id"])
        if redrive_id is None:
            raise ProblemError(404, "There is no such redrive.")
        made = act_of(caller(request), self._clock(), "redrive.stop", redrive_id)
        await self._writer.submit_one(_STOP, ByHand(StopRedrive(redrive_id, made.actor, made.at), made))
        return await self._redrive(redrive_id, 200)

    async def _letter(self, letter_id: str, status: int) -> Response:
        return json_response(await self._reader.run(queries.get_dead_letter, letter_id), status)

    async def _redrive(self, redrive_id: str, status: int) -> Response:
        found: list[Any] = (await self._reader.run(queries.list_redrives, redrive_id=redrive_id))["items"]
        if not found:
            raise ProblemError(404, "There is no such redrive.")
        return json_response(found[0], status)


def _conflict(kind: str, detail: str) -> ProblemError:
    return ProblemError(409, detail, kind=kind, title="Conflict")
