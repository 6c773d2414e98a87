"""Each part of the flow has the state that the services tell of it."""

from typing import Any

import pytest

from orderflow.console.flow import Seen, diagram


def seen(
    orders: list[dict[str, Any]], fulfillment: list[dict[str, Any]] | None
) -> dict[str, tuple[str, str]]:
    """The states and reasons of the parts, where the services call these degraded."""
    ready = None if fulfillment is None else {"degraded": fulfillment}
    drawn = diagram(Seen(None, {"degraded": orders}, ready, {"fulfillment": "It is away."}, {}))
    return {part.name: (part.state, part.reason) for part in drawn.path}


CUT = {"part": "event-log", "reason": "cut off"}


@pytest.mark.parametrize(("orders", "fulfillment"), [([CUT], []), ([], [CUT]), ([CUT], None)])
def test_trouble_of_the_event_log_is_shown_at_the_event_log(
    orders: list[dict[str, Any]], fulfillment: list[dict[str, Any]] | None
) -> None:
    parts = seen(orders, fulfillment)
    assert parts["Event log"] == ("bad", "cut off")
    assert parts["Order Service"] == ("good", "")
    assert parts["Fulfillment Service"] == (("bad", "It is away.") if fulfillment is None else ("good", ""))


def test_other_trouble_is_shown_at_the_service_that_tells_it() -> None:
    parts = seen([{"part": "stream", "reason": "late"}], [])
    assert parts["Order Service"] == ("watch", "stream: late")
    assert parts["Event log"] == ("good", "")
