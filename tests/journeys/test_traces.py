"""One order's spans, from its request to the last update of its status, as an OTLP receiver gets them."""

import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from conftest import StartRole
from processes import Role, ask, eventually, order
from tests.conftest import SERVERS
from tests.otlp_receiver import Receiver, Span, receiving
from tests.ports import free_port

TRACE = "0af7651916cd43dd8448eb211c80319c"
CLIENT = "b7ad6b7169203331"
SAMPLED = {"traceparent": f"00-{TRACE}-{CLIENT}-01"}
NOT_SAMPLED = {"traceparent": f"00-{TRACE}-{CLIENT}-00"}


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Generator[Receiver]:
    with receiving() as receiver:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
        yield receiver


@pytest.fixture(params=["embedded", "postgresql", "mssql"])
def parts(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    plain = {
        "DATA_DIR": str(tmp_path / "data"),
        "PORT": "0",
        "FULFILLMENT_PORT": "0",
        "CARRIER_DELAY_MS": "0-0",
    }
    if request.param == "embedded":
        return plain
    database: str = request.getfixturevalue(SERVERS[request.param])
    names: dict[str, str] = request.getfixturevalue("names")
    return {**plain, **names, "DATABASE_URL": database, "FULFILLMENT_DATABASE_URL": database}


def up(start: StartRole, parts: dict[str, str], **settings: str) -> Role:
    plain = {"PORT": "0", "FULFILLMENT_PORT": "0", "CARRIER_DELAY_MS": "0-0", "CARRIER_FAILURE_RATE": "0"}
    return start("up", **{**plain, **parts, **settings})


@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=utf-8"])
def test_an_orders_spans_are_one_trace_from_the_request_to_its_last_status(
    start: StartRole, parts: dict[str, str], receiver: Receiver, content_type: str
) -> None:
    """The short way takes only the first of the content types."""
    port = free_port()
    url = up(start, parts, PAYMENTS="simulated", FULFILLMENT_PORT=str(port)).url()
    track_stock(port)
    headers = {**SAMPLED, "content-type": content_type}
    priced = order(1)
    priced["items"][0]["unitPrice"] = {"amountMinor": 100, "currency": "EUR"}
    placed = ask(f"{url}/api/orders", method="POST", body=priced, headers=headers)
    order_id = placed.body["orderId"]
    assert ask(f"{url}/api/orders/{order_id}?wait=Shipped&timeoutMs=30000").body["status"] == "Shipped"
    eventually(lambda: len(receiver.of_order(order_id)) >= 14, "the last spans arrive")
    spans = receiver.of_order(order_id)
    (server,) = [span for span in spans if span.kind == "SERVER"]
    assert (server.name, server.trace_id, server.parent_id) == ("POST /api/orders", TRACE, CLIENT)
    assert server.attributes["http.response.status_code"] == 201
    assert {span.trace_id for span in spans} == {TRACE}
    assert {span.parent_id for span in spans if span is not server} == {server.span_id}
    topic = parts.get("ORDERS_TOPIC", "order-events")
    assert sorted((span.name, span.kind) for span in spans) == sorted(
        [
            ("POST /api/orders", "SERVER"),
            ("commit batch", "CLIENT"),
            ("commit orders", "INTERNAL"),
            (f"send {topic}", "PRODUCER"),
            (f"process {topic}", "CONSUMER"),
            ("report status", "CLIENT"),
            ("report status", "CLIENT"),
            ("update status", "INTERNAL"),
            ("update status", "INTERNAL"),
            ("reserve stock", "INTERNAL"),
            ("consume stock", "INTERNAL"),
            ("authorize", "CLIENT"),
            ("ship", "CLIENT"),
            ("capture", "CLIENT"),
        ]
    )
    by_name = {span.name: span for span in spans}
    assert by_name["commit orders"].linked == (by_name["commit batch"].span_id,)
    assert by_name[f"process {topic}"].linked == (server.span_id,)
    assert server.attributes["url.scheme"] == "http"
    system = "kafka" if "ORDERS_TOPIC" in parts else "orderflow"
    for name in (f"send {topic}", f"process {topic}"):
        assert by_name[name].attributes["messaging.system"] == system
    for name in ("report status", "update status"):
        reported = [span.attributes["orderflow.order_status"] for span in spans if span.name == name]
        assert reported == ["Processing", "Shipped"]
    assert by_name["update status"].attributes["orderflow.outcome"] == "updated"
    assert by_name["reserve stock"].attributes["orderflow.outcome"] == "reserved"
    assert not any(span.is_error for span in spans)


def track_stock(port: int) -> None:
    """Give the first product of `order` a stock record. `port` is the Fulfillment Service's."""
    url = f"http://127.0.0.1:{port}/api/fulfillment/stock/product-0"
    assert ask(url, method="PUT", body={"onHand": 5}, headers=NOT_SAMPLED).status == 200


class Carrier:
    """A carrier that has no shipments, and answers everything else with `status`. `contexts` are the trace
    contexts of the requests to it."""

    def __init__(self, status: int) -> None:
        self.status = status
        self.contexts: list[str | None] = []
        carrier = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                self._answer(carrier.status, b"{}")

            def do_GET(self) -> None:
                self._answer(200, b'{"shipments":[]}')

            def _answer(self, status: int, body: bytes) -> None:
                carrier.contexts.append(self.headers["traceparent"])
                self.send_response(status)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def settings(self) -> dict[str, str]:
        return {"CARRIER": "http", "CARRIER_URL": f"http://127.0.0.1:{self.server.server_port}"}


@contextmanager
def carrier_that_answers(status: int) -> Generator[Carrier]:
    carrier = Carrier(status)
    threading.Thread(target=carrier.server.serve_forever, daemon=True).start()
    try:
        yield carrier
    finally:
        carrier.server.shutdown()
        carrier.server.server_close()


def test_a_cancelled_orders_spans_tell_failed_calls_and_name_no_person(
    start: StartRole, parts: dict[str, str], receiver: Receiver
) -> None:
    """The carrier's outage leaves the order waiting until it is cancelled."""
    with carrier_that_answers(503) as carrier:
        port = free_port()
        url = up(start, parts, **carrier.settings, FULFILLMENT_PORT=str(port)).url()
        track_stock(port)
        order_id = ask(f"{url}/api/orders", method="POST", body=order(1), headers=SAMPLED).body["orderId"]

        def failed() -> bool:
            return any(span.name == "ship" and span.is_error for span in receiver.of_order(order_id))

        eventually(failed, "a failed call of the carrier is told")
        cancelling = ask(
            f"{url}/api/orders/{order_id}/cancel",
            method="POST",
            body={"reason": "Secret Name 1 asked for it"},
            headers={"traceparent": SAMPLED["traceparent"].replace(TRACE, "1" * 32)},
        )
        assert cancelling.body["status"] == "Cancelling"

        def names() -> set[str]:
            return {span.name.partition(" ")[0] for span in receiver.spans if span.trace_id == "1" * 32}

        eventually(lambda: {"POST", "send", "process"} <= names(), "the cancellation's own trace is told")
        carrier.status = 422

        def reported() -> list[str]:
            spans = [span for span in receiver.of_order(order_id) if span.trace_id == TRACE]
            return [
                span.attributes["orderflow.order_status"] for span in spans if span.name == "report status"
            ]

        eventually(lambda: reported() == ["Processing", "Cancelled"], "the end is told in the order's trace")
        (undone,) = [s for s in receiver.of_order(order_id) if s.name == "undo ship" and not s.is_error]
        assert (undone.trace_id, undone.attributes["orderflow.outcome"]) == (TRACE, "undone")
        (released,) = [s for s in receiver.of_order(order_id) if s.name == "release stock"]
        assert released.trace_id == TRACE
    told = repr(receiver.spans)
    assert "Secret Name" not in told
    assert "product-" not in told


def test_a_dead_letter_is_told_in_its_orders_trace_and_the_carrier_gets_its_calls_context(
    start: StartRole, parts: dict[str, str], receiver: Receiver
) -> None:
    with carrier_that_answers(400) as carrier:
        url = up(start, parts, **carrier.settings).url()
        order_id = ask(f"{url}/api/orders", method="POST", body=order(1), headers=SAMPLED).body["orderId"]

        def letters() -> list[Span]:
            return [span for span in receiver.of_order(order_id) if span.name == "dead letter"]

        eventually(lambda: bool(letters()), "the dead letter is told")
        (letter,) = letters()
        assert (letter.trace_id, letter.is_error) == (TRACE, True)
        assert letter.attributes["orderflow.dead_letter.kind"] == "carrier-refused"
        (call,) = [span for span in receiver.of_order(order_id) if span.name == "ship"]
        assert call.attributes["error.type"] == "HTTP 400"
        assert carrier.contexts == [f"00-{TRACE}-{call.span_id}-01"]
        ask(f"{url}/api/orders", method="POST", body=order(2), headers=NOT_SAMPLED)
        eventually(lambda: len(carrier.contexts) == 2, "the carrier is called for the next order")
        assert carrier.contexts[1] is None


def test_a_role_ends_in_time_though_nobody_takes_its_spans(
    start: StartRole, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    role = up(start, {"DATA_DIR": str(tmp_path / "data")})
    url = role.url()
    order_id = ask(f"{url}/api/orders", method="POST", body=order(1), headers=SAMPLED).body["orderId"]
    assert ask(f"{url}/api/orders/{order_id}?wait=Shipped&timeoutMs=30000").body["status"] == "Shipped"
    assert role.stop() == 0


def test_a_request_that_its_caller_does_not_sample_leaves_no_span(
    start: StartRole, tmp_path: Path, receiver: Receiver
) -> None:
    role = up(start, {"DATA_DIR": str(tmp_path / "data")})
    url = role.url()
    unseen = ask(f"{url}/api/orders", method="POST", body=order(1), headers=NOT_SAMPLED).body["orderId"]
    assert ask(f"{url}/api/orders/{unseen}?wait=Shipped&timeoutMs=30000").body["status"] == "Shipped"
    assert role.stop() == 0
    assert receiver.spans, "the other requests are told, at the latest when the role ends"
    assert receiver.of_order(unseen) == []
