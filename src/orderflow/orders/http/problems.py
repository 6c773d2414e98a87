"""Which problems the Order Service answers, beyond those that every server of ours knows."""

from typing import Any

import structlog
from fastapi.exceptions import RequestValidationError
from starlette.requests import Request
from starlette.responses import Response

from orderflow.contracts.order_events import EVENT_BYTES_MAX
from orderflow.database.batch import NotWritten
from orderflow.database.engine import DatabaseUnavailable, reason
from orderflow.database.group_commit import Contended, OutcomeUnknown, QueueFull
from orderflow.orders.commands import KeyInProgress, KeyReused, StaleVersion, UnknownOrder
from orderflow.orders.events import EventTooLarge
from orderflow.orders.intake import Refused
from orderflow.orders.model import IllegalTransition
from orderflow.web.answers import problem_of, problem_response
from orderflow.web.problems import ProblemError, field_error

log = structlog.get_logger()


def unknown_order() -> ProblemError:
    return ProblemError(404, "There is no order with this id.", kind="unknown-order", title="Unknown order")


def placement_problem(refused: Refused) -> ProblemError:
    """The problem for an order that was not placed."""
    match refused:
        case KeyReused():
            return ProblemError(
                422,
                "This idempotency key was used with another order. Use a new key for a new order.",
                kind="idempotency-key-reused",
                title="Idempotency key reused",
            )
        case KeyInProgress():
            return ProblemError(
                409,
                "The first request with this idempotency key is still running.",
                kind="idempotency-key-in-progress",
                title="Request in progress",
                headers={"Retry-After": "1"},
            )
        case EventTooLarge(size_bytes):
            return ProblemError(
                413, f"The order's event would have {size_bytes} bytes; at most {EVENT_BYTES_MAX} are taken."
            )
        case NotWritten(cause):
            return write_problem(cause)


def update_problem(refused: UnknownOrder | StaleVersion | IllegalTransition | NotWritten) -> ProblemError:
    """The problem for an update that was not made."""
    match refused:
        case UnknownOrder():
            return unknown_order()
        case StaleVersion(version):
            return ProblemError(
                412,
                "The order has changed: its version is none of those that If-Match names.",
                headers={"ETag": f'"{version}"'},
                extra={"currentVersion": version},
            )
        case IllegalTransition(current, detail, allowed):
            return ProblemError(
                409,
                detail,
                kind="illegal-transition",
                title="Illegal transition",
                extra={"currentStatus": current.value, "allowedTransitions": allowed},
            )
        case NotWritten(cause):
            return write_problem(cause)


def unread_order() -> ProblemError:
    """The problem for an update that was made, but whose order cannot be read for the answer."""
    return _outcome_unknown(
        "The order is as asked, but cannot be read now. Repeat the request: that is safe."
    )


def _outcome_unknown(detail: str) -> ProblemError:
    return ProblemError(
        503, detail, kind="outcome-unknown", title="Outcome unknown", headers={"Retry-After": "2"}
    )


def write_problem(cause: Exception) -> ProblemError:
    """The problem for a command that was refused by the writer, or whose transaction failed."""
    match cause:
        case QueueFull():
            return ProblemError(
                503,
                "The writer's queue is full; nothing was written. Try again shortly.",
                kind="overloaded",
                headers={"Retry-After": "1"},
            )
        case OutcomeUnknown():
            return _outcome_unknown(
                "The database did not say whether it committed. Repeat the request; "
                "if it places an order, with the same idempotency key."
            )
        case DatabaseUnavailable() | Contended():
            return ProblemError(
                503,
                "The database does not answer; nothing was written. Try again shortly.",
                kind="database-unavailable",
                headers={"Retry-After": "2"},
            )
        case _:
            # The driver's full text may quote the row.
            log.error("write.failed", error=type(cause).__name__, reason=reason(cause))
            return ProblemError(500, "Something went wrong here; nothing was written.")


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


async def _on_no_write(request: Request, error: Exception) -> Response:
    return problem_response(write_problem(error), request)


EXCEPTION_HANDLERS: dict[Any, Any] = {
    RequestValidationError: _on_invalid_query,
    DatabaseUnavailable: _on_no_write,
    QueueFull: _on_no_write,
}
