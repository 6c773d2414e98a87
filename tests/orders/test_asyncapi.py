"""The document of the topics is valid, says what is published, and is shown without any other host."""

import hashlib
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import jsonschema_rs
import pytest
from tests.openapi_files import EVENTS, served
from tests.orders.conftest import ORDER, TOPIC, Service

from orderflow.contracts.instants import utc_text
from orderflow.contracts.order_events import ORDER_CREATED, REGISTRY, decode
from orderflow.messaging import Message
from orderflow.orders.events import message, of_move, order_created
from orderflow.orders.http.asyncapi import document
from orderflow.orders.outbox import OutboxRow

CONTRACTS = Path(__file__).parents[1] / "contracts"
RELEASE = CONTRACTS / "asyncapi_3_0_0"
"""The schema of AsyncAPI 3.0.0 from @asyncapi/specs 6.11.1 (npm, Apache-2.0), unchanged."""
ORDER_ID = "019c46f2-b0a0-7c11-8f3a-2b1c9d4e5f60"
EVENT_ID = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
NOW = datetime(2026, 2, 10, 9, 30, tzinfo=UTC)
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
NAMES = {f"{name}.v{version}" for name, version in REGISTRY}
WRITTEN = sorted(NAMES - {"OrderCreated.v1"})

jsonschema = cast("Any", jsonschema_rs)  # its own annotations are incomplete


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'orders.db'}"


def valid(schema: dict[str, Any], instance: Any) -> None:
    jsonschema.validate({**schema, "components": document()["components"]}, instance)


def published(event_type: str) -> Message:
    """What the relay publishes of such an event."""
    if event_type == ORDER_CREATED:
        content = json.dumps(ORDER)
        payload = order_created(
            content, EVENT_ID, ORDER_ID, utc_text(NOW), "checkout-42", placed_by="shop", key="k"
        )
        return message(
            OutboxRow(ORDER_ID, 1, EVENT_ID, event_type, TOPIC, payload, "checkout-42", TRACEPARENT, NOW)
        )
    return message(
        of_move(
            event_type,
            topic=TOPIC,
            order_id=ORDER_ID,
            order_version=2,
            at=NOW,
            correlation_id="checkout-42",
            traceparent=None,
        )
    )


def test_the_document_is_valid_by_the_schema_of_its_standard() -> None:
    wanted, name = (RELEASE / "SHA256SUMS").read_text().split()
    schema = (RELEASE / name).read_bytes()
    assert hashlib.sha256(schema).hexdigest() == wanted
    jsonschema.validate(json.loads(schema), document())


def test_the_document_has_every_version_of_every_event_and_says_which_are_written() -> None:
    found = document()
    assert set(found["components"]["messages"]) == NAMES | {"DeadLetter"}
    assert set(found["channels"]["orderEvents"]["messages"]) == NAMES
    sent = found["operations"]["publishOrderEvents"]["messages"]
    assert sorted(each["$ref"].rpartition("/")[2] for each in sent) == WRITTEN


@pytest.mark.parametrize("name", WRITTEN)
def test_what_is_published_is_what_the_document_says(name: str) -> None:
    described = document()["components"]["messages"][name]
    sent = published(described["name"])
    headers = {header: value.decode() for header, value in sent.headers}
    valid(described["payload"], json.loads(sent.value or b""))
    valid(described["headers"], headers)
    schema = document()["components"]["schemas"]["EventHeaders"]
    assert set(headers) <= set(schema["properties"]), "every header is documented"
    assert sent.topic == document()["channels"]["orderEvents"]["address"]


@pytest.mark.parametrize("name", sorted(NAMES))
def test_every_example_is_an_event_that_is_understood(name: str) -> None:
    described = document()["components"]["messages"][name]
    for example in described["examples"]:
        valid(described["payload"], example["payload"])
        assert type(decode(json.dumps(example["payload"]).encode())).__name__ == described["name"]


@pytest.mark.parametrize("file", sorted((CONTRACTS / "golden").glob("*.json")), ids=lambda file: file.stem)
def test_events_that_were_once_published_are_what_the_document_says(file: Path) -> None:
    event = json.loads(file.read_text())
    name = f"{event['eventType']}.v{event.get('schemaVersion', 1)}"
    valid(document()["components"]["messages"][name]["payload"], event)


def test_no_schema_forbids_the_fields_of_later_versions() -> None:
    schemas = document()["components"]["schemas"].values()
    assert not any(schema.get("additionalProperties") is False for schema in schemas)


def test_the_file_is_the_document_that_is_served(service: Service) -> None:
    assert EVENTS.read_text() == served(service.port, "/asyncapi.json"), (
        "python -m tests.openapi_files writes it"
    )


def test_the_page_shows_every_field_and_asks_nobody_for_anything(service: Service) -> None:
    page = service.send("GET", "/asyncapi")
    assert page.status == 200
    assert page.headers["content-type"].startswith("text/html")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "unsafe" not in policy
    text = page.body.decode()
    assert "<script" not in text
    assert "style=" not in text
    for link in re.findall(r'(?:src|href)="([^"]+)"', text):
        if link.startswith("#"):
            assert f'id="{link[1:]}"' in text
        elif link != "data:,":
            assert link.startswith("/asyncapi")
            assert service.send("GET", link).status == 200
    assert "<code>orderVersion</code>" in text
    assert "&lt;" not in text
    for field in ("items[].unitPrice.amountMinor", "shipTo.lines[]", "metadata.correlationId", "ce_id"):
        assert f">{field}<" in text
    for name in NAMES:
        assert f'id="{name}"' in text
