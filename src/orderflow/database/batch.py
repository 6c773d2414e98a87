"""What a transaction of the group commit is made of: commands of many callers, and their outcomes."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import structlog
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError

from orderflow.database.dialects import Failure, classify

log = structlog.get_logger()


class Command(Protocol):
    @property
    def rows(self) -> int:
        """About how many rows the command writes; bounds the transaction."""
        ...


C_contra = TypeVar("C_contra", bound=Command, contravariant=True)
R_co = TypeVar("R_co", covariant=True)


class Handler(Protocol[C_contra, R_co]):
    """Writes a list of commands in the given transaction and returns one result each, in order.

    `again`: an earlier COMMIT of these very commands may have succeeded; what is there already is a success.
    """

    def __call__(
        self, connection: Connection, commands: Sequence[C_contra], /, *, again: bool
    ) -> Sequence[R_co]: ...


@dataclass(slots=True)
class Ticket:
    """One caller's commands and where its outcomes go: to `then`, on the loop if there is one."""

    outcomes: list[Any]
    missing: int
    then: Callable[[list[Any]], object]
    loop: asyncio.AbstractEventLoop | None
    queued_at: float


@dataclass(slots=True)
class Entry:
    ticket: Ticket
    index: int
    handler: Handler[Any, Any]
    command: Command


def handled(connection: Connection, batch: list[Entry], *, again: bool) -> list[Any]:
    """The handlers' results. A session that cannot write is not used again: it may have outlived a failover,
    and stay read-only for as long as it lives."""
    outcomes: list[Any] = [None] * len(batch)
    try:
        connection.begin()
        for handler, indexes in _by_handler(batch):
            results = handler(connection, [batch[i].command for i in indexes], again=again)
            for i, result in zip(indexes, results, strict=True):
                outcomes[i] = result
    except SQLAlchemyError as error:
        if classify(error) is Failure.UNAVAILABLE:
            connection.invalidate()
        raise
    return outcomes


def is_unknown(outcome: object) -> bool:
    return isinstance(outcome, SQLAlchemyError) and classify(outcome) is Failure.UNKNOWN


def _by_handler(batch: list[Entry]) -> list[tuple[Handler[Any, Any], list[int]]]:
    groups: dict[int, tuple[Handler[Any, Any], list[int]]] = {}
    for index, entry in enumerate(batch):
        groups.setdefault(id(entry.handler), (entry.handler, []))[1].append(index)
    return list(groups.values())


def _resolve(tickets: list[Ticket]) -> None:
    for ticket in tickets:
        try:
            ticket.then(ticket.outcomes)
        except Exception:  # one caller's mistake is not the others'
            log.exception("commit.caller_failed")


def answer(batch: list[Entry], outcomes: list[Any]) -> None:
    """Give every caller its outcomes, once it has all of them, on its own event loop if it has one."""
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
            with contextlib.suppress(RuntimeError):  # the loop is closed: its callers are gone
                loop.call_soon_threadsafe(_resolve, tickets)
