"""Pages of lists, the same on every port: `limit` and `cursor` in, `{"items":[…],"nextCursor"}` out.

A page is bounded in bytes as well as in number, because one order may hold 1,000 items. A cursor holds the id
of the last item on its page, which is a UUID in most lists; clients do not look into it.
"""

import base64
import binascii
import uuid
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel
from pydantic_core import to_json

R = TypeVar("R")

PAGE_DEFAULT = 50
PAGE_MAX = 200
PAGE_BYTES_MAX = 4 << 20
"""Only a page of a single item may be larger."""


def encode_cursor(last_id: str) -> str:
    return base64.urlsafe_b64encode(uuid.UUID(last_id).bytes).decode().rstrip("=")


def decode_cursor(cursor: str) -> str:
    """The id of the item that the next page follows. Raises ValueError."""
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        return str(uuid.UUID(bytes=raw))
    except (binascii.Error, ValueError):
        raise ValueError("not a cursor that this API gave out") from None


def encode_text_cursor(last_id: str) -> str:
    return base64.urlsafe_b64encode(last_id.encode()).decode().rstrip("=")


def decode_text_cursor(cursor: str) -> str:
    """As `decode_cursor`, for items whose id is a text without a NUL."""
    try:
        last_id = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        last_id = ""
    if not last_id or "\0" in last_id:
        raise ValueError("not a cursor that this API gave out")
    return last_id


class _Query(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="forbid")

    limit: Annotated[int, Field(ge=1, le=PAGE_MAX)] = PAGE_DEFAULT


class PageQuery(_Query):
    """What every list accepts. `cursor` is decoded: the id of the last item on the page before."""

    cursor: Annotated[str, Field(max_length=64), AfterValidator(decode_cursor)] | None = None


class TextPageQuery(_Query):
    """As `PageQuery`, for lists whose items have a text as their id, of at most 200 characters."""

    cursor: Annotated[str, Field(max_length=1_100), AfterValidator(decode_text_cursor)] | None = None


def fitting(items: Iterable[dict[str, Any]], bytes_max: int = PAGE_BYTES_MAX) -> list[bytes]:
    """The first items as JSON, as many as fit; at least one, if there is any."""
    page: list[bytes] = []
    size = 0
    for item in items:
        text = to_json(item)
        size += len(text)
        if page and size > bytes_max:
            break
        page.append(text)
    return page


def page(items: list[bytes], last_id: str | None, encode: Callable[[str], str] = encode_cursor) -> bytes:
    """A page as JSON. `last_id` is the id of its last item, or None if nothing follows it; `encode` makes the
    cursor of it."""
    cursor = None if last_id is None else encode(last_id)
    return b'{"items":[%b],"nextCursor":%b}' % (b",".join(items), to_json(cursor))


def page_of(
    rows: Sequence[R],
    document: Callable[[R], dict[str, Any]],
    id_of: Callable[[R], str],
    limit: int,
    encode: Callable[[str], str] = encode_cursor,
) -> bytes:
    """A page of the first `limit` rows, as many as fit. If something follows them, `rows` has one more."""
    items = fitting(document(row) for row in rows[:limit])
    return page(items, id_of(rows[len(items) - 1]) if len(rows) > len(items) else None, encode)
