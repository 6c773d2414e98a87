"""The way to the event log, which somebody cuts on purpose, in development."""

from collections.abc import Mapping, Sequence

import structlog

from orderflow.messaging import Message, Position, Publisher, PublishFailed

log = structlog.get_logger()

CUT, CONNECT = "Cut off", "Connect"


class CuttablePublisher:
    """A `Publisher`, and a `runtime.breakable.Breakable`: while it is cut off, nothing is published."""

    name = "Event log"

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self.state = "connected"

    @property
    def actions(self) -> Mapping[str, str]:
        if self.state == "connected":
            return {CUT: "nothing can be published. Orders are taken all the same, and their events wait."}
        return {CONNECT: "what has waited is published."}

    def act(self, action: str) -> None:
        if action not in self.actions:
            raise KeyError(action)
        log.warning("part.broken_on_purpose", part=self.name, action=action)
        self.state = "cut off" if action == CUT else "connected"

    def publish(self, messages: Sequence[Message]) -> list[Position | PublishFailed]:
        if self.state == "connected":
            return self._publisher.publish(messages)
        return [PublishFailed("somebody has cut off the event log")] * len(messages)

    def close(self) -> None:
        self._publisher.close()
