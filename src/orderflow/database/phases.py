"""Which migrations may run while processes of the release before still do.

A migration expands the schema: it adds what the release before does not know and does not miss. One that
takes something away, or demands something new, says `contract = True` in its module. It comes after the
expansions of its release, and is only applied once no process of the release before runs.

The database keeps the newest contraction that it has seen. A program that does not know the database's
schema, because a newer release has migrated it, can still work on it if it knows that contraction: all that
it does not know are expansions. So a release can be taken back until the schema is contracted.
"""

from itertools import takewhile

import sqlalchemy as sa
from alembic.script import Script, ScriptDirectory
from sqlalchemy.engine import Connection

from orderflow.database.errors import SchemaMismatch


def is_contraction(step: Script) -> bool:
    return getattr(step.module, "contract", False) is True


def known_revisions(script: ScriptDirectory) -> set[str]:
    """All that this program has."""
    return {step.revision for step in script.walk_revisions()}


def pending(script: ScriptDirectory, found: str | None) -> list[Script]:
    """The migrations that a database with that schema lacks, oldest first."""
    return list(reversed(list(script.iterate_revisions("heads", found or "base"))))


def due(script: ScriptDirectory, found: str | None, *, contract: bool) -> list[Script]:
    """Those of the pending migrations to apply now: all of them to a database that has no schema yet, or if
    it may be contracted, else the expansions. Raises SchemaMismatch if an expansion builds on a contraction.
    """
    steps = pending(script, found)
    if contract or found is None:
        return steps
    expansions = list(takewhile(lambda step: not is_contraction(step), steps))
    later = [step.revision for step in steps[len(expansions) :] if not is_contraction(step)]
    if later:
        contraction = steps[len(expansions)].revision
        raise SchemaMismatch(
            f"migration {later[0]} builds on {contraction}, which takes away what earlier releases use: stop "
            "every process of an earlier release, then run `orderflow migrate --contract`"
        )
    return expansions


def needed(script: ScriptDirectory) -> str:
    """The oldest schema that the program can work on: with all expansions."""
    expansions = (step.revision for step in script.walk_revisions() if not is_contraction(step))
    return next(expansions)


def kept_in(name: str) -> sa.Table:
    """The table with the newest contraction; it has no row as long as there was none."""
    return sa.Table(name, sa.MetaData(), sa.Column("revision", sa.String(32), primary_key=True))


def keep_contraction(connection: Connection, table: sa.Table, script: ScriptDirectory, found: str) -> None:
    """Keep the newest contraction of a database with that schema."""
    steps = script.iterate_revisions(found, "base")
    newest = next((step.revision for step in steps if is_contraction(step)), None)
    table.create(connection, checkfirst=True)
    kept = connection.scalar(sa.select(table.c.revision))
    if newest is not None and kept is None:
        connection.execute(sa.insert(table).values(revision=newest))
    elif newest != kept:
        connection.execute(sa.update(table).values(revision=newest))


def can_work_on_newer(connection: Connection, table: sa.Table, known: set[str]) -> bool:
    """Whether a program that knows these migrations can work on a database that has others besides."""
    if not sa.inspect(connection).has_table(table.name):
        return False
    kept = connection.scalar(sa.select(table.c.revision))
    return kept is None or kept in known
