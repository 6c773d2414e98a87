"""Webhooks over HTTP: addresses of others that get each change of an order, as the stream has it.

What they are sent and how it is signed follows Standard Webhooks (https://www.standardwebhooks.com).
"""

from datetime import datetime
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, StringConstraints

from orderflow.contracts.orders_api import Answer, Contract, OrderId, Reason
from orderflow.contracts.pages import PAGE_DEFAULT, PAGE_MAX, decode_text_cursor

WEBHOOKS = "/api/webhooks"
WEBHOOK = f"{WEBHOOKS}/{{webhook_id}}"
WEBHOOK_LETTERS = f"{WEBHOOK}/dead-letters"
URL_CHARS_MAX = 1_000
POSITION_MAX = 2**62
OVERLAP_S = 86_400
OVERLAP_S_MAX = 7 * 86_400

EventType = Literal[
    "order.created",
    "order.on_hold",
    "order.processing",
    "order.cancelling",
    "order.shipped",
    "order.failed",
    "order.cancelled",
]
EVENT_OF_STATUS: dict[str, EventType] = {
    "Created": "order.created",
    "OnHold": "order.on_hold",
    "Processing": "order.processing",
    "Cancelling": "order.cancelling",
    "Shipped": "order.shipped",
    "Failed": "order.failed",
    "Cancelled": "order.cancelled",
}
"""The type of a message, by the status that the order has after the change."""


def _is_http(url: str) -> str:
    try:
        parts = urlsplit(url)
        right = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        right = right and "@" not in parts.netloc
    except ValueError:
        right = False
    if not (right and url.isascii() and url.isprintable()) or any(mark in url for mark in ' #\\"<>'):
        raise ValueError("must be http(s)://host[:port][/path][?query], without credentials and fragment")
    return url


Url = Annotated[str, StringConstraints(min_length=1, max_length=URL_CHARS_MAX), AfterValidator(_is_http)]


class WebhookIn(Contract):
    """Where changes are to be sent. Without `eventTypes` it gets all of them."""

    url: Url
    event_types: Annotated[list[EventType], Field(max_length=len(EVENT_OF_STATUS))] | None = None


class RotateIn(Contract):
    """For how many seconds messages are signed with the former secrets as well. 0 is for a secret that others
    have got to know."""

    overlap_seconds: Annotated[int, Field(ge=0, le=OVERLAP_S_MAX)] = OVERLAP_S


class DiscardIn(Contract):
    """Why a dead letter is forgotten. The audit log keeps it."""

    reason: Reason


class Nothing(Contract):
    """The body of an operation that takes none, if there is one."""


class Webhook(Answer):
    """`behind` counts the changes that it has not got yet, `waiting` those of them that are tried again or
    wait for an earlier one of their order. `deadLetters` were tried for as long as the schedule goes.
    `missed` changes were removed from the stream before they could be sent. Messages are signed with its
    former secrets as well until `formerSecretUntil`."""

    id: OrderId
    url: str
    event_types: list[str] | None
    created_at: datetime
    behind: int
    waiting: int
    dead_letters: int
    missed: int
    failing_since: datetime | None
    last_error: str | None
    former_secret_until: datetime | None


class WebhookCreated(Answer):
    """The secret, by which the receiver verifies each message, is shown this once."""

    id: OrderId
    url: str
    event_types: list[str] | None
    created_at: datetime
    secret: str


class WebhookRotated(Answer):
    """The new secret, which is shown this once, and until when messages are signed with the former ones as
    well."""

    id: OrderId
    secret: str
    former_secret_until: datetime


class WebhookPage(Answer):
    items: list[Webhook]
    next_cursor: str | None


class WebhookRemoved(Answer):
    """How many messages were waiting or dead letters, and are gone with it."""

    undelivered: int


class WebhookTested(Answer):
    """Whether the receiver has taken a test message, and what happened."""

    delivered: bool
    detail: str


class WebhookLetter(Answer):
    """A message that the receiver did not take. Its `id` is the `webhook-id` that it was sent with."""

    id: str
    position: int
    order_id: OrderId
    version: int
    type: str
    attempts: int
    reason: str
    at: datetime


class WebhookLetterPage(Answer):
    items: list[WebhookLetter]
    next_cursor: str | None


class WebhookLetterDone(Answer):
    """The dead letter that is tried again or forgotten."""

    position: int


class WebhookRedriven(Answer):
    """How many messages are now tried at once."""

    redriven: int


def is_position(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 20 and int(text) <= POSITION_MAX


def _position(cursor: str) -> str:
    text = decode_text_cursor(cursor)
    if not is_position(text):
        raise ValueError("not a cursor that this API gave out")
    return text


class LetterQuery(Contract):
    """A page of dead letters, oldest first. `cursor` is decoded: the position of the last one
    before, as text."""

    limit: Annotated[int, Field(strict=False, ge=1, le=PAGE_MAX)] = PAGE_DEFAULT
    cursor: Annotated[str, Field(max_length=64), AfterValidator(_position)] | None = None
