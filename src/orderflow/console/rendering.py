"""Turns documents into pages. Everything that a page shows is escaped; nothing comes from another host."""

import json
from datetime import datetime
from functools import cache
from hashlib import blake2b
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from orderflow.console.flow import measure
from orderflow.web.page_headers import page_file, page_headers

HEADERS = page_headers(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    # With `no-referrer` a form's `Origin` would be `null`, and the front door would refuse it.
    referrer="same-origin",
)
_MEDIA_TYPES = {
    "charts.js": "text/javascript",
    "console.css": "text/css",
    "console.js": "text/javascript",
    "htmx.min.js": "text/javascript",
    "icon.svg": "image/svg+xml",
    "uPlot.iife.min.js": "text/javascript",
    "uPlot.min.css": "text/css",
}
_FOLDER = files("orderflow.console") / "static"


def _instant(text: str | None) -> Markup:
    """A time as its element; the page's script writes it in the reader's own zone."""
    if text is None:
        return Markup("–")
    at = datetime.fromisoformat(text)
    return Markup('<time datetime="{}" title="{} UTC">{}</time>').format(
        text, at.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3], at.strftime("%Y-%m-%d %H:%M:%S UTC")
    )


def _anchor(text: str) -> str:
    """An id for the element of whatever has this name. It stays the same while lists change around it."""
    return "e" + blake2b(text.encode(), digest_size=8).hexdigest()


def _short(text: str) -> Markup:
    return Markup('<span class="id" title="{}">{}…{}</span>').format(text, text[:8], text[-6:])


def _duration(milliseconds: float) -> str:
    if milliseconds < 1_000:
        return f"{milliseconds:.0f} ms"
    seconds = milliseconds / 1_000
    if seconds < 90:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5_400 else f"{seconds / 3_600:.1f} h"


def _pretty(document: object) -> Markup:
    return escape(json.dumps(document, indent=2, ensure_ascii=False))


_PAGES = Environment(
    loader=PackageLoader("orderflow.console"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_PAGES.filters |= {
    "anchor": _anchor,
    "instant": _instant,
    "short": _short,
    "duration": _duration,
    "pretty": _pretty,
    "measure": measure,
    "number": lambda value: f"{value:,}".replace(",", "\u202f"),
}


def page(template: str, status: int = 200, **told: Any) -> Response:
    """A page that nobody keeps: it may show customers."""
    text = _PAGES.get_template(template).render(told)
    return Response(text, status, {**HEADERS, "Cache-Control": "no-store"}, "text/html")


async def static_file(request: Request) -> Response:
    name: str = request.path_params["name"]
    if name not in _MEDIA_TYPES:
        raise HTTPException(404)
    return page_file(request, _content(name), _MEDIA_TYPES[name], HEADERS)


@cache
def _content(name: str) -> bytes:
    return (_FOLDER / name).read_bytes()
