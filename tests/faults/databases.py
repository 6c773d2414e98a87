"""Databases that answer but accept no writes, and sessions that hold a snapshot of old rows for long."""

import asyncio
import random
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import LiteralString

import psycopg
from psycopg import sql
from tests.faults.faults import Fault, NotInjected

READ_ONLY_S = (0.6, 4.0)
LOCKED_S = (0.6, 4.0)
SNAPSHOT_S = (40.0, 90.0)
SNAPSHOT_S_MIN = 15.0
"""A snapshot that another fault ends early counts if it was held for so long."""


def read_only(url: str) -> Fault:
    """As after a failover: all sessions are cut, and the database accepts no writes in new ones for a while.
    Sessions that begin in that time stay read-only until they end."""
    return _setting(url, "ALTER DATABASE {} SET", "ALTER DATABASE {} RESET", then=_CUT)


def read_only_server(url: str) -> Fault:
    """The whole server turns read-only while sessions are open, and later writable again."""
    return _setting(url, "ALTER SYSTEM SET", "ALTER SYSTEM RESET", then="SELECT pg_reload_conf()")


_CUT = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()"""


def _setting(url: str, on: LiteralString, off: LiteralString, *, then: LiteralString) -> Fault:
    async def inject(draw: random.Random) -> str:
        duration_s = draw.uniform(*READ_ONLY_S)
        try:
            await _execute(url, f"{on} default_transaction_read_only = on", then)
        except psycopg.OperationalError as error:
            raise NotInjected(f"PostgreSQL: {error}") from error
        try:
            await asyncio.sleep(duration_s)
        finally:
            await _heal(url, f"{off} default_transaction_read_only", then if then != _CUT else "SELECT 1")
        return f"for {duration_s:.1f} s"

    return inject


async def _execute(url: str, alter: LiteralString, then: LiteralString) -> None:
    async with await _connect(url, autocommit=True) as server:
        await server.execute("SET default_transaction_read_only = off")
        await server.execute(sql.SQL(alter).format(sql.Identifier(server.info.dbname)))
        await server.execute(then)


async def _connect(url: str, *, autocommit: bool = False) -> psycopg.AsyncConnection:
    return await psycopg.AsyncConnection.connect(url, autocommit=autocommit, connect_timeout=5)


async def _heal(url: str, alter: LiteralString, then: LiteralString) -> None:
    """Take the setting back. It is tried for a minute, because another fault may have ended the server."""
    for _ in range(60):
        try:
            await _execute(url, alter, then)
        except psycopg.OperationalError:
            await asyncio.sleep(1)
        else:
            return
    raise NotInjected("PostgreSQL did not come back")


def snapshot(url: str) -> Fault:
    """A forgotten session: no row that is deleted after its snapshot can be cleaned up."""

    async def inject(draw: random.Random) -> str:
        duration_s, held_s = draw.uniform(*SNAPSHOT_S), 0.0
        clock = asyncio.get_running_loop().time
        try:
            async with await _connect(url) as session:
                await session.set_isolation_level(psycopg.IsolationLevel.REPEATABLE_READ)
                began = clock()
                while held_s < duration_s:
                    await session.execute("SELECT count(*) FROM pg_class")
                    held_s = clock() - began
                    await asyncio.sleep(0.5)
        except psycopg.OperationalError as error:
            if held_s < SNAPSHOT_S_MIN:
                raise NotInjected(f"PostgreSQL: {error}") from error
        return f"for {held_s:.0f} s"

    return inject


def locked_file(file: Path) -> Fault:
    """Another process holds the file's write lock for a while, as a backup or a person at a console would."""

    async def inject(draw: random.Random) -> str:
        duration_s = draw.uniform(*LOCKED_S)
        await asyncio.to_thread(_hold_file, file, "BEGIN IMMEDIATE", duration_s)
        return f"for {duration_s:.1f} s"

    return inject


def snapshot_of_file(file: Path) -> Fault:
    """Another process keeps reading one old state of the file, so the write-ahead log cannot be reused and
    grows."""

    async def inject(draw: random.Random) -> str:
        duration_s = draw.uniform(*SNAPSHOT_S)
        await asyncio.to_thread(_hold_file, file, "BEGIN", duration_s)
        return f"for {duration_s:.0f} s"

    return inject


def _hold_file(file: Path, begin: str, seconds: float) -> None:
    try:
        with closing(sqlite3.connect(file, isolation_level=None, timeout=10)) as connection:
            connection.execute(begin)
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            time.sleep(seconds)
            connection.execute("ROLLBACK")
    except sqlite3.OperationalError as error:
        raise NotInjected(str(error)) from error
