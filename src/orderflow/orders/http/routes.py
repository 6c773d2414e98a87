"""The routes of the Order Service. Writes are plain Starlette endpoints with compiled validators; FastAPI
routes the reads and documents everything."""

from collections.abc import Awaitable, Callable

from fastapi import Depends, FastAPI
from pydantic import BaseModel
from starlette.requests import Request
from starlette.routing import Route
from starlette.types import ASGIApp

from orderflow.contracts import orders_api as api
from orderflow.contracts.audit import AUDIT, AuditPage, AuditQuery
from orderflow.contracts.audit_feeds import AUDITED_ORDERS, AuditedOrders, FeedQuery
from orderflow.contracts.erasure import ERASE_CUSTOMER
from orderflow.contracts.pages import PageQuery
from orderflow.contracts.webhooks import (
    WEBHOOK,
    WEBHOOK_LETTERS,
    WEBHOOKS,
    LetterQuery,
    WebhookLetterPage,
    WebhookPage,
)
from orderflow.messaging import Kept
from orderflow.orders import queries
from orderflow.orders.http import asyncapi, openapi, parsing, problems
from orderflow.orders.http.access import RULES
from orderflow.orders.http.audit import Audit
from orderflow.orders.http.customers import Customers
from orderflow.orders.http.health import health_api
from orderflow.orders.http.metrics import metrics_api
from orderflow.orders.http.orders import Orders
from orderflow.orders.http.parked import ParkedEvents
from orderflow.orders.http.short_way import PostOrder
from orderflow.orders.http.stats import Statistics
from orderflow.orders.http.status import StatusUpdates
from orderflow.orders.http.stream import OrderStream, StreamLimits
from orderflow.orders.http.transitions import Transitions
from orderflow.orders.http.waiting import Waiters
from orderflow.orders.http.webhooks import Webhooks
from orderflow.orders.process import OrdersProcess
from orderflow.orders.webhooks.sender import Sender
from orderflow.web import asyncapi_page, docs_page
from orderflow.web.access import guard
from orderflow.web.answers import EXCEPTION_HANDLERS
from orderflow.web.bodies import BodyBudget
from orderflow.web.headers import NoQuery, read_query, refuse_what_is_not_taken, takes
from orderflow.web.health import LIVE, READY, HealthApi, Live, Ready
from orderflow.web.metrics import MetricsApi
from orderflow.web.openapi import INTRODUCTION


class OrdersApi:
    """Everything that the Order Service serves."""

    app: ASGIApp
    """To be served by `web.server`."""
    short_way: PostOrder

    def __init__(
        self,
        process: OrdersProcess,
        *,
        events_kept: Callable[[], Kept],
        stream_limits: StreamLimits | None = None,
        sender: Sender | None = None,
    ) -> None:
        writer, reader, intake = process.writer, process.reader, process.intake
        bodies = BodyBudget()
        self._tail = process.tail
        self._stream = OrderStream(self._tail, reader, stream_limits or StreamLimits())
        self._waiters = Waiters(lambda order_ids: reader.run(queries.statuses, order_ids))
        self._tail.observe(self._waiters.changed)
        self._sender = sender or Sender()
        self.short_way = PostOrder(intake)
        self.app = _application(
            orders=Orders(
                intake=intake, reader=reader, bodies=bodies, waiters=self._waiters, tail=self._tail
            ),
            stream=self._stream,
            status=StatusUpdates(
                writer=writer,
                bodies=bodies,
                waiters=self._waiters,
                topic=process.topic,
                clock=process.clock,
            ),
            transitions=Transitions(
                writer=writer,
                reader=reader,
                bodies=bodies,
                waiters=self._waiters,
                topic=process.topic,
                clock=process.clock,
            ),
            statistics=Statistics(reader=reader, clock=process.clock),
            parked=ParkedEvents(writer=writer, reader=reader, clock=process.clock),
            customers=Customers(
                writer=writer,
                reader=reader,
                clock=process.clock,
                events_kept=events_kept,
                keys_kept_s=process.keys_kept_s,
            ),
            webhooks=Webhooks(writer=writer, reader=reader, sender=self._sender, clock=process.clock),
            audit=Audit(reader, clock=process.clock, orders_kept_s=process.orders_kept_s),
            health=health_api(process),
            metrics=metrics_api(process),
        )

    async def stop(self) -> None:
        """Answer every long poll now and end every stream; the server is about to end."""
        self._waiters.close()
        self._stream.close()
        await self._tail.close()
        await self._sender.close()


def _application(
    *,
    orders: Orders,
    stream: OrderStream,
    status: StatusUpdates,
    transitions: Transitions,
    statistics: Statistics,
    parked: ParkedEvents,
    customers: Customers,
    webhooks: Webhooks,
    audit: Audit,
    health: HealthApi,
    metrics: MetricsApi,
) -> ASGIApp:
    app = FastAPI(
        title="Orderflow Order Service",
        version="1",
        description=INTRODUCTION,
        exception_handlers={**EXCEPTION_HANDLERS, **problems.EXCEPTION_HANDLERS},
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
    )
    for method, path, endpoint in (
        ("POST", "/api/orders", takes(orders.post_order, key=True)),
        ("POST", "/api/orders/batch", takes(orders.post_batch)),
        ("PATCH", "/api/orders/status", takes(status.patch_statuses)),
        ("PATCH", "/api/orders/{order_id}/status", takes(status.patch_status, versions=True)),
        ("POST", "/api/orders/{order_id}/cancel", takes(transitions.cancel, versions=True)),
        ("POST", "/api/orders/{order_id}/hold", takes(transitions.hold, versions=True)),
        ("POST", "/api/orders/{order_id}/release", takes(transitions.release, versions=True)),
        ("POST", "/api/outbox/parked/release", takes(parked.release)),
        ("POST", ERASE_CUSTOMER, takes(customers.erase)),
        ("POST", WEBHOOKS, takes(webhooks.add)),
        ("DELETE", WEBHOOK, takes(webhooks.remove)),
        ("POST", f"{WEBHOOK}/test", takes(webhooks.test)),
        ("POST", f"{WEBHOOK}/rotate", takes(webhooks.rotate)),
        ("POST", f"{WEBHOOK}/redrive", takes(webhooks.redrive)),
        ("POST", f"{WEBHOOK_LETTERS}/{{position}}/redrive", takes(webhooks.redrive_letter)),
        ("POST", f"{WEBHOOK_LETTERS}/{{position}}/discard", takes(webhooks.discard_letter)),
    ):
        app.router.routes.append(Route(path, endpoint, methods=[method]))
    app.router.routes.append(Route(api.STREAM, stream, methods=["GET"]))
    for path, endpoint, query, answer in (
        ("/api/orders", orders.list_orders, parsing.ListQuery, api.OrderPage),
        ("/api/orders/{order_id}", orders.get_order, parsing.OrderQuery, api.OrderOut),
        ("/api/orders/{order_id}/timeline", orders.timeline, NoQuery, api.Timeline),
        ("/api/stats", statistics.stats, NoQuery, api.Stats),
        ("/api/outbox/parked", parked.list_parked, PageQuery, api.ParkedPage),
        (WEBHOOKS, webhooks.list_webhooks, PageQuery, WebhookPage),
        (WEBHOOK_LETTERS, webhooks.list_dead_letters, LetterQuery, WebhookLetterPage),
        (AUDIT, audit.list_entries, AuditQuery, AuditPage),
        (AUDITED_ORDERS, audit.list_orders, FeedQuery, AuditedOrders),
        (LIVE, health.live, NoQuery, Live),
        (READY, health.ready, NoQuery, Ready),
    ):
        app.add_api_route(
            path,
            endpoint,
            methods=["GET"],
            dependencies=[Depends(_takes(query))],
            response_model=None,
            responses=openapi.get_responses(answer),
        )
    app.router.routes.extend([metrics.route, *docs_page.ROUTES, *asyncapi_page.routes(asyncapi.document)])
    openapi.document_the_rest(app)
    guard(app.router.routes, RULES)
    return app


def _takes(query: type[BaseModel]) -> Callable[[Request], Awaitable[None]]:
    """Refuse the headers and query parameters that a read does not take. FastAPI would use the last of
    repeated parameters, and ignore unknown ones where a route has no parameters."""

    async def check(request: Request) -> None:
        refuse_what_is_not_taken(request)
        read_query(query, request)

    return check
