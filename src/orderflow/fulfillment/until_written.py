"""Writes that must not be lost: they are tried until the database has taken them."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from orderflow.database.batch import NotWritten, Outcome, UseCase
from orderflow.database.engine import DatabaseUnavailable
from orderflow.database.group_commit import (
    Contended,
    GroupCommit,
    OutcomeUnknown,
    QueueFull,
)

C = TypeVar("C")
R = TypeVar("R")

PAUSE_S = 0.5

TRANSIENT = (DatabaseUnavailable, Contended, OutcomeUnknown, QueueFull)
"""Failures of a write that may succeed when it is tried again; every use case here may be repeated."""


async def write(
    writer: GroupCommit,
    use_case: UseCase[C, R],
    commands: Sequence[C],
    *,
    on_wait: Callable[[], object],
    on_outcome: Callable[[int, Outcome[R]], object] = lambda _index, _outcome: None,
    later: bool = False,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> list[Outcome[R]]:
    """One outcome per command, none of them transient. `on_wait` is called before each new try. `on_outcome`
    gets each outcome as soon as it is known, while other commands may wait long. `later` as in
    `GroupCommit.submit`."""
    outcomes: list[Outcome[R]] = [NotWritten(QueueFull())] * len(commands)
    pending = list(range(len(commands)))
    while pending:
        try:
            results = await writer.submit(use_case, [commands[index] for index in pending], later=later)
        except QueueFull as error:
            results = [NotWritten(error)] * len(pending)
        tried, pending = pending, _settle(outcomes, pending, results)
        for index in tried:
            if not _is_transient(outcomes[index]):
                on_outcome(index, outcomes[index])
        if pending:
            on_wait()
            await sleep(PAUSE_S)
    return outcomes


def write_blocking(
    writer: GroupCommit, use_case: UseCase[C, R], commands: Sequence[C], *, wait: Callable[[], bool]
) -> list[Outcome[R]] | None:
    """As `write`, from a thread. `wait` is called between tries; once it returns False, this returns None."""
    outcomes: list[Outcome[R]] = [NotWritten(QueueFull())] * len(commands)
    pending = list(range(len(commands)))
    while pending:
        try:
            results = writer.submit_blocking(use_case, [commands[index] for index in pending])
        except QueueFull as error:
            results = [NotWritten(error)] * len(pending)
        pending = _settle(outcomes, pending, results)
        if pending and not wait():
            return None
    return outcomes


def _settle(outcomes: list[Outcome[R]], pending: list[int], results: Sequence[Outcome[R]]) -> list[int]:
    for index, result in zip(pending, results, strict=True):
        outcomes[index] = result
    return [index for index in pending if _is_transient(outcomes[index])]


def _is_transient(outcome: object) -> bool:
    return isinstance(outcome, NotWritten) and isinstance(outcome.cause, TRANSIENT)
