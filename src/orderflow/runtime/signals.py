"""Handles SIGTERM and SIGINT from the first instruction of a process to its last.

The first signal asks the process to stop. Further ones change nothing, because a service manager may signal
the whole group of processes, and a parent its workers. While a process has no work under way yet, it just
ends. Python's own handling is not enough: as process 1 of a container, a program without handlers does not
get these signals.
"""

import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopRequested(SystemExit):
    """Ends a process that has no work under way."""


@dataclass(slots=True)
class _State:
    is_stopping: bool = False
    on_stop: Callable[[], object] | None = None
    exit_code: int = 0


_state = _State()
"""Signals concern the whole process, so this is a global."""


def install(*, is_role: bool) -> None:
    """Install the handlers. A role that is asked to stop ends with exit code 0. A tool has not done its work
    then, so it ends with 143 on SIGTERM, and leaves SIGINT to Python."""
    _state.exit_code = 0 if is_role else 128 + signal.SIGTERM
    for number in STOP_SIGNALS if is_role else (signal.SIGTERM,):
        signal.signal(number, _on_signal)


def _on_signal(_number: int, _frame: object) -> None:
    if _state.is_stopping:
        return
    _state.is_stopping = True
    _ignore()
    if _state.on_stop is None:
        raise StopRequested(_state.exit_code)
    _state.on_stop()


@contextmanager
def stopping_by(on_stop: Callable[[], object]) -> Generator[None]:
    """While the block runs, the process is stopped by `on_stop`. The main thread calls it between two
    instructions, so it must do next to nothing. If a signal came before, it is called at once; a signal that
    comes after the block is ignored."""
    _state.on_stop = on_stop
    if _state.is_stopping:
        on_stop()
    else:
        install(is_role=True)
    try:
        yield
    finally:
        _ignore()


def _ignore() -> None:
    """Ignore the signals from now on. When Python ends it removes handlers, and a late signal would then kill
    the process."""
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def held_back() -> Generator[None]:
    """Signals that come while the block runs are delivered at the end of the block."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def begin_anew() -> None:
    """Reset the state in a process that was forked: what its parent was told, or does about it, does not
    concern it."""
    _state.is_stopping = False
    _state.on_stop = None
    install(is_role=True)
