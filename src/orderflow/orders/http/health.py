"""Health of the Order Service over HTTP."""

from orderflow.orders.process import OrdersProcess
from orderflow.web.health import HealthApi


def health_api(process: OrdersProcess) -> HealthApi:
    """Health of this process, whether it serves orders or only relays their events."""
    return HealthApi(
        process.readiness.trouble, disabled=process.health.disabled, degraded=process.health.degraded
    )
