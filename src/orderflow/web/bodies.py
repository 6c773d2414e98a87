"""Request bodies, whose size is bounded for each one and for all together."""

import re
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from orderflow.web.headers import header_values
from orderflow.web.problems import ProblemError, validation_problem

DISCARD_BYTES_MAX = 4 << 20
BODIES_BYTES_MAX = 128 << 20
SMALL_BODY_BYTES_MAX = 10_000
BYTE_ORDER_MARK = b"\xef\xbb\xbf"

_CHARSET = re.compile(r';[ \t]*charset[ \t]*=[ \t]*("[^"]*"|[^;]*)', re.IGNORECASE)
_UTF_8 = frozenset(("utf-8", "utf8"))

M = TypeVar("M", bound=BaseModel)


class BodyBudget:
    """Limits the bytes that a process holds of bodies that are still arriving, because there can be many slow
    clients."""

    def __init__(self, bytes_max: int = BODIES_BYTES_MAX) -> None:
        self._left = bytes_max

    def take(self, size: int) -> None:
        """Raises ProblemError 503."""
        if size > self._left:
            raise ProblemError(
                503,
                "Too many large bodies are arriving at once; nothing was written. Try again shortly.",
                kind="overloaded",
                headers={"Retry-After": "1", "Connection": "close"},
            )
        self._left -= size

    def give_back(self, size: int) -> None:
        self._left += size


def require_json(request: Request) -> None:
    """Raises ProblemError 415 unless the body is sent as JSON. A web page cannot send JSON to another origin
    without asking that origin first; if the content type could be left out, a page could avoid asking."""
    content_type = request.headers.get("content-type", "")
    media_type = content_type.split(";")[0].strip().lower()
    charsets = {found.strip(' \t"').lower() for found in _CHARSET.findall(content_type)}
    codings = {
        coding.strip().lower()
        for value in header_values(request, b"content-encoding")
        for coding in value.split(b",")
    }
    if media_type != "application/json" or not charsets <= _UTF_8 or not codings <= {b"", b"identity"}:
        raise ProblemError(415, "Send the body as plain JSON in UTF-8 with content-type: application/json.")


async def read_json_body(request: Request, bytes_max: int, budget: BodyBudget | None = None) -> bytes:
    """The body, of at most `bytes_max` bytes, without a byte order mark (RFC 8259, 8.1). Raises ProblemError:
    400 empty, 413 too large, 415 not JSON, 503 over the budget."""
    require_json(request)
    body = await read_body(request, bytes_max, budget)
    if not body:
        raise ProblemError(400, "The body is empty: send JSON.")
    return body.removeprefix(BYTE_ORDER_MARK)


async def read_optional_json_body(
    request: Request, bytes_max: int, budget: BodyBudget | None = None
) -> bytes | None:
    """As `read_json_body`, but None if the request has no body; then its content type does not matter."""
    body = await read_body(request, bytes_max, budget)
    if not body:
        return None
    require_json(request)
    return body.removeprefix(BYTE_ORDER_MARK)


async def read_model(model: type[M], request: Request) -> M:
    """The model that a small body holds. Raises ProblemError as `read_json_body` does, and 422 for a body
    that breaks the model's rules."""
    try:
        return model.model_validate_json(await read_json_body(request, SMALL_BODY_BYTES_MAX))
    except ValidationError as error:
        raise validation_problem(error) from None


async def read_body(request: Request, bytes_max: int, budget: BodyBudget | None = None) -> bytes:
    """The body. Raises ProblemError 413 if it has more than `bytes_max` bytes, after up to 4 MiB more were
    read and discarded so that the client sees the answer, and 503 over the budget."""
    budget = budget or BodyBudget()
    chunks: list[bytes] = []
    size = held = 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size <= bytes_max:
                budget.take(len(chunk))
                held += len(chunk)
                chunks.append(chunk)
            elif size > bytes_max + DISCARD_BYTES_MAX:
                break
    finally:
        budget.give_back(held)
    if size > bytes_max:
        raise ProblemError(
            413, f"The body may have at most {bytes_max} bytes.", headers={"Connection": "close"}
        )
    return b"".join(chunks)
