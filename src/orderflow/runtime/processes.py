"""Ensures one process per data directory, and runs several worker processes behind one socket."""

import asyncio
import fcntl
import os
import random
import resource
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

import structlog

from orderflow.runtime import signals
from orderflow.runtime.settings_error import SettingsError

log = structlog.get_logger()

RESTART_PAUSE_S = 0.5
DRAIN_S = 15
OPEN_FILES_MAX = 65_536


class DataDirInUse(SettingsError):
    """Another process works with this data directory."""


def raise_open_files_limit() -> None:
    """Raise the limit as far as the system allows, because each connection is an open file and the usual
    limit is 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES_MAX if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES_MAX)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def lock_data_dir(directory: Path) -> IO[str]:
    """Lock the directory for as long as the returned file is open. Raises SettingsError, or DataDirInUse if
    another process has the lock.

    The kernel releases the lock when the process ends, however it ends.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = (directory / "lock").open("a+")
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise SettingsError(f"ORDERFLOW_DATA_DIR: {directory} cannot be used: {why}") from None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.seek(0)
        holder = file.read().strip() or "unknown"
        file.close()
        raise DataDirInUse(
            f"process {holder} already uses {directory}: "
            "stop it, or set ORDERFLOW_DATA_DIR to another directory"
        ) from None
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file


def run_workers(count: int, work: Callable[[int], int]) -> int:
    """Fork `count` processes that each run `work(index)`, and start a dead one again. On SIGTERM or SIGINT
    let all of them finish. Returns the exit code. Must be called before any thread or event loop exists."""
    children: dict[int, int] = {}
    stopping = False

    def stop() -> None:
        nonlocal stopping
        stopping = True

    def start(index: int) -> None:
        with signals.held_back():
            pid = os.fork()
            if pid == 0:
                signals.begin_anew()
        if pid == 0:
            random.seed()
            sys.exit(_guarded(work, index))
        children[pid] = index

    with signals.stopping_by(stop):
        for index in range(count):
            start(index)
        started = time.monotonic()
        while not stopping:
            for pid, code in _reap(children):
                index = children.pop(pid)
                if code != 0 and time.monotonic() - started < RESTART_PAUSE_S * 4 and not children:
                    return 1  # they cannot even start
                log.error("worker.died", worker=index, pid=pid, exit_code=code)
                time.sleep(RESTART_PAUSE_S)
                if not stopping:
                    start(index)
            time.sleep(0.05)
        return _drain(children)


def _guarded(work: Callable[[int], int], index: int) -> int:
    try:
        return work(index)
    except Exception as error:
        log.exception("worker.failed", worker=index, exc_info=error)
        return 1


def _reap(children: dict[int, int]) -> list[tuple[int, int]]:
    dead: list[tuple[int, int]] = []
    for pid in list(children):
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            dead.append((pid, os.waitstatus_to_exitcode(status)))
    return dead


def _drain(children: dict[int, int]) -> int:
    for pid in children:
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + DRAIN_S
    worst = 0
    while children and time.monotonic() < deadline:
        for pid, code in _reap(children):
            del children[pid]
            worst = max(worst, abs(code))
        time.sleep(0.02)
    for pid in children:
        os.kill(pid, signal.SIGKILL)
    return 1 if worst or children else 0


def stop_with_parent(stop: asyncio.Event) -> None:
    """Set `stop` when the process that forked this one has ended: a worker without a parent takes no more
    orders."""
    parent = os.getppid()
    loop = asyncio.get_running_loop()

    def look() -> None:
        if os.getppid() != parent:
            stop.set()
        else:
            loop.call_later(1.0, look)

    look()
