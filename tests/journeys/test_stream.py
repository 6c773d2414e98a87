"""The stream of changes, served by processes of which any may die, and its cost in memory."""

import os
import signal
import threading
import uuid
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from confluent_kafka.admin import AdminClient
from conftest import StartRole
from processes import Role, all_orders, ask, eventually, order
from test_api_workers import workers
from tests.orders.followed import Followed


@pytest.fixture
def api(start: StartRole, server_database: str, kafka_url: str) -> Generator[Role]:
    topic = f"test-{uuid.uuid4()}"
    names = {"DATABASE_URL": server_database, "BUS_URL": kafka_url, "ORDERS_TOPIC": topic}
    yield start("api", API_WORKERS="2", PORT="0", **names)
    admin: Any = AdminClient({"bootstrap.servers": kafka_url.removeprefix("kafka://")})
    for deleted in admin.delete_topics([topic]).values():
        deleted.result()


def port_of(url: str) -> int:
    port = urlsplit(url).port
    assert port is not None
    return port


def test_a_client_that_resumes_misses_nothing_while_workers_are_killed_under_load(api: Role) -> None:
    url = api.url()
    eventually(lambda: len(workers(api)) == 2, "both run")
    found: list[tuple[int, str, int]] = []
    over = threading.Event()

    def follow() -> None:
        last: int | None = 0
        while not over.is_set():
            with (
                suppress(OSError, HTTPException, AssertionError),
                Followed(port_of(url), after=last) as client,
            ):
                while not over.is_set():
                    found.extend(client.orders(1))
                    last = client.last_id

    def load() -> None:
        while not stopped.is_set():
            with suppress(OSError, HTTPException):  # its worker was killed
                ask(f"{url}/api/orders", method="POST", body=order(1))

    stopped = threading.Event()
    with ThreadPoolExecutor(3) as threads:
        threads.submit(follow)
        loads = [threads.submit(load) for _ in range(2)]
        for _ in range(3):
            seen = len(found)
            eventually(lambda: len(found) > seen + 20, "the client gets on")  # noqa: B023 - called at once
            os.kill(min(workers(api)), signal.SIGKILL)
            eventually(lambda: len(workers(api)) == 2, "another worker is there")
        stopped.set()
        for each in loads:
            each.result()
        placed = {each["orderId"] for each in all_orders(url)}
        eventually(lambda: len(found) >= len(placed), "the client has all")
        over.set()
        ask(f"{url}/api/orders", method="POST", body=order(1))  # so that it looks up
    assert [position for position, _, _ in found[: len(placed)]] == list(range(1, len(placed) + 1))
    assert {order_id for _, order_id, _ in found[: len(placed)]} == placed


def resident_kib(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))


def test_a_client_costs_little_memory(start: StartRole) -> None:
    role = start("up", PORT="0", FULFILLMENT_PORT="0")
    url = role.url()
    clients = 200
    with ExitStack() as stack:
        warm = [stack.enter_context(Followed(port_of(url))) for _ in range(20)]
        for each in warm:
            each.heartbeat()
        before = resident_kib(role.process.pid)
        streams = [stack.enter_context(Followed(port_of(url))) for _ in range(clients)]
        for each in streams:
            each.heartbeat()
        ask(f"{url}/api/orders", method="POST", body=order(1))
        for each in streams:
            each.orders(1)
        used_kib = resident_kib(role.process.pid) - before
    assert used_kib / clients < 60
    assert role.stop() == 0
