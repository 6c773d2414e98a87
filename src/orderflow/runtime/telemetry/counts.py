"""Memory in which processes count, each in a place of its own, and which a scrape of any of them reads.

A place holds the values of its process as doubles, and a table that says which series they belong to. Only
the process in a place writes there. It appends to the table when a series appears; nothing is ever moved or
removed. So no lock is needed between processes, and whatever ends a process, what it had counted stays and
is continued by the process that replaces it. The memory is anonymous and ends with the processes.
"""

import json
import mmap
import struct
import threading
import zlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

VALUES_MAX = 32_768
"""Values in one place: those of more than 2,000 histograms. Memory is used only as far as it is written."""
TABLE_BYTES_MAX = 256 * 1024

_VALUE_BYTES = 8
_PLACE_BYTES = VALUES_MAX * _VALUE_BYTES + TABLE_BYTES_MAX
_HEAD = struct.Struct("<III")
"""Before an entry: the length of its text in bytes, the number of its values, and a checksum."""

Key = tuple[str, ...]
"""The name of a metric and the values of its labels."""


class _Entry(NamedTuple):
    """What the table has for one series: its key, as JSON, and the number of its values."""

    text: bytes
    values: int


class Slots(NamedTuple):
    """The values of a series."""

    first: int
    end: int


class Place:
    """What one process counts. `values` must only be changed by the process that the place belongs to; it is
    aligned, so that another process never reads half a value."""

    def __init__(self, memory: memoryview) -> None:
        self.values: memoryview[float] = memory[: VALUES_MAX * _VALUE_BYTES].cast("d")
        self._table = memory[VALUES_MAX * _VALUE_BYTES :]
        self._known: dict[Key, Slots] = {}
        self._table_end = 0
        """The first byte of the table that has not been read."""
        self._values_end = 0
        """The first value that belongs to no series."""

    def series(self) -> Mapping[Key, Slots]:
        """Every series in the place, those that another process has added by now included."""
        while entry := self._entry(self._table_end):
            self._append(tuple(json.loads(entry.text)), entry)
        return self._known

    def add(self, key: Key, values: int) -> Slots | None:
        """Where the values of the series are; it is added if it is new. None if there is no room for it."""
        if (known := self.series().get(key)) is not None:
            return known
        entry, at = _Entry(json.dumps(key).encode(), values), self._table_end
        if at + _HEAD.size + len(entry.text) > TABLE_BYTES_MAX or self._values_end + values > VALUES_MAX:
            return None
        # The head is last: an entry without it, of a process that was killed here, does not exist.
        self._table[at + _HEAD.size : at + _HEAD.size + len(entry.text)] = entry.text
        _HEAD.pack_into(self._table, at, len(entry.text), values, _checksum(entry))
        return self._append(key, entry)

    def _entry(self, at: int) -> _Entry | None:
        if at + _HEAD.size > TABLE_BYTES_MAX:
            return None
        length, values, checksum = _HEAD.unpack_from(self._table, at)
        entry = _Entry(bytes(self._table[at + _HEAD.size : at + _HEAD.size + length]), values)
        return entry if length and _checksum(entry) == checksum else None

    def _append(self, key: Key, entry: _Entry) -> Slots:
        slots = self._known[key] = Slots(self._values_end, self._values_end + entry.values)
        self._table_end += _HEAD.size + len(entry.text)
        self._values_end = slots.end
        return slots


def _checksum(entry: _Entry) -> int:
    return zlib.crc32(entry.text, entry.values)


class SharedCounts:
    """Places for so many processes. It must be made before they are forked."""

    def __init__(self, processes: int) -> None:
        self._memory = memoryview(mmap.mmap(-1, processes * _PLACE_BYTES))
        self._read = [self.place(index) for index in range(processes)]
        self._reading = threading.Lock()

    def place(self, index: int) -> Place:
        return Place(self._memory[index * _PLACE_BYTES : (index + 1) * _PLACE_BYTES])

    def totals(self) -> dict[Key, Sequence[float]]:
        """The values of each series, added up over all places."""
        totals: dict[Key, Sequence[float]] = {}
        with self._reading:
            for place in self._read:
                series = place.series()
                values: Sequence[float] = place.values[
                    : max((slots.end for slots in series.values()), default=0)
                ].tolist()
                for key, slots in series.items():
                    own = values[slots.first : slots.end]
                    others = totals.get(key)
                    totals[key] = own if others is None else [a + b for a, b in zip(own, others, strict=True)]
        return totals
