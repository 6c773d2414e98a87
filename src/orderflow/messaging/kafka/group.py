"""Compares the topic's partitions with those that the members of the group read, and decides what to do about
a difference."""

import struct
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

import structlog
from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from orderflow.messaging import BusUnavailable
from orderflow.messaging.kafka.cluster import Settings, client_settings

LOOK_PAUSE_S = 5.0
DOUBT_PAUSE_S = 1.0
"""The pause before the next look if the last one found something wrong."""
LOOK_TIMEOUT_S = 5.0
LOOK_AGE_S_MAX = 60.0
JOIN_S_MAX = 5.0
"""How long a new member may take to join before the next one is tried. It doubles after each new member, up
to JOIN_AGAIN_S_MAX, until all partitions are read."""
JOIN_AGAIN_S_MAX = 60.0

_REBALANCING = ("PreparingRebalance", "CompletingRebalance")

_logger: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Look:
    """The topic and the group at one moment, as the cluster reports them."""

    topic_id: str | None
    """None if the topic does not exist. A topic that was deleted and created again has another id."""
    partitions: int
    settled: bool
    """The members are known and no rebalance is under way. So partitions that nobody reads stay unread."""
    members: Mapping[str, frozenset[int]]
    """The partitions that the group gave to each member id."""

    def unread(self, member_id: str | None, owned: Collection[int]) -> list[int]:
        """The partitions that no member reads. `owned` is what this member really has, whatever the group
        believes."""
        read = set(owned)
        for other, assigned in self.members.items():
            if other != member_id:
                read |= assigned
        return sorted(set(range(self.partitions)) - read)


class Mend(Enum):
    """What remedies a difference: a new client, as the same member or as another one."""

    READ_ANEW = "the topic was made again: what we have of it is read from its beginning"
    JOIN_AS_ANOTHER = "partitions stay unread: another member makes the group assign them anew"


class GroupWatch:
    """Looks at the topic and the group every LOOK_PAUSE_S in a thread of its own. The other methods are for
    the consumer's thread, and never wait.

    Only in the classic protocol must the members themselves notice how many partitions there are. In the
    other one the broker does that, and a look does not know the `members`.
    """

    def __init__(
        self,
        bootstrap: str,
        topic: str,
        group: str,
        *,
        classic: bool,
        settings: Settings | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        # The library leaves the types of its futures open.
        self._admin: Any = AdminClient(client_settings(bootstrap, settings))
        self._classic = classic
        self._latest: Look | None = None
        self._pause_s = LOOK_PAUSE_S
        self._wake = threading.Event()
        self._closed = False
        self._looked_at_s = clock()
        self._topic = topic
        self._group = group
        self._clock = clock
        self._topic_id: str | None = None
        self._suspicions = 0
        """The number of looks in a row that found partitions that nobody reads."""
        self._join_s = JOIN_S_MAX
        self._join_until_s = clock() + JOIN_S_MAX
        self._unread: str | None = None
        """The partitions that nobody reads, in words."""
        self._all_read = False
        """Whether any look ever found that the group reads all partitions."""
        threading.Thread(target=self.run, name="group-watch", daemon=True).start()

    def close(self) -> None:
        """Ask the thread to end, without waiting for it: it may hang on a silent broker, and holds
        nothing."""
        self._closed = True
        self._wake.set()

    def run(self) -> None:
        while not self._closed:
            try:
                self.run_once()
            except Exception as error:
                _logger.exception("kafka.group_watch_failed", exc_info=error)
            self._wake.wait(self._pause_s)
            self._wake.clear()

    def run_once(self) -> None:
        try:
            self._latest = self._look()
            self._looked_at_s = self._clock()
        except (KafkaException, BusUnavailable) as error:
            # The consumer itself reports that the brokers are unavailable.
            _logger.debug("kafka.group_not_seen", reason=str(error))

    def joining(self) -> None:
        """A new client starts: give it time to join."""
        self._join_until_s = self._clock() + self._join_s

    def trouble(self, owned: Collection[int]) -> str | None:
        """What the group does not read, in words; None if it reads everything. Any thread may call this."""
        if self._unread is None and not owned and not self._all_read:
            return f"{self._group} has not given us partitions of {self._topic} yet"
        age_s = self._clock() - self._looked_at_s
        if self._unread is None and age_s > LOOK_AGE_S_MAX:
            return f"what {self._group} reads of {self._topic} has not been seen for {age_s:.0f} s"
        return self._unread

    def check(self, member_id: Callable[[], str | None], owned: Collection[int]) -> Mend | None:
        """Compare, if there is a new look that is complete. `owned` is what this member really has."""
        look, self._latest = self._latest, None
        if look is None:
            return None
        if look.topic_id is not None:
            known, self._topic_id = self._topic_id, look.topic_id
            if known not in (None, look.topic_id):
                self._suspicions = 0
                return Mend.READ_ANEW
        if not look.settled:
            return None
        mend = self._settled(look, member_id(), owned)
        self._pause_s = DOUBT_PAUSE_S if self._suspicions else LOOK_PAUSE_S
        return mend

    def _settled(self, look: Look, member_id: str | None, owned: Collection[int]) -> Mend | None:
        if not (unread := look.unread(member_id, owned)):
            self._all_read, self._unread, self._suspicions, self._join_s = True, None, 0, JOIN_S_MAX
            return None
        self._suspicions += 1
        if self._suspicions == 1:
            return None  # the look may have been between the two rounds of a rebalance
        self._unread = f"nobody of {self._group} reads partitions {unread} of {self._topic}"
        # One new member is enough. The first of the old ones, by id, is replaced; the others give it time.
        before_us = sum(other < member_id for other in look.members) if member_id else 0
        if self._suspicions < 2 + 2 * before_us or self._clock() <= self._join_until_s:
            return None
        self._suspicions = 0
        self._join_s = min(2 * self._join_s, JOIN_AGAIN_S_MAX)
        return Mend.JOIN_AS_ANOTHER

    def _look(self) -> Look:
        """Raises KafkaException, BusUnavailable."""
        asked = self._admin.describe_topics(TopicCollection([self._topic]), request_timeout=LOOK_TIMEOUT_S)
        try:
            found = asked[self._topic].result(LOOK_TIMEOUT_S + 1)
            topic_id, partitions = str(found.topic_id), len(found.partitions)
        except TimeoutError:
            raise BusUnavailable("no answer about the topic") from None
        except KafkaException as error:
            if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise
            topic_id, partitions = None, 0
        if not self._classic:
            return Look(topic_id, partitions, settled=False, members={})
        # This call is deprecated. Its replacement, describe_consumer_groups, aborts the process by an
        # assertion if a connection ends during the call (librdkafka's issue 4605, in 2.16 too).
        groups: list[Any] = self._admin.list_groups(self._group, timeout=LOOK_TIMEOUT_S)
        settled = not any(group.state in _REBALANCING for group in groups)
        members: dict[str, frozenset[int]] = {}
        for group in groups:
            members |= {each.id: assigned(each.assignment, self._topic) for each in group.members}
        return Look(topic_id, partitions, settled, members)


def assigned(assignment: bytes, topic: str) -> frozenset[int]:
    """The topic's partitions in a member's assignment (Kafka's ConsumerProtocolAssignment)."""
    if not assignment:
        return frozenset()
    (topics,), at = struct.unpack_from(">2xi", assignment), 6
    found: frozenset[int] = frozenset()
    for _ in range(topics):
        (length,) = struct.unpack_from(">h", assignment, at)
        name = assignment[at + 2 : at + 2 + length].decode()
        (count,) = struct.unpack_from(">i", assignment, at + 2 + length)
        at += 6 + length
        if name == topic:
            found |= set(struct.unpack_from(f">{count}i", assignment, at))
        at += 4 * count
    return found
