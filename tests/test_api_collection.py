"""The collection of requests and docs/llms.txt are made from the documents that are served."""

import json
import re
from typing import Any

from tests.api_collection import collection
from tests.openapi_files import COLLECTION, DOCS, FOLDER, LLMS, SERVICES, made_of_the_documents


def documents() -> dict[str, Any]:
    return {name: json.loads((FOLDER / f"{name}.json").read_text()) for name in SERVICES}


def test_the_files_are_made_of_the_documents_as_they_are() -> None:
    for file, text in made_of_the_documents().items():
        assert file.read_text() == text, "python -m tests.openapi_files writes it"


def test_every_operation_is_in_the_collection_and_can_be_sent_as_it_is() -> None:
    made = collection(documents())
    variables = {each["key"] for each in made["variable"]}
    found: set[tuple[str, str]] = set()
    for folder in made["item"]:
        for item in folder["item"]:
            request = item["request"]
            url = request["url"]
            assert set(re.findall(r"{{(\w+)}}", url["raw"])) <= variables
            assert {f":{each['key']}" for each in url["variable"]} == set(re.findall(r":\w+", url["raw"]))
            assert all(each["value"] for each in url["variable"])
            if "body" in request:
                json.loads(request["body"]["raw"])
                assert {"key": "Content-Type", "value": "application/json"} in request["header"]
            template = re.sub(r":(\w+)", r"{\1}", url["raw"])
            found.add((folder["name"], f"{request['method']} {template}"))
    wanted = {
        (document["info"]["title"], f"{method.upper()} {{{{{name}Url}}}}{path}")
        for name, document in documents().items()
        for path, operations in document["paths"].items()
        for method in operations
    }
    assert found == wanted


def test_placing_an_order_from_the_collection_has_a_key_of_its_own() -> None:
    text = COLLECTION.read_text()
    assert text.count('"key": "Idempotency-Key"') == 1
    assert '"value": "{{$guid}}"' in text


def test_every_link_of_llms_txt_leads_to_a_file_and_every_operation_is_named() -> None:
    text = LLMS.read_text()
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert len(links) > 5
    assert [link for link in links if not (DOCS / link).exists()] == []
    for document in documents().values():
        for path, operations in document["paths"].items():
            assert all(f"`{method.upper()} {path}`" in text for method in operations)
