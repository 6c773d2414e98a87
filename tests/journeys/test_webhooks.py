"""Webhooks as a person uses them, and as a receiver sees them while our processes are killed."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from processes import Role, StartRole, ask, eventually, order
from tests.orders.receiver import Receiver

AT_ONCE = {"PORT": "0", "FULFILLMENT_PORT": "0", "CARRIER_DELAY_MS": "0-0", "CARRIER_FAILURE_RATE": "0"}
ALLOWED = AT_ONCE | {"WEBHOOKS_PRIVATE_ADDRESSES": "allowed"}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


def webhooks(url: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "orderflow", "webhooks", *arguments]
    environment = {**os.environ, "ORDERFLOW_ORDERS_URL": url}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)


def test_a_webhook_is_added_tried_listed_and_removed(start: StartRole, receiver: Receiver) -> None:
    url = start("up", **ALLOWED).url()
    added = webhooks(url, "add", receiver.url, "--event", "order.shipped")
    assert added.returncode == 0, added.stderr
    webhook_id, receiver.secret = added.stdout.split()
    assert webhooks(url, "test", webhook_id).stdout == "delivered: HTTP 204\n"
    receiver.answering = lambda kind, _data: 500 if kind == "webhook.test" else 204
    failed = webhooks(url, "test", webhook_id)
    assert (failed.returncode, failed.stdout) == (1, "not delivered: HTTP 500\n")
    placed = ask(f"{url}/api/orders", method="POST", body=order(1)).body["orderId"]
    eventually(lambda: receiver.of_order(placed) == [(3, 204)], "the order is told as shipped")
    (shown,) = json.loads(webhooks(url, "list", "--json").stdout)
    assert (shown["id"], shown["eventTypes"], shown["deadLetters"]) == (webhook_id, ["order.shipped"], 0)
    assert receiver.secret not in webhooks(url, "list").stdout
    assert webhooks(url, "dead-letters", webhook_id, "--json").stdout == "[]\n"
    assert webhooks(url, "redrive", webhook_id).stdout == "0 are tried now\n"
    former, receiver.secret = receiver.secret, webhooks(url, "rotate", webhook_id).stdout.strip()
    assert receiver.secret.startswith("whsec_")
    assert receiver.secret != former
    receiver.answering = lambda _kind, _data: 204
    assert webhooks(url, "test", webhook_id).returncode == 0
    wrong = webhooks(url, "rotate", webhook_id, "--overlap", "soon")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    for action in (("redrive", webhook_id, "7"), ("discard", webhook_id, "7", "--reason", "why")):
        refused = webhooks(url, *action)
        assert refused.returncode == 1
        assert "no such dead letter" in refused.stderr
    assert webhooks(url, "remove", webhook_id).stdout == "removed; 0 undelivered messages are gone\n"
    gone = webhooks(url, "remove", webhook_id)
    assert (gone.returncode, gone.stdout) == (1, "")
    assert "no webhook with this id" in gone.stderr
    assert receiver.refused == []


def test_a_private_address_is_refused_with_the_setting_that_allows_it(
    start: StartRole, receiver: Receiver
) -> None:
    url = start("up", **AT_ONCE).url()
    refused = webhooks(url, "add", receiver.url)
    assert refused.returncode == 1
    assert "ORDERFLOW_WEBHOOKS_PRIVATE_ADDRESSES=allowed" in refused.stderr
    assert webhooks(url, "list", "--json").stdout == "[]\n"


@pytest.mark.parametrize("passage", [1, 4])
def test_a_process_that_is_killed_before_it_records_sends_the_same_messages_again(
    start: StartRole, receiver: Receiver, passage: int
) -> None:
    first = start("up", TEST_CRASH_POINT=f"webhooks.sent:{passage}", **ALLOWED)
    url = first.url()
    added = webhooks(url, "add", receiver.url)
    receiver.secret = added.stdout.split()[1]
    placed = _placed_until_it_dies(first, url)
    assert first.process.wait(timeout=60) == -9
    before = [(each.id, each.status) for each in receiver.received]
    assert before
    url = start("up", **ALLOWED).url()
    eventually(lambda: _is_all_told(receiver, placed), "every change is told")
    ids = [each.id for each in receiver.received]
    assert len(ids) > len(set(ids)), "what was sent, but not recorded, is sent again"
    assert {sent_id for sent_id, _ in before} <= set(ids)
    for order_id in placed:
        versions = [version for version, _ in receiver.of_order(order_id)]
        firsts = list(dict.fromkeys(versions))
        assert firsts == sorted(firsts), versions
    assert receiver.refused == []
    assert webhooks(url, "list", "--json").returncode == 0


def _placed_until_it_dies(role: Role, url: str) -> list[str]:
    placed: list[str] = []

    def place() -> bool:
        if role.process.poll() is None:
            placed.append(ask(f"{url}/api/orders", method="POST", body=order(len(placed))).body["orderId"])
        return role.process.poll() is not None

    eventually(place, "the process is killed")
    return placed


def _is_all_told(receiver: Receiver, placed: list[str]) -> bool:
    return all({1, 2, 3} <= {version for version, _ in receiver.of_order(each)} for each in placed)
