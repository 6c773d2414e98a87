"""Parties: the companies outside that a step is done by, such as a carrier or a payment provider.

An idempotency key means something only to the party that it was first sent to. So each party has a name that
is stored with every intent, and a key is only ever repeated, looked up or undone there.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

PARTY_CHARS_MAX = 500

A_co = TypeVar("A_co", covariant=True)
A = TypeVar("A")


class Adapter(Protocol):
    """What the adapters of every port have in common."""

    async def close(self) -> None: ...


class PartyRejected(Exception):
    """The party declares that it will never do this for the order. The argument holds its words.
    Permanent."""


class PartyUnavailable(Exception):
    """No answer that can be relied on: time-out, connection lost, 401, 403, 404, 429, 5xx, an unreadable
    answer. Transient.

    `doubtful`: what was asked for may have been done. `retry_after_s`: the wait that the party asked for, 0
    to 3600 s, if any. `status`: the HTTP status, if there was one. Logs show the status and not the reason,
    which may hold the party's own words.
    """

    def __init__(
        self, reason: str, *, doubtful: bool, retry_after_s: float | None = None, status: int | None = None
    ) -> None:
        super().__init__(reason)
        self.doubtful = doubtful
        self.retry_after_s = retry_after_s
        self.status = status


class PartyRefused(Exception):
    """The party does not accept our request as such (a 4xx that is no outage): a person must look at it.
    `status` as in PartyUnavailable."""

    def __init__(self, reason: str, *, status: int | None = None) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True)
class Party(Generic[A_co]):
    """The adapter that speaks to a party, and the name that is stored with every intent: the adapter's kind
    and the party's address or account."""

    name: str
    adapter: A_co


@dataclass(frozen=True)
class Parties(Generic[A_co]):
    """`current` gets fresh orders. `former` parties only finish what they were asked for before."""

    current: Party[A_co]
    former: tuple[Party[A_co], ...] = ()

    def __iter__(self) -> Iterator[Party[A_co]]:
        yield self.current
        yield from self.former

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(party.name for party in self)

    def holding(self, name: str | None) -> Party[A_co] | None:
        """The party that was sent the key of an intent; None if it is not known here. An intent without a
        name is older than names, and counts as the current party's."""
        if name is None:
            return self.current
        return next((party for party in self if party.name == name), None)


def party_of(kind: str, adapter: A) -> Party[A]:
    """The party that an adapter speaks to, named after the kind of adapter and its attribute `identity`, if
    it has one.

    Raises ValueError for an identity that is not a text on one line, or that is too long.
    """
    identity: object = getattr(adapter, "identity", "")
    if not isinstance(identity, str) or not identity.isprintable():
        raise ValueError("its identity must be a text on one line")
    name = f"{kind} {identity}".strip()
    if len(name) > PARTY_CHARS_MAX:
        raise ValueError(f"its name and identity must have at most {PARTY_CHARS_MAX} characters together")
    return Party(name, adapter)
