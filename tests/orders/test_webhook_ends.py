"""What ends a round early, and clocks that were set back."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from tests.orders.conftest import ORDER, Start, eventually
from tests.orders.delivering import LONG, add, delivering, sender, shown
from tests.orders.receiver import Receiver

from orderflow.contracts.webhooks import WEBHOOKS
from orderflow.orders.tables import webhook_messages
from orderflow.orders.webhooks.deliverer import CLAIM_PAUSE_S, IN_FLIGHT_MAX

SLOW_S = 1.0
ORDERS = 80


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


def test_a_webhook_that_is_removed_in_the_middle_of_a_round_gets_no_more_of_it(
    start: Start, receiver: Receiver
) -> None:
    def slowly(_type: str, _data: object) -> int:
        time.sleep(SLOW_S)
        return 204

    receiver.answering = slowly
    service = start(sequencing=True, sender=sender())
    endpoint_id = add(service, receiver)
    placed = service.send("POST", "/api/orders/batch", {"orders": [ORDER] * ORDERS})
    assert placed.status == 200
    eventually(lambda: shown(service)["behind"] == ORDERS)
    service.deliver(LONG)
    eventually(lambda: receiver.received)
    assert service.send("DELETE", f"{WEBHOOKS}/{endpoint_id}").status == 200
    removed_at = time.monotonic()
    eventually(lambda: time.monotonic() > removed_at + SLOW_S * ORDERS / IN_FLIGHT_MAX)
    latest = max(each.at for each in receiver.received)
    assert latest < removed_at + CLAIM_PAUSE_S + 2.5 * SLOW_S, "one look, and what was under way then"


def test_a_message_does_not_wait_for_a_time_that_a_wrong_clock_has_set(
    start: Start, receiver: Receiver
) -> None:
    receiver.answering = lambda _type, _data: 500
    service = delivering(start, (3_600.0,) * 9)
    add(service, receiver)
    service.placed()
    eventually(lambda: shown(service)["waiting"] == 1)
    service.stop_delivering()
    receiver.answering = lambda _type, _data: 204
    service.write(sa.update(webhook_messages).values(due_at=datetime.now(UTC) + timedelta(days=1)))
    delivering(start, (3_600.0,) * 9)
    eventually(lambda: len(receiver.taken()) == 1)
