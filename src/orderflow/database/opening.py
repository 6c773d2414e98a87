"""Opens a context's database when a role starts: waits for it, migrates or checks it, and keeps other
processes away from its file."""

from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from orderflow.database import migrate
from orderflow.database.engine import Database, connect
from orderflow.database.errors import DatabaseMisconfigured, SchemaMismatch
from orderflow.database.migrate import Schema
from orderflow.database.migration_plan import Plan, plan
from orderflow.database.sqlite_engine import same_file, sole_use
from orderflow.database.urls import parse_url
from orderflow.runtime.settings_error import SettingsError


@dataclass(frozen=True, slots=True)
class Source:
    """Where the database of a context is, and which setting says so."""

    schema: Schema
    url: str = field(repr=False)
    """With its password."""
    setting: str
    wait_s: float
    """How long a database that does not answer yet is waited for."""

    @contextmanager
    def naming_the_setting(self) -> Generator[None]:
        """A database that is misconfigured raises a SettingsError that names the setting."""
        try:
            yield
        except SchemaMismatch:
            raise
        except DatabaseMisconfigured as error:
            raise SettingsError(f"{self.setting}: {error}") from None


@contextmanager
def opened(source: Source, *, application: str | None = None) -> Generator[Database]:
    """The database, with connections that open when they are needed. `application` is its client's name, by
    default the context's. Raises SettingsError."""
    with source.naming_the_setting():
        database = connect(source.url, application=application or f"orderflow-{source.schema.name}")
    try:
        yield database
    finally:
        database.dispose()


@contextmanager
def prepared(source: Source, *, migrates: bool) -> Generator[Database]:
    """The database, once it answers and has the newest schema. Raises SettingsError, DatabaseUnavailable, and
    SchemaMismatch if it would have to be migrated and `migrates` is False."""
    with opened(source) as database:
        with source.naming_the_setting():
            migrate.wait_for(database, source.schema, seconds_max=source.wait_s)
            if migrates:
                migrate.migrate(database, source.schema)
            else:
                migrate.check(database, source.schema)
        yield database


def migrated(source: Source, *, contract: bool) -> tuple[list[str], Plan]:
    """Bring the database to the newest schema, or only expand it; returns the revisions that were applied,
    and what is left. Raises as `prepared`."""
    with _for_migration(source) as database:
        return migrate.migrate(database, source.schema, contract=contract), plan(database, source.schema)


def planned(source: Source) -> Plan:
    """What `migrated` would do. Raises as `prepared`."""
    with _for_migration(source) as database:
        return plan(database, source.schema)


@contextmanager
def _for_migration(source: Source) -> Generator[Database]:
    application = f"orderflow-migrate-{source.schema.name}"
    with opened(source, application=application) as database, source.naming_the_setting():
        migrate.wait_for(database, source.schema, seconds_max=source.wait_s)
        yield database


@contextmanager
def sole_use_of_files(sources: Sequence[Source], others: Sequence[Path]) -> Generator[None]:
    """Keep other processes away from the databases that are files, and from the `others`. Raises
    SettingsError if a file is used twice."""
    files = list(others)
    with ExitStack() as stack:
        for file in files:
            stack.enter_context(sole_use(file))
        for source in sources:
            with source.naming_the_setting():
                url = parse_url(source.url)
                if url.get_backend_name() != "sqlite":
                    continue
                file = Path(str(url.database))
                if any(same_file(file, other) for other in files):
                    raise DatabaseMisconfigured(f"{file} is used for something else already: name another")
                stack.enter_context(sole_use(file))
                files.append(file)
        yield
