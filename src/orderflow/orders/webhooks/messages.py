"""What a receiver gets about a change, and the signature by which it knows who sent it, as Standard Webhooks
have it (https://www.standardwebhooks.com).

A message has ids and statuses, and nothing about a person: the receiver reads the order itself. So no message
that waits has to be erased.
"""

import hmac
from base64 import b64decode, b64encode
from collections.abc import Sequence
from datetime import datetime
from secrets import token_bytes

from pydantic_core import to_json

from orderflow.contracts.instants import utc_text
from orderflow.contracts.webhooks import EVENT_OF_STATUS
from orderflow.orders.stream import Change, told

SECRET_PREFIX = "whsec_"  # noqa: S105 - how every secret begins
SECRET_BYTES = 32
TEST = "webhook.test"


def new_secret() -> str:
    """A secret with 256 random bits."""
    return SECRET_PREFIX + b64encode(token_bytes(SECRET_BYTES)).decode()


def message_id(order_id: str, version: int) -> str:
    """The same for every attempt, so that a receiver knows a repeat."""
    return f"{order_id}_{version}"


def payload(position: int, change: Change) -> str:
    """The body of the message about a change."""
    document = {
        "type": EVENT_OF_STATUS[change.status],
        "timestamp": change.at,
        "data": told(position, change),
    }
    return to_json(document).decode()


def test_payload(at: datetime) -> str:
    """The body of a message that tells of no change."""
    return to_json({"type": TEST, "timestamp": utc_text(at), "data": {}}).decode()


def headers(secrets: Sequence[str], sent_id: str, at: datetime, body: bytes) -> dict[str, str]:
    """The headers of an attempt at this time, with a signature by each secret: a receiver looks for one that
    it knows."""
    timestamp = str(int(at.timestamp()))
    return {
        "webhook-id": sent_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(signature(each, sent_id, timestamp, body) for each in secrets),
        "content-type": "application/json",
    }


def signature(secret: str, sent_id: str, timestamp: str, body: bytes) -> str:
    """HMAC-SHA256 over id, time and body."""
    key = b64decode(secret.removeprefix(SECRET_PREFIX))
    signed = hmac.digest(key, f"{sent_id}.{timestamp}.".encode() + body, "sha256")
    return f"v1,{b64encode(signed).decode()}"
