"""Webhooks over HTTP: who may add what, what is shown, and what the audit log says of it."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.orders.conftest import UNKNOWN_ID, Service, Start, is_problem
from tests.orders.receiver import Receiver

from orderflow.contracts.audit import AUDIT
from orderflow.contracts.webhooks import WEBHOOKS
from orderflow.database.transaction import Transaction
from orderflow.orders.webhooks import endpoints
from orderflow.orders.webhooks.endpoints import ENDPOINTS_MAX, FORMER_SECRETS_MAX
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
        "formerSecretUntil": None,
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
    ("method", "action"),
    [
        ("DELETE", ""),
        ("POST", "/test"),
        ("POST", "/rotate"),
        ("POST", "/redrive"),
        ("GET", "/dead-letters"),
        ("POST", "/dead-letters/7/redrive"),
        ("POST", "/dead-letters/7/discard"),
    ],
)
def test_a_webhook_that_there_is_not_is_404(
    service: Service, method: str, action: str, webhook_id: str
) -> None:
    body = {"reason": "r"} if action.endswith("discard") else None
    answer = service.send(method, f"{WEBHOOKS}/{webhook_id}{action}", body)
    is_problem(answer, 422 if webhook_id == "%00" else 404)
    assert service.get(AUDIT)["items"] == []


@pytest.mark.parametrize(
    ("method", "action"),
    [("DELETE", ""), ("POST", "/test"), ("POST", "/redrive"), ("POST", "/dead-letters/7/redrive")],
)
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


def test_messages_are_signed_with_the_former_secret_as_well_for_a_while(
    start: Start, receiver: Receiver
) -> None:
    service = start(sender=Sender(Allowed(plain=True, private=True)))
    made = add(service, receiver.url)
    path = f"{WEBHOOKS}/{made['id']}"
    rotated = service.send("POST", f"{path}/rotate").document
    assert rotated.keys() == {"id", "secret", "formerSecretUntil"}
    assert rotated["secret"] != made["secret"]
    assert timedelta(hours=23) < _from_now(rotated["formerSecretUntil"]) <= timedelta(hours=24)
    assert service.get(WEBHOOKS)["items"][0]["formerSecretUntil"] == rotated["formerSecretUntil"]
    for receiver.secret in (made["secret"], rotated["secret"]):
        assert service.send("POST", f"{path}/test").document["delivered"]
    # Whoever did not see an answer asks again: what the receiver knows is in use all the same.
    third = service.send("POST", f"{path}/rotate", {"overlapSeconds": 60}).document
    for receiver.secret in (made["secret"], rotated["secret"], third["secret"]):
        assert service.send("POST", f"{path}/test").document["delivered"]
    assert _from_now(service.get(WEBHOOKS)["items"][0]["formerSecretUntil"]) <= timedelta(seconds=60)
    last = service.send("POST", f"{path}/rotate", {"overlapSeconds": 0}).document
    assert service.get(WEBHOOKS)["items"][0]["formerSecretUntil"] is None
    for receiver.secret in (made["secret"], rotated["secret"], third["secret"]):
        assert not service.send("POST", f"{path}/test").document["delivered"]
    receiver.secret = last["secret"]
    assert service.send("POST", f"{path}/test").document["delivered"]
    entries = service.get(f"{AUDIT}?action=webhooks.rotate")
    assert [each["details"] for each in entries["items"]] == [
        {"overlapSeconds": seconds} for seconds in (0, 60, 86_400)
    ]
    everywhere = json.dumps(entries) + json.dumps(service.get(WEBHOOKS))
    assert not any(each["secret"] in everywhere for each in (made, rotated, third, last))


def _from_now(at: str) -> timedelta:
    return datetime.fromisoformat(at) - datetime.now(UTC)


def test_a_few_former_secrets_may_be_in_use(service: Service) -> None:
    path = f"{WEBHOOKS}/{add(service)['id']}/rotate"
    for _ in range(FORMER_SECRETS_MAX):
        assert service.send("POST", path).status == 200
    problem = is_problem(service.send("POST", path), 409)
    assert problem["type"].endswith(":too-many")
    assert service.send("POST", path, {"overlapSeconds": 0}).status == 200


@pytest.mark.parametrize("overlap", [-1, 604_801, 1.5, "60", None, True])
def test_an_overlap_has_bounds(service: Service, overlap: Any) -> None:
    path = f"{WEBHOOKS}/{add(service)['id']}/rotate"
    problem = is_problem(service.send("POST", path, {"overlapSeconds": overlap}), 422)
    assert problem["errors"][0]["pointer"] == "/overlapSeconds"


def test_a_rotation_whose_commit_was_lost_is_not_made_twice(service: Service) -> None:
    made = add(service)
    at = datetime.now(UTC)
    command = endpoints.Rotate(made["id"], "whsec_new", at, at + timedelta(days=1))
    for may_be_committed in (False, True):
        with service.database.writer.begin() as connection:
            tx = Transaction(connection, may_be_committed=may_be_committed)
            assert endpoints.rotate(tx, [command]) == ["rotated"]
            tx.send()
    with service.database.writer.begin() as connection:
        found = endpoints.look_up(Transaction(connection), [endpoints.LookUp(made["id"])])[0]
    assert found is not None
    assert found.secrets_at(at) == ["whsec_new", made["secret"]]
    assert found.secrets_at(at + timedelta(days=1)) == ["whsec_new"]


def test_two_rotations_in_one_transaction_both_count(service: Service) -> None:
    made = add(service)
    at = datetime.now(UTC)
    until = at + timedelta(days=1)
    with service.database.writer.begin() as connection:
        tx = Transaction(connection)
        commands = [endpoints.Rotate(made["id"], f"whsec_{number}", at, until) for number in (1, 2)]
        assert endpoints.rotate(tx, commands) == ["rotated"] * 2
        tx.send()
        found = endpoints.look_up(tx, [endpoints.LookUp(made["id"])])[0]
    assert found is not None
    assert found.secrets_at(at) == ["whsec_2", "whsec_1", made["secret"]]


def test_a_rotation_whose_commit_was_lost_is_not_made_twice_though_others_came_since(
    service: Service,
) -> None:
    made = add(service)
    at = datetime.now(UTC)
    until = at + timedelta(days=1)
    commands = [endpoints.Rotate(made["id"], f"whsec_{number}", at, until) for number in (1, 2)]
    for may_be_committed in (False, True):
        with service.database.writer.begin() as connection:
            tx = Transaction(connection, may_be_committed=may_be_committed)
            assert endpoints.rotate(tx, commands) == ["rotated"] * 2
            tx.send()
    with service.database.writer.begin() as connection:
        found = endpoints.look_up(Transaction(connection), [endpoints.LookUp(made["id"])])[0]
    assert found is not None
    assert found.secrets_at(at) == ["whsec_2", "whsec_1", made["secret"]]


def test_secrets_that_are_over_are_forgotten(service: Service) -> None:
    made = [add(service)["id"] for _ in range(2)]
    at = datetime.now(UTC)
    with service.database.writer.begin() as connection:
        tx = Transaction(connection)
        for days in (1, 2):
            until = at + timedelta(days=days)
            endpoints.rotate(tx, [endpoints.Rotate(made[0], f"whsec_{days}", at, until)])
        for days, left in ((0.5, [2, 0]), (1.5, [1, 0]), (2.5, [0, 0])):
            endpoints.claim(tx, [endpoints.Claim(UNKNOWN_ID, at + timedelta(days=days))])
            tx.send()
            found = endpoints.look_up(tx, [endpoints.LookUp(each) for each in made])
            assert [len(each.former_secrets) for each in found if each] == left, days
