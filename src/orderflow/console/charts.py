"""The series of the charts, computed from samples."""

import math
from collections.abc import Mapping, Sequence

from orderflow.console.sampling import PERIOD_S, Sample

RATE_S = 15
"""A rate is the mean of this time: a shorter one would show single orders."""
QUANTILE_S = 60

Series = list[float | None]
Charts = Mapping[str, Series]
"""By name. `at` has the times, in seconds of Unix time."""


def charts(samples: Sequence[Sample]) -> dict[str, Series]:
    """`placed`, `shipped` and `failed` are orders a second, `p50` and `p99` seconds from an order to its
    shipment, `unpublished` and `unread` events. None where nothing is known."""
    drawn: dict[str, Series] = {"at": [float(each.at) for each in samples]}
    for name, status in (("placed", None), ("shipped", "Shipped"), ("failed", "Failed")):
        drawn[name] = [_rate(samples, index, status) for index in range(len(samples))]
    for name, share in (("p50", 0.5), ("p99", 0.99)):
        drawn[name] = [_quantile(samples, index, share) for index in range(len(samples))]
    drawn["unpublished"] = [each.unpublished for each in samples]
    drawn["unread"] = [each.unread for each in samples]
    return drawn


def latest(drawn: Charts) -> dict[str, float | None]:
    """The last value of each series."""
    return {name: series[-1] if series else None for name, series in drawn.items()}


def _before(samples: Sequence[Sample], index: int, seconds: int) -> Sample | None:
    """The earliest sample of the time before this one that tells of orders."""
    until = samples[index].at - seconds
    for earlier in samples[max(0, index - seconds // PERIOD_S) : index]:
        if earlier.at >= until and earlier.orders is not None:
            return earlier
    return None


def _rate(samples: Sequence[Sample], index: int, status: str | None) -> float | None:
    """By how many a second the orders in this status, or in any, have become more."""
    now, before = samples[index], _before(samples, index, RATE_S)
    if before is None or before.orders is None or now.orders is None:
        return None
    more = _number(now.orders, status) - _number(before.orders, status)
    return round(max(0.0, more) / (now.at - before.at), 3)


def _number(orders: Mapping[str, float], status: str | None) -> float:
    return sum(orders.values()) if status is None else orders.get(status, 0)


def _quantile(samples: Sequence[Sample], index: int, share: float) -> float | None:
    """The time within which this share of the orders was shipped, interpolated between the bounds of the
    histogram. None if none was shipped, or if the Order Service began to count anew."""
    now, before = samples[index].shipped_within, _before(samples, index, QUANTILE_S)
    if now is None or before is None or before.shipped_within is None:
        return None
    counts = [(bound, count - before.shipped_within.get(bound, 0)) for bound, count in sorted(now.items())]
    if not counts or counts[-1][1] <= 0:
        return None
    wanted = share * counts[-1][1]
    low, fewer = 0.0, 0.0
    for bound, count in counts:
        if count >= wanted:
            within = low if math.isinf(bound) else low + (bound - low) * (wanted - fewer) / (count - fewer)
            return round(within, 3)
        low, fewer = bound, count
    return None
