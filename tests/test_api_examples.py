"""Every answer in the documents of the APIs has an example, and each is as its schema says."""

import json
from pathlib import Path
from typing import Any, cast

import jsonschema_rs
import pytest

FOLDER = Path(__file__).parents[1] / "docs" / "openapi"
jsonschema = cast("Any", jsonschema_rs)  # its own annotations are incomplete


@pytest.mark.parametrize("service", ["orders", "fulfillment"])
def test_every_answer_has_an_example_of_its_schema(service: str) -> None:
    document = json.loads((FOLDER / f"{service}.json").read_text())
    shared = document["components"]["responses"]
    without: list[str] = []
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            for status, told in operation["responses"].items():
                described = shared[told["$ref"].rpartition("/")[2]] if "$ref" in told else told
                for kind, content in described.get("content", {}).items():
                    if "json" not in kind:
                        continue
                    examples = [each["value"] for each in content.get("examples", {}).values()]
                    examples += [content["example"]] if "example" in content else []
                    without += [] if examples else [f"{method} {path} {status}"]
                    for example in examples:
                        schema = {**content["schema"], "components": document["components"]}
                        jsonschema.validate(schema, example, validate_formats=True)
    assert without == []
