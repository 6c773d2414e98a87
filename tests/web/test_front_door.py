"""What every request passes: pages of other origins change nothing; each request has its ids and its line."""

import re
from time import perf_counter

import pytest
from structlog.testing import capture_logs
from tests.web.conftest import SIMULATORS, converse, received

from orderflow.web.front_door import FrontDoor

BODY = b'{"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":1}]}'

FOREIGN = {
    "another origin": [b"Origin: http://evil.example"],
    "another port": [b"Origin: http://shop.example:81"],
    "a page in a sandbox": [b"Origin: null"],
    "a browser says so": [b"Sec-Fetch-Site: cross-site"],
    "another host of the same site": [b"Sec-Fetch-Site: same-site", b"Origin: http://www.shop.example"],
    "a form without an origin": [b"Sec-Fetch-Site: cross-site", b"Sec-Fetch-Mode: navigate"],
}
OWN = {
    "another program": [],
    "our own page": [b"Origin: http://shop.example", b"Sec-Fetch-Site: same-origin"],
    "our own page behind a proxy": [b"Origin: https://shop.example"],
    "our own page, by the browser's word": [
        b"Origin: https://shop.example",
        b"Sec-Fetch-Site: same-origin",
        b"Host: api:8080",
    ],
    "a person's own doing": [b"Sec-Fetch-Site: none"],
}


NAMES = [b"127.0.0.1:8080", b"10.0.0.7", b"[::1]:8080", b"localhost:8080", b"a.localhost", b"SHOP.example:80"]
STRANGE_NAMES = [
    *(b"evil.example:8080", b"evil.example", b"127.0.0.1.evil.example", b"localhost.evil.example"),
    *(b"notlocalhost", b"shop.example.", b"xshop.example", b"1.2.3", b"[evil.example]", b"u@localhost", b""),
]


def request(method: str, path: str, *lines: bytes, body: bytes = BODY) -> bytes:
    host = () if any(line.startswith(b"Host:") for line in lines) else (b"Host: shop.example",)
    head = [f"{method} {path} HTTP/1.1".encode(), *host, *lines]
    return b"\r\n".join([*head, b"Content-Length: %d" % len(body), b"", body])


@pytest.mark.parametrize("name", FOREIGN)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_page_of_another_origin_changes_nothing(listener: tuple[str, int], name: str, method: str) -> None:
    path, port = listener
    for body in (BODY, b""):
        answer = received(port, request(method, path, *FOREIGN[name], body=body))
        assert answer.startswith(b"HTTP/1.1 403 ")
        assert b"urn:orderflow:problem:cross-origin" in answer


@pytest.mark.parametrize("name", OWN)
def test_our_own_page_and_other_programs_may(listener: tuple[str, int], name: str) -> None:
    path, port = listener
    sent = request("POST", path, *OWN[name], b"Content-Type: application/json")
    assert b"problem:cross-origin" not in received(port, sent)


def page_at(name: bytes) -> list[list[bytes]]:
    """The headers that browsers send for a page that was loaded from that name and sends requests to it."""
    site = b"Sec-Fetch-Site: same-origin"
    sent = [[b"Origin: http://" + name], [site], [b"Origin: https://" + name, site]]
    return [[b"Host: " + name, b"Connection: close", *lines] for lines in sent]


@pytest.mark.parametrize("name", STRANGE_NAMES)
def test_a_page_under_a_name_that_is_not_ours_changes_nothing(listener: tuple[str, int], name: bytes) -> None:
    """The owner of a name may let it resolve to us (DNS rebinding), and then host and origin agree."""
    path, port = listener
    for lines in page_at(name):
        assert b"urn:orderflow:problem:cross-origin" in received(port, request("POST", path, *lines))
    # Programs that are no browsers may call us by any name.
    assert b"problem:cross-origin" not in received(
        port, request("POST", path, b"Host: " + name, b"Connection: close")
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_page_under_an_address_or_a_name_of_ours_may(listener: tuple[str, int], name: bytes) -> None:
    path, port = listener
    for lines in page_at(name):
        assert b"problem:cross-origin" not in received(port, request("POST", path, *lines))


def test_a_page_of_another_origin_may_read_what_it_can(listener: tuple[str, int]) -> None:
    """Browsers do not show it the answer, and a link to our pages must work."""
    _, port = listener
    assert converse(port, request("GET", "/health/live", *FOREIGN["a browser says so"], body=b"")) == [200]


def test_a_body_without_a_content_type_is_refused(listener: tuple[str, int]) -> None:
    path, port = listener
    if path == "/api/orders":
        assert converse(port, request("POST", path)) == [415]
        assert converse(port, request("POST", path, b"Content-Type: text/plain")) == [415]


def test_every_answer_has_a_correlation_id(listener: tuple[str, int]) -> None:
    path, port = listener
    given = received(port, request("POST", path, b"X-Correlation-ID: checkout/42"))
    assert b"x-correlation-id: checkout/42\r\n" in given
    for sent in (request("GET", "/nowhere"), b"no HTTP\r\n\r\n", request("GET", "*")):
        answer = received(port, sent)
        made = re.findall(rb"x-correlation-id: ([0-9a-f-]{36})\r\n", answer)
        assert len(made) == 1
        assert answer.startswith(b"HTTP/1.1 4")


def test_a_trace_in_a_header_goes_on(listener: tuple[str, int], capfd: pytest.CaptureFixture[str]) -> None:
    path, port = listener
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    received(port, request("POST", path, f"traceparent: 00-{trace}-00f067aa0ba902b7-01".encode()))
    lines = [line for line in capfd.readouterr().out.splitlines() if trace in line]
    assert len(lines) == 1
    assert f"path={path}" in lines[0]


def test_of_two_traces_neither_goes_on(listener: tuple[str, int], capfd: pytest.CaptureFixture[str]) -> None:
    path, port = listener
    traces = ["4bf92f3577b34da6a3ce929d0e0e4736", "5bf92f3577b34da6a3ce929d0e0e4736"]
    received(
        port, request("POST", path, *(f"traceparent: 00-{t}-00f067aa0ba902b7-01".encode() for t in traces))
    )
    written = capfd.readouterr().out
    assert "trace_id" in written or path in SIMULATORS
    assert not any(trace in written for trace in traces)


@pytest.mark.parametrize(
    ("path", "level"), [("/api/orders", "info"), ("/metrics", "debug"), ("/health/ready", "debug")]
)
def test_what_programs_ask_all_the_time_hides_no_other_line(path: str, level: str) -> None:
    with capture_logs() as lines:
        door = FrontDoor()
        door.end(door.stranger(), method="GET", path=path, route=path, status=200, began=perf_counter())
    assert [(line["event"], line["log_level"]) for line in lines] == [("request", level)]
