"""Webhooks over HTTP: endpoints are added, listed, tested, given new secrets and removed, and dead letters
tried again or discarded."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Annotated, Any, TypeVar

from fastapi import Query
from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from orderflow.contracts.instants import utc_text
from orderflow.contracts.pages import PageQuery, encode_cursor, encode_text_cursor, page_of
from orderflow.contracts.webhooks import (
    DiscardIn,
    LetterQuery,
    Nothing,
    RotateIn,
    WebhookIn,
    is_position,
)
from orderflow.database.audit import ByHand, Details
from orderflow.database.batch import NotWritten, UseCase
from orderflow.database.engine import Reader
from orderflow.database.group_commit import GroupCommit
from orderflow.orders.audit import (
    ADD_WEBHOOK,
    DISCARD_WEBHOOK_LETTER,
    REDRIVE_WEBHOOK,
    REDRIVE_WEBHOOK_LETTER,
    REMOVE_WEBHOOK,
    ROTATE_WEBHOOK,
    TEST_WEBHOOK,
)
from orderflow.orders.http import parsing
from orderflow.orders.http.problems import write_problem
from orderflow.orders.webhooks import endpoints, messages, queue
from orderflow.orders.webhooks.endpoints import ENDPOINTS_MAX, FORMER_SECRETS_MAX, Add, LookUp, Remove, Rotate
from orderflow.orders.webhooks.queue import Letter, Redrive
from orderflow.orders.webhooks.sender import Sender
from orderflow.runtime.ids import new_uuid4, new_uuid7
from orderflow.security.acts import act_of
from orderflow.web.answers import caller, json_response, json_text
from orderflow.web.bodies import SMALL_BODY_BYTES_MAX, read_model, read_optional_json_body
from orderflow.web.problems import ProblemError, broken_contract, field_error, validation_problem

C = TypeVar("C")
R = TypeVar("R")
M = TypeVar("M", bound=BaseModel)


class Webhooks:
    """The endpoints. `sender` sends test messages, and says which addresses are called."""

    def __init__(
        self, *, writer: GroupCommit, reader: Reader, sender: Sender, clock: Callable[[], datetime]
    ) -> None:
        self._writer = writer
        self._reader = reader
        self._sender = sender
        self._clock = clock

    async def add(self, request: Request) -> Response:
        body = await read_model(WebhookIn, request)
        if (refusal := await self._sender.refusal(body.url)) is not None:
            raise broken_contract([field_error(("url",), refusal)])
        now = self._clock()
        endpoint_id, secret = new_uuid7(int(now.timestamp() * 1000)), messages.new_secret()
        wanted = None if body.event_types is None else tuple(sorted(set(body.event_types)))
        command = Add(endpoint_id, body.url, secret, wanted, now)
        if not await self._write(request, ADD_WEBHOOK, command, "webhooks.add", endpoint_id):
            raise _too_many(f"There are {ENDPOINTS_MAX} webhooks already: remove one.")
        answer = {
            "id": endpoint_id,
            "url": body.url,
            "eventTypes": wanted,
            "createdAt": utc_text(now),
            "secret": secret,
        }
        return json_response(answer, 201)

    async def list_webhooks(self, query: Annotated[PageQuery, Query()]) -> Response:
        rows = await self._reader.run(endpoints.listed, limit=query.limit, behind=query.cursor)
        return json_text(page_of(rows, _as_it_is, lambda row: row["id"], query.limit, encode_cursor))

    async def remove(self, request: Request) -> Response:
        await _read_nothing(request)
        endpoint_id = _endpoint_id(request)
        undelivered = await self._write(
            request, REMOVE_WEBHOOK, Remove(endpoint_id), "webhooks.remove", endpoint_id
        )
        if undelivered is None:
            raise _unknown()
        return json_response({"undelivered": undelivered})

    async def rotate(self, request: Request) -> Response:
        body = await _read_optional(RotateIn, request)
        endpoint_id, secret, now = _endpoint_id(request), messages.new_secret(), self._clock()
        until = now + timedelta(seconds=body.overlap_seconds)
        rotation = await self._write(
            request,
            ROTATE_WEBHOOK,
            Rotate(endpoint_id, secret, now, until),
            "webhooks.rotate",
            endpoint_id,
            details={"overlapSeconds": body.overlap_seconds},
        )
        if rotation == "unknown":
            raise _unknown()
        if rotation == "too many":
            raise _too_many(
                f"{FORMER_SECRETS_MAX} former secrets are in use: wait, or end all with an overlap of 0."
            )
        return json_response({"id": endpoint_id, "secret": secret, "formerSecretUntil": utc_text(until)})

    async def test(self, request: Request) -> Response:
        await _read_nothing(request)
        endpoint_id = _endpoint_id(request)
        found = await self._write(request, TEST_WEBHOOK, LookUp(endpoint_id), "webhooks.test", endpoint_id)
        if found is None:
            raise _unknown()
        sent = await self._sender.send(
            found.url,
            found.secrets_at(self._clock()),
            f"test_{new_uuid4()}",
            messages.test_payload(self._clock()),
        )
        return json_response({"delivered": sent.delivered, "detail": sent.detail})

    async def list_dead_letters(self, webhook_id: str, query: Annotated[LetterQuery, Query()]) -> Response:
        behind = None if query.cursor is None else int(query.cursor)
        rows = await self._reader.run(
            queue.dead_letters, _known(webhook_id), limit=query.limit, behind=behind
        )
        if rows is None:
            raise _unknown()
        return json_text(
            page_of(rows, _as_it_is, lambda row: str(row["position"]), query.limit, encode_text_cursor)
        )

    async def redrive(self, request: Request) -> Response:
        """Redrive step by step, so that no order waits behind many messages. If a step fails, those before it
        have taken effect, and may be repeated."""
        await _read_nothing(request)
        command: Redrive | None = Redrive(_endpoint_id(request))
        redriven, has_begun = 0, False
        while command is not None:
            endpoint_id = command.endpoint_id
            step = await self._write(
                request, REDRIVE_WEBHOOK, command, "webhooks.redrive", endpoint_id, later=has_begun
            )
            if step is None:
                raise _unknown()
            has_begun = True
            redriven += step.rows
            command = None if step.position is None else Redrive(endpoint_id, step.position)
        return json_response({"redriven": redriven})

    async def redrive_letter(self, request: Request) -> Response:
        await _read_nothing(request)
        return await self._settle(request, REDRIVE_WEBHOOK_LETTER, "webhooks.redrive", None)

    async def discard_letter(self, request: Request) -> Response:
        body = await read_model(DiscardIn, request)
        return await self._settle(request, DISCARD_WEBHOOK_LETTER, "webhooks.discard", body.reason)

    async def _settle(
        self, request: Request, use_case: UseCase[ByHand[Letter], bool], action: str, reason: str | None
    ) -> Response:
        letter = Letter(_endpoint_id(request), _position(request))
        details = {"position": letter.position}
        is_done = await self._write(
            request, use_case, letter, action, letter.endpoint_id, reason=reason, details=details
        )
        if not is_done:
            raise _no_letter()
        return json_response(details)

    async def _write(
        self,
        request: Request,
        use_case: UseCase[ByHand[C], R],
        command: C,
        action: str,
        endpoint_id: str,
        *,
        later: bool = False,
        reason: str | None = None,
        details: Details | None = None,
    ) -> R:
        """The command's result. Raises ProblemError if it was not written."""
        made = act_of(caller(request), self._clock(), action, endpoint_id, reason=reason, details=details)
        (outcome,) = await self._writer.submit(use_case, [ByHand(command, made)], later=later)
        if isinstance(outcome, NotWritten):
            raise write_problem(outcome.cause)
        return outcome


def _unknown() -> ProblemError:
    return ProblemError(404, "There is no webhook with this id.")


def _no_letter() -> ProblemError:
    return ProblemError(404, "There is no such dead letter of this webhook.")


def _too_many(detail: str) -> ProblemError:
    return ProblemError(409, detail, kind="too-many", title="Too many")


def _position(request: Request) -> int:
    """Raises ProblemError 404 for what is none."""
    text = request.path_params["position"]
    if not is_position(text):
        raise _no_letter()
    return int(text)


def _endpoint_id(request: Request) -> str:
    return _known(request.path_params["webhook_id"])


def _known(webhook_id: str) -> str:
    """The id as it is stored. Raises ProblemError 404 for what is none."""
    text = webhook_id.lower()
    if not parsing.UUID.fullmatch(text):
        raise _unknown()
    return text


async def _read_nothing(request: Request) -> None:
    """Raises ProblemError 422 for a body that says something: nothing is dropped silently."""
    await _read_optional(Nothing, request)


async def _read_optional(model: type[M], request: Request) -> M:
    """The model that the body holds; its defaults without a body. Raises ProblemError 422."""
    body = await read_optional_json_body(request, SMALL_BODY_BYTES_MAX)
    try:
        return model() if body is None else model.model_validate_json(body)
    except ValidationError as error:
        raise validation_problem(error) from None


def _as_it_is(row: dict[str, Any]) -> dict[str, Any]:
    return row
