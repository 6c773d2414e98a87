"""`python -m bench.telemetry`: what logs, metrics and traces cost an order, and what a scrape costs.

Logs and metrics: rounds with a front door that logs and counts alternate with one that does neither, and the
median of the differences is printed. Traces cannot be switched off again in a process, so the rounds with
them come after those without.
"""

import asyncio
import gc
import os
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import uvloop

from orderflow.runtime import telemetry
from orderflow.runtime.telemetry import metrics, tracing
from orderflow.runtime.telemetry.counts import SharedCounts
from orderflow.runtime.telemetry.exposition import OPENMETRICS, render
from orderflow.web.front_door import Caller, FrontDoor

ROUNDS = 21
CALLS = 2_000
BATCH = 64
REQUESTS_PER_TURN = 16
"""Requests that end in one turn of the event loop, which writes their log lines together."""
PROCESSES = 8
SAMPLED = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
STATEMENTS, ROUTES, LOOPS = 110, 30, 20
"""As many series as a busy API process has."""
CHECKS_PER_ORDER = 12
"""An order has about as many spans if it is traced, and each has a place that asks first."""
OBSERVED_PER_BATCH = 8
"""Use cases, `send`, `commit`, turns of loops, the batch, its age and its delivery."""


def cpu_us(work: Callable[[], object], calls: int = CALLS) -> float:
    """CPU of one call, including what the event loop does later for it."""

    async def run() -> float:
        began = time.thread_time()
        for number in range(calls):
            work()
            if number % REQUESTS_PER_TURN == 0:
                await asyncio.sleep(0)
        await asyncio.sleep(0)
        return 1e6 * (time.thread_time() - began) / calls

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(run())


def difference_us(on: Callable[[], object], off: Callable[[], object]) -> float:
    """How much more `on` costs, in µs of CPU."""
    return statistics.median(cpu_us(on) - cpu_us(off) for _ in range(ROUNDS))


def request(door: FrontDoor) -> None:
    """What the front door does for one order."""
    caller = door.begin(b"POST", {})
    assert isinstance(caller, Caller)  # noqa: S101
    path = "/api/orders"
    door.end(caller, method="POST", path=path, route=path, status=201, began=0.0)


def scrape_ms() -> float:
    """CPU of a scrape of so many processes, each with every series."""
    counts = SharedCounts(PROCESSES)

    def count(index: int) -> None:
        metrics.REGISTRY.count_in(counts, index)
        for number in range(STATEMENTS):
            metrics.db_operation("postgresql", f"a_named_statement_{number}", 0.003)
        for number in range(ROUTES):
            metrics.http_request("GET", f"/api/orders/{number}", 200, 0.003)
        for number in range(LOOPS):
            metrics.LOOP_TURN.labels(f"loop-{number}").observe(0.003)

    for index in range(1, PROCESSES):
        pid = os.fork()
        if pid == 0:
            count(index)
            os._exit(0)
        os.waitpid(pid, 0)
    count(0)
    return cpu_us(partial(render, metrics.REGISTRY, OPENMETRICS, []), 20) / 1_000


def checks() -> None:
    """What one order does about its spans while traces are off."""
    tracing.now_ns()
    for _ in range(CHECKS_PER_ORDER):
        tracing.is_traced(SAMPLED)


def traces_us() -> float:
    """How much more a request costs once one of a hundred is traced. Spans go to nobody."""
    door = FrontDoor(logs=False)
    work = partial(request, door)
    off = statistics.median(cpu_us(work) for _ in range(ROUNDS))
    os.environ |= {
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:9/v1/traces",
        "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
        "OTEL_TRACES_SAMPLER_ARG": "0.01",
    }
    tracing.configure_tracing("bench")
    return statistics.median(cpu_us(work) for _ in range(ROUNDS)) - off


def main() -> None:
    sys.stderr = Path("/dev/null").open("w")  # noqa: SIM115 - for the log lines
    telemetry.configure_logging("json", "INFO", "bench")
    gc.freeze()
    gc.disable()
    batch = OBSERVED_PER_BATCH * cpu_us(partial(metrics.db_operation, "postgresql", "commit", 0.003)) / BATCH
    door = difference_us(partial(request, FrontDoor()), partial(request, FrontDoor(logs=False)))
    results = {
        f"logs and metrics, orders in batches of {BATCH} (at most 15)": f"{door + batch:6.1f} µs",
        f"a scrape of {PROCESSES} processes (at most 50)": f"{scrape_ms():6.1f} ms",
        f"traces that are off, {CHECKS_PER_ORDER} checks": f"{difference_us(checks, lambda: None):6.1f} µs",
        "traces of 1 %, at the front door (at most 10)": f"{traces_us():6.1f} µs",
    }
    for name, cost in results.items():
        sys.stdout.write(f"{name:<60} {cost}\n")
    sys.stdout.flush()
    os._exit(0)  # without waiting for the exporter, which has nobody to send to


if __name__ == "__main__":
    main()
