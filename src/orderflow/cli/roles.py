"""Commands that run a part until it is stopped, and the migration that must come first."""

from __future__ import annotations

import math
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from orderflow.cli.configuration import load_settings
from orderflow.cli.terminal import CommandFailed, WrongUse, write_line


def up() -> int:
    """Run everything in one process with embedded parts, until SIGTERM or Ctrl-C."""
    settings = load_settings()
    from orderflow.app import run_up

    with _expected_errors():
        return run_up(settings)


def api() -> int:
    """Run the Order Service in ORDERFLOW_API_WORKERS processes, on a database server and Kafka."""
    settings = load_settings()
    from orderflow.app import run_api

    with _expected_errors():
        return run_api(settings)


def relay() -> int:
    """Run one relay, from the outbox to Kafka; any number may run."""
    settings = load_settings()
    from orderflow.app import run_relay

    with _expected_errors():
        return run_relay(settings)


def fulfillment() -> int:
    """Run one fulfillment worker with its own HTTP; any number may run."""
    settings = load_settings()
    from orderflow.app import run_fulfillment

    with _expected_errors():
        return run_fulfillment(settings)


def migrate() -> int:
    """Bring both databases to the newest schema. Safe to repeat, and to run twice at once."""
    settings = load_settings()
    from orderflow.app import run_migrate
    from orderflow.runtime.telemetry import configure_logging

    configure_logging(settings.log_format, settings.log_level, "orderflow-migrate")
    with _expected_errors():
        applied = run_migrate(settings)
    for context, revisions in applied.items():
        write_line(f"{context}: {', '.join(revisions) if revisions else 'nothing to apply'}")
    return 0


def carrier_sim(
    *,
    ledger: Annotated[Path, Parameter(help="SQLite file that keeps every shipment ever made.")],
    port: Annotated[int, Parameter(help="0 takes a free one.")] = 8090,
    host: str = "127.0.0.1",
    delay_ms: Annotated[str, Parameter(help="Delay of each answer in ms, uniform: LOW-HIGH.")] = "0-0",
    failure_rate: Annotated[float, Parameter(help="Share of orders that are rejected, 0 to 1.")] = 0.0,
    error_rate: Annotated[float, Parameter(help="Share of calls that fail transiently, 0 to 1.")] = 0.0,
    seed: Annotated[int, Parameter(help="With the order id it decides what is rejected.")] = 0,
    key_lifetime_s: Annotated[
        float | None, Parameter(help="Forget idempotency keys after so many seconds; never if absent.")
    ] = None,
) -> int:
    """Run a simulated carrier with a durable ledger, until SIGTERM or Ctrl-C."""
    low, dash, high = delay_ms.partition("-")
    if not (dash and delay_ms.isascii() and low.isdecimal() and high.isdecimal()):
        raise WrongUse("--delay-ms takes LOW-HIGH in milliseconds, such as 0-0 or 1000-5000")
    if not 0 <= port <= 65535:
        raise WrongUse("--port takes 0 to 65535")
    for option, share in (("--failure-rate", failure_rate), ("--error-rate", error_rate)):
        if not 0 <= share <= 1:
            raise WrongUse(f"{option} takes 0 to 1")
    from orderflow.settings import SEED_MAX, SEED_MIN

    if not SEED_MIN <= seed <= SEED_MAX:
        raise WrongUse(f"--seed takes {SEED_MIN} to {SEED_MAX}")
    if key_lifetime_s is not None and not 0 < key_lifetime_s < math.inf:
        raise WrongUse("--key-lifetime-s takes a number of seconds above 0")
    import sqlite3

    from orderflow.simulators.carrier_server import run_carrier_sim

    try:
        run_carrier_sim(
            host=host,
            port=port,
            delay_ms=(int(low), int(high)),
            failure_rate=failure_rate,
            error_rate=error_rate,
            seed=seed,
            ledger=ledger,
            key_lifetime_s=key_lifetime_s,
        )
    except ValueError as error:
        raise WrongUse(str(error)) from None
    except OSError as error:
        raise CommandFailed(f"cannot listen on {host}:{port}: {error.strerror or error}") from None
    except sqlite3.Error as error:
        raise CommandFailed(f"the ledger {ledger} cannot be opened: {error}") from None
    return 0


@contextmanager
def _expected_errors() -> Generator[None]:
    """Turns errors that a role is expected to end with into one line each."""
    from orderflow.database.errors import DatabaseMisconfigured, DatabaseUnavailable, SchemaMismatch
    from orderflow.messaging import BusMisconfigured, BusUnavailable
    from orderflow.runtime.health import LoopDied, LoopStalled
    from orderflow.runtime.processes import DataDirInUse
    from orderflow.runtime.settings_error import SettingsError
    from orderflow.web.server import AddressUnavailable

    try:
        yield
    except DatabaseUnavailable as error:
        raise CommandFailed(f"the database cannot be reached: {error}") from None
    except LoopDied as error:
        raise CommandFailed(f"a part has died, see the log: {error}") from None
    except LoopStalled as error:
        raise CommandFailed(f"a part does not come round any more: {error}") from None
    except (AddressUnavailable, BusUnavailable, DataDirInUse, SchemaMismatch) as error:
        raise CommandFailed(str(error)) from None
    except (DatabaseMisconfigured, BusMisconfigured, SettingsError) as error:
        raise WrongUse(str(error)) from None
    except OSError as error:  # a port that is taken, a directory that cannot be written
        raise CommandFailed(str(error)) from None
