"""What a caller may be allowed to do."""

from enum import StrEnum


class Scope(StrEnum):
    ORDERS_READ = "orders:read"
    ORDERS_WRITE = "orders:write"
    """Place, cancel, hold and release orders."""
    ORDERS_STATUS = "orders:status"
    """Move orders from status to status, as the Fulfillment Service does."""
    FULFILLMENT_READ = "fulfillment:read"
    FULFILLMENT_OPERATE = "fulfillment:operate"
    """Redrive and discard dead letters, count stock."""
    ADMIN = "admin"
    """Includes all others."""


EVERY_SCOPE = frozenset(Scope)
OF_CUSTOMERS = frozenset((Scope.ORDERS_READ, Scope.ORDERS_WRITE))
"""The scopes of a caller who is bound to a customer: all others concern the orders of everybody."""
OF_WORKERS = frozenset((Scope.ORDERS_STATUS,))
"""Whoever has these scopes and no others is a worker, not a person."""


def granted(scopes: frozenset[Scope], customer_id: str | None = None) -> frozenset[Scope]:
    """Everything that a caller with these scopes may do: `admin` includes all others, and a bound caller has
    no more than `OF_CUSTOMERS`."""
    all_of_them = EVERY_SCOPE if Scope.ADMIN in scopes else scopes
    return all_of_them if customer_id is None else all_of_them & OF_CUSTOMERS
