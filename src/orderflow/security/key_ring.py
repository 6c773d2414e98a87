"""The API keys that a process knows. Requests are checked in memory; a loop keeps up with the database."""

import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from math import inf
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from orderflow.contracts.scopes import Scope, granted
from orderflow.database.dialects import Failure, classify
from orderflow.database.engine import Database, reason
from orderflow.database.errors import TransactionEnded
from orderflow.runtime.health import Health
from orderflow.runtime.loop import ThreadLoop
from orderflow.security import keys
from orderflow.web.front_door import Denial, Principal

REFRESH_S = 0.4
"""How soon a key that was made or revoked is noticed: revocation takes effect within a second."""
STALE_S_MAX = 60.0
"""How long keys are still accepted while the database does not answer. A key that is revoked in this time may
be used for as long."""
NOTE_USE_S = 60.0
"""How often the time of a key's last use is written, if it is used."""
LOOP = "key-ring"
PART = "api-keys"
"""What health calls the keys while they cannot be read."""

UNKNOWN = Principal("anonymous", frozenset(), denial=Denial.INVALID)
UNDECIDED = Principal("anonymous", frozenset(), denial=Denial.UNDECIDED)


class _Known(NamedTuple):
    prefix: str
    principal: Principal
    expires_at_s: float | None
    """Unix seconds."""


class _Keys(NamedTuple):
    """The keys as the database had them. It is replaced as a whole, so nothing of an old one gets into a new
    one."""

    by_digest: dict[bytes, _Known]
    used: dict[bytes, _Known]
    """By key, those that were used since: SHA-256 would be half of the cost of knowing who calls."""


class KeyRing:
    """All keys of one table that are valid, and those of the process's `own`, which are in no database.

    `clock` gives wall time, `monotonic` seconds. `refresh` must run before the first request.
    """

    def __init__(
        self,
        database: Database,
        table: sa.Table,
        health: Health,
        *,
        own: Iterable[tuple[str, Principal]] = (),
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._table = table
        self._health = health
        self._clock = clock
        self._monotonic = monotonic
        self._own = {
            keys.digest(text.encode()): _Known(keys.prefix_of(text), principal, None)
            for text, principal in own
        }
        self._keys = _Keys(dict(self._own), {})
        self._version: keys.Version | None = None
        self._fresh_until = -inf
        """In monotonic seconds: until when the keys are accepted without looking at the database."""
        self._used: set[str] = set()
        self._note_use_at = -inf
        self.loop = ThreadLoop(
            LOOP, self.refresh, health=health, pause_s=lambda: REFRESH_S, on_failure="try again"
        )

    def find(self, key: bytes) -> Principal:
        """Whose key this is. Called for each request: it does not look into the database, whatever the key
        is."""
        if self._monotonic() > self._fresh_until:
            return UNDECIDED
        # How long the look-ups take tells nothing: they go by Python's own hash, which nobody outside can
        # predict.
        snapshot = self._keys
        known = snapshot.used.get(key)
        if known is None:
            known = snapshot.by_digest.get(keys.digest(key))
            if known is None:
                return UNKNOWN
            snapshot.used[key] = known
        if known.expires_at_s is not None and known.expires_at_s <= self._clock():
            return UNKNOWN
        self._used.add(known.prefix)
        return known.principal

    def refresh(self) -> None:
        """Read the keys if one was made or revoked, and note which were used."""
        began = self._monotonic()
        try:
            self._read()
            self._fresh_until = began + STALE_S_MAX
            self._health.recovered(PART)
            if began >= self._note_use_at:
                self._note_use_at = began + NOTE_USE_S
                self._note_use()
        except (SQLAlchemyError, TransactionEnded) as error:
            if classify(error) is Failure.DEFECT:
                raise
            self._health.trouble(PART, f"keys cannot be read: {reason(error)}")

    def _read(self) -> None:
        with self._database.reader.connect() as connection:
            version = keys.version(connection, self._table)
            if version == self._version:
                return
            rows = keys.unrevoked(connection, self._table)
        known = dict(self._own)
        for row in rows:
            customer_id = row["customer_id"]
            scopes = frozenset(Scope(scope) for scope in row["scopes"].split() if scope in _SCOPES)
            principal = Principal(row["name"], granted(scopes, customer_id), customer_id)
            expires_at_s = row["expires_at"].timestamp() if row["expires_at"] else None
            known[bytes.fromhex(row["sha256"])] = _Known(row["prefix"], principal, expires_at_s)
        # A key that was changed after `version` was read is in `rows` or will be, as the next version.
        self._keys, self._version = _Keys(known, {}), version

    def _note_use(self) -> None:
        # Requests go on adding to the set meanwhile; the copy is made in one step.
        used = self._used.copy()
        self._used -= used
        used -= {known.prefix for known in self._own.values()}
        if used:
            now = datetime.fromtimestamp(self._clock(), UTC)
            with self._database.writer.begin() as connection:
                keys.note_use(connection, self._table, used, now)


_SCOPES = frozenset(Scope)
"""A newer release may have given a key scopes that this one does not know: they allow nothing here."""
