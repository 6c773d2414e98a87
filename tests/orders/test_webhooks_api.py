"""Webhooks over HTTP: who may add what, what is shown, and what the audit log says of it."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.orders.conftest import UNKNOWN_ID, Service, Start, is_problem
from tests.orders.receiver import Receiver

from orderflow.contracts.audit import AUDIT
from orderflow.contracts.webhooks import WEBHOOKS
from orderflow.orders.webhooks.endpoints import ENDPOINTS_MAX
from orderflow.orders.webhooks.sender import PLAIN, PRIVATE, Allowed, Sender

PUBLIC = "https://93.184.216.34/hook"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


def add(service: Service, url: str = PUBLIC, **more: Any) -> dict[str, Any]:
    answer = service.send("POST", WEBHOOKS, {"url": url, **more})
    assert answer.status == 201, answer.body
    return answer.document


def test_a_secret_is_shown_once(service: Service) -> None:
    made = add(service, eventTypes=["order.shipped", "order.failed", "order.shipped"])
    assert made["secret"].startswith("whsec_")
    page = service.send("GET", WEBHOOKS)
    (shown,) = page.document["items"]
    assert shown == {
        "id": made["id"],
        "url": PUBLIC,
        "eventTypes": ["order.failed", "order.shipped"],
        "createdAt": made["createdAt"],
        "behind": 0,
        "waiting": 0,
        "deadLetters": 0,
        "missed": 0,
        "failingSince": None,
        "lastError": None,
    }
    everywhere = page.body + json.dumps(service.get(AUDIT)).encode()
    assert made["secret"].removeprefix("whsec_").encode() not in everywhere


def test_webhooks_are_listed_in_pages(service: Service) -> None:
    made = [add(service)["id"] for _ in range(3)]
    first = service.get(f"{WEBHOOKS}?limit=2")
    second = service.get(f"{WEBHOOKS}?limit=2&cursor={first['nextCursor']}")
    assert [each["id"] for page in (first, second) for each in page["items"]] == sorted(made)
    assert second["nextCursor"] is None


@pytest.mark.parametrize(
    "url",
    [
        "",
        "shop.example.com/hook",
        "ftp://shop.example.com/",
        "https://",
        "https://user:password@shop.example.com/",
        "https://shop.example.com/#fragment",
        "https://shop.example.com:0/",
        "https://shop.example.com:99999/",
        "https://shop.example.com\\@127.0.0.1/",
        "https://shop.example.com/a b",
        "https://shop.example.com/\u00e9",
        "https://shop.example.com/" + "a" * 1_000,
        "file:///etc/passwd",
        7,
        None,
    ],
)
def test_what_is_no_address_is_refused_and_not_echoed(service: Service, url: Any) -> None:
    problem = is_problem(service.send("POST", WEBHOOKS, {"url": url}), 422)
    assert problem["errors"][0]["pointer"] == "/url"
    assert service.get(WEBHOOKS)["items"] == []


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://93.184.216.34/", PLAIN),
        ("https://127.0.0.1:8080/", PRIVATE),
        ("https://169.254.169.254/latest/meta-data/", PRIVATE),
        ("https://[::1]/", PRIVATE),
        ("https://[::ffff:10.0.0.1]/", PRIVATE),
        ("https://localhost/", PRIVATE),
        ("https://2130706433/", PRIVATE),
    ],
)
def test_plain_and_private_addresses_are_refused_with_the_reason(
    service: Service, url: str, why: str
) -> None:
    problem = is_problem(service.send("POST", WEBHOOKS, {"url": url}), 422)
    assert problem["errors"] == [{"pointer": "/url", "message": why}]


@pytest.mark.parametrize("types", [["order.lost"], "order.shipped", [1], ["order.shipped"] * 8])
def test_types_that_there_are_not_are_refused(service: Service, types: Any) -> None:
    is_problem(service.send("POST", WEBHOOKS, {"url": PUBLIC, "eventTypes": types}), 422)
    is_problem(service.send("POST", WEBHOOKS, {"url": PUBLIC, "secret": "mine"}), 422)


def test_there_may_be_a_hundred_webhooks(service: Service) -> None:
    for _ in range(ENDPOINTS_MAX):
        add(service)
    problem = is_problem(service.send("POST", WEBHOOKS, {"url": PUBLIC}), 409)
    assert problem["type"].endswith(":too-many")
    first = service.get(f"{WEBHOOKS}?limit=1")["items"][0]["id"]
    assert service.send("DELETE", f"{WEBHOOKS}/{first}").status == 200
    add(service)


@pytest.mark.parametrize("webhook_id", [UNKNOWN_ID, "nobody", "%00", "a" * 300])
@pytest.mark.parametrize(
    ("method", "action"), [("DELETE", ""), ("POST", "/test"), ("POST", "/redrive"), ("GET", "/dead-letters")]
)
def test_a_webhook_that_there_is_not_is_404(
    service: Service, method: str, action: str, webhook_id: str
) -> None:
    answer = service.send(method, f"{WEBHOOKS}/{webhook_id}{action}")
    is_problem(answer, 422 if webhook_id == "%00" else 404)
    assert service.get(AUDIT)["items"] == []


@pytest.mark.parametrize(("method", "action"), [("DELETE", ""), ("POST", "/test"), ("POST", "/redrive")])
def test_a_body_that_says_something_is_not_ignored(service: Service, method: str, action: str) -> None:
    path = f"{WEBHOOKS}/{add(service)['id']}{action}"
    is_problem(service.send(method, path, {"dryRun": True}), 422)
    is_problem(service.send(method, path, [1]), 422)


@pytest.mark.parametrize("cursor", ["!", "YQ", "", "LTE", "MTAwMDAwMDAwMDAwMDAwMDAwMDAwMDA"])
def test_a_cursor_of_dead_letters_that_we_did_not_give_is_refused(service: Service, cursor: str) -> None:
    made = add(service)
    is_problem(service.send("GET", f"{WEBHOOKS}/{made['id']}/dead-letters?cursor={cursor}"), 422)


def test_a_test_message_says_what_the_receiver_did(start: Start, receiver: Receiver) -> None:
    service = start(sender=Sender(Allowed(plain=True, private=True)))
    made = add(service, receiver.url)
    receiver.secret = made["secret"]
    path = f"{WEBHOOKS}/{made['id']}/test"
    assert service.send("POST", path).document == {"delivered": True, "detail": "HTTP 204"}
    receiver.answering = lambda _type, _data: 500
    assert service.send("POST", path, {}).document == {"delivered": False, "detail": "HTTP 500"}
    assert [each.type for each in receiver.received] == ["webhook.test"] * 2
    assert len({each.id for each in receiver.received}) == 2
    assert receiver.refused == []


def test_the_audit_log_tells_who_did_what_to_which_webhook(start: Start, receiver: Receiver) -> None:
    service = start(sender=Sender(Allowed(plain=True, private=True)))
    made = add(service, receiver.url)
    path = f"{WEBHOOKS}/{made['id']}"
    service.send("POST", f"{path}/test")
    service.send("POST", f"{path}/redrive")
    service.send("DELETE", path)
    service.send("DELETE", path)
    entries = service.get(AUDIT)["items"]
    assert [(each["action"], each["subject"], each["details"]) for each in reversed(entries)] == [
        ("webhooks.add", made["id"], {}),
        ("webhooks.test", made["id"], {}),
        ("webhooks.remove", made["id"], {"undelivered": 0}),
    ]
