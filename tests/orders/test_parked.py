"""An event that the log refuses for its size is parked, shown, tried again and released; other refusals count
as outages."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.orders.conftest import ORDER, Service, Start, eventually
from tests.orders.test_relay import Bench, bench, drain, event

from orderflow.contracts.audit import AUDIT
from orderflow.contracts.scopes import EVERY_SCOPE, Scope
from orderflow.messaging import PublishFailed
from orderflow.orders import parked
from orderflow.orders.parked import TRIED_AGAIN_AFTER_MS
from orderflow.orders.tables import outbox
from orderflow.web.front_door import Authenticate, Principal

__all__ = ["bench"]

REFUSALS = [
    "TOPIC_AUTHORIZATION_FAILED: Broker: Topic authorization failed",
    "POLICY_VIOLATION: Broker: Request parameters do not satisfy the configured policy",
    "UNKNOWN_TOPIC_OR_PART: Broker: Unknown topic or partition",
    "INVALID_RECORD: Broker: Broker failed to validate record",
    "TOPIC_EXCEPTION: Broker: Invalid topic",
    "something that nobody has heard of",
]


@pytest.mark.parametrize("reason", REFUSALS)
def test_a_refusal_that_is_not_about_size_parks_nothing_and_ends_by_itself(bench: Bench, reason: str) -> None:
    bench.append(*(event(number) for number in range(10)))
    relay, flaky, _ = bench.relay()
    flaky.refuses = lambda _message: True
    flaky.refusal = PublishFailed(reason)
    assert drain(relay) == 0
    assert relay.trouble is not None
    assert relay.trouble[0] == reason
    bench.settle()
    assert all(row.parked_reason is None for row in bench.table().values())
    flaky.refuses = lambda _message: False
    bench.end_leases()
    assert drain(relay) == 10
    assert relay.trouble is None


def test_an_event_with_a_trouble_of_its_own_holds_up_nobody_else(bench: Bench) -> None:
    bench.append(*(event(number) for number in range(10)))
    relay, flaky, _ = bench.relay()
    flaky.refuses = lambda message: message.key == event(0).order_id
    flaky.refusal = PublishFailed("unknown")
    assert drain(relay) == 9
    bench.append(*(event(number) for number in range(10, 20)))
    assert drain(relay) == 10, "the probe is not the one that has just failed"
    flaky.refuses = lambda _message: False
    bench.end_leases()
    assert drain(relay) == 1


def test_a_parked_event_that_waits_for_an_outage_stays_parked(bench: Bench) -> None:
    bench.append(event(1))
    relay, flaky, _ = bench.relay()
    flaky.refuses = lambda _message: True
    drain(relay)
    bench.end_leases()
    flaky.down = True
    assert drain(relay) == 0
    (row,) = bench.table().values()
    assert row.parked_reason is not None
    flaky.down = False
    flaky.refuses = lambda _message: False
    bench.end_leases()
    assert drain(relay) == 1
    bench.end_leases()
    (row,) = bench.table().values()
    assert (row.parked_reason, row.published_at is None) == (None, False)


def test_a_parked_event_is_left_alone_for_an_hour_and_then_tried_again(bench: Bench) -> None:
    bench.append(event(1))
    relay, flaky, _ = bench.relay()
    flaky.refuses = lambda _message: True
    drain(relay)
    bench.settle()
    flaky.refuses = lambda _message: False
    assert drain(relay) == 0
    with bench.database.writer.begin() as connection:
        earlier = outbox.c.leased_until_ms - TRIED_AGAIN_AFTER_MS
        connection.execute(sa.update(outbox).values(leased_until_ms=earlier))
    assert drain(relay) == 1


def test_what_an_older_version_parked_is_tried_again_by_itself(bench: Bench) -> None:
    """The older version parked rows for other reasons, too, and set no time at which to try them again."""
    bench.append(event(1), event(2))
    with bench.database.writer.begin() as connection:
        connection.execute(sa.update(outbox).values(parked_reason="TOPIC_AUTHORIZATION_FAILED"))
    relay, _, _ = bench.relay()
    assert drain(relay) == 2
    bench.settle()
    assert all(row.parked_reason is None for row in bench.table().values())


def test_events_are_released_in_steps(bench: Bench) -> None:
    bench.append(*(event(number) for number in range(2 * parked.RELEASED_ROWS_MAX + 8)))
    relay, flaky, writer = bench.relay()
    flaky.refuses = lambda _message: True
    while not all(row.parked_reason for row in bench.table().values()):
        drain(relay)
        bench.settle()
    flaky.refuses = lambda _message: False
    steps: list[int] = []
    command: parked.Release | None = parked.Release()
    while command is not None:
        (step,) = writer.submit_blocking(parked.release, [command])
        assert isinstance(step, parked.Released)
        steps.append(step.rows)
        command = None if step.behind is None else parked.Release(behind=step.behind)
    assert steps == [parked.RELEASED_ROWS_MAX, parked.RELEASED_ROWS_MAX, 8]
    assert drain(relay) == sum(steps)


def parked_order(service: Service) -> dict[str, Any]:
    """Place an order whose event the log refuses for its size, and return it once it shows that."""
    service.publisher.refuses = lambda message: b"TOO-LARGE" in (message.value or b"")
    order_id = service.placed(ORDER | {"customer": {"customerId": "TOO-LARGE", "name": "Ada"}})["orderId"]
    eventually(lambda: service.get(f"/api/orders/{order_id}")["attention"] is not None)
    return service.get(f"/api/orders/{order_id}")


def release(service: Service, **body: str) -> tuple[int, Any]:
    answer = service.send("POST", "/api/outbox/parked/release", body)
    return answer.status, answer.document


def test_an_order_whose_event_is_refused_for_its_size_asks_for_a_person(start: Start, tmp_path: Path) -> None:
    service = start(tmp_path / "log.db")
    order = parked_order(service)
    other = service.placed()["orderId"]
    assert order["attention"]["kind"] == "event-too-large"
    assert "max.message.bytes" in order["attention"]["reason"]
    assert [found["orderId"] for found in service.get("/api/orders?attention=true")["items"]] == [
        order["orderId"]
    ]
    stats = service.get("/api/stats")
    assert (stats["attention"], stats["outbox"]["parked"]) == (1, 1)
    eventually(lambda: service.published() == [(other, 1)])
    (item,) = service.get("/api/outbox/parked")["items"]
    assert (item["orderId"], item["orderVersion"], item["eventType"]) == (order["orderId"], 1, "OrderCreated")
    assert item["reason"].endswith("bytes; too large")
    in_an_hour = datetime.now(UTC) + timedelta(milliseconds=TRIED_AGAIN_AFTER_MS)
    assert abs(datetime.fromisoformat(item["nextTryAt"]) - in_an_hour) < timedelta(minutes=1)


@pytest.mark.parametrize("one", [True, False])
def test_a_released_event_is_published_and_its_order_asks_for_nobody_any_more(
    start: Start, tmp_path: Path, *, one: bool
) -> None:
    service = start(tmp_path / "log.db")
    order = parked_order(service)
    service.publisher.refuses = lambda _message: False
    wanted = {"orderId": order["orderId"]} if one else {}
    assert release(service, **wanted) == (200, {"released": 1})
    (entry,) = service.get(AUDIT)["items"]
    assert (entry["action"], entry["subject"], entry["details"]) == (
        *("parked.release", wanted.get("orderId", "all"), {"events": 1}),
    )
    eventually(lambda: service.get(f"/api/orders/{order['orderId']}")["attention"] is None)
    assert service.published() == [(order["orderId"], 1)]
    assert service.get("/api/outbox/parked") == {"items": [], "nextCursor": None}
    assert service.get("/api/stats")["outbox"] == {"backlog": 0, "oldestAgeMs": 0, "parked": 0}
    assert release(service, **wanted)[0] == (404 if one else 200)


def test_a_released_event_that_is_refused_again_stays_parked(start: Start, tmp_path: Path) -> None:
    service = start(tmp_path / "log.db")
    order = parked_order(service)
    calls = len(service.publisher.calls)
    assert release(service) == (200, {"released": 1})
    eventually(lambda: len(service.publisher.calls) > calls)
    eventually(lambda: service.get("/api/outbox/parked")["items"][0]["nextTryAt"] > order["createdAt"])
    again = service.get(f"/api/orders/{order['orderId']}")
    assert again == order, "the order says the same as before, with no entry in its history"


def test_an_order_that_asks_for_a_person_already_goes_on_saying_why(start: Start, tmp_path: Path) -> None:
    service = start(tmp_path / "log.db")
    service.publisher.down = True
    order_id = service.placed()["orderId"]
    service.patch(order_id, attention={"kind": "seen-by-ada", "reason": "wait for Ada"})
    service.publisher.refuses = lambda _message: True
    service.publisher.down = False
    eventually(lambda: service.get("/api/stats")["outbox"]["parked"] == 1)
    service.publisher.refuses = lambda _message: False
    release(service)
    eventually(lambda: service.published() == [(order_id, 1)])
    eventually(lambda: service.get("/api/stats")["outbox"]["parked"] == 0)
    assert service.get(f"/api/orders/{order_id}")["attention"]["kind"] == "seen-by-ada"


def test_releasing_is_refused_to_whoever_is_no_admin(start: Start, tmp_path: Path) -> None:
    ada = Principal("ada", EVERY_SCOPE - {Scope.ADMIN})
    known: Authenticate = lambda _authorization: ada  # noqa: E731
    service = start(tmp_path / "log.db", authenticate=known)
    order = parked_order(service)
    assert release(service)[0] == 403
    assert [item["orderId"] for item in service.get("/api/outbox/parked")["items"]] == [order["orderId"]]


def test_parked_events_are_listed_in_pages(start: Start, tmp_path: Path) -> None:
    service = start(tmp_path / "log.db")
    service.publisher.refuses = lambda _message: True
    ids = sorted(service.placed()["orderId"] for _ in range(5))
    eventually(lambda: service.get("/api/stats")["outbox"]["parked"] == 5)
    found: list[str] = []
    cursor = ""
    while True:
        page = service.get(f"/api/outbox/parked?limit=2{cursor}")
        found += [item["orderId"] for item in page["items"]]
        if page["nextCursor"] is None:
            break
        cursor = f"&cursor={page['nextCursor']}"
    assert found == ids
    assert service.send("GET", "/api/outbox/parked?cursor=nonsense").status == 422
