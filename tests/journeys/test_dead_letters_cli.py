"""`orderflow dead-letters` as a person uses it: what waits is listed, looked at, sent again and given up."""

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from processes import Role, StartRole, ask, eventually

ORDER = {"customer": {"customerId": "c-1", "name": "Ada"}, "items": [{"productId": "p-1", "quantity": 1}]}


class Shop:
    """`up` with a carrier that can be told to refuse."""

    def __init__(self, start: StartRole) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.carrier = start("carrier-sim", "--port", "0", "--ledger", "ledger.db")
        self.carrier_url = address(self.carrier, "listens on")
        self.up = start(
            "up", PORT="0", FULFILLMENT_PORT=str(port), CARRIER="http", CARRIER_URL=self.carrier_url
        )
        self.orders_url = self.up.url()
        self.environment = {
            **os.environ,
            "ORDERFLOW_ORDERS_URL": self.orders_url,
            "ORDERFLOW_FULFILLMENT_URL": f"http://127.0.0.1:{port}",
        }

    def refuses(self, refusing: bool) -> None:
        faults = [{"kind": "400", "seconds": 600}] if refusing else []
        assert ask(f"{self.carrier_url}/v1/faults", method="PUT", body=faults).status == 200

    def place(self) -> str:
        answer = ask(f"{self.orders_url}/api/orders", method="POST", body=ORDER)
        assert answer.status == 201
        return str(answer.body["orderId"])

    def dead_letters(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "orderflow", "dead-letters", *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, env=self.environment, timeout=60, check=False
        )

    def letters(self, *arguments: str) -> list[Any]:
        return json.loads(self.dead_letters("list", "--json", *arguments).stdout)

    def status(self, order_id: str) -> str:
        return str(ask(f"{self.orders_url}/api/orders/{order_id}").body["status"])


def address(role: Role, words: str) -> str:
    found: list[str] = []

    def told() -> bool:
        found.extend(re.findall(words + r" (http://[0-9.:]+)", role.output))
        return bool(found)

    eventually(told, f"{words} is told")
    return found[0]


@pytest.fixture(scope="module")
def shared_shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    roles: list[Role] = []

    def start(*arguments: str, **settings: str) -> Role:
        environment = {f"ORDERFLOW_{name}": value for name, value in settings.items()}
        roles.append(Role(tmp_path_factory.mktemp("shop"), *arguments, environment=environment))
        return roles[-1]

    yield Shop(start)
    for role in roles:
        role.end()


@pytest.fixture
def shop(start: StartRole) -> Shop:
    return Shop(start)


def test_dead_letters_are_listed_redriven_and_discarded(shop: Shop) -> None:
    shop.refuses(True)
    orders = [shop.place() for _ in range(4)]
    eventually(lambda: len(shop.letters("--state", "open")) == 4, "four letters wait")

    listed = shop.dead_letters("list")
    assert listed.returncode == 0
    assert listed.stdout.count("carrier-refused") == 4
    assert "Ada" not in listed.stdout
    (group,) = json.loads(shop.dead_letters("list", "--groups", "--json").stdout)
    assert (group["kind"], group["open"]) == ("carrier-refused", 4)
    some = shop.dead_letters("list", "--limit", "3", "--json")
    assert len(json.loads(some.stdout)) == 3
    assert "--limit" in some.stderr
    assert shop.letters("--kind", "newer-schema") == []

    letter_of = {letter["orderId"]: letter["id"] for letter in shop.letters()}
    first, second, *others = orders
    shown = shop.dead_letters("show", letter_of[first])
    assert shown.returncode == 0
    assert all(text in shown.stdout for text in (first, "carrier-refused", "open", "parked"))
    assert "p-1" not in shown.stdout
    assert '"p-1"' in shop.dead_letters("show", letter_of[first], "--message").stdout
    whole = json.loads(shop.dead_letters("show", letter_of[first], "--message", "--json").stdout)
    assert json.loads(whole["message"]["value"])["orderId"] == first

    still_refused = shop.dead_letters("redrive", "--kind", "carrier-refused", "--rate", "100")
    assert still_refused.returncode == 1, still_refused.stdout
    assert still_refused.stdout.startswith("stopped: ")

    eventually(lambda: len(shop.letters("--state", "open")) == 4, "all wait again")
    shop.refuses(False)
    assert shop.dead_letters("redrive", letter_of[first]).returncode == 0
    eventually(lambda: shop.status(first) == "Shipped", "the redriven order ships")
    eventually(
        lambda: (
            json.loads(shop.dead_letters("show", letter_of[first], "--json").stdout)["state"] == "resolved"
        ),
        "its letter says so",
    )

    given_up = shop.dead_letters("discard", letter_of[second], "--reason", "the customer left")
    assert given_up.returncode == 0, given_up.stderr
    eventually(lambda: shop.status(second) == "Failed", "the discarded order fails")

    done = shop.dead_letters("redrive", "--kind", "carrier-refused", "--rate", "100", "--json")
    assert done.returncode == 0, done.stdout
    assert json.loads(done.stdout)["redriven"] == 2
    eventually(lambda: [shop.status(each) for each in others] == ["Shipped"] * 2, "the others ship")
    assert shop.letters("--state", "open") == []


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["show", "00000000-0000-0000-0000-000000000000"], 1, "no"),
        (["redrive"], 2, "--kind"),
        (["redrive", "x", "--kind", "y"], 2, "not both"),
        (["redrive", "x", "--reason", "y"], 2, "--kind"),
        (["redrive", "--kind", "carrier-refused", "--rate", "0"], 2, "--rate"),
        (["discard", "00000000-0000-0000-0000-000000000000"], 2, "--reason"),
        (["list", "--limit", "0"], 2, "--limit"),
        (["list", "--groups", "--kind", "y"], 2, "--groups"),
    ],
)
def test_wrong_use_is_told(shared_shop: Shop, arguments: list[str], code: int, words: str) -> None:
    done = shared_shop.dead_letters(*arguments)
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
