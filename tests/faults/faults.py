"""Kinds of faults. Each is a coroutine that attacks once, with details drawn from the seed, and heals.

It returns what it did, for the report. It raises NotInjected if the moment to attack did not come.
"""

import asyncio
import random
import signal
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import aiohttp
from tests.faults.proxy import CutPlace, Proxy
from tests.faults.roles import Role

Fault = Callable[[random.Random], Awaitable[str]]

CARRIER_KINDS = (
    *("429", "503", "hang", "cut", "garbage", "huge", "no-tracking-number"),
    *("apply-then-hang", "apply-then-503", "apply-then-cut"),
)
PAYMENT_KINDS = ("503", "hang", "decline", "apply-then-503", "apply-then-cut")
CRASH_POINT_S_MAX = 40.0
DANGEROUS_S_MAX = 10.0
DISK_FULL_BYTES = 16 * 1024
DISK_FULL_S = 4.0


LEAVES_IN_DOUBT: dict[str, object] = {"kind": "apply-then-503", "seconds": 60}


@dataclass(frozen=True, slots=True)
class CarrierWay:
    """The URL at which the roles find a carrier, and the carrier's own."""

    url: str
    direct_url: str


class NotInjected(Exception):
    """The fault could not take place; it does not count."""


def kill(*roles: Role) -> Fault:
    """SIGKILL one of the roles."""

    async def inject(draw: random.Random) -> str:
        role = draw.choice(roles)
        async with role.faulted:
            await role.until_running()
            if not role.kill():
                raise NotInjected(f"{role.name} was not running")
        return role.name

    return inject


def kill_all(*roles: Role) -> Fault:
    async def inject(_draw: random.Random) -> str:
        killed = [role.name for role in roles if role.kill()]
        if not killed:
            raise NotInjected("none was running")
        return " ".join(killed)

    return inject


def stop(*roles: Role, seconds: tuple[float, float]) -> Fault:
    """SIGSTOP one of the roles, SIGCONT after a while."""

    async def inject(draw: random.Random) -> str:
        role = draw.choice(roles)
        duration_s = draw.uniform(*seconds)
        async with role.faulted:
            await role.until_running()
            if not role.send(signal.SIGSTOP):
                raise NotInjected(f"{role.name} was not running")
            try:
                await asyncio.sleep(duration_s)
            finally:
                role.send(signal.SIGCONT)
        return f"{role.name} for {duration_s:.1f} s"

    return inject


def restart(*roles: Role) -> Fault:
    """SIGTERM: one of the roles must drain and exit with 0; then it is started again."""

    async def inject(draw: random.Random) -> str:
        role = draw.choice(roles)
        async with role.faulted:
            await role.restart()
        return role.name

    return inject


def crash(point: str, *roles: Role, passages_max: int = 40) -> Fault:
    """The role kills itself at the crash point, the n-th time that it passes there; the seed draws n."""

    async def inject(draw: random.Random) -> str:
        role = draw.choice(roles)
        passage = draw.randint(1, passages_max)
        async with role.faulted:
            await role.restart(armed=f"{point}:{passage}")
            if not await role.until_ended(CRASH_POINT_S_MAX):
                await role.restart()
                raise NotInjected(f"{role.name} did not pass {point} {passage} times")
        return f"{role.name} at passage {passage}"

    return inject


def cut(proxy: Proxy, place: CutPlace) -> Fault:
    async def inject(draw: random.Random) -> str:
        wanted = draw.randint(1, 4)
        cuts = await proxy.cut(place, wanted, DANGEROUS_S_MAX)
        if cuts == 0:
            raise NotInjected(f"nothing passed {proxy.name}")
        return f"{cuts} connections"

    return inject


def drop(proxy: Proxy) -> Fault:
    async def inject(_draw: random.Random) -> str:
        return f"{proxy.drop_all() // 2} connections"

    return inject


def hold(proxy: Proxy, *, seconds: tuple[float, float]) -> Fault:
    """One dangerous request arrives late; all others pass."""

    async def inject(draw: random.Random) -> str:
        duration_s = draw.uniform(*seconds)
        if await proxy.hold(duration_s, DANGEROUS_S_MAX) == 0:
            raise NotInjected(f"nothing passed {proxy.name}")
        return f"for {duration_s:.1f} s"

    return inject


def freeze(proxy: Proxy, *, seconds: tuple[float, float]) -> Fault:
    async def inject(draw: random.Random) -> str:
        duration_s = draw.uniform(*seconds)
        await proxy.freeze(duration_s)
        return f"for {duration_s:.1f} s"

    return inject


def delay(proxy: Proxy, *, seconds: float = 4.0) -> Fault:
    async def inject(draw: random.Random) -> str:
        each_s = draw.uniform(0.02, 0.2)
        await proxy.delay(seconds, each_s)
        return f"{each_s * 1000:.0f} ms for {seconds:.0f} s"

    return inject


def disk_full(role: Role) -> Fault:
    """A quota on the size of its files keeps the process from storing anything."""

    async def inject(_draw: random.Random) -> str:
        async with role.faulted:
            await role.until_running()
            role.limit_file_size(DISK_FULL_BYTES)
            try:
                await asyncio.sleep(DISK_FULL_S)
            finally:
                role.limit_file_size(None)
        return f"for {DISK_FULL_S:.0f} s"

    return inject


def misbehaving(url: str, kind: str) -> Fault:
    """A simulator misbehaves for a while."""

    async def inject(draw: random.Random) -> str:
        seconds = draw.uniform(2, 6)
        share = 1.0 if draw.random() < 0.3 else draw.uniform(0.1, 0.7)
        await set_faults(url, [{"kind": kind, "share": share, "seconds": seconds}])
        await asyncio.sleep(seconds)
        return f"{share:.0%} of calls for {seconds:.1f} s"

    return inject


def switch_carrier(roles: Sequence[Role], ways: Sequence[CarrierWay], under_way: asyncio.Lock) -> Fault:
    """Fresh orders go to the other carrier, and later back. Meanwhile the carrier that is being left ships
    orders but answers with an error. The roles are restarted one by one, so both configurations run side by
    side for a while. Each role still knows the carrier that it has left."""

    async def inject(draw: random.Random) -> str:
        if under_way.locked():
            raise NotInjected("another switch is under way")
        async with under_way:
            for left, chosen in (ways, ways[::-1]):
                await set_faults(left.direct_url, [LEAVES_IN_DOUBT])
                await asyncio.sleep(draw.uniform(0.5, 2))
                for role in draw.sample(roles, len(roles)):
                    await _switch(role, left, chosen)
                await asyncio.sleep(draw.uniform(3, 5))
                await set_faults(left.direct_url, [])
        return f"{len(roles)} roles, there and back"

    return inject


async def _switch(role: Role, left: CarrierWay, chosen: CarrierWay) -> None:
    async with role.faulted:
        role.reconfigure({"ORDERFLOW_CARRIER_URL": chosen.url, "ORDERFLOW_FORMER_CARRIERS": left.url})
        await role.restart()
        await role.until_announced()


async def set_faults(url: str, faults: list[dict[str, object]]) -> None:
    """Raises NotInjected where the simulator does not answer."""
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session,
            session.put(f"{url}/v1/faults", json=faults) as response,
        ):
            response.raise_for_status()
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise NotInjected(f"the simulator: {type(error).__name__}") from error
