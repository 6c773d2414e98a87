"""What a consumer may find on the topic: both versions are understood, everything else is named and never
shown."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderflow.contracts.order import OrderFields
from orderflow.contracts.order_events import (
    REGISTRY,
    Event,
    InvalidEvent,
    OrderCreated,
    UnknownType,
    decode,
    json_schemas,
)
from orderflow.contracts.orders_api import OrderIn

GOLDEN = Path(__file__).parent / "golden"
SECRET = "s3cret-value"

MOVES = {
    "order-cancellation-requested-v1": "OrderCancellationRequested",
    "order-cancelled-v1": "OrderCancelled",
    "order-released-v1": "OrderReleased",
}
ALL = ["order-created-v1", "order-created-v2", *MOVES]


def golden(name: str) -> dict[str, Any]:
    return json.loads((GOLDEN / f"{name}.json").read_text())


def encoded(document: object) -> bytes:
    return json.dumps(document).encode()


def created(value: bytes) -> OrderCreated:
    event = decode(value)
    assert isinstance(event, OrderCreated)
    return event


def refused(value: bytes | None) -> InvalidEvent:
    with pytest.raises(InvalidEvent) as caught:
        decode(value)
    return caught.value


def test_an_event_of_the_proof_of_concept_is_understood() -> None:
    event = created((GOLDEN / "order-created-v1.json").read_bytes())
    assert (event.schema_version, event.order_version) == (2, 1)
    assert event.order_id == "3f2504e0-4f89-41d3-9a0c-0305e82c3301"
    assert event.created_at == datetime(2026, 2, 10, 9, 30, 0, 123456, tzinfo=UTC)
    assert [(item.product_id, item.quantity) for item in event.items] == [("PROD-001", 2), ("PROD-002", 1)]
    assert event.ship_to is None


def test_the_identity_of_a_version_1_event_is_its_order_and_its_correlation_id() -> None:
    first = golden("order-created-v1")
    retyped = first | {"orderId": first["orderId"].lower(), "createdAt": "2026-02-11T00:00:00Z"}
    other = first | {"metadata": first["metadata"] | {"correlationId": "another"}}
    assert decode(encoded(first)).event_id == decode(encoded(retyped)).event_id
    assert decode(encoded(first)).event_id != decode(encoded(other)).event_id


def test_a_version_1_time_without_an_offset_is_utc() -> None:
    event = golden("order-created-v1") | {"createdAt": "2026-02-10T09:30:00.1234567"}
    assert decode(encoded(event)).created_at == datetime(2026, 2, 10, 9, 30, 0, 123456, tzinfo=UTC)


def test_an_event_of_version_2_is_understood_whole() -> None:
    document = golden("order-created-v2")
    event = decode(encoded(document))
    again = json.loads(event.model_dump_json(exclude_none=True))
    assert again.pop("createdAt").startswith("2026-02-10T09:30:00.123")
    assert again == {name: value for name, value in document.items() if name != "createdAt"}


@pytest.mark.parametrize(("name", "event_type"), MOVES.items())
def test_an_event_about_a_move_says_which_version_of_the_order_it_made(name: str, event_type: str) -> None:
    document = golden(name)
    event = decode(encoded(document))
    assert type(event).__name__ == event.event_type == event_type
    assert event.order_version == document["orderVersion"]
    again = json.loads(event.model_dump_json())
    assert again.pop("createdAt").startswith("2026-02-10T09:31:00.123")
    assert again == {name: value for name, value in document.items() if name != "createdAt"}


def test_a_program_can_tell_the_type_of_every_event_in_the_registry() -> None:
    newest = {schema.model for schema in REGISTRY.values() if schema.upcast is None}
    assert newest == set(get_args(Event))


@pytest.mark.parametrize("name", ALL)
def test_unknown_fields_are_ignored_at_every_level(name: str) -> None:
    def grown(value: Any) -> Any:
        if isinstance(value, dict):
            fields = cast("dict[str, Any]", value)
            return {key: grown(inner) for key, inner in fields.items()} | {"addedLater": {"deep": [1]}}
        return [grown(inner) for inner in cast("list[Any]", value)] if isinstance(value, list) else value

    assert decode(encoded(grown(golden(name)))) == decode(encoded(golden(name)))


@pytest.mark.parametrize("version", ["3", "9" * 4_000])
def test_a_higher_schema_version_is_named_as_such_and_its_order_with_it(version: str) -> None:
    value = encoded(golden("order-created-v2")).replace(
        b'"schemaVersion": 2', b'"schemaVersion": %s' % version.encode()
    )
    error = refused(value)
    assert (error.kind, error.order_id) == ("newer-schema", "019c46f2-b0a0-7c11-8f3a-2b1c9d4e5f60")
    assert len(str(error)) < 200


@pytest.mark.parametrize("event_type", ["OrderCreatedEvent", "ordercreated", SECRET])
@pytest.mark.parametrize("version", [1, 2, 99, "x"])
def test_an_unknown_type_is_told_from_broken_events_whatever_its_version(
    event_type: str, version: object
) -> None:
    changes = {"eventType": event_type, "schemaVersion": version}
    error = refused(encoded(golden("order-created-v2") | changes))
    assert isinstance(error, UnknownType)
    assert (error.kind, error.event_type) == ("unknown-type", event_type)
    assert SECRET not in str(error)


@pytest.mark.parametrize("event_type", [None, "", 1, ["OrderCreated"]])
def test_an_event_without_a_type_breaks_the_contract(event_type: object) -> None:
    error = refused(encoded(golden("order-created-v2") | {"eventType": event_type}))
    assert error.kind == "contract-violation"


def test_each_version_in_the_registry_has_a_json_schema_that_says_what_it_requires() -> None:
    schemas = json_schemas()
    assert set(schemas) == {f"{name}.v{version}" for name, version in REGISTRY}
    for name in ALL:
        document = golden(name)
        schema = schemas[f"{document['eventType']}.{name[-2:]}"]
        optional = {"shipTo"} if name.endswith("-v2") else {"shipTo", "schemaVersion"}
        assert set(schema["required"]) == set(document) - optional
        assert schema.get("additionalProperties") is not False


def test_the_versions_of_a_type_have_no_gaps_and_only_the_newest_needs_no_upcaster() -> None:
    for name in {name for name, _ in REGISTRY}:
        versions = sorted(version for of, version in REGISTRY if of == name)
        assert versions == list(range(1, versions[-1] + 1))
        assert [v for v in versions if REGISTRY[name, v].upcast is None] == versions[-1:]


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b" ",
        b"{",
        b"not json",
        b"\x00\xff\xfe",
        b"\xef\xbb\xbf{}",
        '{"eventType":"OrderCreated"}'.encode("utf-16"),
        b'{"customer":"\xff"}',
        b'{"customer":"\\ud800"}',
        b'{"quantity":NaN}',
        b'{"quantity":Infinity}',
        b'{"schemaVersion":' + b"9" * 5000 + b"}",
        b"[" * 10_000,
        b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
        b"[]",
        b'"OrderCreated"',
        b"null",
        b"42",
    ],
)
def test_what_is_no_json_object_is_undecodable(value: bytes | None) -> None:
    assert refused(value).kind == "undecodable"


@pytest.mark.parametrize("schema_version", [0, -1, True, 1.5, "2", None, {}])
def test_a_schema_version_that_is_no_positive_integer_breaks_the_contract(schema_version: object) -> None:
    error = refused(encoded(golden("order-created-v2") | {"schemaVersion": schema_version}))
    assert error.kind == "contract-violation"


@pytest.mark.parametrize("name", ALL)
def test_each_missing_field_breaks_the_contract_and_is_named(name: str) -> None:
    document = golden(name)
    for field in set(document) - {"eventType", "schemaVersion", "shipTo"}:
        error = refused(encoded({key: value for key, value in document.items() if key != field}))
        assert error.kind == "contract-violation"
        assert field in str(error)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("orderId", SECRET),
        ("eventId", SECRET),
        ("orderVersion", 0),
        ("orderVersion", SECRET),
        ("customer", SECRET),
        ("customer", {"customerId": SECRET}),
        ("items", []),
        ("items", [{"productId": SECRET, "quantity": 0}]),
        ("items", [{"productId": SECRET, "quantity": 1.5}]),
        ("items", [{"productId": SECRET * 1000, "quantity": 1}]),
        ("items", SECRET),
        ("createdAt", SECRET),
        ("createdAt", "0001-01-01T00:00:00+23:59"),
        ("createdAt", "2026-02-30T00:00:00Z"),
        ("metadata", {"source": SECRET, "correlationId": ""}),
        ("metadata", {"source": SECRET, "correlationId": SECRET * 100}),
        ("metadata", {"source": SECRET, "correlationId": SECRET + "\0"}),
        ("shipTo", {"name": SECRET}),
    ],
)
def test_a_wrong_value_breaks_the_contract_and_never_shows(field: str, value: object) -> None:
    error = refused(encoded(golden("order-created-v2") | {field: value}))
    assert error.kind == "contract-violation"
    assert field in str(error)
    assert SECRET not in str(error)


def test_a_broken_event_still_says_which_order_it_was_about() -> None:
    document = golden("order-created-v1") | {"items": None}
    assert refused(encoded(document)).order_id == "3f2504e0-4f89-41d3-9a0c-0305e82c3301"
    assert refused(encoded(document | {"orderId": SECRET})).order_id is None


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(["eventType", "schemaVersion", "orderId", "items", "metadata", "customer"])
                | st.text(),
                inner,
            )
        ),
    )
)
def test_no_json_whatever_makes_the_decoder_fail_in_another_way(document: object) -> None:
    try:
        assert isinstance(decode(encoded(document)), Event)
    except InvalidEvent as error:
        assert error.kind in ("undecodable", "newer-schema", "unknown-type", "contract-violation")  # noqa: PT017


@given(st.binary())
def test_no_bytes_whatever_make_the_decoder_fail_in_another_way(value: bytes) -> None:
    assert refused(value).kind in ("undecodable", "contract-violation", "unknown-type", "newer-schema")


def ordered(*, lines: int, name: str, priced: bool) -> dict[str, Any]:
    price = {"unitPrice": {"amountMinor": 10**12, "currency": "GBP"}} if priced else {}
    return {
        "customer": {"customerId": name, "name": name},
        "items": [{"productId": name, "quantity": 1_000_000} | price],
        "shipTo": {"name": name, "lines": [name] * lines, "city": name, "country": name},
    }


_TEXTS = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Zs", "Zl", "Zp"]), min_size=1, max_size=200
)


@given(st.builds(ordered, lines=st.integers(1, 10), name=_TEXTS, priced=st.booleans()))
def test_whatever_a_request_may_order_can_be_read_from_its_event(order: dict[str, Any]) -> None:
    taken = OrderIn.model_validate_json(encoded(order))
    content = taken.model_dump(mode="json", exclude_none=True)
    assert content == order
    event = decode(encoded(golden("order-created-v2") | content))
    assert event.model_dump(mode="json", exclude_none=True, include=set(OrderFields.model_fields)) == content
