"""What both clients can do. Each operation is written once, as steps without a transport; `Client` carries
them out in the calling thread, `AsyncClient` in a task."""

import json
import time
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, Self, TypeVar, cast, overload
from urllib.parse import quote, urlencode

from orderflow.client.calls import (
    ANSWER_TIMEOUT_S,
    NO_RETRIES,
    Call,
    Document,
    Retries,
    Steps,
    answered,
    may_pass,
)
from orderflow.client.errors import NotInTime, OrderflowError, Problem
from orderflow.client.orders import NewOrder
from orderflow.contracts.orders_api import (
    FINAL,
    BatchOut,
    BatchResult,
    OrderOut,
    OrderPage,
    Timeline,
    TimelineEntry,
)
from orderflow.contracts.pages import PAGE_MAX

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
NextPage = Callable[[str | None], Steps[tuple[Sequence[T], str | None]]]
"""The page behind a cursor, and the cursor of the one that follows it."""

WAIT_POLL_S = 20.0
WAIT_PAUSE_S_MIN = 1.0
WAIT_PAUSE_S_MAX = 10.0


class Runs(Protocol):
    """Carries out steps in the calling thread."""

    def run(self, steps: Steps[R]) -> R: ...


class RunsAsync(Protocol):
    """Carries out steps in a task."""

    async def run_async(self, steps: Steps[R]) -> R: ...


class Operation(Generic[P, R]):
    """An operation: of a client that runs in a thread it is a method, of the other one a coroutine method."""

    def __init__(self, steps: Callable[Concatenate[Any, P], Steps[R]]) -> None:
        self._steps = steps
        self.__doc__ = steps.__doc__

    @overload
    def __get__(self, client: None, owner: type[Any]) -> Self: ...
    @overload
    def __get__(self, client: Runs, owner: type[Any]) -> Callable[P, R]: ...
    @overload
    def __get__(self, client: RunsAsync, owner: type[Any]) -> Callable[P, Coroutine[Any, Any, R]]: ...
    def __get__(self, client: Any, owner: type[Any]) -> Any:
        if client is None:
            return self
        run = client.run if hasattr(client, "run") else client.run_async

        def called(*args: P.args, **kwargs: P.kwargs) -> Any:
            return run(self._steps(client, *args, **kwargs))

        return called


class Pages(Generic[P, T]):
    """A list, page by page: an iterator of its items, or an asynchronous one."""

    def __init__(self, pages: Callable[Concatenate[Any, P], NextPage[T]]) -> None:
        self._pages = pages
        self.__doc__ = pages.__doc__

    @overload
    def __get__(self, client: None, owner: type[Any]) -> Self: ...
    @overload
    def __get__(self, client: Runs, owner: type[Any]) -> Callable[P, Iterator[T]]: ...
    @overload
    def __get__(self, client: RunsAsync, owner: type[Any]) -> Callable[P, AsyncIterator[T]]: ...
    def __get__(self, client: Any, owner: type[Any]) -> Any:
        if client is None:
            return self
        each = _each if hasattr(client, "run") else _each_async

        def called(*args: P.args, **kwargs: P.kwargs) -> Any:
            return each(client, self._pages(client, *args, **kwargs))

        return called


def _each(client: Runs, page: NextPage[T]) -> Iterator[T]:
    items, cursor = client.run(page(None))
    yield from items
    while cursor is not None:
        items, cursor = client.run(page(cursor))
        yield from items


async def _each_async(client: RunsAsync, page: NextPage[T]) -> AsyncIterator[T]:
    items, cursor = await client.run_async(page(None))
    for item in items:
        yield item
    while cursor is not None:
        items, cursor = await client.run_async(page(cursor))
        for item in items:
            yield item


def _say_nothing(_error: OrderflowError) -> None: ...


class Operations:
    """Every operation raises OrderflowError and its subclasses. Calls that fail for now are repeated as
    `retries` say, with the same idempotency key where they place orders."""

    def __init__(self, retries: Retries, clock: Callable[[], float] = time.monotonic) -> None:
        self._retries = retries
        self._clock = clock

    @Operation
    def place(
        self, order: NewOrder | Mapping[str, Any], *, idempotency_key: str | None = None
    ) -> Steps[OrderOut]:
        """Place an order. The key, a new one if none is given, is repeated with every try, so one order is
        placed however many answers get lost; with a key of the caller's own, also if the caller restarts."""
        key = idempotency_key or str(uuid.uuid4())
        call = _post("/api/orders", order, {"Idempotency-Key": key})
        return OrderOut.model_validate((yield from self._sent(call)))

    @Operation
    def place_batch(self, orders: Sequence[NewOrder | Mapping[str, Any]]) -> Steps[list[BatchResult]]:
        """Place up to 1,000 orders. The results are in the orders' order, each with an order or a problem. An
        order without `idempotencyKey` gets a new one for the repeats of this call."""
        keyed = [
            {**order, "idempotencyKey": order.get("idempotencyKey") or str(uuid.uuid4())} for order in orders
        ]
        answer = yield from self._sent(_post("/api/orders/batch", {"orders": keyed}))
        return list(BatchOut.model_validate(answer).results)

    @Operation
    def get(self, order_id: str) -> Steps[OrderOut]:
        """One order. Raises NotFound."""
        return OrderOut.model_validate((yield from self._sent(Call("GET", _order(order_id)))))

    @Operation
    def timeline(self, order_id: str) -> Steps[list[TimelineEntry]]:
        """Every change and event of an order, oldest first."""
        answer = yield from self._sent(Call("GET", f"{_order(order_id)}/timeline"))
        return list(Timeline.model_validate(answer).items)

    @Pages
    def list_orders(
        self,
        *,
        status: str | Sequence[str] = (),
        customer_id: str | None = None,
        product_id: str | None = None,
        tracking_number: str | None = None,
        idempotency_key: str | None = None,
        attention: bool | None = None,
        created_from: datetime | None = None,
        created_to: datetime | None = None,
        page_size: int = PAGE_MAX,
    ) -> NextPage[OrderOut]:
        """Orders, newest first, one page after the other as the iterator needs them. Times must have a zone;
        `created_to` is exclusive. Without `admin`, an idempotency key is found only if this caller has placed
        its order, and while it is remembered."""
        query = {
            "status": [status] if isinstance(status, str) else list(status),
            "customerId": customer_id,
            "productId": product_id,
            "trackingNumber": tracking_number,
            "idempotencyKey": idempotency_key,
            "attention": None if attention is None else str(attention).lower(),
            "createdFrom": created_from and created_from.isoformat(),
            "createdTo": created_to and created_to.isoformat(),
            "limit": page_size,
        }

        def page(cursor: str | None) -> Steps[tuple[Sequence[OrderOut], str | None]]:
            answer = yield from self._sent(Call("GET", target("/api/orders", {**query, "cursor": cursor})))
            found = OrderPage.model_validate(answer)
            return found.items, found.next_cursor

        return page

    @Operation
    def cancel(self, order_id: str, *, reason: str | None = None) -> Steps[OrderOut]:
        """Cancel an order: at once, or, if it is being processed, as a request (Cancelling). Raises
        IllegalTransition."""
        return (yield from self._act(order_id, "cancel", reason))

    @Operation
    def hold(self, order_id: str, *, reason: str | None = None) -> Steps[OrderOut]:
        """Keep an order from being processed. Raises IllegalTransition."""
        return (yield from self._act(order_id, "hold", reason))

    @Operation
    def release(self, order_id: str, *, reason: str | None = None) -> Steps[OrderOut]:
        """Let an order that is on hold be processed. Raises IllegalTransition."""
        return (yield from self._act(order_id, "release", reason))

    @Operation
    def wait_for(
        self,
        order_id: str,
        *,
        status: str = "Shipped",
        timeout_s: float = 300.0,
        on_trouble: Callable[[OrderflowError], None] = _say_nothing,
    ) -> Steps[OrderOut]:
        """The order once it has this status, or a final one, by long polls. Raises NotInTime after
        `timeout_s` seconds. Trouble that may pass is told to `on_trouble`, and waiting goes on."""
        deadline = self._clock() + timeout_s
        pause_s, after_s, last = WAIT_PAUSE_S_MIN, 0.0, None
        while True:
            poll_s = max(0.0, min(deadline - self._clock() - after_s, WAIT_POLL_S))
            query = {"wait": status, "timeoutMs": int(poll_s * 1000)}
            call = Call("GET", target(_order(order_id), query), timeout_s=poll_s + 10, after_s=after_s)
            answer_due_s, at_least_s = self._clock() + after_s + poll_s, 0.0
            try:
                order = OrderOut.model_validate((yield from answered(call, NO_RETRIES, repeatable=True)))
                last = order.status
                if last == status or last in FINAL:
                    return order
            except OrderflowError as error:
                if not may_pass(error, repeatable=True):
                    raise
                on_trouble(error)
                at_least_s = (isinstance(error, Problem) and error.retry_after_s) or 0.0
            if (left_s := deadline - self._clock()) <= 0:
                raise NotInTime(order_id, last, timeout_s)
            # A service that has no room for another long poll, or is about to end, answers at once.
            if self._clock() > answer_due_s - poll_s / 2:
                after_s, pause_s = at_least_s, WAIT_PAUSE_S_MIN
            else:
                after_s = max(at_least_s, self._retries.uniform(pause_s / 2, pause_s))
                pause_s = min(2 * pause_s, WAIT_PAUSE_S_MAX)
            after_s = min(after_s, left_s)

    @Operation
    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, object] | None = None,
        body: bytes | None = None,
        idempotency_key: str | None = None,
        timeout_s: float = ANSWER_TIMEOUT_S,
        retries: Retries | None = None,
    ) -> Steps[Document]:
        """Any other operation of either service: the JSON object that it answers. Where the request may have
        been carried out, it is repeated only if it is a GET or has a key. `retries` are the client's own if
        none are given."""
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if idempotency_key is not None:
            headers["Idempotency-Key"] = idempotency_key
        sent = Call(method, target(path, query or {}), headers, body, timeout_s)
        repeatable = method == "GET" or idempotency_key is not None
        return (yield from answered(sent, retries or self._retries, repeatable=repeatable))

    def _sent(self, call: Call) -> Steps[Document]:
        """For calls that may all be repeated: reads, orders with keys, and actions, whose repeat changes
        nothing."""
        return (yield from answered(call, self._retries, repeatable=True))

    def _act(self, order_id: str, action: str, reason: str | None) -> Steps[OrderOut]:
        call = _post(f"{_order(order_id)}/{action}", {} if reason is None else {"reason": reason})
        return OrderOut.model_validate((yield from self._sent(call)))


def _order(order_id: str) -> str:
    return f"/api/orders/{quote(order_id, safe='')}"


def _post(path: str, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Call:
    sent = {"Content-Type": "application/json", **(headers or {})}
    return Call("POST", path, sent, json.dumps(body).encode())


def target(path: str, query: Mapping[str, object]) -> str:
    """Path and query; None stands for a parameter that is left out, a list for one that is repeated."""
    given = {name: value for name, value in query.items() if value is not None}
    text = urlencode(cast("dict[str, Any]", given), doseq=True)
    return f"{path}?{text}" if text else path
