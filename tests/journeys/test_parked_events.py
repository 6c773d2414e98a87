"""A topic that takes small events only: the order of a large one asks for a person, and ships once its event
is released by command."""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource
from confluent_kafka.cimpl import NewTopic
from processes import StartRole, ask, eventually, order

from orderflow.messaging import PARTITIONS

SMALL_ORDERS = 500


class Topic:
    """A topic of this test's own, whose limit it sets."""

    def __init__(self, kafka_url: str) -> None:
        self.name = f"orders-{uuid.uuid4().hex}"
        # The library leaves the type of its futures open.
        self._admin: Any = AdminClient({"bootstrap.servers": kafka_url.removeprefix("kafka://")})
        new = NewTopic(self.name, PARTITIONS, config={"max.message.bytes": "4000"})
        self._admin.create_topics([new])[self.name].result()

    def take(self, bytes_max: int) -> None:
        entry = ConfigEntry("max.message.bytes", str(bytes_max), incremental_operation=AlterConfigOpType.SET)
        resource = ConfigResource(ConfigResource.Type.TOPIC, self.name, incremental_configs=[entry])
        self._admin.incremental_alter_configs([resource])[resource].result()

    def delete(self) -> None:
        self._admin.delete_topics([self.name])[self.name].result()


@pytest.fixture
def topic(kafka_url: str) -> Iterator[Topic]:
    topic = Topic(kafka_url)
    yield topic
    topic.delete()


def test_small_events_ship_whatever_their_batch_weighs_and_the_large_one_ships_when_it_is_released(
    start: StartRole, server_database: str, kafka_url: str, topic: Topic
) -> None:
    settings = {"DATABASE_URL": server_database, "BUS_URL": kafka_url, "ORDERS_TOPIC": topic.name}
    api = start("api", PORT="0", **settings).url()
    start(
        "fulfillment",
        FULFILLMENT_PORT="0",
        FULFILLMENT_DATABASE_URL=server_database,
        CONSUMER_GROUP=topic.name,
        CARRIER_DELAY_MS="0-0",
        CARRIER_FAILURE_RATE="0",
        ORDERS_URL=api,
        **{name: value for name, value in settings.items() if name != "DATABASE_URL"},
    )

    def tool(*arguments: str) -> Any:
        command = [sys.executable, "-m", "orderflow", "orders", *arguments, "--json"]
        environment = {**os.environ, "ORDERFLOW_ORDERS_URL": api}
        done = subprocess.run(
            command, capture_output=True, text=True, env=environment, timeout=60, check=True
        )
        return json.loads(done.stdout)

    def shipped() -> int:
        return ask(f"{api}/api/stats").body["statuses"]["Shipped"]

    # The texts are random, so no compression makes them small.
    items = [{"productId": str(uuid.uuid4()), "quantity": 1} for _ in range(500)]
    large = ask(f"{api}/api/orders", method="POST", body=order(0) | {"items": items}).body["orderId"]
    small = {"orders": [order(number) for number in range(SMALL_ORDERS)]}
    ask(f"{api}/api/orders/batch", method="POST", body=small)
    eventually(lambda: shipped() == SMALL_ORDERS, "every small order has shipped")
    (waiting,) = tool("list", "--attention")
    assert (waiting["orderId"], waiting["attention"]["kind"]) == (large, "event-too-large")
    assert [event["orderId"] for event in tool("parked", "list")] == [large]
    topic.take(2 * 1024 * 1024)
    assert tool("parked", "release", large) == {"released": 1}
    eventually(lambda: shipped() == SMALL_ORDERS + 1, "the large order has shipped")
    assert tool("show", large)["attention"] is None
    assert tool("parked", "list") == []
