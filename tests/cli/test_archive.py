"""`orderflow archive` reads back what retention has moved to files."""

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from orderflow import cli
from orderflow.database.archive import Archive, encoded
from orderflow.database.engine import connect
from orderflow.database.opening import sole_use_of_files
from orderflow.fulfillment.tables import shipments
from orderflow.orders.tables import api_keys, order_items, orders

ID, OTHER = "019c46f2-b0a0-7c11-8f3a-2b1c9d4e5f60", "019c46f2-b0a0-7c11-8f3a-2b1c9d4e5f61"
AT = datetime(2026, 2, 10, 9, 30, tzinfo=UTC)


def order(order_id: str) -> dict[str, Any]:
    return {
        "order_id": order_id,
        "customer_id": "c-1",
        "customer_name": "Ada",
        "created_at": AT,
        "correlation_id": "abc",
        "status": "Shipped",
        "version": 3,
        "updated_at": AT,
    }


def shipment(order_id: str) -> dict[str, Any]:
    return {
        "order_id": order_id,
        "event_id": order_id,
        "correlation_id": "abc",
        "ordered_at": AT,
        "received_at": AT,
        "request": b'{"\xc3\xa4":1}',
        "state": "closed",
        "attempts": 1,
        "waits": 0,
        "interruptions": 0,
    }


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An archive with rows of two orders, those of the first twice, and an empty deployment."""
    monkeypatch.setenv("ORDERFLOW_DATA_DIR", str(tmp_path / "data"))
    made = Archive(tmp_path, "orders")
    item = {"order_id": ID, "line": 1, "product_id": "p", "quantity": 2}
    for _ in range(2):
        made.append([(order_items, item), (orders, order(ID)), (shipments, shipment(ID))])
    made.append([(orders, order(OTHER))])
    made.close()
    (file,) = tmp_path.glob("*.gz")
    return file


def rows(tmp_path: Path, name: str, table: sa.Table) -> list[Any]:
    database = connect(f"sqlite:///{tmp_path / 'data' / name}.db", application="test")
    try:
        with database.reader.connect() as connection:
            return list(connection.execute(sa.select(table)).mappings())
    finally:
        database.dispose()


def test_rows_are_shown_a_line_each(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["archive", "show", str(archive)]) == 0
    shown = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["table"] for row in shown] == 2 * ["order_items", "orders", "shipments"] + ["orders"]
    assert cli.run(["archive", "show", str(archive), "--order", OTHER, "--table", "orders"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["row"]["order_id"] == OTHER


def test_rows_are_put_back_where_they_are_missing(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["archive", "restore", str(archive)]) == 0
    assert "restored: 1 of order_items, 2 of orders, 1 of shipments" in capsys.readouterr().out
    assert sorted(row["order_id"] for row in rows(tmp_path, "orders", orders)) == [ID, OTHER]
    (found,) = rows(tmp_path, "fulfillment", shipments)
    assert (found["request"], found["ordered_at"]) == (b'{"\xc3\xa4":1}', AT)
    assert cli.run(["archive", "restore", str(archive)]) == 0
    assert "restored: nothing, because every row is there" in capsys.readouterr().out


def test_nothing_is_put_back_into_files_that_are_in_use(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from orderflow.app import databases
    from orderflow.settings import load

    with sole_use_of_files(databases(load()), ()):
        assert cli.run(["archive", "restore", str(archive)]) != 0
    assert "restored" not in capsys.readouterr().out


def test_what_is_no_archive_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("hello")
    assert cli.run(["archive", "show", str(tmp_path / "file")]) == 1
    assert cli.run(["archive", "show", str(tmp_path / "missing")]) == 1
    assert "No such file" in capsys.readouterr().err


def lines(tmp_path: Path, *documents: Any) -> str:
    file = tmp_path / "tampered.ndjson.gz"
    file.write_bytes(gzip.compress(b"".join(json.dumps(each).encode() + b"\n" for each in documents)))
    return str(file)


def stored(order_id: str) -> dict[str, Any]:
    return {"table": "orders", "row": json.loads(encoded(orders, order(order_id)))["row"]}


@pytest.mark.parametrize(
    "wrong",
    [
        {"table": "api_keys", "row": {"name": "mallory", "sha256": "0" * 64, "scopes": "admin"}},
        {"table": "webhooks", "row": {"endpoint_id": ID, "url": "https://example.com", "secret": "s"}},
        {"table": "nothing", "row": {}},
        {"table": "orders", "row": {}},
        {"table": "orders", "row": {"order_id": ID}},
        {"table": "orders", "row": {"order_id": ID, "created_at": "x"}},
        {"table": "orders", "row": {"order_id": {"a": 1}}},
        {"table": "orders", "row": {"order_id": 2**70}},
        {"table": "orders", "row": {"order_id": "z", "version": [1]}},
    ],
    ids=["key", "webhook", "unknown table", "nothing", "too little", "time", "object", "number", "list"],
)
def test_of_archives_that_were_tampered_with_nothing_is_put_back(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], wrong: dict[str, Any]
) -> None:
    many = [stored(f"019c46f2-b0a0-7c11-8f3a-{number:012x}") for number in range(600)]
    tampered = lines(tmp_path, *many, wrong)
    assert cli.run(["migrate"]) == 0
    capsys.readouterr()
    assert cli.run(["archive", "restore", str(archive), tampered]) == 1
    assert "restored" not in capsys.readouterr().out
    assert rows(tmp_path, "orders", orders) == []
    assert rows(tmp_path, "orders", api_keys) == []


def test_rows_whose_checksum_is_wrong_are_not_put_back(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tampered = Path(lines(tmp_path, *(stored(f"019c46f2-b0a0-7c11-8f3a-{n:012x}") for n in range(600))))
    data = bytearray(tampered.read_bytes())
    data[-8] ^= 1
    tampered.write_bytes(data)
    assert cli.run(["migrate"]) == 0
    assert cli.run(["archive", "restore", str(archive), str(tampered)]) == 1
    assert "incorrect data check" in capsys.readouterr().err
    assert rows(tmp_path, "orders", orders) == []


def test_a_line_that_is_nested_too_deep_is_no_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "deep.ndjson.gz"
    file.write_bytes(gzip.compress(b'{"table":"orders","row":' + b"[" * 500_000 + b"\n"))
    assert cli.run(["archive", "show", str(file)]) == 1
    assert "a line is no row" in capsys.readouterr().err
