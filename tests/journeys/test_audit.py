"""`orderflow audit` against a system that works."""

import contextlib
import json
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from processes import Answer, Role, StartRole, ask, eventually, order


def free_ports(count: int) -> list[str]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [str(each.getsockname()[1]) for each in sockets]


class System:
    """`orderflow up` with a carrier and a payment provider that keep ledgers."""

    def __init__(self, start: StartRole, directory: Path) -> None:
        own, carrier, payments = free_ports(3)
        self._directory = directory
        self.ledgers = {
            "CARRIER_URL": f"http://127.0.0.1:{carrier}",
            "PAYMENTS_URL": f"http://127.0.0.1:{payments}",
        }
        start("carrier-sim", "--port", carrier, "--ledger", "carrier.db", "--failure-rate", "0.1")
        start("payment-sim", "--port", payments, "--ledger", "payments.db", "--decline-rate", "0.1")
        parties = {"CARRIER": "http", "PAYMENTS": "http", **self.ledgers}
        self.up: Role = start("up", PORT="0", FULFILLMENT_PORT=own, **parties)
        self.url = self.up.url()
        self._own = f"http://127.0.0.1:{own}"

    @property
    def environment(self) -> dict[str, str]:
        settings = {
            "ORDERS_URL": self.url,
            "FULFILLMENT_URL": self._own,
            "CARRIER": "http",
            "PAYMENTS": "http",
        }
        settings |= self.ledgers
        return {**os.environ, **{f"ORDERFLOW_{name}": value for name, value in settings.items()}}

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "orderflow", "audit", *arguments]

    def audit(self, *arguments: str) -> dict[str, Any]:
        done = subprocess.run(
            self.command("--json", *arguments),
            capture_output=True,
            text=True,
            env=self.environment,
            cwd=self._directory,
            timeout=100,
            check=False,
        )
        assert done.stdout, done.stderr
        report: dict[str, Any] = json.loads(done.stdout)
        assert done.returncode == (1 if report["findings"] else 0)
        return report

    def put(self, product: str, count: int) -> None:
        path = f"{self._own}/api/fulfillment/stock/{product}"
        assert ask(path, method="PUT", body={"onHand": count}).status == 200

    def execute(self, database: str, statement: str, *values: object) -> None:
        file = self._directory / ".orderflow" / f"{database}.db"
        with contextlib.closing(sqlite3.connect(file, timeout=10)) as connection, connection:
            connection.execute(statement, values)


@pytest.fixture
def system(start: StartRole, tmp_path: Path) -> System:
    system = System(start, tmp_path)
    system.put("product-0", 50)
    system.put("product-1", 10_000)
    return system


def priced(number: int) -> dict[str, Any]:
    made = order(number, items=2)
    for item in made["items"]:
        item["unitPrice"] = {"amountMinor": 100 + number, "currency": "EUR"}
    return made


@contextlib.contextmanager
def load(url: str) -> Generator[list[str]]:
    """Orders that are placed while the block runs, some of which are cancelled or held."""
    placed: list[str] = []
    over = threading.Event()

    def act(order_id: str, action: str) -> Answer:
        return ask(f"{url}/api/orders/{order_id}/{action}", method="POST", body={})

    def place() -> None:
        while not over.is_set():
            answer = ask(f"{url}/api/orders", method="POST", body=priced(len(placed)))
            assert answer.status == 201
            placed.append(answer.body["orderId"])
            chosen = random.choice(placed)
            if len(placed) % 5 == 0:
                act(chosen, "cancel")
            if len(placed) % 7 == 0 and act(chosen, "hold").status == 200:
                act(chosen, "release")
            time.sleep(0.01)

    thread = threading.Thread(target=place)
    thread.start()
    try:
        yield placed
    finally:
        over.set()
        thread.join()


@pytest.mark.timeout(240)
def test_a_system_under_load_gives_no_finding_and_one_that_was_tampered_with_does(system: System) -> None:
    with load(system.url) as placed:
        eventually(lambda: len(placed) >= 200, "there are 200 orders")
        report = system.audit("--grace-s", "0", "--again-after-s", "10")
        assert report["findings"] == []
        assert report["orders"] >= 200
    final = "status=Created&status=Processing&status=Cancelling&status=OnHold"
    open_ones = f"{system.url}/api/orders?{final}"
    eventually(lambda: not ask(open_ones).body["items"], "all orders have ended")
    report = system.audit("--grace-s", "0", "--again-after-s", "2")
    assert report["findings"] == []
    assert report["orders"] == report["shipments"] == len(placed)
    shipped = ask(f"{system.url}/api/orders?status=Shipped&limit=1").body["items"][0]["orderId"]
    system.execute("orders", "UPDATE orders SET tracking_number = 'another' WHERE order_id = ?", shipped)
    report = system.audit("--grace-s", "0", "--again-after-s", "1")
    assert {(each["kind"], each["subject"]) for each in report["findings"]} == {
        ("status-differs", shipped),
        ("not-at-carrier", shipped),
    }


@pytest.mark.timeout(120)
def test_a_scheduled_audit_shows_its_findings_as_metrics_until_it_is_told_to_stop(
    system: System, tmp_path: Path
) -> None:
    (port,) = free_ports(1)
    options = ("--every", "1s", "--grace-s", "0", "--again-after-s", "0", "--metrics-port", port, "--json")
    placed = ask(f"{system.url}/api/orders", method="POST", body=priced(1)).body["orderId"]
    ask(f"{system.url}/api/orders/{placed}?wait=Shipped&timeoutMs=60000")
    with (tmp_path / "audit.log").open("wb") as output:
        process = subprocess.Popen(
            system.command(*options),
            env=system.environment,
            cwd=tmp_path,
            stdout=output,
            stderr=subprocess.DEVNULL,
        )
    try:

        def shows(text: str) -> bool:
            return text in ask(f"http://127.0.0.1:{port}/metrics").body

        eventually(lambda: shows("orderflow_audit_completed_timestamp_seconds"), "an audit was made")
        eventually(lambda: shows('orderflow_audit_findings{kind="stock-below-zero"} 0.0'), "nothing is found")
        system.execute("fulfillment", "UPDATE stock SET on_hand = -1 WHERE product_id = 'product-0'")
        eventually(lambda: shows('orderflow_audit_findings{kind="stock-below-zero"} 1.0'), "it is found")
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=15) == 0
    finally:
        process.kill()
        process.wait()
    reports = [json.loads(line) for line in (tmp_path / "audit.log").read_text().splitlines()]
    found = {(each["kind"], each["what"]) for report in reports for each in report["findings"]}
    assert found == {("stock-below-zero", "-1 are on hand")}
