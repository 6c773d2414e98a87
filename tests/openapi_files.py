"""Writes the documents in docs/openapi/ and docs/asyncapi/ anew: `python -m tests.openapi_files`."""

import http.client
import json
import tempfile
from pathlib import Path

from tests.web.conftest import listening

DOCS = Path(__file__).parents[1] / "docs"
FOLDER = DOCS / "openapi"
EVENTS = DOCS / "asyncapi" / "events.json"
SERVICES = ("orders", "fulfillment")


def served(port: int, path: str = "/openapi.json") -> str:
    """The document that the service at that port serves there, as its file has it."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", path)
        return json.dumps(json.loads(connection.getresponse().read()), indent=1, ensure_ascii=False) + "\n"
    finally:
        connection.close()


if __name__ == "__main__":
    for service in SERVICES:
        with tempfile.TemporaryDirectory() as directory, listening(service, Path(directory)) as port:
            (FOLDER / f"{service}.json").write_text(served(port))
            if service == "orders":
                EVENTS.write_text(served(port, "/asyncapi.json"))
