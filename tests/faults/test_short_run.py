"""The short form of the fault runs: real processes under load, faults of many kinds, zero violations.

How fast the parts recover is judged by the long runs alone.
"""

import asyncio
import shutil
from pathlib import Path

import pytest
from tests.faults.embedded import EmbeddedStage
from tests.faults.real import RealStage
from tests.faults.run import Options, perform
from tests.faults.source import copy_of_source

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
    options = Options(SEED, seconds=45, rate=RATE, times=1, alone=0, kinds=kinds)
    stage = EmbeddedStage(tmp_path, SEED, copy_of_source(tmp_path), {})
    result = asyncio.run(perform(stage, options))
    assert not result.violations, result.report


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
    options = Options(SEED, seconds=100, rate=RATE, times=1, alone=0, kinds=kinds)
    tmp_path.parent.chmod(0o755)  # the user that runs PostgreSQL needs to pass through
    stage = RealStage(tmp_path, SEED, copy_of_source(tmp_path), {})
    try:
        result = asyncio.run(perform(stage, options))
    finally:
        shutil.rmtree(tmp_path / "services", ignore_errors=True)
    assert not result.violations, result.report
