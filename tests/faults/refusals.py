"""A broker that works but refuses every write, or messages above some size, for a while."""

import asyncio
import random
from concurrent.futures import Future
from typing import Any

import aiohttp
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import AclBinding, AclBindingFilter, AclOperation, AclPermissionType
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource
from confluent_kafka.admin._resource import ResourcePatternType, ResourceType
from tests.faults.faults import NotInjected
from tests.faults.stage import TOPIC, retried

from orderflow.messaging import message_bytes_max

REQUEST_S = 10.0
SECONDS = (3.0, 8.0)
BYTES_MAX = (400, 2_000)
"""The first is smaller than any event, so every event is parked. The second is larger than every event, but
smaller than a batch of them."""

_ON_TOPIC = (ResourceType.TOPIC, TOPIC, ResourcePatternType.LITERAL, "User:ANONYMOUS", "*")
# Once a topic has any ACL, everything else needs an explicit permission. A denial outweighs permissions.
_NO_WRITES = [
    AclBinding(*_ON_TOPIC, AclOperation.ALL, AclPermissionType.ALLOW),
    AclBinding(*_ON_TOPIC, AclOperation.WRITE, AclPermissionType.DENY),
]
_ALL_PERMISSIONS = AclBindingFilter(*_ON_TOPIC, AclOperation.ANY, AclPermissionType.ANY)


class Refusals:
    """The faults of one run. `order_url` is where parked events are released."""

    def __init__(self, bootstrap: str, order_url: str, faulted: asyncio.Lock) -> None:
        self._bootstrap = bootstrap
        self._order_url = order_url
        self._faulted = faulted
        self._some_are_parked = False

    async def refuse_writes(self, draw: random.Random) -> str:
        """Take the permission to write away, and give it back later."""
        duration_s = draw.uniform(*SECONDS)
        async with self._faulted:
            try:
                await _told(_refuse_writes, self._bootstrap)
                await asyncio.sleep(duration_s)
            finally:
                await retried(lambda: _told(_allow_writes, self._bootstrap))
        return f"for {duration_s:.1f} s"

    async def refuse_sizes(self, draw: random.Random) -> str:
        """Lower the topic's size limit, and raise it again later. Parked events are released by `heal`, as a
        person would do it."""
        duration_s, bytes_max = draw.uniform(*SECONDS), draw.choice(BYTES_MAX)
        async with self._faulted:
            self._some_are_parked = True
            try:
                await _told(_limit, self._bootstrap, bytes_max)
                await asyncio.sleep(duration_s)
            finally:
                await retried(lambda: _told(_limit, self._bootstrap, message_bytes_max(TOPIC)))
        return f"above {bytes_max} bytes for {duration_s:.1f} s"

    async def heal(self) -> None:
        await retried(lambda: _told(_allow_writes, self._bootstrap))
        if self._some_are_parked:
            await retried(lambda: _told(_limit, self._bootstrap, message_bytes_max(TOPIC)))
            await retried(self._release)

    async def _release(self) -> None:
        """Release the parked events, in two rounds: some that were refused before the limit was raised may
        not have been parked yet in the first. Raises NotInjected."""
        try:
            async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=REQUEST_S)) as session:
                for _ in range(2):
                    await asyncio.sleep(1)
                    async with session.post(
                        f"{self._order_url}/api/outbox/parked/release", json={}
                    ) as response:
                        response.raise_for_status()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise NotInjected(f"release: {type(error).__name__}") from error


async def _told(what: Any, *arguments: Any) -> None:
    """Call the broker. Raises NotInjected if it does not answer."""
    try:
        await asyncio.to_thread(what, *arguments)
    except (KafkaException, TimeoutError) as error:
        raise NotInjected(f"kafka: {error}") from error


def _refuse_writes(bootstrap: str) -> None:
    admin = _admin(bootstrap)
    _wait(admin.create_acls(_NO_WRITES))


def _allow_writes(bootstrap: str) -> None:
    admin = _admin(bootstrap)
    _wait(admin.delete_acls([_ALL_PERMISSIONS]))


def _limit(bootstrap: str, bytes_max: int) -> None:
    admin = _admin(bootstrap)
    entry = ConfigEntry("max.message.bytes", str(bytes_max), incremental_operation=AlterConfigOpType.SET)
    topic = ConfigResource(ConfigResource.Type.TOPIC, TOPIC, incremental_configs=[entry])
    _wait(admin.incremental_alter_configs([topic]))


def _wait(futures: dict[Any, Future[Any]]) -> None:
    for future in futures.values():
        future.result(REQUEST_S)


def _admin(bootstrap: str) -> Any:
    """The library leaves the types of its futures open. The client must live until they are done."""
    return AdminClient({"bootstrap.servers": bootstrap})
