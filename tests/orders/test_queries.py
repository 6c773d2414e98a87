"""What can be asked: pages that miss nothing, filters, histories, counts that agree, and long polls."""

import asyncio
import random
import threading
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest
from sqlalchemy import event
from tests.orders.conftest import ORDER, Service, Start, eventually, on_a_server, with_plans

from orderflow.database.engine import DatabaseUnavailable
from orderflow.orders.http.waiting import WAITERS_MAX, Waiters


def order_of(customer: str, product: str = "PROD-1") -> dict[str, Any]:
    return ORDER | {
        "customer": {"customerId": customer, "name": "N"},
        "items": [{"productId": product, "quantity": 1}, {"productId": product, "quantity": 2}],
    }


def place_all(service: Service, *orders: Any) -> list[dict[str, Any]]:
    answer = service.send("POST", "/api/orders/batch", {"orders": list(orders)})
    return [result["order"] for result in answer.document["results"]]


def walk(service: Service, query: str = "") -> list[str]:
    """Every order id the pages give, in the order they come."""
    found: list[str] = []
    cursor = ""
    while True:
        page = service.get(f"/api/orders?limit=7{query}{cursor}")
        found += [order["orderId"] for order in page["items"]]
        if page["nextCursor"] is None:
            return found
        assert len(page["items"]) == 7
        cursor = f"&cursor={page['nextCursor']}"


def test_pages_give_every_order_exactly_once_newest_first_while_orders_arrive(service: Service) -> None:
    before = [order["orderId"] for order in place_all(service, *[ORDER] * 60)]
    stop = threading.Event()

    def keep_ordering() -> None:
        while not stop.is_set():
            service.placed()

    with ThreadPoolExecutor(1) as thread:
        arriving = thread.submit(keep_ordering)
        try:
            eventually(lambda: service.orders > 62)
            walks = [walk(service) for _ in range(3)]
        finally:
            stop.set()
            arriving.result()
    for found in walks:
        assert found == sorted(found, reverse=True)
        assert len(found) == len(set(found))
        assert set(before) <= set(found)


def test_an_order_that_changes_while_one_pages_keeps_its_place(service: Service) -> None:
    ids = [order["orderId"] for order in place_all(service, *[ORDER] * 20)]
    first = service.get("/api/orders?limit=10")
    service.patch(first["items"][-1]["orderId"], status="Processing")
    service.patch(min(ids), status="Processing")
    second = service.get(f"/api/orders?limit=10&cursor={first['nextCursor']}")
    assert [o["orderId"] for o in first["items"] + second["items"]] == sorted(ids, reverse=True)
    assert second["nextCursor"] is None


def test_filters_give_what_they_name_and_nothing_else(service: Service) -> None:
    ann, bob, two = place_all(service, order_of("ann"), order_of("bob", "PROD-2"), order_of("ann", "PROD-2"))
    service.patch(bob["orderId"], status="Processing")
    service.patch(two["orderId"], attention={"kind": "stuck", "reason": "r"})
    service.patch(bob["orderId"], fulfillment={"trackingNumber": "TRK 1&2"})
    kept = service.place(order_of("ann"), key="basket 1").document
    expected = {
        "customerId=ann": [kept, two, ann],
        "productId=PROD-2": [two, bob],
        "customerId=ann&productId=PROD-2": [two],
        "status=Processing": [bob],
        "status=Created": [kept, two, ann],
        "status=Created&status=Processing": [kept, two, bob, ann],
        "status=Shipped&status=Processing&status=Processing": [bob],
        "status=Created&status=Processing&customerId=ann": [kept, two, ann],
        "status=Shipped": [],
        "attention=true": [two],
        "attention=false": [kept, bob, ann],
        "trackingNumber=TRK%201%262": [bob],
        "trackingNumber=TRK": [],
        "trackingNumber=TRK%201%262&customerId=ann": [],
        "idempotencyKey=basket%201": [kept],
        "idempotencyKey=%20basket%201": [kept],
        "idempotencyKey=basket%201&productId=PROD-1&status=Created": [kept],
        "idempotencyKey=basket%201&trackingNumber=TRK%201%262": [],
        "idempotencyKey=Basket%201": [],
        "customerId=nobody": [],
        "customerId=ann%27%20OR%201%3D1--": [],
        f"createdFrom={ann['createdAt']}": [kept, two, bob, ann],
        f"createdTo={ann['createdAt']}": [],
        "createdFrom=9999-12-31T23:59:59Z": [],
        "createdTo=0001-01-01T00:00:00Z": [],
        "createdFrom=1969-01-01T00:00:00Z&createdTo=2200-01-01T00:00:00%2B02:00": [kept, two, bob, ann],
    }
    for query, orders in expected.items():
        assert walk(service, f"&{query}") == sorted((o["orderId"] for o in orders), reverse=True), query


@with_plans
@pytest.mark.parametrize(
    "query",
    [
        "",
        "status=Created",
        "customerId=ann",
        "customerId=ann&status=Created",
        "customerId=ann&status=Created&status=Shipped",
        "attention=true&status=Created",
        "productId=PROD-1",
        "productId=PROD-1&status=Created",
        "attention=true",
        "productId=PROD-1&createdFrom=2020-01-01T00:00:00Z&createdTo=2200-01-01T00:00:00Z",
    ],
)
def test_the_work_of_a_first_page_does_not_grow_with_what_is_stored(service: Service, query: str) -> None:
    placed = [order for _ in range(4) for order in place_all(service, *([order_of("ann")] * 1000))]
    for order in placed[-30:]:
        service.patch(order["orderId"], attention={"kind": "stuck", "reason": "r"})
    with service.database.writer.begin() as connection:
        connection.exec_driver_sql("ANALYZE")
    page = page_by_index(service, query)
    assert len(page["items"]) == 10


@with_plans
def test_a_first_page_of_several_statuses_reads_no_more_of_each_than_fits(service: Service) -> None:
    placed = [order for _ in range(4) for order in place_all(service, *([order_of("ann")] * 1000))]
    for order in placed[:20]:
        service.patch(order["orderId"], status="Processing")
    with service.database.writer.begin() as connection:
        connection.exec_driver_sql("ANALYZE")
    # SQLite sorts the few that it has read of each status.
    page = page_by_index(service, "status=Processing&status=Created", no=("SCAN orders", "MATERIALIZE"))
    assert [each["orderId"] for each in page["items"]] == [
        order["orderId"] for order in sorted(placed, key=lambda each: each["orderId"])[:-11:-1]
    ]
    rare = page_by_index(service, "status=Processing&status=OnHold", no=("SCAN orders", "MATERIALIZE"))
    assert len(rare["items"]) == 10


@with_plans
@pytest.mark.parametrize("query", ["trackingNumber=TRK-7", "idempotencyKey=key-7"])
def test_an_order_is_found_by_index(service: Service, query: str) -> None:
    keyed = [order_of("ann") | {"idempotencyKey": f"key-{number}"} for number in range(1_000)]
    placed = [order for _ in range(3) for order in place_all(service, *([order_of("ann")] * 1000))]
    placed += place_all(service, *keyed)
    for number, order in enumerate(placed[-1_000:][:40]):
        service.patch(order["orderId"], fulfillment={"trackingNumber": f"TRK-{number}"})
    with service.database.writer.begin() as connection:
        connection.exec_driver_sql("ANALYZE")
    (found,) = page_by_index(service, query, no=(*SORTED, "SCAN"))["items"]
    assert found["orderId"] == placed[3_007]["orderId"]


SORTED = ("TEMP B-TREE", "MATERIALIZE")
"""What a plan of SQLite says if it reads everything before it gives the first row."""


def page_by_index(service: Service, query: str, no: Sequence[str] = SORTED) -> Any:
    """The first page, which reads next to nothing besides its orders. `no` are words that a plan of SQLite
    must not have."""
    statements: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        statements.append((statement, parameters))

    event.listen(service.database.reader, "before_cursor_execute", note)
    page = service.get(f"/api/orders?limit=10&{query}")
    event.remove(service.database.reader, "before_cursor_execute", note)
    pages = [(text, given) for text, given in statements if "FROM orders" in text and "ORDER BY" in text]
    assert pages
    how = "QUERY PLAN" if service.database.embedded else "(ANALYZE, FORMAT JSON)"
    with service.database.reader.connect() as connection:
        for text, given in pages:
            plan = connection.exec_driver_sql(f"EXPLAIN {how} {text}", given).all()
            if service.database.embedded:
                assert not any(word in row[3] for word in no for row in plan), plan
            else:
                assert rows_touched(plan[0][0][0]["Plan"]) < 500, plan
    return page


def rows_touched(plan: dict[str, Any]) -> int:
    """All rows that the nodes of a PostgreSQL plan put out, or read and dropped."""
    own = plan["Actual Loops"] * (plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0))
    return own + sum(rows_touched(child) for child in plan.get("Plans", []))


def test_an_event_that_is_sent_again_does_not_make_the_outbox_look_late(service: Service) -> None:
    service.placed()
    with service.database.writer.begin() as connection:
        connection.exec_driver_sql("UPDATE outbox SET re_emissions = 1")
    stats = service.get("/api/stats")["outbox"]
    assert stats["backlog"] == 1
    assert stats["oldestAgeMs"] == 0


def test_a_listed_order_is_the_whole_order(service: Service) -> None:
    placed = service.placed()
    assert service.get("/api/orders") == {"items": [placed], "nextCursor": None}


def test_an_order_is_answered_with_its_version_as_entity_tag(service: Service) -> None:
    order_id = service.placed()["orderId"]
    service.patch(order_id, status="Processing")
    answer = service.send("GET", f"/api/orders/{order_id.upper()}")
    assert (answer.headers["etag"], answer.document["version"]) == ('"2"', 2)
    assert answer.document["allowedTransitions"] == ["Cancelling"]


def test_the_timeline_has_every_change_with_actor_reason_and_correlation_id(service: Service) -> None:
    order = service.placed()
    order_id = order["orderId"]
    service.patch(order_id, attention={"kind": "stuck", "reason": "carrier away"})
    headers = {"X-Correlation-ID": "shipping-7"}
    service.send("PATCH", f"/api/orders/{order_id}/status", {"status": "Processing"}, headers)
    service.patch(order_id, status="Processing")
    service.patch(order_id, status="Failed", fulfillment={"errorMessage": "rejected"})
    items = service.get(f"/api/orders/{order_id}/timeline")["items"]
    changes = [item for item in items if item["kind"] == "change"]
    assert [(c["orderVersion"], c["status"], c["reason"]) for c in changes] == [
        (1, "Created", None),
        (2, "Created", "carrier away"),
        (3, "Processing", None),
        (4, "Failed", "rejected"),
    ]
    assert changes[0]["correlationId"] == order["correlationId"]
    assert changes[2]["correlationId"] == "shipping-7"
    assert all(change["actor"] and change["at"] for change in changes)
    assert [item["orderVersion"] for item in items if item["kind"] == "event"] == [1]


@pytest.mark.parametrize("seed", [1, 2])
def test_counts_agree_with_a_recount_after_anything_that_happens(start: Start, seed: int) -> None:
    chance = random.Random(seed)
    processes = [start()]
    if not processes[0].database.embedded:
        processes.append(start())
    ids: list[str] = []
    for step in range(40):
        service = chance.choice(processes)
        if step % 4 == 0:
            keys = [
                {"idempotencyKey": f"k{chance.randrange(6)}"} if chance.random() < 0.5 else {}
                for _ in range(5)
            ]
            ids += [order["orderId"] for order in place_all(service, *(ORDER | key for key in keys))]
        updates: list[dict[str, Any]] = [
            {"orderId": chance.choice(ids)}
            | {"status": chance.choice(["Processing", "Shipped", "Failed", "Cancelled"])}
            | (
                {"attention": chance.choice([None, {"kind": "x", "reason": "y"}])}
                if chance.random() < 0.3
                else {}
            )
            for _ in range(8)
        ]
        results = service.send("PATCH", "/api/orders/status", {"updates": updates}).document["results"]
        assert {result["status"] for result in results} <= {204, 409}
    recounted = Counter(str(row[0]) for row in processes[0].rows("SELECT status FROM orders"))
    stats = processes[-1].get("/api/stats")
    assert {status: count for status, count in stats["statuses"].items() if count} == dict(recounted)
    attention = processes[0].rows("SELECT count(*) FROM orders WHERE attention_kind IS NOT NULL")[0][0]
    assert stats["attention"] == attention
    versions = {str(row[0]): row[1] for row in processes[0].rows("SELECT order_id, version FROM orders")}
    history = Counter(str(row[0]) for row in processes[0].rows("SELECT order_id FROM order_changes"))
    assert {order_id: version - 1 for order_id, version in versions.items() if version > 1} == dict(history)


def test_a_long_poll_answers_at_the_change_it_waits_for(service: Service) -> None:
    order_id = service.placed()["orderId"]
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(service.get, f"/api/orders/{order_id}?wait=Shipped&timeoutMs=60000")
        service.patch(order_id, status="Processing")
        assert not waiting.done()
        service.patch(order_id, status="Shipped")
        assert waiting.result()["status"] == "Shipped"


@pytest.mark.parametrize("terminal", ["Failed", "Cancelled"])
def test_a_long_poll_answers_at_any_terminal_status(service: Service, terminal: str) -> None:
    order_id = service.placed()["orderId"]
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(service.get, f"/api/orders/{order_id}?wait=Shipped&timeoutMs=60000")
        if terminal == "Failed":
            service.patch(order_id, status="Processing")
        service.patch(order_id, status=terminal)
        assert waiting.result()["status"] == terminal
    assert service.get(f"/api/orders/{order_id}?wait=Shipped&timeoutMs=60000")["status"] == terminal


def test_a_long_poll_answers_with_the_order_as_it_is_at_the_time_out(service: Service) -> None:
    order_id = service.placed()["orderId"]
    assert service.get(f"/api/orders/{order_id}?wait=Shipped&timeoutMs=50")["status"] == "Created"
    assert service.get(f"/api/orders/{order_id}?wait=Shipped&timeoutMs=0")["status"] == "Created"


@on_a_server
def test_a_long_poll_sees_a_change_that_another_process_made(start: Start) -> None:
    here, there = start(), start()
    order_id = here.placed()["orderId"]
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(here.get, f"/api/orders/{order_id}?wait=Processing&timeoutMs=60000")
        there.patch(order_id, status="Processing")
        assert waiting.result()["status"] == "Processing"


def test_waiters_are_bounded_and_leave_their_place_again() -> None:
    async def crowd() -> None:
        waiters = Waiters(nothing_known)
        with ExitStack() as stack:
            waiting = [
                stack.enter_context(waiters.expecting(str(number), "Shipped"))
                for number in range(WAITERS_MAX)
            ]
            with waiters.expecting("one more", "Shipped") as refused:
                assert refused.reached.is_set()
            waiters.reached("0", "Processing")
            assert not waiting[0].reached.is_set()
            waiters.reached("0", "Shipped")
            waiters.reached("1", "Failed")
            assert [waiter.reached.is_set() for waiter in waiting[:3]] == [True, True, False]
        with waiters.expecting("0", "Shipped") as late:
            assert not late.reached.is_set()
            waiters.close()
            assert late.reached.is_set()
        with waiters.expecting("0", "Shipped") as too_late:
            assert too_late.reached.is_set()

    asyncio.run(crowd())


async def nothing_known(_order_ids: Sequence[str]) -> dict[str, str]:
    return {}


def test_waiters_ask_for_what_other_processes_changed_also_after_an_outage() -> None:
    answers = iter([DatabaseUnavailable("away"), {"a": "Processing"}, {"a": "Shipped"}])
    asked: list[list[str]] = []

    async def statuses(order_ids: Sequence[str]) -> dict[str, str]:
        asked.append(list(order_ids))
        answer = next(answers)
        if isinstance(answer, DatabaseUnavailable):
            raise answer
        return answer

    async def wait() -> None:
        with Waiters(statuses, look_period_s=0.01).expecting("a", "Shipped") as waiter:
            async with asyncio.timeout(30):
                await waiter.reached.wait()

    asyncio.run(wait())
    assert asked == [["a"]] * 3
