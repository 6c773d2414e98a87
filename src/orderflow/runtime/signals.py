"""SIGTERM and SIGINT, from the first instruction of a process to its last.

The first of them asks the process to stop, any further one changes nothing: a service manager may tell the
whole group of processes, and a parent its workers. While nothing is under way yet, the process just ends.
Python's own handling will not do: as process 1 of a container a program without handlers hears nothing.
"""

import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopRequested(SystemExit):
    """Ends a process that has nothing under way."""


@dataclass(slots=True)
class _State:
    is_stopping: bool = False
    on_stop: Callable[[], object] | None = None
    exit_code: int = 0


_state = _State()
"""Signals belong to the process, and so does this."""


def install(*, is_role: bool) -> None:
    """Begin to listen. A role that is asked to stop ends with 0. A tool has not done its work then, and
    leaves SIGINT to Python."""
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
    """From here on the process stops by `on_stop`, which the main thread calls between two instructions: it
    must do next to nothing. A signal that came before calls it at once, one that comes after the block is too
    late to matter."""
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
    """For good: at its very end Python would take handlers away, and a late signal kill the process."""
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def held_back() -> Generator[None]:
    """Signals that come while the block runs are delivered at its end."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def begin_anew() -> None:
    """For a process that was forked: what its parent was told or does is not its own matter."""
    _state.is_stopping = False
    _state.on_stop = None
    install(is_role=True)
