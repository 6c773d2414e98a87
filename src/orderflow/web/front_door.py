"""The front door: what every server does for each request, once before the request is read further and once
after it is answered. The short way of `POST /api/orders` passes it like the application.

`begin` says who calls, or why the request is refused. `end` writes the request's one log line and counts it.
"""

import re
import time
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from ipaddress import ip_address
from math import ceil
from typing import Any, NamedTuple

import structlog

from orderflow.contracts.scopes import EVERY_SCOPE, Scope
from orderflow.contracts.traceparent import is_sampled, parse_traceparent, span_id, trace_id
from orderflow.runtime.ids import new_uuid4, random_hex
from orderflow.runtime.telemetry import tracing
from orderflow.runtime.telemetry.metrics import http_request
from orderflow.web.cors import Cors
from orderflow.web.problems import INSTANCE_CHARS_MAX, ProblemError

ANONYMOUS = "anonymous"
SAFE_METHODS = frozenset((b"GET", b"HEAD", b"OPTIONS", b"TRACE"))
"""Methods that change nothing (RFC 9110, 9.2.1)."""

_METHODS = SAFE_METHODS | {b"POST", b"PUT", b"PATCH", b"DELETE"}
HEALTH = b"/health/"
"""Whoever watches over a service asks there, and is never sent away."""

_ASKED_ALL_THE_TIME = ("/health", "/metrics")
"""What programs ask for every few seconds. Lines about that would hide the others."""

_CORRELATION_ID = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,200}")
_PORT = re.compile(rb":[0-9]*\Z")


class Denial(Enum):
    """Why nobody knows who a caller is."""

    MISSING = (
        "This needs a key or a token: send it as `Authorization: Bearer ...`. "
        "`orderflow keys create` makes keys."
    )
    INVALID = "The key or token is unknown, has expired or was revoked."
    UNDECIDED = "Keys and tokens cannot be checked right now. Try again shortly."


class Principal(NamedTuple):
    """Who somebody is, and what they may do. A principal with a `customer_id` may see and place the orders of
    that customer only. `denial` says why somebody who is not known may do nothing."""

    name: str
    scopes: frozenset[Scope]
    customer_id: str | None = None
    denial: Denial | None = None


EVERYONE = Principal(ANONYMOUS, EVERY_SCOPE)
"""Whoever calls, where nobody is asked who they are."""
NOBODY = Principal(ANONYMOUS, frozenset(), denial=Denial.MISSING)

Authenticate = Callable[[bytes | None], Principal]
"""Finds out from an `Authorization` header, None without one, who sends a request."""


Admit = Callable[[Principal, str, Mapping[bytes, bytes]], float]
"""How many seconds the sender, at that address, has to wait before another request is taken; 0 takes this
one."""


class Caller(NamedTuple):
    """Who sends the request, and the ids that travel with it into the event."""

    name: str
    correlation_id: str
    traceparent: str
    principal: Principal = NOBODY
    span: Any = None
    """The request's span, if it is traced."""


class Refusal(NamedTuple):
    """The request goes no further: the problem is its answer."""

    problem: ProblemError
    caller: Caller


class FrontDoor:
    """Passes or refuses requests, and logs them.

    `hosts` are the names by which browsers reach our pages, besides `localhost` and IP addresses. `logs` is
    False for a server whose requests another program logs and counts. Without `authenticate` nobody is asked
    who they are. What a caller may do is decided by the routes: see `web.access`. Pages of `cors_origins` may
    do what other programs may. Without `admit` nobody sends too much. With `behind_proxy`, a proxy in front
    speaks TLS.
    """

    def __init__(
        self,
        hosts: Iterable[str] = (),
        *,
        authenticate: Authenticate = lambda _authorization: EVERYONE,
        cors_origins: Iterable[str] = (),
        admit: Admit | None = None,
        behind_proxy: bool = False,
        logs: bool = True,
    ) -> None:
        self.behind_proxy = behind_proxy
        self.cors = Cors(cors_origins)
        self._admit = admit
        self._authenticate = authenticate
        self._hosts = frozenset(host.lower() for host in ("localhost", *hosts))
        self._log = structlog.get_logger().bind() if logs else None

    def begin(
        self, method: bytes, headers: Mapping[bytes, bytes], path: bytes = b"/", address: str = ""
    ) -> Caller | Refusal:
        """`address` is where the request comes from."""
        principal = self.principal(headers)
        given = headers.get(b"traceparent")
        request = None
        if tracing.is_on():
            request = tracing.begin_request(_method(method), parse_traceparent(given))
        caller = Caller(
            principal.name,
            correlation_id_from(headers.get(b"x-correlation-id")),
            traceparent_from(given) if request is None else request.traceparent,
            principal,
            None if request is None else request.span,
        )
        if self._admit is not None and not path.startswith(HEALTH):
            wait_s = self._admit(principal, address, headers)
            if wait_s > 0:
                return Refusal(_too_many(wait_s), caller)
        if method not in SAFE_METHODS and self._is_foreign(headers) and not self.cors.allows(headers):
            return Refusal(
                ProblemError(
                    403,
                    "A page of another origin may not change anything here; pages of this service may, under "
                    "its address, localhost, or a name in ORDERFLOW_ALLOWED_HOSTS.",
                    kind="cross-origin",
                ),
                caller,
            )
        return caller

    def principal(self, headers: Mapping[bytes, bytes]) -> Principal:
        """Who sends these headers. A request that takes long may ask again."""
        return self._authenticate(headers.get(b"authorization"))

    def _is_foreign(self, headers: Mapping[bytes, bytes]) -> bool:
        """Whether a browser sends the request for a page that is not ours. Other programs send neither
        header.

        `Sec-Fetch-Site` is the browser's own statement (`same-site` is another origin, too). Without it, an
        `Origin` is ours if it names the host and port that the request was sent to. In both cases the page's
        host must be one of ours, because a name that somebody else owns may also lead here (DNS rebinding).
        """
        site, origin = headers.get(b"sec-fetch-site"), headers.get(b"origin")
        if (site is None and origin is None) or site == b"none":
            return False
        host = headers.get(b"host", b"")
        page = host if origin is None else origin.partition(b"://")[2]
        if site != b"same-origin" and (site is not None or page.lower() != host.lower()):
            return True
        name = _host_name(page)
        return not (name in self._hosts or name.endswith(".localhost") or _is_address(name))

    def stranger(self) -> Caller:
        """The caller for input that cannot be read as a request."""
        return Caller(ANONYMOUS, new_uuid4(), traceparent_from(None))

    def end(
        self,
        caller: Caller,
        *,
        method: str,
        path: str,
        route: str,
        status: int,
        began: float,
        error: BaseException | None = None,
    ) -> None:
        """Log and count a request that began at `began`, in seconds of `time.perf_counter`. `route` is the
        template of its path, empty if none matches."""
        if caller.span is not None:
            told = {tracing.URL_PATH: path[:INSTANCE_CHARS_MAX], tracing.STATUS_CODE: status}
            told[tracing.CORRELATION_ID] = caller.correlation_id
            tracing.end_request(caller.span, route, told, str(status) if status >= 500 else None)
        if self._log is None:
            return
        seconds = time.perf_counter() - began
        trace = trace_id(caller.traceparent)
        exemplar = {"trace_id": trace} if trace and is_sampled(caller.traceparent) else None
        http_request(method, route, status, seconds, exemplar)
        if error is not None:
            write = self._log.error
        else:
            write = self._log.debug if path.startswith(_ASKED_ALL_THE_TIME) else self._log.info
        write(
            "request",
            method=method,
            path=path[:INSTANCE_CHARS_MAX],
            status=status,
            duration_ms=round(seconds * 1000, 1),
            correlation_id=caller.correlation_id,
            trace_id=trace,
            span_id=span_id(caller.traceparent),
            **({"exc_info": error} if error else {}),
        )


def _too_many(wait_s: float) -> ProblemError:
    return ProblemError(
        429,
        "More requests were sent than ORDERFLOW_RATE_LIMIT allows; this one was not looked at.",
        headers={"Retry-After": str(ceil(wait_s))},
    )


def _method(given: bytes) -> str:
    """A method by its name if HTTP defines it, else `_OTHER`, as the semantic conventions have it."""
    return given.decode("ascii") if given in _METHODS else "_OTHER"


def _host_name(authority: bytes) -> str:
    """The host of `host:port`, without the port and without the brackets of an IPv6 address."""
    return _PORT.sub(b"", authority).strip(b"[]").decode("latin-1").lower()


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def correlation_id_from(given: bytes | None) -> str:
    """The client's own id if it is valid, otherwise a new one (UUIDv4)."""
    if given is not None and _CORRELATION_ID.fullmatch(given):
        return given.decode("ascii")
    return new_uuid4()


def traceparent_from(given: bytes | None) -> str:
    """The client's traceparent if it is valid, otherwise a new trace that is not sampled (W3C Trace
    Context)."""
    return parse_traceparent(given) or f"00-{random_hex()}-{random_hex()[:16]}-00"
