"""What the Order Service may say about one status update."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The order has that status."""


@dataclass(frozen=True, slots=True)
class UnknownOrder:
    """There is no such order."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """An order with this status may not get the one that was sent."""

    current_status: str


@dataclass(frozen=True, slots=True)
class Unanswered:
    """The answer says nothing about the update itself, so it may be accepted later."""

    reason: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The update will never be accepted. `how` has none of the Order Service's words."""

    how: str


Answer = Acknowledged | UnknownOrder | Conflict | Unanswered | Refused
