"""The `Retry-After` header (RFC 9110, 10.2.3), as every client of ours reads it."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_DIGITS_MAX = 400
"""A number with more digits is infinite as a float, so the others can be cut off."""


def retry_after_s(header: str | None, *, now: datetime, seconds_max: float) -> float | None:
    """The seconds to wait, 0 to `seconds_max`, from a number or an HTTP date; None for anything else."""
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        wait_s = float(text[:_DIGITS_MAX])
    else:
        try:
            at = parsedate_to_datetime(text)
            wait_s = (at.replace(tzinfo=at.tzinfo or UTC) - now).total_seconds()
        except (ValueError, TypeError, OverflowError):
            return None
    return min(max(wait_s, 0.0), seconds_max)
