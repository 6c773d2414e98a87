"""The port to the event log: publish, poll, commit.

Two adapters ship, `embedded` (a SQLite file, one process) and `kafka` (Apache Kafka). Both pass the suite in
`tests/conformance`. An adapter refuses at start what it cannot do.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

Headers = tuple[tuple[str, bytes], ...]

PARTITIONS = 12
"""The number of partitions of a topic that we create. A topic with fewer gets more, or is used as it is if we
are not allowed to change it."""

MESSAGE_BYTES_MAX = 2 * 1024 * 1024
"""The size limit of a message in most topics, in bytes. On Kafka the key and the headers count, too."""

DEAD_LETTER_SUFFIX = ".dead-letter"
"""The end of the name of a dead-letter topic, for messages that could not be processed. Its messages contain
the whole original message and further headers."""

DEAD_LETTER_BYTES_MAX = 2 * MESSAGE_BYTES_MAX


def message_bytes_max(topic: str) -> int:
    """The size limit of a topic's messages, in bytes."""
    return DEAD_LETTER_BYTES_MAX if topic.endswith(DEAD_LETTER_SUFFIX) else MESSAGE_BYTES_MAX


class Message(NamedTuple):
    """A message to be published. Messages with the same key keep their order within a topic; a text is
    encoded as UTF-8. Key and value may be missing (None), which is not the same as empty."""

    topic: str
    key: str | bytes | None
    value: bytes | None
    headers: Headers = ()

    @property
    def encoded_key(self) -> bytes | None:
        """Raises UnicodeEncodeError."""
        return self.key.encode() if isinstance(self.key, str) else self.key


class Position(NamedTuple):
    """The place of a message in the log."""

    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class PublishFailed:
    """A message was not acknowledged.

    It may have been stored or not, and must be published again. `too_large` says that the log refuses this
    message for its size, even when it is sent alone: it will take the message only after somebody has raised
    the limit. Every other reason is an outage, even if it looks like a problem of this one message.
    """

    reason: str
    too_large: bool = False


class Record(NamedTuple):
    """A message that a consumer returns. Key and value are None if a foreign publisher wrote none."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    timestamp_ms: int


class Kept(NamedTuple):
    """How long a log keeps a message. `seconds` is the bound, None if there is none or nobody knows."""

    place: str
    seconds: float | None
    why: str


@dataclass(frozen=True, slots=True)
class ConsumerState:
    """What health shows about a consumer. `lags` is by partition, in messages; None while it is unknown."""

    group: str
    assignment: tuple[int, ...]
    lags: Mapping[int, int] | None
    last_poll_age_s: float | None
    error: str | None = field(default=None)
    trouble: str | None = field(default=None)
    """What this member's group should read but does not, in words; None if everything is read."""

    @property
    def lag(self) -> int | None:
        """Over all partitions."""
        return None if self.lags is None else sum(self.lags.values())


class BusUnavailable(Exception):
    """The log cannot be reached or did not answer in time. This is transient: try again."""


class BusMisconfigured(Exception):
    """The log refuses us for a reason that only a person can remedy; the text names it and says what to
    do."""


class Publisher(Protocol):
    """Its methods block, and are called by one thread at a time."""

    def publish(self, messages: Sequence[Message]) -> list[Position | PublishFailed]:
        """Store the messages durably and return one outcome each, in order.

        Returns when every message is acknowledged or failed, at the latest after the adapter's delivery
        time-out. Messages of one key are stored in the order given, but one that fails does not hold back
        those after it: to keep a later one from being published first, give them in separate calls. Never
        raises for an absent broker: each outcome says so.
        """
        ...

    def close(self) -> None: ...


class Consumer(Protocol):
    """A member of a consumer group. Its methods block; one thread calls poll, commit and close.

    Delivery is at least once and in order per partition. A record is delivered again, to some member of the
    group, unless its offset was committed. A group's first member starts at the oldest record.
    """

    def poll(self, records_max: int, timeout_s: float) -> list[Record]:
        """Return up to `records_max` records, after waiting at most `timeout_s` for the first; an empty list
        is a normal answer.

        Raises BusUnavailable when the log cannot be read now, BusMisconfigured when it never will be.
        """
        ...

    def commit(self, records: Sequence[Record]) -> None:
        """Mark these records, and all before them in their partitions, as done. This is durable on return.

        Partitions that this member no longer owns are left out silently: their new owner gets the records.
        Raises BusUnavailable when the commit could not be made.
        """
        ...

    def state(self) -> ConsumerState:
        """Return a snapshot for health, without waiting. Any thread may call this."""
        ...

    def close(self) -> None:
        """Leave the group so that another member takes over at once."""
        ...
