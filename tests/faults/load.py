"""The client: orders at a fixed rate of arrival, and a record of every request and its outcome.

An order with a key and an unknown outcome is repeated with that key; one without a key is left in doubt.
Probes are orders that are watched until they are terminal.
"""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from typing import Any

import aiohttp
from tests.faults.checker import TERMINAL
from tests.faults.history import (
    Attempt,
    History,
    Outcome,
    Probe,
    Sent,
    Sighting,
    content_digest,
    digest,
    order_content,
)

REQUEST_S_MAX = 12.0
RENEWED_EVERY = 20
"""One in so many requests closes its connection. If all were kept alive, they would in the end all be to the
process that was not restarted."""
IN_FLIGHT_MAX = 3_000
BATCH_ORDERS = 5
BATCH_SHARE = 0.2
KEYED_SHARE = 0.5
REPEAT_SHARE = 0.05
RACE_SHARE = 0.02
CANCEL_SHARE = 0.05
HOLD_SHARE = 0.03
CHANGED_WITHIN_S = 2.0
"""An order is cancelled or held within so many seconds after it was placed, and released within so many."""
PROBE_PAUSE_S = 0.25
LOOKS = 20
RECENT_MAX = 5_000


class LoadClient:
    """Sends to each of `urls` in turn. `clock` gives the seconds since the run began."""

    def __init__(
        self, history: History, urls: Sequence[str], *, rate: float, clock: Callable[[], float]
    ) -> None:
        self._history = history
        self._urls = urls
        self._rate = rate
        self._clock = clock
        self._numbers = 0
        self._turn = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._loading = True
        self._resolving = True
        self._recent: list[str] = []
        self._watched: set[str] = set()
        self._late_holds: set[str] = set()
        """Orders of which a hold had no answer: it may be carried out after the release that followed."""
        self._draw = random.Random(f"{history.seed}/client")
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            timeout=aiohttp.ClientTimeout(total=REQUEST_S_MAX),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        self.shed = 0

    def start(self) -> None:
        for loop in (self._arrivals(), self._probes(), *(self._watch() for _ in range(4))):
            self._spawn(loop)

    def _spawn(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error

    async def stop(self, resolve_s_max: float) -> None:
        """Stop sending. Orders that have a key are repeated until their outcome is known, for at most so
        long; what a late hold may have stopped again is released."""
        self._loading = False
        deadline = time.monotonic() + resolve_s_max
        while self._tasks and time.monotonic() < deadline:
            await asyncio.wait(list(self._tasks), timeout=0.5)
        for order_id in self._late_holds:
            await self._change(order_id, "release")
        self._resolving = False
        if self._tasks:
            await asyncio.wait(list(self._tasks), timeout=REQUEST_S_MAX + 2)

    async def repeat_answered(self, count: int) -> None:
        """Repeat some answered keys long after: the answer must be the same."""
        answered = [s for s in self._history.sent.values() if s.key is not None and s.outcome == "ok"]
        for sent in self._draw.sample(answered, min(count, len(answered))):
            await self._post_one(sent)

    async def close(self) -> None:
        """Give up whatever is still under way: a run that ends early has not called `stop`."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(list(self._tasks))
        await self._session.close()

    def _new(self, *, keyed: bool) -> Sent:
        number = self._numbers
        self._numbers += 1
        sent = Sent(number, f"key-{self._history.seed}-{number}" if keyed else None)
        self._history.sent[number] = sent
        return sent

    async def _arrivals(self) -> None:
        started = self._clock()
        arrived = 0
        while self._loading:
            due = int((self._clock() - started) * self._rate)
            while arrived < due:
                batch = self._draw.random() < BATCH_SHARE / BATCH_ORDERS
                size = BATCH_ORDERS if batch else 1
                arrived += size
                if len(self._tasks) >= IN_FLIGHT_MAX:
                    self.shed += size
                    continue
                orders = [self._new(keyed=self._draw.random() < KEYED_SHARE) for _ in range(size)]
                self._spawn(self._batch(orders) if batch else self._single(orders[0]))
            await asyncio.sleep(0.01)

    async def _single(self, sent: Sent) -> None:
        if sent.key is not None and self._draw.random() < RACE_SHARE:
            await asyncio.gather(self._post_one(sent), self._post_one(sent))
        else:
            await self._post_one(sent)
        await self._resolve(sent)
        drawn = self._draw.random()
        if drawn < CANCEL_SHARE and sent.order_ids:
            self._spawn(self._cancel(min(sent.order_ids)))
        elif drawn < CANCEL_SHARE + HOLD_SHARE and sent.order_ids:
            self._spawn(self._hold_and_release(min(sent.order_ids)))
        if sent.key is not None and sent.outcome == "ok" and self._draw.random() < REPEAT_SHARE:
            await asyncio.sleep(self._draw.uniform(0, 5))
            await self._post_one(sent)
            await self._resolve(sent)

    async def _batch(self, orders: list[Sent]) -> None:
        await self._post_batch(orders)
        await asyncio.gather(*(self._resolve(sent) for sent in orders))

    async def _resolve(self, sent: Sent) -> None:
        """Repeat while the outcome is unknown. Only orders with a key are repeated: without one, a repeat
        could place a second order."""
        pause_s = 0.3
        while sent.key is not None and sent.outcome == "unknown" and self._resolving:
            await asyncio.sleep(self._draw.uniform(0, pause_s))
            pause_s = min(3.0, pause_s * 2)
            await self._post_one(sent)

    async def _post_one(self, sent: Sent) -> None:
        headers = {"Idempotency-Key": sent.key} if sent.key is not None else {}
        if sent.number % RENEWED_EVERY == 0:
            headers["Connection"] = "close"
        body = order_content(self._history.seed, sent.number)
        started = self._clock()
        try:
            async with self._session.post(self._url("/api/orders"), json=body, headers=headers) as response:
                answer = await response.json(content_type=None)
                self._record(sent, started, response.status, answer)
        except aiohttp.ClientConnectorError as error:
            self._fail(sent, started, "refused", error)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            self._fail(sent, started, "unknown", error)

    async def _cancel(self, order_id: str) -> None:
        await asyncio.sleep(self._draw.uniform(0, CHANGED_WITHIN_S))
        self._history.cancelled[order_id] = None
        order = await self._change(order_id, "cancel")
        self._history.cancelled[order_id] = None if order is None else order["status"]

    async def _hold_and_release(self, order_id: str) -> None:
        await asyncio.sleep(self._draw.uniform(0, CHANGED_WITHIN_S))
        await self._change(order_id, "hold")
        await asyncio.sleep(self._draw.uniform(0, CHANGED_WITHIN_S))
        await self._change(order_id, "release")

    async def _change(self, order_id: str, action: str) -> dict[str, Any] | None:
        """Ask for the change until there is an answer: the order, or None if it is not allowed any more."""
        pause_s = 0.3
        while self._resolving:
            try:
                async with self._session.post(self._url(f"/api/orders/{order_id}/{action}")) as response:
                    if response.status == 200:
                        return await response.json(content_type=None)
                    if response.status != 503:
                        self._history.refusals.append((order_id, action, response.status))
                        return None
            except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
                if action == "hold":
                    self._late_holds.add(order_id)
            await asyncio.sleep(self._draw.uniform(0, pause_s))
            pause_s = min(3.0, pause_s * 2)
        return None

    async def _post_batch(self, orders: list[Sent]) -> None:
        entries = [
            order_content(self._history.seed, sent.number)
            | ({"idempotencyKey": sent.key} if sent.key is not None else {})
            for sent in orders
        ]
        started = self._clock()
        try:
            async with self._session.post(
                self._url("/api/orders/batch"), json={"orders": entries}
            ) as response:
                answer = await response.json(content_type=None)
                if response.status != 200:
                    for sent in orders:
                        self._record(sent, started, response.status, answer)
                    return
                for sent, result in zip(orders, answer["results"], strict=True):
                    document: dict[str, Any] = (
                        result["order"] if result["status"] == 201 else result["problem"]
                    )
                    self._record(sent, started, result["status"], document)
        except aiohttp.ClientConnectorError as error:
            for sent in orders:
                self._fail(sent, started, "refused", error)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            for sent in orders:
                self._fail(sent, started, "unknown", error)

    def _record(self, sent: Sent, started: float, status: int, answer: dict[str, Any]) -> None:
        took_s = self._clock() - started
        if status != 201:
            kind = str(answer.get("type", ""))
            outcome = _outcome(status, kind)
            sent.attempts.append(Attempt(started, took_s, outcome, status, detail=kind))
            return
        order_id = str(answer["orderId"])
        sent.attempts.append(
            Attempt(started, took_s, "ok", status, order_id, digest(answer), content_digest(answer))
        )
        if len(self._recent) < RECENT_MAX:
            self._recent.append(order_id)
        else:
            self._recent[self._draw.randrange(RECENT_MAX)] = order_id

    def _fail(self, sent: Sent, started: float, outcome: Outcome, error: BaseException) -> None:
        took_s = self._clock() - started
        sent.attempts.append(Attempt(started, took_s, outcome, None, detail=type(error).__name__))

    def _url(self, path: str) -> str:
        self._turn += 1
        return self._urls[self._turn % len(self._urls)] + path

    async def _probes(self) -> None:
        while self._loading:
            sent = self._new(keyed=True)
            probe = Probe(sent.number, self._clock())
            self._history.probes.append(probe)
            self._spawn(self._follow(sent, probe))
            await asyncio.sleep(PROBE_PAUSE_S)

    async def _follow(self, sent: Sent, probe: Probe) -> None:
        while not sent.order_ids and sent.outcome != "wrong" and self._resolving:
            await self._post_one(sent)
            await asyncio.sleep(0 if sent.order_ids else 0.25)
        while self._resolving and probe.terminal_s is None and sent.order_ids:
            order = await self._get(f"/api/orders/{min(sent.order_ids)}?wait=Shipped&timeoutMs=5000")
            if order is None:
                await asyncio.sleep(0.2)
            elif order["status"] in TERMINAL:
                probe.terminal_s = self._clock()

    async def _watch(self) -> None:
        """Look at orders again and again: what was seen once must not be taken back."""
        while self._loading:
            await asyncio.sleep(0.1)
            if not self._recent:
                continue
            order_id = self._recent[-1] if self._draw.random() < 0.5 else self._draw.choice(self._recent)
            # An order has one watcher at a time: of two concurrent reads, the older answer may come last.
            if order_id not in self._watched:
                self._watched.add(order_id)
                await self._watch_one(order_id)
                self._watched.discard(order_id)

    async def _watch_one(self, order_id: str) -> None:
        sightings = self._history.sightings.setdefault(order_id, [])
        for _ in range(LOOKS):
            order = await self._get(f"/api/orders/{order_id}")
            if order is not None:
                sighting = Sighting(order_id, order["status"], order["version"])
                if not sightings or sightings[-1] != sighting:
                    sightings.append(sighting)
                if order["status"] in TERMINAL:
                    return
            await asyncio.sleep(0.1)

    async def _get(self, path: str) -> dict[str, Any] | None:
        try:
            async with self._session.get(self._url(path)) as response:
                return await response.json(content_type=None) if response.status == 200 else None
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
            return None


def _outcome(status: int, kind: str) -> Outcome:
    if status == 503:
        return "unknown" if kind.endswith("outcome-unknown") else "refused"
    if status == 409 and kind.endswith("in-progress"):
        return "unknown"
    return "wrong"
