"""`config show` and `config check`: what the settings are, and whether the parts they name can be used."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import quote

from cyclopts import Parameter

from orderflow.cli.terminal import WrongUse, add_row, as_json, complain, write_line, write_rich
from orderflow.runtime.masking import mask_urls

if TYPE_CHECKING:  # each costs more time than `orderflow version` may take
    from orderflow.database.engine import Database
    from orderflow.database.migrate import Schema
    from orderflow.settings import Settings

BROKER_TIMEOUT_S = 5.0

Json = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON instead.")]


@dataclass(frozen=True, slots=True)
class Finding:
    """One part, whether it can be used, and a text that says what was found or what to do."""

    part: str
    ok: bool
    text: str


def load_settings() -> Settings:
    """The settings. Variables that mean nothing are named on stderr. Raises WrongUse for invalid settings."""
    from orderflow import settings

    for name in settings.unknown_variables():
        complain(f"warning: {name} is no setting and is ignored; `orderflow config show` lists them")
    if links := settings.service_links():
        complain(
            f"warning: {', '.join(links)}: ignored, they describe a Kubernetes service and are no settings "
            "(`enableServiceLinks: false` leaves them out)"
        )
    try:
        return settings.load()
    except settings.SettingsError as error:
        raise WrongUse(str(error)) from None


def show(*, json: Json = False) -> int:
    """Print every setting with its value and where it comes from. Secrets are not shown."""
    settings = load_settings()
    from orderflow.settings import PREFIX, service_links, shown

    given = {PREFIX + name.upper() for name in settings.model_fields_set}
    environment = {name.upper() for name, value in os.environ.items() if value}.difference(service_links())
    rows: list[dict[str, Any]] = [
        {
            "name": name,
            "value": value,
            "source": "environment"
            if name in given & environment
            else "file"
            if name in given
            else "default",
        }
        for name, value in shown(settings).items()
    ]
    if json:
        write_line(as_json(rows))
        return 0
    from rich.table import Table

    table = Table("variable", "value", "from", box=None, pad_edge=False)
    for row in rows:
        add_row(table, row["name"], "" if row["value"] is None else str(row["value"]), row["source"])
    write_rich(table)
    return 0


def check(*, json: Json = False) -> int:
    """Validate the settings and try the databases and the bus. Nothing is created or changed."""
    settings = load_settings()
    from orderflow.runtime.telemetry import configure_logging

    configure_logging(settings.log_format, "ERROR", "config-check")
    findings = [
        _tried("settings", lambda: "valid"),
        _tried("orders database", lambda: _database(settings, "orders")),
        _tried("fulfillment database", lambda: _database(settings, "fulfillment")),
        _tried("bus", lambda: _bus(settings)),
    ]
    if json:
        write_line(as_json([asdict(finding) for finding in findings]))
    else:
        for finding in findings:
            write_line(f"{'ok    ' if finding.ok else 'WRONG '} {finding.part}: {finding.text}")
    return 0 if all(finding.ok for finding in findings) else 1


def _tried(part: str, attempt: Callable[[], str]) -> Finding:
    from orderflow.database.engine import DatabaseMisconfigured, DatabaseUnavailable
    from orderflow.messaging import BusMisconfigured, BusUnavailable

    try:
        return Finding(part, True, attempt())
    except DatabaseUnavailable as error:
        return Finding(part, False, f"cannot be reached: {error}; start it, or mend the URL")
    except BusUnavailable as error:
        return Finding(part, False, f"{error}; start it, or mend ORDERFLOW_BUS_URL")
    except (DatabaseMisconfigured, BusMisconfigured) as error:
        return Finding(part, False, mask_urls(str(error)))
    except OSError as error:
        return Finding(part, False, f"{error}; name another directory in ORDERFLOW_DATA_DIR")


def _database(settings: Settings, context: Literal["orders", "fulfillment"]) -> str:
    from orderflow.database import engine, migrate
    from orderflow.fulfillment.migrations import SCHEMA as FULFILLMENT
    from orderflow.orders.migrations import SCHEMA as ORDERS

    url_text = settings.orders_database if context == "orders" else settings.fulfillment_database
    url = engine.parse_url(url_text)
    if url.get_backend_name() != "sqlite":
        database = engine.connect(url_text, application="orderflow-config-check")
    elif (path := Path(str(url.database))).exists():
        database = _read_only(path)
    else:
        _require_writable(path.parent)
        return f"{url.database} does not exist yet; `orderflow up` makes it"
    try:
        schema = ORDERS if context == "orders" else FULFILLMENT
        migrate.wait_for(database, schema, seconds_max=0)
        return _schema(settings, database, schema)
    finally:
        database.dispose()


def _read_only(path: Path) -> Database:
    """Opens the file read-only. The usual engine would change it, even while `up` is using it."""
    import sqlalchemy as sa

    from orderflow.database.engine import Database

    url = sa.URL.create("sqlite", database=f"file:{quote(str(path))}", query={"mode": "ro", "uri": "true"})
    engine = sa.create_engine(url)
    return Database(url, writer=engine, reader=engine)


def _schema(settings: Settings, database: Database, schema: Schema) -> str:
    import sqlalchemy as sa

    from orderflow.database import migrate

    needed = migrate.newest(schema)
    with database.reader.connect() as connection:
        found = migrate.current(connection, schema)
        empty = found is None and not sa.inspect(connection).get_table_names()
    known = {script.revision for script in migrate.scripts(schema).walk_revisions()}
    if found != needed and settings.migrates_at_start and (empty or found in known):
        return f"reachable, schema {found or 'none'}: brought to {needed} at the next start"
    migrate.check(database, schema)
    return f"reachable, schema {found}"


def _bus(settings: Settings) -> str:
    if settings.bus_url == "embedded:":
        _require_writable(settings.data_dir)
        return f"embedded, in {settings.data_dir}"
    from orderflow.messaging import PARTITIONS
    from orderflow.messaging.kafka import bootstrap_servers, partitions_of, too_small

    bootstrap = bootstrap_servers(settings.bus_url)
    topic = settings.orders_topic
    found = partitions_of(bootstrap, topic, timeout_s=BROKER_TIMEOUT_S)
    if found is None:
        return f"{bootstrap} answers; topic {topic} is made at the first start"
    if found < PARTITIONS:
        return f"{bootstrap} answers; grown at the next start if we may: {too_small(topic, found)}"
    return f"{bootstrap} answers; topic {topic} has {found} partitions"


def _require_writable(directory: Path) -> None:
    """Raises OSError unless files can be made in the directory, or in its nearest parent that exists: the
    directory is made at start."""
    directory = directory.resolve()
    while not directory.exists():
        directory = directory.parent
    with tempfile.TemporaryFile(dir=directory):
        pass
