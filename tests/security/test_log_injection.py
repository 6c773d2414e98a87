"""Whatever a request holds, it is one line in the log, and nothing in that line controls a terminal."""

import io
import json
import re
import socket
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tests.web.conftest import listening

from orderflow.runtime.telemetry import configure_logging

PATHS = {"orders": b"/api/orders", "fulfillment": b"/api/fulfillment/dead-letters/redrive"}
HOSTILE = [
    b"a\r\nlevel=error event=forged",
    b"a\nforged",
    b"a\rforged",
    b"\x1b[2J\x1b]0;forged\x07",
    b"\xc2\x9b2J",  # CSI as one character of UTF-8
    b"\x9b2J",
    b"\x7f\x08\x08",
    b"\x00",
    "\u2028forged\u2029\u202egnp.exe\u2066".encode(),
    b'", "event": "forged", "x": "',
    b"' event='forged' x='",
    b"{event} %s %(event)s [bold]forged[/bold]",
    b"a" * 20_000,
    b"\xed\xa0\x80",
    b"\xff\xfe",
]
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufffe]")
BYTES_MAX = 4_000
HEADERS = (
    b"x-correlation-id",
    b"traceparent",
    b"forwarded",
    b"x-forwarded-for",
    b"user-agent",
    b"authorization",
    b"idempotency-key",
    b"if-match",
)


def _requests(path: bytes) -> list[bytes]:
    """A request for each hostile value at each place."""
    made: list[bytes] = []
    for hostile in HOSTILE:
        quoted = b"".join(b"%%%02x" % byte for byte in hostile)
        in_json = json.dumps(hostile.decode("latin-1")).encode()
        for target in (
            b"/" + quoted,
            b"/" + hostile,
            path + b"/" + quoted,
            path + b"?x=" + quoted,
            path + b"?%b=1" % quoted,
        ):
            made.append(b"GET %b HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n" % target)
        for name in HEADERS:
            head = b"GET %b HTTP/1.1\r\nhost: h\r\nconnection: close\r\n%b: %b\r\n\r\n"
            made.append(head % (path, name, hostile))
        made.append(b"%b %b HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n" % (hostile, path))
        for body in (hostile, b'{"kind": %b}' % in_json, b'{%b: "x", "kind": "x"}' % in_json):
            head = b"POST %b HTTP/1.1\r\nhost: h\r\nconnection: close\r\ncontent-type: application/json\r\n"
            made.append((head + b"content-length: %d\r\n\r\n%b") % (path, len(body), body))
    return made


def _sent(port: int, request: bytes) -> bytes:
    """All that is answered before the server closes the connection."""
    answer = b""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        try:
            connection.sendall(request)
            while received := connection.recv(1 << 16):
                answer += received
        except ConnectionError:
            pass
    return answer


@pytest.mark.parametrize("log_format", ["json", "console"])
@pytest.mark.parametrize("service", PATHS)
def test_every_request_is_one_line_without_control_characters(
    logging_restored: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, service: str, log_format: Any
) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(written, encoding="utf-8", write_through=True))
    configure_logging(log_format, "INFO", "test")
    with listening(service, tmp_path) as port:
        for request in _requests(PATHS[service]):
            begin = len(written.getvalue())
            answer = _sent(port, request)
            assert re.match(rb"HTTP/1\.1 (2\d\d|[34]\d\d|50[15]) ", answer), (request[:200], answer)
            answers = len(re.findall(rb"^HTTP/1\.1 ", answer, re.MULTILINE))
            deadline = time.monotonic() + 30
            while written.getvalue()[begin:].count(b"\n") < answers:
                assert time.monotonic() < deadline, request[:200]
                time.sleep(0.002)
            lines = written.getvalue()[begin:].decode()
            assert lines.count("\n") == answers, (request[:200], lines)
            for line in lines.splitlines():
                assert not _CONTROLS.search(line), (request[:200], line)
                assert len(line) < BYTES_MAX
                if log_format == "json":
                    told = json.loads(line)
                    assert (told["event"], told["service"]) == ("request", "test")
