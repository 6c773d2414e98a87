"""The carriers that the settings name: the one for fresh orders, and former ones."""

import importlib

from orderflow.fulfillment.carriers import Carrier
from orderflow.fulfillment.carriers.http import HttpCarrier
from orderflow.fulfillment.carriers.parties import Carriers, Party, party_of
from orderflow.fulfillment.carriers.simulated import SimulatedCarrier
from orderflow.runtime.settings_error import SettingsError
from orderflow.settings import Settings

_METHODS = ("create_shipment", "find_shipments", "void_shipment", "close")


def open_carriers(settings: Settings) -> Carriers:
    """Make the carriers that the settings name. Raises SettingsError, which names the setting."""
    adapter = settings.carrier
    address = settings.carrier_url if adapter == "http" else str(settings.carrier_seed)
    current = _open("ORDERFLOW_CARRIER", adapter, address or "", settings)
    former: dict[str, Party] = {}
    for adapter, address in settings.former_carrier_list:
        party = _open("ORDERFLOW_FORMER_CARRIERS", adapter, address, settings)
        if party.name != current.name:
            former.setdefault(party.name, party)
    return Carriers(current, tuple(former.values()))


def _open(variable: str, adapter: str, address: str, settings: Settings) -> Party:
    try:
        return party_of(adapter, _carrier(variable, adapter, address, settings))
    except ValueError as error:
        raise SettingsError(f"{variable} names {adapter}: {error}") from None


def _carrier(variable: str, adapter: str, address: str, settings: Settings) -> Carrier:
    if adapter == "http":
        return HttpCarrier(address, connections_max=settings.shipments_in_flight_max)
    if adapter == "simulated":
        return SimulatedCarrier(
            seed=int(address),
            delay_ms=settings.carrier_delay_range_ms,
            failure_rate=settings.carrier_failure_rate,
            error_rate=settings.carrier_error_rate,
        )
    return _own_carrier(variable, adapter)


def _own_carrier(variable: str, named: str) -> Carrier:
    """Make `package.module:Class` without arguments. Whatever that raises becomes a SettingsError, with at
    most 500 characters of its own words on one line."""
    module, _, name = named.partition(":")
    try:
        carrier = getattr(importlib.import_module(module), name)()
    except Exception as error:
        words = " ".join(f"{type(error).__name__}: {error}".split())
        raise SettingsError(f"{variable} names {named}: {words[:500]}") from None
    missing = [each for each in _METHODS if not callable(getattr(carrier, each, None))]
    if missing:
        raise SettingsError(
            f"{variable} names {named}, which is no carrier: it has no {' and no '.join(missing)}"
        )
    return carrier


async def close_carriers(carriers: Carriers) -> None:
    for party in carriers:
        await party.carrier.close()
