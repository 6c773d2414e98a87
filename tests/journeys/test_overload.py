"""Under more load than the service can take, it says so, stays small and goes on."""

import resource
import socket
import sqlite3
import threading
import time
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from conftest import StartRole
from processes import Role, ask, eventually, order

CONNECTIONS = 10_000
RSS_MB_MAX = 400
BODY = b'{"customer":'
HEAD = b"POST /api/orders HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


def up(start: StartRole, data: Path) -> Role:
    return start("up", DATA_DIR=str(data), PORT="0", FULFILLMENT_PORT="0", CARRIER_DELAY_MS="0-0")


def rss_mb(role: Role) -> float:
    lines = Path(f"/proc/{role.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


@contextmanager
def open_files(number: int) -> Generator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < number:
        pytest.skip(f"the system allows only {hard} open files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, number), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_ten_thousand_connections_leave_room_and_memory_for_the_others(
    start: StartRole, tmp_path: Path
) -> None:
    """A third of the connections send nothing, a third half a head, a third half a body; all vanish in the
    end."""
    role = up(start, tmp_path / "data")
    url = role.url()
    address = urlsplit(url)
    said = (b"", HEAD, HEAD + b"Content-Length: 500\r\n\r\n" + BODY)
    with open_files(CONNECTIONS + 500):
        clients: list[socket.socket] = []
        try:
            for number in range(CONNECTIONS):
                client = socket.create_connection((address.hostname, address.port), timeout=30)
                client.sendall(said[number % 3])
                clients.append(client)
            for number in range(20):
                assert ask(f"{url}/api/orders", method="POST", body=order(number)).status == 201
            assert rss_mb(role) < RSS_MB_MAX
        finally:
            for client in clients:
                client.close()
    assert ask(f"{url}/api/orders", method="POST", body=order(20)).status == 201
    statuses = ask(f"{url}/api/stats").body["statuses"]
    assert sum(statuses.values()) == 21


def test_a_database_that_stands_still_fills_no_queue_for_longer_than_two_seconds(
    start: StartRole, tmp_path: Path
) -> None:
    role = up(start, tmp_path / "data")
    url = role.url()
    answers: list[tuple[int, str, float]] = []

    def place(number: int) -> None:
        began = time.monotonic()
        refused = ask(f"{url}/api/orders", method="POST", body=order(number))
        answers.append((refused.status, refused.body["type"], time.monotonic() - began))

    with closing(sqlite3.connect(tmp_path / "data" / "orders.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        waiting = [threading.Thread(target=place, args=(number,)) for number in range(6)]
        for thread in waiting:  # the writer has the first one in hand, and the others wait behind it
            thread.start()
            time.sleep(0.3)
        for thread in waiting:
            thread.join()
        other.execute("ROLLBACK")
    assert len(answers) == len(waiting)
    for status, kind, took_s in answers:
        assert status == 503
        assert kind.endswith((":database-unavailable", ":overloaded"))
        assert took_s < 4
    eventually(
        lambda: ask(f"{url}/api/orders", method="POST", body=order(3)).status == 201, "orders are taken again"
    )


def test_a_client_that_does_not_read_its_answer_is_let_go(start: StartRole, tmp_path: Path) -> None:
    """If a client asks again and again without reading, its answers do not pile up: its requests are no
    longer read."""
    role = up(start, tmp_path / "data")
    url = role.url()
    for number in range(0, 200, 50):
        batch = {"orders": [order(n, items=50) for n in range(number, number + 50)]}
        assert ask(f"{url}/api/orders/batch", method="POST", body=batch).status == 200
    before = rss_mb(role)
    address = urlsplit(url)
    request = b"GET /api/orders?limit=200 HTTP/1.1\r\nHost: x\r\n\r\n"
    clients = [socket.create_connection((address.hostname, address.port), timeout=5) for _ in range(20)]
    for client in clients:
        client.setblocking(False)
        for _ in range(50):
            try:
                client.send(request)
            except BlockingIOError:
                break
    eventually(lambda: ask(f"{url}/health/live").status == 200, "the service answers")
    time.sleep(1)
    assert ask(f"{url}/api/orders", method="POST", body=order(1)).status == 201
    assert rss_mb(role) - before < 200
    for client in clients:
        client.close()
