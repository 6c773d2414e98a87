"""A short way for `POST /api/orders` in its usual form. The cost of every order is decided here.

It takes only good requests. The application's route for the same path answers all others and says what is
wrong with them.
"""

from pydantic import ValidationError

from orderflow.contracts.orders_api import BODY_BYTES_MAX
from orderflow.database.group_commit import QueueFull
from orderflow.orders.http import parsing
from orderflow.orders.http.access import PLACE
from orderflow.orders.http.problems import placement_problem
from orderflow.orders.intake import Accepted, Intake, Refused
from orderflow.web.access import refusal
from orderflow.web.exchanges import Exchange
from orderflow.web.headers import idempotency_key
from orderflow.web.problems import ProblemError

PATH = b"/api/orders"
ROUTE = PATH.decode()

_JSON = b"application/json"
_CREATED_HEADERS = b"location: /api/orders/%b\r\n%bcontent-type: application/json\r\n"
_OTHERS = frozenset((b"content-encoding", b"if-match", b"if-none-match"))
"""A request with one of these headers is left to the application, which looks at it more closely."""
_REPLAYED = b"idempotent-replayed: true\r\n"


class PostOrder:
    """A `ShortWay` into the intake."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    def take(self, exchange: Exchange) -> bool:
        given = exchange.given
        if (
            exchange.target != PATH
            or exchange.method != b"POST"
            or len(given) != len(exchange.headers)
            or given.get(b"content-type") != _JSON
            or not _OTHERS.isdisjoint(given)
            or self._intake.is_full
            or refusal(exchange.caller.principal, PLACE)
        ):
            return False
        body = exchange.whole_body()
        if len(body) > BODY_BYTES_MAX:
            return False
        try:
            key = idempotency_key([given[b"idempotency-key"]]) if b"idempotency-key" in given else None
            order = parsing.ORDER.validate_json(body)
        except (ValidationError, ProblemError):
            return False
        if next(order.price_errors(), None) is not None:
            return False
        owner = exchange.caller.principal.customer_id
        if owner is not None and owner != order.customer.customer_id:
            return False

        def done(result: Accepted | Refused) -> None:
            exchange.route = ROUTE
            if isinstance(result, Accepted):
                replayed = _REPLAYED if result.replayed else b""
                headers = _CREATED_HEADERS % (result.order_id.encode(), replayed)
                exchange.answer(201, headers, result.order.encode())
            else:
                exchange.answer_problem(placement_problem(result))

        try:
            return self._intake.place_one(order, key, exchange.caller, done) is None
        except QueueFull:
            return False
