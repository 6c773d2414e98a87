"""What the Order Service counts, as a scraper reads it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.openmetrics import parser
from prometheus_client.parser import text_string_to_metric_families as plain_text
from prometheus_client.samples import Sample
from tests.orders.conftest import ORDER, Service, eventually

OPENMETRICS: Any = parser  # it has no types
COUNT = "db_client_operation_duration_seconds_count"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    service = Service(f"sqlite:///{tmp_path / 'orders.db'}", tmp_path / "log.db")
    try:
        yield service
    finally:
        service.close()


def scraped(service: Service) -> list[Sample]:
    answer = service.send("GET", "/metrics", headers={"Accept": "application/openmetrics-text"})
    assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    return [
        sample
        for family in OPENMETRICS.text_string_to_metric_families(answer.body.decode())
        for sample in family.samples
    ]


def value(samples: list[Sample], name: str, **labels: str) -> float:
    return sum(s.value for s in samples if s.name == name and labels.items() <= s.labels.items())


def calls_by_name(samples: list[Sample]) -> dict[str, float]:
    calls: dict[str, float] = {}
    for sample in samples:
        if sample.name == COUNT:
            name = sample.labels["db_operation_name"]
            calls[name] = calls.get(name, 0) + sample.value
    return calls


def requests(samples: list[Sample], method: str, route: str, status: int) -> float:
    return value(
        samples,
        "http_server_request_duration_seconds_count",
        http_request_method=method,
        http_route=route,
        http_response_status_code=str(status),
    )


@pytest.mark.parametrize("short_way", [True, False])
def test_requests_are_counted_by_the_templates_of_their_routes(tmp_path: Path, short_way: bool) -> None:
    service = Service(f"sqlite:///{tmp_path / 'orders.db'}", short_way=short_way)
    try:
        before = scraped(service)
        order = service.placed()
        service.send("GET", f"/api/orders/{order['orderId']}")
        service.send("GET", f"/nowhere/{order['orderId']}")
        service.send("POST", "/api/orders", [])
        service.send("BREW", "/api/orders")
        after = scraped(service)
    finally:
        service.close()
    for method, route, status in (
        ("POST", "/api/orders", 201),
        ("GET", "/api/orders/{order_id}", 200),
        ("GET", "", 404),
        ("POST", "/api/orders", 422),
        ("GET", "/metrics", 200),
    ):
        counted = requests(after, method, route, status) - requests(before, method, route, status)
        assert counted == 1, (method, route, status)
    known = {None, "_OTHER", "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"}
    assert {s.labels.get("http_request_method") for s in after} <= known
    assert not [s for s in after if order["orderId"] in str(s.labels)]


def test_a_request_of_a_sampled_trace_is_an_exemplar(service: Service) -> None:
    service.send("POST", "/api/orders", ORDER, {"traceparent": f"00-{'a' * 32}-00f067aa0ba902b7-00"})
    service.send("POST", "/api/orders", ORDER, {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"})
    exemplars = [s.exemplar.labels for s in scraped(service) if s.exemplar]
    assert {"trace_id": TRACE} in exemplars
    assert {"trace_id": "a" * 32} not in exemplars


def test_an_order_is_counted_in_its_batch_and_in_what_the_database_and_the_log_do(service: Service) -> None:
    before = scraped(service)
    service.placed()
    eventually(lambda: value(scraped(service), "orderflow_outbox_backlog") == 0)
    eventually(
        lambda: (
            value(scraped(service), "orderflow_produced_events_total", outcome="published")
            == value(before, "orderflow_produced_events_total", outcome="published") + 1
        )
    )
    after = scraped(service)
    for name, labels in (
        ("orderflow_intake_batch_orders_sum", {}),
        ("orderflow_produce_duration_seconds_count", {}),
        (
            COUNT,
            {"db_operation_name": "place_orders", "db_system_name": "sqlite"},
        ),
    ):
        assert value(after, name, **labels) - value(before, name, **labels) == 1, name
    for name, labels in (
        ("orderflow_intake_queue_age_seconds_count", {}),
        (COUNT, {"db_operation_name": "commit"}),
        ("orderflow_loop_turn_duration_seconds_count", {"loop": "writer-orders"}),
    ):
        assert value(after, name, **labels) > value(before, name, **labels), name
    assert value(after, "orderflow_orders", status="Created") == 1
    assert value(after, "orderflow_scrape_complete") == 1


def test_what_is_done_by_hand_is_called_like_its_use_case_though_it_is_audited(service: Service) -> None:
    before = calls_by_name(scraped(service))
    order_id = service.placed()["orderId"]
    service.send("POST", f"/api/orders/{order_id}/hold")
    after = calls_by_name(scraped(service))
    called = {name for name, calls in after.items() if calls > before.get(name, 0)}
    assert "update_orders" in called
    assert not called & {"recorded", "place", "other", "<lambda>"}


def test_only_the_move_to_shipped_is_timed(service: Service) -> None:
    before = scraped(service)
    order_id = service.placed()["orderId"]
    shipped = {
        "status": "Shipped",
        "fulfillment": {"carrier": "C", "trackingNumber": "T", "shippedAt": "2026-01-01T00:00:00Z"},
    }
    attention = {"attention": {"kind": "other", "reason": "none"}}
    for update in ({"status": "Processing"}, shipped, shipped, attention):
        assert service.patch(order_id, **update).status == 204
    after = scraped(service)
    name = "orderflow_order_to_shipped_seconds"
    assert value(after, f"{name}_count") - value(before, f"{name}_count") == 1
    assert 0 <= value(after, f"{name}_sum") - value(before, f"{name}_sum") < 60
    assert value(after, "orderflow_orders_attention") == 1


def test_who_does_not_ask_for_openmetrics_gets_the_text_format(service: Service) -> None:
    answer = service.send("GET", "/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    names = {family.name for family in plain_text(answer.body.decode())}
    assert {"orderflow_outbox_backlog", "http_server_request_duration_seconds"} <= names


def test_a_scrape_without_the_database_says_that_it_is_incomplete(service: Service) -> None:
    service.placed()
    service.process.reader.close()
    after = scraped(service)
    assert value(after, "orderflow_scrape_complete") == 0
    assert not [s for s in after if s.name == "orderflow_outbox_backlog"]
    assert requests(after, "POST", "/api/orders", 201) >= 1
