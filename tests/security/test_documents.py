"""The OpenAPI documents of both services are what they do, whoever asks: no answer is undocumented, and
nothing that somebody sends is an error of ours."""

import http.client
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import schemathesis
import schemathesis.checks
from hypothesis import given
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi import checks as openapi_checks
from tests.documented import closed, made_requests
from tests.openapi_files import FOLDER, SERVICES, served
from tests.security.test_routes import CREDENTIALS
from tests.web.conftest import listening

from orderflow.security.authentication import UNKNOWN
from orderflow.web.front_door import Principal

openapi = cast("Any", openapi_checks)  # its own annotations are incomplete
CHECKS = [
    cast("Any", schemathesis.checks).not_a_server_error,
    openapi.status_code_conformance,
    openapi.content_type_conformance,
    openapi.response_headers_conformance,
    openapi.response_schema_conformance,
]
POSITIVE, NEGATIVE = GenerationMode.POSITIVE, GenerationMode.NEGATIVE
CASES: dict[str, tuple[bytes | None, GenerationMode, int]] = {
    "valid": (b"admin", POSITIVE, 6),
    "invalid": (b"admin", NEGATIVE, 6),
    "invalid without a scope": (b"orders:status", NEGATIVE, 2),
    "another scope": (b"orders:write", POSITIVE, 2),
    "bound to a customer": (b"customer", POSITIVE, 2),
    "wrong key": (b"wrong", POSITIVE, 1),
    "no key": (None, POSITIVE, 1),
}
"""Who sends, what, and how many examples of each operation."""


def known(authorization: bytes | None) -> Principal:
    """Who that is; schemathesis makes up keys where none is given."""
    return CREDENTIALS.get(authorization, UNKNOWN)


@pytest.fixture(scope="module", params=SERVICES)
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """(name, port) of each service."""
    directory = tmp_path_factory.mktemp("services")
    with listening(request.param, directory, authenticate=known) as port:
        yield request.param, port


@pytest.fixture(params=SERVICES)
def untouched(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[int]:
    """The port of each service, to which nobody has sent anything yet."""
    with listening(request.param, tmp_path, authenticate=known) as port:
        yield port


@pytest.mark.parametrize("case", CASES)
def test_whatever_is_sent_by_whomever_gets_a_documented_answer(service: tuple[str, int], case: str) -> None:
    credentials, mode, examples = CASES[case]
    headers = {} if credentials is None else {"authorization": credentials.decode()}
    schema = cast("Any", schemathesis.openapi.from_dict(closed(json.loads(served(service[1])))))
    operations = [result.ok() for result in schema.get_all_operations()]
    assert len(operations) >= 15
    for operation in operations:

        @made_requests(examples)
        @given(operation.as_strategy(generation_mode=mode))
        def sent(made: Any) -> None:
            answer = made.call(base_url=f"http://127.0.0.1:{service[1]}", headers=headers, timeout=30)
            made.validate_response(answer, checks=CHECKS)

        sent()


def test_the_file_is_the_document_that_is_served(service: tuple[str, int]) -> None:
    name, port = service
    assert (FOLDER / f"{name}.json").read_text() == served(port), "python -m tests.openapi_files writes it"


def test_requests_are_closed_and_answers_open_for_the_fields_of_later_versions(
    service: tuple[str, int],
) -> None:
    document = json.loads(served(service[1]))
    schemas = document["components"]["schemas"]
    asked = [
        operation.get("requestBody") for path in document["paths"].values() for operation in path.values()
    ]
    of_requests: set[str] = set()
    waiting = re.findall(r"#/components/schemas/(\w+)", json.dumps(asked))
    while waiting:
        of_requests.add(name := waiting.pop())
        found = re.findall(r"#/components/schemas/(\w+)", json.dumps(schemas[name]))
        waiting += set(found) - of_requests
    assert len(of_requests) > 3
    closed_ones = {name for name, schema in schemas.items() if schema.get("additionalProperties") is False}
    assert closed_ones == of_requests


def test_every_example_of_a_body_is_taken(untouched: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", untouched, timeout=30)
    for path, methods in json.loads(served(untouched))["paths"].items():
        for method, operation in methods.items():
            if "requestBody" not in operation:
                continue
            example = operation["requestBody"]["content"]["application/json"]["example"]
            address = path
            for parameter in operation["parameters"]:
                if parameter.get("in") == "path":
                    address = address.replace(f"{{{parameter['name']}}}", str(parameter["example"]))
            headers = {"authorization": "admin", "content-type": "application/json"}
            connection.request(method.upper(), address, json.dumps(example), headers)
            answer = connection.getresponse()
            body = answer.read()
            assert answer.status in (200, 201, 202, 204, 404), (method, path, body)
    connection.close()


def test_every_operation_names_its_scope_and_every_error_has_an_example(service: tuple[str, int]) -> None:
    document = json.loads(served(service[1]))
    answers = [*document["components"]["responses"].values()]
    for path, methods in document["paths"].items():
        for operation in methods.values():
            is_open = path.startswith("/health")
            assert bool(operation["security"]) != is_open
            assert is_open or "Needs the scope" in operation["description"]
            answers += [each for each in operation["responses"].values() if "$ref" not in each]
    assert all("X-Correlation-ID" in each["headers"] for each in answers)
    errors = [each["content"].get("application/problem+json") for each in answers if "content" in each]
    assert all(error["examples"] for error in errors if error)
