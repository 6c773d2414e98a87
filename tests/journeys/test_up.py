"""`orderflow up` as a new user meets it: one process, over HTTP, killed and started again."""

import random
import threading
import time
from collections import Counter
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest
from conftest import StartRole
from processes import Role, all_orders, ask, eventually, order
from tests.ports import free_port

TERMINAL = {"Shipped", "Failed", "Cancelled"}


def up(start: StartRole, data: Path, **settings: str) -> Role:
    defaults = {"DATA_DIR": str(data), "PORT": "0", "FULFILLMENT_PORT": "0", "CARRIER_DELAY_MS": "0-50"}
    return start("up", **(defaults | settings))


def test_an_order_ships_with_carrier_and_tracking_number(start: StartRole, tmp_path: Path) -> None:
    url = up(start, tmp_path / "data", CARRIER_FAILURE_RATE="0").url()
    placed = ask(f"{url}/api/orders", method="POST", body=order(1, items=3))
    assert placed.status == 201
    assert placed.headers["location"] == f"/api/orders/{placed.body['orderId']}"
    shipped = ask(f"{url}{placed.headers['location']}?wait=Shipped&timeoutMs=30000").body
    assert shipped["status"] == "Shipped"
    assert shipped["fulfillment"]["carrier"]
    assert shipped["fulfillment"]["trackingNumber"]
    assert shipped["fulfillment"]["shippedAt"].endswith("Z")
    assert shipped["items"] == placed.body["items"]
    timeline = ask(f"{url}{placed.headers['location']}/timeline").body["items"]
    assert [entry["status"] for entry in timeline if entry["kind"] == "change"] == [
        "Created",
        "Processing",
        "Shipped",
    ]
    (event,) = [entry for entry in timeline if entry["kind"] == "event"]
    assert event["eventType"] == "OrderCreated"
    assert event["topicPosition"] is not None


def test_a_rejected_order_fails_with_the_carriers_words_and_stops_no_other(
    start: StartRole, tmp_path: Path
) -> None:
    url = up(start, tmp_path / "data", CARRIER_FAILURE_RATE="0.5").url()
    batch = {"orders": [order(n) for n in range(60)]}
    assert ask(f"{url}/api/orders/batch", method="POST", body=batch).status == 200
    eventually(lambda: all(o["status"] in TERMINAL for o in all_orders(url)), "all orders end")
    orders = all_orders(url)
    failed = [o for o in orders if o["status"] == "Failed"]
    assert 10 < len(failed) < 50
    assert {o["fulfillment"]["errorMessage"] for o in failed} == {"Simulated carrier rejection"}
    assert sum(1 for o in orders if o["status"] == "Shipped") == 60 - len(failed)


def test_a_second_up_on_the_same_data_says_so_and_stops(start: StartRole, tmp_path: Path) -> None:
    first = up(start, tmp_path / "data")
    first.url()
    second = up(start, tmp_path / "data")
    assert second.process.wait(timeout=30) == 1
    assert f"process {first.process.pid} already uses" in second.output
    assert "Traceback" not in second.output


def test_a_port_in_use_is_named_with_what_to_do(start: StartRole, tmp_path: Path) -> None:
    port = up(start, tmp_path / "data").url().rsplit(":", 1)[1]
    other = up(start, tmp_path / "other", PORT=port)
    assert other.process.wait(timeout=30) == 1
    assert "ORDERFLOW_PORT" in other.output
    assert "Traceback" not in other.output


def test_sigterm_drains_with_exit_code_0_and_loses_nothing(start: StartRole, tmp_path: Path) -> None:
    role = up(start, tmp_path / "data", CARRIER_DELAY_MS="100-3000", CARRIER_FAILURE_RATE="0")
    url = role.url()
    ask(f"{url}/api/orders/batch", method="POST", body={"orders": [order(n) for n in range(200)]})
    assert role.stop() == 0, role.output
    url = up(start, tmp_path / "data", CARRIER_FAILURE_RATE="0").url()
    eventually(lambda: all(o["status"] == "Shipped" for o in all_orders(url)), "all orders ship")
    assert len(all_orders(url)) == 200


def test_logs_carry_the_clients_ids_from_request_to_shipment_and_no_names(
    start: StartRole, tmp_path: Path
) -> None:
    role = up(start, tmp_path / "data", CARRIER_FAILURE_RATE="0")
    url = role.url()
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    ids = {"X-Correlation-ID": "journey-1", "traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
    placed = ask(f"{url}/api/orders", method="POST", body=order(1), headers=ids)
    assert placed.headers["x-correlation-id"] == "journey-1"
    assert placed.body["correlationId"] == "journey-1"
    order_url = f"{url}/api/orders/{placed.body['orderId']}"
    ask(f"{order_url}?wait=Shipped")
    timeline = ask(f"{order_url}/timeline").body["items"]
    assert {entry["correlationId"] for entry in timeline} == {"journey-1"}

    def outcomes() -> list[dict[str, Any]]:
        return [line for line in role.log_lines() if line["event"] == "shipment.shipped"]

    eventually(lambda: len(outcomes()) == 1, "the outcome is logged")
    assert (outcomes()[0]["correlation_id"], outcomes()[0]["trace_id"]) == ("journey-1", trace)
    requests = [line for line in role.log_lines() if line.get("correlation_id") == "journey-1"]
    assert any(line["event"] == "request" and line["trace_id"] == trace for line in requests)
    assert "Secret Name" not in role.output


@pytest.mark.timeout(240)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_killed_at_any_moment_every_acknowledged_order_ends_and_ships_once(
    start: StartRole, tmp_path: Path, seed: int
) -> None:
    """`up` is killed (-9) five times under load; carrier-sim's ledger shows what shipped."""
    chance = random.Random(seed)
    carrier = start("carrier-sim", "--port", "0", "--delay-ms", "0-150", "--failure-rate", "0.1",
                    "--ledger", str(tmp_path / "ledger.db"))  # fmt: skip
    settings = {"CARRIER": "http", "CARRIER_URL": carrier_url(carrier), "PORT": str(free_port())}
    role = up(start, tmp_path / "data", **settings)
    url = role.url()
    acknowledged: dict[str, dict[str, Any]] = {}
    done = threading.Event()

    def place_orders() -> None:
        number = 0
        while not done.is_set():
            number += 1
            try:
                answer = ask(f"{url}/api/orders", method="POST", body=order(number))
            except (OSError, HTTPException):  # no answer, or half of one: the order may exist
                time.sleep(0.02)
                continue
            if answer.status == 201:
                acknowledged[answer.body["orderId"]] = answer.body

    clients = [threading.Thread(target=place_orders, daemon=True) for _ in range(4)]
    for client in clients:
        client.start()
    for _ in range(5):
        time.sleep(chance.uniform(0.2, 1.5))
        role.kill()
        role = up(start, tmp_path / "data", **settings)
        role.url()
    done.set()
    for client in clients:
        client.join(timeout=30)
    eventually(lambda: all(o["status"] in TERMINAL for o in all_orders(url)), "all orders end", 90)
    stored = {o["orderId"]: o for o in all_orders(url)}
    assert len(acknowledged) > 20
    for order_id, placed in acknowledged.items():
        assert stored[order_id]["items"] == placed["items"]
        assert stored[order_id]["customer"] == placed["customer"]
    ledger = ask(f"{settings['CARRIER_URL']}/v1/ledger").body["shipments"]
    live = Counter(s["orderId"] for s in ledger if s["state"] == "live")
    assert {i for i, count in live.items() if count > 1} == set()
    assert set(live) == {i for i, o in stored.items() if o["status"] == "Shipped"}


def carrier_url(carrier: Role) -> str:
    eventually(lambda: "http://" in carrier.output, "carrier-sim listens")
    return "http://127.0.0.1:" + carrier.output.split("http://127.0.0.1:")[1].split(",")[0].split()[0]
