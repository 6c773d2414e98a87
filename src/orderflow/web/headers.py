"""Reads headers and queries where Starlette does not do it strictly enough: repeated names, bytes beyond
latin-1, and names that nobody knows."""

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from orderflow.contracts.orders_api import IdempotencyKey
from orderflow.web.front_door import SAFE_METHODS
from orderflow.web.problems import ProblemError, broken_contract, field_error, words

_ENTITY_TAG = re.compile(rb'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')
_VERSION = re.compile(rb"[1-9][0-9]{0,8}")
_KEY: TypeAdapter[str] = TypeAdapter(IdempotencyKey)

Endpoint = Callable[[Request], Awaitable[Response]]


def header_values(request: Request, name: bytes) -> list[bytes]:
    """The values of all headers of that (lower-case) name, in order."""
    return [value for given, value in request.scope["headers"] if given == name]


def takes(
    endpoint: Endpoint, *, reads_query: bool = False, key: bool = False, versions: bool = False
) -> Endpoint:
    """Wrap the endpoint so that requests are refused if they ask for something that it does not do; see
    `refuse_what_is_not_taken`. The endpoint takes no query unless it `reads_query`, by `read_query`."""

    async def checked(request: Request) -> Response:
        refuse_what_is_not_taken(request, key=key, versions=versions)
        if not reads_query:
            read_query(NoQuery, request)
        return await endpoint(request)

    return checked


def refuse_what_is_not_taken(request: Request, *, key: bool = False, versions: bool = False) -> None:
    """Raises ProblemError 422 for an `Idempotency-Key` without `key`, and for a condition without `versions`:
    what is not honoured must not look as if it were. A GET may ignore `If-None-Match` (RFC 9110, 13.2.1) and
    give the whole answer."""
    refused = [] if key else ["Idempotency-Key"]
    refused += [] if versions else ["If-Match"]
    refused += [] if request.method.encode() in SAFE_METHODS else ["If-None-Match"]
    errors = [
        field_error((name,), "is not taken here", "header")
        for name in refused
        if header_values(request, name.lower().encode())
    ]
    if errors:
        raise broken_contract(errors)


def idempotency_key(given: Sequence[bytes]) -> str | None:
    """The key from all headers of that name, or None. It is UTF-8, and is spelt as in the body of a batch.
    Raises ProblemError 422."""
    if not given:
        return None
    if len(given) > 1:
        raise _wrong_key("is given more than once")
    try:
        return _KEY.validate_python(given[0].decode())
    except (UnicodeDecodeError, ValidationError):
        raise _wrong_key("must be 1 to 255 printable characters in UTF-8") from None


def _wrong_key(why: str) -> ProblemError:
    return broken_contract([field_error(("Idempotency-Key",), why, "header")])


def if_match(request: Request) -> frozenset[int] | None:
    """The versions that `If-Match` names (RFC 9110, 13.1.1); None accepts any version. Weak tags and tags
    that we did not give match nothing. Raises ProblemError 422."""
    given = header_values(request, b"if-match")
    tags = b",".join(given).strip()
    if not given or tags == b"*":
        return None
    versions: set[int] = set()
    for tag in _comma_separated(tags):
        found = _ENTITY_TAG.fullmatch(tag)
        if found is None:
            raise broken_contract(
                [field_error(("If-Match",), 'must be "*" or a list of entity tags such as "3"', "header")]
            )
        if found[1] is None and _VERSION.fullmatch(found[2]):
            versions.add(int(found[2]))
    return frozenset(versions)


def _comma_separated(text: bytes) -> list[bytes]:
    """The elements of a list. Commas within quotes belong to a tag; empty elements do not count (RFC 9110,
    5.6.1)."""
    parts = re.findall(rb'(?:[^,"]|"[^"]*"?)+', text)
    return [part.strip(b" \t") for part in parts if part.strip(b" \t")]


Q = TypeVar("Q", bound=BaseModel)


class NoQuery(BaseModel, extra="forbid"):
    """The query of a resource that takes no parameters."""


def read_query(model: type[Q], request: Request) -> Q:
    """The query's parameters. Only those that are lists in the model may be repeated. Raises ProblemError 422
    for others that are repeated, and for names that the model does not have: nothing is dropped silently."""
    lists = {
        field.alias or name
        for name, field in model.model_fields.items()
        if get_origin(field.annotation) is list
    }
    values: dict[str, str | list[str]] = {}
    for name, value in request.query_params.multi_items():
        if name in lists:
            values.setdefault(name, [])
            values[name] = [*values[name], value]
        elif name in values:
            raise broken_contract([field_error((name,), "is given more than once", "query")])
        else:
            values[name] = value
    try:
        return model.model_validate(values)
    except ValidationError as error:
        violations = error.errors(include_input=False, include_url=False)
        raise broken_contract(
            [field_error(violation["loc"][:1], words(violation), "query") for violation in violations]
        ) from None
