"""Times as texts, in answers and events alike."""

from datetime import UTC, datetime


def utc_text(at: datetime) -> str:
    """ISO 8601 in UTC with milliseconds and Z."""
    return (at if at.tzinfo is UTC else at.astimezone(UTC)).isoformat(timespec="milliseconds")[:-6] + "Z"
