"""No order ships twice if another carrier is configured while the former one has shipments in doubt."""

import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

from conftest import StartRole
from processes import Role, all_orders, ask, eventually, order

DOUBTFUL: list[dict[str, object]] = [{"kind": "apply-then-503", "seconds": 600}]


class Sim:
    """A carrier-sim process with its ledger."""

    def __init__(self, start: StartRole, ledger: Path, seed: int) -> None:
        self._ledger = ledger
        self._role: Role = start(
            *("carrier-sim", "--port", "0", "--delay-ms", "0-50"),
            *("--ledger", str(ledger), "--seed", str(seed)),
        )
        eventually(lambda: "http://" in self._role.output, "carrier-sim listens")
        self.url = self._role.output.split()[3].rstrip(",")

    def misbehave(self, faults: list[dict[str, object]]) -> None:
        assert ask(f"{self.url}/v1/faults", method="PUT", body=faults).status == 200

    def live(self) -> list[str]:
        with closing(sqlite3.connect(f"file:{self._ledger}?mode=ro", uri=True)) as ledger:
            return [row[0] for row in ledger.execute("SELECT order_id FROM answers WHERE state = 'live'")]


def place(url: str, count: int) -> list[str]:
    body = {"orders": [order(number) for number in range(count)]}
    results = ask(f"{url}/api/orders/batch", method="POST", body=body).body["results"]
    return [result["order"]["orderId"] for result in results]


def all_shipped(url: str, count: int) -> None:
    def shipped() -> bool:
        return Counter(o["status"] for o in all_orders(url)) == {"Shipped": count}

    eventually(shipped, f"{count} orders are shipped")


def test_what_the_former_carrier_may_have_is_concluded_there_after_a_restart(
    start: StartRole, tmp_path: Path
) -> None:
    old, new = Sim(start, tmp_path / "old.db", 1), Sim(start, tmp_path / "new.db", 2)
    settings = {"DATA_DIR": str(tmp_path / "data"), "PORT": "0", "FULFILLMENT_PORT": "0", "CARRIER": "http"}
    old.misbehave(DOUBTFUL)
    first = start("up", CARRIER_URL=old.url, **settings)
    doubtful = place(first.url(), 20)
    eventually(lambda: sorted(old.live()) == sorted(doubtful), "the old carrier has them, and denies it")
    first.kill()

    alone = start("up", CARRIER_URL=f"{new.url}/", **settings)
    fresh = place(alone.url(), 5)
    eventually(lambda: sorted(new.live()) == sorted(fresh), "fresh orders go to the new carrier")
    assert alone.stop() == 0

    old.misbehave([])
    both = start("up", CARRIER_URL=new.url, FORMER_CARRIERS=f"{old.url}/", **settings)
    all_shipped(both.url(), 25)
    assert (sorted(old.live()), sorted(new.live())) == (sorted(doubtful), sorted(fresh))


def test_a_rolling_deployment_of_another_carrier_ships_every_order_once(
    start: StartRole, server_database: str, names: dict[str, str], tmp_path: Path
) -> None:
    old, new = Sim(start, tmp_path / "old.db", 1), Sim(start, tmp_path / "new.db", 2)
    url = start("api", DATABASE_URL=server_database, PORT="0", **names).url()
    settings = {"FULFILLMENT_DATABASE_URL": server_database, "ORDERS_URL": url, "CARRIER": "http", **names}
    old.misbehave(DOUBTFUL)
    workers = [start("fulfillment", FULFILLMENT_PORT="0", CARRIER_URL=old.url, **settings) for _ in range(2)]
    for worker in workers:
        worker.url()
    doubtful = place(url, 30)
    eventually(lambda: len(old.live()) == 30, "the old carrier has them, and denies it")
    workers[0].kill()
    replaced = start("fulfillment", FULFILLMENT_PORT="0", CARRIER_URL=new.url, **settings)
    replaced.url()
    place(url, 10)
    eventually(lambda: len(old.live()) + len(new.live()) >= 31, "fresh orders are called for")
    old.misbehave([])
    all_shipped(url, 40)
    once = Counter(old.live() + new.live())
    assert set(once.values()) == {1}
    assert len(once) == 40
    assert set(doubtful) <= set(old.live())
    assert "shipment.parked" not in replaced.output
