"""A run that somebody ends early leaves no process behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests import mssql_server
from tests.faults.source import ROOT

START_S_MAX = 90.0
END_S_MAX = 40.0


@pytest.mark.timeout(150)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
def test_no_role_outlives_a_run_that_is_ended_early(number: signal.Signals, tmp_path: Path) -> None:
    _end_early("embedded", number, tmp_path, wanted=("carrier-sim", "up"))


@pytest.mark.timeout(150)
def test_neither_postgresql_nor_kafka_outlives_a_run_that_is_killed(
    postgres_url: str, kafka_url: str, tmp_path: Path
) -> None:
    tmp_path.parent.chmod(0o755)  # the user that runs PostgreSQL needs to pass through
    _end_early("real", signal.SIGKILL, tmp_path, wanted=("fulfillment", "postgres", "kafka.Kafka"))


@pytest.mark.timeout(150)
def test_no_database_of_a_run_on_mssql_outlives_it_if_it_is_killed(
    mssql_url: str, kafka_url: str, tmp_path: Path
) -> None:
    before = _databases(mssql_url)
    _end_early("mssql", signal.SIGKILL, tmp_path, wanted=("fulfillment", "kafka.Kafka"))
    _wait(lambda: _databases(mssql_url) <= before, END_S_MAX)


def _databases(mssql_url: str) -> set[str]:
    with mssql_server.session(mssql_url) as server:
        names = server.exec_driver_sql(
            "SELECT name FROM sys.databases WHERE name LIKE 'orderflow[_]faults[_]%'"
        )
        return set(names.scalars())


def _end_early(parts: str, number: signal.Signals, directory: Path, *, wanted: tuple[str, ...]) -> None:
    command = [sys.executable, "-m", "tests.faults", "--parts", parts, "--rate", "5"]
    run = subprocess.Popen(
        [*command, "--directory", str(directory)],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        _wait(
            lambda: all(any(name in line for line in _of_the_run(directory)) for name in wanted), START_S_MAX
        )
        run.send_signal(number)
        run.wait(END_S_MAX)
        _wait(lambda: not _of_the_run(directory), END_S_MAX)
    finally:
        run.kill()
        run.wait()


def _wait(holds: Callable[[], bool], seconds_max: float) -> None:
    """Wait until it holds. Raises AssertionError if it does not in time."""
    end = time.monotonic() + seconds_max
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.2)


def _of_the_run(directory: Path) -> list[str]:
    """The command lines of the processes that work in the directory or name it, except the run itself."""
    found: list[str] = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                line = (entry / "cmdline").read_bytes().decode(errors="replace").replace("\0", " ")
                where = (entry / "cwd").readlink()
            except OSError:
                continue
            if (where.is_relative_to(directory) or str(directory) in line) and "tests.faults" not in line:
                found.append(line)
    return found
