"""Reads what is on a topic of the embedded log without being a consumer of it."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from orderflow.messaging import BusUnavailable, Record
from orderflow.messaging.embedded import unpacked

_SINCE = """
SELECT topic, partition, "offset", key, value, headers, timestamp_ms FROM messages
WHERE topic = ? AND timestamp_ms >= ? ORDER BY partition, "offset"
"""


def history(path: Path, topic: str, since_ms: int) -> Iterator[Record]:
    """The messages of the topic since that Unix time in milliseconds, one partition after the other. Raises
    BusUnavailable."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as reader:
            for row in reader.execute(_SINCE, (topic, since_ms)):
                _, partition, offset, key, value, headers, timestamp_ms = row
                yield Record(topic, partition, offset, key, value, unpacked(headers), timestamp_ms)
    except sqlite3.Error as error:
        raise BusUnavailable(f"event log {path.name}: {error}") from error
