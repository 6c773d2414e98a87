"""carrier-sim's durable ledger: the answer to every key, and every physical shipment ever made. Tests judge
by it what was really shipped.

Nothing here forbids two live shipments for one order: that is the bug to be shown, so it must be possible.
"""

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, cast

State = Literal["live", "voided", "rejected"]

_BATCH_MAX = 1_000
_LISTING_ROWS = 1_000
_BUSY_TIMEOUT_S = 5.0
_COLUMNS = "request_hash, order_id, shipment_id, tracking_number, state, created_at"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS answers (
    sequence INTEGER PRIMARY KEY,
    idempotency_key TEXT NOT NULL UNIQUE,
    request_hash BLOB NOT NULL,
    order_id TEXT NOT NULL,
    shipment_id TEXT NOT NULL UNIQUE,
    tracking_number TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('live', 'voided', 'rejected')),
    created_at TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS answers_by_order ON answers (order_id);
"""


@dataclass(frozen=True, slots=True)
class Answer:
    """What was decided for one idempotency key, at `created_at` (ISO 8601 UTC)."""

    request_hash: bytes
    order_id: str
    shipment_id: str
    tracking_number: str
    state: State
    created_at: str


@dataclass(frozen=True, slots=True)
class _Pending:
    operation: Callable[[sqlite3.Connection], object]
    outcome: asyncio.Future[Any]


class Ledger:
    """One SQLite file (WAL, `synchronous=FULL`); one thread commits operations that queue together as one.

    Used from one event loop. Every answer leaves after COMMIT. The caller, the HTTP side, bounds the queue.
    The constructor raises sqlite3.Error if the file cannot be opened. The error of a failed transaction is
    raised to each of its callers.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.absolute()
        self._connection = sqlite3.connect(
            self._path, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
        )
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=FULL")
        self._connection.executescript(_SCHEMA)
        self._queue: queue.SimpleQueue[_Pending | None] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._write, name="carrier-sim-ledger", daemon=True)
        self._writer.start()

    async def answer_once(
        self, idempotency_key: str, proposed: Answer, *, forgotten_before: str | None = None
    ) -> Answer:
        """The first answer ever proposed for this key: the caller's own or an earlier one. An earlier one
        that was created before `forgotten_before` is forgotten, so another shipment is made."""

        def operation(connection: sqlite3.Connection) -> Answer:
            if forgotten_before is not None and _forget(connection, idempotency_key, forgotten_before):
                return insert(connection, _another(connection, proposed))
            found = connection.execute(
                f"SELECT {_COLUMNS} FROM answers WHERE idempotency_key = ?",  # noqa: S608 (constant columns)
                (idempotency_key,),
            ).fetchone()
            return Answer(*found) if found is not None else insert(connection, proposed)

        def insert(connection: sqlite3.Connection, proposed: Answer) -> Answer:
            connection.execute(
                f"INSERT INTO answers (idempotency_key, {_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
                (
                    idempotency_key,
                    proposed.request_hash,
                    proposed.order_id,
                    proposed.shipment_id,
                    proposed.tracking_number,
                    proposed.state,
                    proposed.created_at,
                ),
            )
            return proposed

        return cast("Answer", await self._perform(operation))

    async def shipments_of(self, order_id: str) -> list[Answer]:
        """Live and voided shipments of the order, oldest first."""

        def operation(connection: sqlite3.Connection) -> list[Answer]:
            rows = connection.execute(
                f"SELECT {_COLUMNS} FROM answers"  # noqa: S608 (constant columns)
                " WHERE order_id = ? AND state <> 'rejected' ORDER BY sequence",
                (order_id,),
            )
            return [Answer(*row) for row in rows]

        return cast("list[Answer]", await self._perform(operation))

    async def order_of(self, shipment_id: str) -> str | None:
        """The order that the shipment was made for, or None where no such shipment was ever made."""

        def operation(connection: sqlite3.Connection) -> str | None:
            found = connection.execute(
                "SELECT order_id FROM answers WHERE shipment_id = ? AND state <> 'rejected'", (shipment_id,)
            ).fetchone()
            return None if found is None else str(found[0])

        return cast("str | None", await self._perform(operation))

    async def void(self, shipment_id: str) -> bool:
        """False where no such shipment was ever made. Voiding a voided one changes nothing and is True."""

        def operation(connection: sqlite3.Connection) -> bool:
            cursor = connection.execute(
                "UPDATE answers SET state = 'voided' WHERE shipment_id = ? AND state <> 'rejected'",
                (shipment_id,),
            )
            return cursor.rowcount == 1

        return cast("bool", await self._perform(operation))

    def shipments_ever_made(self) -> Iterator[list[Answer]]:
        """Every shipment, oldest first, in lists of up to 1,000: one snapshot, read while the writer goes
        on."""
        uri = self._path.as_uri() + "?mode=ro"
        # Read-only, so that the writer's connection stays the only one that ever checkpoints.
        with closing(
            sqlite3.connect(uri, uri=True, timeout=_BUSY_TIMEOUT_S, check_same_thread=False)
        ) as reader:
            cursor = reader.execute(
                f"SELECT {_COLUMNS} FROM answers WHERE state <> 'rejected' ORDER BY sequence"  # noqa: S608
            )
            while rows := cursor.fetchmany(_LISTING_ROWS):
                yield [Answer(*row) for row in rows]

    def close(self) -> None:
        """Commits what is queued, then ends the writer."""
        self._queue.put(None)
        self._writer.join()
        self._connection.close()

    async def _perform(self, operation: Callable[[sqlite3.Connection], object]) -> object:
        outcome: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._queue.put(_Pending(operation, outcome))
        return await outcome

    def _write(self) -> None:
        open_for_more = True
        while open_for_more:
            batch, open_for_more = self._next_batch()
            if batch:
                outcomes = self._commit(batch)
                batch[0].outcome.get_loop().call_soon_threadsafe(_settle, batch, outcomes)

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

    def _commit(self, batch: list[_Pending]) -> list[object] | Exception:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            outcomes = [pending.operation(self._connection) for pending in batch]
            self._connection.execute("COMMIT")
        except Exception as error:  # whatever it was, the callers must learn of it and the writer must go on
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            return error
        return outcomes


def _settle(batch: list[_Pending], outcomes: list[object] | Exception) -> None:
    for position, pending in enumerate(batch):
        if pending.outcome.done():  # its waiter was cancelled
            continue
        if isinstance(outcomes, Exception):
            pending.outcome.set_exception(outcomes)
        else:
            pending.outcome.set_result(outcomes[position])


def _forget(connection: sqlite3.Connection, idempotency_key: str, before: str) -> bool:
    """Free the key of an old answer; the shipment stays."""
    forgotten = connection.execute(
        "UPDATE answers SET idempotency_key = idempotency_key || ' forgotten ' || sequence"
        " WHERE idempotency_key = ? AND created_at < ?",
        (idempotency_key, before),
    )
    return forgotten.rowcount == 1


def _another(connection: sqlite3.Connection, proposed: Answer) -> Answer:
    """The same answer with ids of its own: the number of the order's earlier answers is appended to them."""
    (made,) = connection.execute(
        "SELECT count(*) FROM answers WHERE order_id = ?", (proposed.order_id,)
    ).fetchone()
    return replace(
        proposed,
        shipment_id=f"{proposed.shipment_id}-{made}",
        tracking_number=f"{proposed.tracking_number}-{made}",
    )
