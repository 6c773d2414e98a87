"""The partitioned orders database that `deploy/postgres` offers: the same service on it."""

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.orders.conftest import ORDER, Service, Start, eventually

from orderflow.database.engine import connect
from orderflow.database.migrate import migrate
from orderflow.orders.migrations import SCHEMA as ORDERS

SCRIPT = Path(__file__).parents[2] / "deploy" / "postgres" / "partition-orders.sql"

pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


def partition(url: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["psql", url, "-v", "ON_ERROR_STOP=1", "-f", str(SCRIPT)], capture_output=True, text=True, check=False
    )


@pytest.fixture
def partitioned(database_url: str, start: Start, tmp_path: Path) -> Service:
    database = connect(database_url, application="test")
    migrate(database, ORDERS)
    done = partition(database_url)
    assert done.returncode == 0, done.stderr
    with database.writer.begin() as connection:
        this_month = datetime.now(UTC).date().replace(day=1)
        connection.exec_driver_sql("SELECT orderflow_add_partitions(%s, 2)", (this_month,))
        connection.exec_driver_sql("SELECT orderflow_add_partitions(%s, 3)", (this_month,))
    database.dispose()
    return start(tmp_path / "log.db")


def test_orders_live_in_their_month_and_everything_works(partitioned: Service) -> None:
    first = partitioned.place(key="k").document
    assert partitioned.place(key="k").document == first
    batch = partitioned.send("POST", "/api/orders/batch", {"orders": [ORDER] * 20})
    assert {result["status"] for result in batch.document["results"]} == {201}
    for status in ("Processing", "Shipped"):
        assert partitioned.patch(first["orderId"], status=status).status == 204
    eventually(lambda: partitioned.get("/api/stats")["outbox"]["backlog"] == 0)
    assert len(partitioned.get("/api/orders?limit=10")["items"]) == 10
    assert partitioned.get(f"/api/orders/{first['orderId']}")["status"] == "Shipped"
    kinds = [entry["kind"] for entry in partitioned.get(f"/api/orders/{first['orderId']}/timeline")["items"]]
    assert kinds.count("event") == 1
    month = datetime.now(UTC).strftime("%Y_%m")
    for table in ("orders", "outbox"):
        assert partitioned.rows(f"SELECT count(*) FROM {table}_{month}") == [(21,)]  # noqa: S608
        assert partitioned.rows(f"SELECT count(*) FROM {table}_rest") == [(0,)]  # noqa: S608


def test_a_database_with_orders_is_left_alone(database_url: str, start: Start) -> None:
    service = start()
    service.placed()
    done = partition(database_url)
    assert done.returncode != 0
    assert "only an empty database" in done.stderr
    service.placed()
    assert service.orders == 2
