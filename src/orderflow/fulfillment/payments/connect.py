"""The payment providers that the settings name: the one for fresh orders, and former ones."""

from orderflow.fulfillment.parties.connect import open_parties, own_adapter
from orderflow.fulfillment.payments import PaymentProvider, Payments
from orderflow.fulfillment.payments.http import HttpPayments
from orderflow.fulfillment.payments.simulated import SimulatedPayments
from orderflow.runtime.tls import ClientTls
from orderflow.settings import Settings

CONNECTIONS_MAX = 200
_METHODS = ("authorize", "find_payments", "capture", "void", "refund", "close")
_VARIABLES = ("ORDERFLOW_PAYMENTS", "ORDERFLOW_FORMER_PAYMENTS")


def open_payments(settings: Settings, tls: ClientTls | None = None) -> Payments | None:
    """Make the providers that the settings name, or None if payments are `none`. Raises SettingsError, which
    names the setting."""
    if settings.payments == "none":
        return None

    def make(variable: str, kind: str, address: str) -> PaymentProvider:
        if kind == "http":
            return HttpPayments(address, connections_max=settings.in_flight_max or CONNECTIONS_MAX, tls=tls)
        if kind == "simulated":
            return SimulatedPayments(
                seed=int(address),
                decline_rate=settings.payments_decline_rate,
                error_rate=settings.payments_error_rate,
            )
        return own_adapter(variable, kind, _METHODS, "payment provider")

    address = settings.payments_url if settings.payments == "http" else str(settings.payments_seed)
    current = (settings.payments, address or "")
    return open_parties(current, settings.former_payments_list, make, _VARIABLES)
