"""Commands that run a part until it is stopped."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from orderflow.cli.configuration import load_settings
from orderflow.cli.terminal import CommandFailed, WrongUse


def up() -> int:
    """Run everything in one process with embedded parts, until SIGTERM or Ctrl-C."""
    settings = load_settings("up")
    from orderflow.app import run_up

    with expected_errors():
        return run_up(settings)


def api() -> int:
    """Run the Order Service in ORDERFLOW_API_WORKERS processes, on a database server and Kafka."""
    settings = load_settings("api")
    from orderflow.app import run_api

    with expected_errors():
        return run_api(settings)


def relay() -> int:
    """Run one relay, from the outbox to Kafka; any number may run."""
    settings = load_settings("relay")
    from orderflow.app import run_relay

    with expected_errors():
        return run_relay(settings)


def fulfillment() -> int:
    """Run one fulfillment worker with its own HTTP; any number may run."""
    settings = load_settings("fulfillment")
    from orderflow.app import run_fulfillment

    with expected_errors():
        return run_fulfillment(settings)


@contextmanager
def expected_errors() -> Generator[None]:
    """Turns errors that a role is expected to end with into one line each."""
    from sqlalchemy.exc import DBAPIError

    from orderflow.database.dialects import Failure, classify
    from orderflow.database.errors import (
        DatabaseMisconfigured,
        DatabaseUnavailable,
        SchemaMismatch,
        reason,
    )
    from orderflow.messaging import BusMisconfigured, BusUnavailable
    from orderflow.runtime.health import LoopDied, LoopStalled
    from orderflow.runtime.processes import DataDirInUse
    from orderflow.runtime.settings_error import SettingsError
    from orderflow.web.server import AddressUnavailable

    try:
        yield
    except DatabaseUnavailable as error:
        raise CommandFailed(f"the database cannot be reached: {error}") from None
    except DBAPIError as error:
        if classify(error) is not Failure.UNAVAILABLE:
            raise
        raise CommandFailed(f"the database cannot be reached: {reason(error)}") from None
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
