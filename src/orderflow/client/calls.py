"""Calls without a transport: what is sent and when, and what an answer means. A transport carries out each
`Call` that such steps yield, and gives them its `Reply`, or throws NotSent or AnswerLost into them."""

import random
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from orderflow.client.errors import AnswerLost, NotOrderflow, NotSent, OutcomeUnknown, Problem, problem
from orderflow.contracts.answers import json_object
from orderflow.contracts.retry_after import retry_after_s

R = TypeVar("R")
Document = dict[str, Any]

ANSWER_TIMEOUT_S = 60.0
CONNECT_TIMEOUT_S = 5.0
RETRY_AFTER_S_MAX = 60.0
"""A service that names a longer time is taken to mean this."""

_REFUSED_FOR_NOW = frozenset({408, 425, 429, 503})
"""Nothing was carried out, and a repeat may succeed."""
_IN_DOUBT = frozenset({500, 502, 504})
"""From a proxy in between, or an error of ours: the request may have been carried out."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request. `target` is path and query. It is sent `after_s` seconds from now, and its answer has to
    come within `timeout_s`."""

    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes | None = None
    timeout_s: float = ANSWER_TIMEOUT_S
    after_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Reply:
    """`retry_after` is the header's text."""

    status: int
    body: bytes
    retry_after: str | None


Steps = Generator[Call, Reply, R]


@dataclass(frozen=True, slots=True)
class Retries:
    """How often a call is repeated, and how long it waits before: a random time up to `pause_s_min`, doubled
    with each repeat up to `pause_s_max`, but never less than the service asks for with Retry-After."""

    times_max: int = 5
    pause_s_min: float = 0.25
    pause_s_max: float = 10.0
    uniform: Callable[[float, float], float] = random.uniform

    def pause_s(self, repeats: int, error: Exception) -> float:
        bound_s = min(self.pause_s_max, self.pause_s_min * 2**repeats)
        asked_s = error.retry_after_s if isinstance(error, Problem) else None
        return max(asked_s or 0.0, self.uniform(bound_s / 2, bound_s))


NO_RETRIES = Retries(times_max=0)


def answered(call: Call, retries: Retries, *, repeatable: bool) -> Steps[Document]:
    """The JSON object that the call is answered with. Only a `repeatable` call is sent again where it may
    have been carried out. Raises OrderflowError."""
    repeats = 0
    while True:
        try:
            return document(call, (yield call))
        except (NotSent, AnswerLost, Problem) as error:
            if repeats == retries.times_max or not may_pass(error, repeatable=repeatable):
                raise
            call = replace(call, after_s=retries.pause_s(repeats, error))
            repeats += 1


def may_pass(error: Exception, *, repeatable: bool) -> bool:
    """Whether the same call may succeed later, and may be sent again."""
    if isinstance(error, NotSent):
        return True
    if isinstance(error, AnswerLost | OutcomeUnknown):
        return repeatable
    if not isinstance(error, Problem):
        return False
    if error.status in _REFUSED_FOR_NOW or error.kind == "idempotency-key-in-progress":
        return True
    return repeatable and error.status in _IN_DOUBT


def document(call: Call, reply: Reply) -> Document:
    """The JSON object of an answer. Raises Problem and NotOrderflow."""
    found = json_object(reply.body)
    if reply.status >= 300:
        wait_s = retry_after_s(reply.retry_after, now=datetime.now(UTC), seconds_max=RETRY_AFTER_S_MAX)
        if found is None:
            # From a proxy, perhaps: its status says enough to decide what to do.
            found = {
                "title": f"{reply.status}",
                "detail": "this is not an answer of Orderflow: is the address right?",
            }
        raise problem(found, reply.status, wait_s)
    if found is None:
        raise NotOrderflow(
            f"{call.method} {call.target} was answered with {reply.status}, but not as Orderflow does: "
            "is the address right?"
        )
    return found
