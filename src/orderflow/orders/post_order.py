"""`POST /api/orders` in its usual form, short: what every order costs is decided here.

Only good requests are taken; the application's route of the same name answers the others and says what is
wrong with them.
"""

import time

import structlog
from pydantic import ValidationError

from orderflow import edge
from orderflow.contracts.orders_api import BODY_BYTES_MAX
from orderflow.database.group_commit import QueueFull
from orderflow.direct import Answer, Headers
from orderflow.edge import ProblemError
from orderflow.orders import parsing
from orderflow.orders.events import EventTooLarge
from orderflow.orders.intake import ANONYMOUS, Accepted, Caller, Intake

PATH = "/api/orders"

_JSON = b"application/json"
_CREATED_HEADERS = b"location: /api/orders/%b\r\n%bcontent-type: application/json\r\nx-correlation-id: %b\r\n"
_REPLAYED = b"idempotent-replayed: true\r\n"


class PostOrder:
    """A `DirectRoute` into the intake."""

    method = b"POST"
    path = PATH.encode()

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._log = structlog.get_logger().bind()

    def take(self, headers: Headers, body: bytes, answer: Answer) -> bool:
        began = time.perf_counter()
        given = dict(headers)
        if (
            len(given) != len(headers)
            or given.get(b"content-type", _JSON) != _JSON
            or b"content-encoding" in given
            or len(body) > BODY_BYTES_MAX
            or self._intake.is_full
        ):
            return False
        key = given.get(b"idempotency-key")
        key = None if key is None else key.decode("latin-1")
        if key is not None and not parsing.is_idempotency_key(key):
            return False
        try:
            order = parsing.ORDER.validate_json(body)
        except ValidationError:
            return False
        if next(order.price_errors(), None) is not None:
            return False
        correlation_id = edge.correlation_id_from(given.get(b"x-correlation-id"))
        caller = Caller(ANONYMOUS, correlation_id, edge.traceparent_from(given.get(b"traceparent")))

        def done(result: Accepted | ProblemError) -> None:
            if isinstance(result, Accepted):
                replayed = _REPLAYED if result.replayed else b""
                answer_headers = _CREATED_HEADERS % (
                    result.order_id.encode(),
                    replayed,
                    correlation_id.encode(),
                )
                status = 201
                answer(status, answer_headers, result.order.encode())
            else:
                status = result.status
                answer(status, *edge.problem_parts(result, PATH, correlation_id))
            edge.log_request(
                self._log.info,
                method="POST",
                path=PATH,
                status=status,
                began=began,
                correlation=correlation_id,
                parent=caller.traceparent,
            )

        try:
            self._intake.place_one(order, key, caller, done)
        except (QueueFull, EventTooLarge):
            return False
        return True
