"""Orders while things break: a full queue, killed sessions, lost answers, a database that is away."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from psycopg import sql
from sqlalchemy import event
from sqlalchemy.exc import OperationalError
from tests.orders.conftest import ORDER, UNKNOWN_ID, Answer, Service, Start, eventually, on_a_server

from orderflow.database.engine import Database


def is_refusal(answer: Answer, kind: str) -> None:
    assert answer.status == 503, answer.body
    assert answer.document["type"] == f"urn:orderflow:problem:{kind}"
    assert int(answer.headers["retry-after"]) >= 1


def test_an_order_that_is_answered_is_committed(service: Service) -> None:
    for _ in range(20):
        order_id = service.placed()["orderId"]
        assert service.rows(f"SELECT status FROM orders WHERE order_id = '{order_id}'") == [("Created",)]  # noqa: S608


def test_an_order_commits_with_its_items_and_its_event_or_not_at_all(service: Service) -> None:
    service.write(sa.text("DROP TABLE outbox"))
    answer = service.place(key="k")
    is_refusal(answer, "database-unavailable")
    assert b"outbox" not in answer.body
    for table in ("orders", "order_items", "idempotency_keys", "status_counts"):
        assert service.rows(f"SELECT count(*) FROM {table}") == [(0,)]  # noqa: S608


def test_a_full_queue_is_a_503_with_retry_after_and_writes_nothing(start: Start) -> None:
    service = start(queue_commands_max=3, writing=False)
    with ThreadPoolExecutor(3) as threads:
        waiting = [threads.submit(service.place) for _ in range(3)]
        eventually(lambda: service.writer.queued == 3)
        is_refusal(service.place(), "overloaded")
        is_refusal(service.send("POST", "/api/orders/batch", {"orders": [ORDER]}), "overloaded")
        is_refusal(service.patch("019c46f2-b0a0-7c11-8f3a-2b1c9d4e5f60", status="Processing"), "overloaded")
        service.writer.start()
        assert [answer.result().status for answer in waiting] == [201] * 3
    assert service.orders == 3


BODIES_OF_WRITES: dict[tuple[str, str], Any] = {
    ("post", "/api/orders"): ORDER,
    ("post", "/api/orders/batch"): {"orders": [ORDER]},
    ("patch", "/api/orders/{order_id}/status"): {"status": "Processing"},
    ("patch", "/api/orders/status"): {"updates": [{"orderId": UNKNOWN_ID, "status": "Processing"}]},
    ("post", "/api/orders/{order_id}/cancel"): {},
    ("post", "/api/orders/{order_id}/hold"): {},
    ("post", "/api/orders/{order_id}/release"): {},
    ("post", "/api/outbox/parked/release"): {},
    ("post", "/api/customers/erase"): {"customerId": "CUST-1"},
    ("post", "/api/webhooks"): {"url": "https://93.184.216.34/hook"},
    ("delete", "/api/webhooks/{webhook_id}"): None,
    ("post", "/api/webhooks/{webhook_id}/test"): None,
    ("post", "/api/webhooks/{webhook_id}/redrive"): None,
    ("post", "/api/webhooks/{webhook_id}/rotate"): None,
    ("post", "/api/webhooks/{webhook_id}/dead-letters/{position}/redrive"): None,
    ("post", "/api/webhooks/{webhook_id}/dead-letters/{position}/discard"): {"reason": "r"},
}


def test_every_endpoint_that_writes_answers_a_full_queue_with_503_and_retry_after(start: Start) -> None:
    service = start(queue_commands_max=1, writing=False)
    paths: dict[str, dict[str, Any]] = service.get("/openapi.json")["paths"]
    writes = {(method, path) for path, methods in paths.items() for method in methods} - {
        ("get", path) for path in paths
    }
    assert writes == set(BODIES_OF_WRITES)
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(service.place)
        eventually(lambda: service.writer.queued == 1)
        for (method, path), body in BODIES_OF_WRITES.items():
            address = path.format(order_id=UNKNOWN_ID, webhook_id=UNKNOWN_ID, position=1)
            answer = service.send(method.upper(), address, body)
            is_refusal(answer, "overloaded")
        service.writer.start()
        assert waiting.result().status == 201
    assert service.orders == 1


def test_a_stopping_service_writes_what_it_has_taken(start: Start) -> None:
    service = start(writing=False)
    with ThreadPoolExecutor(10) as threads:
        waiting = [threads.submit(service.place) for _ in range(10)]
        eventually(lambda: service.writer.queued == 10)
        service.writer.start()
        service.writer.close()
        is_refusal(service.place(), "overloaded")
        assert [answer.result().status for answer in waiting] == [201] * 10
    assert service.orders == 10


def lose_answers(database: Database, times: int) -> None:
    """Let COMMIT happen, and then lose its answer with the connection."""
    left = [times]

    def on_commit(connection: sa.Connection) -> None:
        if left[0] == 0:
            return
        left[0] -= 1
        raw: Any = connection.connection.driver_connection
        if database.embedded:
            raw.execute("COMMIT")
        else:
            raw.commit()
        raw.close()
        raise OperationalError("COMMIT", {}, psycopg.OperationalError("lost"), connection_invalidated=True)

    event.listen(database.writer, "commit", on_commit)


def turn_read_only(service: Service, server: psycopg.Connection[Any], *, on: bool) -> None:
    """As after a failover: sessions are cut, and for new ones the server accepts no writes, or accepts them
    again. Sessions that were opened meanwhile stay as they are."""
    name = sql.Identifier(str(service.database.url.database))
    setting = sql.SQL(
        "SET default_transaction_read_only = on" if on else "RESET default_transaction_read_only"
    )
    server.execute(sql.SQL("ALTER DATABASE {} ").format(name) + setting)
    if on:
        server.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
            (service.database.url.database,),
        )


def test_while_the_database_is_read_only_orders_are_refused_and_the_service_is_not_ready(
    start: Start, postgres_database: str, postgres_url: str
) -> None:
    service = start(url=postgres_database)
    order_id = service.placed()["orderId"]
    assert service.send("GET", "/health/ready").status == 200
    with psycopg.connect(postgres_url, autocommit=True) as server:
        turn_read_only(service, server, on=True)
        for _ in range(3):
            is_refusal(service.place(), "database-unavailable")
            is_refusal(service.patch(order_id, status="Processing"), "database-unavailable")
            is_refusal(service.send("GET", "/health/ready"), "not-ready")
        assert service.get(f"/api/orders/{order_id}")["status"] == "Created"
        turn_read_only(service, server, on=False)
    # The writer's present session began while the server was read-only, so it must not be used any more.
    assert service.place().status == 201
    assert service.send("GET", "/health/ready").status == 200


@pytest.mark.parametrize("key", [None, "k"])
def test_an_order_whose_commit_was_not_answered_is_stored_once_and_answered_201(
    service: Service, key: str | None
) -> None:
    lose_answers(service.database, times=1)
    answer = service.place(key=key)
    assert (answer.status, "idempotent-replayed" in answer.headers) == (201, False)
    for table, count in (("orders", 1), ("order_items", 1), ("outbox", 1)):
        assert service.rows(f"SELECT count(*) FROM {table}") == [(count,)]  # noqa: S608
    assert service.get("/api/stats")["statuses"]["Created"] == 1
    if key:
        assert service.place(key=key).body == answer.body


def test_an_update_whose_commit_was_not_answered_is_made_once_and_answered_204(service: Service) -> None:
    order_id = service.placed()["orderId"]
    lose_answers(service.database, times=1)
    assert service.patch(order_id, status="Processing").status == 204
    assert service.get(f"/api/orders/{order_id}")["version"] == 2
    assert service.get("/api/stats")["statuses"]["Processing"] == 1


def test_an_action_whose_order_cannot_be_read_afterwards_is_outcome_unknown(
    start: Start, postgres_database: str
) -> None:
    service = start(url=postgres_database)
    order_id = service.placed()["orderId"]

    def lose_the_connection(*_: object) -> None:
        failure = psycopg.OperationalError("the connection was lost")
        raise OperationalError("SELECT", {}, failure, connection_invalidated=True)

    event.listen(service.database.reader, "before_cursor_execute", lose_the_connection)
    is_refusal(service.send("POST", f"/api/orders/{order_id}/hold"), "outcome-unknown")
    event.remove(service.database.reader, "before_cursor_execute", lose_the_connection)
    assert service.get(f"/api/orders/{order_id}")["status"] == "OnHold"


def test_sessions_killed_under_load_are_201_or_503_and_every_201_is_there(
    start: Start, postgres_database: str
) -> None:
    service = start(url=postgres_database)
    answers: list[Answer] = []

    def client() -> None:
        for _ in range(60):
            answers.append(service.place())

    with ThreadPoolExecutor(6) as threads:
        running = [threads.submit(client) for _ in range(6)]
        for _ in range(4):
            count = len(answers) + 30
            eventually(lambda count=count: len(answers) >= count or all(future.done() for future in running))
            with psycopg.connect(postgres_database, autocommit=True) as killer:
                killer.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
        for future in running:
            future.result()
    assert {answer.status for answer in answers} <= {201, 503}
    eventually(lambda: service.place().status == 201)
    there = {str(row[0]) for row in service.rows("SELECT order_id FROM orders")}
    assert {answer.document["orderId"] for answer in answers if answer.status == 201} <= there
    assert len(there) == len(service.rows("SELECT order_id FROM outbox"))
    assert service.get("/api/stats")["statuses"]["Created"] == len(there)


def test_reads_and_writes_of_a_database_that_is_away_are_definite_refusals(
    start: Start, postgres_database: str, postgres_url: str
) -> None:
    service = start(url=postgres_database)
    order_id = service.placed()["orderId"]
    name = postgres_database.rsplit("/", 1)[1]
    with psycopg.connect(postgres_url, autocommit=True) as server:
        allow = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}").format
        server.execute(allow(sql.Identifier(name), sql.SQL("false")))
        server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        try:
            is_refusal(service.place(), "database-unavailable")
            is_refusal(service.patch(order_id, status="Processing"), "database-unavailable")
            for path in (
                f"/api/orders/{order_id}",
                "/api/orders",
                "/api/stats",
                f"/api/orders/{order_id}/timeline",
            ):
                is_refusal(service.send("GET", path), "database-unavailable")
            is_refusal(service.send("GET", "/health/ready"), "not-ready")
            assert service.send("GET", "/health/live").status == 200
        finally:
            server.execute(allow(sql.Identifier(name), sql.SQL("true")))
    eventually(lambda: service.place().status == 201)
    assert service.get(f"/api/orders/{order_id}")["version"] == 1


@on_a_server
def test_a_commit_that_is_lost_with_the_database_is_outcome_unknown(start: Start) -> None:
    service = start(in_doubt_s_max=0.3)
    lose_answers(service.database, times=-1)
    is_refusal(service.place(key="k"), "outcome-unknown")
    assert service.orders == 1


def test_many_clients_at_once_are_all_answered_and_all_stored(service: Service) -> None:
    barrier = threading.Barrier(20)

    def client(_: int) -> list[int]:
        barrier.wait()
        return [service.place().status for _ in range(10)]

    with ThreadPoolExecutor(20) as threads:
        statuses = [status for result in threads.map(client, range(20)) for status in result]
    assert statuses == [201] * 200
    assert service.orders == 200
    assert service.writer.committed_transactions < 200
