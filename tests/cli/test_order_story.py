"""What an order waits for, joined from both services."""

from typing import Any

import pytest

from orderflow.cli.orders_view import write_story
from orderflow.contracts.order_story import Story, Told, waits_for

CREATED = {"kind": "change", "status": "Created", "actor": "client", "at": "T1", "reason": None}
EVENT: dict[str, Any] = {"kind": "event", "topicPosition": None}
PUBLISHED: dict[str, Any] = {"kind": "event", "topicPosition": {"partition": 1, "offset": 2}}
WAITING = "waiting for the carrier's circuit: next probe in 3 s"


def told(status: str, *timeline: dict[str, Any], **changes: Any) -> Told:
    plain = {"orderId": "o-1", "status": status, "attention": None, "fulfillment": None}
    return Told({**plain, **changes}, [CREATED, *timeline])


def shipment(state: str = "ready", waiting: str = WAITING) -> dict[str, Any]:
    return {"state": state, "waitsFor": waiting}


def held(actor: str, at: str, reason: str | None = None) -> dict[str, Any]:
    return {"kind": "change", "status": "OnHold", "actor": actor, "at": at, "reason": reason}


@pytest.mark.parametrize(
    ("story", "sentence"),
    [
        (Story("o-1", told("Created", EVENT)), "waiting for its event to be published"),
        (Story("o-1", told("Created", PUBLISHED)), "waiting for the Fulfillment Service to take its event"),
        (
            Story(
                "o-1", told("Created", PUBLISHED), dead_letters=[{"state": "open", "kind": "newer-schema"}]
            ),
            "its event is a dead letter (newer-schema): redrive or discard it",
        ),
        (
            Story("o-1", told("OnHold", held("ada", "T2"), held("bob", "T4", "fraud?")), shipment()),
            "on hold by bob since T4: fraud?",
        ),
        (Story("o-1", told("OnHold", held("ada", "T2"))), "on hold by ada since T2"),
        (Story("o-1", told("Processing"), shipment()), WAITING),
        (
            Story("o-1", told("Shipped"), shipment("ready", "retry of step capture in 5 s")),
            "retry of step capture in 5 s",
        ),
        (Story("o-1", told("Shipped"), shipment("closed", "done: shipped")), "done: shipped"),
        (
            Story("o-1", told("Failed", fulfillment={"errorMessage": "no such address"})),
            "done: failed: no such address",
        ),
        (Story("o-1", told("Cancelled")), "done: cancelled"),
        (
            Story("o-1", told("Processing", attention={"kind": "stuck", "reason": "Look at it."})),
            "waiting for a person: Look at it.",
        ),
        (
            Story("o-1", told("Processing"), untold={"fulfillment": "no answer"}),
            "not known, because the Fulfillment Service does not tell",
        ),
        (Story("o-1", None, shipment(), untold={"orders": "no answer"}), WAITING),
        (
            Story("o-1", None, untold={"orders": "no answer"}),
            "not known, because the Order Service does not tell",
        ),
    ],
)
def test_an_order_says_what_it_waits_for(story: Story, sentence: str) -> None:
    assert waits_for(story) == sentence
    assert story.document()["waitsFor"] == sentence


def test_a_story_shows_each_failed_call_with_its_time_and_outcome(capsys: pytest.CaptureFixture[str]) -> None:
    names = (
        "attempts",
        "interruptions",
        "waits",
        "dueAt",
        "note",
        "error",
        "workerId",
        "party",
        "receivedAt",
    )
    failed = {"at": "T9", "step": "ship", "attempt": 4, "outcome": "retry", "reason": "HTTP 503"}
    of_order = {
        **dict.fromkeys((*names, "epoch", "closedAt", "traceId")),
        **shipment(),
        "receivedAt": "T2",
        "step": "ship",
        "direction": "do",
        "steps": [],
        "failedCalls": [failed],
    }
    write_story(Story("o-1", None, of_order))
    shown = capsys.readouterr().out
    assert WAITING in shown.splitlines()[0]
    (line,) = [line for line in shown.splitlines() if "HTTP 503" in line]
    assert line.split() == ["T9", "ship", "4", "retry", "HTTP", "503"]
