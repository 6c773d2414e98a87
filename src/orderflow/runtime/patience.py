"""Waits at start for a part that is not available yet."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until_it_works(
    attempt: Callable[[], T],
    *,
    may_pass: Callable[[Exception], bool],
    on_wait: Callable[[Exception], object],
    seconds_max: float,
    pause_s: float = 1.0,
) -> T:
    """What the attempt returns, once it succeeds. Raises its error at once unless `may_pass`, and after
    `seconds_max`; `on_wait` is told each error that is waited for."""
    deadline = time.monotonic() + seconds_max
    while True:
        try:
            return attempt()
        except Exception as error:
            if not may_pass(error) or time.monotonic() >= deadline:
                raise
            on_wait(error)
            time.sleep(pause_s)
