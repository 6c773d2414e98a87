"""The short form of the fault runs: real processes under load, faults of many kinds, zero violations.

How fast the parts recover is judged by the long runs alone.
"""

import asyncio
import shutil
from pathlib import Path

import pytest
from tests.faults.run import Options, perform
from tests.faults.source import copy_of_source
from tests.faults.stages import STAGES

SEED = 20
RATE = 60.0


@pytest.mark.timeout(420)
def test_embedded_parts_lose_nothing_and_ship_nothing_twice_whatever_is_killed_cut_or_full(
    tmp_path: Path,
) -> None:
    crashes = (
        "crash:orders.committed",
        "crash:relay.published",
        "crash:inbox.stored",
        "crash:carrier.answered",
    )
    kinds = (
        "kill:",
        "stop:up",
        *crashes,
        "carrier:apply-then-",
        "payment:apply-then-",
        "carrier-switched",
        "cut-after:",
        "offsets-lost",
        "disk-full:up",
        "locked:",
    )
    _perform("embedded", tmp_path, seconds=45, kinds=kinds)


@pytest.mark.timeout(600)
def test_real_parts_lose_nothing_and_ship_nothing_twice_whatever_is_killed_cut_or_full(
    start_pgbouncer: object, kafka_url: str, tmp_path: Path
) -> None:
    """The run has servers of its own; the shared ones only show that servers can be started here."""
    kinds = (
        *("kill:api", "kill:fulfillment", "kill:kafka", "immediate:", "stop:fulfillment", "crash:inbox."),
        *("crash:orders.", "cut-after:", "carrier:apply-then-", "commit-late", "offsets-lost"),
        *("away:fulfillment", "join:fulfillment", "carrier-switched", "read-only:", "refuses-"),
        *("restart:postgres", "kill:pgbouncer", "kill:payment-sim", "payment:apply-then-"),
    )
    _perform("real", tmp_path, seconds=100, kinds=kinds)


@pytest.mark.timeout(600)
def test_parts_on_mssql_lose_nothing_and_ship_nothing_twice_whatever_is_killed_cut_or_refused(
    mssql_url: str, kafka_url: str, tmp_path: Path
) -> None:
    """The run has a Kafka of its own, and databases of its own on the server."""
    kinds = (
        *("kill:api", "kill:relay", "kill:fulfillment", "kill:kafka", "stop:fulfillment", "crash:inbox."),
        *("crash:orders.", "cut-after:", "carrier:apply-then-", "commit-late", "offsets-lost"),
        *("away:fulfillment", "join:fulfillment", "carrier-switched", "read-only:", "unreachable:"),
        *("kill:payment-sim", "payment:apply-then-"),
    )
    _perform("mssql", tmp_path, seconds=100, kinds=kinds)


def _perform(parts: str, directory: Path, *, seconds: float, kinds: tuple[str, ...]) -> None:
    directory.parent.chmod(0o755)  # the user that runs PostgreSQL needs to pass through
    options = Options(SEED, seconds=seconds, rate=RATE, times=1, alone=0, kinds=kinds)
    stage = STAGES[parts](directory, SEED, copy_of_source(directory), {})
    try:
        result = asyncio.run(perform(stage, options))
    finally:
        shutil.rmtree(directory / "services", ignore_errors=True)
    assert not result.violations, result.report
