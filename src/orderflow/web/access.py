"""Who may use which route. Each service has one table with a rule for each of its routes, and no route
without a rule is served."""

from collections.abc import Mapping, Sequence
from ipaddress import IPv6Address, ip_address
from typing import NamedTuple

from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as Connection

from orderflow.contracts.scopes import Scope
from orderflow.web.front_door import Denial, Principal
from orderflow.web.problems import ProblemError


class Rule(NamedTuple):
    """The scope that a route needs, or another that will do, too; None lets everyone in. Unless
    `for_customers`, a caller who is bound to a customer is refused, because the route shows or changes what
    belongs to others. `open_on_host` lets in callers on our own host."""

    scope: Scope | None
    for_customers: bool = False
    or_scope: Scope | None = None
    open_on_host: bool = False


OPEN = Rule(None)
METRICS_RULE = Rule(Scope.ORDERS_READ, or_scope=Scope.FULFILLMENT_READ, open_on_host=True)
"""For the metrics of each service, which a scraper reads with a single key."""

Rules = Mapping[tuple[str, str], Rule]
"""By method and path, as the routes have them."""


def guard(routes: Sequence[BaseRoute], rules: Rules) -> None:
    """Have each route refuse whom its rule does not allow, before the request's body is read. Raises KeyError
    for a route without a rule, and for a rule without a route."""
    unused = set(rules)
    for route in routes:
        if not isinstance(route, Route) or route.methods is None:
            raise KeyError(f"no rule can be given for {route!r}")
        # HEAD is answered like GET, whose rule it has.
        of_route = {method: rules[method, route.path] for method in route.methods - {"HEAD"}}
        unused -= {(method, route.path) for method in of_route}
        route.app = _guarded(route.app, route.path, of_route)
    if unused:
        raise KeyError(f"these rules have no route: {sorted(unused)}")


def _guarded(app: ASGIApp, path: str, rules: Mapping[str, Rule]) -> ASGIApp:
    async def guarded(connection: Connection, receive: Receive, send: Send) -> None:
        connection["state"]["exchange"].route = path
        rule = rules[connection["method"]]
        problem = refusal(connection["state"]["caller"].principal, rule)
        if problem and not (rule.open_on_host and _is_on_host(connection)):
            raise problem
        await app(connection, receive, send)

    return guarded


def _is_on_host(connection: Connection) -> bool:
    """Whether the caller is on our own host, and no proxy there says that it asks for somebody else."""
    address = ip_address(connection["client"][0])
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    forwarded = any(name in (b"forwarded", b"x-forwarded-for") for name, _ in connection["headers"])
    return (mapped or address).is_loopback and not forwarded


def refusal(principal: Principal, rule: Rule) -> ProblemError | None:
    """Why the rule does not allow this: 401 for a caller who has shown nothing valid, 403 for one who may not
    do it, 503 while nobody can tell."""
    scope = rule.scope
    if scope is None:
        return None
    if scope in principal.scopes or rule.or_scope in principal.scopes:
        if principal.customer_id is None or rule.for_customers:
            return None
        return ProblemError(403, "This is not for callers who are bound to a customer.")
    if principal.denial is None:
        return ProblemError(
            403, f"This needs the scope {scope}.", headers=_challenge("insufficient_scope", scope)
        )
    if principal.denial is Denial.UNDECIDED:
        return ProblemError(503, principal.denial.value, headers={"Retry-After": "2"})
    error = "invalid_token" if principal.denial is Denial.INVALID else None
    return ProblemError(401, principal.denial.value, headers=_challenge(error))


def _challenge(error: str | None, scope: Scope | None = None) -> dict[str, str]:
    """What a 401 must have (RFC 9110, 11.6.1), in the form of bearer tokens (RFC 6750, 3)."""
    parts = ['realm="orderflow"']
    parts += [f'error="{error}"'] if error else []
    parts += [f'scope="{scope}"'] if scope else []
    return {"WWW-Authenticate": f"Bearer {', '.join(parts)}"}


def other_customer() -> ProblemError:
    """403 for an order that a bound caller places for somebody else. It is no 404: the caller names the
    customer, so there is nothing to hide, and no 422: the same order is right from another caller."""
    return ProblemError(
        403,
        "The order is for another customer than the one that this caller is bound to.",
        kind="other-customer",
        title="Another customer",
    )
