"""Commands that run a simulator until it is stopped."""

from __future__ import annotations

import math
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from orderflow.cli.configuration import Whole, load_settings
from orderflow.cli.terminal import CommandFailed, WrongUse

if TYPE_CHECKING:
    from orderflow.runtime.tls import ServerTls

Port = Annotated[Whole, Parameter(help="0 takes a free one.")]
ErrorRate = Annotated[float, Parameter(help="Share of calls that fail transiently, 0 to 1.")]


def carrier_sim(
    *,
    ledger: Annotated[Path, Parameter(help="SQLite file that keeps every shipment ever made.")],
    port: Port = 8090,
    host: str = "127.0.0.1",
    delay_ms: Annotated[str, Parameter(help="Delay of each answer in ms, uniform: LOW-HIGH.")] = "0-0",
    failure_rate: Annotated[float, Parameter(help="Share of orders that are rejected, 0 to 1.")] = 0.0,
    error_rate: ErrorRate = 0.0,
    seed: Annotated[Whole, Parameter(help="With the order id it decides what is rejected.")] = 0,
    key_lifetime_s: Annotated[
        float | None, Parameter(help="Forget idempotency keys after so many seconds; never if absent.")
    ] = None,
) -> int:
    """Run a simulated carrier with a durable ledger, until SIGTERM or Ctrl-C."""
    low, dash, high = delay_ms.partition("-")
    if not (dash and delay_ms.isascii() and low.isdecimal() and high.isdecimal()):
        raise WrongUse("--delay-ms takes LOW-HIGH in milliseconds, such as 0-0 or 1000-5000")
    if key_lifetime_s is not None and not 0 < key_lifetime_s < math.inf:
        raise WrongUse("--key-lifetime-s takes a number of seconds above 0")
    _require_bounds(port, seed, {"--failure-rate": failure_rate, "--error-rate": error_rate})
    from orderflow.simulators.carrier_server import serving_carrier_sim
    from orderflow.simulators.server import run_simulator

    with _expected_errors(host, port, ledger):
        served = serving_carrier_sim(
            host=host,
            port=port,
            delay_ms=(int(low), int(high)),
            failure_rate=failure_rate,
            error_rate=error_rate,
            seed=seed,
            ledger=ledger,
            key_lifetime_s=key_lifetime_s,
            tls=_tls(),
        )
        run_simulator("carrier-sim", ledger, served)
    return 0


def payment_sim(
    *,
    ledger: Annotated[Path, Parameter(help="SQLite file that keeps every payment ever asked for.")],
    port: Port = 8091,
    host: str = "127.0.0.1",
    decline_rate: Annotated[float, Parameter(help="Share of orders that are declined, 0 to 1.")] = 0.0,
    error_rate: ErrorRate = 0.0,
    seed: Annotated[Whole, Parameter(help="With the order id it decides what is declined.")] = 0,
) -> int:
    """Run a simulated payment provider with a durable ledger, until SIGTERM or Ctrl-C."""
    _require_bounds(port, seed, {"--decline-rate": decline_rate, "--error-rate": error_rate})
    from orderflow.simulators.payment_server import serving_payment_sim
    from orderflow.simulators.server import run_simulator

    with _expected_errors(host, port, ledger):
        served = serving_payment_sim(
            host=host,
            port=port,
            decline_rate=decline_rate,
            error_rate=error_rate,
            seed=seed,
            ledger=ledger,
            tls=_tls(),
        )
        run_simulator("payment-sim", ledger, served)
    return 0


def _tls() -> ServerTls | None:
    """The certificate that ORDERFLOW_TLS_CERT names, as for every listener."""
    from orderflow.web.server import server_tls

    return server_tls(load_settings())


def _require_bounds(port: int, seed: int, shares: dict[str, float]) -> None:
    from orderflow.settings import SEED_MAX, SEED_MIN

    if not 0 <= port <= 65535:
        raise WrongUse("--port takes 0 to 65535")
    for option, share in shares.items():
        if not 0 <= share <= 1:
            raise WrongUse(f"{option} takes 0 to 1")
    if not SEED_MIN <= seed <= SEED_MAX:
        raise WrongUse(f"--seed takes {SEED_MIN} to {SEED_MAX}")


@contextmanager
def _expected_errors(host: str, port: int, ledger: Path) -> Generator[None]:
    import sqlite3

    from orderflow.runtime.settings_error import SettingsError
    from orderflow.web.server import AddressUnavailable

    try:
        yield
    except AddressUnavailable as error:
        raise CommandFailed(str(error)) from None
    except SettingsError as error:
        raise WrongUse(str(error)) from None
    except ValueError as error:
        raise WrongUse(str(error)) from None
    except OSError as error:
        raise CommandFailed(f"cannot listen on {host}:{port}: {error.strerror or error}") from None
    except sqlite3.Error as error:
        raise CommandFailed(f"the ledger {ledger} cannot be opened: {error}") from None
