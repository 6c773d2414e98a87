"""One run: starts the parts and the load, injects the faults, heals and drains, then reads, judges and
reports everything."""

import asyncio
import random
import signal
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import aiohttp
from tests.faults.checker import Violation, check
from tests.faults.faults import NotInjected
from tests.faults.history import History, Injection, lines
from tests.faults.load import LoadClient
from tests.faults.observe import Observer
from tests.faults.plan import Planned, make_plan
from tests.faults.report import render
from tests.faults.second_referee import audited
from tests.faults.stage import Stage

SAMPLE_PAUSE_S = 2.0
AFTERMATH_S = 8.0
RESOLVE_S_MAX = 60.0
DRAIN_S_MAX = 240.0
FAULT_S_MAX = 120.0
RETRIES_MAX = 3
STOCK = {f"p-{number}": 10**9 for number in range(50)} | {f"p-{number}": 30 for number in range(50, 60)}
"""What there is of some products at first: of some more than anybody orders, and of some soon too little."""
REPEATS = 300


@dataclass(frozen=True, slots=True)
class Options:
    """`kinds`: prefixes of the kinds to inject; empty means all. `times`: how often each kind, at least."""

    seed: int
    seconds: float
    rate: float = 100.0
    times: int = 3
    alone: int = 3
    kinds: tuple[str, ...] = ()
    drain_s_max: float = DRAIN_S_MAX
    resolve_s_max: float = RESOLVE_S_MAX


@dataclass(frozen=True, slots=True)
class Result:
    history: History
    violations: list[Violation] = field(default_factory=list[Violation])
    report: str = ""


class Run:
    def __init__(self, stage: Stage, options: Options) -> None:
        self._stage = stage
        self._options = options
        self._history = History(seed=options.seed, offered_per_s=options.rate)
        self._started = time.monotonic()
        self._faults: set[asyncio.Task[None]] = set()

    def _clock(self) -> float:
        return time.monotonic() - self._started

    async def perform(self) -> Result:
        """Perform the run. Raises TimeoutError if the parts do not start."""
        stage, history, options = self._stage, self._history, self._options
        try:
            await stage.start()
            async with Observer(stage.fulfillment_urls[0]) as observer:
                await observer.count_stock(STOCK)
            kinds = {kind: 0 for kind in stage.kinds() if kind.startswith(options.kinds or ("",))}
            plan = make_plan(
                options.seed,
                kinds,
                stage.singles,
                seconds=options.seconds,
                times=options.times,
                alone=options.alone,
            )
            shed = await self._attack(plan, kinds)
            await self._observe()
        finally:
            await self._end_faults()
            try:
                await stage.stop()
            finally:
                history.deaths = stage.deaths
                self._keep_history()
        history.decisions = stage.decisions()
        history.payments = stage.payments()
        wanted = dict.fromkeys(kinds, options.times)
        violations = check(history, kinds_wanted=wanted, recovers=stage.singles)
        report = render(
            history,
            violations,
            parts=stage.name,
            left_out=stage.left_out,
            seconds=options.seconds,
            shed=shed,
        )
        (stage.directory / "report.md").write_text(report)
        return Result(history, violations, report)

    def _keep_history(self) -> None:
        """Write the history, even if the run ends early and there is no report."""
        with (self._stage.directory / "history.ndjson").open("w") as file:
            file.writelines(lines(self._history))

    async def _attack(self, plan: Sequence[Planned], kinds: dict[str, int]) -> int:
        """Run load and faults until all is healed and drained. Returns the number of orders that were not
        sent, because too many were under way."""
        history, options = self._history, self._options
        client = LoadClient(history, self._stage.order_urls, rate=options.rate, clock=self._clock)
        self._started = time.monotonic()
        client.start()
        sampler = asyncio.create_task(self._sample())
        try:
            for planned in plan:
                await asyncio.sleep(max(0.0, planned.at_s - self._clock()))
                self._begin(planned)
            await asyncio.sleep(max(0.0, options.seconds - self._clock()))
            await self._until_faults_end()
            await self._make_up(kinds)
            await self._stage.heal()
            await asyncio.sleep(AFTERMATH_S)
            history.loaded_s = self._clock()
            await client.stop(options.resolve_s_max)
            await client.repeat_answered(REPEATS)
            async with Observer(self._stage.direct_urls[0]) as observer:
                history.drained = await observer.until_drained(options.drain_s_max)
            async with Observer(self._stage.fulfillment_urls[0]) as observer:
                settled = await observer.until_settled(options.drain_s_max)
                history.drained = history.drained and settled
                history.stock = await observer.stock(STOCK)
        finally:
            sampler.cancel()
            await client.close()
        return client.shed

    def _begin(self, planned: Planned) -> None:
        task = asyncio.create_task(self._inject(planned))
        self._faults.add(task)
        task.add_done_callback(self._faults.discard)

    async def _inject(self, planned: Planned) -> None:
        start_s = self._clock()
        try:
            async with asyncio.timeout(FAULT_S_MAX):
                detail = await self._stage.kinds()[planned.kind](random.Random(planned.seed))
        except (NotInjected, TimeoutError) as error:
            self._history.failed_injections.append(f"{planned.kind} at {start_s:.1f} s: {error}")
            return
        injection = Injection(planned.kind, start_s, self._clock(), planned.alone, detail)
        self._history.injections.append(injection)

    async def _until_faults_end(self) -> None:
        while self._faults:
            await asyncio.wait(list(self._faults))

    async def _end_faults(self) -> None:
        """Cancel faults that are still under way, which happens only if the run ends early. Each takes back
        what it did."""
        for fault in self._faults:
            fault.cancel()
        await self._until_faults_end()

    async def _make_up(self, kinds: dict[str, int]) -> None:
        """Faults that could not be injected when their turn came get further chances, one after the other."""
        for attempt in range(RETRIES_MAX):
            counts = Counter(injection.kind for injection in self._history.injections)
            for kind in kinds:
                for index in range(self._options.times - counts[kind]):
                    seed = f"{self._options.seed}/again/{attempt}/{kind}/{index}"
                    await self._inject(Planned(self._clock(), kind, alone=False, seed=seed))
                    if (task := asyncio.current_task()) is not None and task.cancelling():
                        raise asyncio.CancelledError  # a library may have swallowed the first one

    async def _observe(self) -> None:
        history, stage = self._history, self._stage
        async with Observer(stage.direct_urls[0]) as observer:
            history.orders = await observer.orders()
            history.timelines = await observer.timelines(history.orders, history.seed)
        await stage.keep_log()
        history.events = list(stage.events.values())
        history.log_wiped = stage.log_wiped
        history.partitions_kept = stage.partitions_kept
        history.audit = await audited(
            stage.source,
            stage.direct_urls[0],
            stage.fulfillment_urls[0],
            stage.carrier_urls,
            stage.payment_url,
        )

    async def _sample(self) -> None:
        """Record the peaks of memory and of shipments in flight."""
        history = self._history
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as session:
            while True:
                for name, role in self._stage.sampled.items():
                    history.rss_mib[name] = max(history.rss_mib.get(name, 0.0), role.rss_mib())
                for url in self._stage.sampled_urls:
                    try:
                        async with session.get(f"{url}/health/ready") as response:
                            held = (await response.json()).get("held", 0)
                            history.in_flight = max(history.in_flight, held)
                    except (aiohttp.ClientError, OSError, TimeoutError):
                        continue
                await asyncio.sleep(SAMPLE_PAUSE_S)


async def perform(stage: Stage, options: Options) -> Result:
    """Perform a run, for the command and for the tests. SIGTERM ends the run early, with everything that it
    started."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    if task is not None:
        loop.add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        return await Run(stage, options).perform()
    finally:
        loop.remove_signal_handler(signal.SIGTERM)
