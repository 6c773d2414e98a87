"""An upgrade on a weekday: the databases are expanded, every process is replaced by one of the next release,
and the databases are contracted; clients place orders all the while, and not one request fails.

It is done from the release before to this one, and from this one to a next one that has an expansion and a
contraction in each database. ORDERFLOW_TEST_UPGRADE_ROUNDS=n goes there and back n times (`make upgrades`).
"""

import os
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from tests.database.releases import add_migrations
from tests.faults.source import ROOT, copy_of_source
from tests.journeys.processes import StartRole, ask, eventually
from tests.upgrades.rolling import Balancer, Clients, Fleet

from orderflow.database.migrate import newest
from orderflow.fulfillment.migrations import SCHEMA as FULFILLMENT
from orderflow.orders.migrations import SCHEMA as ORDERS

SOURCE = ROOT / "src"
PREVIOUS = (Path(__file__).parent / "previous_release").read_text().strip()
"""The commit or tag of the release before."""
ROUNDS = int(os.environ.get("ORDERFLOW_TEST_UPGRADE_ROUNDS", "1"))
NEXT = {
    ORDERS: (
        'op.add_column("orders", sa.Column("later", sa.Text))',
        'op.drop_index("orders_by_customer", "orders")',
    ),
    FULFILLMENT: (
        'op.add_column("shipments", sa.Column("later", sa.Text))',
        'op.drop_index("dead_letters_by_kind", "dead_letters")',
    ),
}


def previous_release(directory: Path) -> Path:
    if not (ROOT / ".git").exists():
        pytest.skip("no repository: the release before cannot be taken from it")
    known = subprocess.run(["git", "cat-file", "-e", PREVIOUS], cwd=ROOT, check=False, capture_output=True)
    if known.returncode != 0:
        pytest.skip(f"{PREVIOUS} is not in this clone: git fetch --unshallow --tags")
    return copy_of_source(directory / "previous", commit=PREVIOUS)


def next_release(directory: Path) -> Path:
    source = copy_of_source(directory / "next")
    for schema, (expansion, contraction) in NEXT.items():
        migrations = source / schema.directory.relative_to(SOURCE)
        add_migrations(migrations, newest(schema), expansion, contraction, contract=(False, True))
    return source


@pytest.fixture
def balancer() -> Iterator[Balancer]:
    balancer = Balancer()
    yield balancer
    balancer.close()


@pytest.fixture
def carrier_url(start: StartRole, tmp_path: Path) -> str:
    carrier = start("carrier-sim", "--port", "0", "--delay-ms", "0-300", "--failure-rate", "0.1",
                    "--ledger", str(tmp_path / "ledger.db"))  # fmt: skip
    eventually(lambda: "http://" in carrier.output, "carrier-sim listens")
    return carrier.output.split()[3].rstrip(",")


@pytest.fixture
def parts(postgres_database: str, names: dict[str, str]) -> dict[str, str]:
    return {"DATABASE_URL": postgres_database, "FULFILLMENT_DATABASE_URL": postgres_database, **names}


@pytest.fixture
def fleet(
    start: StartRole, balancer: Balancer, carrier_url: str, parts: dict[str, str], tmp_path: Path
) -> Fleet:
    return Fleet(start, balancer, tmp_path, CARRIER="http", CARRIER_URL=carrier_url, **parts)


def done(tool: "subprocess.CompletedProcess[str]") -> str:
    assert tool.returncode == 0, tool.stderr
    return tool.stdout


def key(fleet: Fleet, source: Path, name: str, *scopes: str) -> str:
    wanted = [word for scope in scopes for word in ("--scope", scope)]
    return done(fleet.tool(source, "keys", "create", "--name", name, *wanted)).strip()


@pytest.mark.timeout(600 * ROUNDS)
@pytest.mark.parametrize("upgrade", ["from the release before", "to the next release"])
def test_a_rolling_upgrade_fails_no_request_and_can_be_taken_back_until_it_is_contracted(
    fleet: Fleet, carrier_url: str, tmp_path: Path, upgrade: str
) -> None:
    old, new = SOURCE, SOURCE
    if upgrade == "from the release before":
        old = previous_release(tmp_path)
    else:
        new = next_release(tmp_path)
    done(fleet.tool(old, "migrate"))
    fleet.settings["API_KEY"] = key(fleet, old, "worker", "orders:status")
    clients = Clients(fleet.settings["ORDERS_URL"], key(fleet, old, "shop", "orders:write", "orders:read"))
    fleet.begin(old)
    with clients.working():
        clients.until_more()
        done(fleet.tool(new, "migrate"))
        clients.until_more()
        fleet.crash(old)
        for _ in range(ROUNDS):
            fleet.roll(new)
            clients.until_more()
            fleet.take_one_back(old)
            clients.until_more()
            fleet.bring_it_forward(new)
        done(fleet.tool(new, "migrate", "--contract"))
        clients.until_more()
    assert clients.failed == []
    assert clients.slowest_s < 5
    statuses = ended(fleet.settings["DATABASE_URL"])
    assert set(statuses) == set(clients.placed)
    ledger = ask(f"{carrier_url}/v1/ledger").body["shipments"]
    live = Counter(shipment["orderId"] for shipment in ledger if shipment["state"] == "live")
    assert live == dict.fromkeys((each for each, status in statuses.items() if status == "Shipped"), 1)
    if new is not SOURCE:
        refused = fleet.api(old)
        assert refused.process.wait(timeout=60) == 1
        assert "run the newer version of Orderflow" in refused.output


def ended(url: str) -> dict[str, str]:
    """The status of every order, once all have one that is terminal."""
    statuses: dict[str, str] = {}

    def all_ended() -> bool:
        with psycopg.connect(url) as connection:
            found = connection.execute("SELECT order_id::text, status, attention_kind FROM orders").fetchall()
        statuses.update({order_id: status for order_id, status, _ in found})
        return all((status, told) in {("Shipped", None), ("Failed", None)} for _, status, told in found)

    eventually(all_ended, "every order has ended")
    return statuses
