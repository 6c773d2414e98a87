"""Counters and histograms, which count in memory that processes share (decision 35)."""

import time
from array import array
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Generic, Literal, NamedTuple, TypeVar

import structlog

from orderflow.runtime.telemetry.counts import Key, SharedCounts

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Described:
    """What `docs/metrics.md` and a scrape say about a metric."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    unit: str
    labels: tuple[str, ...]
    text: str


class Exemplar(NamedTuple):
    """A request that was counted in a bucket; `at` is Unix time in seconds."""

    labels: Mapping[str, str]
    value: float
    at: float


class Instrument:
    """One series, of `width` values. It counts for nobody until it is told where."""

    def __init__(self, width: int) -> None:
        self.width = width
        self._lock = Lock()
        self.count_in(memoryview(array("d", [0] * width)), 0)

    def count_in(self, values: "memoryview[float]", first: int) -> None:
        """Count in these values, of which `first` is the first of the series, from now on."""
        self._values, self._first = values, first


class Counter(Instrument):
    """A number that only rises. Any thread may change it."""

    def __init__(self) -> None:
        super().__init__(width=1)

    def inc(self, amount: float = 1) -> None:
        with self._lock:
            self._values[self._first] += amount


class Histogram(Instrument):
    """How many observations are in each bucket, and their sum. Any thread may observe.

    The first value is the sum. Then comes a value for each bucket, without what the smaller ones have; the
    last bucket has everything above the last bound.
    """

    def __init__(self, bounds: Sequence[float]) -> None:
        super().__init__(width=1 + len(bounds) + 1)
        self.exemplars: dict[int, Exemplar] = {}
        """The latest of each bucket that has one, in this process."""
        self._bounds = bounds

    def observe(self, amount: float, exemplar: Mapping[str, str] | None = None) -> None:
        bucket = bisect_left(self._bounds, amount)
        first = self._first
        with self._lock:
            self._values[first] += amount
            self._values[first + 1 + bucket] += 1
        if exemplar is not None:
            self.exemplars[bucket] = Exemplar(exemplar, amount, time.time())


Of = TypeVar("Of", Counter, Histogram)


class Family(Generic[Of]):
    """A metric, with an instrument for each set of values of its labels. `bounds` are those of a histogram's
    buckets."""

    def __init__(
        self,
        registry: "Registry",
        described: Described,
        make: Callable[[], Of],
        bounds: Sequence[float] = (),
    ) -> None:
        self.described = described
        self.bounds = bounds
        self.made: dict[tuple[str, ...], Of] = {}
        self._registry = registry
        self._make = make

    def labels(self, *values: str) -> Of:
        """The instrument for these values; its series appears with a count of 0."""
        if len(values) != len(self.described.labels):
            raise ValueError(f"{self.described.name} has the labels {self.described.labels}, not {values}")
        made = self.made.get(values)
        return self._registry.add(self, values, self._make) if made is None else made


class Registry:
    """The metrics of a process, and the memory in which they are counted."""

    def __init__(self) -> None:
        self.families: dict[str, Family[Counter] | Family[Histogram]] = {}
        self.counts = SharedCounts(1)
        self._place = self.counts.place(0)
        self._adding = Lock()

    def counter(self, described: Described) -> Family[Counter]:
        family = self.families[described.name] = Family(self, described, Counter)
        return family

    def histogram(self, described: Described, bounds: Sequence[float]) -> Family[Histogram]:
        """`bounds` are the upper bounds of its buckets, in rising order."""
        family = self.families[described.name] = Family(self, described, lambda: Histogram(bounds), bounds)
        return family

    def count_in(self, counts: SharedCounts, index: int) -> None:
        """Count in that place from now on. What was counted before is forgotten: a process that has just been
        forked must not count what its parent has done. No other thread may count meanwhile."""
        self.counts, self._place = counts, counts.place(index)
        for name, family in self.families.items():
            for values, made in family.made.items():
                self._put((name, *values), made)

    def add(self, family: Family[Of], values: tuple[str, ...], make: Callable[[], Of]) -> Of:
        with self._adding:
            made = family.made.get(values)
            if made is None:
                made = make()
                self._put((family.described.name, *values), made)
                family.made[values] = made
            return made

    def _put(self, key: Key, made: Instrument) -> None:
        slots = self._place.add(key, made.width)
        if slots is None:
            log.warning("metrics.full", metric=key[0], reason="no scrape will show this series")
        else:
            made.count_in(self._place.values, slots.first)
