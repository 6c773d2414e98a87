"""What a call may raise instead of returning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orderflow.contracts.answers import PROBLEM_TYPE_PREFIX


class OrderflowError(Exception):
    """Every error of this client."""


class NotSent(OrderflowError):
    """No connection could be made, so nothing was sent. `__cause__` says why."""


class AnswerLost(OrderflowError):
    """The connection broke, or no answer came in time: the request may have been carried out."""


class NotOrderflow(OrderflowError):
    """Somebody answered, but not as Orderflow does: the address is probably wrong."""


class Problem(OrderflowError):
    """The service refused (RFC 9457). `kind` is the end of the problem's `type`, as docs/api.md lists them;
    `document` the whole of it. `retry_after_s` is None where the service named no time."""

    def __init__(self, document: Mapping[str, Any], status: int, retry_after_s: float | None) -> None:
        super().__init__(f"{document.get('title', 'Error')}: {document.get('detail', '')}".rstrip(": "))
        self.document = document
        self.status = status
        self.kind = _kind(document)
        self.errors: list[dict[str, str]] = document.get("errors") or []
        self.correlation_id: str | None = document.get("correlationId")
        self.retry_after_s = retry_after_s


class Unauthenticated(Problem):
    """401: no valid key."""


class Forbidden(Problem):
    """403: the key does not allow it."""


class NotFound(Problem):
    """404: there is no such order, or it belongs to another customer."""


class IllegalTransition(Problem):
    """409: the order's status does not allow it."""

    @property
    def current_status(self) -> str:
        return self.document.get("currentStatus", "")

    @property
    def allowed_transitions(self) -> list[str]:
        return self.document.get("allowedTransitions", [])


class KeyInProgress(Problem):
    """409: the first request with this idempotency key still runs."""


class Invalid(Problem):
    """422: the request breaks the contract; `errors` say where, each with a JSON Pointer."""


class KeyReused(Invalid):
    """422: the idempotency key was used with another order."""


class RateLimited(Problem):
    """429: more requests than the rate limit allows."""


class Unavailable(Problem):
    """503: not possible now, and nothing was written."""


class OutcomeUnknown(Problem):
    """503: the request may have been carried out."""


_OF_KIND: dict[str, type[Problem]] = {
    "illegal-transition": IllegalTransition,
    "idempotency-key-in-progress": KeyInProgress,
    "idempotency-key-reused": KeyReused,
    "outcome-unknown": OutcomeUnknown,
}
_OF_STATUS: dict[int, type[Problem]] = {
    401: Unauthenticated,
    403: Forbidden,
    404: NotFound,
    422: Invalid,
    429: RateLimited,
    503: Unavailable,
}


def problem(document: Mapping[str, Any], status: int, retry_after_s: float | None = None) -> Problem:
    """The error of that problem: of its kind's own class, else of its status's, else Problem."""
    made = _OF_KIND.get(_kind(document)) or _OF_STATUS.get(status, Problem)
    return made(document, status, retry_after_s)


def _kind(document: Mapping[str, Any]) -> str:
    return str(document.get("type", "")).removeprefix(PROBLEM_TYPE_PREFIX)


class NotInTime(OrderflowError):
    """The order did not reach a status in time. `status` is what it was last, None if nobody could tell."""

    def __init__(self, order_id: str, status: str | None, timeout_s: float) -> None:
        super().__init__(f"order {order_id} is still {status or 'not known'} after {timeout_s:g} s")
        self.status = status
