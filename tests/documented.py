"""Whether answers are what the OpenAPI document says."""

import re
from copy import deepcopy
from typing import Any, cast

import jsonschema_rs
from hypothesis import HealthCheck, settings

_PLACEHOLDER = re.compile(r"{\w+}")


def closed(document: dict[str, Any]) -> dict[str, Any]:
    """The document with answers that have no fields but those in it. To clients it promises no such thing,
    but a field that we answer has to be in it."""
    for schema in document["components"]["schemas"].values():
        if "properties" in schema:
            schema.setdefault("additionalProperties", False)
    return document


def made_requests(count: int) -> settings:
    """So many requests that are made from an operation's document, the same in every run."""
    return settings(
        max_examples=count,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=[
            HealthCheck.too_slow,
            HealthCheck.filter_too_much,
            HealthCheck.data_too_large,
        ],
    )


def is_documented(document: dict[str, Any], method: str, path: str, status: int, body: Any) -> None:
    """Fails if the operation does not have such an answer; an address without an operation is left out."""
    found = [template for template in document["paths"] if _matches(template, path.partition("?")[0])]
    if not found:
        return
    # The most exact one, as the services have them.
    operation = document["paths"][min(found, key=lambda each: each.count("{"))][method.lower()]
    answer = operation["responses"][str(status)]
    if "$ref" in answer:
        answer = document["components"]["responses"][answer["$ref"].rpartition("/")[2]]
    (content,) = answer["content"].values()
    schema = {**content["schema"], "components": closed(deepcopy(document))["components"]}
    cast("Any", jsonschema_rs).validate(schema, body)


def _matches(template: str, path: str) -> bool:
    return re.fullmatch(_PLACEHOLDER.sub("[^/]+", template), path) is not None
