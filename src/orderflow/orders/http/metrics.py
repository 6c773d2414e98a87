"""Metrics of the Order Service over HTTP."""

from orderflow.orders import queries
from orderflow.orders.process import OrdersProcess
from orderflow.orders.webhooks import queue
from orderflow.runtime.telemetry import metrics
from orderflow.runtime.telemetry.exposition import Reading
from orderflow.web.metrics import MetricsApi


def metrics_api(process: OrdersProcess) -> MetricsApi:
    """Metrics of this process, whether it serves orders or only relays their events."""

    async def readings() -> list[Reading]:
        stats = await process.reader.run(queries.stats, process.clock())
        waiting = stats["outbox"]
        undelivered, dead = await process.reader.run(queue.counts)
        return [
            *((metrics.ORDERS, (status,), orders) for status, orders in stats["statuses"].items()),
            (metrics.ORDERS_ATTENTION, (), stats["attention"]),
            (metrics.OUTBOX_BACKLOG, (), waiting["backlog"]),
            (metrics.OUTBOX_OLDEST_AGE, (), waiting["oldestAgeMs"] / 1000),
            (metrics.OUTBOX_PARKED, (), waiting["parked"]),
            (metrics.WEBHOOK_WAITING, (), undelivered),
            (metrics.WEBHOOK_DEAD_LETTERS, (), dead),
        ]

    return MetricsApi(readings, process.health.degraded)
