"""What is different between two sets of JSON Schemas in a way that breaks a reader.

Readers and writers are upgraded one after the other, and old events stay on the topic. So a schema that has
been released must stay compatible in both directions: an older reader must understand what is written by the
new schema, and a newer reader what was written by the old one. Two kinds of change are left: optional
properties that are new, and annotations.
"""

import json
from collections.abc import Iterator
from typing import Any

Schema = dict[str, Any]
Schemas = dict[str, Schema]

ANNOTATIONS = {"title", "description", "default", "examples", "deprecated", "$comment"}
_COMPARED_APART = {"$ref", "type", "enum", "const", "properties", "required", "items", "anyOf"}
_UPPER_BOUNDS = {"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"}
_LOWER_BOUNDS = {"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"}

NARROWED = "events that are on the topic are no longer valid"
WIDENED = "older readers refuse what is new"


def breaking_changes(old: Schemas, new: Schemas) -> list[str]:
    """A line for each, with the place of the change. Schemas that only `new` has break nothing: a version or
    a type of event that is added is another one. What schemas refer to is compared where they do, so it may
    have another name."""
    references = json.dumps(old)
    lines: list[str] = []
    for name, schema in old.items():
        if f'/{name}"' in references:
            continue
        if name in new:
            lines += _changes(name, _Side(old, schema), _Side(new, new[name]))
        else:
            lines.append(f"{name}: removed; {NARROWED}")
    return lines


class _Side:
    """A schema with the set in which its references are."""

    def __init__(self, schemas: Schemas, schema: Schema) -> None:
        self._schemas = schemas
        while (reference := schema.get("$ref")) is not None:
            schema = schemas[str(reference).rpartition("/")[2]]
        self.schema = schema

    def within(self, schema: Schema) -> "_Side":
        return _Side(self._schemas, schema)

    @property
    def alternatives(self) -> dict[str, "_Side"]:
        """The schemas of which one must fit, by their types."""
        sides = [self.within(each) for each in self.schema.get("anyOf", [])]
        return {str(side.schema.get("type", side.schema)): side for side in sides}

    @property
    def values(self) -> set[str] | None:
        """The only values that are allowed, as JSON; None if they are not listed."""
        listed = [self.schema["const"]] if "const" in self.schema else self.schema.get("enum")
        return None if listed is None else {json.dumps(value) for value in listed}

    @property
    def types(self) -> set[str]:
        named: str | list[str] = self.schema.get("type", [])
        return {named} if isinstance(named, str) else set(named)


def _changes(place: str, old: _Side, new: _Side) -> Iterator[str]:
    yield from _changed_set(place, "type", old.types, new.types)
    yield from _changed_values(place, old.values, new.values)
    yield from _changed_set(place, "alternative", set(old.alternatives), set(new.alternatives))
    for kind, side in old.alternatives.items():
        if kind in new.alternatives:
            yield from _changes(place, side, new.alternatives[kind])
    yield from _changed_properties(place, old, new)
    if "items" in old.schema and "items" in new.schema:
        items = old.within(old.schema["items"]), new.within(new.schema["items"])
        yield from _changes(f"{place}[]", *items)
    yield from _changed_rules(place, old.schema, new.schema)


def _changed_set(place: str, what: str, old: set[str], new: set[str]) -> Iterator[str]:
    for gone in sorted(old - new):
        yield f"{place}: {what} {gone} removed; {NARROWED}"
    for added in sorted(new - old):
        yield f"{place}: {what} {added} added; {WIDENED}"


def _changed_values(place: str, old: set[str] | None, new: set[str] | None) -> Iterator[str]:
    if old is None and new is not None:
        yield f"{place}: only {', '.join(sorted(new))} is allowed now; {NARROWED}"
    elif old is not None and new is None:
        yield f"{place}: any value is allowed now, not only {', '.join(sorted(old))}; {WIDENED}"
    elif old is not None and new is not None:
        yield from _changed_set(place, "value", old, new)


def _changed_properties(place: str, old: _Side, new: _Side) -> Iterator[str]:
    before: Schemas = old.schema.get("properties", {})
    after: Schemas = new.schema.get("properties", {})
    needed_before, needed_after = set(old.schema.get("required", [])), set(new.schema.get("required", []))
    for name, schema in before.items():
        inside = f"{place}.{name}"
        if name not in after:
            yield f"{inside}: property removed; older readers miss it"
            continue
        if name in needed_before - needed_after:
            yield f"{inside}: no longer required; older readers rely on it"
        if name in needed_after - needed_before:
            yield f"{inside}: now required; events that are on the topic lack it"
        yield from _changes(inside, old.within(schema), new.within(after[name]))
    for name in sorted((set(after) - set(before)) & needed_after):
        yield f"{place}.{name}: new and required; events that are on the topic lack it"


def _changed_rules(place: str, old: Schema, new: Schema) -> Iterator[str]:
    """Bounds, patterns, formats, and each keyword that is not known here: whoever needs one teaches it."""
    for keyword in sorted((set(old) | set(new)) - ANNOTATIONS - _COMPARED_APART):
        before, after = old.get(keyword), new.get(keyword)
        if before == after:
            continue
        is_tighter = before is None or (
            after is not None
            and (
                (keyword in _UPPER_BOUNDS and after < before) or (keyword in _LOWER_BOUNDS and after > before)
            )
        )
        is_looser = after is None or (not is_tighter and keyword in _UPPER_BOUNDS | _LOWER_BOUNDS)
        why = NARROWED if is_tighter else WIDENED if is_looser else f"{NARROWED}, or {WIDENED}"
        yield f"{place}: {keyword} was {before}, is {after}; {why}"
