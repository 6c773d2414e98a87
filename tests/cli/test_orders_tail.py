"""`orderflow orders tail`: the changes of orders in a terminal."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.orders.conftest import ORDER, Service

from orderflow.security.authentication import UNKNOWN

OTHERS_ORDER = {**ORDER, "customer": {"customerId": "CUST-2", "name": "Bob"}}


@pytest.fixture
def service(tmp_path: Path) -> Generator[Service]:
    """Its streams last 0.1 s, so the command must resume all the time."""
    service = Service(f"sqlite:///{tmp_path / 'orders.db'}", sequencing=True)
    yield service
    service.close()


@contextmanager
def tailing(url: str, *arguments: str) -> Generator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        [sys.executable, "-m", "orderflow", "orders", "tail", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "ORDERFLOW_ORDERS_URL": url},
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def url(service: Service) -> str:
    return f"http://127.0.0.1:{service.port}"


def lines(process: "subprocess.Popen[str]", count: int) -> list[str]:
    assert process.stdout is not None
    return [process.stdout.readline().rstrip("\n") for _ in range(count)]


def test_it_shows_each_change_once_however_often_it_must_resume_until_ctrl_c(service: Service) -> None:
    with tailing(url(service), "--since", "0") as tail:
        found: list[str] = []
        for number in range(3):
            placed = service.placed()
            order_id = placed["orderId"]
            service.patch(order_id, status="Processing", attention={"kind": "stuck", "reason": "Ada"})
            first, second = 2 * number + 1, 2 * number + 2
            changed = service.get(f"/api/orders/{order_id}")["updatedAt"]
            found = lines(tail, 2)
            assert found == [
                f"{first}  {placed['createdAt']}  {order_id}  Created     version 1",
                f"{second}  {changed}  {order_id}  Processing  version 2  attention: stuck",
            ]
        tail.send_signal(signal.SIGINT)
        assert tail.communicate(timeout=60) == ("", "")
        assert tail.returncode == 0


def test_with_json_it_prints_an_object_for_each_change_of_one_customer(service: Service) -> None:
    service.placed(OTHERS_ORDER)
    order_id = service.placed()["orderId"]
    with tailing(url(service), "--since", "0", "--customer", "CUST-1", "--json") as tail:
        (line,) = lines(tail, 1)
        change = json.loads(line)
        assert (change["position"], change["orderId"], change["status"]) == (2, order_id, "Created")


def test_it_shows_changes_to_some_statuses_alone(service: Service) -> None:
    order_id = service.placed()["orderId"]
    service.patch(order_id, status="Processing")
    other_id = service.placed()["orderId"]
    with tailing(url(service), "--since", "0", "--status", "Processing", "--status", "Shipped") as tail:
        (first,) = lines(tail, 1)
        service.patch(other_id, status="Processing")
        (second,) = lines(tail, 1)
    assert order_id in first
    assert other_id in second
    with tailing(url(service), "--status", "Lost") as tail:
        _, told = tail.communicate(timeout=60)
        assert "status" in told
        assert tail.returncode == 2


def test_it_says_where_changes_are_missing(service: Service) -> None:
    with tailing(url(service), "--since", "99", "--json") as tail:
        assert lines(tail, 1) == ['{"position": 0, "reset": true}']
        service.placed()
        assert json.loads(lines(tail, 1)[0])["position"] == 1
        tail.send_signal(signal.SIGINT)
        _, told = tail.communicate(timeout=60)
        assert told == "changes after position 99 are missing; it goes on after position 0\n"
        assert tail.returncode == 0


def test_it_ends_with_1_where_nobody_answers_and_where_it_is_refused(tmp_path: Path) -> None:
    service = Service(f"sqlite:///{tmp_path / 'orders.db'}", authenticate=lambda _: UNKNOWN)
    with tailing(url(service)) as tail:
        _, told = tail.communicate(timeout=60)
        assert tail.returncode == 1
        assert "ORDERFLOW_API_KEY" in told
    service.close()
    with tailing(url(service)) as tail:
        _, told = tail.communicate(timeout=60)
        assert tail.returncode == 1
        assert "no Order Service answers" in told


def test_a_position_below_0_is_wrong_use() -> None:
    with tailing("http://127.0.0.1:9", "--since=-1") as tail:
        tail.communicate(timeout=60)
        assert tail.returncode == 2
