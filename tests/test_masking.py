"""No secret of a URL is shown, wherever in a text it stands and however it is written."""

import io
import json
import logging
import sys
from datetime import UTC, datetime

import pytest
import structlog

from orderflow.database.errors import reason
from orderflow.runtime.health import Degraded
from orderflow.runtime.masking import mask_urls
from orderflow.runtime.telemetry import configure_logging

URLS = [
    "postgresql://u:s3cret@h:5432/d",
    "postgresql://u:s3cret@h1:5432,h2:5432/d?target_session_attrs=read-write",
    "postgresql://u:p/s3cret@h/d",
    "postgresql://u:p?s3cret@h/d",
    "postgresql://u:p@s3cret@h/d",
    "postgresql://h/d?user=u&password=s3cret",
    "postgresql://h/d?sslmode=require&sslpassword=s3cret",
    "kafka://u:s3cret@h1:1,u:s3cret@h2:2",
    "https://s3cret@h/path",
    "http://h/path?token=s3cret&status=Created",
    "http://h/path?unheard_of=s3cret",
    "host=h password=s3cret dbname=d",
]


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("text", ["{}", "cannot call '{}': refused", "a http://x/y b {} c"])
def test_a_secret_in_a_url_is_not_shown(url: str, text: str) -> None:
    masked = mask_urls(text.format(url))
    assert "s3cret" not in masked
    assert "***" in masked


@pytest.mark.parametrize(
    "text",
    [
        "nothing to hide",
        "http://127.0.0.1:8080/api/orders?status=Created&limit=5",
        "postgresql://orders@/d".replace("orders@", ""),
        "sqlite:////data/a%3Fb/orders.db",
        "kafka://h1:9092,h2:9092",
    ],
)
def test_what_is_no_secret_stays_as_it_is(text: str) -> None:
    assert mask_urls(text) == text


@pytest.mark.parametrize("log_format", ["json", "console"])
@pytest.mark.parametrize("url", URLS)
def test_no_log_line_shows_it(
    logging_restored: None, monkeypatch: pytest.MonkeyPatch, log_format: str, url: str
) -> None:
    lines = io.TextIOWrapper(io.BytesIO(), write_through=True)
    monkeypatch.setattr(sys, "stderr", lines)
    configure_logging("json" if log_format == "json" else "console", "DEBUG", "test")
    logger = structlog.get_logger()
    try:
        raise ValueError(f"cannot call {url}")
    except ValueError:
        logger.exception(f"at {url}", url=url, many=[url], error=ValueError(url))
        logging.getLogger("another").exception("at %s", url)
    lines.seek(0)
    written = lines.read()
    assert "cannot call" in written
    assert "s3cret" not in written
    if log_format == "json":
        assert len([json.loads(line) for line in written.splitlines()]) == 2


def test_no_reason_of_a_degraded_part_or_a_database_error_shows_it() -> None:
    for url in URLS:
        assert "s3cret" not in Degraded("part", f"no answer from {url}", datetime.now(UTC)).reason
        assert "s3cret" not in reason(ValueError(f"no answer from {url}"))
