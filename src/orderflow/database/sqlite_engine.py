"""Engines for a SQLite file: one has the connection that writes, the other several that read."""

import fcntl
import os
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import URL, Connection, Engine

from orderflow.database.errors import DatabaseMisconfigured

BUSY_TIMEOUT_S = 0.9
"""How long a transaction waits for another process's write lock. A write is tried twice and answered within 2
s."""


def writing_engine(url: URL, *, pool_wait_s: float) -> Engine:
    """The engine that takes the file's write lock when a transaction begins. Only this one checkpoints the
    log."""
    return _engine(url, writes=True, connections=1, pool_wait_s=pool_wait_s)


def reading_engine(url: URL, *, connections: int, pool_wait_s: float) -> Engine:
    return _engine(url, writes=False, connections=connections, pool_wait_s=pool_wait_s)


def refuse_unusable(connection: Connection) -> None:
    """Raises DatabaseMisconfigured for a file whose texts are not UTF-8, because their bytes would be
    different."""
    encoding = connection.exec_driver_sql("PRAGMA encoding").scalar()
    if encoding != "UTF-8":
        raise DatabaseMisconfigured(
            f"the database file has the encoding {encoding}, not UTF-8; name another file in the URL"
        )


@contextmanager
def sole_use(file: Path) -> Generator[None]:
    """Keep every other Orderflow process away from the file while the block runs; a missing file is created.

    Raises DatabaseMisconfigured. The kernel releases the lock when the process ends, however it ends. This
    lock (flock) is independent of SQLite's own locks, which closing the file would release: the engines must
    be disposed before the block ends.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise DatabaseMisconfigured(f"{file} cannot be used: {error.strerror}") from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise DatabaseMisconfigured(
                f"another Orderflow process already uses {file}: stop it, or name another file"
            ) from None
        yield
    finally:
        os.close(descriptor)


def same_file(one: Path, other: Path) -> bool:
    """Whether both paths lead to the same file, by whatever links. The file need not exist yet."""
    if one.resolve() == other.resolve():
        return True
    return one.exists() and other.exists() and one.samefile(other)


def _engine(url: URL, *, writes: bool, connections: int, pool_wait_s: float) -> Engine:
    engine = sa.create_engine(
        url,
        hide_parameters=True,
        poolclass=sa.QueuePool,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=pool_wait_s,
        connect_args={"timeout": BUSY_TIMEOUT_S, "check_same_thread": False},
    )

    def on_connect(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None  # the begin event below opens every transaction
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "cache_size=-65536",
            # SQLite before 3.51.3 can corrupt the log when two connections checkpoint, so only the writer
            # does.
            f"wal_autocheckpoint={1000 if writes else 0}",
        ):
            connection.execute(f"PRAGMA {pragma}")
        if not writes:
            connection.execute("PRAGMA query_only=ON")

    def on_begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    event.listen(engine, "connect", on_connect)
    event.listen(engine, "begin", on_begin)
    return engine
