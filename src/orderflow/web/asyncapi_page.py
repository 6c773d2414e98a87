"""`/asyncapi.json` and `/asyncapi`: an AsyncAPI document, and the same for people. The page has no script and
loads nothing from other hosts."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from orderflow.web.page_headers import page_headers

ASYNCAPI = "/asyncapi.json"
PAGE = "/asyncapi"
STYLE = "/asyncapi/page.css"

Document = dict[str, Any]

_FOLDER = files("orderflow.web") / "asyncapi"
_HEADERS = page_headers(
    "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
) | {"Cache-Control": "no-cache"}
_BACKTICKS = re.compile(r"`([^`]+)`")
_RULES = (
    ("format", "{}"),
    ("const", "always {}"),
    ("default", "{} if absent"),
    ("minLength", "{} characters at least"),
    ("maxLength", "{} characters at most"),
    ("minimum", "{} at least"),
    ("maximum", "{} at most"),
    ("minItems", "{} at least"),
    ("maxItems", "{} at most"),
    ("pattern", "{}"),
    ("description", "{}"),
)
"""The keywords of a schema that are shown, and how."""


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a message; `path` leads to it from the top, with `[]` for every element of a list."""

    path: str
    kind: str
    required: bool
    rules: list[str]


def routes(document: Callable[[], Document]) -> list[Route]:
    """The document and its page. Each is made when somebody asks for it first, and kept."""

    @cache
    def text() -> bytes:
        return json.dumps(document(), ensure_ascii=False).encode()

    @cache
    def html() -> str:
        return render(document())

    async def served(_request: Request) -> Response:
        return Response(text(), media_type="application/json")

    async def page(_request: Request) -> Response:
        return Response(html(), headers=_HEADERS, media_type="text/html")

    async def page_style(_request: Request) -> Response:
        return Response((_FOLDER / "page.css").read_bytes(), headers=_HEADERS, media_type="text/css")

    return [Route(ASYNCAPI, served), Route(PAGE, page), Route(STYLE, page_style)]


def render(document: Document) -> str:
    """The page. Everything in it is escaped."""
    pages = Environment(
        loader=PackageLoader("orderflow.web", "asyncapi"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.filters["pretty"] = _pretty
    pages.filters["code"] = _code
    pages.filters["named"] = _named
    return pages.get_template("page.html").render(
        document=document, fields=partial(_fields, document=document), style=STYLE, source=ASYNCAPI
    )


def _pretty(value: Document) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _code(text: str) -> Markup:
    """The text with what stands between backticks as code."""
    return Markup(_BACKTICKS.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704  # it is escaped


def _named(reference: Document) -> str:
    """The name of what it refers to."""
    return reference["$ref"].rpartition("/")[2]


def _fields(schema: Document, document: Document, path: str = "") -> Iterator[Field]:
    """The fields of an object, each before the fields that it contains."""
    schema = _resolved(schema, document)
    required = schema.get("required", ())
    for name, value in schema.get("properties", {}).items():
        inner = _resolved(value, document)
        here = f"{path}.{name}" if path else name
        kind, contained = _kind(inner), inner
        if kind == "array":
            contained = _resolved(inner["items"], document)
            kind, here = f"array of {_kind(contained)}", here + "[]"
        yield Field(here, kind, name in required, [*_rules(inner)])
        yield from _fields(contained, document, here)


def _resolved(schema: Document, document: Document) -> Document:
    """The schema that it refers to, or the one beside null: absent fields are left out, never null."""
    given = [each for each in schema.get("anyOf", ()) if each.get("type") != "null"]
    if len(given) == 1:
        return _resolved(given[0], document)
    found = schema
    if "$ref" in schema:
        found = document
        for part in schema["$ref"].removeprefix("#/").split("/"):
            found = found[part]
    return found


def _kind(schema: Document) -> str:
    return schema.get("type", "string" if isinstance(schema.get("const"), str) else "any")


def _rules(schema: Document) -> Iterator[str]:
    for keyword, text in _RULES:
        if keyword in schema:
            yield text.format(schema[keyword])
