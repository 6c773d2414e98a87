"""Logs: one line per request and one per shipment outcome, as JSON or for the console.

Lines carry ids, never names, addresses or request bodies.
"""

import logging
import sys
import time
from functools import lru_cache
from typing import Literal

import structlog
from pydantic_core import to_json
from structlog.typing import EventDict, Processor


def configure_logging(log_format: Literal["console", "json"] | None, level: str, service: str) -> None:
    """Send structlog's and the standard library's lines to stderr in one form. Called once, at start."""
    console = log_format == "console" or (log_format is None and sys.stderr.isatty())

    def add_origin(_logger: object, method: str, event: EventDict) -> EventDict:
        event["service"] = service
        event["level"] = method
        event["timestamp"] = _timestamp()
        return event

    shared: list[Processor] = [add_origin, structlog.processors.format_exc_info]
    colours = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    threshold = logging.getLevelNamesMapping()[level]
    structlog.configure(
        processors=[*shared, colours if console else _json_line],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr)
        if console
        else structlog.BytesLoggerFactory(sys.stderr.buffer),
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


def _json_line(_logger: object, _method: str, event: EventDict) -> bytes:
    """Bytes as they come from the serializer: no text is encoded on the way of every request."""
    return to_json(event, fallback=repr)


def _json_text(logger: object, method: str, event: EventDict) -> str:
    return _json_line(logger, method, event).decode()


def _timestamp() -> str:
    seconds, microseconds = divmod(time.time_ns() // 1_000, 1_000_000)
    return f"{_to_the_second(seconds)}.{microseconds:06d}Z"


@lru_cache(maxsize=4)
def _to_the_second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
