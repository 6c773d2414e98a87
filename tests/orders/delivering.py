"""A service that delivers to a receiver of webhooks."""

from typing import Any

from tests.orders.conftest import Service, Start, patiently
from tests.orders.receiver import Receiver

from orderflow.contracts.webhooks import WEBHOOKS
from orderflow.orders.webhooks.sender import Allowed, Sender

LONG = tuple([0.0] * 200)
"""A schedule of many attempts without waits."""
FAILED = {"status": "Failed", "fulfillment": {"errorMessage": "no"}}


def sender(timeout_s: float = 8) -> Sender:
    return Sender(Allowed(plain=True, private=True), timeout_s=timeout_s)


def delivering(start: Start, schedule_s: tuple[float, ...] = LONG, *, timeout_s: float = 8) -> Service:
    service = start(sequencing=True, sender=sender(timeout_s))
    service.deliver(schedule_s)
    return service


def add(service: Service, receiver: Receiver, **more: Any) -> str:
    answer = service.send("POST", WEBHOOKS, {"url": receiver.url, **more})
    assert answer.status == 201, answer.body
    receiver.secret = answer.document["secret"]
    return answer.document["id"]


def shown(service: Service) -> dict[str, Any]:
    (found,) = service.get(WEBHOOKS)["items"]
    return found


def failed_order(service: Service) -> str:
    """An order with three versions: Created, Processing, Failed."""
    order_id = patiently(service.place).document["orderId"]
    for update in ({"status": "Processing"}, FAILED):
        assert patiently(lambda: service.patch(order_id, **update)).status == 204  # noqa: B023 - called at once
    return order_id
