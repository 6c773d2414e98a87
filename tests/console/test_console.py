"""The console shows what both services tell, in time, and lets in whom they let in."""

import hashlib
import http.client
import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from tests.console.conftest import NOWHERE, Answer, ask, asks_for_keys, console_beside

STATIC = files("orderflow.console") / "static"
PAGES = ("/", "/console/orders", "/console/dead-letters", "/console/payments", "/console/stock")
VENDORED_BYTES_MAX = 120_000
SCRIPT = "<script>alert(1)</script>"


def tell(port: int, method: str, path: str, body: Any) -> Any:
    """What the Order Service answers."""
    headers = {"Content-Type": "application/json", "Authorization": "Bearer admin"}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(method, path, json.dumps(body), headers)
    text = connection.getresponse().read()
    connection.close()
    return json.loads(text) if text else None


def place(
    port: int, customer: str = "c-1", product: str = "p-1", items: int = 1, key: str | None = None
) -> dict[str, Any]:
    order = {
        "customer": {"customerId": customer, "name": "Ada"},
        "items": [{"productId": product, "quantity": 1}] * items,
    }
    placed = tell(port, "POST", "/api/orders/batch", {"orders": [order | {"idempotencyKey": key}]})
    return placed["results"][0]["order"]


def cookie_of(answer: Answer) -> str:
    return answer.headers["set-cookie"].partition(";")[0]


def test_every_page_is_strict_about_what_it_loads_and_is_kept_by_nobody(tmp_path: Path) -> None:
    with console_beside(tmp_path) as stage:
        for path in PAGES:
            answer = ask(stage.console, path)
            assert answer.status == 200
            policy = answer.headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert "http" not in policy
            assert answer.headers["cache-control"] == "no-store"
            linked = re.findall(r'(?:src|href)="([^"]+)"', answer.text)
            assert linked
            assert all(link.startswith(("/", "#", "?")) for link in linked)
            assert not re.search(r"<script(?![^>]*src=)|<style| style=| on[a-z]+=", answer.text)


def test_an_order_is_found_by_whatever_names_it(tmp_path: Path) -> None:
    with console_beside(tmp_path) as stage:
        order = place(stage.orders, "cust-7", "prod-9", key="basket 7")
        other = place(stage.orders, "cust-8", "prod-8")
        address = f"/console/orders/{order['orderId']}"
        found = ask(stage.console, f"/console/orders?q={order['orderId'].upper()}")
        assert (found.status, found.headers["location"]) == (303, address)
        shipped = {"fulfillment": {"trackingNumber": "TRK/7"}}
        tell(stage.orders, "PATCH", f"/api/orders/{order['orderId']}/status", shipped)
        fields = {"customerId": "cust-7", "productId": "prod-9", "trackingNumber": "TRK/7"}
        fields |= {"idempotencyKey": "basket 7"}
        for query in [*fields.items(), *(("q", value) for value in fields.values())]:
            words = urlencode([query])
            text = ask(stage.console, f"/console/orders?{words}").text
            assert address in text
            assert other["orderId"] not in text
        assert "No order is like that" in ask(stage.console, "/console/orders?q=nobody").text


def test_orders_that_take_long_to_arrive_are_shown(tmp_path: Path) -> None:
    with console_beside(tmp_path) as stage:
        placed = [place(stage.orders, product="p" * 200, items=1_000)["orderId"] for _ in range(8)]
        text = ask(stage.console, "/console/orders").text
        assert [order_id in text for order_id in placed] == [True] * 8


def test_an_action_is_carried_out_with_its_reason(tmp_path: Path) -> None:
    with console_beside(tmp_path) as stage:
        address = f"/console/orders/{place(stage.orders)['orderId']}"
        assert "Hold" in ask(stage.console, address).text
        done = ask(stage.console, address, {"action": "hold", "reason": "call them first"})
        assert (done.status, done.headers["location"]) == (303, address)
        shown = ask(stage.console, address).text
        assert "OnHold" in shown
        assert "call them first" in shown
        assert "Release" in shown


def test_a_product_is_counted_with_a_reason_whatever_it_is_called(tmp_path: Path) -> None:
    with console_beside(tmp_path) as stage:
        for product in ("p-1", "50% a/b?#é", ".."):
            form = {"productId": product, "onHand": "7", "reason": "found in a corner"}
            done = ask(stage.console, "/console/stock", form)
            assert (done.status, done.headers["location"]) == (303, "/console/stock")
            assert f"Count {product}" in ask(stage.console, "/console/stock").text
        for count in ("", "-1", "1.5", "٣", "9" * 14):
            refused = ask(stage.console, "/console/stock", {"productId": "p-1", "onHand": count})
            assert refused.status == 422


def test_what_the_order_service_refuses_is_said(tmp_path: Path) -> None:
    with console_beside(tmp_path) as stage:
        address = f"/console/orders/{place(stage.orders)['orderId']}"
        ask(stage.console, address, {"action": "cancel"})
        refused = ask(stage.console, address, {"action": "hold"})
        assert refused.status == 409
        assert "That did not work" in refused.text
        assert ask(stage.console, address, {"action": "burn"}).status == 422


def test_an_order_s_page_lacks_a_part_while_the_fulfillment_service_is_away(tmp_path: Path) -> None:
    with console_beside(tmp_path, fulfillment_url=NOWHERE) as stage:
        order = place(stage.orders)
        shown = ask(stage.console, f"/console/orders/{order['orderId']}")
        assert shown.status == 200
        assert "The Fulfillment Service cannot be reached: connection refused." in shown.text
        assert "Created" in shown.text
        flow = ask(stage.console, "/")
        assert flow.status == 200
        assert "in trouble" in flow.text
        assert ask(stage.console, "/console/orders").status == 200
        stock = ask(stage.console, "/console/stock")
        assert stock.status == 503
        assert "cannot be reached" in stock.text


def test_the_console_says_so_while_the_order_service_is_away(tmp_path: Path) -> None:
    with console_beside(tmp_path, orders_url=NOWHERE) as stage:
        assert "The Order Service cannot be reached: connection refused." in ask(stage.console, "/").text
        assert ask(stage.console, "/console/orders").status == 503
        assert ask(stage.console, "/console/stock").status == 200


def test_what_callers_have_sent_is_shown_as_text(tmp_path: Path) -> None:
    with console_beside(tmp_path) as stage:
        order = place(stage.orders, SCRIPT, SCRIPT)
        for path in ("/console/orders", f"/console/orders/{order['orderId']}"):
            text = ask(stage.console, path).text
            assert SCRIPT not in text
            assert "&lt;script&gt;alert(1)" in text
        assert SCRIPT not in ask(stage.console, "/console/orders?q=%3Cscript%3Ealert(1)%3C/script%3E").text


@pytest.mark.parametrize(
    ("path", "form", "status", "said"),
    [
        ("/console", None, 404, "There is nothing at this address."),
        ("/console/", None, 404, "There is nothing at this address."),
        ("/console/nothing", None, 404, "There is nothing at this address."),
        ("/console/static/nothing.js", None, 404, "There is nothing at this address."),
        ("/console/payments", {}, 405, "Allowed here: GET, HEAD."),
    ],
)
def test_what_a_browser_asks_in_vain_is_a_page_and_a_problem_for_programs(
    tmp_path: Path, path: str, form: dict[str, str] | None, status: int, said: str
) -> None:
    with console_beside(tmp_path) as stage:
        shown = ask(stage.console, path, form, Accept="text/html,application/xhtml+xml,*/*;q=0.8")
        told = ask(stage.console, path, form)
    assert (shown.status, told.status) == (status, status)
    assert shown.headers["content-type"].startswith("text/html")
    assert 'role="alert"' in shown.text
    assert said in shown.text
    assert "content-security-policy" in shown.headers
    assert told.headers["content-type"] == "application/problem+json"
    assert shown.headers.get("allow") == told.headers.get("allow")


def test_a_browser_gets_a_file_again_only_when_it_has_changed(tmp_path: Path) -> None:
    with console_beside(tmp_path) as stage:
        first = ask(stage.console, "/console/static/htmx.min.js")
        again = ask(stage.console, "/console/static/htmx.min.js", If_None_Match=first.headers["etag"])
        changed = ask(stage.console, "/console/static/htmx.min.js", If_None_Match='"another"')
    assert (first.status, again.status, again.text, changed.status) == (200, 304, "", 200)
    assert changed.text == first.text


def test_an_order_s_page_says_whose_it_is_and_what_was_ordered(tmp_path: Path) -> None:
    with console_beside(tmp_path) as stage:
        shown = ask(stage.console, f"/console/orders/{place(stage.orders, items=5)['orderId']}").text
    facts = shown.partition('<dl class="facts">')[2].partition("</dl>")[0]
    assert [facts.count(text) for text in ("c-1", "Ada", "1 × <a", "and 2 more")] == [2, 1, 3, 1]


def test_nothing_is_shown_without_signing_in(tmp_path: Path) -> None:
    with console_beside(tmp_path, authenticate=asks_for_keys) as stage:
        order = place(stage.orders)
        for path in (*PAGES, f"/console/orders/{order['orderId']}"):
            for cookie in ("", "orderflow_session=forged"):
                answer = ask(stage.console, path, Cookie=cookie)
                assert answer.status == 303
                assert answer.headers["location"].startswith("/console/sign-in")
                assert answer.text == ""


@pytest.mark.parametrize(("behind_proxy", "is_secure"), [("on", True), ("off", False)])
def test_a_cookie_is_for_https_alone_where_a_proxy_that_is_ours_says_so(
    tmp_path: Path, behind_proxy: str, is_secure: bool
) -> None:
    settings = {"behind_proxy": behind_proxy}
    with console_beside(tmp_path, authenticate=asks_for_keys, settings=settings) as stage:
        form = {"key": "admin"}
        signed_in = ask(stage.console, "/console/sign-in", form, X_Forwarded_Proto="https")
    flags = {each.strip().lower() for each in signed_in.headers["set-cookie"].split(";")}
    assert flags >= {"httponly", "samesite=strict"}
    assert ("secure" in flags) is is_secure


def test_signing_in_leads_to_the_list_with_its_filters(tmp_path: Path) -> None:
    wanted = "/console/orders?status=Failed&customerId=c%201"
    with console_beside(tmp_path, authenticate=asks_for_keys) as stage:
        asked = urlsplit(ask(stage.console, wanted).headers["location"])
        to = dict(parse_qsl(asked.query))["to"]
        signed_in = ask(stage.console, asked.path, {"key": "admin", "to": to})
    assert signed_in.headers["location"] == wanted


def test_a_session_shows_what_its_key_may_see_and_does_not_contain_it(tmp_path: Path) -> None:
    with console_beside(tmp_path, authenticate=asks_for_keys) as stage:
        signed_in = ask(stage.console, "/console/sign-in", {"key": "admin", "to": "/console/stock"})
        assert (signed_in.status, signed_in.headers["location"]) == (303, "/console/stock")
        attributes = signed_in.headers["set-cookie"].lower()
        assert "httponly" in attributes
        assert "samesite=strict" in attributes
        assert "admin" not in attributes
        session = cookie_of(signed_in)
        order = place(stage.orders)
        shown = ask(stage.console, f"/console/orders/{order['orderId']}", Cookie=session)
        assert (shown.status, "Sign out" in shown.text) == (200, True)
        for cookie in ("", session):
            lost = ask(stage.console, "/console/nothing", Accept="text/html", Cookie=cookie)
            assert (lost.status, "Sign out" in lost.text) == (404, cookie != "")
        ended = ask(stage.console, "/console/sign-out", {}, Cookie=session)
        assert 'orderflow_session=""' in ended.headers["set-cookie"]
        assert "max-age=0" in ended.headers["set-cookie"].lower()


@pytest.mark.parametrize(("key", "status"), [("wrong", 401), ("shop", 403), ("", 422), ("k" * 3000, 422)])
def test_a_key_that_may_not_see_all_orders_begins_no_session(tmp_path: Path, key: str, status: int) -> None:
    with console_beside(tmp_path, authenticate=asks_for_keys) as stage:
        refused = ask(stage.console, "/console/sign-in", {"key": key})
        assert refused.status == status
        assert "set-cookie" not in refused.headers
        assert not key or key not in refused.text


def test_signing_in_leads_to_no_other_host(tmp_path: Path) -> None:
    with console_beside(tmp_path, authenticate=asks_for_keys) as stage:
        for to in ("//evil.example", "https://evil.example/console/", "/\\evil.example"):
            answer = ask(stage.console, "/console/sign-in", {"key": "admin", "to": to})
            assert answer.headers["location"] == "/"


def test_a_page_of_another_origin_does_nothing_with_somebody_s_session(tmp_path: Path) -> None:
    with console_beside(tmp_path, authenticate=asks_for_keys) as stage:
        session = cookie_of(ask(stage.console, "/console/sign-in", {"key": "admin"}))
        order = place(stage.orders)
        address = f"/console/orders/{order['orderId']}"
        for origin in ("https://evil.example", "null", ""):
            refused = ask(stage.console, address, {"action": "cancel"}, Cookie=session, Origin=origin)
            assert refused.status == 403
        assert "Created" in ask(stage.console, address, Cookie=session).text


def test_it_can_be_left_out(tmp_path: Path) -> None:
    with console_beside(tmp_path, settings={"console": "off"}) as stage:
        assert [ask(stage.console, path).text for path in PAGES] == ["not of the console"] * len(PAGES)


def test_the_vendored_files_are_those_of_the_release_and_small() -> None:
    for line in (STATIC / "SHA256SUMS").read_text().splitlines():
        wanted, name = line.split()
        assert hashlib.sha256((STATIC / name).read_bytes()).hexdigest() == wanted
    scripts = [file for file in STATIC.iterdir() if file.name.endswith((".js", ".css", ".svg"))]
    assert sum(len(file.read_bytes()) for file in scripts) <= VENDORED_BYTES_MAX


PAIRS = [
    *[(text, ground) for text in ("text", "soft", "accent") for ground in ("ground", "raised")],
    ("on-accent", "accent"),
    ("bad", "ground"),
    ("text", "plain-ground"),
    *[(name, f"{name}-ground") for name in ("good", "watch", "bad", "info")],
]


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2) of `#rrggbb`."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("pair", PAIRS, ids="-on-".join)
def test_text_stands_out_from_its_ground_as_wcag_aa_asks(pair: tuple[str, str]) -> None:
    light, dark = (STATIC / "console.css").read_text().split("@media (prefers-color-scheme: dark)")
    for palette in (light, dark):
        colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", palette))
        brighter, darker = sorted((luminance(colours[name]) for name in pair), reverse=True)
        assert (brighter + 0.05) / (darker + 0.05) >= 4.5
