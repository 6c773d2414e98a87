"""What callers do by hand, for the audit logs of both services."""

from datetime import datetime

from orderflow.database.audit import Act, Details, act
from orderflow.web.front_door import Caller


def act_of(
    sender: Caller,
    at: datetime,
    action: str,
    subject: str,
    *,
    reason: str | None = None,
    details: Details | None = None,
) -> Act:
    return act(
        at,
        action,
        subject,
        actor=sender.name,
        correlation_id=sender.correlation_id,
        reason=reason,
        details=details,
    )
