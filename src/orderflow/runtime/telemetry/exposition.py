"""Answers scrapes for all processes behind one port, of which only one gets the request.

The processes share memory that their parent has made before it forked them. Each writes there, every second,
what it has counted. The memory is anonymous: no file is left behind, whatever ends the processes. A process
that replaces a dead one goes on from its numbers, because Prometheus takes a sum that falls for a restart and
would count all of it again.
"""

import json
import mmap
import struct
import zlib
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from prometheus_client import Metric, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.samples import Exemplar

from orderflow.runtime.health import Health
from orderflow.runtime.loop import TaskLoop
from orderflow.runtime.telemetry.metrics import REGISTRY, Reading

SHARE_PERIOD_S = 1.0
RECORD_BYTES_MAX = 1024 * 1024
"""The bound of what one process can share; memory is used only as far as it is written."""
OPENMETRICS = "application/openmetrics-text"
TEXT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Key = tuple[str, str, tuple[tuple[str, str], ...]]
"""The name of a metric and of a sample, and its labels."""
Counts = dict[Key, float]

_HEAD = struct.Struct("<QII")


class _Head(NamedTuple):
    number: int
    length: int
    checksum: int


class SharedCounts:
    """Memory for the counts of `processes` processes. It must be made before they are forked.

    Each has two records and writes them in turn, so that one is always whole, even if the process is killed
    while it writes.
    """

    def __init__(self, processes: int) -> None:
        self.processes = processes
        self.memory = mmap.mmap(-1, processes * 2 * RECORD_BYTES_MAX)

    def put(self, index: int, counts: bytes) -> None:
        """Raises ValueError if there are more than RECORD_BYTES_MAX bytes."""
        if _HEAD.size + len(counts) > RECORD_BYTES_MAX:
            raise ValueError(f"{len(counts)} bytes of metrics are too many")
        number = 1 + max(self._head(at).number for at in self._records(index))
        at = self._records(index)[number % 2]
        self.memory[at + _HEAD.size : at + _HEAD.size + len(counts)] = counts
        _HEAD.pack_into(self.memory, at, number, len(counts), zlib.crc32(counts))

    def get(self, index: int) -> bytes | None:
        """The latest whole record, None if there is none."""
        for head, at in sorted(((self._head(at), at) for at in self._records(index)), reverse=True):
            counts = self.memory[at + _HEAD.size : at + _HEAD.size + head.length]
            if head.number and zlib.crc32(counts) == head.checksum:
                return counts
        return None

    def _head(self, at: int) -> _Head:
        return _Head(*_HEAD.unpack_from(self.memory, at))

    def _records(self, index: int) -> tuple[int, int]:
        first = index * 2 * RECORD_BYTES_MAX
        return first, first + RECORD_BYTES_MAX


class Exposition:
    """The metrics of this process and, with `shared`, of those that share memory with it. `index` is this
    process's place there."""

    def __init__(self, shared: SharedCounts | None = None, index: int = 0) -> None:
        self._shared = shared
        self._index = index
        self._before = _decoded(shared.get(index)) if shared else {}
        """What earlier processes in this place have counted."""

    @asynccontextmanager
    async def sharing(self, health: Health) -> AsyncGenerator[None]:
        """Share this process's counts while the block runs, and at its end."""
        if self._shared is None:
            yield
            return

        async def share() -> None:
            self.share()

        loop = TaskLoop(
            "metrics", share, health=health, pause_s=lambda: SHARE_PERIOD_S, on_failure="try again"
        )
        loop.start()
        try:
            yield
        finally:
            await loop.stop()
            self.share()

    def share(self) -> None:
        if self._shared is not None:
            counts = self._before.copy()
            _add(counts, _counts(REGISTRY.collect()))
            self._shared.put(self._index, json.dumps([[*key, n] for key, n in counts.items()]).encode())

    def render(self, accept: str, readings: Sequence[Reading]) -> tuple[bytes, str]:
        """All metrics as text, with the text's media type."""
        untyped: Any = openmetrics
        families = _Families([*self._merged(), *_gauges(readings)])
        if OPENMETRICS in accept:
            write: Callable[[_Families], bytes] = untyped.generate_latest
            return write(families), openmetrics.CONTENT_TYPE_LATEST
        return generate_latest(families), TEXT_TYPE

    def _merged(self) -> list[Metric]:
        own = list(REGISTRY.collect())
        counts = _counts(own)
        _add(counts, self._before)
        if self._shared is not None:
            for index in range(self._shared.processes):
                if index != self._index:
                    _add(counts, _decoded(self._shared.get(index)))
        exemplars: dict[Key, Exemplar] = {
            _key(family.name, sample.name, sample.labels): sample.exemplar
            for family in own
            for sample in family.samples
            if sample.exemplar
        }
        merged = {family.name: Metric(family.name, family.documentation, family.type) for family in own}
        for key, count in counts.items():
            if key[0] in merged:
                merged[key[0]].add_sample(key[1], dict(key[2]), count, exemplar=exemplars.get(key))
        return list(merged.values())


class _Families:
    """Families as a registry has them."""

    def __init__(self, families: Sequence[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def _gauges(readings: Sequence[Reading]) -> list[Metric]:
    families: dict[str, Metric] = {}
    for gauge, labels, value in readings:
        family = families.setdefault(gauge.name, Metric(gauge.name, gauge.text, "gauge"))
        family.add_sample(gauge.name, dict(zip(gauge.labels, labels, strict=True)), value)
    return list(families.values())


def _counts(families: Iterable[Metric]) -> Counts:
    """The samples, without those that tell since when they are counted."""
    return {
        _key(family.name, sample.name, sample.labels): sample.value
        for family in families
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


def _key(family: str, sample: str, labels: dict[str, str]) -> Key:
    return family, sample, tuple(labels.items())


def _add(counts: Counts, more: Counts) -> None:
    for key, count in more.items():
        counts[key] = counts.get(key, 0.0) + count


def _decoded(record: bytes | None) -> Counts:
    if record is None:
        return {}
    return {
        (family, sample, tuple((name, value) for name, value in labels)): count
        for family, sample, labels, count in json.loads(record)
    }
