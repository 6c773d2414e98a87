"""What the OpenAPI documents of both services have in common: what every operation may answer, with its
headers and an example, and who may call it."""

import re
from collections.abc import Iterable
from typing import Any, Literal

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from orderflow.contracts.orders_api import Problem
from orderflow.web.access import Rule, Rules
from orderflow.web.front_door import HEALTH
from orderflow.web.health import LIVE, READY, Live
from orderflow.web.metrics import METRICS
from orderflow.web.openapi_examples import give_examples
from orderflow.web.problems import ProblemError, problem_document

OPENAPI = "/openapi.json"

Document = dict[str, Any]
Models = list[tuple[type[BaseModel], Literal["validation", "serialization"]]]

INTRODUCTION = " ".join(
    [
        "Every error is a problem (RFC 9457), and what is sent is never echoed. A request that reaches no",
        "operation is answered with a problem, too: 404 for an unknown address, 405 with `Allow` for a",
        "method that the address does not have, 408 and 431 for a head or body that is too slow or a head",
        "that is too large, 501 and 505 for what is not HTTP/1.1. Every operation with GET answers HEAD as",
        "well. What an operation does not take is refused with 422: unknown query parameters, and",
        "`Idempotency-Key`, `If-Match` and `If-None-Match` where they are not named.",
    ]
)
_EXAMPLE_ID = "019c46f2-b0a0-7c11-8f3a-2b1c9d4e5f60"
_COMPONENTS = "#/components"
_REF = _COMPONENTS + "/schemas/{model}"
_CORRELATION_ID = "X-Correlation-ID"
_CONVERTER = re.compile(r":\w+}")

_HEADERS: dict[str, Document] = {
    _CORRELATION_ID: {
        "description": "The id of this request in the log: the caller's own, or a new one.",
        "required": True,
        "schema": {"type": "string"},
        "example": _EXAMPLE_ID,
    },
    "WWW-Authenticate": {
        "description": "How to show who calls (RFC 6750), and in a 403 which scope is needed.",
        "schema": {"type": "string"},
        "example": 'Bearer realm="orderflow"',
    },
    "Retry-After": {
        "description": "Seconds to wait before the request is repeated.",
        "schema": {"type": "string", "pattern": "^[0-9]+$"},
        "example": "2",
    },
    "ETag": {
        "description": "The order's version, for `If-Match`.",
        "schema": {"type": "string", "pattern": '^"[0-9]+"$'},
        "example": '"3"',
    },
    "Location": {
        "description": "Where the order is.",
        "schema": {"type": "string"},
        "example": f"/api/orders/{_EXAMPLE_ID}",
    },
    "Idempotent-Replayed": {
        "description": "An earlier request with this idempotency key had placed the order.",
        "schema": {"type": "string", "enum": ["true"]},
        "example": "true",
    },
}
_OF_STATUS = {
    "401": "WWW-Authenticate",
    "403": "WWW-Authenticate?",
    "409": "Retry-After?",
    "412": "ETag",
    "429": "Retry-After",
    "503": "Retry-After",
}
"""The header that answers of a status have; with `?` not all of them."""
_TAKEN: dict[str, Document] = {
    "CorrelationId": {
        "name": _CORRELATION_ID,
        "in": "header",
        "required": False,
        "description": "The caller's own id for this request: letters, digits and `._:/+=@-`. One that is "
        "not valid is replaced.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 200},
    },
    "Traceparent": {
        "name": "traceparent",
        "in": "header",
        "required": False,
        "description": "The caller's trace (W3C Trace Context). One that is not valid is replaced.",
        "schema": {"type": "string"},
    },
}
"""Headers that every operation takes."""


def ref(model: type[BaseModel]) -> Document:
    return {"$ref": _REF.format(model=model.__name__)}


def answer(text: str, model: type[BaseModel], *headers: str, example: Any = None) -> Document:
    """A successful answer in JSON, with these headers of ours. A header that ends with `?` may be absent."""
    content: Document = {"schema": ref(model)}
    if example is not None:
        content["example"] = example
    described: Document = {"description": text, "content": {"application/json": content}}
    return described | {"headers": _headers(*headers)} if headers else described


def _headers(*names: str) -> Document:
    return {
        name.rstrip("?"): _HEADERS[name.rstrip("?")] | {"required": not name.endswith("?")} for name in names
    }


def problem(status: int, text: str, *kinds: str) -> Document:
    """An error with an example of each of its kinds; by default its status has only one."""
    examples = {each.kind: {"value": _example(each)} for each in _errors(status, text, kinds)}
    content = {"schema": _PROBLEM, "examples": examples}
    return {"description": text, "content": {"application/problem+json": content}}


_PROBLEM = ref(Problem)


def _errors(status: int, text: str, kinds: tuple[str, ...]) -> list[ProblemError]:
    where = {"pointer": "/limit", "message": "Input should be greater than or equal to 1", "in": "query"}
    told = {"currentStatus": "Shipped", "allowedTransitions": list[str]()}
    return [
        ProblemError(
            status,
            text,
            kind=kind,
            errors=[where] if status == 422 and kind in (None, "validation-failed") else None,
            extra=told if kind == "illegal-transition" else None,
        )
        for kind in kinds or (None,)
    ]


def _example(error: ProblemError) -> Document:
    return problem_document(error, "/api/…", _EXAMPLE_ID)


def operation(summary: str, responses: dict[int, Document], **more: Any) -> Document:
    """An operation with its own answers, by status; `more` are fields such as `parameters`."""
    answers = {str(status): described for status, described in responses.items()}
    return {"summary": summary, **more, "responses": answers}


def body(model: type[BaseModel], example: Any, *, required: bool = True) -> Document:
    content = {"schema": ref(model), "example": example}
    return {"required": required, "content": {"application/json": content}}


def path_parameter(name: str, schema: Document, example: str | int) -> Document:
    return {"name": name, "in": "path", "required": True, "schema": schema, "example": example}


def query_parameters(model: type[BaseModel]) -> list[Document]:
    """The parameters of a query, as its model describes them."""
    schema = model.model_json_schema(ref_template=_REF)
    parameters: list[Document] = []
    for name, field in schema.get("properties", {}).items():
        # A parameter is left out, never null.
        given = [one for one in field.get("anyOf", [field]) if one.get("type") != "null"]
        described = given[0] if len(given) == 1 else {"anyOf": given}
        if field.get("default") not in (None, []):
            described = described | {"default": field["default"]}
        described = {key: value for key, value in described.items() if key != "title"}
        parameters.append({"name": name, "in": "query", "required": False, "schema": described})
    return parameters


def schemas(models: Models, queries: Iterable[type[BaseModel]] = ()) -> Document:
    """The schemas of these models and of what the queries refer to, by name."""
    _, definitions = models_json_schema(models, ref_template=_REF)
    found: Document = dict(definitions["$defs"])
    for query in queries:
        found |= query.model_json_schema(ref_template=_REF).get("$defs", {})
    return found


def shared_operations(ready: type[BaseModel]) -> Document:
    """Health and metrics, the same for both services; `ready` is what the ready endpoint answers."""
    text = {"schema": {"type": "string"}}
    exposed = {"text/plain": text, "application/openmetrics-text": text}
    return {
        LIVE: {"get": {"summary": "Is the process alive?", "responses": {"200": answer("It is.", Live)}}},
        READY: {
            "get": {
                "summary": "Can the process do its job?",
                "responses": {
                    "200": answer("It can. Other parts that are down are in `degraded`.", ready),
                    "503": problem(503, "The process cannot do its job; `detail` says why.", "not-ready"),
                },
            }
        },
        METRICS: {
            "get": {
                "summary": "Metrics for Prometheus; everyone on the service's own host may read them",
                "responses": {"200": {"description": "All metrics.", "content": exposed}},
            }
        },
    }


def completed(document: Document, rules: Rules) -> Document:
    """The document with what the front door and the rules add to every operation: the scope that it needs,
    the errors that it may answer, the headers of each answer, and examples. Raises KeyError for an operation
    without a rule."""
    by_path = {(method, _CONVERTER.sub("}", path)): rule for (method, path), rule in rules.items()}
    responses: Document = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            errors = _shared_errors(
                path,
                has_body="requestBody" in operation,
                guarded=by_path[method.upper(), path].scope is not None,
                changes=method != "get",
            )
            _complete(operation, by_path[method.upper(), path])
            _answer_errors(operation["responses"], errors, responses)
    document["components"] |= {
        "responses": responses,
        "parameters": _TAKEN,
        "headers": {_CORRELATION_ID: _HEADERS[_CORRELATION_ID]},
        "securitySchemes": {
            "bearer": {
                "type": "http",
                "scheme": "bearer",
                "description": "An API key or a JSON Web Token. Each operation names the scope that it "
                "needs; `admin` includes all others.",
            }
        },
    }
    give_examples(document)
    return document


def _complete(operation: Document, rule: Rule) -> None:
    scopes = [scope for scope in (rule.scope, rule.or_scope) if scope is not None]
    operation["security"] = [{"bearer": [scope]} for scope in scopes]
    taken = [{"$ref": f"{_COMPONENTS}/parameters/{name}"} for name in _TAKEN]
    operation["parameters"] = [*operation.get("parameters", ()), *taken]
    if scopes:
        told = f"Needs the scope {' or '.join(f'`{scope}`' for scope in scopes)}."
        if not rule.for_customers:
            told += " Callers who are bound to a customer are refused."
        if rule.open_on_host:
            told += " Open to everyone on the service's own host."
        operation["description"] = told


def _answer_errors(own: Document, errors: dict[str, tuple[str, Document]], shared: Document) -> None:
    """Complete an operation's own answers with the errors that it has in common with others; these are added
    to the `shared` ones of the document."""
    for status, described in own.items():
        own[status] = _with_headers(status, described)
    for name, (status, described) in errors.items():
        if status not in own:
            shared[name] = _with_headers(status, described)
            own[status] = {"$ref": f"{_COMPONENTS}/responses/{name}"}


def _with_headers(status: str, described: Document) -> Document:
    headers = {_CORRELATION_ID: {"$ref": f"{_COMPONENTS}/headers/{_CORRELATION_ID}"}}
    if status in _OF_STATUS:
        headers |= _headers(_OF_STATUS[status])
    return described | {"headers": described.get("headers", {}) | headers}


def _shared_errors(
    path: str, *, has_body: bool, guarded: bool, changes: bool
) -> dict[str, tuple[str, Document]]:
    """The errors of operations like this one, by their names in the document's components."""
    errors: dict[str, tuple[int, str, tuple[str, ...]]] = {
        "Invalid": (422, "the request breaks the contract; `errors` says where", ())
    }
    if has_body:
        errors["NotReadable"] = (400, "not JSON, or the request cannot be read", ())
        errors["TooLarge"] = (413, "too large", ())
        errors["NotJson"] = (415, "not application/json", ())
    else:
        errors["NotHttp"] = (400, "the request cannot be read", ())
    if guarded:
        errors["Unauthenticated"] = (401, "no valid key or token", ())
        text = "the caller lacks the scope, or is bound to a customer"
        if changes:
            text += "; or a page of another origin wants to change something"
            errors["MayNotChange"] = (403, text, ("forbidden", "cross-origin"))
        else:
            errors["Forbidden"] = (403, text, ())
    if not path.startswith(HEALTH.decode()):
        wait = "wait as Retry-After says"
        errors["RateLimited"] = (429, f"more requests than the rate limit allows; {wait}", ())
        errors["Unavailable"] = (503, f"not possible now; {wait}", ())
    return {
        name: (str(status), problem(status, text, *kinds)) for name, (status, text, kinds) in errors.items()
    }
