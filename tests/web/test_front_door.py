"""What every request passes: pages of other origins change nothing; each request has its ids and its line."""

import re

import pytest
from tests.web.conftest import converse, received

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
        b"Origin: https://public.example",
        b"Sec-Fetch-Site: same-origin",
    ],
    "a person's own doing": [b"Sec-Fetch-Site: none"],
}


def request(method: str, path: str, *lines: bytes, body: bytes = BODY) -> bytes:
    head = [f"{method} {path} HTTP/1.1".encode(), b"Host: shop.example", *lines]
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
    assert b"cross-origin" not in received(port, sent)


def test_a_page_of_another_origin_may_read_what_it_can(listener: tuple[str, int]) -> None:
    """Browsers keep the answer from it; a link to our pages must work."""
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
