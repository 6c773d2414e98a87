"""The parts on which a run takes place: their processes, proxies and faults, and what was recorded."""

import asyncio
import json
import random
import socket
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp
from tests.faults import faults
from tests.faults.faults import Fault
from tests.faults.history import Death, Decision, LoggedEvent, SeenPayment, content_digest
from tests.faults.proxy import Proxy
from tests.faults.roles import Role

READY_S_MAX = 90.0
CARRIER_REJECTS = 0.15
PAYMENT_DECLINES = 0.05
TRANSIENT_ERRORS = 0.05
"""Share of the calls of either party that fail, also while no fault is injected."""
TOPIC = "order-events"


class Stage(ABC):
    """`directory` keeps all files of the run; `extra` is added to the environment of every role."""

    name: str
    singles: tuple[str, ...]
    """Kinds that kill one part. Each is also injected alone, to measure the recovery from it."""
    left_out: str = ""
    """What cannot be attacked on these parts, for the report; empty if nothing is left out."""

    def __init__(self, directory: Path, seed: int, source: Path, extra: Mapping[str, str]) -> None:
        """`source` is a copy of `src` that nobody edits while the run restarts its roles."""
        self.directory = directory
        self.source = source
        self.seed = seed
        self.extra = dict(extra)
        self.deaths: list[Death] = []
        self.roles: dict[str, Role] = {}
        self.proxies: dict[str, Proxy] = {}
        self.events: dict[tuple[int, int, int], LoggedEvent] = {}
        """By number of the topic (it may be made again), partition and offset."""
        self.topic_life_ms = 0
        """When the topic was last made again, in Unix milliseconds."""
        self.log_wiped = False
        self.partitions_kept: int | None = None
        self._switching = asyncio.Lock()
        self.carrier_port, self.other_carrier_port = free_port(), free_port()
        self.payment_port = free_port()

    @property
    @abstractmethod
    def order_urls(self) -> list[str]:
        """Where the client posts, through the proxies."""

    @property
    @abstractmethod
    def direct_urls(self) -> list[str]:
        """The Order Service's own addresses."""

    @property
    @abstractmethod
    def fulfillment_urls(self) -> list[str]: ...

    @property
    def sampled(self) -> dict[str, Role]:
        """The roles whose memory is watched, including those that run only now and then."""
        return self.roles

    @property
    def sampled_urls(self) -> list[str]:
        """The URLs where workers that run say how much they hold."""
        return self.fulfillment_urls

    @abstractmethod
    async def prepare(self) -> None:
        """Start what the roles need, and name the roles and proxies."""

    @abstractmethod
    async def read_log(self) -> list[LoggedEvent]:
        """Every record that the event log holds now."""

    @abstractmethod
    def kinds(self) -> dict[str, Fault]:
        """The faults by their kind."""

    async def start(self) -> None:
        """Start everything and wait until it is ready. Raises TimeoutError."""
        self.directory.mkdir(parents=True, exist_ok=True)
        await self.prepare()
        for role in self.roles.values():
            role.start()
        urls = [f"{url}/health/ready" for url in (*self.direct_urls, *self.fulfillment_urls)]
        urls += [f"{url}/health/live" for url in (*self.carrier_urls, self.payment_url)]
        await asyncio.gather(*(until_answers(url) for url in urls))

    async def stop(self) -> None:
        await asyncio.gather(*(role.stop() for role in self.roles.values()))
        for proxy in self.proxies.values():
            await proxy.close()

    async def heal(self) -> None:
        """Undo every fault."""
        for proxy in self.proxies.values():
            proxy.heal()
        for url in (*self.carrier_urls, self.payment_url):
            await retried(lambda at=url: faults.set_faults(at, []))

    async def keep_log(self) -> None:
        """Remember what the event log holds: a fault may be about to wipe it."""
        life_ms = self.topic_life_ms
        for event in await self.read_log():
            key = (life_ms, event.partition, event.offset)
            self.events.setdefault(key, replace(event, life_ms=life_ms))

    def kept_ends(self) -> dict[int, int]:
        """By partition, the offset after the last record that is remembered of the present topic."""
        ends: dict[int, int] = {}
        for life_ms, partition, offset in self.events:
            if life_ms == self.topic_life_ms:
                ends[partition] = max(ends.get(partition, 0), offset + 1)
        return ends

    async def keep_partitions(self) -> None:
        """Remember which events are from before the first change of the number of partitions."""
        await self.keep_log()
        if self.partitions_kept is None:
            self.partitions_kept = len(self.events)

    @property
    def carrier_url(self) -> str:
        return f"http://127.0.0.1:{self.carrier_port}"

    @property
    def carrier_urls(self) -> list[str]:
        """The carrier, and another one that fresh orders may be switched to."""
        return [self.carrier_url, f"http://127.0.0.1:{self.other_carrier_port}"]

    @property
    def payment_url(self) -> str:
        return f"http://127.0.0.1:{self.payment_port}"

    @property
    def _payment_ledger(self) -> Path:
        return self.directory / "payment-sim.db"

    @property
    def ledgers(self) -> dict[str, Path]:
        """The carriers' ledgers, by the role that keeps each."""
        names = ("carrier-sim", "other-carrier-sim")
        return {name: self.directory / f"{name}.db" for name in names}

    def carrier_sims(self) -> dict[str, Role]:
        sims: dict[str, Role] = {}
        ports = (self.carrier_port, self.other_carrier_port)
        for seed, (name, ledger), port in zip(count(self.seed), self.ledgers.items(), ports, strict=False):
            arguments = ["carrier-sim", "--port", str(port), "--ledger", str(ledger), "--seed", str(seed)]
            arguments += ["--delay-ms", "0-200", "--failure-rate", str(CARRIER_REJECTS)]
            arguments += ["--error-rate", str(TRANSIENT_ERRORS)]
            sims[name] = self.role(name, arguments, {})
        return sims

    def payment_sim(self) -> Role:
        arguments = ["payment-sim", "--port", str(self.payment_port), "--ledger", str(self._payment_ledger)]
        arguments += ["--decline-rate", str(PAYMENT_DECLINES), "--seed", str(self.seed)]
        arguments += ["--error-rate", str(TRANSIENT_ERRORS)]
        return self.role("payment-sim", arguments, {})

    @property
    def takes_payments(self) -> dict[str, str]:
        """The settings of the roles that ship."""
        return {"ORDERFLOW_PAYMENTS": "http", "ORDERFLOW_PAYMENTS_URL": self.payment_url}

    def payment_kinds(self) -> dict[str, Fault]:
        payment_sim = self.roles["payment-sim"]
        return {
            "kill:payment-sim": faults.kill(payment_sim),
            "stop:payment-sim": faults.stop(payment_sim, seconds=(2, 9)),
            **{
                f"payment:{kind}": faults.misbehaving(self.payment_url, kind) for kind in faults.PAYMENT_KINDS
            },
        }

    def role(self, name: str, arguments: list[str], environment: Mapping[str, str]) -> Role:
        every = {
            "PYTHONPATH": str(self.source),
            "ORDERFLOW_LOG_FORMAT": "json",
            "ORDERFLOW_RECONCILE_AFTER_S": "15",
        }
        return Role(name, arguments, {**every, **environment, **self.extra}, self.directory, self.deaths)

    def link_kinds(self) -> dict[str, Fault]:
        """What can happen to each connection between two parts."""
        kinds: dict[str, Fault] = {}
        for name, proxy in self.proxies.items():
            kinds[f"cut-before:{name}"] = faults.cut(proxy, "before")
            kinds[f"cut-after:{name}"] = faults.cut(proxy, "after")
            kinds[f"drop:{name}"] = faults.drop(proxy)
            kinds[f"freeze:{name}"] = faults.freeze(proxy, seconds=(1, 7))
            kinds[f"delay:{name}"] = faults.delay(proxy)
        return kinds

    def carrier_kinds(self) -> dict[str, Fault]:
        return {
            f"carrier:{kind}": faults.misbehaving(self.carrier_url, kind) for kind in faults.CARRIER_KINDS
        }

    def switch_carrier(self, roles: Sequence[Role], url: str) -> Fault:
        """`url` is where the roles find the carrier; they reach the other carrier directly."""
        direct, other = self.carrier_urls
        ways = [faults.CarrierWay(url, direct), faults.CarrierWay(other, other)]
        return faults.switch_carrier(roles, ways, self._switching)

    def decisions(self) -> list[Decision]:
        """The entries of both ledgers, read from their files because the API shows no rejections."""
        return [decision for file in self.ledgers.values() for decision in _decisions(file)]

    def payments(self) -> list[SeenPayment]:
        with closing(sqlite3.connect(f"file:{self._payment_ledger}?mode=ro", uri=True)) as ledger:
            rows = ledger.execute(
                "SELECT order_id, authorized, voided, captured_minor, refunded_minor FROM payments"
            )
            return [SeenPayment(row[0], bool(row[1]), bool(row[2]), row[3], row[4]) for row in rows]


def _decisions(file: Path) -> list[Decision]:
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as ledger:
        rows = ledger.execute("SELECT order_id, state, tracking_number FROM answers")
        return [Decision(*row) for row in rows]


def logged_event(partition: int, offset: int, value: bytes) -> LoggedEvent:
    event: dict[str, Any] = json.loads(value)
    return LoggedEvent(
        partition=partition,
        offset=offset,
        order_id=event["orderId"],
        order_version=event["orderVersion"],
        event_type=event["eventType"],
        event_id=event["eventId"],
        content=content_digest(event),
    )


_GIVEN_PORTS: set[int] = set()


def free_port() -> int:
    """A free port that no other part of this run gets, though its role may start later or restart.

    It lies below the range of outgoing connections and above the one that `services.py` draws from.
    """
    while True:
        port = random.SystemRandom().randrange(30_000, 32_768)
        if port in _GIVEN_PORTS:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _GIVEN_PORTS.add(port)
        return port


async def until_answers(url: str) -> None:
    """Wait for a 200. Raises TimeoutError after READY_S_MAX."""
    async with asyncio.timeout(READY_S_MAX), aiohttp.ClientSession() as session:
        while True:
            try:
                async with session.get(url, timeout=aiohttp.ClientTimeout(total=3)) as response:
                    if response.status == 200:
                        return
            except (aiohttp.ClientError, OSError, TimeoutError):
                pass
            await asyncio.sleep(0.1)


async def retried(action: Callable[[], Awaitable[None]]) -> None:
    """Try the action until it succeeds, which it must once the parts are back. Raises TimeoutError after 20
    tries."""
    for _ in range(20):
        try:
            await action()
        except faults.NotInjected:
            await asyncio.sleep(0.5)
        else:
            return
    raise TimeoutError
