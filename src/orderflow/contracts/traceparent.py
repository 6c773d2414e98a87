"""The `traceparent` header of W3C Trace Context, as HTTP requests and events carry it."""

import re

_TRACEPARENT = re.compile(rb"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def parse_traceparent(given: bytes | None) -> str | None:
    """The header's value if it is valid and of version 00, else None."""
    return given.decode("ascii") if given is not None and _TRACEPARENT.fullmatch(given) else None


def trace_id(traceparent: str | None) -> str | None:
    """The id of the trace that a valid traceparent belongs to."""
    return traceparent[3:35] if traceparent else None


def span_id(traceparent: str | None) -> str | None:
    """The id of the span that a valid traceparent names."""
    return traceparent[36:52] if traceparent else None


def is_sampled(traceparent: str) -> bool:
    """Whether the flags of a valid traceparent say that its trace is recorded."""
    return int(traceparent[-1], 16) & 1 == 1
