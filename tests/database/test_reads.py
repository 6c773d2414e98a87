"""Reads wait for a thread, in a bounded number and for a bounded time."""

import asyncio
import threading

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from orderflow.database.engine import READ_THREADS, READ_WAIT_S_MAX, Database, DatabaseUnavailable, Reader


def one(connection: Connection) -> int:
    return connection.scalar(sa.text("SELECT 1")) or 0


def test_a_read_that_waited_too_long_is_refused_and_the_next_one_is_not_behind_it(database: Database) -> None:
    now_s = 0.0
    free = threading.Event()

    def hang(connection: Connection) -> int:
        free.wait()
        return one(connection)

    async def scenario() -> None:
        nonlocal now_s
        reader = Reader(database, monotonic=lambda: now_s)
        hanging = [asyncio.ensure_future(reader.run(hang)) for _ in range(READ_THREADS)]
        late = asyncio.ensure_future(reader.run(one))
        await asyncio.sleep(0.05)
        now_s += READ_WAIT_S_MAX + 0.1
        fresh = asyncio.ensure_future(reader.run(one))
        await asyncio.sleep(0)
        free.set()
        assert await asyncio.gather(*hanging) == [1] * READ_THREADS
        with pytest.raises(DatabaseUnavailable, match="has waited 5 s"):
            await late
        assert await fresh == 1
        reader.close()

    asyncio.run(scenario())
