"""Workers with the same host name and port, but other addresses: none takes another's lease or partitions."""

import time
import uuid

from conftest import StartRole
from processes import ask, eventually

TOGETHER_S = 12.0
"""Six heartbeats, and two sessions."""


def test_workers_of_one_host_and_port_live_beside_each_other(
    start: StartRole, server_database: str, kafka_url: str
) -> None:
    topic = f"test-{uuid.uuid4()}"
    settings = {
        "FULFILLMENT_DATABASE_URL": server_database,
        "BUS_URL": kafka_url,
        "ORDERS_TOPIC": topic,
        "CONSUMER_GROUP": topic,
    }
    one = start("fulfillment", HOST="127.0.0.1", FULFILLMENT_PORT="0", **settings)
    port = one.url().rpartition(":")[2]
    another = start("fulfillment", HOST="127.0.0.2", FULFILLMENT_PORT=port, **settings)
    urls = [f"http://{host}:{port}/health/ready" for host in ("127.0.0.1", "127.0.0.2")]

    def shared() -> bool:
        one_has, other_has = [ask(url).body["consumer"]["assignment"] for url in urls]
        return bool(one_has and other_has) and sorted([*one_has, *other_has]) == list(range(12))

    eventually(shared, "they share the partitions")
    before = [(ask(url).body["workerId"], ask(url).body["epoch"]) for url in urls]
    assert before[0][0] != before[1][0]
    time.sleep(TOGETHER_S)
    assert [(ask(url).body["workerId"], ask(url).body["epoch"]) for url in urls] == before
    assert shared()
    for role in (one, another):
        assert {"lease.lost", "kafka.consumer_replaced"}.isdisjoint(
            line["event"] for line in role.log_lines()
        )
        assert role.stop() == 0
