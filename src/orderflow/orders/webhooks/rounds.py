"""What a round sends to an endpoint, and what is left of it afterwards."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from orderflow.contracts.webhooks import EVENT_OF_STATUS
from orderflow.orders.stream import Page
from orderflow.orders.webhooks.endpoints import Endpoint
from orderflow.orders.webhooks.messages import payload
from orderflow.orders.webhooks.queue import Message
from orderflow.orders.webhooks.sender import Attempt

Chain = list[Message]
"""Messages of one order, which are sent one after the other."""


@dataclass(slots=True)
class Round:
    """What a round sends: `chains`, while all of `fresh` is new. `blocked` is new as well, and waits for
    earlier messages of its orders. `waiting` are the rows before the round."""

    waiting: Sequence[Message]
    chains: list[Chain]
    fresh: list[Message]
    blocked: list[Message]
    position: int
    """Behind the last change that was looked at."""
    more: bool = False
    """Whether there may be more to send now."""
    attempts: dict[int, Attempt] = field(default_factory=dict[int, Attempt])
    """What happened, by the positions of messages that were sent."""

    @property
    def taken(self) -> int:
        return sum(attempt.delivered for attempt in self.attempts.values())

    @property
    def failed(self) -> int:
        return len(self.attempts) - self.taken

    def is_taken(self, message: Message) -> bool:
        attempt = self.attempts.get(message.position)
        return attempt is not None and attempt.delivered

    def left(self, kept: Sequence[Message]) -> list[Message]:
        """What waits after the round, in which the messages of `kept` were not taken."""
        left = {message.position: message for message in self.waiting if not self.is_taken(message)}
        return list((left | {message.position: message for message in (*kept, *self.blocked)}).values())


def plan(endpoint: Endpoint, waiting: Sequence[Message], page: Page, now: datetime, size: int) -> Round:
    """What to send now: about `size` messages, half of them new ones if there are so many of both. While
    nothing is taken, that is a new one, so that messages which always fail hold nobody up."""
    earlier = chains_of(waiting)
    held = {chain[0].order_id for chain in earlier}
    due = [chain for chain in earlier if chain[0].due_at <= now]
    made = Round(waiting, [], [], [], endpoint.position)
    fresh: dict[str, Chain] = {}
    room = max(1, size - min(len(due), size // 2))
    for position, change in page.changes:
        if len(made.fresh) == room:
            break
        made.position = position + 1
        if not _is_wanted(endpoint, change.status):
            continue
        message = Message(position, change.order_id, change.version, payload(position, change), 0, now)
        if change.order_id in held:
            made.blocked.append(message)
            continue
        made.fresh.append(message)
        fresh.setdefault(change.order_id, []).append(message)
    again = due[: max(0, size - len(made.fresh))]
    made.chains = [*fresh.values(), *again]
    made.more = len(made.fresh) == room or page.more or len(again) < len(due)
    return made


def chains_of(messages: Iterable[Message]) -> list[Chain]:
    """Messages that are neither taken nor dead, by order."""
    found: dict[str, Chain] = {}
    for message in sorted(messages):
        if message.dead_at is None:
            found.setdefault(message.order_id, []).append(message)
    return list(found.values())


def _is_wanted(endpoint: Endpoint, status: str) -> bool:
    return endpoint.event_types is None or EVENT_OF_STATUS[status] in endpoint.event_types


def missed_before(endpoint: Endpoint, page: Page) -> int:
    """How many changes were removed from the stream before this page."""
    return page.changes[0][0] - endpoint.position if page.changes else 0


def after(endpoint: Endpoint, planned: Round, missed: int, now: datetime) -> Endpoint:
    """The endpoint after a round."""
    failing_since, last_error = endpoint.failing_since, endpoint.last_error
    failed = [attempt.detail for attempt in planned.attempts.values() if not attempt.delivered]
    if planned.taken:
        failing_since = last_error = None
    elif failed:
        failing_since = failing_since or now
    return endpoint._replace(
        position=planned.position,
        missed=endpoint.missed + missed,
        failing_since=failing_since,
        last_error=failed[-1] if failed else last_error,
    )
