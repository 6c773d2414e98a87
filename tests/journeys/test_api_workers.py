"""`orderflow api` with ORDERFLOW_API_WORKERS=2: two processes behind one socket, either of which may die."""

import os
import signal
import threading
import urllib.request
import uuid
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient
from conftest import StartRole
from processes import Role, ask, eventually, order

CREATED = (
    'http_server_request_duration_seconds_count{http_request_method="POST",http_route="/api/orders",'
    'http_response_status_code="201"}'
)


@pytest.fixture
def api(start: StartRole, server_database: str, kafka_url: str) -> Generator[Role]:
    topic = f"test-{uuid.uuid4()}"
    yield start(
        "api",
        API_WORKERS="2",
        PORT="0",
        DATABASE_URL=server_database,
        BUS_URL=kafka_url,
        ORDERS_TOPIC=topic,
    )
    admin: Any = AdminClient({"bootstrap.servers": kafka_url.removeprefix("kafka://")})
    for deleted in admin.delete_topics([topic]).values():
        deleted.result()


def workers(role: Role) -> set[int]:
    """The role's worker processes that are running."""
    pid = role.process.pid
    children = {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}
    return {child for child in children if runs(child)}


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def place_many(url: str, first: int) -> list[int]:
    """Place forty orders, each on its own connection, and return the statuses."""

    def place(number: int) -> int:
        return ask(f"{url}/api/orders", method="POST", body=order(number)).status

    with ThreadPoolExecutor(8) as clients:
        return list(clients.map(place, range(first, first + 40)))


def test_a_worker_that_dies_is_replaced_and_the_other_goes_on(api: Role) -> None:
    url = api.url()
    eventually(lambda: len(workers(api)) == 2, "both run")
    before = workers(api)
    assert place_many(url, 0) == [201] * 40
    os.kill(min(before), signal.SIGKILL)
    eventually(lambda: min(before) not in workers(api), "it is dead")
    assert place_many(url, 100) == [201] * 40
    eventually(lambda: len(workers(api) - before) == 1, "another one is there in its place")
    assert place_many(url, 200) == [201] * 40
    assert sum(ask(f"{url}/api/stats").body["statuses"].values()) == 120
    assert [line["pid"] for line in api.log_lines() if line["event"] == "worker.died"] == [min(before)]


def test_a_stopped_api_drains_both_and_ends_with_0(api: Role) -> None:
    api.url()
    eventually(lambda: len(workers(api)) == 2, "both run")
    both = workers(api)
    assert api.stop() == 0
    assert not any(map(runs, both))


def test_workers_do_not_outlive_the_process_that_started_them(api: Role) -> None:
    api.url()
    eventually(lambda: len(workers(api)) == 2, "both run")
    both = workers(api)
    os.kill(api.process.pid, signal.SIGKILL)
    eventually(lambda: not any(map(runs, both)), "both end by themselves", 20)


def counted(url: str) -> dict[str, float]:
    """Every counter and every part of a histogram that a scrape gives, by the rest of its line."""
    with urllib.request.urlopen(f"{url}/metrics", timeout=10) as answer:  # noqa: S310 - our own address
        text = answer.read().decode()
    gauges = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE") and "gauge" in line}
    lines = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    return {series: float(value) for series, _, value in lines if series.partition("{")[0] not in gauges}


def test_no_count_falls_when_a_worker_is_killed_under_load_and_none_is_lost(api: Role) -> None:
    url = api.url()
    eventually(lambda: len(workers(api)) == 2, "both run")
    before = workers(api)
    answered: list[int] = []

    def load() -> None:
        while not over.is_set():
            with suppress(OSError, HTTPException):  # its worker was killed
                answered.append(ask(f"{url}/api/orders", method="POST", body=order(1)).status)

    over = threading.Event()
    loads = [threading.Thread(target=load) for _ in range(4)]
    for each in loads:
        each.start()
    try:
        last: dict[str, float] = {}

        def no_count_falls() -> bool:
            now = counted(url)
            fallen = {series for series, value in last.items() if now.get(series, -1) < value}
            assert not fallen
            last.update(now)
            return True

        eventually(lambda: no_count_falls() and len(answered) > 100, "orders are taken")
        os.kill(min(before), signal.SIGKILL)
        eventually(lambda: no_count_falls() and len(workers(api) - before) == 1, "a successor is there")
        taken = len(answered)
        eventually(lambda: no_count_falls() and len(answered) > taken + 100, "more orders are taken")
    finally:
        over.set()
        for each in loads:
            each.join()
    assert no_count_falls()
    # The killed worker may have given one answer that it had not counted yet.
    assert last[CREATED] >= answered.count(201) - 1
