"""Every route of both services lets in whom its scope allows, and nobody else."""

import http.client
import json
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from tests.web.conftest import listening

from orderflow.contracts.scopes import OF_CUSTOMERS, Scope, granted
from orderflow.fulfillment.http.access import RULES as FULFILLMENT_RULES
from orderflow.orders.http.access import RULES as ORDERS_RULES
from orderflow.security.authentication import UNKNOWN
from orderflow.web.access import METRICS_RULE, OPEN, Rule, guard
from orderflow.web.front_door import NOBODY, Denial, Principal

ID = "019c46f2-b0a0-7c11-8f3a-2b1c9d4e5f60"
UNDECIDED = Principal("anonymous", frozenset(), denial=Denial.UNDECIDED)

ORDERS = {
    "GET /api/orders": "orders:read, customers",
    "GET /api/orders/stream": "orders:read, customers",
    f"GET /api/orders/{ID}": "orders:read, customers",
    f"GET /api/orders/{ID}/timeline": "orders:read, customers",
    "GET /api/stats": "orders:read",
    "GET /api/outbox/parked": "orders:read",
    "GET /api/audit": "admin",
    "GET /api/audit/orders": "orders:read",
    "POST /api/orders": "orders:write, customers",
    "POST /api/orders/batch": "orders:write, customers",
    f"POST /api/orders/{ID}/cancel": "orders:write, customers",
    f"POST /api/orders/{ID}/hold": "orders:write, customers",
    f"POST /api/orders/{ID}/release": "orders:write, customers",
    f"PATCH /api/orders/{ID}/status": "orders:status",
    "PATCH /api/orders/status": "orders:status",
    "POST /api/outbox/parked/release": "admin",
    "POST /api/customers/erase": "admin",
    "GET /api/webhooks": "admin",
    "POST /api/webhooks": "admin",
    f"DELETE /api/webhooks/{ID}": "admin",
    f"POST /api/webhooks/{ID}/test": "admin",
    f"GET /api/webhooks/{ID}/dead-letters": "admin",
    f"POST /api/webhooks/{ID}/redrive": "admin",
    f"POST /api/webhooks/{ID}/rotate": "admin",
    f"POST /api/webhooks/{ID}/dead-letters/7/redrive": "admin",
    f"POST /api/webhooks/{ID}/dead-letters/7/discard": "admin",
    "GET /metrics": "open",  # on our own host; see below for others
    "GET /health/live": "open",
    "GET /health/ready": "open",
    "GET /openapi.json": "open",
    "GET /docs": "open",
    "GET /docs/start.js": "open",
    "GET /asyncapi.json": "open",
    "GET /asyncapi": "open",
    "GET /asyncapi/page.css": "open",
}
LETTERS = "/api/fulfillment/dead-letters"
FULFILLMENT = {
    "GET /api/fulfillment/shipments": "fulfillment:read",
    f"GET /api/fulfillment/shipments/{ID}": "fulfillment:read",
    f"GET {LETTERS}": "fulfillment:read",
    f"GET {LETTERS}/groups": "fulfillment:read",
    f"GET {LETTERS}/redrives": "fulfillment:read",
    f"GET {LETTERS}/redrives/{ID}": "fulfillment:read",
    f"GET {LETTERS}/{ID}": "fulfillment:read",
    f"GET {LETTERS}/{ID}/message": "fulfillment:operate",
    "GET /api/fulfillment/stock": "fulfillment:read",
    "GET /api/audit": "admin",
    "GET /api/audit/shipments": "fulfillment:read",
    "GET /api/audit/stock": "fulfillment:read",
    f"POST {LETTERS}/redrive": "fulfillment:operate",
    f"POST {LETTERS}/redrives/none/stop": "fulfillment:operate",
    f"POST {LETTERS}/none/redrive": "fulfillment:operate",
    f"POST {LETTERS}/none/discard": "fulfillment:operate",
    "PUT /api/fulfillment/stock/p/1": "fulfillment:operate",
    "GET /api/fulfillment/simulated-carrier": "fulfillment:read",
    "PUT /api/fulfillment/simulated-carrier": "fulfillment:operate",
    "POST /api/fulfillment/customers/erase": "admin",
    "GET /metrics": "open",  # on our own host; see below for others
    "GET /health/live": "open",
    "GET /health/ready": "open",
    "GET /openapi.json": "open",
    "GET /docs": "open",
    "GET /docs/start.js": "open",
}
SERVICES = {"orders": ORDERS, "orders, the usual way": ORDERS, "fulfillment": FULFILLMENT}
CASES = [(service, route) for service, routes in SERVICES.items() for route in routes]
every_route = pytest.mark.parametrize(("service", "route"), CASES, ids=[f"{s}: {r}" for s, r in CASES])

CREDENTIALS: dict[bytes | None, Principal] = {
    None: NOBODY,
    b"wrong": UNKNOWN,
    b"undecided": UNDECIDED,
    **{scope.encode(): Principal("ada", granted(frozenset((scope,)))) for scope in Scope},
    b"customer": Principal("shop", OF_CUSTOMERS, "c-1"),
}


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, int]]:
    directory = tmp_path_factory.mktemp("services")
    with (
        listening("orders", directory, authenticate=CREDENTIALS.__getitem__) as orders,
        listening(
            "orders, the usual way", directory / "2", authenticate=CREDENTIALS.__getitem__
        ) as the_usual_way,
        listening("fulfillment", directory, authenticate=CREDENTIALS.__getitem__) as fulfillment,
    ):
        yield {"orders": orders, "orders, the usual way": the_usual_way, "fulfillment": fulfillment}


def ask(port: int, route: str, credentials: bytes | None, **more: str) -> tuple[int, str | None, Any]:
    """The status, the challenge and the body of an answer. What is sent is not what the route takes."""
    method, path = route.split()
    headers = {"content-type": "application/json", **more}
    if credentials is not None:
        headers["authorization"] = credentials.decode()
    body = None if method in ("GET", "HEAD") else b"[1]"
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        text = answer.read()
        return answer.status, answer.getheader("www-authenticate"), text
    finally:
        connection.close()


@every_route
def test_a_route_lets_in_its_scope_and_admins_alone(ports: dict[str, int], service: str, route: str) -> None:
    needed, _, customers = SERVICES[service][route].partition(", ")
    for credentials in CREDENTIALS:
        status, challenge, body = ask(ports[service], route, credentials)
        if needed == "open" or credentials in (needed.encode(), b"admin"):
            assert status not in (401, 403, 503), (credentials, body)
        elif credentials == b"customer":
            refused = status == 403
            assert refused != bool(customers), body
        elif credentials is None or credentials == b"wrong":
            error = "" if credentials is None else ', error="invalid_token"'
            assert (status, challenge) == (401, f'Bearer realm="orderflow"{error}')
            assert json.loads(body)["type"] == "urn:orderflow:problem:unauthenticated"
        elif credentials == b"undecided":
            assert status == 503
        else:
            expected = f'Bearer realm="orderflow", error="insufficient_scope", scope="{needed}"'
            assert (status, challenge) == (403, expected)
            assert json.loads(body)["type"] == "urn:orderflow:problem:forbidden"


@every_route
def test_head_needs_what_get_needs(ports: dict[str, int], service: str, route: str) -> None:
    method, path = route.split()
    if method == "GET":
        for credentials in CREDENTIALS:
            expected = ask(ports[service], route, credentials)[0]
            assert ask(ports[service], f"HEAD {path}", credentials)[0] == expected


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("header", ["forwarded", "x-forwarded-for"])
def test_metrics_need_a_scope_to_read_where_a_proxy_asks_for_somebody_else(
    ports: dict[str, int], service: str, header: str
) -> None:
    may = {b"orders:read", b"fulfillment:read", b"admin"}
    for credentials in CREDENTIALS:
        status, _, body = ask(ports[service], "GET /metrics", credentials, **{header: "for=192.0.2.1"})
        unknown = credentials in (None, b"wrong")
        undecided = credentials == b"undecided"
        expected = 200 if credentials in may else 401 if unknown else 503 if undecided else 403
        assert status == expected, (credentials, body)


def test_this_table_has_every_route() -> None:
    """The services refuse to start with a route that has no rule, so the rules name all routes."""
    for table, rules in ((ORDERS, ORDERS_RULES), (FULFILLMENT, FULFILLMENT_RULES)):
        routes = [Route(path, _answer, methods=[method]) for method, path in rules]
        found = {(each.split()[0], _match(routes, each)) for each in table}
        assert found == set(rules)
        for each, told in table.items():
            rule = rules[each.split()[0], _match(routes, each)]
            scope, _, customers = told.partition(", ")
            opened = METRICS_RULE if each == "GET /metrics" else OPEN
            assert rule == (opened if scope == "open" else Rule(Scope(scope), bool(customers)))


def _match(routes: list[Route], told: str) -> str:
    method, path = told.split()
    scope: Any = {"type": "http", "method": method, "path": path, "root_path": ""}
    # The most exact one, as the services have them first.
    found = [route.path for route in routes if route.matches(scope)[0].name == "FULL"]
    return min(found, key=lambda pattern: pattern.count("{"))


async def _answer(_request: Any) -> Response:
    return Response()


def test_a_route_without_a_rule_is_not_served() -> None:
    routes = [Route("/a", _answer), Route("/b", _answer)]
    with pytest.raises(KeyError, match="/b"):
        guard(routes, {("GET", "/a"): OPEN})
    with pytest.raises(KeyError, match="/b"):
        guard([Route("/b", _answer, methods=["GET", "POST"])], {("GET", "/b"): OPEN})
    others: list[BaseRoute] = [Mount("/b", routes=routes)]
    with pytest.raises(KeyError, match="/b"):
        guard(others, {})


def test_a_rule_without_a_route_is_a_mistake() -> None:
    with pytest.raises(KeyError, match="/typo"):
        guard([Route("/a", _answer)], {("GET", "/a"): OPEN, ("GET", "/typo"): OPEN})


def test_a_path_written_otherwise_needs_the_same_scope(ports: dict[str, int]) -> None:
    for route in ("GET /api/%6Frders", "GET /api//orders", "GET http://x/api/orders", "GET /api/orders/"):
        assert ask(ports["orders"], route, None)[0] in (401, 404)
    assert ask(ports["orders"], "GET /api/%6Frders", b"orders:read")[0] == 200
