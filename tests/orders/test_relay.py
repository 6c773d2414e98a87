"""From the outbox to the log: at least once, in order per order, by any number of relays."""

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.orders.conftest import ORDER, TOPIC, Flaky, Service, Start, eventually, on_a_server

from orderflow.contracts.instants import utc_text
from orderflow.database.dialects import now_ms
from orderflow.database.engine import Database, connect
from orderflow.database.group_commit import GroupCommit
from orderflow.database.migrate import migrate
from orderflow.database.transaction import Transaction
from orderflow.messaging.embedded import EmbeddedLog
from orderflow.orders import outbox as rows
from orderflow.orders.events import message, order_created
from orderflow.orders.hand_off import ROWS_MAX
from orderflow.orders.migrations import SCHEMA as ORDERS
from orderflow.orders.outbox import OutboxRow
from orderflow.orders.relay import Relay
from orderflow.orders.tables import outbox
from orderflow.runtime.ids import new_uuid4

NOW = datetime(2026, 2, 10, 9, 30, tzinfo=UTC)


def event(number: int, version: int = 1) -> OutboxRow:
    order_id = f"019c0000-0000-7000-8000-{number:012d}"
    event_id = new_uuid4()
    first = order_created(json.dumps(ORDER), event_id, order_id, utc_text(NOW), "c", placed_by="shop")
    payload = first.replace('"orderVersion":1', f'"orderVersion":{version}')
    return OutboxRow(order_id, version, event_id, "OrderCreated", TOPIC, payload, "c", None, NOW)


class Bench:
    """An orders database and a log, with relays that the test steps by hand: there is no thread but the
    writers'."""

    def __init__(self, url: str, path: Path) -> None:
        self.url = url
        self.log = EmbeddedLog(path)
        self._open: list[Callable[[], None]] = []
        self._writers: list[GroupCommit] = []
        self.database = self._connect()
        migrate(self.database, ORDERS)

    def _connect(self) -> Database:
        database = connect(self.url, application="orderflow-test")
        self._open.append(database.dispose)
        return database

    def relay(self) -> tuple[Relay, Flaky, GroupCommit]:
        """A relay as another process would have it, with its own connections."""
        writer = GroupCommit(self._connect().writer, "orders")
        writer.start()
        self._open.append(writer.close)
        self._writers.append(writer)
        flaky = Flaky(self.log.publisher())
        return Relay(writer, flaky), flaky, writer

    def append(self, *events: OutboxRow, leased: bool = False) -> None:
        """Write events as placing an order does; `leased`: to a process that is going to hand them off."""
        until: sa.ColumnElement[int] = now_ms() + rows.LEASE_MS if leased else sa.literal(0)
        with self.database.writer.begin() as connection:
            for each in events:
                connection.execute(sa.insert(outbox).values(**each._asdict(), leased_until_ms=until))

    def end_leases(self) -> None:
        """End the leases, and the times for which rows that the log did not take are left alone."""
        self.settle()
        with self.database.writer.begin() as connection:
            rows.free_leases(connection)

    def settle(self) -> None:
        """Wait for the marks, which relays leave to their writers for later."""
        for writer in self._writers:
            writer.submit_blocking(rows.mark, [rows.MarkAll([])])

    def table(self) -> dict[tuple[str, int], Any]:
        with self.database.reader.connect() as connection:
            found = connection.execute(sa.select(outbox)).all()
        return {(row.order_id, row.order_version): row for row in found}

    def published(self) -> list[tuple[str, int]]:
        consumer = self.log.consumer(TOPIC, f"reader-{len(self._open)}-{threading.get_ident()}")
        try:
            records = consumer.poll(10_000, 0)
        finally:
            consumer.close()
        return [
            (str((record.key or b"").decode()), int((record.value or b"").split(b'"orderVersion":')[1][:1]))
            for record in records
        ]

    def close(self) -> None:
        for close in reversed(self._open):
            close()
        self.log.close()


@pytest.fixture
def bench(database_url: str, tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(database_url, tmp_path / "log.db")
    yield bench
    bench.close()


def drain(relay: Relay) -> int:
    """Step until the relay has nothing more to do; returns how many rows the log took."""
    taken = 0
    while True:
        relay._next_sweep = 0.0  # pyright: ignore[reportPrivateUsage]
        step = relay.run_once()
        taken += step
        if not step:
            return taken


def test_every_committed_event_is_published_once_and_marked_with_its_position(bench: Bench) -> None:
    events = [event(number) for number in range(30)]
    bench.append(*events)
    relay, _, _ = bench.relay()
    assert drain(relay) == 30
    assert Counter(bench.published()) == Counter((row.order_id, 1) for row in events)
    assert all(row.published_at and row.offset is not None for row in bench.table().values())
    assert drain(relay) == 0


def test_versions_of_an_order_are_published_in_order_one_after_the_other(bench: Bench) -> None:
    bench.append(event(1, 3), event(1, 2), event(1, 1), event(2, 2), event(2, 1))
    relay, flaky, _ = bench.relay()
    assert drain(relay) == 5
    assert [
        [int((m.value or b"").split(b'"orderVersion":')[1][:1]) for m in call] for call in flaky.calls
    ] == [
        [1, 1],
        [2, 2],
        [3],
    ]
    for number, versions in ((1, [1, 2, 3]), (2, [1, 2])):
        order_id = event(number).order_id
        assert [version for key, version in bench.published() if key == order_id] == versions


def test_a_version_is_never_claimed_before_the_lower_ones_are_published(bench: Bench) -> None:
    bench.append(event(1, 1), leased=True)
    bench.append(event(1, 2))
    relay, _, _ = bench.relay()
    assert drain(relay) == 0
    bench.end_leases()
    assert drain(relay) == 2


def test_an_event_that_failed_to_publish_stays_before_its_successors(bench: Bench) -> None:
    bench.append(event(1, 1), event(1, 2))
    relay, flaky, _ = bench.relay()
    flaky.down = True
    assert drain(relay) == 0
    flaky.down = False
    bench.end_leases()
    assert drain(relay) == 2
    assert bench.published() == [(event(1).order_id, 1), (event(1).order_id, 2)]


def test_an_event_published_but_not_marked_is_published_again(bench: Bench) -> None:
    """The relay dies after it has published and before it has marked the row: the event is published at least
    once, never not at all."""
    bench.append(event(1))
    _, _, writer = bench.relay()
    (claimed,) = writer.submit_blocking(rows.claim, [rows.Claim()])
    assert isinstance(claimed, rows.Claimed)
    bench.log.publisher().publish([message(row) for row in claimed.rows])
    successor, _, _ = bench.relay()
    assert drain(successor) == 0  # the dead relay's lease is still live
    bench.end_leases()
    assert drain(successor) == 1
    assert bench.published() == [(event(1).order_id, 1)] * 2


def test_the_lease_of_a_dead_relay_ends_by_the_clock_of_the_database(bench: Bench) -> None:
    bench.append(event(1), leased=True)
    relay, _, _ = bench.relay()
    assert drain(relay) == 0
    with bench.database.writer.begin() as connection:
        leased = connection.scalar(sa.select(outbox.c.leased_until_ms - now_ms()))
        assert leased is not None
        assert 0 < leased <= rows.LEASE_MS
        connection.execute(sa.update(outbox).values(leased_until_ms=outbox.c.leased_until_ms - rows.LEASE_MS))
    assert drain(relay) == 1


def test_a_lease_from_before_the_database_clock_went_back_holds_nothing_up(bench: Bench) -> None:
    bench.append(event(1), event(2), event(3))
    hour_ms = 3_600_000
    with bench.database.writer.begin() as connection:
        for number, ahead_ms in ((1, hour_ms), (2, rows.LEASE_MS // 2), (3, rows.LEASE_MS + 1_000)):
            one = sa.update(outbox).where(outbox.c.order_id == event(number).order_id)
            connection.execute(one.values(leased_until_ms=now_ms() + ahead_ms))
    relay, _, _ = bench.relay()
    assert drain(relay) == 2
    assert {order_id for order_id, _ in bench.published()} == {event(1).order_id, event(3).order_id}


def test_an_order_with_a_lower_id_that_commits_later_is_published(bench: Bench) -> None:
    relay, _, _ = bench.relay()
    bench.append(event(2))
    assert drain(relay) == 1
    bench.append(event(1))
    assert drain(relay) == 1


def test_a_row_refused_for_its_size_is_parked_and_blocks_only_its_own_order(bench: Bench) -> None:
    bench.append(event(1, 1), event(1, 2), event(2, 1))
    relay, flaky, _ = bench.relay()
    flaky.refuses = lambda message: message.key == event(1).order_id
    assert drain(relay) == 1
    assert (relay.trouble, relay.hand_off.has_room(1)) == (None, True)
    bench.end_leases()
    assert drain(relay) == 0
    bench.end_leases()
    table = bench.table()
    assert table[event(1).order_id, 1].parked_reason.endswith(" bytes; too large")
    assert table[event(1).order_id, 2].published_at is None
    assert bench.published() == [(event(2).order_id, 1)]


def test_trouble_stops_the_hand_off_and_one_probe_at_a_time_ends_it(bench: Bench) -> None:
    bench.append(*(event(number) for number in range(10)))
    relay, flaky, _ = bench.relay()
    flaky.down = True
    drain(relay)
    assert relay.trouble is not None
    assert not relay.hand_off.has_room(1)
    bench.end_leases()
    drain(relay)
    assert [len(call) for call in flaky.calls] == [10, 1]
    flaky.down = False
    bench.end_leases()
    assert drain(relay) == 10
    assert [len(call) for call in flaky.calls] == [10, 1, 1, 9]
    assert (relay.trouble, relay.hand_off.has_room(1)) == (None, True)


@pytest.mark.parametrize("waiting", [5, rows.CLAIM_ROWS_MAX + 5], ids=["few", "more than one look shows"])
def test_a_probe_passes_by_events_that_wait_for_parked_ones(bench: Bench, waiting: int) -> None:
    """They are of the oldest orders, so every look at the table finds them first."""
    bench.append(event(waiting + 1))
    relay, flaky, _ = bench.relay()
    flaky.down = True
    drain(relay)
    assert relay.trouble is not None
    bench.append(*(event(number, version) for number in range(waiting) for version in (1, 2)))
    parked = {"parked_reason": "too large", "leased_until_ms": now_ms() + rows.TRIED_AGAIN_AFTER_MS}
    with bench.database.writer.begin() as connection:
        of_waiting = outbox.c.order_id < event(waiting).order_id
        connection.execute(sa.update(outbox).where(of_waiting, outbox.c.order_version == 1).values(parked))
    flaky.down = False
    bench.append(event(waiting))
    for _ in range(3):
        relay._next_sweep = min(relay._next_sweep, relay._monotonic())  # pyright: ignore[reportPrivateUsage]
        relay.run_once()
    assert relay.trouble is None
    assert (event(waiting).order_id, 1) in bench.published()


def test_the_hand_off_is_bounded(bench: Bench) -> None:
    relay, _, _ = bench.relay()
    assert relay.hand_off.has_room(ROWS_MAX)
    assert not relay.hand_off.has_room(ROWS_MAX + 1)


def test_two_relays_never_hold_one_row_at_the_same_time(bench: Bench) -> None:
    events = [event(number, version) for number in range(60) for version in (1, 2)]
    bench.append(*events)
    relays = [bench.relay() for _ in range(2)]

    def run(relay: Relay) -> None:
        while any(row.published_at is None for row in bench.table().values()):
            drain(relay)

    threads = [threading.Thread(target=run, args=(relay,)) for relay, _, _ in relays]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    published = bench.published()
    assert Counter(published) == Counter((row.order_id, row.order_version) for row in events)
    for number in range(60):
        order_id = event(number).order_id
        assert [version for key, version in published if key == order_id] == [1, 2]


@on_a_server
def test_what_two_sessions_claim_at_once_is_disjoint(bench: Bench) -> None:
    """Two claims overlap in time, as is possible only on a server: the rows of the open one are skipped."""
    bench.append(*(event(number) for number in range(10)))
    with bench.database.writer.connect() as one, bench.database.writer.connect() as two:
        first = rows.claim(Transaction(one), [rows.Claim(6)])[0].rows
        second = rows.claim(Transaction(two), [rows.Claim(6)])[0].rows
        one.rollback()
        two.rollback()
    assert [len(first), len(second)] == [6, 4]
    assert not {row.order_id for row in first} & {row.order_id for row in second}


def test_an_order_placed_over_http_reaches_the_log_by_itself(start: Start, tmp_path: Path) -> None:
    service = start(tmp_path / "log.db")
    ids = [service.placed()["orderId"] for _ in range(10)]
    eventually(lambda: {order_id for order_id, _ in service.published()} == set(ids))
    eventually(lambda: service.get("/api/stats")["outbox"]["backlog"] == 0)
    entry = service.get(f"/api/orders/{ids[0]}/timeline")["items"][-1]
    assert (entry["kind"], entry["eventType"], entry["orderVersion"]) == ("event", "OrderCreated", 1)
    eventually(lambda: service.get(f"/api/orders/{ids[0]}/timeline")["items"][-1]["topicPosition"])


def test_an_order_whose_process_died_before_publishing_reaches_the_log_after_a_restart(
    start: Start, tmp_path: Path
) -> None:
    dead: Service = start()  # no relay ran in it
    order_id = dead.placed()["orderId"]
    successor = start(tmp_path / "log.db")
    eventually(lambda: successor.published() == [(order_id, 1)])


def test_intake_goes_on_while_the_log_is_away_and_everything_is_published_later(
    start: Start, tmp_path: Path
) -> None:
    service = start(tmp_path / "log.db")
    service.publisher.down = True
    ids = [service.placed()["orderId"] for _ in range(20)]
    assert service.get("/api/stats")["outbox"]["backlog"] == 20
    assert service.published() == []
    service.publisher.down = False
    eventually(lambda: {order_id for order_id, _ in service.published()} == set(ids))


def test_closing_publishes_what_was_handed_off(start: Start, tmp_path: Path) -> None:
    service = start(tmp_path / "log.db")
    ids = {service.placed()["orderId"] for _ in range(20)}
    service.relay.close()
    assert {order_id for order_id, _ in service.published()} == ids


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_claim_looks_at_what_it_takes_whatever_the_statistics_say(bench: Bench) -> None:
    """The statistics are from before the backlog. When the claim was one statement with an anti-join, it once
    took minutes."""
    bench.append(*(event(number) for number in range(20)))
    with bench.database.writer.begin() as connection:
        connection.execute(sa.update(outbox).values(published_at=NOW))
    with bench.database.writer.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ANALYZE outbox")
    bench.append(*(event(number) for number in range(20, 5_000)))
    with bench.database.writer.begin() as connection:
        text = str(rows._FREE.limit(10).compile(connection, compile_kwargs={"literal_binds": True}))  # pyright: ignore[reportPrivateUsage]
        (document,) = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {text}").one()
    assert most_rows(document[0]["Plan"]) <= 10
    relay, _, _ = bench.relay()
    assert drain(relay) == 4_980


def most_rows(plan: dict[str, Any]) -> int:
    """The most rows that any step of the plan has returned or dropped."""
    own = plan["Actual Rows"] * plan["Actual Loops"] + plan.get("Rows Removed by Filter", 0)
    return max(own, *(most_rows(step) for step in plan.get("Plans", [])), 0)
