"""`config show` and `config check`: what the settings are, and whether the parts they name can be used."""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import quote

from cyclopts import Parameter, Token

from orderflow.cli.terminal import WrongUse, add_row, as_json, complain, write_line, write_rich
from orderflow.runtime.masking import mask_urls

if TYPE_CHECKING:  # each costs more time than `orderflow version` may take
    from orderflow.database.engine import Database
    from orderflow.database.migrate import Schema
    from orderflow.settings import Loaded, Role, Settings

BROKER_TIMEOUT_S = 5.0


def _whole(_type: object, tokens: Sequence[Token]) -> int:
    """The number. By itself, cyclopts would round 1.5 to 2."""
    if not _WHOLE.fullmatch(tokens[0].value):
        raise ValueError(f"{tokens[0].value!r} is not a whole number of at most 20 digits")
    return int(tokens[0].value)


_WHOLE = re.compile(r"-?[0-9]{1,20}")
Whole = Annotated[int, Parameter(converter=_whole)]
Json = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON instead.")]
JsonArray = Annotated[
    bool, Parameter(name="--json", negative="", help="Print a JSON array instead, with one entry a line.")
]

_SPAN = re.compile(r"([0-9]{1,5})([mhd])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def span(given: str) -> timedelta | None:
    """The time that 30m, 24h or 7d last; None for any other text."""
    found = _SPAN.fullmatch(given)
    return None if found is None else timedelta(**{_UNITS[found[2]]: int(found[1])})


def ago(given: str) -> datetime | None:
    """The time so long ago, for 30m, 24h or 7d; None for any other text."""
    lasts = span(given)
    return None if lasts is None else datetime.now(UTC) - lasts


Level = Literal["ok", "warning", "wrong"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One part or variable, and a text that says what was found, or what is wrong and what to do. `wrong`
    keeps a role from starting."""

    part: str
    level: Level
    text: str


def load_settings(role: Role | None = None) -> Settings:
    """The settings. What is unwise about them is told on stderr. Raises WrongUse for settings that are wrong,
    or with which the role must not start."""
    from orderflow import settings

    if links := settings.service_links():
        complain(
            f"warning: {', '.join(links)}: ignored, they describe a Kubernetes service and are no settings "
            "(`enableServiceLinks: false` leaves them out)"
        )
    try:
        loaded = settings.load_with_origins()
    except settings.SettingsError as error:
        raise WrongUse(str(error)) from None
    for warning in loaded.warnings:
        complain(f"warning: {warning}")
    if role and (refused := settings.refusals(loaded, role)):
        raise WrongUse("\n".join(map(str, refused)))
    return loaded.settings


def show(*, json: Json = False) -> int:
    """Print every setting with its value and where it comes from. Secrets are not shown."""
    from orderflow.settings import PREFIX, SettingsError, load_with_origins, shown

    try:
        loaded = load_with_origins()
    except SettingsError as error:
        raise WrongUse(str(error)) from None
    rows: list[dict[str, Any]] = []
    for name, value in shown(loaded.settings).items():
        origin = loaded.origin(name.removeprefix(PREFIX).lower())
        rows.append({"name": name, "value": value, "source": origin.source, "where": origin.where or None})
    if json:
        write_line(as_json(rows))
        return 0
    from rich.table import Table

    table = Table("variable", "value", "from", box=None, pad_edge=False)
    for row in rows:
        origin = f"{row['source']} {row['where'] or ''}".rstrip()
        add_row(table, row["name"], _written(row["value"]), origin)
    write_rich(table)
    return 0


def _written(value: object) -> str:
    """A value as it is written in the environment."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return "" if value is None else str(value)


def check(
    role: Annotated[
        Literal["up", "api", "relay", "fulfillment"], Parameter(help="The role that is to run.")
    ] = "up",
    /,
    *,
    json: Json = False,
) -> int:
    """Say whether a role would start with these settings, and what to do if not. Exit 1 if it would not.
    Nothing is created or changed."""
    from orderflow.settings import SettingsError, load_with_origins

    try:
        findings = _findings(load_with_origins(), role)
    except SettingsError as error:
        lines = [line.partition(": ") for line in str(error).splitlines()]
        findings = [Finding(name, "wrong", text) for name, _, text in lines]
    if json:
        write_line(
            as_json(
                [
                    {"part": each.part, "ok": each.level != "wrong", "level": each.level, "text": each.text}
                    for each in findings
                ]
            )
        )
    else:
        for each in findings:
            level = each.level if each.level == "ok" else each.level.upper()
            write_line(f"{level:<7} {each.part}: {each.text}")
    return 1 if any(each.level == "wrong" for each in findings) else 0


def _findings(loaded: Loaded, role: Role) -> list[Finding]:
    from orderflow.runtime.telemetry import configure_logging
    from orderflow.settings import plain_text, refusals

    settings = loaded.settings
    configure_logging(settings.log_format, "ERROR", "config-check")
    refused = [Finding(each.variable, "wrong", each.text) for each in refusals(loaded, role)]
    warned = [warning.partition(": ") for warning in loaded.warnings]
    environment = (
        f"{settings.env}, {'' if loaded.is_named('env') else 'as nothing else is said, '}for `{role}`"
    )
    parts: list[tuple[bool, str, Callable[[], str]]] = [
        (role != "fulfillment", "orders database", lambda: _database(settings, "orders")),
        (role in ("up", "fulfillment"), "fulfillment database", lambda: _database(settings, "fulfillment")),
        (True, "bus", lambda: _bus(settings)),
    ]
    takes_tokens = role != "relay" and settings.asks_who_calls
    return [
        Finding("settings", "ok", f"valid; the environment is {environment}"),
        *refused,
        *(Finding(name, "warning", text) for name, _, text in warned),
        *(Finding(each.variable, "warning", each.text) for each in plain_text(settings, role)),
        *(_tried(part, attempt) for matters, part, attempt in parts if matters),
        *_topics(settings),
        *(_token_keys(settings) if takes_tokens else ()),
        *_certificates(settings),
    ]


def _tried(part: str, attempt: Callable[[], str]) -> Finding:
    from orderflow.database.engine import DatabaseMisconfigured, DatabaseUnavailable
    from orderflow.messaging import BusMisconfigured, BusUnavailable

    try:
        return Finding(part, "ok", attempt())
    except DatabaseUnavailable as error:
        return Finding(part, "wrong", f"cannot be reached: {error}; start it, or mend the URL")
    except BusUnavailable as error:
        return Finding(part, "wrong", f"{error}; start it, or mend ORDERFLOW_BUS_URL")
    except (DatabaseMisconfigured, BusMisconfigured) as error:
        return Finding(part, "wrong", mask_urls(str(error)))
    except OSError as error:
        return Finding(part, "wrong", f"{error}; name another directory in ORDERFLOW_DATA_DIR")


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
    from orderflow.database import migrate
    from orderflow.database.phases import known_revisions

    newest = migrate.newest(schema)
    found = migrate.usable_schema(database, schema)
    is_known = found is None or found in known_revisions(migrate.scripts(schema))
    if is_known and found != newest and settings.migrates_at_start:
        return f"reachable, schema {found or 'none'}: brought to {newest} at the next start"
    migrate.check(database, schema)
    return f"reachable, schema {found}{'' if is_known else ', newer than this program, which can work on it'}"


def _bus(settings: Settings) -> str:
    if settings.bus_url == "embedded:":
        _require_writable(settings.data_dir)
        return f"embedded, in {settings.data_dir}"
    from orderflow.messaging import PARTITIONS
    from orderflow.messaging.connect import kafka_security
    from orderflow.messaging.kafka import bootstrap_servers, partitions_of, too_small

    bootstrap = bootstrap_servers(settings.bus_url)
    topic = settings.orders_topic
    security = kafka_security(settings)
    found = partitions_of(bootstrap, topic, timeout_s=BROKER_TIMEOUT_S, settings=security)
    if found is None:
        return f"{bootstrap} answers; topic {topic} is made at the first start"
    if found < PARTITIONS:
        return f"{bootstrap} answers; grown at the next start if we may: {too_small(topic, found)}"
    return f"{bootstrap} answers; topic {topic} has {found} partitions"


def _topics(settings: Settings) -> list[Finding]:
    """A warning beyond dev if the brokers make topics by themselves: a deleted topic would come back with one
    partition. A role starts nevertheless, and makes the topic large enough."""
    from orderflow.messaging import BusMisconfigured, BusUnavailable
    from orderflow.messaging.connect import kafka_security
    from orderflow.messaging.kafka import bootstrap_servers, makes_topics_by_itself

    if settings.env == "dev" or settings.bus_url == "embedded:":
        return []
    try:
        bootstrap = bootstrap_servers(settings.bus_url)
        security = kafka_security(settings)
        if not makes_topics_by_itself(bootstrap, timeout_s=BROKER_TIMEOUT_S, settings=security):
            return []
    except (BusMisconfigured, BusUnavailable):  # it has been told already
        return []
    text = (
        "the brokers make topics by themselves, with one partition; set their auto.create.topics.enable=false"
    )
    return [Finding("topics", "warning", text)]


def _token_keys(settings: Settings) -> list[Finding]:
    """Fetches the issuer's keys. A role starts without them, and takes no token until it has them."""
    from orderflow.runtime.tls import ClientTls
    from orderflow.security.signing_keys import FETCH_ERRORS, fetching, usable_keys, why_not

    if settings.jwt_jwks_url is None:
        return []
    try:
        found = usable_keys(asyncio.run(fetching(settings.jwt_jwks_url, ClientTls(settings.ca))()))
    except FETCH_ERRORS as error:
        text = f"cannot be fetched: {why_not(error)}; no token is taken until they can"
        return [Finding("token keys", "warning", text)]
    return [Finding("token keys", "ok", f"{len(found)} at {mask_urls(settings.jwt_jwks_url)}")]


def _certificates(settings: Settings) -> list[Finding]:
    """A warning for each certificate of ours that expires soon."""
    from orderflow.runtime.tls import expires_soon

    now = datetime.now(UTC)
    named = {"ORDERFLOW_TLS_CERT": settings.tls_cert, "ORDERFLOW_KAFKA_CERT": settings.kafka_cert}
    found: list[Finding] = []
    for variable, file in named.items():
        if file is not None and (until := expires_soon(file, now)) is not None:
            when = f"expires in {(until - now).days} days" if until > now else "has expired"
            text = f"the certificate in {file} {when}, on {until:%Y-%m-%d}: renew it"
            found.append(Finding(variable, "warning", text))
    return found


def _require_writable(directory: Path) -> None:
    """Raises OSError unless files can be made in the directory, or in its nearest parent that exists: the
    directory is made at start."""
    directory = directory.resolve()
    while not directory.exists():
        directory = directory.parent
    with tempfile.TemporaryFile(dir=directory):
        pass
