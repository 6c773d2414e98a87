"""The companies that the settings name: carriers and payment providers."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import NamedTuple

from orderflow.fulfillment.carriers import Carriers
from orderflow.fulfillment.carriers.connect import open_carriers
from orderflow.fulfillment.parties.connect import close_parties
from orderflow.fulfillment.payments import Payments
from orderflow.fulfillment.payments.connect import open_payments
from orderflow.runtime.tls import ClientTls
from orderflow.settings import Settings


class Outside(NamedTuple):
    carriers: Carriers
    payments: Payments | None


@asynccontextmanager
async def open_outside(settings: Settings, tls: ClientTls) -> AsyncGenerator[Outside]:
    """The carriers and payment providers while the block runs. Raises SettingsError for a wrong one."""
    carriers = open_carriers(settings, tls)
    try:
        payments = open_payments(settings, tls)
        try:
            yield Outside(carriers, payments)
        finally:
            if payments is not None:
                await close_parties(payments)
    finally:
        await close_parties(carriers)
