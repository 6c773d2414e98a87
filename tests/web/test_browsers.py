"""What answers tell browsers: what they are, who may embed them, and which pages may read them."""

import re

import pytest
from tests.orders.conftest import CORS_ORIGIN
from tests.web.conftest import received

NAMED = f"Origin: {CORS_ORIGIN}".encode()
OTHERS = [b"https://evil.example", b"null", b"http://pages.example", b"https://pages.example:8443", b"*"]
ORDER = b'{"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":1}]}'


def request(method: str, path: str, *lines: bytes, body: bytes = b"") -> bytes:
    head = [f"{method} {path} HTTP/1.1".encode(), b"Host: shop.example", b"Connection: close", *lines]
    return b"\r\n".join([*head, b"Content-Length: %d" % len(body), b"", body])


def headers(port: int, sent: bytes) -> tuple[int, dict[str, str]]:
    """The status and the headers of the first answer."""
    head = received(port, sent, silent_s=10).partition(b"\r\n\r\n")[0].decode()
    lines = [line.partition(": ") for line in head.split("\r\n")[1:]]
    given = {name: value for name, _, value in lines}
    assert len(given) == len(lines), "no header is sent twice"
    return int(head[9:12]), given


def asks(method: str, path: str, origin: bytes) -> bytes:
    """What a browser sends before a page's request of that kind."""
    wanted = b"Access-Control-Request-Method: " + method.encode()
    return request("OPTIONS", path, b"Origin: " + origin, wanted)


@pytest.mark.parametrize(
    "sent",
    [
        request("GET", "/health/live"),
        request("GET", "/nowhere"),
        request("POST", "/health/live"),
        b"GET / HTTP/3.7\r\n\r\n",
        b"\x16\x03\x01 not HTTP\r\n\r\n",
    ],
)
def test_every_answer_says_that_it_is_what_it_says(listener: tuple[str, int], sent: bytes) -> None:
    _, port = listener
    _, given = headers(port, sent)
    assert given["x-content-type-options"] == "nosniff"
    assert given["cross-origin-resource-policy"] == "same-origin"


def test_an_order_that_took_the_short_way_has_these_headers_too(listener: tuple[str, int]) -> None:
    path, port = listener
    if path == "/api/orders":
        sent = request("POST", path, NAMED, b"Content-Type: application/json", body=ORDER)
        status, given = headers(port, sent)
        assert status == 201
        assert given["x-content-type-options"] == "nosniff"
        assert given["access-control-allow-origin"] == CORS_ORIGIN
        assert "location" in given["access-control-expose-headers"]


def test_html_is_strict_about_what_it_loads_and_who_frames_it(listener: tuple[str, int]) -> None:
    path, port = listener
    for page in ("/docs", "/docs/start.js", "/docs/swagger-ui.css", "/asyncapi", "/asyncapi/page.css"):
        status, given = headers(port, request("GET", page))
        of_fulfillment = path.startswith("/api/fulfillment") and page.startswith("/docs")
        assert (status == 200) == (path == "/api/orders" or of_fulfillment)
        if status == 200:
            policy = given["content-security-policy"]
            assert {"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"} <= set(
                re.split("; ", policy)
            )
            assert "unsafe-eval" not in policy
            assert "script-src 'self';" in policy or "script-src" not in policy
            assert given["referrer-policy"] == "no-referrer"
            assert given["cross-origin-opener-policy"] == "same-origin"
            assert given["x-frame-options"] == "DENY"


def test_pages_of_other_origins_may_not_read_an_answer(listener: tuple[str, int]) -> None:
    path, port = listener
    for origin in OTHERS:
        for sent in (
            request("GET", "/health/live", b"Origin: " + origin),
            request("POST", path, b"Origin: " + origin, b"Content-Type: application/json", body=ORDER),
            asks("POST", path, origin),
        ):
            status, given = headers(port, sent)
            assert "access-control-allow-origin" not in given
            assert status != 204


def test_pages_of_other_origins_change_nothing_whatever_they_may_read(listener: tuple[str, int]) -> None:
    """A page that may not read the answer has not changed anything either."""
    path, port = listener
    for origin in OTHERS:
        sent = request("POST", path, b"Origin: " + origin, b"Content-Type: application/json", body=ORDER)
        assert headers(port, sent)[0] == 403


def test_a_page_of_a_named_origin_may_ask_and_read(listener: tuple[str, int]) -> None:
    path, port = listener
    status, given = headers(port, asks("POST", path, CORS_ORIGIN.encode()))
    assert status == 204
    assert given["access-control-allow-origin"] == CORS_ORIGIN
    assert "authorization" in given["access-control-allow-headers"]
    assert "POST" in given["access-control-allow-methods"]
    assert "access-control-allow-credentials" not in given, "there are no cookies to send"
    status, given = headers(port, request("GET", "/health/live", NAMED))
    assert (status, given["access-control-allow-origin"]) == (200, CORS_ORIGIN)
    assert given["vary"] == "origin"
    # Its request is answered for what it is, and problems can be read.
    status, given = headers(port, request("POST", path, NAMED, b"Sec-Fetch-Site: cross-site"))
    assert status != 403
    assert given["access-control-allow-origin"] == CORS_ORIGIN


def test_an_answer_to_nobody_s_page_is_not_kept_for_a_page(listener: tuple[str, int]) -> None:
    """A cache in between would otherwise give it to a page of a named origin, without the permission."""
    _, port = listener
    assert headers(port, request("GET", "/health/live"))[1]["vary"] == "origin"


def test_options_without_a_page_is_no_permission(listener: tuple[str, int]) -> None:
    path, port = listener
    for sent in (request("OPTIONS", path, NAMED), request("OPTIONS", path)):
        assert headers(port, sent)[0] == 405
