"""Medians and spread as a table and as JSON, and how they compare with the targets."""

import os
import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from bench.scenarios import Sample

Results = Mapping[str, Sequence[Sample]]
NOTHING = "-"


def say(text: str) -> None:
    """Print it at once: a run takes minutes."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


@dataclass(frozen=True, slots=True)
class Target:
    """A figure that must be at least or at most a bound."""

    name: str
    value: Callable[["Medians"], float | None]
    bound: float
    at_least: bool = True


class Medians:
    """Medians over the rounds by case and figure; None where it was not measured."""

    def __init__(self, results: Results) -> None:
        self._results = results
        self.asked: set[str] = set()
        """The cases for which figures were asked."""

    def of(self, case: str, figure: str) -> float | None:
        self.asked.add(case)
        values = [sample.values[figure] for sample in self._results.get(case, ()) if figure in sample.values]
        return median(values) if values else None

    def ratio(self, case: str, other: str) -> float | None:
        rate, other_rate = self.of(case, "orders_per_s"), self.of(other, "orders_per_s")
        return rate / other_rate if rate is not None and other_rate else None

    def largest(self, case: str, figure: str) -> float | None:
        values = [sample.values[figure] for sample in self._results.get(case, ()) if figure in sample.values]
        return max(values) if values else None


def _rate(case: str) -> Callable[[Medians], float | None]:
    return lambda medians: medians.of(case, "orders_per_s")


def _ratio(case: str, other: str) -> Callable[[Medians], float | None]:
    return lambda medians: medians.ratio(case, other)


def _figure(case: str, figure: str) -> Callable[[Medians], float | None]:
    return lambda medians: medians.of(case, figure)


_LIMIT = "PostgreSQL, one order per transaction"
_TWO = "intake: Orderflow, 2 processes"
_AWAY = f"{_TWO}, Kafka away"
_KEYS = f"{_TWO}, API keys"
_PORT_ONE, _PORT_TWO = "intake: conventional, 1 process", "intake: conventional, 2 processes"
_WAITING = "drain: Orderflow, 10,000 waiting, carrier 1-5 s"
_FAIRNESS = "50 orders/s beside 5,000 that fail: Orderflow"
_STORED = "5 million stored: Orderflow, 2 processes"
_SHIPPING = "100 orders/s, POST to Shipped: Orderflow"

TARGETS = (
    Target("the port is no straw man: 1 process, orders/s", _rate(_PORT_ONE), 300),
    Target("the port is no straw man: 2 processes, orders/s", _rate(_PORT_TWO), 500),
    Target("intake, 2 processes / PostgreSQL, one per transaction", _ratio(_TWO, _LIMIT), 0.6),
    Target("intake, 2 processes / conventional", _ratio(_TWO, _PORT_TWO), 12),
    Target("intake, with API keys / without", _ratio(_KEYS, _TWO), 0.97),
    Target("intake, Kafka away / there", _ratio(_AWAY, _TWO), 0.95),
    Target("drained after Kafka was away, events/s", _figure(_AWAY, "drained_events_per_s"), 5_000),
    Target(
        "batch endpoint / PostgreSQL, one per transaction",
        _ratio("batch endpoint: Orderflow, 2 processes", _LIMIT),
        1.2,
    ),
    Target("embedded intake, orders/s", _rate("intake: Orderflow, embedded"), 4_000),
    Target(
        "p99 at 100 req/s, ms", _figure("100 req/s: Orderflow, 2 processes", "p99_ms"), 10, at_least=False
    ),
    Target(
        "p99 at 2,000 req/s, ms", _figure("2,000 req/s: Orderflow, 2 processes", "p99_ms"), 30, at_least=False
    ),
    # The arrival rate is 2,000; a sample of the counters may fall 1 % short of it.
    Target("shipped/s held on servers", _rate("shipping at 2,000 orders/s: Orderflow"), 1_980),
    Target("shipped/s held embedded", _rate("shipping at 1,200 orders/s: Orderflow, embedded"), 1_188),
    Target("10,000 waiting all Shipped, s", _figure(_WAITING, "drain_s"), 8, at_least=False),
    Target("its worker's peak RSS, MB", _figure(_WAITING, "rss_fulfillment_mb"), 250, at_least=False),
    Target("POST to Shipped p50, ms", _figure(_SHIPPING, "p50_ms"), 30, at_least=False),
    Target("POST to Shipped p99, ms", _figure(_SHIPPING, "p99_ms"), 150, at_least=False),
    Target(
        "p99 to Shipped beside 5,000 that fail, rise in ms",
        _figure(_FAIRNESS, "p99_rise_ms"),
        1_000,
        at_least=False,
    ),
    Target(
        "API process after a million orders, peak RSS, MB",
        _figure("a million orders: Orderflow, 2 processes", "rss_api_mb"),
        150,
        at_least=False,
    ),
    Target(
        "with 5 million stored / empty",
        _figure(_STORED, "share_of_empty"),
        0.9,
    ),
    Target("p99 while purging / before", _figure(_STORED, "p99_purging_share"), 2, at_least=False),
)

COLUMNS = (
    ("orders/s", "orders_per_s", 0),
    ("p50 ms", "p50_ms", 1),
    ("p99 ms", "p99_ms", 1),
    ("service", "cpu_service_us", 0),
    ("postgres", "cpu_postgres_us", 0),
    ("kafka", "cpu_kafka_us", 0),
    ("load", "cpu_load_us", 0),
)


def table(results: Results) -> str:
    """Markdown. Each rate is followed by its spread: the distance of the extremes, as a share of the
    median."""
    medians = Medians(results)
    rows = [["", "orders/s", "spread", *(name for name, _, _ in COLUMNS[1:]), "RSS MB", "marks"]]
    for case, samples in results.items():
        if samples:
            cells = [_cell(medians.of(case, figure), digits) for _, figure, digits in COLUMNS]
            marks = sorted({mark for sample in samples for mark in sample.marks})
            rows.append(
                [case, cells[0], _spread(samples), *cells[1:], _rss(medians, case, samples), "; ".join(marks)]
            )
    return (
        _markdown(rows)
        + "\n\nservice, postgres, kafka, load: CPU in µs per order. RSS: peak of the largest process.\n"
    )


def _cell(value: float | None, digits: int) -> str:
    return NOTHING if value is None else f"{value:,.{digits}f}"


def _spread(samples: Sequence[Sample]) -> str:
    rates = [sample.values["orders_per_s"] for sample in samples]
    middle = median(rates)
    return NOTHING if len(rates) < 2 or not middle else f"{(max(rates) - min(rates)) / middle:.0%}"


def _rss(medians: Medians, case: str, samples: Sequence[Sample]) -> str:
    names = [name for name in samples[0].values if name.startswith("rss_")]
    return ", ".join(
        f"{name.removeprefix('rss_').removesuffix('_mb')} {_cell(medians.largest(case, name), 0)}"
        for name in names
    )


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verdict on a target whose cases were to be measured. `value` is None if one of them could not be;
    `marks` say what makes the figure doubtful."""

    name: str
    bound: str
    value: float | None
    reached: bool
    marks: tuple[str, ...]

    @property
    def word(self) -> str:
        if self.value is None:
            return "not measured"
        return ("yes" if self.reached else "NO") + (", but marked" if self.marks else "")


def verdicts(results: Results) -> list[Verdict]:
    found: list[Verdict] = []
    for target in TARGETS:
        medians = Medians(results)
        value = target.value(medians)
        if not medians.asked <= results.keys():
            continue  # not asked to be measured
        reached = value is not None and (value >= target.bound if target.at_least else value <= target.bound)
        marks = {mark for case in medians.asked for sample in results[case] for mark in sample.marks}
        bound = f"{'≥' if target.at_least else '≤'} {target.bound:g}"
        found.append(Verdict(target.name, bound, value, reached, tuple(sorted(marks))))
    return found


def verdict_table(results: Results) -> str:
    rows = [["must be reached", "median", "bound", ""]]
    for verdict in verdicts(results):
        value = NOTHING if verdict.value is None else f"{verdict.value:,.2f}"
        rows.append([verdict.name, value, verdict.bound, verdict.word])
    return _markdown(rows)


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])


def document(results: Results, about: Mapping[str, Any]) -> dict[str, Any]:
    """Everything in a form for programs, including the samples of each round."""
    return {
        "about": about,
        "cases": {
            case: {
                "median": {
                    figure: median(s.values[figure] for s in samples if figure in s.values)
                    for figure in sorted({name for sample in samples for name in sample.values})
                },
                "samples": [{"values": dict(s.values), "marks": list(s.marks)} for s in samples],
            }
            for case, samples in results.items()
            if samples
        },
        "targets": [
            {
                "name": verdict.name,
                "median": verdict.value,
                "bound": verdict.bound,
                "reached": verdict.reached,
                "marks": verdict.marks,
            }
            for verdict in verdicts(results)
        ],
    }


def machine() -> dict[str, Any]:
    """The machine on which the figures were taken."""
    cpu = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        "",
    )
    memory_kb = next(
        (int(line.split()[1]) for line in _lines("/proc/meminfo") if line.startswith("MemTotal")), 0
    )
    return {
        "cpu": cpu,
        "cpus": os.cpu_count(),
        "memory_gb": round(memory_kb * 1024 / 1e9, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def _lines(file: str) -> list[str]:
    return Path(file).read_text().splitlines() if Path(file).exists() else []
