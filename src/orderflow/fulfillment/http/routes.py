"""The routes of the Fulfillment Service."""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from orderflow.contracts.audit import AUDIT
from orderflow.contracts.audit_feeds import AUDITED_SHIPMENTS, AUDITED_STOCK
from orderflow.contracts.erasure import ERASE_SHIPMENTS
from orderflow.fulfillment.carriers.simulated import SimulatedCarrier
from orderflow.fulfillment.http.access import LETTERS, RULES
from orderflow.fulfillment.http.customers import Customers
from orderflow.fulfillment.http.dead_letters import DeadLetterActions
from orderflow.fulfillment.http.openapi import openapi_document
from orderflow.fulfillment.http.reads import FulfillmentApi
from orderflow.fulfillment.http.simulation import SIMULATED_CARRIER, SimulationApi
from orderflow.fulfillment.http.stock import STOCK, StockApi
from orderflow.fulfillment.until_written import TRANSIENT
from orderflow.web import docs_page
from orderflow.web.access import guard
from orderflow.web.answers import EXCEPTION_HANDLERS, json_response, problem_response
from orderflow.web.headers import takes
from orderflow.web.health import HealthApi
from orderflow.web.metrics import MetricsApi
from orderflow.web.openapi import OPENAPI
from orderflow.web.problems import ProblemError


def create_app(
    service: FulfillmentApi,
    health: HealthApi,
    actions: DeadLetterActions,
    stock: StockApi,
    customers: Customers,
    *,
    metrics: MetricsApi,
    simulated: SimulatedCarrier | None = None,
) -> Starlette:
    """The Fulfillment Service as an ASGI application, to be served by `web.server`. `simulated` is a carrier
    whose behaviour may be changed."""
    simulation = SimulationApi(simulated)
    routes = [
        *health.routes(),
        metrics.route,
        Route(OPENAPI, takes(_openapi)),
        *docs_page.ROUTES,
        Route("/api/fulfillment/shipments", takes(service.list_shipments, reads_query=True)),
        Route("/api/fulfillment/shipments/{order_id}", takes(service.get_shipment)),
        Route(LETTERS, takes(service.list_dead_letters, reads_query=True)),
        Route(f"{LETTERS}/groups", takes(service.list_groups)),
        Route(f"{LETTERS}/redrive", takes(actions.start_redrive), methods=["POST"]),
        Route(f"{LETTERS}/redrives", takes(service.list_redrives)),
        Route(f"{LETTERS}/redrives/{{redrive_id}}", takes(service.get_redrive)),
        Route(f"{LETTERS}/redrives/{{redrive_id}}/stop", takes(actions.stop_redrive), methods=["POST"]),
        Route(f"{LETTERS}/{{letter_id}}", takes(service.get_dead_letter)),
        Route(f"{LETTERS}/{{letter_id}}/message", takes(service.get_message)),
        Route(f"{LETTERS}/{{letter_id}}/redrive", takes(actions.redrive), methods=["POST"]),
        Route(f"{LETTERS}/{{letter_id}}/discard", takes(actions.discard), methods=["POST"]),
        Route(AUDIT, takes(service.list_audit, reads_query=True)),
        Route(AUDITED_SHIPMENTS, takes(service.list_audited_shipments, reads_query=True)),
        Route(AUDITED_STOCK, takes(service.list_audited_stock, reads_query=True)),
        Route(STOCK, takes(stock.list_stock, reads_query=True)),
        Route(SIMULATED_CARRIER, takes(simulation.read)),
        Route(SIMULATED_CARRIER, takes(simulation.write), methods=["PUT"]),
        Route(ERASE_SHIPMENTS, takes(customers.erase), methods=["POST"]),
        # A product id may have a slash in it.
        Route(f"{STOCK}/{{product_id:path}}", takes(stock.set_on_hand), methods=["PUT"]),
    ]
    guard(routes, RULES)
    handlers = EXCEPTION_HANDLERS | dict.fromkeys(TRANSIENT, _on_database_unavailable)
    app = Starlette(routes=routes, exception_handlers=handlers)
    app.router.redirect_slashes = False
    return app


async def _openapi(_request: Request) -> Response:
    return json_response(openapi_document())


async def _on_database_unavailable(request: Request, _error: Exception) -> Response:
    problem = ProblemError(503, "The database does not answer now.", headers={"Retry-After": "2"})
    return problem_response(problem, request)
