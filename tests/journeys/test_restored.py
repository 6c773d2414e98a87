"""A database is restored from an older backup, while the other database, the event log and the ledgers have
gone on: `orderflow recover` brings everything together again."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import psycopg
import pytest
from processes import Role, StartRole, ask, eventually, order
from psycopg import sql
from test_audit import free_ports

Lost = Literal["orders", "fulfillment"]
BOTH: tuple[Lost, ...] = ("orders", "fulfillment")
FINAL = {"Shipped", "Failed", "Cancelled"}


class Deployment:
    """All roles with a carrier and a payment provider that keep ledgers; the roles stop for a backup."""

    def __init__(self, start: StartRole, directory: Path) -> None:
        carrier, payments, self._port, self._own = free_ports(4)
        self._start, self._directory = start, directory
        self.carrier = f"http://127.0.0.1:{carrier}"
        self.url, self.own = (f"http://127.0.0.1:{port}" for port in (self._port, self._own))
        start("carrier-sim", "--port", carrier, "--ledger", "carrier.db", "--failure-rate", "0.2")
        start("payment-sim", "--port", payments, "--ledger", "payments.db", "--decline-rate", "0.1")
        self.settings = {
            "CARRIER": "http",
            "CARRIER_URL": self.carrier,
            "PAYMENTS": "http",
            "PAYMENTS_URL": f"http://127.0.0.1:{payments}",
            "ORDERS_URL": self.url,
            "FULFILLMENT_URL": self.own,
        }
        self._roles: list[Role] = []

    def roles(self) -> list[list[str]]:
        return [["up"]]

    def start(self) -> None:
        ports = {"PORT": self._port, "FULFILLMENT_PORT": self._own}
        self._roles = [self._start(*role, **self.settings, **ports) for role in self.roles()]
        for url in (self.url, self.own):
            eventually(lambda url=url: ask(f"{url}/health/ready").status == 200, "the roles answer")

    def stop(self) -> None:
        for role in self._roles:
            assert role.stop() == 0

    def back_up(self) -> None:
        for name in BOTH:
            shutil.copy(self._directory / ".orderflow" / f"{name}.db", self._directory / f"{name}.backup")

    def restore(self, name: Lost) -> None:
        shutil.copy(self._directory / f"{name}.backup", self._directory / ".orderflow" / f"{name}.db")

    def run(self, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        given = {f"ORDERFLOW_{name}": value for name, value in {**self.settings, **settings}.items()}
        return subprocess.run(
            [sys.executable, "-m", "orderflow", *arguments],
            capture_output=True,
            text=True,
            env={**os.environ, **given},
            cwd=self._directory,
            timeout=100,
            check=False,
        )

    def audit(self, **settings: str) -> set[tuple[str, str]]:
        done = self.run("audit", "--json", "--grace-s", "0", "--again-after-s", "3", **settings)
        assert done.stdout, done.stderr
        return {(each["kind"], each["subject"]) for each in json.loads(done.stdout)["findings"]}

    def place(self, number: int) -> str:
        body = order(number)
        body["items"][0]["unitPrice"] = {"amountMinor": 100 + number, "currency": "EUR"}
        answer = ask(f"{self.url}/api/orders", method="POST", body=body, headers=key(number))
        assert answer.status == 201, answer.body
        return str(answer.body["orderId"])

    def act(self, order_id: str, action: str) -> int:
        return ask(f"{self.url}/api/orders/{order_id}/{action}", method="POST", body={}).status

    def told(self, order_id: str) -> tuple[str, str | None]:
        """The order's status and tracking number; what it ships with is what the carrier has made."""
        body: dict[str, Any] = ask(f"{self.url}/api/orders/{order_id}").body
        fulfillment: dict[str, Any] = body.get("fulfillment") or {}
        return body["status"], fulfillment.get("trackingNumber")

    def has_ended(self, order_ids: list[str]) -> bool:
        return {self.told(order_id)[0] for order_id in order_ids} <= FINAL

    def in_doubt(self) -> set[str]:
        found = ask(f"{self.url}/api/orders?attention=true&limit=200").body["items"]
        return {each["orderId"] for each in found if each["attention"]["kind"] == "cancellation-in-doubt"}

    def shipped(self) -> list[str]:
        """The orders of all live shipments."""
        entries: list[dict[str, Any]] = ask(f"{self.carrier}/v1/ledger").body["shipments"]
        return sorted(each["orderId"] for each in entries if each["state"] == "live")


class ServerDeployment(Deployment):
    def __init__(
        self,
        start: StartRole,
        directory: Path,
        databases: dict[Lost, str],
        names: dict[str, str],
        server: str,
    ) -> None:
        super().__init__(start, directory)
        self._databases, self._server = databases, server
        self.settings |= names | {
            "DATABASE_URL": databases["orders"],
            "FULFILLMENT_DATABASE_URL": databases["fulfillment"],
            "API_WORKERS": "1",
        }

    def roles(self) -> list[list[str]]:
        return [["api"], ["relay"], ["fulfillment"]]

    def back_up(self) -> None:
        for url in self._databases.values():
            self._copy(_name(url), _name(url) + "_backup")

    def restore(self, name: Lost) -> None:
        of = _name(self._databases[name])
        self._execute("DROP DATABASE {} WITH (FORCE)", of)
        self._copy(of + "_backup", of)

    def remove_backups(self) -> None:
        for url in self._databases.values():
            self._execute("DROP DATABASE IF EXISTS {}", _name(url) + "_backup")

    def _copy(self, source: str, target: str) -> None:
        self._execute("CREATE DATABASE {} TEMPLATE {}", target, source)

    def _execute(self, statement: Any, *names: str) -> None:
        with psycopg.connect(self._server, autocommit=True) as server:
            server.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


def _name(url: str) -> str:
    return urlsplit(url).path.removeprefix("/")


def key(number: int) -> dict[str, str]:
    return {"Idempotency-Key": f'checkout-"{number}"'}


@pytest.fixture(params=["embedded", "server"])
def deployment(request: pytest.FixtureRequest, start: StartRole, tmp_path: Path) -> Iterator[Deployment]:
    if request.param == "embedded":
        yield Deployment(start, tmp_path)
        return
    databases: dict[Lost, str] = {
        "orders": request.getfixturevalue("postgres_database"),
        "fulfillment": request.getfixturevalue("second_postgres_database"),
    }
    server = request.getfixturevalue("postgres_url")
    made = ServerDeployment(start, tmp_path, databases, request.getfixturevalue("names"), server)
    yield made
    made.stop()
    made.remove_backups()


MISSED: dict[tuple[Lost, ...], set[str]] = {
    ("orders",): {"shipment-without-order"},
    ("fulfillment",): {"shipment-missing"},
    BOTH: {"shipment-without-order"},
}
"""What the audit says, among other things, before anything is repaired."""


@pytest.mark.timeout(300)
@pytest.mark.parametrize("lost", MISSED, ids="+".join)
def test_no_order_is_lost_and_none_shipped_twice_when_a_backup_is_restored(
    deployment: Deployment, lost: tuple[Lost, ...]
) -> None:
    deployment.start()
    stock = f"{deployment.own}/api/fulfillment/stock/product-0"
    assert ask(stock, method="PUT", body={"onHand": 10_000}).status == 200
    before = [deployment.place(number) for number in range(3)]
    eventually(lambda: deployment.has_ended(before), "the first orders have ended")
    deployment.stop()
    deployment.back_up()
    at = datetime.now(UTC)
    deployment.start()
    placed = {number: deployment.place(number) for number in range(3, 18)}
    cancelled = {placed[number] for number in (4, 8, 12, 17)}
    for order_id in cancelled:
        deployment.act(order_id, "cancel")
    after = list(placed.values())
    eventually(lambda: deployment.has_ended(after), "all orders have ended")
    ended = {order_id: deployment.told(order_id) for order_id in (*before, *after)}
    live = deployment.shipped()
    assert deployment.audit() == set()
    deployment.stop()

    for name in lost:
        deployment.restore(name)
    deployment.start()
    said = {kind for kind, _ in deployment.audit()}
    assert said >= MISSED[lost]
    if lost == BOTH:
        blind = deployment.audit(CARRIER="simulated", PAYMENTS="none")
        assert blind == set(), "without the ledgers, nobody knows that there were orders"
    deployment.stop()
    since = ("--since", at.isoformat())
    dry = deployment.run("recover", *since, "--dry-run")
    assert dry.returncode == 0, dry.stderr
    done = deployment.run("recover", *since, "--yes")
    assert done.returncode == 0, done.stderr
    assert done.stdout == dry.stdout.replace("would be ", "")
    deployment.start()
    doubtful = deployment.in_doubt()
    assert doubtful <= (cancelled if lost == BOTH else set())
    for order_id in doubtful:
        assert deployment.told(order_id)[0] == "OnHold"
        action = "cancel" if ended[order_id][0] == "Cancelled" else "release"
        assert deployment.act(order_id, action) == 200
    eventually(lambda: deployment.has_ended(after), "all orders have ended again")
    assert {order_id: deployment.told(order_id) for order_id in ended} == ended
    assert {number: deployment.place(number) for number in placed} == placed, "a repeat makes no second order"
    assert deployment.shipped() == live
    assert deployment.audit() == set()
