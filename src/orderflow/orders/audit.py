"""What is recorded in the audit log of the Order Service."""

from orderflow.database.audit import AuditLog, Details
from orderflow.orders.commands import Updated, UpdateResult, update_orders
from orderflow.orders.erasure import Erased, erase
from orderflow.orders.parked import Released, release
from orderflow.orders.tables import audit_log

AUDIT_LOG = AuditLog(audit_log)


def _updated(result: UpdateResult) -> Details | None:
    return {"status": result.status.value} if isinstance(result, Updated) and result.changed else None


def _released(result: Released) -> Details | None:
    return {"events": result.rows} if result.rows else None


def _erased(result: Erased) -> Details | None:
    changed = {"orders": result.orders, "events": result.events, "reasons": result.reasons}
    return changed if any(changed.values()) else None


UPDATE_ORDERS = AUDIT_LOG.recording(update_orders, _updated)
RELEASE_PARKED = AUDIT_LOG.recording(release, _released)
ERASE = AUDIT_LOG.recording(erase, _erased)
