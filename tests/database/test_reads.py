"""Reads wait for a thread, in a bounded number and for a bounded time."""

import asyncio
import threading

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

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


class Deadlock(Exception):
    """As the driver of PostgreSQL raises it."""

    __module__ = "psycopg.errors"
    sqlstate = "40P01"


@pytest.mark.parametrize("times", [1, 2])
def test_a_query_that_gave_in_to_a_writer_is_tried_once_more(database: Database, times: int) -> None:
    tries = 0

    def give_in(connection: Connection) -> int:
        nonlocal tries
        tries += 1
        if tries <= times:
            raise DBAPIError("SELECT", None, Deadlock("deadlock detected"))
        return one(connection)

    reader = Reader(database)
    if times == 1:
        assert asyncio.run(reader.run(give_in)) == 1
    else:
        with pytest.raises(DatabaseUnavailable, match="deadlock detected"):
            asyncio.run(reader.run(give_in))
    assert tries == 2
    reader.close()
