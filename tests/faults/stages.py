"""The sets of parts on which a run can take place."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from tests import mssql_server
from tests.faults.embedded import EmbeddedStage
from tests.faults.mssql import SqlServer
from tests.faults.postgres import PostgreSql
from tests.faults.real import RealStage
from tests.faults.servers import Services
from tests.faults.stage import Stage


def real(directory: Path, seed: int, source: Path, extra: Mapping[str, str]) -> Stage:
    """On PostgreSQL and Kafka of the run's own."""
    services = Services(directory / "services")
    database = PostgreSql(services, directory)
    return RealStage(directory, seed, source, extra, name="real", services=services, database=database)


def mssql(directory: Path, seed: int, source: Path, extra: Mapping[str, str]) -> Stage:
    """On somebody else's SQL Server and a Kafka of the run's own."""
    services = Services(directory / "services")
    database = SqlServer(os.environ[mssql_server.VARIABLE])
    return RealStage(directory, seed, source, extra, name="mssql", services=services, database=database)


STAGES: dict[str, Callable[[Path, int, Path, Mapping[str, str]], Stage]] = {
    "embedded": EmbeddedStage,
    "real": real,
    "mssql": mssql,
}
