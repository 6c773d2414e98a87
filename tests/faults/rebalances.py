"""Workers that stay away for long or join for a while: the consumer group's partitions must really move."""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence

import aiohttp
from tests.faults.faults import Fault, NotInjected
from tests.faults.roles import Role

AWAY_S = (8.0, 14.0)
"""Longer than a session and a lease (6 s each)."""
JOINED_S = (4.0, 8.0)
TAKEN_OVER_S_MAX = 40.0
LOOK_PAUSE_S = 0.25

Workers = Mapping[Role, str]
"""Each worker and its address."""


def away(workers: Workers, partitions: int) -> Fault:
    """One worker is killed and stays down. It is started again once its time is over and the other workers
    have all partitions."""

    async def inject(draw: random.Random) -> str:
        worker = draw.choice(list(workers))
        duration_s = draw.uniform(*AWAY_S)
        others = [url for role, url in workers.items() if role is not worker]
        async with worker.faulted:
            await worker.until_running()
            clock = asyncio.get_running_loop().time
            began = clock()
            await worker.take_down()
            try:
                await _until(others, lambda held: held >= set(range(partitions)), "the others took all over")
                taken_s = clock() - began
                await asyncio.sleep(duration_s - taken_s)
                away_s = clock() - began
            finally:
                worker.start()
        return f"{worker.name} for {away_s:.1f} s, its partitions taken over after {taken_s:.1f} s"

    return inject


def join(worker: Role, url: str) -> Fault:
    """Another worker joins. Once it has partitions it stays for a while, and then it must drain and leave."""

    async def inject(draw: random.Random) -> str:
        async with worker.faulted:
            worker.start()
            try:
                held = await _until([url], bool, "it was given partitions")
                await asyncio.sleep(draw.uniform(*JOINED_S))
            finally:
                await worker.stop()
        return f"{worker.name} with {len(held)} partitions"

    return inject


async def _until(urls: Sequence[str], holds: Callable[[set[int]], bool], what: str) -> set[int]:
    """Wait until the partitions of the workers at `urls` fulfil `holds`, and return them. Raises
    NotInjected."""
    held: set[int] = set()
    try:
        async with (
            asyncio.timeout(TAKEN_OVER_S_MAX),
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as session,
        ):
            while not holds(held):
                await asyncio.sleep(LOOK_PAUSE_S)
                held = set()
                for url in urls:
                    held |= await _assignment(session, url)
    except TimeoutError:
        raise NotInjected(f"not within {TAKEN_OVER_S_MAX:.0f} s: {what}") from None
    return held


async def _assignment(session: aiohttp.ClientSession, url: str) -> set[int]:
    """The partitions of the worker, or an empty set if it does not answer."""
    try:
        async with session.get(f"{url}/health/ready") as response:
            return set((await response.json()).get("consumer", {}).get("assignment", []))
    except (aiohttp.ClientError, OSError, TimeoutError):
        return set()
