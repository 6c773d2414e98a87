"""The audit log of the Fulfillment Service. What is recorded stands beside each action."""

from orderflow.database.audit import AuditLog, Details
from orderflow.fulfillment.tables import audit_log

AUDIT_LOG = AuditLog(audit_log)


def if_done(done: bool) -> Details | None:
    """For use cases whose result says whether they have done something."""
    return {} if done else None
