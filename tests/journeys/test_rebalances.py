"""Workers on real Kafka and PostgreSQL that join, leave, sleep and die under load: partitions move, and no
order is lost or shipped twice."""

import json
import signal
import threading
import urllib.request
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from conftest import StartRole
from processes import Role, all_orders, ask, eventually, order

PARTITIONS = set(range(12))
ORDERS_AT_ONCE = 10
PAUSE_S = 0.4
TAKEN_OVER_S_MAX = 30.0
TERMINAL = {"Shipped", "Failed"}


class Workers:
    """Fulfillment workers of one group, by name; `seen` keeps every assignment that one of them told."""

    def __init__(self, start: StartRole, settings: dict[str, str]) -> None:
        self._start = start
        self._settings = settings
        self.roles: dict[str, Role] = {}
        self.seen: dict[str, list[set[int]]] = {}
        self._urls: dict[str, str] = {}

    def join(self, name: str) -> None:
        self.roles[name] = self._start("fulfillment", FULFILLMENT_PORT="0", **self._settings)
        self.seen[name] = []

    def assignment(self, name: str) -> set[int]:
        if name not in self._urls:
            self._urls[name] = self.roles[name].url()
        with urllib.request.urlopen(f"{self._urls[name]}/health/ready", timeout=5) as answer:  # noqa: S310
            held = set(json.load(answer)["consumer"]["assignment"])
        if [held] != self.seen[name][-1:]:
            self.seen[name].append(held)
        return held

    def until_shared_by(self, *names: str) -> None:
        """Each of these has partitions, and together they have all, none of them twice."""

        def shared() -> bool:
            held = [self.assignment(name) for name in names]
            return all(held) and sum(map(len, held)) == 12 and set[int]().union(*held) == PARTITIONS

        eventually(shared, f"the partitions are shared by {names}", TAKEN_OVER_S_MAX)

    def shipped(self, name: str) -> int:
        return sum(line["event"] == "shipment.shipped" for line in self.roles[name].log_lines())


@contextmanager
def orders_arriving(url: str) -> Generator[list[str]]:
    """Orders without a pause while the block runs; the ids of those that were acknowledged."""
    placed: list[str] = []
    done = threading.Event()

    def place() -> None:
        number = 0
        while not done.wait(PAUSE_S):
            number += 1
            batch = {"orders": [order(number) for _ in range(ORDERS_AT_ONCE)]}
            answer = ask(f"{url}/api/orders/batch", method="POST", body=batch)
            placed.extend(result["order"]["orderId"] for result in answer.body["results"])

    client = threading.Thread(target=place, daemon=True)
    client.start()
    try:
        yield placed
    finally:
        done.set()
        client.join(timeout=30)
    assert not client.is_alive()


def test_workers_join_leave_sleep_and_die_under_load_and_every_order_ships_at_most_once(
    start: StartRole, server_database: str, names: dict[str, str], tmp_path: Path
) -> None:
    carrier = start("carrier-sim", "--port", "0", "--delay-ms", "0-300", "--failure-rate", "0.1",
                    "--ledger", str(tmp_path / "ledger.db"))  # fmt: skip
    api = start("api", DATABASE_URL=server_database, PORT="0", **names)
    eventually(lambda: "http://" in carrier.output, "carrier-sim listens")
    carrier_url = carrier.output.split()[3].rstrip(",")
    workers = Workers(
        start,
        {
            "FULFILLMENT_DATABASE_URL": server_database,
            "ORDERS_URL": api.url(),
            "CARRIER": "http",
            "CARRIER_URL": carrier_url,
            **names,
        },
    )
    with orders_arriving(api.url()) as placed:
        for name in ("sleeps", "dies", "leaves"):
            workers.join(name)
        workers.until_shared_by("sleeps", "dies", "leaves")

        # It is suspended for longer than its session, so the others have all partitions before it goes on.
        workers.roles["sleeps"].process.send_signal(signal.SIGSTOP)
        workers.until_shared_by("dies", "leaves")
        workers.roles["sleeps"].process.send_signal(signal.SIGCONT)
        workers.until_shared_by("sleeps", "dies", "leaves")

        workers.roles["dies"].kill()
        workers.join("joins")
        workers.until_shared_by("sleeps", "leaves", "joins")

        assert workers.roles["leaves"].stop() == 0
        workers.until_shared_by("sleeps", "joins")

    url = api.url()
    eventually(lambda: all(o["status"] in TERMINAL for o in all_orders(url)), "all orders end", 40)
    statuses = {o["orderId"]: o["status"] for o in all_orders(url)}
    assert set(placed) == set(statuses)
    ledger = ask(f"{carrier_url}/v1/ledger").body["shipments"]
    live = Counter(shipment["orderId"] for shipment in ledger if shipment["state"] == "live")
    assert set(live.values()) == {1}
    assert set(live) == {order_id for order_id, status in statuses.items() if status == "Shipped"}
    assert len(live) > len(placed) / 2
    assert all(workers.shipped(name) for name in workers.roles), "each of them had work"
    assert any(held != workers.seen["dies"][0] for held in workers.seen["dies"]), "its partitions moved"
