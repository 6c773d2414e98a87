"""What each of our HTTP servers does at its edge: correlation and trace ids, bounded bodies, one log line per
request, and problem details (RFC 9457) for every error, the unexpected included."""

import asyncio
import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import structlog
from pydantic import ValidationError
from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orderflow.ids import new_uuid4, random_hex

log = structlog.get_logger()

DISCARD_BYTES_MAX = 4 << 20
BODY_SECONDS_MAX = 30.0
BODIES_BYTES_MAX = 128 << 20
PROBLEM_ERRORS_MAX = 100
PROBLEM_TYPE_PREFIX = "urn:orderflow:problem:"

_CORRELATION_ID = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,200}")
_TRACEPARENT = re.compile(rb"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")

_TITLES = {
    400: ("malformed-request", "Malformed request"),
    404: ("not-found", "Not found"),
    405: ("method-not-allowed", "Method not allowed"),
    408: ("request-timeout", "Request time-out"),
    413: ("too-large", "Request too large"),
    415: ("unsupported-media-type", "Unsupported media type"),
    422: ("validation-failed", "Validation failed"),
    500: ("internal-error", "Internal error"),
    503: ("unavailable", "Service unavailable"),
}


class ProblemError(Exception):
    """An error that the client is told about. `kind` names the problem type, by default the status's
    usual one."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        kind: str | None = None,
        title: str | None = None,
        errors: Sequence[Mapping[str, str]] | None = None,
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        usual_kind, usual_title = _TITLES.get(status, ("error", "Error"))
        self.status = status
        self.detail = detail
        self.kind = kind or usual_kind
        self.title = title or usual_title
        self.errors = errors
        self.headers = dict(headers or {})
        self.extra = dict(extra or {})


def problem_document(error: ProblemError, instance: str, correlation_id: str) -> dict[str, Any]:
    document: dict[str, Any] = {
        "type": PROBLEM_TYPE_PREFIX + error.kind,
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        "instance": instance,
        "correlationId": correlation_id,
    }
    if error.errors is not None:
        document["errors"] = list(error.errors)[:PROBLEM_ERRORS_MAX]
    return document | error.extra


def problem_response(error: ProblemError, scope: Scope) -> Response:
    document = problem_document(error, instance(scope), correlation_id(scope))
    return Response(
        to_json(document), error.status, headers=error.headers, media_type="application/problem+json"
    )


def problem_parts(error: ProblemError, path: str, correlation: str) -> tuple[bytes, bytes]:
    """Headers, as lines with their ends, and body of the answer."""
    headers = {
        **error.headers,
        "content-type": "application/problem+json",
        "x-correlation-id": correlation,
    }
    lines = "".join([f"{name.lower()}: {value}\r\n" for name, value in headers.items()])
    return lines.encode("latin-1"), to_json(problem_document(error, path, correlation))


def json_response(document: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(to_json(document), status, headers=headers, media_type="application/json")


def correlation_id(scope: Scope) -> str:
    return scope["state"]["correlation_id"]


def traceparent(scope: Scope) -> str:
    return scope["state"]["traceparent"]


def instance(scope: Scope) -> str:
    return scope["path"][:500]


def trace_id(parent: str | None) -> str | None:
    """The trace's id out of a W3C traceparent."""
    return parent.split("-")[1] if parent else None


def validation_problem(error: ValidationError, *, at: tuple[str | int, ...] = ()) -> ProblemError:
    """422 with a pointer per violated rule, never the input; 400 where the body is no JSON at all.

    `at`: where in the body the validated part lies.
    """
    if error.error_count() > PROBLEM_ERRORS_MAX:
        # Listing them would cost seconds: a batch can break the contract in millions of places.
        many = f"breaks the contract in {error.error_count()} places, too many to list"
        return ProblemError(
            422, "The request breaks the contract: see errors.", errors=[field_error(at, many)]
        )
    errors: list[dict[str, str]] = []
    for item in error.errors(include_input=False, include_context=False, include_url=False):
        if item["type"] == "json_invalid":
            return ProblemError(400, f"The body is not JSON: {item['msg'].removeprefix('Invalid JSON: ')}.")
        errors.append(field_error((*at, *item["loc"]), item["msg"].removeprefix("Value error, ")))
    return ProblemError(422, "The request breaks the contract: see errors.", errors=errors)


def field_error(location: Sequence[str | int], message: str, within: str | None = None) -> dict[str, str]:
    """A JSON Pointer (RFC 6901) and what is wrong there; `within` is `query`, `path` or `header` where
    it is not the body."""
    pointer = "".join("/" + str(part).replace("~", "~0").replace("/", "~1")[:100] for part in location)
    return {"pointer": pointer, "message": message} | ({"in": within} if within else {})


class BodyBudget:
    """How many bytes of bodies that are still arriving a process holds: slow clients are many."""

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


async def read_json_body(
    request: Request,
    bytes_max: int,
    *,
    seconds_max: float = BODY_SECONDS_MAX,
    budget: BodyBudget | None = None,
) -> bytes:
    """The body, at most `bytes_max` bytes of it. Raises ProblemError: 400 empty, 408 slow, 413 too large,
    415 not JSON, 503 beyond the budget. Of an oversized body up to 4 MiB more are read and discarded, so that
    the client gets to see the answer."""
    content_type = request.headers.get("content-type", "application/json").split(";")[0].strip().lower()
    if content_type != "application/json" or "content-encoding" in request.headers:
        raise ProblemError(415, "Send the body as plain JSON with content-type: application/json.")
    try:
        async with asyncio.timeout(seconds_max):
            return await _read_bounded(request, bytes_max, budget or BodyBudget())
    except TimeoutError:
        raise ProblemError(
            408, f"The body did not arrive within {seconds_max:g} s.", headers={"Connection": "close"}
        ) from None


async def _read_bounded(request: Request, bytes_max: int, budget: BodyBudget) -> bytes:
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
    if size == 0:
        raise ProblemError(400, "The body is empty: send JSON.")
    return b"".join(chunks)


async def _on_problem(request: Request, error: Exception) -> Response:
    if not isinstance(error, ProblemError):
        raise error
    return problem_response(error, request.scope)


async def _on_http_exception(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    if error.status_code == 405:
        allowed = sorted(_allowed_methods(request.scope))
        problem = ProblemError(
            405, f"Allowed here: {', '.join(allowed)}.", headers={"Allow": ", ".join(allowed)}
        )
    elif error.status_code == 404:
        problem = ProblemError(404, "There is nothing at this address.")
    else:
        problem = ProblemError(error.status_code, str(error.detail))
    return problem_response(problem, request.scope)


async def _on_unexpected(request: Request, _error: Exception) -> Response:
    return _unexpected_response(request.scope)


def _unexpected_response(scope: Scope) -> Response:
    return problem_response(
        ProblemError(500, "Something went wrong here; the correlation id finds it in the log."), scope
    )


EXCEPTION_HANDLERS: dict[Any, Any] = {
    ProblemError: _on_problem,
    HTTPException: _on_http_exception,
    Exception: _on_unexpected,
}


def _allowed_methods(scope: Scope) -> set[str]:
    methods: set[str] = set()
    for route in scope["app"].routes:
        if route.matches(scope)[0] is not Match.NONE:
            methods |= set(getattr(route, "methods", None) or ())
    return methods - {"HEAD"}


class Edge:
    """The outermost ASGI application of a server. Pure ASGI: nothing is buffered, no task is started."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()
        headers = dict(scope["headers"])
        correlation = correlation_id_from(headers.get(b"x-correlation-id"))
        parent = traceparent_from(headers.get(b"traceparent"))
        scope.setdefault("state", {}).update(correlation_id=correlation, traceparent=parent)
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-correlation-id", correlation.encode())]
            await send(message)

        error: BaseException | None = None
        try:
            await self.app(scope, receive, send_with_id)
        except ClientDisconnect:
            status = 499  # the client went away; nginx's number for it
        except Exception as unexpected:
            error = unexpected
            if status == 0:
                await _unexpected_response(scope)(scope, receive, send_with_id)
        write = log.error if error else log.info
        if not error and scope["path"].startswith("/health"):
            write = log.debug
        log_request(
            write,
            method=scope["method"],
            path=instance(scope),
            status=status,
            began=began,
            correlation=correlation,
            parent=parent,
            error=error,
        )


def log_request(
    write: Callable[..., object],
    *,
    method: str,
    path: str,
    status: int,
    began: float,
    correlation: str,
    parent: str,
    error: BaseException | None = None,
) -> None:
    """The one line of a request that began at `began` of `time.perf_counter`."""
    write(
        "request",
        method=method,
        path=path,
        status=status,
        duration_ms=round((time.perf_counter() - began) * 1000, 1),
        correlation_id=correlation,
        trace_id=trace_id(parent),
        **({"exc_info": error} if error else {}),
    )


def correlation_id_from(given: bytes | None) -> str:
    """The client's own id where it is one, else a new one (UUIDv4)."""
    if given is not None and _CORRELATION_ID.fullmatch(given):
        return given.decode("ascii")
    return new_uuid4()


def traceparent_from(given: bytes | None) -> str:
    """The client's trace goes on; without a valid one a new, unsampled trace begins (W3C Trace Context)."""
    if given is not None and _TRACEPARENT.fullmatch(given):
        return given.decode("ascii")
    return f"00-{random_hex()}-{random_hex()[:16]}-00"
