"""Writes the documents of the APIs in docs/, and what is made of them: `python -m tests.openapi_files`."""

import http.client
import json
import tempfile
from pathlib import Path
from typing import Any

from tests.api_collection import collection, llms_text
from tests.web.conftest import listening

DOCS = Path(__file__).parents[1] / "docs"
FOLDER = DOCS / "openapi"
EVENTS = DOCS / "asyncapi" / "events.json"
COLLECTION = FOLDER / "orderflow.postman_collection.json"
LLMS = DOCS / "llms.txt"
SERVICES = ("orders", "fulfillment")


def served(port: int, path: str = "/openapi.json") -> str:
    """The document that the service at that port serves there, as its file has it."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", path)
        return as_file(json.loads(connection.getresponse().read()))
    finally:
        connection.close()


def as_file(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def made_of_the_documents() -> dict[Path, str]:
    """What is made from the documents in the files, by its own file."""
    documents = {name: json.loads((FOLDER / f"{name}.json").read_text()) for name in SERVICES}
    return {
        COLLECTION: as_file(collection(documents)),
        LLMS: llms_text(documents, json.loads(EVENTS.read_text()), DOCS),
    }


if __name__ == "__main__":
    for service in SERVICES:
        with tempfile.TemporaryDirectory() as directory, listening(service, Path(directory)) as port:
            (FOLDER / f"{service}.json").write_text(served(port))
            if service == "orders":
                EVENTS.write_text(served(port, "/asyncapi.json"))
    for file, text in made_of_the_documents().items():
        file.write_text(text)
