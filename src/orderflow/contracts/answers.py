"""What all answers of both services have in common."""

import json
from typing import Any, cast

PROBLEM_TYPE_PREFIX = "urn:orderflow:problem:"
"""How the `type` of a problem begins; its kind follows."""


def json_object(body: bytes) -> dict[str, Any] | None:
    """The JSON object that an answer is; None if it is anything else, and so not one of ours."""
    try:
        document: object = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return cast("dict[str, Any]", document) if isinstance(document, dict) else None
