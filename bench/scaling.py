"""`python -m bench.scaling`: what an order costs each part of a deployment with 1, 2 and 4 processes of each
role, beside what the arithmetic of docs/scaling.md predicts from the run with one of each.

More processes on the same CPUs take no more orders. What the run shows is whether an order still costs the
same, whether every order is published and shipped once, and whether the processes share the work.
"""

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import report, tools
from bench.own_servers import own_servers
from bench.processes import BenchError, end_on_sigterm
from bench.replicas import PARTS, ROLES, deployment, full, idle, steady
from bench.report import say
from bench.scenarios import Sample

OUTPUT = Path(__file__).resolve().parent.parent / "build" / "bench" / "scaling"
FULL_ORDERS = 20_000

Measured = Mapping[int, Mapping[str, Sample]]
"""Samples by the number of replicas and by load: `idle`, `steady` and `full`."""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.scaling", description=__doc__)
    parser.add_argument(
        "--replicas", default="1,2,4", help="processes of each role, comma-separated; 1 first"
    )
    parser.add_argument("--rate", type=int, default=300, help="orders/s of the steady load")
    parser.add_argument("--seconds", type=float, default=30.0, help="how long the steady load lasts")
    parser.add_argument("--orders", type=int, default=FULL_ORDERS, help="how many orders fill the queues")
    parser.add_argument("--json", type=Path, help="where the JSON goes; build/bench/scaling/ by default")
    return parser.parse_args()


def measure(options: argparse.Namespace, scratch: Path, logs: Path) -> Measured:
    results: dict[int, dict[str, Sample]] = {}
    with own_servers(OUTPUT / "servers") as servers:
        for replicas in map(int, options.replicas.split(",")):
            say(f"{replicas} of each role")
            with deployment(servers, logs, replicas=replicas) as deployed:
                steady(deployed, scratch, rate=options.rate, seconds=options.seconds / 3)  # a warm-up
                results[replicas] = {
                    "idle": idle(deployed),
                    "steady": steady(deployed, scratch, rate=options.rate, seconds=options.seconds),
                    "full": full(deployed, orders=options.orders),
                }
    return results


def predicted_us(one: Mapping[str, Sample], load: str, part: str, replicas: int, rate: float) -> float:
    """CPU per order by the model: what an order costs beyond idling, from the run with one of each, and the
    idling of so many processes, shared by the orders of a second."""
    idle_us = 1000 * one["idle"].values[f"idle_{part}_ms"]
    busy_us = one[load].values[f"cpu_{part}_us"] - idle_us / one[load].values["orders_per_s"]
    return busy_us + replicas * idle_us / rate


def table(results: Measured) -> str:
    heads = ["load", "each", "orders/s", *PARTS, "total", "predicted", "off by"]
    rows = [heads]
    one = results[min(results)]
    for load in ("steady", "full"):
        for replicas, samples in results.items():
            values = samples[load].values
            cost = [values[f"cpu_{part}_us"] for part in PARTS]
            rate = values["orders_per_s"]
            expected = sum(predicted_us(one, load, part, replicas, rate) for part in PARTS)
            off = f"{sum(cost) / expected - 1:+.0%}"
            figures = [f"{each:.0f}" for each in (rate, *cost, sum(cost), expected)]
            rows.append([load, str(replicas), *figures, off])
    idling = [
        ["idle", str(n), "", *(f"{s['idle'].values[f'idle_{p}_ms']:.1f}" for p in PARTS)]
        for n, s in results.items()
    ]
    lines = ["CPU per order, µs", *_aligned(rows), "", "CPU of all while idle, ms per second"]
    return "\n".join([*lines, *_aligned([heads[:9], *idling])])


WORK = {
    "orders_db_commits": ("commits, orders", ".3f"),
    "fulfillment_db_commits": ("commits, fulfillment", ".3f"),
    "orders_db_statements": ("round trips, orders", ".2f"),
    "fulfillment_db_statements": ("round trips, fulfillment", ".2f"),
    "orders_db_wal_bytes": ("WAL bytes, orders", ",.0f"),
    "fulfillment_db_wal_bytes": ("WAL bytes, fulfillment", ",.0f"),
    "orders_db_stored_bytes": ("bytes stored, orders", ",.0f"),
    "fulfillment_db_stored_bytes": ("bytes stored, fulfillment", ",.0f"),
    "topic_bytes": ("bytes on the topic", ",.0f"),
    "messages": ("messages on the topic", ".4f"),
    "carrier_calls": ("calls of the carrier", ".4f"),
}
SPREAD = {
    **{f"busiest_{role}_share": (f"CPU of the busiest of {role}", ".0%") for role in ROLES},
    "fullest_partition": ("fullest partition, of the mean", ".2f"),
    "post_p50_ms": ("POST p50, ms", ".1f"),
    "post_p99_ms": ("POST p99, ms", ".1f"),
    "recorded_p50_ms": ("POST to Shipped p50, ms", ",.0f"),
    "recorded_p99_ms": ("POST to Shipped p99, ms", ",.0f"),
    "drain_s": ("last POST to last Shipped, s", ".1f"),
}


def details(results: Measured, title: str, figures: Mapping[str, tuple[str, str]]) -> str:
    columns = [(load, n, results[n][load].values) for load in ("steady", "full") for n in results]
    rows = [[title, *(f"{load} {n}" for load, n, _ in columns)]]
    for name, (told, form) in figures.items():
        rows.append([told, *(format(v[name], form) if name in v else "" for _, _, v in columns)])
    return "\n".join(_aligned(rows))


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows if column < len(row)) for column in range(len(rows[0]))]
    return [
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=False)).rstrip()
        for row in rows
    ]


def marks(results: Measured) -> list[str]:
    return [
        f"{n} of each, {load}: {mark}"
        for n, samples in results.items()
        for load, sample in samples.items()
        for mark in sample.marks
    ]


def main() -> int:
    options = arguments()
    end_on_sigterm()
    logs = OUTPUT / "logs"
    shutil.rmtree(logs, ignore_errors=True)
    logs.mkdir(parents=True)
    try:
        tools.install_vegeta()
        with tempfile.TemporaryDirectory(prefix="bench-", dir=OUTPUT) as scratch:
            results = measure(options, Path(scratch), logs)
    except BenchError as error:
        say(str(error))
        return 1
    document: dict[str, Any] = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": report.machine(),
        "rate": options.rate,
        "results": {
            n: {load: {"values": dict(s.values), "marks": list(s.marks)} for load, s in samples.items()}
            for n, samples in results.items()
        },
    }
    file: Path = options.json or OUTPUT / "result.json"
    file.write_text(json.dumps(document, indent=1) + "\n")
    for part in (table(results), details(results, "per order", WORK), details(results, "spread", SPREAD)):
        say(f"\n{part}")
    say("\n" + "\n".join(["Marks:", *(marks(results) or ["none"]), f"JSON: {file}"]))
    return 0


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        sys.exit(main())
