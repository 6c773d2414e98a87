"""Which problems the Order Service answers, beyond those that every server of ours knows."""

from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.requests import Request
from starlette.responses import Response

from orderflow.database.engine import DatabaseUnavailable
from orderflow.orders.intake import database_unavailable
from orderflow.web.answers import problem_of, problem_response
from orderflow.web.problems import ProblemError, field_error


def unknown_order() -> ProblemError:
    return ProblemError(404, "There is no order with this id.", kind="unknown-order", title="Unknown order")


def problem_result(request: Request, problem: ProblemError) -> dict[str, Any]:
    """The result of an entry of a bulk request that failed."""
    return {"status": problem.status, "problem": problem_of(problem, request)}


async def _on_invalid_query(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    errors = [
        field_error(item["loc"][1:], item["msg"].removeprefix("Value error, "), str(item["loc"][0]))
        for item in error.errors()
    ]
    problem = ProblemError(422, "The request breaks the contract: see errors.", errors=errors)
    return problem_response(problem, request)


async def _on_database_unavailable(request: Request, _error: Exception) -> Response:
    return problem_response(database_unavailable(), request)


EXCEPTION_HANDLERS: dict[Any, Any] = {
    RequestValidationError: _on_invalid_query,
    DatabaseUnavailable: _on_database_unavailable,
}
