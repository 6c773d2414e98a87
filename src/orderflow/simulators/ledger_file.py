"""A simulator's durable ledger: one SQLite file and the thread that writes it."""

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast

_BATCH_MAX = 1_000
_LISTING_ROWS = 1_000
_BUSY_TIMEOUT_S = 5.0

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class _Pending:
    operation: Callable[[sqlite3.Connection], object]
    outcome: asyncio.Future[Any]


class LedgerFile:
    """One SQLite file (WAL, `synchronous=FULL`); one thread commits operations that queue together as one.

    Used from one event loop. Every answer leaves after COMMIT. The caller, the HTTP side, bounds the queue.
    The constructor raises sqlite3.Error if the file cannot be opened. The error of a failed transaction is
    raised to each of its callers.
    """

    def __init__(self, path: Path, schema: str) -> None:
        self._path = path.absolute()
        self._connection = sqlite3.connect(
            self._path, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
        )
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=FULL")
        self._connection.executescript(schema)
        self._queue: queue.SimpleQueue[_Pending | None] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._write, name="ledger", daemon=True)
        self._writer.start()

    def close(self) -> None:
        """Commits what is queued, then ends the writer."""
        self._queue.put(None)
        self._writer.join()
        self._connection.close()

    async def _perform(self, operation: Callable[[sqlite3.Connection], R]) -> R:
        outcome: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._queue.put(_Pending(operation, outcome))
        return cast("R", await outcome)

    def _listing(self, query: str) -> Iterator[list[tuple[Any, ...]]]:
        """The rows of a query in lists of up to 1,000: one snapshot, read while the writer goes on."""
        uri = self._path.as_uri() + "?mode=ro"
        # Read-only, so that the writer's connection stays the only one that ever checkpoints.
        with closing(
            sqlite3.connect(uri, uri=True, timeout=_BUSY_TIMEOUT_S, check_same_thread=False)
        ) as reader:
            cursor = reader.execute(query)
            while rows := cursor.fetchmany(_LISTING_ROWS):
                yield rows

    def _write(self) -> None:
        open_for_more = True
        while open_for_more:
            batch, open_for_more = self._next_batch()
            if batch:
                settle = self._commit(batch)
                batch[0].outcome.get_loop().call_soon_threadsafe(settle)

    def _next_batch(self) -> tuple[list[_Pending], bool]:
        """Waits for one operation and takes what queued behind it; False comes with the last batch."""
        batch: list[_Pending] = []
        try:
            while len(batch) < _BATCH_MAX:
                pending = self._queue.get(block=not batch)
                if pending is None:
                    return batch, False
                batch.append(pending)
        except queue.Empty:
            pass
        return batch, True

    def _commit(self, batch: list[_Pending]) -> Callable[[], None]:
        """Commits the batch and returns what tells its callers so, to be called on their loop."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            results = [pending.operation(self._connection) for pending in batch]
            self._connection.execute("COMMIT")
        except Exception as error:  # whatever it was, the callers must learn of it and the writer must go on
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            return partial(_fail, batch, error)
        return partial(_answer, batch, results)


def _answer(batch: list[_Pending], results: list[object]) -> None:
    for pending, result in zip(batch, results, strict=True):
        if not pending.outcome.done():  # else its waiter was cancelled
            pending.outcome.set_result(result)


def _fail(batch: list[_Pending], error: Exception) -> None:
    for pending in batch:
        if not pending.outcome.done():
            pending.outcome.set_exception(error)
