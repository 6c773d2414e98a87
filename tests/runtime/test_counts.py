"""What processes count in shared memory is one answer, whatever ends them."""

import os
import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from itertools import cycle
from typing import Any

import pytest

from orderflow.runtime.telemetry import counts
from orderflow.runtime.telemetry.counts import SharedCounts
from orderflow.runtime.telemetry.instruments import Counter, Described, Family, Histogram, Registry

EVENTS = Described("events_total", "counter", "events", ("outcome",), "Events.")
TIMES = Described("times_seconds", "histogram", "seconds", ("of",), "Times.")


class Process:
    """The registry of a process that counts in one place."""

    def __init__(self, shared: SharedCounts, index: int) -> None:
        self.registry = Registry()
        self.events: Family[Counter] = self.registry.counter(EVENTS)
        self.times: Family[Histogram] = self.registry.histogram(TIMES, [0.1, 1.0])
        self.registry.count_in(shared, index)


@contextmanager
def forked(work: Callable[[], object]) -> Generator[int]:
    """Runs it in a forked process, whose id this gives, and waits for its end."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os._exit(0)
    try:
        yield pid
    finally:
        os.waitpid(pid, 0)


def in_a_process(work: Callable[[], object]) -> None:
    with forked(work):
        pass


def test_counts_of_all_processes_are_added_up_whatever_order_their_series_appear_in() -> None:
    shared = SharedCounts(3)

    def counting(index: int) -> Callable[[], None]:
        def count() -> None:
            process = Process(shared, index)
            process.events.labels(f"only-{index}").inc(index)
            process.events.labels("published").inc(10 * index)
            process.times.labels("a").observe(0.5)

        return count

    for index in (1, 2):
        in_a_process(counting(index))
    Process(shared, 0).events.labels("published").inc()
    assert shared.totals() == {
        ("events_total", "only-1"): [1],
        ("events_total", "only-2"): [2],
        ("events_total", "published"): [31],
        ("times_seconds", "a"): [1, 0, 2, 0],
    }


def test_an_observation_is_in_the_first_bucket_that_has_room_for_it() -> None:
    shared = SharedCounts(1)
    times = Process(shared, 0).times.labels("a")
    for seconds in (0.1, 0.1000001, 1, 7):
        times.observe(seconds)
    assert shared.totals()["times_seconds", "a"] == [pytest.approx(8.2000001), 1, 2, 1]


def test_a_process_that_replaces_a_killed_one_goes_on_from_its_counts() -> None:
    shared = SharedCounts(2)

    def count_and_be_killed() -> None:
        process = Process(shared, 1)
        process.events.labels(f"by-{os.getpid()}").inc()
        process.events.labels("published").inc(7)
        os.kill(os.getpid(), signal.SIGKILL)

    for replaced in (1, 2, 3):
        in_a_process(count_and_be_killed)
        totals = shared.totals()
        assert totals["events_total", "published"] == [7 * replaced]
        assert len(totals) == replaced + 1


def test_what_a_parent_has_counted_is_not_counted_again_by_each_process_that_it_forks() -> None:
    shared = SharedCounts(2)
    registry = Registry()
    events = registry.counter(EVENTS)
    events.labels("published").inc(5)

    def count() -> None:
        registry.count_in(shared, 1)
        events.labels("published").inc()

    in_a_process(count)
    assert shared.totals() == {("events_total", "published"): [1]}


def test_a_series_that_was_half_added_when_its_process_was_killed_does_not_exist() -> None:
    shared = SharedCounts(1)
    Process(shared, 0).events.labels("published").inc(3)
    memory: Any = shared.place(0)
    written = bytes(memory._table).rindex(b"]") + 1
    added = SharedCounts(1)
    Process(added, 0).events.labels("published")
    Process(added, 0).events.labels("failed")
    whole: Any = added.place(0)
    end = bytes(whole._table).rindex(b"]") + 1
    for cut in (written + 4, written + 12, end - 1):
        memory._table[written:cut] = whole._table[written:cut]
        assert shared.totals() == {("events_total", "published"): [3]}, cut
    successor = Process(shared, 0)
    successor.events.labels("too-large").inc(2)
    assert shared.totals() == {("events_total", "published"): [3], ("events_total", "too-large"): [2]}


def test_another_process_never_reads_half_a_value() -> None:
    shared = SharedCounts(1)
    slots = shared.place(0).add(("a",), 1)
    assert slots is not None
    values = (0.0, -1.1e300, 1.7e-300)

    def write() -> None:
        place = shared.place(0)
        for value in cycle(values):
            place.values[slots.first] = value

    with forked(write) as pid:
        read = {shared.totals()["a",][0] for _ in range(20_000)}
        os.kill(pid, signal.SIGKILL)
    assert read <= set(values)
    assert len(read) > 1


def test_no_observation_of_any_thread_is_lost() -> None:
    shared = SharedCounts(1)
    process = Process(shared, 0)

    def count() -> None:
        for _ in range(2_000):
            process.events.labels("published").inc()
            process.times.labels("a").observe(0.5)

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert shared.totals() == {
        ("events_total", "published"): [8_000],
        ("times_seconds", "a"): [4_000, 0, 8_000, 0],
    }


def test_series_for_which_there_is_no_room_are_left_out_and_hurt_nobody() -> None:
    shared = SharedCounts(2)
    process = Process(shared, 0)
    process.events.labels("published").inc()
    for number in range(5):
        process.events.labels(f"{number}" * (counts.TABLE_BYTES_MAX // 4)).inc()
    process.events.labels("published").inc()
    totals = shared.totals()
    assert totals["events_total", "published"] == [2]
    assert len(totals) == 4
    assert not shared.place(1).series()


def test_a_place_has_so_many_values_and_no_more() -> None:
    place = SharedCounts(1).place(0)
    assert place.add(("a",), counts.VALUES_MAX - 1) is not None
    assert place.add(("b",), 2) is None
    assert place.add(("c",), 1) == (counts.VALUES_MAX - 1, counts.VALUES_MAX)
