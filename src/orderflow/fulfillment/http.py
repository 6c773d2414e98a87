"""The Fulfillment Service over HTTP: health, shipments, dead letters and stock."""

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import Field
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from orderflow.contracts.audit import AUDIT, AuditQuery
from orderflow.contracts.order_events import readable_order_id
from orderflow.contracts.pages import PageQuery
from orderflow.database.engine import Reader
from orderflow.database.readiness import Readiness
from orderflow.fulfillment import queries
from orderflow.fulfillment.access import LETTERS, RULES
from orderflow.fulfillment.audit import AUDIT_LOG
from orderflow.fulfillment.dead_letters.http import DeadLetterActions
from orderflow.fulfillment.dead_letters.letters import LetterState
from orderflow.fulfillment.model import State
from orderflow.fulfillment.stock.http import STOCK, StockApi
from orderflow.fulfillment.until_written import TRANSIENT
from orderflow.fulfillment.worker import WorkerStatus
from orderflow.web.access import guard
from orderflow.web.answers import EXCEPTION_HANDLERS, json_response, json_text, problem_response
from orderflow.web.headers import read_query, takes
from orderflow.web.health import HealthApi
from orderflow.web.problems import ProblemError


class _LettersQuery(PageQuery):
    state: list[LetterState] = Field([])
    kind: Annotated[str, Field(max_length=64)] | None = None


class _ShipmentsQuery(PageQuery):
    state: list[State] = Field([])


class FulfillmentApi:
    """The endpoints that read."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def get_shipment(self, request: Request) -> Response:
        order_id = readable_order_id(request.path_params["order_id"])
        shipment = await self._reader.run(queries.get_shipment, order_id) if order_id else None
        if shipment is None:
            raise ProblemError(404, "There is no shipment for such an order.")
        return json_response(shipment)

    async def list_shipments(self, request: Request) -> Response:
        query = read_query(_ShipmentsQuery, request)
        page = await self._reader.run(
            queries.list_shipments, states=query.state, limit=query.limit, after=query.cursor
        )
        return json_text(page)

    async def list_dead_letters(self, request: Request) -> Response:
        query = read_query(_LettersQuery, request)
        page = await self._reader.run(
            queries.list_dead_letters,
            kind=query.kind,
            states=query.state,
            limit=query.limit,
            after=query.cursor,
        )
        return json_text(page)

    async def list_audit(self, request: Request) -> Response:
        return json_text(await self._reader.run(AUDIT_LOG.page, read_query(AuditQuery, request)))

    async def list_groups(self, _request: Request) -> Response:
        return json_response(await self._reader.run(queries.dead_letter_groups))

    async def list_redrives(self, _request: Request) -> Response:
        return json_response(await self._reader.run(queries.list_redrives))

    async def get_redrive(self, request: Request) -> Response:
        redrive_id = readable_order_id(request.path_params["redrive_id"])
        found = await self._reader.run(queries.list_redrives, redrive_id=redrive_id) if redrive_id else None
        if not (found and found["items"]):
            raise ProblemError(404, "There is no such redrive.")
        return json_response(found["items"][0])

    async def get_dead_letter(self, request: Request) -> Response:
        letter_id = readable_order_id(request.path_params["letter_id"])
        letter = await self._reader.run(queries.get_dead_letter, letter_id) if letter_id else None
        if letter is None:
            raise ProblemError(404, "There is no such dead letter.")
        return json_response(letter)


def health_api(readiness: Readiness, status: Callable[[], WorkerStatus]) -> HealthApi:
    """Health of the worker in this process."""
    return HealthApi(
        readiness.trouble,
        disabled=lambda: status().disabled,
        degraded=lambda: status().degraded,
        details=lambda: _details(status()),
    )


def _details(status: WorkerStatus) -> dict[str, Any]:
    consumer = status.consumer
    age_s = consumer.last_poll_age_s
    return {
        "workerId": status.worker_id,
        "epoch": status.epoch,
        "inFlight": status.in_flight,
        "held": status.held,
        "consumer": {
            "group": consumer.group,
            "assignment": list(consumer.assignment),
            "lag": consumer.lag,
            "lastPollAgeMs": None if age_s is None else round(age_s * 1000),
            "error": consumer.error,
        },
        "circuits": {part: circuit.value for part, circuit in status.circuits.items()},
        "skippedEvents": status.skipped_events,
    }


def create_app(
    service: FulfillmentApi, health: HealthApi, actions: DeadLetterActions, stock: StockApi
) -> Starlette:
    """The Fulfillment Service as an ASGI application, to be served by `web.server`."""
    routes = [
        *health.routes(),
        Route("/api/fulfillment/shipments", takes(service.list_shipments, reads_query=True)),
        Route("/api/fulfillment/shipments/{order_id}", takes(service.get_shipment)),
        Route(LETTERS, takes(service.list_dead_letters, reads_query=True)),
        Route(f"{LETTERS}/groups", takes(service.list_groups)),
        Route(f"{LETTERS}/redrive", takes(actions.start_redrive), methods=["POST"]),
        Route(f"{LETTERS}/redrives", takes(service.list_redrives)),
        Route(f"{LETTERS}/redrives/{{redrive_id}}", takes(service.get_redrive)),
        Route(f"{LETTERS}/redrives/{{redrive_id}}/stop", takes(actions.stop_redrive), methods=["POST"]),
        Route(f"{LETTERS}/{{letter_id}}", takes(service.get_dead_letter)),
        Route(f"{LETTERS}/{{letter_id}}/redrive", takes(actions.redrive), methods=["POST"]),
        Route(f"{LETTERS}/{{letter_id}}/discard", takes(actions.discard), methods=["POST"]),
        Route(AUDIT, takes(service.list_audit, reads_query=True)),
        Route(STOCK, takes(stock.list_stock, reads_query=True)),
        # A product id may have a slash in it.
        Route(f"{STOCK}/{{product_id:path}}", takes(stock.set_on_hand), methods=["PUT"]),
    ]
    guard(routes, RULES)
    handlers = EXCEPTION_HANDLERS | dict.fromkeys(TRANSIENT, _on_database_unavailable)
    app = Starlette(routes=routes, exception_handlers=handlers)
    app.router.redirect_slashes = False
    return app


async def _on_database_unavailable(request: Request, _error: Exception) -> Response:
    problem = ProblemError(503, "The database does not answer now.", headers={"Retry-After": "2"})
    return problem_response(problem, request)
