"""What is recorded in the audit log of the Order Service."""

from orderflow.database.audit import AuditLog, Details
from orderflow.orders.commands import Updated, UpdateResult, update_orders
from orderflow.orders.erasure import Erased, erase
from orderflow.orders.parked import Released, release
from orderflow.orders.tables import audit_log
from orderflow.orders.webhooks import endpoints, queue
from orderflow.orders.webhooks.endpoints import Endpoint, Rotation
from orderflow.orders.webhooks.queue import Redriven

AUDIT_LOG = AuditLog(audit_log)


def _updated(result: UpdateResult) -> Details | None:
    return {"status": result.status.value} if isinstance(result, Updated) and result.changed else None


def _released(result: Released) -> Details | None:
    return {"events": result.rows} if result.rows else None


def _erased(result: Erased) -> Details | None:
    changed = {"orders": result.orders, "events": result.events, "reasons": result.reasons}
    return changed if any(changed.values()) else None


def _done(is_done: bool) -> Details | None:
    return {} if is_done else None


def _rotated(rotation: Rotation) -> Details | None:
    return {} if rotation == "rotated" else None


def _removed(undelivered: int | None) -> Details | None:
    return None if undelivered is None else {"undelivered": undelivered}


def _tested(found: Endpoint | None) -> Details | None:
    return None if found is None else {}


def _redriven(result: Redriven | None) -> Details | None:
    return {"messages": result.rows} if result is not None and result.rows else None


UPDATE_ORDERS = AUDIT_LOG.recording(update_orders, _updated)
RELEASE_PARKED = AUDIT_LOG.recording(release, _released)
ERASE = AUDIT_LOG.recording(erase, _erased)
ADD_WEBHOOK = AUDIT_LOG.recording(endpoints.add, _done)
REMOVE_WEBHOOK = AUDIT_LOG.recording(endpoints.remove, _removed)
TEST_WEBHOOK = AUDIT_LOG.recording(endpoints.look_up, _tested)
ROTATE_WEBHOOK = AUDIT_LOG.recording(endpoints.rotate, _rotated)
REDRIVE_WEBHOOK_LETTER = AUDIT_LOG.recording(queue.redrive_letter, _done)
DISCARD_WEBHOOK_LETTER = AUDIT_LOG.recording(queue.discard_letter, _done)
REDRIVE_WEBHOOK = AUDIT_LOG.recording(queue.redrive, _redriven)
