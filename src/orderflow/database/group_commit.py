"""Group commit: commands that arrive while one transaction commits are written together by the next one.

It needs no timer: at low load a batch is one command, and under load it grows by itself. Each process has one
writer thread per database, with a bounded queue. Every caller is answered only after COMMIT, and one bad row
never fails its neighbours (Helland, "Group Commit Timers and High Volume Transaction Systems", 1987, without
the timer).
"""

import asyncio
import math
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar

import structlog
from sqlalchemy.engine import Engine
from sqlalchemy.exc import SQLAlchemyError

from orderflow.database.batch import (
    Entry,
    NotWritten,
    Outcome,
    Ticket,
    UseCase,
    answer,
    is_unknown,
    rows_of,
    run_use_cases,
)
from orderflow.database.dialects import Failure, classify
from orderflow.database.engine import DatabaseUnavailable, reason
from orderflow.database.transaction import Transaction
from orderflow.runtime.crashpoints import crash_point
from orderflow.runtime.health import Health
from orderflow.runtime.loop import ThreadLoop
from orderflow.runtime.telemetry.metrics import db_operation

log = structlog.get_logger()

C = TypeVar("C")
R = TypeVar("R")

QUEUE_COMMANDS_MAX = 10_000
BATCH_COMMANDS_MAX = 1_000
BATCH_ROWS_MAX = 20_000
QUEUE_ROWS_MAX = 10 * BATCH_ROWS_MAX
"""Bounds the memory of a queue of large commands."""

CONFLICT_RETRIES_MAX = 5
CONFLICT_SECONDS_MAX = 1.5
"""No try begins later than this. PostgreSQL takes a second to detect a deadlock; SQLite waits 0.9 s in each
try, so there are two."""

IN_DOUBT_SECONDS_MAX = 8.0
RETRY_PAUSE_S = 0.02
_IN_DOUBT = "the answer to a COMMIT was lost, and the database does not tell yet whether it was written"
LATER_S = 0.1
"""How long commands that can wait are kept for the next batch, before they are written by themselves."""


class QueueFull(Exception):
    """The writer's queue is full or closed; nothing was written."""


class Contended(Exception):
    """A row stayed locked by another transaction for longer than the lock time-out; nothing was written."""


class OutcomeUnknown(Exception):
    """The answer to COMMIT was lost, and the database did not come back in time to find out."""


class _CommitLost(Exception):
    """COMMIT was sent and its answer did not arrive."""


@dataclass(slots=True)
class GroupCommit:
    """One writer thread in front of one database. Its loop is called `name` in the process's health."""

    engine: Engine
    name: str
    queue_commands_max: int = QUEUE_COMMANDS_MAX
    queue_rows_max: int = QUEUE_ROWS_MAX
    queue_seconds_max: float = math.inf
    """No more commands are taken while the oldest one has waited for longer than this."""
    in_doubt_s_max: float = IN_DOUBT_SECONDS_MAX
    """How long we try to find out what a COMMIT did whose answer was lost, in seconds."""
    health: Health = field(default_factory=Health)
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], object] = time.sleep
    jitter: Callable[[], float] = random.random
    """0 to 1."""
    observe_queue_age: Callable[[float], object] = lambda _seconds: None
    """Gets, for each batch, how long its oldest command that is in a hurry has waited, in seconds."""
    _queue: deque[Entry] = field(default_factory=deque[Entry], init=False)
    _queued_rows: int = field(default=0, init=False)
    _later: deque[Entry] = field(default_factory=deque[Entry], init=False)
    _later_due_at: float = field(default=math.inf, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _closing: bool = field(default=False, init=False)
    loop: ThreadLoop = field(init=False)
    _unavailable_since: float | None = field(default=None, init=False)
    committed_transactions: int = field(default=0, init=False)
    committed_commands: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.loop = ThreadLoop(
            f"writer-{self.name}",
            self.run_once,
            health=self.health,
            pause_s=self._pause_s,
            is_drained=lambda: not self._queue and not self._later,
        )

    def start(self) -> None:
        self.loop.start()

    def close(self) -> None:
        """Write what is queued, then stop. Commands that come later are refused with QueueFull."""
        with self._lock:
            self._closing = True
        self.loop.stop()
        self.loop.join()

    @property
    def queued(self) -> int:
        return len(self._queue)

    async def submit(
        self, use_case: UseCase[C, R], commands: Sequence[C], *, later: bool = False, ahead: bool = False
    ) -> list[Outcome[R]]:
        """Write the commands and return one outcome for each, after COMMIT. Raises QueueFull when there is no
        room.

        With `later`, nobody is in a hurry; see `submit_later`. With `ahead`, they are written at once, before
        everything that is queued.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[list[Any]] = loop.create_future()

        def resolve(outcomes: list[Any]) -> None:
            if not future.done():  # a caller that went away has cancelled it
                future.set_result(outcomes)

        if (later or ahead) and commands:
            self.submit_later(use_case, commands, resolve, loop=loop, within_s=0.0 if ahead else LATER_S)
        else:
            self._enqueue(use_case, commands, resolve, loop)
        return await future

    def submit_then(
        self,
        use_case: UseCase[C, R],
        commands: Sequence[C],
        then: Callable[[list[Outcome[R]]], object],
    ) -> None:
        """As `submit`, but the outcomes go to `then`, which is called on the event loop, so no task has to
        wait."""
        self._enqueue(use_case, commands, then, asyncio.get_running_loop())

    async def submit_one(self, use_case: UseCase[C, R], command: C) -> R:
        """The command's result, as from `submit`. If there is none, raises the cause."""
        (outcome,) = await self.submit(use_case, [command])
        if isinstance(outcome, NotWritten):
            raise outcome.cause
        return outcome

    def submit_blocking(self, use_case: UseCase[C, R], commands: Sequence[C]) -> list[Outcome[R]]:
        """As `submit`, for the threads of our own loops. There is always room for them, because their work is
        bounded."""
        future: Future[list[Any]] = Future()
        self._enqueue(use_case, commands, future.set_result, None)
        return future.result()

    def submit_later(
        self,
        use_case: UseCase[C, R],
        commands: Sequence[C],
        then: Callable[[list[Outcome[R]]], object],
        *,
        loop: asyncio.AbstractEventLoop | None = None,
        within_s: float = LATER_S,
    ) -> None:
        """As `submit_then`, for commands that nobody waits for: they go with the next batch, or by themselves
        after `within_s`. Without a loop `then` is called on the writer's thread, and must not block.

        Any thread may call this. As with `submit_blocking` there is always room. Raises QueueFull once
        closed.
        """
        now = self.monotonic()
        ticket = Ticket([None] * len(commands), len(commands), then, loop, now)
        with self._lock:
            if self._closing:
                raise QueueFull
            is_sooner = now + within_s < self._later_due_at
            self._later_due_at = min(self._later_due_at, now + within_s)
            self._later.extend(
                [Entry(ticket, index, use_case, command) for index, command in enumerate(commands)]
            )
        if is_sooner:
            self.loop.wake()

    def _enqueue(
        self,
        use_case: UseCase[Any, Any],
        commands: Sequence[object],
        then: Callable[[list[Any]], object],
        loop: asyncio.AbstractEventLoop | None,
    ) -> None:
        now = self.monotonic()
        ticket = Ticket([None] * len(commands), len(commands), then, loop, now)
        rows = sum(map(rows_of, commands))
        with self._lock:
            if self._closing or (loop is not None and self._is_full(len(commands), rows, now)):
                raise QueueFull
            self._queued_rows += rows
            self._queue.extend(
                [Entry(ticket, index, use_case, command) for index, command in enumerate(commands)]
            )
        self.loop.wake()
        if not commands:
            then([])

    @property
    def is_full(self) -> bool:
        """Whether a command would be refused now. Callers ask this before they do any work for one."""
        try:
            return self._is_full(1, 1, self.monotonic())
        except IndexError:  # the writer has just taken the last one
            return False

    def _is_full(self, more: int, more_rows: int, now: float) -> bool:
        if not self._queue:
            return more > self.queue_commands_max
        waits_too_long = now - self._queue[0].ticket.queued_at > self.queue_seconds_max
        too_many = len(self._queue) + more > self.queue_commands_max
        return waits_too_long or too_many or self._queued_rows + more_rows > self.queue_rows_max

    def run_once(self) -> int:
        """Write one batch of what is queued and answer its callers; returns the number of commands."""
        with self._lock:
            waited_s = self.monotonic() - self._queue[0].ticket.queued_at if self._queue else None
            batch = self._take_batch()
        if not batch:
            return 0
        if waited_s is not None:
            self.observe_queue_age(waited_s)
        outcomes = self._judged(batch, self._write(batch))
        if all(_is_unavailable(outcome) for outcome in outcomes):
            # Answer those who came meanwhile with the same: otherwise each later batch would wait as long in
            # vain.
            with self._lock:
                batch += self._take_waiting()
            outcomes += [outcomes[-1]] * (len(batch) - len(outcomes))
        answer(batch, outcomes)
        return len(batch)

    def _pause_s(self) -> float:
        """The time until something must be written, in seconds: 0 if commands are queued, otherwise until the
        first command that can wait is due."""
        return 0.0 if self._queue else self._later_due_at - self.monotonic()

    def _take_batch(self) -> list[Entry]:
        batch: list[Entry] = []
        rows = 0
        while (queue := self._later or self._queue) and len(batch) < BATCH_COMMANDS_MAX:
            more = rows_of(queue[0].command)
            if batch and rows + more > BATCH_ROWS_MAX:
                break
            rows += more
            if queue is self._queue:
                self._queued_rows -= more
            batch.append(queue.popleft())
        if not self._later:
            self._later_due_at = math.inf
        return batch

    def _take_waiting(self) -> list[Entry]:
        waiting = list(self._queue)
        self._queue.clear()
        self._queued_rows = 0
        return waiting

    def _write(self, batch: list[Entry], in_doubt_since: float | None = None) -> list[Any]:
        """Write the batch and return one outcome per entry. Never raises: every error becomes an outcome."""
        tries, began_at = 0, self.monotonic()
        while True:
            tries += 1
            try:
                return self._transaction(batch, may_be_committed=in_doubt_since is not None)
            except _CommitLost:
                in_doubt_since = in_doubt_since or self.monotonic()
            except Exception as error:
                failure = classify(error)
                if in_doubt_since is None or failure in (Failure.DATA, Failure.LOCKED):
                    tried_s = self.monotonic() - began_at
                    retry = failure is Failure.RETRY and tries <= CONFLICT_RETRIES_MAX
                    retry = retry and tried_s < CONFLICT_SECONDS_MAX
                    # A pooled connection may have died with a server that is back by now.
                    retry = retry or (failure is Failure.UNAVAILABLE and tries == 1)
                    if not retry:
                        return self._give_up(batch, error, failure, in_doubt_since)
            if in_doubt_since and self.monotonic() - in_doubt_since > self.in_doubt_s_max:
                log.error("commit.outcome_unknown", writer=self.name, commands=len(batch))
                return [NotWritten(OutcomeUnknown())] * len(batch)
            if in_doubt_since and tries > 1:
                self.health.trouble(self.loop.name, _IN_DOUBT)
            self.sleep(RETRY_PAUSE_S * min(tries, 10) * (0.5 + self.jitter()))

    def _give_up(
        self, batch: list[Entry], error: Exception, failure: Failure, in_doubt_since: float | None
    ) -> list[Any]:
        splits = failure in (Failure.DATA, Failure.LOCKED, Failure.UNKNOWN, Failure.DEFECT)
        if splits and len(batch) > 1:
            middle = len(batch) // 2
            return self._write(batch[:middle], in_doubt_since) + self._write(batch[middle:], in_doubt_since)
        if in_doubt_since is not None:
            return [NotWritten(OutcomeUnknown())] * len(batch)
        if failure is Failure.LOCKED:
            return [NotWritten(Contended())] * len(batch)
        if failure in (Failure.UNAVAILABLE, Failure.RETRY):
            return [self._unavailable(error)] * len(batch)
        return [NotWritten(error)] * len(batch)

    def _unavailable(self, error: Exception) -> NotWritten:
        if self._unavailable_since is None:
            self._unavailable_since = self.monotonic()
            log.warning("commit.unavailable", writer=self.name, reason=reason(error))
        return NotWritten(DatabaseUnavailable(reason(error)))

    def _judged(self, batch: list[Entry], outcomes: list[Any]) -> list[Any]:
        """Find out whose fault the errors are that we do not know. Such an error is the command's own fault
        only if another command of its kind was written. If all of them failed, it is the fault of the
        database, or of its sessions, which are not used again."""
        unknown = [i for i, outcome in enumerate(outcomes) if is_unknown(outcome)]
        if not unknown:
            return outcomes
        written = {
            id(e.use_case) for e, o in zip(batch, outcomes, strict=True) if not isinstance(o, NotWritten)
        }
        for i in unknown:
            if id(batch[i].use_case) not in written:
                outcomes[i] = self._unavailable(outcomes[i].cause)
                self.engine.dispose()
        return outcomes

    def _transaction(self, batch: list[Entry], *, may_be_committed: bool) -> list[Any]:
        with self.engine.connect() as connection:
            tx = Transaction(connection, may_be_committed=may_be_committed)
            outcomes = run_use_cases(tx, batch)
            crash_point(f"{self.name}.written")
            began = time.perf_counter()
            try:
                connection.commit()
            except SQLAlchemyError as error:
                log.warning("commit.answer_lost", writer=self.name, commands=len(batch), reason=reason(error))
                raise _CommitLost from error
            db_operation(tx.dialect.name, "commit", time.perf_counter() - began)
        crash_point(f"{self.name}.committed")
        if self._unavailable_since is not None:
            away_s = round(self.monotonic() - self._unavailable_since, 1)
            self._unavailable_since = None
            log.info("commit.recovered", writer=self.name, away_s=away_s)
        self._follow_up(tx)
        self.committed_transactions += 1
        self.committed_commands += len(batch)
        return outcomes

    def _follow_up(self, tx: Transaction) -> None:
        """Make the calls that follow a commit. Their errors are only logged: if they looked like a failed
        write, the batch would be written again."""
        for call in tx.follow_ups:
            try:
                call()
            except Exception:
                log.exception("commit.follow_up_failed", writer=self.name)


def _is_unavailable(outcome: object) -> bool:
    return isinstance(outcome, NotWritten) and isinstance(outcome.cause, DatabaseUnavailable)
