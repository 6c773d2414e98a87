"""What was recorded of a run, and the figures that follow from it."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import inf
from statistics import fmean
from typing import LiteralString

import psycopg

from loadtest.k6 import Asked, Phase, Threshold
from loadtest.moves import Move
from loadtest.watch import Sample

BUCKETS_MAX = 400
TOP_WINDOW_S = 5.0
HELD_SHARE = 0.95
"""A rate is held while so much of what is due is taken, within the bound of its 95th percentile."""

_SHIPPED: LiteralString = """
SELECT extract(epoch FROM created_at)::float8, extract(epoch FROM updated_at - created_at)::float8
FROM orders WHERE status = 'Shipped' AND NOT EXISTS (
    SELECT FROM order_changes held WHERE held.order_id = orders.order_id AND held.status = 'OnHold')
ORDER BY created_at
"""


@dataclass(slots=True)
class Ran:
    """A phase that was run. All times are Unix times; `drained` is when every order of it had ended."""

    phase: Phase
    began: float
    ended: float
    asked: Sequence[Asked]
    dropped: int
    """Orders that were due, for which k6 had no virtual user left."""
    requests: int
    thresholds: Sequence[Threshold]
    drained: float
    rss_early_mb: Mapping[str, float] = field(default_factory=dict[str, float])
    rss_mb: Mapping[str, float] = field(default_factory=dict[str, float])
    """The peak of each part's largest process, after the phase's first quarter and at its end."""

    @property
    def accepted(self) -> int:
        return sum(each.status == 201 for each in self.asked)

    @property
    def refused(self) -> int:
        return sum(each.status == 503 for each in self.asked)

    @property
    def took_ms(self) -> list[float]:
        return sorted(each.took_ms for each in self.asked)

    def holds(self, at: float) -> bool:
        return self.began <= at < self.ended


@dataclass(slots=True)
class Measured:
    """A whole run."""

    phases: Sequence[Ran]
    moves: Sequence[Move]
    samples: Sequence[Sample]
    shipped: Sequence[tuple[float, float]]
    """When an order was placed, and the seconds until it was Shipped; orders that were held are left out."""

    @property
    def began(self) -> float:
        return self.phases[0].began

    @property
    def ended(self) -> float:
        return self.phases[-1].drained

    def samples_in(self, began: float, ended: float) -> list[Sample]:
        return [sample for sample in self.samples if began <= sample.at <= ended]

    def shipped_s(self, ran: Ran) -> list[float]:
        return sorted(took for placed, took in self.shipped if ran.holds(placed))

    def cpus(self, ran: Ran) -> dict[str, float]:
        """How many CPUs each part used during the phase."""
        samples = self.samples_in(ran.began, ran.ended)
        names = sorted({name for sample in samples for name in sample.cpus})
        return {name: fmean(sample.cpus.get(name, 0.0) for sample in samples) for name in names}


def shipping_times(database: str) -> list[tuple[float, float]]:
    with psycopg.connect(database) as connection:
        return [(float(placed), float(took)) for placed, took in connection.execute(_SHIPPED).fetchall()]


def quantile(values: Sequence[float], share: float) -> float:
    """Of values in rising order; 0 if there is none."""
    return values[min(len(values) - 1, int(share * len(values)))] if values else 0.0


def bucket_s(measured: Measured) -> float:
    """Long enough that a chart has few enough points."""
    return max(1.0, round((measured.ended - measured.began) / BUCKETS_MAX))


def rate_of(ran: Ran, width_s: float) -> list[tuple[float, float]]:
    """(Second of the bucket's middle, counted from the beginning of the phase; orders accepted a second)."""
    counts: defaultdict[int, int] = defaultdict(int)
    for each in ran.asked:
        counts[int((each.at - ran.began) / width_s)] += each.status == 201
    buckets = max(1, int((ran.ended - ran.began) / width_s))
    return [((n + 0.5) * width_s, counts[n] / width_s) for n in range(buckets)]


def quantiles_of(
    pairs: Sequence[tuple[float, float]], width_s: float, shares: Sequence[float]
) -> list[list[tuple[float, float]]]:
    """For each share, the quantile in each bucket of time that has values. `pairs` are (Unix time, value)."""
    buckets: defaultdict[int, list[float]] = defaultdict(list)
    for at, value in pairs:
        buckets[int(at / width_s)].append(value)
    found = sorted((n, sorted(values)) for n, values in buckets.items())
    return [[((n + 0.5) * width_s, quantile(values, share)) for n, values in found] for share in shares]


def gained(
    samples: Sequence[Sample], of: Callable[[Sample], float], width_s: float
) -> list[tuple[float, float]]:
    """By how much a count rises a second, over samples that are `width_s` apart."""
    points: list[tuple[float, float]] = []
    last = samples[0] if samples else None
    for sample in samples:
        if last is not None and sample.at - last.at >= width_s:
            points.append(((sample.at + last.at) / 2, (of(sample) - of(last)) / (sample.at - last.at)))
            last = sample
    return points


@dataclass(frozen=True, slots=True)
class Saturation:
    """`held_per_s`: the highest rate due up to which what was due was taken, within the bound of the 95th
    percentile. `top_per_s`: the most that was taken in five seconds. `reached`: whether more was due than
    could be held."""

    held_per_s: float
    top_per_s: float
    reached: bool


def saturation(ran: Ran) -> Saturation:
    width_s = min(TOP_WINDOW_S, max(1.0, ran.phase.seconds / 10))
    rates = rate_of(ran, width_s)
    slow = dict(quantiles_of([(each.at - ran.began, each.took_ms) for each in ran.asked], width_s, [0.95])[0])
    dues = [ran.phase.due(second) for second, _ in rates]
    late = [
        rate < HELD_SHARE * due or slow.get(second, 0.0) > (ran.phase.p95_ms or inf)
        for (second, rate), due in zip(rates, dues, strict=True)
    ]
    # One slow window may be anything; the second one in a row is the end.
    end = next((n for n, pair in enumerate(pairwise([*late, True])) if all(pair)), len(late))
    return Saturation(
        held_per_s=dues[end - 1] if end else ran.phase.rate,
        top_per_s=max((rate for _, rate in rates), default=0.0),
        reached=end < len(late),
    )
