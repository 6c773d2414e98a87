"""Makes the adapters that the settings name, and the parties that they speak to."""

import importlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from orderflow.fulfillment.parties import Adapter, Parties, Party, party_of
from orderflow.runtime.settings_error import SettingsError

A = TypeVar("A")

Named = tuple[str, str]
"""A kind of adapter, `simulated`, `http` or `package.module:Class`, and its address, which may be empty."""


def open_parties(
    current: Named, former: Iterable[Named], make: Callable[[str, str, str], A], variables: tuple[str, str]
) -> Parties[A]:
    """`make(variable, kind, address)` makes an adapter. `variables` are the settings that name `current` and
    `former`. Raises SettingsError, which names the setting."""
    first = _open(variables[0], current, make)
    others: dict[str, Party[A]] = {}
    for named in former:
        party = _open(variables[1], named, make)
        if party.name != first.name:
            others.setdefault(party.name, party)
    return Parties(first, tuple(others.values()))


def _open(variable: str, named: Named, make: Callable[[str, str, str], A]) -> Party[A]:
    kind, address = named
    try:
        return party_of(kind, make(variable, kind, address))
    except ValueError as error:
        raise SettingsError(f"{variable} names {kind}: {error}") from None


async def close_parties(parties: Parties[Adapter]) -> None:
    for party in parties:
        await party.adapter.close()


def own_adapter(variable: str, named: str, methods: Sequence[str], noun: str) -> Any:
    """Make `package.module:Class` without arguments; it must have the methods of `noun`, such as `carrier`.
    Whatever that raises becomes a SettingsError, with at most 500 characters of its own words on one line."""
    module, _, name = named.partition(":")
    try:
        adapter: Any = getattr(importlib.import_module(module), name)()
    except Exception as error:
        words = " ".join(f"{type(error).__name__}: {error}".split())
        raise SettingsError(f"{variable} names {named}: {words[:500]}") from None
    missing = [each for each in methods if not callable(getattr(adapter, each, None))]
    if missing:
        raise SettingsError(
            f"{variable} names {named}, which is no {noun}: it has no {' and no '.join(missing)}"
        )
    return adapter
