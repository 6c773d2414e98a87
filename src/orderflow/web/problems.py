"""What a client is told when something is wrong: problem details (RFC 9457), which never contain the
input."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

from pydantic import ValidationError
from pydantic_core import ErrorDetails, to_json

from orderflow.contracts.answers import PROBLEM_TYPE_PREFIX
from orderflow.contracts.orders_api import PATTERN_WORDS

PROBLEM_ERRORS_MAX = 100
INSTANCE_CHARS_MAX = 500

_TITLES = {
    400: ("malformed-request", "Malformed request"),
    401: ("unauthenticated", "Unauthenticated"),
    403: ("forbidden", "Forbidden"),
    404: ("not-found", "Not found"),
    405: ("method-not-allowed", "Method not allowed"),
    408: ("request-timeout", "Request time-out"),
    412: ("precondition-failed", "Precondition failed"),
    413: ("too-large", "Request too large"),
    415: ("unsupported-media-type", "Unsupported media type"),
    422: ("validation-failed", "Validation failed"),
    429: ("rate-limited", "Too many requests"),
    431: ("head-too-large", "Request head too large"),
    500: ("internal-error", "Internal error"),
    501: ("not-implemented", "Not implemented"),
    503: ("unavailable", "Service unavailable"),
    505: ("version-not-supported", "HTTP version not supported"),
}


class ProblemError(Exception):
    """An error that the client is told about. `kind` names the problem type; by default it is the usual one
    of the status."""

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
        "instance": instance[:INSTANCE_CHARS_MAX],
        "correlationId": correlation_id,
    }
    if error.errors is not None:
        document["errors"] = list(error.errors)[:PROBLEM_ERRORS_MAX]
    return document | error.extra


def problem_parts(error: ProblemError, path: str, correlation_id: str) -> tuple[bytes, bytes]:
    """The headers of the answer, as lines with their line ends, and its body."""
    headers = {**error.headers, "content-type": "application/problem+json"}
    lines = "".join([f"{name.lower()}: {value}\r\n" for name, value in headers.items()])
    return lines.encode("latin-1"), to_json(problem_document(error, path, correlation_id))


def broken_contract(errors: Sequence[Mapping[str, str]]) -> ProblemError:
    """422 with a pointer and a message for each violated rule."""
    return ProblemError(422, "The request breaks the contract: see errors.", errors=errors)


def nul_problem(path: str, query: bytes) -> ProblemError:
    """The problem for a target with a NUL, which every route refuses: no text that we store may contain one,
    and a database answers with an error when it is asked for one."""
    errors = [field_error((), "must not hold a NUL", "path")] if "\0" in path else []
    errors += [
        field_error((name.replace("\0", ""),), "must not hold a NUL", "query")
        for name, value in parse_qsl(query.decode("latin-1"), keep_blank_values=True)
        if "\0" in name or "\0" in value
    ]
    return broken_contract(errors)


def validation_problem(error: ValidationError, *, at: tuple[str | int, ...] = ()) -> ProblemError:
    """422 with a pointer for each violated rule, never with the input; 400 if the body is not JSON at all.

    `at` is where the validated part is in the body.
    """
    if error.error_count() > PROBLEM_ERRORS_MAX:
        # Listing them would cost seconds: a batch can break the contract in millions of places.
        many = f"breaks the contract in {error.error_count()} places, too many to list"
        return broken_contract([field_error(at, many)])
    errors: list[dict[str, str]] = []
    for item in error.errors(include_input=False, include_url=False):
        if item["type"] == "json_invalid":
            return ProblemError(400, f"The body is not JSON: {item['msg'].removeprefix('Invalid JSON: ')}.")
        errors.append(field_error((*at, *item["loc"]), words(item)))
    return broken_contract(errors)


def words(violation: ErrorDetails) -> str:
    """What is wrong, without the input: the pattern of a text would tell people nothing."""
    pattern = violation.get("ctx", {}).get("pattern", "")
    return PATTERN_WORDS.get(pattern, violation["msg"].removeprefix("Value error, "))


def field_error(location: Sequence[str | int], message: str, within: str | None = None) -> dict[str, str]:
    """A JSON Pointer (RFC 6901) and what is wrong there. `within` is `query`, `path` or `header` if it is not
    the body."""
    pointer = "".join("/" + str(part).replace("~", "~0").replace("/", "~1")[:100] for part in location)
    return {"pointer": pointer, "message": message} | ({"in": within} if within else {})
