"""A person sees dead letters on the console, and redrives and discards them there."""

import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlencode

import pytest
from tests.console.conftest import ask
from tests.console.test_console import tell
from tests.journeys.processes import Role, eventually

INSERT = """INSERT INTO dead_letters
(id, "offset", kind, reason, topic, "partition", value, headers, attempts, at, state) VALUES
(?, ?, 'undecodable', 'it is no JSON <b>', 'order-events', 0, x'7b', '[]', 1,
'2026-11-20 10:00:00.000000', 'open')"""
PAGE = "/console/dead-letters"


PAYMENT = """INSERT INTO dead_letters (id, kind, reason, order_id, headers, attempts, at, state) VALUES
(?, 'payment', ?, ?, '[]', 1, '2026-11-20 10:00:00.000000', 'open')"""


MESSAGE = """INSERT INTO dead_letters
(id, "offset", kind, reason, topic, "partition", "key", value, headers, attempts, at, state, order_id) VALUES
(?, 7, 'newer-schema', 'of a newer version', 'order-events', 0, x'6b', ?,
'[["ce_type","<b>"],["odd","\u00ff"]]', 1, '2026-11-20 10:00:00.000000', 'open', ?)"""
"""A message with headers, one of them no UTF-8."""


def letter_values(number: int) -> tuple[str, int]:
    return str(uuid.UUID(int=number)), number


@pytest.fixture
def up(tmp_path: Path) -> Iterator[int]:
    """The port of an `up` with payments. It has two dead letters without an order, whose values nobody can
    read."""
    settings = {"PORT": "0", "FULFILLMENT_PORT": "0", "DATA_DIR": str(tmp_path / "data")}
    settings |= {"PAYMENTS": "simulated", "CARRIER_FAILURE_RATE": "0"}
    role = Role(tmp_path, "up", environment={f"ORDERFLOW_{name}": value for name, value in settings.items()})
    try:
        port = int(role.url().rsplit(":", 1)[1])
        with closing(sqlite3.connect(tmp_path / "data" / "fulfillment.db", timeout=30)) as database, database:
            for offset in (1, 2):
                database.execute(INSERT, letter_values(offset))
        yield port
    finally:
        role.end()


def test_a_letter_is_discarded_with_a_reason(up: int) -> None:
    address = f"{PAGE}/{uuid.UUID(int=1)}"
    listed = ask(up, PAGE)
    assert listed.status == 200
    assert address in listed.text
    assert "it is no JSON &lt;b&gt;" in listed.text
    assert ask(up, address, {"action": "discard", "reason": ""}).status == 422
    done = ask(up, address, {"action": "discard", "reason": "a test of a producer"})
    assert (done.status, done.headers["location"]) == (303, address)
    shown = ask(up, address).text
    assert "discarded" in shown
    assert "a test of a producer" in shown
    assert address not in ask(up, PAGE).text


def test_many_letters_are_shown_before_they_are_discarded(up: int) -> None:
    address = f"{PAGE}/discards"
    group = {"kind": "undecodable", "reason": "it is no JSON <b>"}
    shown = ask(up, f"{address}?{urlencode(group)}").text
    ids = [str(uuid.UUID(int=number)) for number in (1, 2)]
    assert "Nothing was done yet" in shown
    assert [shown.count(f"{PAGE}/{letter_id}") for letter_id in ids] == [1, 1]
    assert [f"{PAGE}/{letter_id}" in ask(up, PAGE).text for letter_id in ids] == [True, True]
    other = ask(up, f"{address}?{urlencode({**group, 'reason': 'another'})}").text
    assert "No open dead letter is like that" in other

    form = {"kind": group["kind"], "of": group["reason"], "letters": ids[0], "reason": "a test"}
    assert ask(up, address, {**form, "reason": " "}).status == 422
    assert ask(up, address, {**form, "letters": ",".join(ids * 51)}).status == 422
    done = ask(up, address, {**form, "letters": f"{ids[0]},{uuid.UUID(int=3)}"}).text
    assert "1 discarded, 1 not." in done
    assert "There is no such dead letter." in done
    # The other one was not named, so it is still there, to be discarded next.
    assert [f"{PAGE}/{letter_id}" in done for letter_id in ids] == [False, True]


def test_a_message_and_its_headers_are_shown_beside_its_order(up: int, tmp_path: Path) -> None:
    items = [{"productId": "p-bought", "quantity": 1}]
    order = tell(up, "POST", "/api/orders", {"customer": {"customerId": "c", "name": "Ada"}, "items": items})
    letters = [(str(uuid.UUID(int=7)), b'{"schemaVersion":9}'), (str(uuid.UUID(int=8)), b"\xff")]
    letters += [(str(uuid.UUID(int=9)), b"x" * 70_000)]
    with closing(sqlite3.connect(tmp_path / "data" / "fulfillment.db", timeout=30)) as database, database:
        database.executemany(MESSAGE, [(*letter, order["orderId"]) for letter in letters])
    shown, binary, large = (ask(up, f"{PAGE}/{letter_id}").text for letter_id, _ in letters)
    told = ("ce_type", "&lt;b&gt;", "odd (base64)", "/w==", "&#34;schemaVersion&#34;: 9", "p-bought")
    assert [text for text in told if text not in shown] == []
    assert "No UTF-8" in binary
    assert "It has 70000 bytes: orderflow dead-letters show --message" in large
    assert "p-bought" in large
    assert "It names no order." in ask(up, f"{PAGE}/{uuid.UUID(int=1)}").text


def test_letters_of_one_kind_are_shown(up: int) -> None:
    address = f"{PAGE}/{uuid.UUID(int=1)}"
    assert address in ask(up, f"{PAGE}?kind=undecodable").text
    assert address not in ask(up, f"{PAGE}?kind=payment").text


def test_a_group_is_redriven_at_a_rate_and_its_progress_is_shown(up: int) -> None:
    form = {"kind": "undecodable", "reason": "it is no JSON <b>", "rate": "10", "why": "it is mended"}
    assert ask(up, PAGE, {**form, "why": " "}).status == 422
    assert ask(up, PAGE, form).status == 303
    shown = " of 2 redriven, 10 a second, by anonymous"
    eventually(lambda: shown in ask(up, PAGE).text, "the redrive is shown")
    assert ask(up, PAGE, {**form, "rate": "fast"}).status == 422
    assert ask(up, f"{PAGE}/{uuid.UUID(int=1)}", {"action": "burn"}).status == 422


def test_a_redrive_in_stages_stops_after_the_first_letter_has_failed_again(up: int) -> None:
    form = {"kind": "undecodable", "reason": "it is no JSON <b>", "rate": "100", "why": "it is mended"}
    assert ask(up, PAGE, {**form, "staged": "true"}).status == 303
    shown = "1 of 2 redriven, stage 1 of 4, 100 a second, by anonymous"
    eventually(lambda: shown in ask(up, PAGE).text, "the redrive is shown")
    eventually(lambda: "1 of 1 failed again" in ask(up, PAGE).text, "it has stopped")


def test_a_payment_in_trouble_is_shown_with_what_its_order_s_steps_tell(up: int, tmp_path: Path) -> None:
    items = [{"productId": "p", "quantity": 1, "unitPrice": {"amountMinor": 500, "currency": "EUR"}}]
    body = {"customer": {"customerId": "c", "name": "Ada"}, "items": items}
    order_id = tell(up, "POST", "/api/orders", body)["orderId"]
    shipped = lambda: "Shipped" in ask(up, f"/console/orders/{order_id}").text  # noqa: E731
    eventually(shipped, "the order is shipped and paid for")
    letters = [("of an order", order_id), ("of an unknown order", str(uuid.UUID(int=9))), ("of none", None)]
    with closing(sqlite3.connect(tmp_path / "data" / "fulfillment.db", timeout=30)) as database, database:
        for number, (reason, named) in enumerate(letters):
            database.execute(PAYMENT, (str(uuid.UUID(int=100 + number)), reason, named))

    def rows() -> list[str]:
        return ask(up, "/console/payments").text.split("<tr>")[2:]

    eventually(lambda: "capture done" in rows()[0], "the shipment's steps are shown")
    of_order, *others = rows()
    assert "of an order" in of_order
    assert "<td>charged</td>" in of_order
    assert ["<td>nothing</td>" in row for row in others] == [True, True]
