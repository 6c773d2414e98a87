"""The loop that is used for all work that goes on by itself, in threads and in tasks alike.

A loop waits until something is due, does it with `run_once`, and starts over. It reports each turn to the
process's health, so that a loop that hangs is noticed. A turn that fails is reported to the health, too, and
is either tried again or ends the process: no loop dies unnoticed.
"""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Literal

import structlog

from orderflow.runtime.health import Health, wait_for
from orderflow.runtime.telemetry.metrics import LOOP_FAILURES, LOOP_TURN

log = structlog.get_logger()

RETRY_PAUSE_S = 0.5
JOIN_S_MAX = 10.0

OnFailure = Literal["end the process", "try again"]


def _nothing() -> None: ...


def _always() -> bool:
    return True


class _Loop:
    """What loops in threads and in tasks have in common: what they report and count about each turn."""

    def __init__(
        self, name: str, health: Health, on_failure: OnFailure, pause_s: Callable[[], float]
    ) -> None:
        self.name = name
        self.pause_s = pause_s
        self._health = health
        self._on_failure: OnFailure = on_failure
        self._turn_s = LOOP_TURN.labels(name)
        self._failures = LOOP_FAILURES.labels(name)

    def _begin_turn(self) -> float:
        """When the turn begins, in seconds."""
        self._health.progress(self.name)
        return time.perf_counter()

    def _succeeded(self, began: float) -> None:
        self._turn_s.observe(time.perf_counter() - began)
        self._health.recovered(self.name)

    def _failed(self, error: Exception) -> None:
        """Raises the error if it must end the process."""
        self._failures.inc()
        if self._on_failure == "end the process":
            raise error
        log.error("loop.failed", loop=self.name, exc_info=error)
        self._health.trouble(self.name, f"this loop fails: {type(error).__name__}: {error}")

    def _died(self, error: BaseException) -> None:
        log.error("loop.died", loop=self.name, exc_info=error)
        self._health.died(self.name, error)


class ThreadLoop(_Loop):
    """A loop in a thread of its own.

    `pause_s` returns how long nothing is due, in seconds, 0 if something is due now; after `wake` it is
    called again. Once stopped, the loop goes on without pauses until `is_drained` returns True, then calls
    `finish` in its thread.
    """

    def __init__(
        self,
        name: str,
        run_once: Callable[[], object],
        *,
        health: Health,
        pause_s: Callable[[], float],
        on_failure: OnFailure = "end the process",
        is_drained: Callable[[], bool] = _always,
        finish: Callable[[], object] = _nothing,
    ) -> None:
        super().__init__(name, health, on_failure, pause_s)
        self._run_once = run_once
        self._is_drained = is_drained
        self._finish = finish
        self._signal = threading.Event()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def is_stopping(self) -> bool:
        return self._stop.is_set()

    def start(self) -> None:
        if self._thread is None:
            self._health.progress(self.name)
            self._thread = threading.Thread(target=self.run, name=self.name, daemon=True)
            self._thread.start()

    def wake(self) -> None:
        """Something may be due now. Any thread may call this."""
        if not self._signal.is_set():
            self._signal.set()

    def sleep(self, seconds: float) -> bool:
        """For `run_once`: wait within a turn. Returns True as soon as the loop is to stop."""
        self._health.progress(self.name, idle_s=seconds)
        return self._stop.wait(seconds)

    def stop(self) -> None:
        self._stop.set()
        self._signal.set()

    def join(self, seconds_max: float = JOIN_S_MAX) -> bool:
        """Wait for the end of a stopped loop. Returns False if it has not ended in time; its thread does not
        keep the process from ending."""
        if self._thread is None:
            return True
        self._thread.join(seconds_max)
        if self._thread.is_alive():
            log.error("loop.not_ended", loop=self.name, seconds=seconds_max)
        return not self._thread.is_alive()

    def run(self) -> None:
        """Run all turns in the caller's thread."""
        try:
            try:
                while self._wait():
                    self._turn()
            finally:
                self._finish()
        except BaseException as error:
            self._died(error)
        else:
            self._health.ended(self.name)

    def _wait(self) -> bool:
        """Wait until something is due. Returns False once the loop was stopped and nothing is left to do."""
        while True:
            self._signal.clear()
            if self._stop.is_set():
                self._health.progress(self.name)
                return not self._is_drained()
            pause_s = self.pause_s()
            self._health.progress(self.name, idle_s=max(0.0, pause_s))
            if pause_s <= 0 or not self._signal.wait(min(pause_s, threading.TIMEOUT_MAX)):
                return True

    def _turn(self) -> None:
        began = self._begin_turn()
        try:
            self._run_once()
        except Exception as error:
            self._failed(error)
            self.sleep(RETRY_PAUSE_S)
        else:
            self._succeeded(began)


class TaskLoop(_Loop):
    """A loop in a task of the running event loop. `pause_s` is as in ThreadLoop; `signal` wakes the loop, and
    several loops may share one. Stopping it cancels it wherever it waits."""

    def __init__(
        self,
        name: str,
        run_once: Callable[[], Awaitable[object]],
        *,
        health: Health,
        pause_s: Callable[[], float],
        on_failure: OnFailure = "end the process",
        signal: asyncio.Event | None = None,
    ) -> None:
        super().__init__(name, health, on_failure, pause_s)
        self._run_once = run_once
        self._signal = signal or asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        if self._task is None:
            self._health.progress(self.name)
            self._task = asyncio.create_task(self.run(), name=self.name)

    def wake(self) -> None:
        """Something may be due now. Only the event loop's thread may call this."""
        self._signal.set()

    async def stop(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        self._health.ended(self.name)

    async def run(self) -> None:
        """Run all turns in the caller's task."""
        try:
            while True:
                await self._wait()
                await self._turn()
        except Exception as error:
            self._died(error)

    async def _wait(self) -> None:
        while True:
            self._signal.clear()
            pause_s = max(0.0, self.pause_s())
            self._health.progress(self.name, idle_s=pause_s)
            if pause_s == 0:
                await asyncio.sleep(0)  # other tasks get their turn, whatever this loop does
                return
            if not await wait_for(self._signal, pause_s):
                return

    async def _turn(self) -> None:
        began = self._begin_turn()
        try:
            await self._run_once()
        except Exception as error:
            self._failed(error)
            await asyncio.sleep(RETRY_PAUSE_S)
        else:
            self._succeeded(began)
