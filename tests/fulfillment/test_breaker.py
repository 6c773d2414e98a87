"""A circuit breaker lets every call through, none, or exactly one."""

import asyncio
from datetime import UTC, datetime

import pytest
from structlog.testing import capture_logs

from orderflow.fulfillment.breaker import FAILURES_MAX, OPEN_S, Circuit, CircuitBreaker, Permit

NOON = datetime(2026, 2, 10, 12, tzinfo=UTC)


class Watch:
    """A clock that moves only when told to."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def breaker(watch: Watch) -> CircuitBreaker:
    return CircuitBreaker("carrier", clock=lambda: NOON, monotonic=watch)


def granted(breaker: CircuitBreaker) -> Permit:
    permit = breaker.permit()
    assert permit is not None
    return permit


def fail(breaker: CircuitBreaker, times: int) -> None:
    for permit in [granted(breaker) for _ in range(times)]:
        breaker.failed(permit, "no answer")


def half_opened(breaker: CircuitBreaker, watch: Watch) -> Permit:
    fail(breaker, FAILURES_MAX)
    watch.seconds += OPEN_S
    return granted(breaker)


def test_it_opens_after_five_failures_in_a_row_and_not_before(breaker: CircuitBreaker) -> None:
    fail(breaker, 4)
    breaker.succeeded(granted(breaker))
    fail(breaker, 4)
    assert breaker.circuit is Circuit.CLOSED
    fail(breaker, 1)
    assert breaker.circuit is Circuit.OPEN
    assert breaker.permit() is None
    assert breaker.trouble is not None
    assert (breaker.trouble.reason, breaker.trouble.since) == ("no answer", NOON)


def test_of_a_hundred_concurrent_calls_at_half_open_exactly_one_goes_through(
    breaker: CircuitBreaker, watch: Watch
) -> None:
    fail(breaker, FAILURES_MAX)
    watch.seconds += OPEN_S
    go = asyncio.Event()
    called = 0

    async def call() -> bool:
        nonlocal called
        permit = breaker.permit()
        if permit is None:
            return False
        called += 1
        await go.wait()
        breaker.succeeded(permit)
        return True

    async def scenario() -> list[bool]:
        calls = [asyncio.create_task(call()) for _ in range(100)]
        await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
        assert called == 1
        assert breaker.circuit is Circuit.HALF_OPEN
        go.set()
        return await asyncio.gather(*calls)

    assert asyncio.run(scenario()).count(True) == 1
    assert breaker.circuit is Circuit.CLOSED
    assert breaker.trouble is None


def test_a_probe_that_fails_opens_the_circuit_for_another_while(
    breaker: CircuitBreaker, watch: Watch
) -> None:
    breaker.failed(half_opened(breaker, watch), "still away")
    assert breaker.circuit is Circuit.OPEN
    assert breaker.wait_s == OPEN_S
    assert breaker.permit() is None
    watch.seconds += OPEN_S
    assert granted(breaker).is_probe


def test_no_probe_is_sent_before_the_part_asked_for_it(breaker: CircuitBreaker, watch: Watch) -> None:
    probe = half_opened(breaker, watch)
    breaker.failed(probe, "busy", retry_after_s=4.0)
    assert breaker.wait_s == 4.0
    watch.seconds += 3.9
    assert breaker.permit() is None
    watch.seconds += 0.1
    assert granted(breaker).is_probe


def test_a_probe_that_was_never_sent_makes_room_for_another_at_once(
    breaker: CircuitBreaker, watch: Watch
) -> None:
    breaker.abandoned(half_opened(breaker, watch))
    assert breaker.wait_s == 0
    assert granted(breaker).is_probe


def test_what_began_before_it_opened_decides_nothing(breaker: CircuitBreaker, watch: Watch) -> None:
    late = [granted(breaker) for _ in range(3)]
    probe = half_opened(breaker, watch)
    breaker.succeeded(late[0])
    breaker.failed(late[1], "no answer")
    breaker.abandoned(late[2])
    assert breaker.circuit is Circuit.HALF_OPEN
    breaker.succeeded(probe)
    fail(breaker, 4)
    assert breaker.circuit is Circuit.CLOSED


def test_opening_and_closing_is_one_log_line_each_however_many_probes(
    breaker: CircuitBreaker, watch: Watch
) -> None:
    with capture_logs() as lines:
        breaker.failed(half_opened(breaker, watch), "still away")
        watch.seconds += OPEN_S
        breaker.succeeded(granted(breaker))
    told = [(line["log_level"], line["circuit"]) for line in lines if line["log_level"] != "debug"]
    assert told == [("warning", "open"), ("info", "closed")]
