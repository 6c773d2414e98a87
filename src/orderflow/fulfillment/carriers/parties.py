"""Parties: which carrier holds an idempotency key. A key is only ever repeated, looked up or voided at the
carrier that it was first sent to."""

from collections.abc import Iterator
from dataclasses import dataclass

from orderflow.fulfillment.carriers import Carrier

PARTY_CHARS_MAX = 500


@dataclass(frozen=True, slots=True)
class Party:
    """A carrier, and the name that is stored with every intent: its adapter and its address or account."""

    name: str
    carrier: Carrier


@dataclass(frozen=True, slots=True)
class Carriers:
    """`current` gets fresh orders. `former` carriers only finish what they were asked for before."""

    current: Party
    former: tuple[Party, ...] = ()

    def __iter__(self) -> Iterator[Party]:
        yield self.current
        yield from self.former

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(party.name for party in self)

    def holding(self, name: str | None) -> Party | None:
        """The party that was sent the key of an intent; None if it is not known here. An intent without a
        name is older than names, and counts as the current carrier's."""
        if name is None:
            return self.current
        return next((party for party in self if party.name == name), None)


def party_of(adapter: str, carrier: Carrier) -> Party:
    """The party of a carrier, named after its adapter and its attribute `identity`, if it has one.

    Raises ValueError for an identity that is not a text on one line, or that is too long.
    """
    identity: object = getattr(carrier, "identity", "")
    if not isinstance(identity, str) or not identity.isprintable():
        raise ValueError("its identity must be a text on one line")
    name = f"{adapter} {identity}".strip()
    if len(name) > PARTY_CHARS_MAX:
        raise ValueError(f"its name and identity must have at most {PARTY_CHARS_MAX} characters together")
    return Party(name, carrier)
