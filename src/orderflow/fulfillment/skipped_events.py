"""Events of types that this program does not handle: counted, so that people can see them."""

from collections import Counter

import structlog

log = structlog.get_logger()

TYPES_MAX = 20
TYPE_CHARS_MAX = 64
OTHER = "other"


class SkippedEvents:
    """How many were skipped since the start, by type. One thread writes.

    A type is text from outside: a long or strange one, and every one after the first 20, counts as `other`.
    """

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def add(self, event_type: str) -> None:
        has_room = event_type in self._counts or len(self._counts) < TYPES_MAX
        name = event_type if has_room and _is_name(event_type) else OTHER
        if name not in self._counts:
            log.info("event.type_skipped", event_type=name)
        self._counts[name] += 1

    def counts(self) -> dict[str, int]:
        return dict(self._counts)


def _is_name(text: str) -> bool:
    return len(text) <= TYPE_CHARS_MAX and text.isascii() and text.replace(".", "_").isidentifier()
