"""The carriers that the settings name: the one for fresh orders, and former ones."""

from orderflow.fulfillment.carriers import Carrier, Carriers
from orderflow.fulfillment.carriers.http import HttpCarrier
from orderflow.fulfillment.carriers.simulated import SimulatedCarrier
from orderflow.fulfillment.parties.connect import open_parties, own_adapter
from orderflow.runtime.tls import ClientTls
from orderflow.settings import Settings

_METHODS = ("create_shipment", "find_shipments", "void_shipment", "close")
_VARIABLES = ("ORDERFLOW_CARRIER", "ORDERFLOW_FORMER_CARRIERS")


def open_carriers(settings: Settings, tls: ClientTls | None = None) -> Carriers:
    """Make the carriers that the settings name. Raises SettingsError, which names the setting."""

    def make(variable: str, kind: str, address: str) -> Carrier:
        if kind == "http":
            return HttpCarrier(address, connections_max=settings.shipments_in_flight_max, tls=tls)
        if kind == "simulated":
            return SimulatedCarrier(
                seed=int(address),
                delay_ms=settings.carrier_delay_range_ms,
                failure_rate=settings.carrier_failure_rate,
                error_rate=settings.carrier_error_rate,
            )
        return own_adapter(variable, kind, _METHODS, "carrier")

    address = settings.carrier_url if settings.carrier == "http" else str(settings.carrier_seed)
    current = (settings.carrier, address or "")
    return open_parties(current, settings.former_carrier_list, make, _VARIABLES)
