"""SIGTERM and SIGINT are obeyed from the first instruction to the last, by every role, however often they
come. What is under way is answered, and the process ends with 0 within 15 s."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from confluent_kafka.admin import AdminClient
from conftest import StartRole
from processes import Role, ask, eventually, order

STOP_S_MAX = 15
NOWHERE = "postgresql://nobody@127.0.0.1:9/nothing"
"""Nothing listens there, so that a role waits for its database."""

WAITING = {"DATABASE_URL": NOWHERE, "FULFILLMENT_DATABASE_URL": NOWHERE, "PORT": "0", "FULFILLMENT_PORT": "0"}


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


def catches(pid: int, number: signal.Signals) -> bool:
    """Whether the process has a handler for the signal."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False
    caught = next((int(line[7:], 16) for line in status.splitlines() if line.startswith("SigCgt:")), 0)
    return bool(caught >> (number - 1) & 1)


def post_slowly(url: str, number: int, sent_half: Callable[[], object], go_on: Callable[[], object]) -> int:
    """Place an order whose body is sent in two halves, with `go_on` called in between. Returns the status, or
    0 if there was no answer."""
    body = json.dumps(order(number)).encode()
    where = urlsplit(url)
    with socket.create_connection((str(where.hostname), where.port or 80), timeout=20) as connection:
        head = (
            f"POST /api/orders HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        connection.sendall(head.encode() + body[:10])
        sent_half()
        go_on()
        connection.sendall(body[10:])
        answer = connection.recv(4096)
        return int(answer.split()[1]) if answer else 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_is_under_way_is_answered_when_the_whole_group_is_told_to_stop(
    api: Role, number: signal.Signals
) -> None:
    """systemd does so by default, and a terminal does at Ctrl-C: the workers get the signal twice."""
    url = api.url()
    placed = ask(f"{url}/api/orders", method="POST", body=order(0)).body["orderId"]
    half_sent: list[int] = []
    told: list[bool] = []

    def told_to_stop() -> None:
        eventually(lambda: bool(told), "the signal was sent")
        time.sleep(0.3)

    def poll(_number: int) -> int:
        return ask(f"{url}/api/orders/{placed}?wait=Shipped&timeoutMs=30000").status

    with ThreadPoolExecutor(12) as clients:
        polls = [clients.submit(poll, each) for each in range(6)]
        posts = [
            clients.submit(post_slowly, url, each, lambda: half_sent.append(1), told_to_stop)
            for each in range(1, 7)
        ]
        eventually(lambda: len(half_sent) == 6, "the requests are under way")
        time.sleep(0.5)
        os.killpg(api.process.pid, number)
        began = time.monotonic()
        told.append(True)
        statuses = [each.result() for each in (*polls, *posts)]
    assert api.process.wait(timeout=STOP_S_MAX) == 0, api.output
    assert time.monotonic() - began < STOP_S_MAX
    assert statuses == [200] * 6 + [201] * 6


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("after_s", [0.0, 0.1, 0.3, 0.7, 1.5, 3.0])
def test_a_role_that_starts_ends_with_0_at_any_moment(
    start: StartRole, number: signal.Signals, after_s: float
) -> None:
    role = start("up", PORT="0", FULFILLMENT_PORT="0")
    # Python itself catches SIGINT before our first instruction.
    eventually(lambda: catches(role.process.pid, signal.SIGTERM), "it listens to signals")
    time.sleep(after_s)
    for _ in range(3):
        if role.process.poll() is None:
            os.kill(role.process.pid, number)
        time.sleep(0.02)
    assert role.process.wait(timeout=STOP_S_MAX) == 0, role.output


@pytest.mark.parametrize("command", ["api", "relay", "fulfillment"])
def test_a_role_that_waits_for_its_database_can_be_stopped(start: StartRole, command: str) -> None:
    role = start(command, BUS_URL="kafka://127.0.0.1:9", **WAITING)
    eventually(lambda: "database.waiting" in role.output, "it waits")
    assert role.stop() == 0, role.output


def as_process_1(directory: Path, *arguments: str, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    """The command as the first process of a namespace, as in a container without an init."""
    if shutil.which("unshare") is None or os.geteuid() != 0:
        pytest.skip("needs root and unshare")
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("ORDERFLOW_")}
    with (directory / "log").open("wb") as output:
        return subprocess.Popen(
            ["unshare", "--pid", "--fork", "--kill-child", sys.executable, "-m", "orderflow", *arguments],
            env={**inherited, **environment},
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            cwd=directory,
        )


def child_of(pid: int) -> int | None:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(children[0]) if children else None


@pytest.mark.parametrize("command", ["api", "fulfillment", "migrate"])
def test_process_1_of_a_container_is_stopped_while_it_waits_for_its_database(
    tmp_path: Path, command: str
) -> None:
    environment = {f"ORDERFLOW_{name}": value for name, value in WAITING.items()}
    environment["ORDERFLOW_BUS_URL"] = "kafka://127.0.0.1:9"
    outer = as_process_1(tmp_path, command, environment=environment)
    try:
        eventually(lambda: "waiting" in (tmp_path / "log").read_text(), "it waits")
        pid = child_of(outer.pid)
        assert pid is not None
        os.kill(pid, signal.SIGTERM)
        # A migration that was interrupted must not look like a success.
        assert outer.wait(timeout=STOP_S_MAX) == (143 if command == "migrate" else 0)
    finally:
        outer.kill()
        outer.wait()
