"""What reaches a terminal: texts from outside are shown, but cannot control the terminal."""

import io
import json
import logging
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event
from tests.orders.conftest import ORDER, Service

from orderflow import cli
from orderflow.cli import terminal
from orderflow.runtime.printable import printable, printable_in_a_line
from orderflow.runtime.telemetry import configure_logging

HOSTILE = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202egnp.exe\r\x00\x08"


def steers(text: str) -> bool:
    return any(c in text for c in "\x1b\x07\x9b\u202e\r\x00\x08")


@given(st.text())
def test_what_is_printable_stays_and_the_rest_steers_nothing(text: str) -> None:
    line = printable_in_a_line(text)
    assert not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in line)
    assert (line == text) or not text.isprintable()
    assert printable(printable(text)) == printable(text)
    printable(text).encode()


@pytest.fixture
def console(logging_restored: None) -> Iterator[io.StringIO]:
    """The console's log lines of this test, as on a terminal."""
    told, before = io.StringIO(), sys.stderr
    sys.stderr = told
    try:
        configure_logging("console", "DEBUG", "test")
        yield told
    finally:
        sys.stderr = before


def test_no_log_line_on_a_console_passes_what_steers_it(console: io.StringIO) -> None:
    log = structlog.get_logger()
    log.info("request", path=HOSTILE, nested={"a": [HOSTILE]}, **{f"k{HOSTILE}": 1})
    log.warning(HOSTILE, path=f"/a b{HOSTILE}\n2026-02-10 [info] forged")
    try:
        raise ValueError(HOSTILE)
    except ValueError:
        log.exception("failed", path="x")
    logging.getLogger("library").warning("of a library: %s\nforged", HOSTILE)
    text = console.getvalue()
    assert not steers(text), text
    assert "owned" in text
    assert not [line for line in text.splitlines() if line.startswith(("forged", "2026-02-10 [info] forged"))]
    assert "Traceback" in text


def test_no_command_passes_what_steers_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.write_line(HOSTILE)
    terminal.complain(HOSTILE)
    from rich.table import Table

    table = Table("column")
    terminal.add_row(table, HOSTILE)
    terminal.write_rich(table)
    text = terminal.as_json({"text": HOSTILE})
    terminal.write_line(text)
    told = capsys.readouterr()
    assert not steers(told.out + told.err)
    assert json.loads(text) == {"text": HOSTILE}


def test_waiting_for_an_order_does_not_spin_where_the_service_answers_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    service = Service(f"sqlite:///{tmp_path / 'orders.db'}")
    service.stop_api()  # long polls are now answered at once, as when there is no room for another
    looks: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        looks.append(statement)

    event.listen(service.database.reader, "before_cursor_execute", note)
    monkeypatch.setenv("ORDERFLOW_ORDERS_URL", f"http://127.0.0.1:{service.port}")
    (tmp_path / "order.json").write_text(json.dumps(ORDER))
    began = time.monotonic()
    code = cli.run(["orders", "create", str(tmp_path / "order.json"), "--wait", "--wait-seconds", "2.5"])
    took_s = time.monotonic() - began
    service.close()
    assert code == 1
    assert "still Created after 2.5 s" in capsys.readouterr().err
    assert 2.5 <= took_s < 6
    assert len([statement for statement in looks if "FROM orders" in statement]) <= 15
