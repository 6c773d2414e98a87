"""Calls of one party, a carrier or a payment provider: each ready shipment gets an intent for its present
step, then a call. Thousands may be in flight, one a shipment."""

import asyncio
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar

from orderflow.fulfillment import traces
from orderflow.fulfillment.breaker import FAILURES_MAX, Circuit, CircuitBreaker, Permit
from orderflow.fulfillment.decisions import (
    QUICK_RETRIES_MAX,
    AfterCall,
    CallFailed,
    Outcome,
    after_call,
    after_look_up,
    after_probe,
    cause,
)
from orderflow.fulfillment.model import (
    Call,
    CallAgain,
    Done,
    Park,
    Shipment,
    State,
    Step,
    TurnBack,
    Undone,
    Wait,
    Written,
    changed,
)
from orderflow.fulfillment.observed import count_call
from orderflow.fulfillment.parties import PartyRefused, PartyRejected
from orderflow.fulfillment.recorder import Recorder
from orderflow.fulfillment.saga import may_turn
from orderflow.fulfillment.steps import StepPort
from orderflow.runtime.crashpoints import crash_point
from orderflow.runtime.health import Health
from orderflow.runtime.loop import TaskLoop

T = TypeVar("T")

INTENTS_MAX = 1_000
RETRIED_AT_ONCE_MIN = FAILURES_MAX - 1
"""How many shipments that were called before are called at once, to begin with. Each of them that gets an
answer raises the number by one, and any failed call resets it. So they alone never open the circuit, which
would stop fresh orders, too."""
WAIT_S = 1.0
LOOP = "dispatcher"
CALL_S_MAX = 900.0
"""A call that takes longer is given up, its outcome in doubt. Adapters have tighter bounds of their own."""


class Dispatcher:
    """Calls one party for accepted shipments, at most `in_flight_max` at once, each for its present step:
    `steps` are those that this party performs.

    Fresh shipments and those called before take turns, and the latter get at most half of the calls, so
    neither kind waits for all of the other. While the party's circuit is open, shipments stay queued: no
    intent is written and no attempt is counted. `on_outcome` gets each shipment whose saga has moved. If a
    key was first used longer ago than `key_lifetime`, or never used and its order is older than that, the
    party is asked what it has for the order before it is called. `jitter` is 0 to 1.
    """

    def __init__(
        self,
        recorder: Recorder,
        party: str,
        steps: Mapping[Step, StepPort],
        health: Health,
        breaker: CircuitBreaker,
        *,
        loop: str = LOOP,
        in_flight_max: int,
        key_lifetime: timedelta,
        on_outcome: Callable[[Sequence[Shipment]], object],
        clock: Callable[[], datetime],
        jitter: Callable[[], float] = random.random,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._recorder = recorder
        self._party = party
        self._steps = steps
        self._breaker = breaker
        self._in_flight_max = in_flight_max
        self._retried_max = max(1, in_flight_max // 2)
        self._key_lifetime = key_lifetime
        self._on_outcome = on_outcome
        self._clock = clock
        self._jitter = jitter
        self._sleep = sleep
        self._fresh: deque[Shipment] = deque()
        self._retried: deque[Shipment] = deque()
        self._calls: set[asyncio.Task[None]] = set()
        self._retried_at_once = min(RETRIED_AT_ONCE_MIN, self._retried_max)
        self._retried_calls = 0
        self._intending = 0
        self._draining = False
        self._failure: BaseException | None = None
        self.loop = TaskLoop(loop, self.run_once, health=health, pause_s=self._wait_s)

    @property
    def in_flight(self) -> int:
        """Shipments with an intent whose outcome is not recorded yet."""
        return len(self._calls) + self._intending

    @property
    def probe_s(self) -> float | None:
        """Seconds until the next probe of the party; None while its circuit is closed."""
        return None if self._breaker.circuit is Circuit.CLOSED else self._breaker.wait_s

    @property
    def queued(self) -> dict[str, Shipment]:
        """The shipments that wait here for their call, by order id."""
        return {shipment.order_id: shipment for lane in (self._fresh, self._retried) for shipment in lane}

    def accept(self, shipments: Sequence[Shipment]) -> None:
        """Call the party for these, in turn: their gates are open, this worker holds them, and no other party
        was ever sent the keys of their present steps."""
        for shipment in shipments:
            (self._retried if shipment.attempts else self._fresh).append(shipment)
        self.loop.wake()

    def turn_back(self, order_ids: Collection[str]) -> None:
        """These orders are to be cancelled: those of them that wait here for a step forward turn back now,
        even while the party is down."""
        for lane in (self._fresh, self._retried):
            for shipment in [s for s in lane if s.order_id in order_ids and may_turn(s)]:
                lane.remove(shipment)
                self._spawn(self._conclude(shipment, TurnBack()))

    def leave(self, shipments: Sequence[Shipment]) -> None:
        """Let go of these: their party is not known here, and another worker may know it."""
        wait = Wait(0, "another worker must ask its party", State.READY, counts=False)
        for shipment in shipments:
            self._spawn(self._conclude(shipment, wait))

    def drain(self) -> None:
        """Begin no new calls."""
        self._draining = True

    def abandon(self) -> None:
        """Drop everything: other workers may own it already."""
        self._fresh.clear()
        self._retried.clear()
        for call in self._calls:
            call.cancel()

    async def run_once(self) -> int:
        """Write the intents of as many ready shipments as may be in flight, and call the party for them.
        Returns the number of calls begun. Raises the error of an earlier call that shows a defect of ours."""
        if self._failure is not None:
            raise self._failure
        now = self._clock()
        young: list[tuple[Shipment, Permit]] = []
        begun = 0
        for shipment, permit in self._next():
            if self._must_look_up(shipment, now):
                self._begin(shipment, permit, self._look_up(shipment, permit))
                begun += 1
            else:
                young.append((shipment, permit))
        return begun + await self._call_all(young, now)

    def _next(self) -> list[tuple[Shipment, Permit]]:
        """The shipments that may be called now; fresh and retried ones take turns."""
        free = 0 if self._draining else min(self._in_flight_max - self.in_flight, INTENTS_MAX)
        retried_free = self._retried_at_once - self._retried_calls
        batch: list[tuple[Shipment, Permit]] = []
        turn = self._fresh
        while len(batch) < free and (self._fresh or (self._retried and retried_free > 0)):
            if not turn or (turn is self._retried and retried_free <= 0):
                turn = self._other(turn)
            if (permit := self._breaker.permit()) is None:
                break
            retried_free -= turn is self._retried
            # The newest shipment is the probe: failing ones at the head of the queue must not keep the
            # circuit open for those behind them.
            batch.append((turn.pop() if permit.is_probe else turn.popleft(), permit))
            turn = self._other(turn)
        return batch

    def _other(self, lane: deque[Shipment]) -> deque[Shipment]:
        return self._fresh if lane is self._retried else self._retried

    async def _call_all(self, batch: Sequence[tuple[Shipment, Permit]], now: datetime) -> int:
        if not batch:
            return 0
        intents = [self._first_called(shipment, now) for shipment, _ in batch]
        self._intending = len(batch)
        try:
            written = await self._intend(intents, [permit for _, permit in batch], loop=self.loop.name)
            crash_point("intent.recorded")
            now = self._clock()
            for (shipment, permit), intended in zip(batch, written, strict=True):
                if intended is None:
                    continue
                if self._must_look_up(shipment, now):
                    # The key grew too old while the intent waited for the database.
                    self._begin(shipment, permit, self._look_up(_called_before(intended, shipment), permit))
                else:
                    self._begin(shipment, permit, self._perform(intended, permit))
        finally:
            self._intending = 0
        return sum([intended is not None for intended in written])

    async def _intend(
        self, intents: Sequence[Shipment], permits: Sequence[Permit], *, loop: str | None = None
    ) -> list[Shipment | None]:
        """Write the intents, and return the shipments that are to be called for. A permit is given back if no
        call will follow, whatever the reason."""
        try:
            written = await self._recorder.record([(s, Call()) for s in intents], loop=loop)
        except BaseException:
            for permit in permits:
                self._breaker.abandoned(permit)
            raise
        for index, (permit, now) in enumerate(zip(permits, written, strict=True)):
            if now is None or now.state is not State.CALLING:
                self._breaker.abandoned(permit)
                written[index] = None
                if now is not None:  # its saga has turned back instead
                    self._on_outcome([now])
        return written

    def _wait_s(self) -> float:
        """Seconds during which no call can begin, unless something wakes this loop."""
        if self._failure is not None:
            return 0.0
        if self._draining or not (self._fresh or self._retried) or self.in_flight >= self._in_flight_max:
            return WAIT_S
        if not self._fresh and self._retried_calls >= self._retried_at_once:
            return WAIT_S
        return self._breaker.wait_s

    def _begin(self, shipment: Shipment, permit: Permit, work: Coroutine[Any, Any, None]) -> None:
        retried = shipment.attempts > 0
        self._retried_calls += retried
        self._spawn(work).add_done_callback(partial(self._over, permit, retried))

    def _over(self, permit: Permit, retried: bool, call: asyncio.Task[None]) -> None:
        self._retried_calls -= retried
        if call.cancelled():
            self._breaker.abandoned(permit)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._calls.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, call: asyncio.Task[None]) -> None:
        self._calls.discard(call)
        if not call.cancelled() and call.exception() is not None:
            self._failure = call.exception()
        if self._fresh or self._retried or self._failure:
            self.loop.wake()

    async def _perform(self, shipment: Shipment, permit: Permit) -> None:
        """Call until there is something to record. The intent of the first call is already written. A probe
        gets no quick retries: if it fails, its shipment waits to be due again."""
        quick_retries = 0
        while True:
            began, span = time.perf_counter(), traces.begin_call(shipment)
            outcome = await self._ask(permit, self._call(shipment))
            count_call(shipment, outcome, time.perf_counter() - began)
            traces.end_call(span, *_told(outcome))
            crash_point("carrier.answered")
            self._pace_retried(shipment, outcome)
            decision = self._after_call(outcome, shipment, permit, quick_retries)
            if not isinstance(decision, CallAgain):
                break
            quick_retries += 1
            await self._sleep(max(decision.after_s, decision.jitter_ms / 1000 * self._jitter()))
            if (again := self._breaker.permit()) is None:
                self.accept([shipment])
                return
            permit = again
            if (intended := (await self._intend([shipment], [permit]))[0]) is None:
                return
            shipment = intended
            if self._must_look_up(shipment, self._clock()):
                await self._look_up(shipment, permit)
                return
        await self._conclude(shipment, decision)

    def _pace_retried(self, shipment: Shipment, outcome: Outcome) -> None:
        if isinstance(outcome, CallFailed) and not isinstance(outcome.error, (PartyRejected, PartyRefused)):
            self._retried_at_once = min(RETRIED_AT_ONCE_MIN, self._retried_max)
        elif shipment.attempts > 1:
            self._retried_at_once = min(self._retried_at_once + 1, self._retried_max)

    def _after_call(
        self, outcome: Outcome, shipment: Shipment, permit: Permit, quick_retries: int
    ) -> AfterCall:
        if permit.is_probe:
            others_wait = bool(self._fresh or self._retried)
            return after_probe(outcome, shipment, others_wait=others_wait)
        return after_call(outcome, shipment, quick_retries=quick_retries)

    def _must_look_up(self, shipment: Shipment, now: datetime) -> bool:
        return not shipment.undoing and shipment.is_past_key_lifetime(now, self._key_lifetime)

    async def _look_up(self, shipment: Shipment, permit: Permit) -> None:
        """Before any call, ask the party what it has for an order whose key it may have forgotten."""
        span = traces.begin_call(shipment, is_look_up=True)
        found = await self._ask(permit, self._find(shipment))
        traces.end_call(span, *_told(found))
        if isinstance(found, CallFailed):
            failed = self._after_call(found, shipment, permit, QUICK_RETRIES_MAX)
            if not isinstance(failed, CallAgain):
                await self._conclude(shipment, failed)
            return
        decision = after_look_up(found, shipment)
        if decision is not None:
            await self._conclude(changed(shipment, party=shipment.party or self._party), decision)
            return
        if (call := self._breaker.permit()) is None:
            self.accept([shipment])
            return
        # A key that nobody has used does not expire, however long its first intent waits to be written.
        shipment = self._first_called(shipment, self._clock())
        if (intended := (await self._intend([shipment], [call]))[0]) is not None:
            await self._perform(intended, call)

    async def _conclude(self, shipment: Shipment, decision: Written) -> None:
        now = (await self._recorder.record([(shipment, decision)]))[0]
        if now is not None:
            crash_point("outcome.recorded")
            self._on_outcome([now])

    async def _ask(self, permit: Permit, call: Awaitable[T]) -> T | CallFailed:
        """What one call comes to, which is also reported to the circuit breaker."""
        try:
            answer = await call
        except asyncio.CancelledError:
            self._breaker.abandoned(permit)
            raise
        except (PartyRejected, PartyRefused) as error:
            self._breaker.succeeded(permit)
            return CallFailed(error)
        except Exception as error:
            self._breaker.failed(permit, cause(error))
            return CallFailed(error)
        else:
            self._breaker.succeeded(permit)
            return answer
        finally:
            if permit.is_probe:
                self.loop.wake()

    def _first_called(self, shipment: Shipment, now: datetime) -> Shipment:
        """The shipment with this party for its present step. A key that was not used before counts as used
        `now`."""
        return changed(shipment, party=shipment.party or self._party, intent_at=shipment.intent_at or now)

    async def _call(self, shipment: Shipment) -> Done | Undone | Park:
        step = self._steps[shipment.step]
        async with asyncio.timeout(CALL_S_MAX):
            if not shipment.undoing:
                return await step.do(shipment)
            expired = shipment.is_past_key_lifetime(self._clock(), self._key_lifetime)
            await step.undo(shipment, key_expired=expired)
            return Undone()

    async def _find(self, shipment: Shipment) -> Sequence[Done | Park]:
        async with asyncio.timeout(CALL_S_MAX):
            return await self._steps[shipment.step].find(shipment)


def _called_before(intended: Shipment, shipment: Shipment) -> Shipment:
    """The intended shipment, with its key as old as it was before that intent."""
    return changed(intended, intent_at=shipment.intent_at, party=shipment.party)


def _told(outcome: Outcome | Sequence[Done | Park]) -> tuple[str, str | None]:
    """What its span says of a call: its outcome, and why it failed. A rejection is no failure of the call."""
    if isinstance(outcome, Sequence):
        return f"found {len(outcome)}", None
    if not isinstance(outcome, CallFailed):
        return type(outcome).__name__.lower(), None
    if isinstance(outcome.error, PartyRejected):
        return "rejected", None
    return "failed", cause(outcome.error)
