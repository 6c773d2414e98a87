"""`orderflow move` takes an embedded deployment to a server, where what is left of it is finished."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.conftest import SERVERS
from tests.fulfillment.conftest import World
from tests.upgrades.earlier_release import CASES, PARTY, contents, fill, letter_id, request_of
from tests.upgrades.finishing import open_letters

from orderflow import cli
from orderflow.contracts.orders_api import FINAL
from orderflow.database.engine import Database, connect
from orderflow.database.migrate import migrate
from orderflow.database.moving import NotEmpty, NotTheSame, content, move
from orderflow.fulfillment.carriers import ShipmentRequest
from orderflow.fulfillment.carriers.http import HttpCarrier
from orderflow.fulfillment.dead_letters import redrive
from orderflow.fulfillment.dead_letters.redrive import Redrive
from orderflow.fulfillment.migrations import SCHEMA as FULFILLMENT
from orderflow.fulfillment.tables import metadata as fulfillment_metadata
from orderflow.messaging.embedded import EmbeddedLog
from orderflow.orders.migrations import SCHEMA as ORDERS
from orderflow.orders.tables import metadata as orders_metadata
from orderflow.orders.tables import orders, outbox, stream
from orderflow.runtime.processes import lock_data_dir


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """The data directory of an embedded deployment with orders in every state."""
    made = tmp_path / "embedded"
    made.mkdir()
    for name, schema, metadata in (
        ("orders", ORDERS, orders_metadata),
        ("fulfillment", FULFILLMENT, fulfillment_metadata),
    ):
        database = connect(f"sqlite:///{made / name}.db", application="test")
        migrate(database, schema)
        fill(database, metadata)
        if name == "orders":
            with database.writer.begin() as connection:
                for position in (None, 7):
                    row = {"changes": "[]", "size": 1, "first_position": position, "at": sa.func.now()}
                    connection.execute(sa.insert(stream).values(row))
        database.dispose()
    return made


@pytest.fixture(params=["postgres", "mssql"])
def server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    url = str(request.getfixturevalue(SERVERS[request.param]))
    monkeypatch.setenv("ORDERFLOW_DATABASE_URL", url)
    monkeypatch.setenv("ORDERFLOW_FULFILLMENT_DATABASE_URL", url)
    monkeypatch.setenv("ORDERFLOW_DATABASE_WAIT_S", "0")
    return url


@pytest.fixture
def world(directory: Path, server: str, tmp_path: Path) -> Iterator[World]:
    """The server's databases and an event log that is new."""
    fulfillment, of_orders = connect(server, application="test"), connect(server, application="test")
    log = EmbeddedLog(tmp_path / "events.db")
    yield World(tmp_path, fulfillment, of_orders, log)
    log.close()
    fulfillment.dispose()
    of_orders.dispose()


def embedded(directory: Path, name: str) -> Database:
    return connect(f"sqlite:///{directory / name}.db", application="test")


def test_every_order_goes_on_where_it_was_and_nothing_is_shipped_twice(
    directory: Path, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["move", str(directory)]) == 0
    told = capsys.readouterr().out
    assert f"{len(CASES)} of orders" in told
    assert "counts and checksums are the same" in told
    ended, live = asyncio.run(finish_there(world))
    assert {case.order_id: FINALLY.get(case.ends, case.ends) for case in CASES.values()} == ended
    labels = {case.order_id for case in CASES.values() if case.keeps_label}
    shipped = {order_id for order_id, status in ended.items() if status == "Shipped"}
    assert live == sorted(shipped - labels), "each exactly once"


FINALLY = {"OnHold": "Shipped", "Created": "Shipped"}
"""The order on hold is released. Events that could not be read on the old log come again from the outbox."""


async def finish_there(world: World) -> tuple[dict[str, str], list[str]]:
    """Let the program and a person do what is left. Returns the statuses of all orders, and the orders of all
    shipments that the carrier has made."""
    async with world.running():
        carrier = HttpCarrier(world.carrier_url)
        for case in CASES.values():
            if case.held_by_carrier:
                key = f"orderflow-{case.order_id}"
                await carrier.create_shipment(ShipmentRequest(case.order_id, key, request_of(case)))
        waiting = open_letters(CASES)
        by_themselves = {case.order_id: case.ends for name, case in CASES.items() if name not in waiting}
        async with world.working(carrier, party=PARTY) as worker:
            await world.until(
                lambda: by_themselves.items() <= statuses(world).items(), "the others have ended"
            )
            for case in waiting.values():
                command = Redrive(letter_id(case), "ada", datetime.now(UTC))
                await worker.writer.submit_one(redrive.redrive, command)
            assert await world.post(f"/api/orders/{CASES['on hold'].order_id}/release") == 200
            await world.until(lambda: world.order_statuses() <= FINAL, "every order has ended")
        live = await world.live_shipments()
        await carrier.close()
    return statuses(world), live


def statuses(world: World) -> dict[str, str]:
    with world.orders.reader.connect() as connection:
        return dict(connection.execute(sa.select(orders.c.order_id, orders.c.status)).all())


def test_events_of_unfinished_orders_are_sent_to_the_new_log(directory: Path, world: World) -> None:
    assert cli.run(["move", str(directory)]) == 0
    finished = {case.order_id for case in CASES.values() if case.status in ("Shipped", "Failed", "Cancelled")}
    with world.orders.reader.connect() as connection:
        rows = connection.execute(sa.select(outbox)).mappings().all()
    assert len(rows) == len(CASES)
    for row in rows:
        assert (row["published_at"] is None) == (row["order_id"] not in finished)
        assert (row["partition"], row["offset"]) == (None, None)


def test_new_rows_are_numbered_behind_those_that_were_moved(directory: Path, world: World) -> None:
    assert cli.run(["move", str(directory)]) == 0
    with world.orders.writer.begin() as connection:
        row = {"changes": "[]", "size": 1, "at": sa.func.now()}
        connection.execute(sa.insert(stream).values(row))
        positions = connection.scalars(sa.select(stream.c.first_position).order_by(stream.c.id)).all()
    assert positions == [None, 7, None]


def test_a_database_with_rows_is_refused_and_left_as_it_is(
    directory: Path, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["move", str(directory)]) == 0
    before = contents(world.orders, orders_metadata)
    assert cli.run(["move", str(directory)]) == 1
    assert "name an empty database" in capsys.readouterr().err
    assert contents(world.orders, orders_metadata) == before


def test_a_move_that_was_interrupted_is_completed_by_the_next(
    directory: Path, world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as broken:
        broken.setenv("ORDERFLOW_FULFILLMENT_DATABASE_URL", "postgresql://nobody:x@127.0.0.1:9/nothing")
        assert cli.run(["move", str(directory)]) == 1
    assert cli.run(["move", str(directory)]) == 0
    of_orders = embedded(directory, "orders")
    with of_orders.reader.connect() as source, world.orders.reader.connect() as target:
        assert content(source, orders) == content(target, orders)
    of_orders.dispose()


def test_a_deployment_that_runs_is_refused(
    directory: Path, server: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with lock_data_dir(directory):
        assert cli.run(["move", str(directory)]) == 1
    assert "already uses" in capsys.readouterr().err


def test_files_are_no_target(
    directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ORDERFLOW_DATA_DIR", str(tmp_path / "other"))
    assert cli.run(["move", str(directory)]) == 2
    assert "names a file" in capsys.readouterr().err
    assert cli.run(["move", str(tmp_path)]) == 2


@pytest.fixture
def two(directory: Path, tmp_path: Path) -> Iterator[tuple[Database, Database]]:
    source, target = embedded(directory, "orders"), connect(f"sqlite:///{tmp_path}/t.db", application="test")
    migrate(target, ORDERS)
    yield source, target
    source.dispose()
    target.dispose()


def test_rows_that_arrive_otherwise_than_they_were_sent_are_noticed(two: tuple[Database, Database]) -> None:
    source, target = two
    tables = orders_metadata.sorted_tables
    with target.writer.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER liar AFTER INSERT ON orders WHEN NEW.status = 'Shipped' "
            "BEGIN UPDATE orders SET tracking_number = 'x' WHERE order_id = NEW.order_id; END"
        )
    with source.reader.connect() as sent, target.writer.connect() as received:
        with pytest.raises(NotTheSame, match="table orders"):
            move(sent, received, tables)
        received.rollback()
        assert content(received, orders).rows == 0


def test_one_other_row_makes_a_target_that_is_not_empty(two: tuple[Database, Database]) -> None:
    source, target = two
    with source.reader.connect() as sent, target.writer.begin() as received:
        move(sent, received, orders_metadata.sorted_tables)
        assert move(sent, received, orders_metadata.sorted_tables)["orders"] == len(CASES)
        received.execute(sa.update(orders).values(customer_name="another"))
        with pytest.raises(NotEmpty, match="table orders"):
            move(sent, received, [orders])
