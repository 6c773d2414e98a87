"""What happens in the services while orders come: read once a second, from the broker, the database and each
worker's metrics."""

import os
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, LiteralString
from urllib.error import URLError
from urllib.request import urlopen

import psycopg
from bench.processes import Meter
from bench.servers import PARTITIONS, Servers
from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec

from loadtest.stage import Shop, Worker

ANSWER_S_MAX = 2.0
TERMINAL = ("Shipped", "Failed", "Cancelled")
_STATUSES: LiteralString = "SELECT status, sum(orders) FROM status_counts GROUP BY status"
_OUTBOX: LiteralString = "SELECT count(*) FROM outbox WHERE published_at IS NULL"
_SERIES = re.compile(r"^(orderflow_consumer_partitions|orderflow_partitions_moved_total)(\S*) (\S+)$", re.M)


@dataclass(frozen=True, slots=True)
class Sample:
    """`at` is Unix time. `partitions` has the workers that answered; `moved` counts partitions by `assigned`,
    `revoked` and `lost` since the start, over all workers. `lag` and `messages` (how many were ever written)
    are None if the broker did not answer."""

    at: float
    lag: int | None
    messages: int | None
    outbox: int
    statuses: Mapping[str, int]
    partitions: Mapping[str, int]
    moved: Mapping[str, float]
    cpus: Mapping[str, float]
    """How many CPUs each part has used since the sample before."""

    @property
    def unfinished(self) -> int:
        return sum(count for status, count in self.statuses.items() if status not in TERMINAL)

    @property
    def finished(self) -> int:
        return sum(count for status, count in self.statuses.items() if status in TERMINAL)


class Watch:
    """Takes the samples and keeps them."""

    def __init__(self, servers: Servers, shop: Shop) -> None:
        self.samples: list[Sample] = []
        self.load_pid: int | None = None
        """k6, while it runs."""
        self._shop = shop
        # The library leaves the types of its futures open.
        self._admin: Any = AdminClient({"bootstrap.servers": servers.broker, "log_level": 5})
        self._orders = psycopg.connect(shop.stage.database, autocommit=True)
        self._moved: dict[tuple[str, int], dict[str, float]] = {}
        """The counters of each life of a worker: they begin at 0 when it is started again."""
        self._measure()

    def _measure(self) -> None:
        self._measured_from = time.monotonic()
        self._meter = Meter({**self._shop.stage.parts, "k6": [self.load_pid] if self.load_pid else []})

    def _cpus(self) -> dict[str, float]:
        passed = max(0.001, time.monotonic() - self._measured_from)
        spent = self._meter.read()
        others = spent.pop("others") * (os.cpu_count() or 1)
        spent.pop("load")  # ourselves, and whoever was ended meanwhile, with all that it ever used
        self._measure()
        return {**{part: max(0.0, seconds) / passed for part, seconds in spent.items()}, "others": others}

    def take(self) -> Sample:
        partitions: dict[str, int] = {}
        for worker in self._shop.running:
            with suppress(OSError, URLError):  # it has just been started
                partitions[worker.name] = self._ask(worker)
        moved = {
            change: sum(life.get(change, 0.0) for life in self._moved.values())
            for change in ("assigned", "revoked", "lost")
        }
        statuses = {str(status): int(count) for status, count in self._orders.execute(_STATUSES).fetchall()}
        row = self._orders.execute(_OUTBOX).fetchone()
        outbox = int(row[0]) if row else 0
        lag, messages = self._log()
        sample = Sample(time.time(), lag, messages, outbox, statuses, partitions, moved, self._cpus())
        self.samples.append(sample)
        return sample

    def _ask(self, worker: Worker) -> int:
        """How many partitions the worker reads. Raises OSError."""
        with urlopen(f"{worker.url}/metrics", timeout=ANSWER_S_MAX) as answer:  # noqa: S310 - our own URL
            text = answer.read().decode()
        moved = self._moved.setdefault((worker.name, worker.pid or 0), {})
        partitions = 0
        for name, labels, value in _SERIES.findall(text):
            if name == "orderflow_consumer_partitions":
                partitions = int(float(value))
            else:
                moved[labels.split('"')[1]] = float(value)
        return partitions

    def _log(self) -> tuple[int, int] | tuple[None, None]:
        """How many messages the group has not committed yet, and how many there are. The topic is new, so
        where nothing is committed, all messages wait."""
        all_of = [TopicPartition(self._shop.topic, number) for number in range(PARTITIONS)]
        try:
            ends = self._admin.list_offsets(
                {each: OffsetSpec.latest() for each in all_of}, request_timeout=ANSWER_S_MAX
            )
            asked = ConsumerGroupTopicPartitions(self._shop.group, all_of)
            group = self._admin.list_consumer_group_offsets([asked], request_timeout=ANSWER_S_MAX)
            end = {each.partition: future.result(ANSWER_S_MAX + 1).offset for each, future in ends.items()}
            committed = group[self._shop.group].result(ANSWER_S_MAX + 1).topic_partitions
        except (KafkaException, TimeoutError):
            return None, None
        lag = sum(max(0, end[each.partition] - max(0, each.offset)) for each in committed)
        return lag, sum(end.values())

    def close(self) -> None:
        self._orders.close()
