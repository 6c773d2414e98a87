"""Programs of two releases on one topic: what the one writes, the other reads, in both directions.

The next release is this one with a patch from `changes`. Its processes are real, and so are ours.
"""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import pytest
from tests.faults.source import copy_of_source
from tests.journeys.processes import Role, StartRole, all_orders, ask, eventually, order
from tests.ports import free_port

CHANGES = Path(__file__).parent / "changes"
SOURCE = Path(__file__).parents[2] / "src"
ORDERS = 20
QUICK = {"CARRIER": "simulated", "CARRIER_DELAY_MS": "0-0", "CARRIER_FAILURE_RATE": "0"}


class Topic(ABC):
    """A topic with a writer and a reader, each of a release of its own."""

    orders_url: str
    reader_url: str

    @abstractmethod
    def write(self, source: Path) -> None:
        """Let the Order Service of that release publish orders, which nobody has shipped yet."""

    @abstractmethod
    def read(self, source: Path) -> None:
        """Start the Fulfillment Service of that release, instead of the one that runs."""

    def place(self) -> None:
        batch = {"orders": [order(number) for number in range(ORDERS)]}
        placed = ask(f"{self.orders_url}/api/orders/batch", method="POST", body=batch)
        assert [result["status"] for result in placed.body["results"]] == [201] * ORDERS

        def published() -> bool:
            return ask(f"{self.orders_url}/api/stats").body["outbox"]["backlog"] == 0

        eventually(published, "every event is published")

    def letters(self) -> list[dict[str, Any]]:
        found = ask(f"{self.reader_url}/api/fulfillment/dead-letters?state=open&limit=200")
        return found.body["items"]

    def until_shipped(self) -> None:
        def shipped() -> bool:
            orders = all_orders(self.orders_url)
            assert not self.letters()
            return [each["status"] for each in orders] == ["Shipped"] * ORDERS

        eventually(shipped, "every order is shipped")
        assert all(each["attention"] is None for each in all_orders(self.orders_url))


class Embedded(Topic):
    """`up` of the one release after `up` of the other, with the same orders and events. The writer cannot
    ship, because its carrier is away; the reader is another group with a database of its own, so it reads
    everything."""

    def __init__(self, start: StartRole, directory: Path) -> None:
        self._start = start
        port = str(free_port())
        self._settings = {"DATA_DIR": str(directory / "data"), "PORT": "0", "FULFILLMENT_PORT": port}
        self.reader_url = f"http://127.0.0.1:{port}"
        self._role: Role | None = None

    def _run(self, source: Path, **settings: str) -> None:
        if self._role is not None:
            assert self._role.stop() == 0
        self._role = self._start("up", source=source, **self._settings, **settings)
        self.orders_url = self._role.url()

    def write(self, source: Path) -> None:
        self._run(source, CARRIER="http", CARRIER_URL="http://127.0.0.1:1")
        self.place()

    def read(self, source: Path) -> None:
        database = f"sqlite:///{self._settings['DATA_DIR']}/reader.db"
        self._run(source, FULFILLMENT_DATABASE_URL=database, CONSUMER_GROUP="reader", **QUICK)


class Kafka(Topic):
    """The Order Service of the one release beside the Fulfillment Service of the other."""

    def __init__(self, start: StartRole, database: str, names: dict[str, str]) -> None:
        self._start = start
        self._settings = {"DATABASE_URL": database, "FULFILLMENT_DATABASE_URL": database, **names}
        self._reader: Role | None = None

    def write(self, source: Path) -> None:
        self.orders_url = self._start("api", source=source, PORT="0", **self._settings).url()
        self.place()

    def read(self, source: Path) -> None:
        if self._reader is not None:
            assert self._reader.stop() == 0
        urls = {"ORDERS_URL": self.orders_url, "FULFILLMENT_PORT": "0"}
        self._reader = self._start("fulfillment", source=source, **urls, **self._settings, **QUICK)
        self.reader_url = self._reader.url()


@pytest.fixture(params=["embedded", "kafka"])
def topic(request: pytest.FixtureRequest, start: StartRole, tmp_path: Path) -> Topic:
    if request.param == "embedded":
        return Embedded(start, tmp_path)
    database = str(request.getfixturevalue("postgres_database"))
    return Kafka(start, database, request.getfixturevalue("names"))


def next_release(tmp_path: Path, change: str) -> Path:
    return copy_of_source(tmp_path / "next", patch=CHANGES / f"{change}.patch")


def test_a_reader_of_the_next_release_ships_what_this_release_has_written(
    topic: Topic, tmp_path: Path
) -> None:
    topic.write(SOURCE)
    topic.read(next_release(tmp_path, "another-version"))
    topic.until_shipped()


def test_a_reader_of_this_release_ships_what_the_next_one_writes_with_another_field(
    topic: Topic, tmp_path: Path
) -> None:
    topic.write(next_release(tmp_path, "another-field"))
    topic.read(SOURCE)
    topic.until_shipped()


def test_a_version_that_comes_before_its_reader_waits_as_dead_letters_and_ships_after_the_upgrade(
    topic: Topic, tmp_path: Path
) -> None:
    following = next_release(tmp_path, "another-version")
    topic.write(following)
    topic.read(SOURCE)
    eventually(lambda: len(topic.letters()) == ORDERS, "every event is a dead letter")
    assert {letter["kind"] for letter in topic.letters()} == {"newer-schema"}
    eventually(
        lambda: all(each["attention"] is not None for each in all_orders(topic.orders_url)),
        "every order asks for a person",
    )

    topic.read(following)
    for letter in topic.letters():
        again = ask(f"{topic.reader_url}/api/fulfillment/dead-letters/{letter['id']}/redrive", method="POST")
        assert again.status == 202, again
    topic.until_shipped()
