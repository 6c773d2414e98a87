"""What a round sends: new messages and those that wait, and never two of an order in the wrong order."""

from datetime import UTC, datetime, timedelta

from orderflow.orders.stream import Change, Page
from orderflow.orders.webhooks.endpoints import Endpoint
from orderflow.orders.webhooks.queue import Message
from orderflow.orders.webhooks.rounds import plan
from orderflow.orders.webhooks.sender import Attempt

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
ENDPOINT = Endpoint("e", "https://example.com", "whsec_", None, 10, 0, None, None)


def waiting(position: int, order: str, *, due_in_s: float = 0) -> Message:
    return Message(position, order, 1, "{}", 1, NOW + timedelta(seconds=due_in_s))


def page(*orders: str) -> Page:
    changes = [(10 + i, Change(order, 2, "Created", "t", "c")) for i, order in enumerate(orders)]
    return Page(changes, more=False)


def planned(size: int, *messages: Message, page: Page) -> tuple[list[list[tuple[int, str]]], list[int], int]:
    made = plan(ENDPOINT, messages, page, NOW, size)
    chains = [[(m.position, m.order_id) for m in chain] for chain in made.chains]
    return chains, [message.position for message in made.blocked], made.position


def test_a_probe_is_a_new_message_if_there_is_one() -> None:
    late = [waiting(number, f"late-{number}") for number in range(5)]
    assert planned(1, *late, page=page("a", "b")) == ([[(10, "a")]], [], 11)
    assert planned(1, *late, page=page()) == ([[(0, "late-0")]], [], 10)


def test_messages_that_are_tried_again_get_half_of_a_round() -> None:
    late = [waiting(number, f"late-{number}") for number in range(5)]
    chains, _, position = planned(4, *late, page=page("a", "b", "c"))
    assert [chain[0][1] for chain in chains] == ["a", "b", "late-0", "late-1"]
    assert position == 12
    chains, _, _ = planned(4, late[0], page=page("a", "b", "c", "d"))
    assert [chain[0][1] for chain in chains] == ["a", "b", "c", "late-0"]


def test_a_change_of_an_order_that_waits_is_kept_for_later() -> None:
    chains, blocked, position = planned(9, waiting(3, "a", due_in_s=5), page=page("a", "b", "a", "b"))
    assert (chains, blocked, position) == ([[(11, "b"), (13, "b")]], [10, 12], 14)


def test_the_messages_of_an_order_go_one_after_the_other() -> None:
    first, second = waiting(3, "a"), waiting(4, "a", due_in_s=-9)
    assert planned(9, first, second, page=page())[0] == [[(3, "a"), (4, "a")]]
    first = waiting(3, "a", due_in_s=1)
    assert planned(9, first, second, page=page())[0] == []


def test_there_is_more_to_send_until_a_round_takes_all_of_it() -> None:
    def more(size: int, *messages: Message, page: Page) -> bool:
        return plan(ENDPOINT, messages, page, NOW, size).more

    assert more(2, page=page("a", "b"))
    assert not more(3, page=page("a", "b"))
    assert more(3, page=page("a", "b")._replace(more=True))
    assert more(2, *(waiting(number, f"late-{number}") for number in range(3)), page=page())
    assert not more(2, *(waiting(number, f"late-{number}", due_in_s=1) for number in range(3)), page=page())


def test_what_is_left_after_a_round_is_what_was_not_taken_and_what_is_blocked_by_it() -> None:
    rows = [waiting(1, "a"), waiting(2, "b"), waiting(3, "c", due_in_s=5)]
    made = plan(ENDPOINT, rows, page("c", "d", "e"), NOW, 9)
    made.attempts = {1: Attempt(True, ""), 2: Attempt(False, ""), 11: Attempt(True, "")}
    later = NOW + timedelta(seconds=1)
    kept = [rows[1]._replace(attempts=2, due_at=later), made.fresh[1]]
    left = made.left(kept)
    assert [(message.position, message.order_id) for message in left] == [
        (2, "b"),
        (3, "c"),
        (12, "e"),
        (10, "c"),
    ]
    assert left[0].due_at == later
