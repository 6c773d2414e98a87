"""Faults of the orders topic: its records are deleted, partitions are added, or it is deleted and made
again."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable

from confluent_kafka import KafkaException
from tests.faults import kafka_log
from tests.faults.faults import Fault, NotInjected
from tests.faults.stage import Stage

PARTITIONS_ADDED = 2
WithoutWorkers = Callable[[Callable[[], Awaitable[str]]], Fault]


async def wiped(stage: Stage, bootstrap: str) -> str:
    await asyncio.sleep(1)
    try:
        await stage.keep_log()
        stage.log_wiped = True
        # Only what the referee has seen: records may have come since.
        lost = await asyncio.to_thread(kafka_log.delete_records, bootstrap, stage.kept_ends())
    except KafkaException as error:
        raise NotInjected(str(error)) from error
    return f"{lost} partitions"


def grown(stage: Stage, bootstrap: str, without_workers: WithoutWorkers) -> Fault:
    """Partitions are added while the workers are down. The workers are back before their sessions end, so, as
    static members, they are assigned what they had before."""

    async def add() -> str:
        try:
            partitions = await asyncio.to_thread(kafka_log.add_partitions, bootstrap, PARTITIONS_ADDED)
        except KafkaException as error:
            raise NotInjected(str(error)) from error
        return f"to {partitions} partitions"

    async def inject(draw: random.Random) -> str:
        try:
            await stage.keep_partitions()
        except KafkaException as error:
            raise NotInjected(str(error)) from error
        return await without_workers(add)(draw)

    return inject


def made_again(stage: Stage, bootstrap: str) -> Fault:
    """The topic is deleted under load. Either somebody else makes it again with one partition, or only our
    own parts make it again."""

    async def inject(draw: random.Random) -> str:
        by_another = draw.random() < 0.5
        try:
            await stage.keep_partitions()
            stage.log_wiped = True
            try:
                await asyncio.to_thread(kafka_log.delete_topic, bootstrap)
            finally:
                stage.topic_life_ms = time.time_ns() // 1_000_000
            if by_another:
                await asyncio.sleep(draw.uniform(0.1, 0.5))
                await asyncio.to_thread(kafka_log.make_small_topic, bootstrap)
        except KafkaException as error:
            raise NotInjected(str(error)) from error
        return "made again with one partition" if by_another else "left missing"

    return inject
