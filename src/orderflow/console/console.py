"""The console as an application: who looks, and which page answers."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

from pydantic_core import from_json
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as Connection

from orderflow.console.discards import DiscardPages
from orderflow.console.forms import address_of, read_form
from orderflow.console.letters import LetterPages
from orderflow.console.orders import OrderPages
from orderflow.console.overview import OverviewPages
from orderflow.console.payments import PaymentPages
from orderflow.console.rendering import HEADERS, page, static_file
from orderflow.console.sample_orders import SampleOrders
from orderflow.console.sampling import Sampler
from orderflow.console.services import Away, Refused, Services, both_services
from orderflow.console.sessions import KEY_CHARS_MAX, Sessions
from orderflow.console.try_it import TRY_IT, TryItPage
from orderflow.runtime.breakable import Breakable
from orderflow.runtime.health import Health
from orderflow.runtime.tls import ClientTls
from orderflow.settings import Settings
from orderflow.web.access import OPEN, guard
from orderflow.web.answers import EXCEPTION_HANDLERS

SIGN_IN = "/console/sign-in"

Page = Callable[[Request, str | None], Awaitable[Response]]
"""Answers a request of whoever has this key; None where nobody is asked who they are."""
Handler = Callable[[Request, Exception], Awaitable[Response]]


class Console:
    """What serves the console. Processes that are forked after it was made share its sessions."""

    def __init__(
        self,
        settings: Settings,
        orders_url: str,
        fulfillment_url: str | None = None,
        *,
        breakables: Sequence[Breakable] = (),
    ) -> None:
        self._settings = settings
        self._breakables = breakables
        self._urls = (orders_url, fulfillment_url or settings.fulfillment_url)
        self._sessions = Sessions(behind_proxy=settings.behind_proxy)

    @asynccontextmanager
    async def beside(self, app: ASGIApp, health: Health) -> AsyncGenerator[ASGIApp]:
        """The application and, unless the settings leave it out, the console beside it, while the block
        runs. `health` is told of the console's loop."""
        settings = self._settings
        if settings.console == "off":
            yield app
            return
        tls = ClientTls(settings.ca, settings.tls_cert, settings.tls_key)
        async with both_services(*self._urls, tls) as services:
            key = settings.api_key.get_secret_value() if settings.api_key else None
            sampler = Sampler(services, health, key=key)
            # Where several processes answer, only one would know what is being sent.
            tries = settings.env == "dev" and settings.api_workers == 1
            samples = SampleOrders(services.orders, health) if tries else None
            trials = TryItPage(services, samples, self._breakables) if samples else None
            console = _application(
                services, self._sessions, sampler, trials, signs_in=settings.asks_who_calls
            )

            async def either(connection: Connection, receive: Receive, send: Send) -> None:
                of_console = connection["type"] == "http" and is_of_console(connection["path"])
                await (console if of_console else app)(connection, receive, send)

            loops = [sampler.loop, *([samples.loop] if samples else [])]
            for loop in loops:
                loop.start()
            try:
                yield either
            finally:
                for loop in loops:
                    await loop.stop()


def is_of_console(path: str) -> bool:
    return path in ("/", "/console") or path.startswith("/console/")


def _application(
    services: Services,
    sessions: Sessions,
    sampler: Sampler,
    trials: TryItPage | None,
    *,
    signs_in: bool,
) -> ASGIApp:
    visits = _Visits(services, sessions, signs_in=signs_in)
    overview, orders, letters = (
        OverviewPages(services, sampler, tries=trials is not None),
        OrderPages(services),
        LetterPages(services),
    )
    discards, payments = DiscardPages(services), PaymentPages(services)
    routes = [
        Route("/", visits.seen(overview.flow)),
        Route("/console/orders", visits.seen(orders.search)),
        Route("/console/orders/{order_id}", visits.seen(orders.one)),
        Route("/console/orders/{order_id}", visits.seen(orders.act), methods=["POST"]),
        Route("/console/dead-letters", visits.seen(letters.all)),
        Route("/console/dead-letters", visits.seen(letters.act_on_group), methods=["POST"]),
        Route("/console/dead-letters/discards", visits.seen(discards.dry_run)),
        Route("/console/dead-letters/discards", visits.seen(discards.discard), methods=["POST"]),
        Route("/console/dead-letters/{letter_id}", visits.seen(letters.one)),
        Route("/console/dead-letters/{letter_id}", visits.seen(letters.act), methods=["POST"]),
        Route("/console/payments", visits.seen(payments.all)),
        Route("/console/stock", visits.seen(overview.stock)),
        Route("/console/stock", visits.seen(overview.count_stock), methods=["POST"]),
        *_of_trials(trials, visits),
        Route(SIGN_IN, visits.sign_in_page),
        Route(SIGN_IN, visits.sign_in, methods=["POST"]),
        Route("/console/sign-out", visits.sign_out, methods=["POST"]),
        Route("/console/static/{name}", static_file),
    ]
    # The routes let everyone in: what a caller may see is decided by the services, which are asked with the
    # caller's own key.
    asked = [(method, route.path) for route in routes for method in route.methods or () if method != "HEAD"]
    guard(routes, dict.fromkeys(asked, OPEN))
    handlers = {kind: _for_people(handler, visits) for kind, handler in EXCEPTION_HANDLERS.items()}
    app = Starlette(routes=routes, exception_handlers=handlers)
    app.router.redirect_slashes = False
    return app


def _for_people(handler: Handler, visits: "_Visits") -> Handler:
    """The problem as a page, for a browser: it says that it wants one."""

    async def answered(request: Request, error: Exception) -> Response:
        problem = await handler(request, error)
        if "text/html" not in request.headers.get("accept", ""):
            return problem
        told: dict[str, Any] = from_json(bytes(problem.body))
        words = {"title": told["title"], "text": told["detail"], "live": None}
        shown = page("trouble.html", problem.status_code, signs_in=visits.has_signed_in(request), **words)
        if "allow" in problem.headers:
            shown.headers["allow"] = problem.headers["allow"]
        return shown

    return answered


def _of_trials(trials: TryItPage | None, visits: "_Visits") -> list[Route]:
    if trials is None:
        return []
    return [
        Route(TRY_IT, visits.seen(trials.show)),
        Route(TRY_IT, visits.seen(trials.act), methods=["POST"]),
    ]


class _Visits:
    """Who looks: sessions begin, are known again, and end."""

    def __init__(self, services: Services, sessions: Sessions, *, signs_in: bool) -> None:
        self._services = services
        self._sessions = sessions
        self._signs_in = signs_in

    def has_signed_in(self, request: Request) -> bool:
        return self._signs_in and self._sessions.key(request) is not None

    def seen(self, answer: Page) -> Callable[[Request], Awaitable[Response]]:
        async def seen(request: Request) -> Response:
            key = self._sessions.key(request) if self._signs_in else None
            if self._signs_in and key is None:
                return self._to_sign_in(request)
            try:
                return await answer(request, key)
            except Away as away:
                live = address_of(request) if request.method == "GET" else None
                told = {"title": "Not now", "text": str(away), "live": live}
                return page("trouble.html", 503, signs_in=self._signs_in, **told)
            except Refused as refused:
                if refused.status == 401 and self._signs_in:
                    return self._to_sign_in(request)
                told = {"title": "That did not work", "text": str(refused), "live": None}
                return page("trouble.html", refused.status, signs_in=self._signs_in, **told)

        return seen

    def _to_sign_in(self, request: Request) -> Response:
        """Somebody whose live page asks is sent on by htmx, which follows no redirect to another page."""
        to = SIGN_IN if request.method != "GET" else f"{SIGN_IN}?to={quote(address_of(request))}"
        if request.headers.get("hx-request"):
            return Response(status_code=204, headers={**HEADERS, "HX-Redirect": to})
        answer = RedirectResponse(to, 303, HEADERS)
        self._sessions.end(request, answer)
        return answer

    async def sign_in_page(self, request: Request) -> Response:
        return self._ask_for_key(request.query_params.get("to", "/"))

    def _ask_for_key(self, to: str, trouble: str = "", status: int = 200) -> Response:
        return page("sign_in.html", status, signs_in=False, to=to, trouble=trouble)

    async def sign_in(self, request: Request) -> Response:
        form = await read_form(request)
        key, to = form.get("key", "").strip(), form.get("to", "/")
        if not (key.isascii() and key.isprintable() and 0 < len(key) <= KEY_CHARS_MAX):
            return self._ask_for_key(to, "This is no key.", 422)
        try:
            await self._services.orders.get("/api/stats", key)
        except Refused as refused:
            unknown = "This key is unknown, has expired or was revoked."
            return self._ask_for_key(to, unknown if refused.status == 401 else str(refused), refused.status)
        except Away as away:
            return self._ask_for_key(to, str(away), 503)
        # Only to a page of ours: `//host` would be another one's.
        answer = RedirectResponse(to if is_of_console(to) else "/", 303, HEADERS)
        self._sessions.begin(request, answer, key)
        return answer

    async def sign_out(self, request: Request) -> Response:
        await read_form(request)
        answer = RedirectResponse(SIGN_IN, 303, HEADERS)
        self._sessions.end(request, answer)
        return answer
