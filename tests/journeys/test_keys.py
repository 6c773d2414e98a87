"""Keys from the command line to every process: made, used, revoked."""

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient
from conftest import StartRole
from processes import Answer, Role, ask, eventually, order

Orderflow = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def orderflow(tmp_path: Path) -> Orderflow:
    """Runs `orderflow ...`, where keywords are settings."""

    def run(*arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
        environment = {f"ORDERFLOW_{name}": value for name, value in settings.items()}
        return subprocess.run(
            [sys.executable, "-m", "orderflow", *arguments],
            env={**os.environ, **environment},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )

    return run


def made(orderflow: Orderflow, *arguments: str, **settings: str) -> str:
    done = orderflow("keys", "create", *arguments, **settings)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def as_(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


def test_with_embedded_parts_keys_are_made_and_revoked_while_everything_runs(
    start: StartRole, orderflow: Orderflow, tmp_path: Path
) -> None:
    settings = {"DATA_DIR": str(tmp_path / "data"), "AUTH": "on"}
    first = made(orderflow, "--name", "shop", "--scope", "orders:write", "--scope", "orders:read", **settings)
    role = start("up", PORT="0", FULFILLMENT_PORT="0", CARRIER_DELAY_MS="0-0", **settings)
    url = role.url()
    assert ask(f"{url}/api/orders").status == 401
    placed = ask(f"{url}/api/orders", method="POST", body=order(1), headers=as_(first))
    assert placed.status == 201

    path = f"{url}/api/orders/{placed.body['orderId']}"
    shipped = ask(f"{path}?wait=Shipped&timeoutMs=30000", headers=as_(first)).body
    assert shipped["status"] in ("Shipped", "Failed"), "its own worker needs no key"
    actors = [entry.get("actor") for entry in ask(f"{path}/timeline", headers=as_(first)).body["items"]]
    assert {"shop", "fulfillment-worker"} <= set(actors)

    second = made(orderflow, "--name", "shop", "--scope", "orders:read", "--expires", "1h", **settings)
    assert ask(path, headers=as_(second)).status == 200, "it works as soon as it is shown"
    listed = json.loads(orderflow("keys", "list", "--json", **settings).stdout)
    assert [(key["name"], key["services"]) for key in listed] == [("shop", ["orders", "fulfillment"])] * 2
    revoked = orderflow("keys", "revoke", listed[0]["id"], **settings)
    assert (revoked.returncode, revoked.stdout) == (0, f"{listed[0]['id']}: revoked\n")
    eventually(lambda: ask(path, headers=as_(second)).status == 401, "it is revoked", 5)
    assert ask(path, headers=as_(first)).status == 200

    told = orderflow("orders", "list", ORDERS_URL=url, API_KEY=second)
    assert told.returncode == 1
    assert "ORDERFLOW_API_KEY" in told.stderr
    assert orderflow("orders", "list", ORDERS_URL=url, API_KEY=first).returncode == 0
    assert role.stop() == 0
    assert first[14:] not in role.output
    assert second[14:] not in role.output + told.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("create", "--scope", "orders:read"),
        ("create", "--name", "shop"),
        ("create", "--name", "jwt:shop", "--scope", "orders:read"),
        ("create", "--name", "shop", "--scope", "orders:everything"),
        ("create", "--name", "shop", "--scope", "orders:status", "--customer", "c-1"),
        ("create", "--name", "shop", "--scope", "orders:read", "--customer", ""),
        ("create", "--name", "shop", "--scope", "orders:read", "--expires", "tomorrow"),
        ("create", "--name", "shop", "--scope", "orders:read", "--expires", "99999d"),
        ("revoke", "shop"),
    ],
    ids=" ".join,
)
def test_wrong_use_is_told_and_makes_nothing(
    orderflow: Orderflow, arguments: tuple[str, ...], tmp_path: Path
) -> None:
    done = orderflow("keys", *arguments, DATA_DIR=str(tmp_path / "data"))
    assert (done.returncode, done.stdout) == (2, "")
    assert not (tmp_path / "data").exists()


def test_a_key_that_somebody_brings_along_is_stored_once(orderflow: Orderflow, tmp_path: Path) -> None:
    settings = {"DATA_DIR": str(tmp_path / "data")}
    file = tmp_path / "key"
    create = ("keys", "create", "--name", "worker", "--scope", "orders:status", "--key-file", str(file))
    assert orderflow(*create, **settings).returncode == 1
    file.write_text("no key\n")
    assert orderflow(*create, **settings).returncode == 2
    key = f"of_0123456789_{'A' * 43}"
    file.write_text(f"{key}\n")
    for _ in range(2):
        done = orderflow(*create, **settings)
        assert (done.returncode, done.stdout) == (0, "of_0123456789: valid\n")
    (listed,) = json.loads(orderflow("keys", "list", "--json", **settings).stdout)
    assert (listed["name"], listed["scopes"]) == ("worker", ["orders:status"])
    file.write_text(key.replace("A", "B"))
    assert "another key" in orderflow(*create, **settings).stderr
    file.write_text(key)
    orderflow("keys", "revoke", "of_0123456789", **settings)
    assert "was revoked" in orderflow(*create, **settings).stderr


@pytest.fixture
def services(server_database: str, fulfillment_database: str, kafka_url: str) -> Generator[dict[str, str]]:
    """The settings of services on servers, with a topic of the test's own."""
    topic = f"test-{uuid.uuid4()}"
    yield {
        "DATABASE_URL": server_database,
        "FULFILLMENT_DATABASE_URL": fulfillment_database,
        "BUS_URL": kafka_url,
        "ORDERS_TOPIC": topic,
        "CONSUMER_GROUP": f"workers-{topic}",
        "AUTH": "on",
    }
    admin: Any = AdminClient({"bootstrap.servers": kafka_url.removeprefix("kafka://")})
    for deleted in admin.delete_topics([topic]).values():
        deleted.result()


@pytest.fixture
def fulfillment_database(server_database: str) -> str:
    """Both services may share a database: their tables have different names."""
    return server_database


def test_a_revoked_key_is_refused_within_a_second_by_every_process(
    start: StartRole, orderflow: Orderflow, services: dict[str, str]
) -> None:
    key = made(orderflow, "--name", "operator", "--scope", "admin", **services)
    worker_key = made(orderflow, "--name", "worker", "--scope", "orders:status", **services)
    apis = [start("api", PORT="0", **services) for _ in range(2)]
    worker = start("fulfillment", FULFILLMENT_PORT="0", API_KEY=worker_key, **services)
    paths = [f"{api.url()}/api/orders" for api in apis] + [f"{worker.url()}/api/fulfillment/shipments"]

    def answers() -> list[int]:
        return [ask(path, headers=as_(key)).status for path in paths]

    assert answers() == [200, 200, 200]
    assert [ask(path, headers=as_(worker_key)).status for path in paths] == [403, 403, 403]
    orderflow("keys", "revoke", key[:13], **services)
    revoked_at = time.monotonic()
    eventually(lambda: answers() == [401, 401, 401], "all refuse it", 10)
    assert time.monotonic() - revoked_at < 1.0


def test_a_worker_without_a_key_says_what_it_needs(start: StartRole) -> None:
    role: Role = start(
        "fulfillment",
        FULFILLMENT_PORT="0",
        FULFILLMENT_DATABASE_URL="postgresql://nobody@127.0.0.1:9/none",
        BUS_URL="kafka://127.0.0.1:9",
        AUTH="on",
    )
    assert role.process.wait(timeout=60) == 2
    assert "ORDERFLOW_API_KEY" in role.output
    assert "orderflow keys create" in role.output


def test_health_is_open(start: StartRole, tmp_path: Path) -> None:
    role = start("up", PORT="0", FULFILLMENT_PORT="0", DATA_DIR=str(tmp_path / "data"), AUTH="on")
    answer: Answer = ask(f"{role.url()}/health/ready")
    assert answer.status == 200
