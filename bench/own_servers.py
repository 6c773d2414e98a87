"""Servers of a run's own: a PostgreSQL for each service, so that what each database costs can be told apart,
and a Kafka broker. They are made for the run and removed after it."""

import shlex
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from confluent_kafka import Consumer, TopicPartition

from bench.processes import BenchError, run
from bench.servers import Servers, listener, scalar

SERVICES = Path(__file__).resolve().parent.parent / "deploy" / "services" / "services.py"
START_SECONDS_MAX = 300.0
QUERY_SECONDS_MAX = 10.0


@dataclass(frozen=True, slots=True)
class Written:
    """What a database has done since it was made."""

    commits: int
    statements: int
    """BEGIN and COMMIT included: each is a round trip."""
    wal_bytes: int
    stored_bytes: int
    """Of the database, indexes and dead rows included."""

    def since(self, before: "Written") -> dict[str, int]:
        return {
            "commits": self.commits - before.commits,
            "statements": self.statements - before.statements,
            "wal_bytes": self.wal_bytes - before.wal_bytes,
            "stored_bytes": self.stored_bytes - before.stored_bytes,
        }


@dataclass(frozen=True, slots=True)
class OwnServers:
    """Each of `orders` and `fulfillment` has its own PostgreSQL; both name the same broker."""

    orders: Servers
    fulfillment: Servers
    kafka_data: Path

    def parts(self) -> dict[str, list[int]]:
        """The roots of their processes, for the meter."""
        pids = {
            "orders_db": self.orders.postgres_pid,
            "fulfillment_db": self.fulfillment.postgres_pid,
            "kafka": self.orders.kafka_pid,
        }
        return {name: [pid] for name, pid in pids.items() if pid}

    def topic_bytes(self, topic: str) -> int:
        """What the topic takes on the disk of its one broker, indexes not counted."""
        return sum(file.stat().st_size for file in self.kafka_data.glob(f"{topic}-[0-9]*/*.log"))

    def messages(self, topic: str) -> dict[int, int]:
        """How many messages were ever written to each partition."""
        consumer = Consumer({"bootstrap.servers": self.orders.broker, "group.id": "bench", "log_level": 5})
        try:
            found = consumer.list_topics(topic, timeout=QUERY_SECONDS_MAX).topics[topic]
            return {
                number: consumer.get_watermark_offsets(TopicPartition(topic, number), QUERY_SECONDS_MAX)[1]
                for number in found.partitions
            }
        finally:
            consumer.close()


def written(database: str) -> Written:
    """Reads the counters of the database's server; nothing else uses that server."""
    calls = (
        "SELECT coalesce(sum(calls), 0)::bigint FROM pg_stat_statements "
        "WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    return Written(
        int(scalar(database, f"{calls} AND query = 'COMMIT'")),
        int(scalar(database, calls)),
        int(scalar(database, "SELECT pg_current_wal_lsn() - '0/0'::pg_lsn")),
        int(scalar(database, "SELECT pg_database_size(current_database())")),
    )


@contextmanager
def own_servers(home: Path) -> Generator[OwnServers]:
    """Start the servers below `home`; remove them at the end, and at the start what a killed run has left."""
    names = ("orders", "fulfillment")
    directories = [*(home / name for name in names), home / "broker"]
    try:
        for directory in directories:
            _services("clean", directory)
        urls = [_postgres(home / name) for name in names]
        broker = _exports(_services("start", home / "broker", "kafka"))["ORDERFLOW_TEST_KAFKA_URL"]
        broker = broker.removeprefix("kafka://")
        kafka_pid = listener(int(broker.split(":")[1]))
        orders, fulfillment = (Servers(url, broker, _listener_of(url), kafka_pid) for url in urls)
        yield OwnServers(orders, fulfillment, home / "broker" / "kafka" / "data")
    finally:
        for directory in directories:
            _services("clean", directory)


def _postgres(directory: Path) -> str:
    """The URL of a new PostgreSQL that counts statements, which takes a restart."""
    url = _exports(_services("start", directory, "postgres"))["ORDERFLOW_TEST_POSTGRES_URL"]
    if not scalar(url, "SELECT 1 FROM pg_available_extensions WHERE name = 'pg_stat_statements'"):
        raise BenchError("this PostgreSQL has no pg_stat_statements: sudo apt-get install postgresql")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'")
    _services("stop", directory, "postgres")
    _services("start", directory, "postgres")
    for database in ("template1", "postgres"):  # databases that are made later have it as well
        with psycopg.connect(f"{url.rpartition('/')[0]}/{database}", autocommit=True) as connection:
            connection.execute("CREATE EXTENSION pg_stat_statements")
    return url


def _listener_of(url: str) -> int | None:
    return listener(int(url.rpartition(":")[2].split("/")[0]))


def _services(action: str, directory: Path, *parts: str) -> str:
    directory.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, str(SERVICES), action, *parts, "--directory", str(directory)]
    return run(command, seconds_max=START_SECONDS_MAX)


def _exports(lines: str) -> dict[str, str]:
    words = [shlex.split(line) for line in lines.splitlines()]
    return dict(word[1].split("=", 1) for word in words if len(word) == 2)
