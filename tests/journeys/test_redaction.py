"""What a client writes about people stays in the order: no log line and no span repeats it, wherever sent."""

from pathlib import Path
from typing import Any

import pytest
from conftest import StartRole
from hypothesis import given, settings
from hypothesis import strategies as st
from processes import ask
from tests.otlp_receiver import receiving

MARK = "Zq§"
"""Begins every generated text, so that none is found by chance."""

TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), max_size=40).map(MARK.__add__)
ADDRESSES = st.fixed_dictionaries(
    {
        "name": TEXTS,
        "lines": st.lists(TEXTS, min_size=1, max_size=3),
        "city": TEXTS,
        "country": st.just("DE"),
    },
    optional={"region": TEXTS, "postalCode": TEXTS},
)
ORDERS: st.SearchStrategy[Any] = st.fixed_dictionaries(
    {
        "customer": st.fixed_dictionaries({"customerId": st.just("c-1"), "name": TEXTS}),
        "items": st.lists(
            # A quantity of 0 is refused.
            st.fixed_dictionaries({"productId": st.just("p-1"), "quantity": st.integers(0, 5)}),
            min_size=1,
            max_size=3,
        ),
    },
    optional={"shipTo": ADDRESSES, "unknown": TEXTS},
)
KEYS = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", max_size=40).map("Zq-key-".__add__)


def test_no_name_address_or_key_of_any_order_is_in_a_log_line_or_span(
    start: StartRole, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with receiving() as receiver:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
        monkeypatch.setenv("OTEL_BLRP_MAX_QUEUE_SIZE", "100000")
        role = start(
            "up",
            DATA_DIR=str(tmp_path / "data"),
            PORT="0",
            FULFILLMENT_PORT="0",
            CARRIER_DELAY_MS="0-0",
            CARRIER_FAILURE_RATE="0.3",
            LOG_LEVEL="DEBUG",
        )
        url = role.url()
        statuses: set[int] = set()

        @settings(max_examples=80, deadline=None, database=None)
        @given(order=ORDERS, key=KEYS, reason=TEXTS)
        def placed(order: dict[str, Any], key: str, reason: str) -> None:
            headers = {"idempotency-key": key}
            answer = ask(f"{url}/api/orders", method="POST", body=order, headers=headers)
            statuses.add(answer.status)
            if answer.status == 201:
                path = f"{url}/api/orders/{answer.body['orderId']}"
                ask(f"{path}/cancel", method="POST", body={"reason": reason})
                ask(f"{path}?wait=Shipped&timeoutMs=5000")

        placed()
        assert role.stop() == 0
        assert {201, 422} <= statuses
        assert len(receiver.spans) > 100
        assert sum(line["event"] == "request" for line in role.log_lines()) > 80
        outcomes = [line for line in role.log_lines() if line["event"].startswith("shipment.")]
        assert outcomes
        assert all({"order_id", "correlation_id", "trace_id"} <= line.keys() for line in outcomes)
        sent = {
            (line.event_name, line.attributes.get("orderflow.order_id"), line.trace_id)
            for line in receiver.logs
        }
        assert {(line["event"], line["order_id"], line["trace_id"]) for line in outcomes} <= sent
        told = role.output + repr(receiver.spans) + repr(receiver.logs)
        assert "Zq" not in told
