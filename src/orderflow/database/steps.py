"""Going through a table in small steps, by id, so that nobody else has to wait for it."""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from orderflow.runtime.ids import FIRST_UUID
from orderflow.runtime.loop import ThreadLoop


class Step(NamedTuple):
    """`rows` is how much was done, and `behind` where the next step begins; None when there is nothing more
    to look at."""

    rows: int
    behind: str | None


def in_steps(
    loop: ThreadLoop,
    step: Callable[[str], Step | None],
    *,
    share: float,
    monotonic: Callable[[], float] = time.monotonic,
) -> int:
    """Go through everything in this turn of the loop; returns how much was done. `step` gets the id behind
    which it begins, and returns None if it is not possible now. Steps take that share of the time at most,
    and end when the loop is to stop."""
    behind: str | None = FIRST_UUID
    rows = 0
    while behind is not None:
        began = monotonic()
        done = step(behind)
        if done is None:
            break
        rows += done.rows
        behind = done.behind
        took_s = monotonic() - began
        if behind is not None and loop.sleep(took_s * (1 / share - 1)):
            break
    return rows


def window(
    connection: Connection, key: sa.ColumnElement[Any], behind: str, rows: int, *more: sa.ColumnElement[bool]
) -> tuple[list[sa.ColumnElement[bool]], str | None]:
    """The conditions for the next `rows` rows whose key is behind that id, and the last of these keys if
    there may be more."""
    conditions = [key > behind, *more]
    last = connection.scalar(sa.select(key).where(*conditions).order_by(key).offset(rows - 1).limit(1))
    return conditions if last is None else [*conditions, key <= last], last
