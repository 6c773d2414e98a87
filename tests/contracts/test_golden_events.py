"""Events stay on the topic: whatever has ever been published can be read for ever.

`golden` has events of every version. A file in it is never changed and never removed: SHA256SUMS says what it
was when it was added. `sha256sum *.json > SHA256SUMS` in that directory adds new ones.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from tests.contracts.test_schema_changes import RELEASES

from orderflow.contracts.order_events import REGISTRY, OrderCreated, decode

GOLDEN = Path(__file__).parent / "golden"
SUMS = {line[66:]: line[:64] for line in (GOLDEN / "SHA256SUMS").read_text().splitlines()}
"""The SHA-256 of each file, as sha256sum writes them."""


def version_in(document: dict[str, Any]) -> str:
    return f"{document['eventType']}.v{document.get('schemaVersion', 1)}"


def golden(name: str) -> dict[str, Any]:
    return json.loads((GOLDEN / name).read_text())


def test_no_golden_event_has_been_changed_or_removed_and_each_is_listed() -> None:
    found = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in GOLDEN.glob("*.json")}
    assert found == SUMS


def test_every_version_that_was_published_has_a_golden_event_and_is_still_understood() -> None:
    kept = {version_in(golden(name)) for name in SUMS}
    known = {f"{name}.v{version}" for name, version in REGISTRY}
    published = {
        name
        for file in RELEASES
        for name in json.loads(file.read_text())["components"]["messages"]
        if name != "DeadLetter"
    }
    assert published <= known
    assert kept == known


@pytest.mark.parametrize("name", SUMS)
def test_a_golden_event_is_understood(name: str) -> None:
    document = golden(name)
    event = decode((GOLDEN / name).read_bytes())
    assert type(event).__name__ == document["eventType"]
    assert event.order_id == document["orderId"].lower()
    assert event.metadata.correlation_id == document["metadata"]["correlationId"]
    if isinstance(event, OrderCreated):
        assert event.customer.name == document["customer"]["name"]
        said = [(item["productId"], item["quantity"]) for item in document["items"]]
        assert [(item.product_id, item.quantity) for item in event.items] == said
        assert (event.ship_to is None) == (document.get("shipTo") is None)
