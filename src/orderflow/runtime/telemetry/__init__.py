"""Logs: one line per request and one per shipment outcome, as JSON or for the console.

Lines contain ids, but never names, addresses or request bodies.
"""

import asyncio
import atexit
import logging
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import lru_cache
from typing import Literal

import structlog
from pydantic_core import to_json
from structlog.typing import EventDict, Processor

from orderflow.runtime.masking import mask_urls
from orderflow.runtime.printable import printable, printable_in_a_line


def configure_logging(
    log_format: Literal["console", "json"] | None,
    level: str,
    service: str,
    *,
    export: Callable[[EventDict], None] | None = None,
) -> None:
    """Send the lines of structlog and of the standard library to stderr in one format. Called once, at
    start. `export` gets each line as well, masked."""
    console = log_format == "console" or (log_format is None and sys.stderr.isatty())

    def add_origin(_logger: object, method: str, event: EventDict) -> EventDict:
        event["service"] = service
        event["level"] = method
        event["timestamp"] = _timestamp()
        return event

    lines = structlog.PrintLogger(sys.stderr) if console else _Lines()
    shared: list[Processor] = [add_origin, structlog.processors.format_exc_info, _masked]
    if export is not None:
        shared.append(_exporting(export))
    coloured = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())

    def colours(logger: object, method: str, event: EventDict) -> str:
        return coloured(logger, method, _for_a_terminal(event))

    threshold = logging.getLevelNamesMapping()[level]
    structlog.configure(
        processors=[*shared, colours if console else _json_line],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=lambda *_: lines,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                colours if console else _json_text,
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=max(threshold, logging.WARNING), force=True)


def _exporting(export: Callable[[EventDict], None]) -> Processor:
    def exported(_logger: object, _method: str, event: EventDict) -> EventDict:
        export(event)
        return event

    return exported


def _masked(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Masks API keys and the secrets of URLs in every line, whoever wrote them there."""
    for name, value in event.items():
        text = value if type(value) is str else None if type(value) in _PLAIN else repr(value)
        if (
            text is not None
            and ("://" in text or "pass" in text or "of_" in text)
            and (masked := mask_urls(text)) != text
        ):
            event[name] = masked
    return event


_PLAIN = (int, float, bool, type(None))


def _for_a_terminal(event: EventDict) -> EventDict:
    """Escape what could control the terminal, because paths and messages come from outside. Only tracebacks
    keep their line breaks. Values that are not texts are shown by `repr`, which escapes by itself."""
    return {
        printable_in_a_line(key): (printable if key in ("exception", "stack") else printable_in_a_line)(value)
        if isinstance(value, str)
        else value
        for key, value in event.items()
    }


class _Lines:
    """Writes lines to stderr. The lines of one round of an event loop are written together at the end of the
    round: a system call for each, during which other threads take the interpreter, costs more than the lines.
    From other threads, or without a running loop, a line is written at once."""

    def __init__(self) -> None:
        self._lines: deque[bytes] = deque()
        self._writing = threading.Lock()
        self._due_on: asyncio.AbstractEventLoop | None = None
        """The loop that will write the lines soon."""
        atexit.register(self.flush)

    def msg(self, line: bytes) -> None:
        self._lines.append(line)
        loop = asyncio._get_running_loop()  # the public function raises if none runs
        if loop is None:
            self.flush()
        elif loop is not self._due_on:
            self._due_on = loop
            loop.call_soon(self._end_of_round)

    debug = info = warning = error = critical = exception = msg

    def _end_of_round(self) -> None:
        self._due_on = None
        self.flush()

    def flush(self) -> None:
        with self._writing:
            lines = [self._lines.popleft() for _ in range(len(self._lines))]
            if lines:
                sys.stderr.buffer.write(b"%b\n" % b"\n".join(lines))
                sys.stderr.buffer.flush()


def _json_line(_logger: object, _method: str, event: EventDict) -> bytes:
    """The line as the bytes that the serializer returns, so that no request has to encode a text. JSON itself
    escapes only some of what controls a terminal."""
    line = to_json(event, fallback=repr)
    if line.isascii() and b"\x7f" not in line:
        return line
    return printable_in_a_line(line.decode()).encode()


def _json_text(logger: object, method: str, event: EventDict) -> str:
    return _json_line(logger, method, event).decode()


def _timestamp() -> str:
    seconds, microseconds = divmod(time.time_ns() // 1_000, 1_000_000)
    return f"{_to_the_second(seconds)}.{microseconds:06d}Z"


@lru_cache(maxsize=4)
def _to_the_second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
