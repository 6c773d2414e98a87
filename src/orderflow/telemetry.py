"""Logs: one line per request and one per shipment outcome, as JSON or for the console.

Lines carry ids, never names, addresses or request bodies.
"""

import logging
import sys
from typing import Any, Literal

import structlog
from pydantic_core import to_json
from structlog.typing import EventDict, Processor


def configure_logging(log_format: Literal["console", "json"] | None, level: str, service: str) -> None:
    """Send structlog's and the standard library's lines to stderr in one form. Called once, at start."""
    console = log_format == "console" or (log_format is None and sys.stderr.isatty())

    def add_service(_logger: object, _method: str, event: EventDict) -> EventDict:
        event["service"] = service
        return event

    shared: list[Processor] = [
        add_service,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    colours = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    threshold = logging.getLevelNamesMapping()[level]
    structlog.configure(
        # Bytes as they come from the serializer: no text is encoded on the way of every request.
        processors=[*shared, colours if console else structlog.processors.JSONRenderer(_json)],
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
                colours if console else structlog.processors.JSONRenderer(),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=max(threshold, logging.WARNING), force=True)


def _json(event: EventDict, **_options: Any) -> bytes:
    return to_json(event, fallback=repr)
