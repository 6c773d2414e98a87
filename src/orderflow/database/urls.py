"""Reads database URLs as people write them, and checks what they ask for."""

import re
from collections.abc import Mapping

from psycopg import ProgrammingError
from psycopg.conninfo import make_conninfo
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from orderflow.database.dialects import transact_sql
from orderflow.database.errors import DatabaseMisconfigured, reason
from orderflow.runtime.masking import mask_urls

DRIVERS = {
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
    "sqlite": "sqlite",
    "mssql": transact_sql.DRIVER_NAME,
}

MSSQL_OPTIONS = frozenset(
    (
        *("encrypt", "trustservercertificate", "hostnameincertificate", "servercertificate", "serverspn"),
        *("multisubnetfailover", "applicationintent", "ipaddresspreference", "packetsize"),
        *("authentication", "trusted_connection"),
    )
)
"""What the URL of a SQL Server may say after its `?`, in any case. Orderflow sets everything else itself."""

_HOSTS = re.compile(r"(?P<before>[^/]+://(?:[^@]*@)?)(?P<hosts>[^/?@]*,[^/?@]*)(?P<after>[/?].*)?")
_OPTION = re.compile(r"(?:-c ?|--)(?P<name>[A-Za-z_][A-Za-z0-9_.]*)=(?P<value>.*)", re.DOTALL)


def parse_url(text: str) -> URL:
    """The URL of a database with the driver we use. Raises DatabaseMisconfigured, which never shows the
    password."""
    url = _parsed(text.strip())
    if url.get_backend_name() == "sqlite" and "?" in text:
        raise DatabaseMisconfigured(
            "a SQLite URL is a path and nothing more; a ? that belongs to the path is written %3F, a % is %25"
        )
    backend = url.get_backend_name()
    if backend not in DRIVERS:
        raise DatabaseMisconfigured(
            f"the database {backend!r} is not supported; use postgresql://, mssql:// or sqlite:///"
        )
    _CHECKS[backend](url)
    return url.set(drivername=DRIVERS[backend])


def server_options(url: URL) -> dict[str, str]:
    """The parameters in the URL's `options`, as in `?options=-c search_path=sales`.

    Raises DatabaseMisconfigured for anything but `-c name=value` and `--name=value`.
    """
    given = url.query.get("options", "")
    found: dict[str, str] = {}
    for option in _split(given if isinstance(given, str) else " ".join(given)):
        match = _OPTION.fullmatch(option)
        if match is None:
            raise DatabaseMisconfigured(
                f"the database URL's options hold {option!r}; write them as options=-c name=value"
            )
        found[match["name"].lower()] = match["value"]
    return found


def startup_options(parameters: Mapping[str, str]) -> str:
    """The parameters as PostgreSQL takes them when a session starts, with spaces escaped."""
    escaped = {name: re.sub(r"([\s\\])", r"\\\1", value) for name, value in parameters.items()}
    return " ".join(f"-c {name}={value}" for name, value in escaped.items())


def _parsed(text: str) -> URL:
    several = _HOSTS.fullmatch(text)
    try:
        if several is None:
            return make_url(text)
        # SQLAlchemy reads several hosts only from the query.
        url = make_url(f"{several['before']}{several['after'] or ''}")
        hosts = [_with_port(host) for host in several["hosts"].split(",")]
        return url.update_query_dict({"host": tuple(hosts)})
    except ArgumentError:
        raise DatabaseMisconfigured(
            "the database URL cannot be read; it looks like postgresql://user:password@host:5432/name "
            "or sqlite:///path/to/file.db"
        ) from None
    except ValueError:
        raise DatabaseMisconfigured(
            f"the database URL cannot be read: a port is a number from 1 to 65535: {mask_urls(text)}"
        ) from None


def _with_port(host: str) -> str:
    """The host with its port, or with 5432 if it has none. Raises ValueError for a port that is not valid."""
    if host.rpartition("]")[2].count(":") != 1:
        return f"{host}:5432"
    if not 0 < int(host.rpartition(":")[2]) < 65_536:
        raise ValueError(host)
    return host


def _check_file(url: URL) -> None:
    if not url.database or url.database == ":memory:":
        raise DatabaseMisconfigured("a SQLite URL needs a file: sqlite:///path/to/file.db")
    if "\0" in url.database:
        raise DatabaseMisconfigured("a SQLite URL names a file, and no file's name holds a NUL")


def _check_server(url: URL) -> None:
    if "@" in (url.host or ""):
        # Otherwise part of the password would be shown as the host's name.
        raise DatabaseMisconfigured(
            "the database URL cannot be read: write an @ in the user or the password as %40"
        )
    if not url.database:
        raise DatabaseMisconfigured(
            f"the database URL names no database: {mask_urls(url.render_as_string())}; add /name at its end"
        )
    if url.port is not None and not 0 < url.port < 65_536:
        raise DatabaseMisconfigured(
            f"the database URL cannot be read: a port is a number from 1 to 65535, not {url.port}"
        )


def _check_postgresql(url: URL) -> None:
    _check_server(url)
    server_options(url)
    names = [name for name in url.query if name not in ("host", "port")]
    try:
        make_conninfo("", **dict.fromkeys(names, ""))
    except ProgrammingError as error:
        raise DatabaseMisconfigured(f"the database URL cannot be used: {reason(error)}") from None


def _check_mssql(url: URL) -> None:
    _check_server(url)
    if "host" in url.query:
        raise DatabaseMisconfigured(
            "the URL of a SQL Server names one host, with its port after a colon: for a server that can fail "
            "over, that of its listener"
        )
    if unknown := sorted(name for name in url.query if name.lower() not in MSSQL_OPTIONS):
        raise DatabaseMisconfigured(
            f"the database URL cannot be used: {', '.join(unknown)} is not among "
            f"{', '.join(sorted(MSSQL_OPTIONS))}"
        )


_CHECKS = {
    "postgresql": _check_postgresql,
    "postgres": _check_postgresql,
    "sqlite": _check_file,
    "mssql": _check_mssql,
}


def _split(options: str) -> list[str]:
    """Split at spaces without a backslash before them; a `-c` is joined with what follows it."""
    words = [re.sub(r"\\(.)", r"\1", word) for word in re.findall(r"(?:\\.|[^\s\\])+", options)]
    joined: list[str] = []
    for word in words:
        if joined and joined[-1] == "-c":
            joined[-1] = f"-c {word}"
        else:
            joined.append(word)
    return joined
