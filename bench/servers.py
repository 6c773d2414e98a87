"""The PostgreSQL and Kafka that the run uses. It makes its own databases and topics, and drops them later."""

import os
import re
import socket
import struct
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, LiteralString, cast
from urllib.parse import urlsplit, urlunsplit

import psycopg
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from bench.processes import BenchError

PARTITIONS = 12
TOPIC_SECONDS_MAX = 20.0
_PREFIX = "orderflow_bench_"
_numbers = count(1)


@dataclass(frozen=True, slots=True)
class Servers:
    """`postgres_pid` and `kafka_pid` are None if the servers run elsewhere; their CPU is then unknown."""

    admin_url: str
    broker: str
    postgres_pid: int | None
    kafka_pid: int | None

    @property
    def bus_url(self) -> str:
        return f"kafka://{self.broker}"

    def parts(self) -> dict[str, list[int]]:
        """The roots of the servers' processes, for the meter."""
        return {
            "postgres": [self.postgres_pid] if self.postgres_pid else [],
            "kafka": [self.kafka_pid] if self.kafka_pid else [],
        }

    @contextmanager
    def database(self) -> Generator[str]:
        """The URL of a new, empty database. The checkpoint that creating it causes is over."""
        name = _new_name()
        with psycopg.connect(self.admin_url, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"'.encode())
            connection.execute("CHECKPOINT")
        try:
            yield urlunsplit(urlsplit(self.admin_url)._replace(path=f"/{name}"))
        finally:
            self._drop_database(name)

    def _drop_database(self, name: str) -> None:
        with psycopg.connect(self.admin_url, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'.encode())

    def _admin(self) -> Any:
        return AdminClient(
            {"bootstrap.servers": self.broker, "log_level": 5}
        )  # the types of its futures are left open

    @contextmanager
    def topic(self) -> Generator[str]:
        """A new topic with 12 partitions. It and its dead-letter topic are deleted afterwards."""
        name = _new_name()
        admin = self._admin()
        admin.create_topics([NewTopic(name, PARTITIONS, 1)])[name].result(TOPIC_SECONDS_MAX)
        try:
            yield name
        finally:
            self._delete_topics([name, f"{name}.dead-letter"])

    def _delete_topics(self, names: list[str]) -> None:
        for deleted in self._admin().delete_topics(names).values():
            with suppress(KafkaException):  # a topic that was never made
                deleted.result(TOPIC_SECONDS_MAX)

    def remove_leftovers(self) -> None:
        """Remove what killed runs have left: its name contains the run's process id."""
        with psycopg.connect(self.admin_url, autocommit=True) as connection:
            databases = [row[0] for row in connection.execute("SELECT datname FROM pg_database").fetchall()]
        topics: list[str] = list(self._admin().list_topics(timeout=10).topics)
        for name in filter(_is_leftover, databases):
            self._drop_database(name)
        if stale := list(filter(_is_leftover, topics)):
            self._delete_topics(stale)

    def settings(self) -> dict[str, str]:
        """Those settings of the server that decide what a commit costs."""
        names = ("server_version", "fsync", "synchronous_commit", "full_page_writes", "shared_buffers")
        return {name: str(scalar(self.admin_url, f"SHOW {name}")) for name in names}


def _new_name() -> str:
    return f"{_PREFIX}{os.getpid()}_{next(_numbers)}"


def _is_leftover(name: str) -> bool:
    match = re.match(rf"{_PREFIX}(\d+)_", name)
    return match is not None and not Path(f"/proc/{match[1]}").exists()


def find_servers() -> Servers:
    """The servers that `make services` started. Raises BenchError if there are none."""
    admin_url = os.environ.get("ORDERFLOW_TEST_POSTGRES_URL")
    bus_url = os.environ.get("ORDERFLOW_TEST_KAFKA_URL")
    if not admin_url or not bus_url:
        raise BenchError("PostgreSQL and Kafka are needed: run `make services`, then again")
    broker = bus_url.removeprefix("kafka://")
    try:
        scalar(admin_url, "SELECT 1")
        AdminClient({"bootstrap.servers": broker}).list_topics(timeout=10)
    except (psycopg.Error, KafkaException) as error:
        said = error.args[0].str() if error.args and isinstance(error.args[0], KafkaError) else error
        raise BenchError(f"a server does not answer: {said}") from None
    return Servers(
        admin_url, broker, listener(urlsplit(admin_url).port or 5432), listener(int(broker.split(":")[1]))
    )


def scalar(url: str, query: str) -> Any:
    """The first value of the first row."""
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(cast("LiteralString", query)).fetchone()
    return row[0] if row else None


def listener(port: int) -> int | None:
    """The process of this machine that listens on the port (proc(5), net/tcp and fd)."""
    loopback = f"{struct.unpack('=I', socket.inet_aton('127.0.0.1'))[0]:08X}"
    listens = {f"{address}:{port:04X}" for address in (loopback, "0" * 8, "0" * 32)}
    listens.add(f"{'0' * 16}FFFF0000{loopback}:{port:04X}")
    sockets: set[str] = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with suppress(OSError):
            rows = [line.split() for line in Path(table).read_text().splitlines()[1:]]
            sockets |= {f"socket:[{row[9]}]" for row in rows if row[1] in listens and row[3] == "0A"}
    holders = [
        int(file.parent.parent.name)
        for directory in Path("/proc").glob("[0-9]*/fd")
        for file in _files(directory)
        if _target(file) in sockets
    ]
    return min(holders, default=None)


def _files(directory: Path) -> list[Path]:
    try:
        return list(directory.iterdir())
    except OSError:
        return []


def _target(file: Path) -> str:
    try:
        return str(file.readlink())
    except OSError:
        return ""
