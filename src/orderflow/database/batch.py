"""What makes up a transaction of the group commit: the commands of many callers, and their outcomes."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog
from sqlalchemy.exc import SQLAlchemyError

from orderflow.database.dialects import Failure, classify
from orderflow.database.transaction import Transaction
from orderflow.runtime.telemetry.metrics import db_operation

log = structlog.get_logger()


C = TypeVar("C")
R = TypeVar("R")

UseCase = Callable[[Transaction, Sequence[C]], Sequence[R]]
"""Writes a list of commands in the given transaction and returns one result each, in order."""


@dataclass(frozen=True, slots=True)
class NotWritten:
    """Instead of a result: the command was not written, or nobody knows whether it was. `cause` is Contended,
    OutcomeUnknown, DatabaseUnavailable, QueueFull or the use case's own error."""

    cause: Exception


Outcome = R | NotWritten
"""What became of a command: the result of its use case, or why there is none."""


def rows_of(command: object) -> int:
    """About how many rows the command writes, which bounds the transaction: its attribute `rows`, or 1
    without one."""
    return getattr(command, "rows", 1)


@dataclass(slots=True)
class Ticket:
    """The commands of one caller. Their outcomes go to `then`, which is called on `loop` if there is one."""

    outcomes: list[Any]
    missing: int
    then: Callable[[list[Any]], object]
    loop: asyncio.AbstractEventLoop | None
    queued_at: float


@dataclass(slots=True)
class Entry:
    ticket: Ticket
    index: int
    use_case: UseCase[Any, Any]
    command: object


def run_use_cases(tx: Transaction, batch: list[Entry]) -> list[Any]:
    """Write the batch in one transaction, which the caller commits; returns the results. A session that fails
    as unavailable is not used again: it may have outlived a failover, and would stay read-only."""
    outcomes: list[Any] = [None] * len(batch)
    try:
        tx.connection.begin()
        began = time.perf_counter()
        for use_case, indexes in _by_use_case(batch):
            results = use_case(tx, [batch[i].command for i in indexes])
            ended = time.perf_counter()
            db_operation(tx.dialect.name, use_case, ended - began)
            began = ended
            for i, result in zip(indexes, results, strict=True):
                outcomes[i] = result
        tx.send()
        db_operation(tx.dialect.name, "send", time.perf_counter() - began)
    except SQLAlchemyError as error:
        if classify(error) is Failure.UNAVAILABLE:
            tx.invalidate()
        raise
    return outcomes


def is_unknown(outcome: object) -> bool:
    if not isinstance(outcome, NotWritten) or not isinstance(outcome.cause, SQLAlchemyError):
        return False
    return classify(outcome.cause) is Failure.UNKNOWN


def _by_use_case(batch: list[Entry]) -> list[tuple[UseCase[Any, Any], list[int]]]:
    groups: dict[int, tuple[UseCase[Any, Any], list[int]]] = {}
    for index, entry in enumerate(batch):
        groups.setdefault(id(entry.use_case), (entry.use_case, []))[1].append(index)
    return list(groups.values())


def _resolve(tickets: list[Ticket]) -> None:
    for ticket in tickets:
        try:
            ticket.then(ticket.outcomes)
        except Exception:  # one caller's mistake must not affect the others
            log.exception("commit.caller_failed")


def answer(batch: list[Entry], outcomes: list[Any]) -> None:
    """Give every caller its outcomes as soon as it has all of them, on its own event loop if it has one."""
    done: dict[asyncio.AbstractEventLoop | None, list[Ticket]] = {}
    for entry, outcome in zip(batch, outcomes, strict=True):
        ticket = entry.ticket
        ticket.outcomes[entry.index] = outcome
        ticket.missing -= 1
        if ticket.missing == 0:
            done.setdefault(ticket.loop, []).append(ticket)
    for loop, tickets in done.items():
        if loop is None:
            _resolve(tickets)
        else:
            with contextlib.suppress(RuntimeError):  # the loop is closed, so its callers are gone
                loop.call_soon_threadsafe(_resolve, tickets)
