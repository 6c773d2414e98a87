"""What our applications have in common: JSON answers, and a problem for every error."""

from collections.abc import Mapping
from typing import Any

from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Scope

from orderflow.web.exchanges import unexpected_problem
from orderflow.web.front_door import Caller
from orderflow.web.problems import ProblemError, problem_document


def caller(request: Request) -> Caller:
    return request.scope["state"]["caller"]


def owner_of(request: Request) -> str | None:
    """The customer whose orders alone the caller may see; None for a caller who may see all."""
    return caller(request).principal.customer_id


def json_response(document: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(to_json(document), status, headers=headers, media_type="application/json")


def json_text(text: bytes) -> Response:
    return Response(text, media_type="application/json")


def problem_of(error: ProblemError, request: Request) -> dict[str, Any]:
    return problem_document(error, request.scope["path"], caller(request).correlation_id)


def problem_response(error: ProblemError, request: Request) -> Response:
    return Response(
        to_json(problem_of(error, request)),
        error.status,
        headers=error.headers,
        media_type="application/problem+json",
    )


async def _on_problem(request: Request, error: Exception) -> Response:
    if not isinstance(error, ProblemError):
        raise error
    return problem_response(error, request)


async def _on_http_exception(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    if error.status_code == 405:
        allowed = ", ".join(sorted(_allowed_methods(request.scope)))
        problem = ProblemError(405, f"Allowed here: {allowed}.", headers={"Allow": allowed})
    elif error.status_code == 404:
        problem = ProblemError(404, "There is nothing at this address.")
    else:
        problem = ProblemError(error.status_code, str(error.detail))
    return problem_response(problem, request)


async def _on_unexpected(request: Request, _error: Exception) -> Response:
    return problem_response(unexpected_problem(), request)


EXCEPTION_HANDLERS: dict[Any, Any] = {
    ProblemError: _on_problem,
    HTTPException: _on_http_exception,
    Exception: _on_unexpected,
}


def _allowed_methods(scope: Scope) -> set[str]:
    """The methods that the routes of this path allow, and HEAD wherever GET is: the server answers it."""
    methods: set[str] = set()
    for route in scope["app"].routes:
        if route.matches(scope)[0] is not Match.NONE:
            methods |= set(getattr(route, "methods", None) or ())
    return methods | ({"HEAD"} if "GET" in methods else set())
