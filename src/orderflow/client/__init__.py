"""A typed client of the Order Service, for threads (`Client`) and for asyncio (`AsyncClient`); see
docs/client.md."""

import time
from collections.abc import AsyncGenerator, Callable, Mapping
from types import TracebackType
from typing import Self

from orderflow.client.calls import NO_RETRIES, Call, R, Retries, Steps
from orderflow.client.errors import (
    AnswerLost,
    Forbidden,
    IllegalTransition,
    Invalid,
    KeyInProgress,
    KeyReused,
    NotFound,
    NotInTime,
    NotOrderflow,
    NotSent,
    OrderflowError,
    OutcomeUnknown,
    Problem,
    RateLimited,
    Unauthenticated,
    Unavailable,
)
from orderflow.client.operations import Operations, target
from orderflow.client.orders import NewAddress, NewCustomer, NewItem, NewOrder, NewPrice
from orderflow.client.transports import TaskTransport, ThreadTransport, Tls

__all__ = [
    "NO_RETRIES",
    "AnswerLost",
    "AsyncClient",
    "Client",
    "Forbidden",
    "IllegalTransition",
    "Invalid",
    "KeyInProgress",
    "KeyReused",
    "NewAddress",
    "NewCustomer",
    "NewItem",
    "NewOrder",
    "NewPrice",
    "NotFound",
    "NotInTime",
    "NotOrderflow",
    "NotSent",
    "OrderflowError",
    "OutcomeUnknown",
    "Problem",
    "RateLimited",
    "Retries",
    "Unauthenticated",
    "Unavailable",
]

_RETRIES = Retries()


class Client(Operations):
    """The Order Service at `url`, for threads; several of them may use one client."""

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        tls: Tls = None,
        retries: Retries = _RETRIES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Raises ValueError for an address that cannot be called."""
        super().__init__(retries, clock)
        self._transport = ThreadTransport(url, _authorization(api_key), tls)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._transport.close()

    def run(self, steps: Steps[R]) -> R:
        """Carry out steps. The operations do it for themselves."""
        try:
            call = next(steps)
            while True:
                try:
                    reply = self._transport.send(call)
                except OrderflowError as error:
                    call = steps.throw(error)
                else:
                    call = steps.send(reply)
        except StopIteration as done:
            return done.value


class AsyncClient(Operations):
    """As `Client`, for one event loop."""

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        tls: Tls = None,
        retries: Retries = _RETRIES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(retries, clock)
        self._transport = TaskTransport(url, _authorization(api_key), tls)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._transport.close()

    def lines(
        self, path: str, query: Mapping[str, object], headers: Mapping[str, str], *, silent_s_max: float
    ) -> AsyncGenerator[bytes]:
        """The lines of an answer that goes on, as that of `GET /api/orders/stream`. Raises OrderflowError:
        AnswerLost if none comes for `silent_s_max` seconds."""
        return self._transport.lines(Call("GET", target(path, query), headers, timeout_s=silent_s_max))

    async def run_async(self, steps: Steps[R]) -> R:
        """Carry out steps. The operations do it for themselves."""
        try:
            call = next(steps)
            while True:
                try:
                    reply = await self._transport.send(call)
                except OrderflowError as error:
                    call = steps.throw(error)
                else:
                    call = steps.send(reply)
        except StopIteration as done:
            return done.value


def _authorization(api_key: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {api_key}"} if api_key else {}
