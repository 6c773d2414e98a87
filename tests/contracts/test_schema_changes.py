"""The schemas of events stay compatible with those of the last release, and the check names what is not."""

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from tests.contracts.schema_changes import NARROWED, WIDENED, Schemas, breaking_changes

from orderflow.orders.http.asyncapi import document

RELEASED = Path(__file__).parents[2] / "docs" / "asyncapi" / "released"
"""The document of each release, by its version. A file in it is never changed."""


def version_of(file: Path) -> tuple[int, ...]:
    return tuple(int(part) for part in file.stem.split("."))


RELEASES = sorted(RELEASED.glob("*.json"), key=version_of)


def schemas_of(release: dict[str, Any]) -> Schemas:
    return release["components"]["schemas"]


def released(file: Path) -> Schemas:
    return schemas_of(json.loads(file.read_text()))


@pytest.mark.parametrize("file", RELEASES, ids=lambda file: file.stem)
def test_no_schema_has_changed_in_a_breaking_way_since_any_release(file: Path) -> None:
    assert breaking_changes(released(file), schemas_of(document())) == []


HUMAN = {"$ref": "#/components/schemas/Human"}


def event() -> Schemas:
    """Schemas with everything that the events' have."""
    person = {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}
    return {
        "Event.v1": {
            "type": "object",
            "title": "Event",
            "required": ["kind", "person", "lines"],
            "properties": {
                "kind": {"const": "Event", "type": "string"},
                "person": {"$ref": "#/components/schemas/Person"},
                "lines": {
                    "type": "array",
                    "maxItems": 10,
                    "items": {"type": "string", "maxLength": 10, "minLength": 1, "pattern": "^a"},
                },
                "size": {"enum": ["S", "L"]},
                "gift": {"anyOf": [{"$ref": "#/components/schemas/Person"}, {"type": "null"}]},
            },
        },
        "Person": person,
    }


Change = Callable[[dict[str, Any], Schemas], object]
"""Changes the properties of the event, or any of the schemas."""

BREAKING: dict[str, tuple[Change, str]] = {
    "a version is dropped": (lambda _, s: s.pop("Event.v1"), f"Event.v1: removed; {NARROWED}"),
    "a property is removed": (
        lambda p, _: p.pop("size"),
        "Event.v1.size: property removed; older readers miss it",
    ),
    "a property becomes required": (
        lambda _, s: s["Event.v1"]["required"].append("size"),
        "Event.v1.size: now required; events that are on the topic lack it",
    ),
    "a property becomes optional": (
        lambda _, s: s["Event.v1"]["required"].remove("lines"),
        "Event.v1.lines: no longer required; older readers rely on it",
    ),
    "a required property is new": (
        lambda p, s: (p.update(due={"type": "string"}), s["Event.v1"]["required"].append("due")),
        "Event.v1.due: new and required; events that are on the topic lack it",
    ),
    "a type is another": (
        lambda p, _: p["lines"]["items"].update(type="integer"),
        f"Event.v1.lines[]: type string removed; {NARROWED}",
    ),
    "a type is added": (
        lambda p, _: p["lines"]["items"].update(type=["string", "null"]),
        f"Event.v1.lines[]: type null added; {WIDENED}",
    ),
    "a value is removed": (
        lambda p, _: p["size"].update(enum=["S"]),
        f'Event.v1.size: value "L" removed; {NARROWED}',
    ),
    "a value is added": (
        lambda p, _: p["size"].update(enum=["S", "M", "L"]),
        f'Event.v1.size: value "M" added; {WIDENED}',
    ),
    "a constant is another": (
        lambda p, _: p["kind"].update(const="Other"),
        f'Event.v1.kind: value "Event" removed; {NARROWED}',
    ),
    "values are listed for the first time": (
        lambda p, _: p["lines"]["items"].update(enum=["a"]),
        f'Event.v1.lines[]: only "a" is allowed now; {NARROWED}',
    ),
    "values are no longer listed": (
        lambda p, _: p["size"].pop("enum"),
        f'Event.v1.size: any value is allowed now, not only "L", "S"; {WIDENED}',
    ),
    "an upper bound is lower": (
        lambda p, _: p["lines"].update(maxItems=9),
        f"Event.v1.lines: maxItems was 10, is 9; {NARROWED}",
    ),
    "an upper bound is higher": (
        lambda p, _: p["lines"]["items"].update(maxLength=11),
        f"Event.v1.lines[]: maxLength was 10, is 11; {WIDENED}",
    ),
    "a lower bound is higher": (
        lambda p, _: p["lines"]["items"].update(minLength=2),
        f"Event.v1.lines[]: minLength was 1, is 2; {NARROWED}",
    ),
    "a lower bound is gone": (
        lambda p, _: p["lines"]["items"].pop("minLength"),
        f"Event.v1.lines[]: minLength was 1, is None; {WIDENED}",
    ),
    "a bound is new": (
        lambda p, _: p["lines"].update(minItems=1),
        f"Event.v1.lines: minItems was None, is 1; {NARROWED}",
    ),
    "a pattern is another": (
        lambda p, _: p["lines"]["items"].update(pattern="^b"),
        f"Event.v1.lines[]: pattern was ^a, is ^b; {NARROWED}, or {WIDENED}",
    ),
    "further fields are forbidden": (
        lambda _, s: s["Event.v1"].update(additionalProperties=False),
        f"Event.v1: additionalProperties was None, is False; {NARROWED}",
    ),
    "null is no longer allowed": (
        lambda p, _: p["gift"]["anyOf"].pop(),
        f"Event.v1.gift: alternative null removed; {NARROWED}",
    ),
    "what is referred to has changed": (
        lambda _, s: s["Person"]["properties"]["name"].update(maxLength=5),
        f"Event.v1.person.name: maxLength was None, is 5; {NARROWED}",
    ),
    "what an alternative refers to has changed": (
        lambda _, s: s["Person"]["properties"]["name"].update(maxLength=5),
        f"Event.v1.gift.name: maxLength was None, is 5; {NARROWED}",
    ),
}


@pytest.mark.parametrize("name", BREAKING)
def test_a_breaking_change_is_named_with_its_place(name: str) -> None:
    change, line = BREAKING[name]
    schemas = event()
    change(schemas["Event.v1"]["properties"], schemas)
    assert line in breaking_changes(event(), schemas)


def add_optional_property(schemas: Schemas) -> None:
    schemas["Person"]["properties"]["title"] = {"type": "string", "maxLength": 10}


def add_version(schemas: Schemas) -> None:
    schemas["Event.v2"] = copy.deepcopy(schemas["Event.v1"]) | {"required": []}


def describe(schemas: Schemas) -> None:
    schemas["Event.v1"] |= {"title": "Another", "description": "What happens.", "examples": [{}]}


def rename_what_is_referred_to(schemas: Schemas) -> None:
    schemas["Human"] = schemas.pop("Person")
    for name, human in (("person", HUMAN), ("gift", {"anyOf": [{"type": "null"}, HUMAN]})):
        schemas["Event.v1"]["properties"][name] = human


@pytest.mark.parametrize("change", [add_optional_property, add_version, describe, rename_what_is_referred_to])
def test_what_every_reader_survives_is_no_breaking_change(change: Callable[[Schemas], None]) -> None:
    schemas = event()
    change(schemas)
    assert schemas != event()
    assert breaking_changes(event(), schemas) == []


RULES = ("type", "const", "minimum", "maxLength", "minLength", "maxItems", "pattern", "format")


def test_the_real_schemas_are_compared_down_to_their_leaves() -> None:
    """Whatever rule changes, in an event or in what it refers to, is found."""
    old = released(RELEASES[-1])
    places = list(rules_in(old, ()))
    assert len(places) > 50
    for path in places:
        new = copy.deepcopy(old)
        change_rule(new, path)
        assert breaking_changes(old, new), path


def rules_in(value: Any, path: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
    keys: Any = range(len(cast("list[Any]", value))) if isinstance(value, list) else value
    for key in keys:
        each: Any = cast("Any", value)[key]
        if key in RULES and isinstance(each, (str, int)):
            yield (*path, key)
        elif isinstance(each, (dict, list)) and key not in ("required", "examples"):
            yield from rules_in(each, (*path, key))


def change_rule(schemas: Any, path: tuple[str | int, ...]) -> None:
    for key in path[:-1]:
        schemas = schemas[key]
    value = schemas[path[-1]]
    schemas[path[-1]] = value + 1 if isinstance(value, int) else f"not-{value}"
