"""Pages of lists, as JSON: bounded in bytes as well as in number, for one order may hold 1,000 items."""

from collections.abc import Iterable
from typing import Any

from pydantic_core import to_json

PAGE_BYTES_MAX = 4 << 20
"""A page may be one item larger."""


def fitting(items: Iterable[dict[str, Any]], bytes_max: int = PAGE_BYTES_MAX) -> list[bytes]:
    """The first items as JSON, as many as fit; at least one where there is one."""
    page: list[bytes] = []
    size = 0
    for item in items:
        text = to_json(item)
        size += len(text)
        if page and size > bytes_max:
            break
        page.append(text)
    return page


def page(items: list[bytes], next_cursor: str | None) -> bytes:
    """A page as the contract has it: `{"items":[…],"nextCursor":…}`."""
    return b'{"items":[%b],"nextCursor":%b}' % (b",".join(items), to_json(next_cursor))
