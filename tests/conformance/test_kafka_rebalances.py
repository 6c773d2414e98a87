"""What a rebalance moves is counted."""

import re
from collections import Counter
from typing import Literal

import pytest
from tests.conformance.conftest import Eventually, OpenKafka

from orderflow.messaging.kafka import KafkaConsumer
from orderflow.runtime.telemetry import metrics
from orderflow.runtime.telemetry.exposition import render

Protocol = Literal["classic", "consumer"]
ALL = tuple(range(12))


def member(log: OpenKafka, protocol: Protocol) -> KafkaConsumer:
    return KafkaConsumer(log.address, log.topic, f"{protocol}-{log.topic}", protocol=protocol)


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_the_partitions_that_move_between_members_are_counted(
    kafka: OpenKafka, eventually: Eventually, protocol: Protocol
) -> None:
    def moved() -> Counter[str]:
        text = render(metrics.REGISTRY, "", [])[0].decode()
        found = re.findall(r'orderflow_partitions_moved_total{change="(\w+)"} (\d+)', text)
        return Counter({change: int(count) for change, count in found})

    before = moved()
    one = member(kafka, protocol)

    def has_all() -> bool:
        one.poll(1, 0.1)
        return one.state().assignment == ALL

    eventually(has_all)
    assert moved() - before == Counter(assigned=12)
    other = member(kafka, protocol)

    def shared() -> bool:
        one.poll(1, 0.1)
        other.poll(1, 0.1)
        mine, yours = one.state().assignment, other.state().assignment
        return bool(mine and yours) and tuple(sorted(mine + yours)) == ALL

    eventually(shared)
    went = len(other.state().assignment)
    assert moved() - before == Counter(assigned=12 + went, revoked=went)
    one.close()
    other.close()
