"""`keys create`, `list` and `revoke`: API keys, in the databases of both services."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from getpass import getuser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from orderflow.cli.configuration import Json, JsonArray, load_settings
from orderflow.cli.terminal import (
    CommandFailed,
    WrongUse,
    as_json,
    complain,
    write_line,
    write_list,
    write_table,
)

if TYPE_CHECKING:  # SQLAlchemy costs more time than `orderflow version` may take
    from orderflow.contracts.scopes import Scope
    from orderflow.security.stores import KeyStores

_DURATION = re.compile(r"(?P<number>[1-9][0-9]{0,4})(?P<unit>[dh])")
_UNITS = {"d": timedelta(days=1), "h": timedelta(hours=1)}
EXPIRES_MAX = timedelta(days=3_650)


def create(
    *,
    name: Annotated[str, Parameter(help="Who will use it; the timeline shows this name.")],
    scope: Annotated[
        list[str],
        Parameter(help="What it allows; repeat it for several.", negative_iterable="", consume_multiple=True),
    ],
    customer: Annotated[
        str | None, Parameter(help="Bind it to a customer: it sees and places this customer's orders only.")
    ] = None,
    expires: Annotated[str | None, Parameter(help="How long it is valid, as in 90d or 12h.")] = None,
    key_file: Annotated[
        Path | None,
        Parameter(help="Store the key in this file instead of making one; may be repeated."),
    ] = None,
    json: Json = False,
) -> int:
    """Make an API key and show it, this once. It works as soon as it is shown."""
    from orderflow.security import keys

    now = datetime.now(UTC)
    text = keys.new_text() if key_file is None else _given(key_file)
    if not keys.is_name(name):
        raise WrongUse("--name takes 1 to 64 letters, digits and . _ @ / -, and neither anonymous nor client")
    key = keys.NewKey(text, name, _scopes(scope, customer), _customer(customer), now, _end(expires, now))
    with _stores() as stores:
        stores.add(key)
    # By now every process may have read the keys before this one was there; each reads them again this soon.
    from orderflow.security.key_ring import REFRESH_S

    time.sleep(REFRESH_S)
    if json:
        write_line(as_json({"key": key.text if key_file is None else None, "id": f"of_{key.prefix}"}))
    elif key_file is not None:
        write_line(f"of_{key.prefix}: valid")
    else:
        write_line(key.text)
        complain("keep it safe: it is not shown again. Send it as `Authorization: Bearer KEY`.")
    return 0


def list_keys(
    *,
    json: JsonArray = False,
) -> int:
    """List all keys, without the keys themselves."""
    with _stores() as stores:
        found = [_shown(key) for key in stores.listed()]
    if json:
        write_list(found)
    else:
        for key in found:
            key["scopes"] = " ".join(key["scopes"])
            key["state"] = _state(key)
        write_table(found, ("id", "name", "scopes", "customerId", "state", "expiresAt", "lastUsedAt"))
    return 0


def revoke(key: Annotated[str, Parameter(name="ID", help="Its id, as of_0123456789.")], /) -> int:
    """Revoke a key. Within a second no process accepts it any more."""
    from orderflow.security import keys

    try:
        prefix = keys.prefix_of(key)
    except ValueError as error:
        raise WrongUse(f"ID: {error}, as `orderflow keys list` shows it") from None
    with _stores() as stores:
        if not stores.revoke(prefix, datetime.now(UTC)):
            raise CommandFailed(f"there is no key of_{prefix}")
    write_line(f"of_{prefix}: revoked")
    return 0


@contextmanager
def _stores() -> Generator[KeyStores]:
    from orderflow.app import key_stores
    from orderflow.cli.roles import expected_errors
    from orderflow.runtime.telemetry import configure_logging
    from orderflow.security.keys import KeyTaken, TooManyKeys
    from orderflow.security.stores import KeyStores

    settings = load_settings()
    configure_logging(settings.log_format, "ERROR", "orderflow-keys")
    with expected_errors():
        try:
            yield KeyStores(key_stores(settings), settings.migrates_at_start, _actor())
        except (KeyTaken, TooManyKeys) as error:
            raise CommandFailed(str(error)) from None


def _actor() -> str:
    """Who is at the command line, for the audit log: no key of theirs says so. In a container the user may
    have no name."""
    try:
        user = getuser()
    except (KeyError, OSError):
        user = f"user {os.getuid()}"
    return f"command line ({user})"


def _given(file: Path) -> str:
    from orderflow.security import keys

    try:
        text = file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandFailed(f"{file} cannot be read: {error}") from None
    if not keys.is_key(text):
        raise WrongUse(f"{file} has no key: of_, 10 hexadecimal digits, _, 43 characters of base64url")
    return text


def _scopes(given: list[str], customer: str | None) -> frozenset[Scope]:
    from orderflow.contracts.scopes import OF_CUSTOMERS, Scope

    try:
        scopes = frozenset(Scope(scope) for scope in given)
    except ValueError:
        raise WrongUse(f"--scope takes {', '.join(Scope)}") from None
    if customer is not None and not scopes <= OF_CUSTOMERS:
        raise WrongUse(f"with --customer, --scope takes {' and '.join(sorted(OF_CUSTOMERS))} only")
    return scopes


def _customer(given: str | None) -> str | None:
    from pydantic import TypeAdapter, ValidationError

    from orderflow.contracts.orders_api import Id

    try:
        return None if given is None else TypeAdapter[str](Id).validate_python(given)
    except ValidationError:
        raise WrongUse(
            "--customer takes a customer id: 1 to 200 printable characters, no white space at the end"
        ) from None


def _end(expires: str | None, now: datetime) -> datetime | None:
    if expires is None:
        return None
    found = _DURATION.fullmatch(expires)
    lifetime = int(found["number"]) * _UNITS[found["unit"]] if found else None
    if lifetime is None or lifetime > EXPIRES_MAX:
        raise WrongUse(f"--expires takes hours or days, as in 12h or 90d, up to {EXPIRES_MAX.days}d")
    return now + lifetime


def _state(key: dict[str, Any]) -> str:
    if not key["services"]:
        return "revoked"
    if key["expiresAt"] is not None and datetime.fromisoformat(key["expiresAt"]) <= datetime.now(UTC):
        return "expired"
    return "valid" if len(key["services"]) > 1 else "half made or half revoked: revoke it"


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    from orderflow.contracts.instants import utc_text

    times = {
        name: None if row[column] is None else utc_text(row[column])
        for name, column in (
            ("createdAt", "created_at"),
            ("expiresAt", "expires_at"),
            ("revokedAt", "revoked_at"),
            ("lastUsedAt", "last_used_at"),
        )
    }
    return {
        "id": f"of_{row['prefix']}",
        "name": row["name"],
        "scopes": row["scopes"].split(),
        "customerId": row["customer_id"],
        **times,
        "services": row["services"],
    }
