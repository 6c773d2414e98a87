"""The page on which somebody tries the system out, in development: sample orders, a carrier's faults, and
parts that are broken on purpose."""

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from orderflow.console.forms import read_form
from orderflow.console.rendering import HEADERS, page
from orderflow.console.sample_orders import RATE_PER_S_MAX, SECONDS_MAX, SampleOrders
from orderflow.console.services import Away, Document, Refused, Services
from orderflow.contracts.audit import AUDIT
from orderflow.runtime.breakable import Breakable
from orderflow.web.problems import ProblemError

TRY_IT = "/console/try-it"

_CARRIER = "/api/fulfillment/simulated-carrier"
_DELAY_MS_MAX = 600_000


class TryItPage:
    """The page."""

    def __init__(self, services: Services, samples: SampleOrders, breakables: Sequence[Breakable]) -> None:
        self._services = services
        self._samples = samples
        self._breakables = breakables

    async def show(self, _request: Request, key: str | None) -> Response:
        carrier: Document | None = None
        trouble = ""
        try:
            carrier = await self._services.fulfillment.get(_CARRIER, key)
        except (Away, Refused) as failure:
            trouble = str(failure)
        return page(
            "try_it.html",
            signs_in=key is not None,
            carrier=carrier,
            trouble=trouble,
            sending=self._samples.sending,
            seconds_left=self._samples.seconds_left,
            rate_max=RATE_PER_S_MAX,
            seconds_max=SECONDS_MAX,
            breakables=self._breakables,
        )

    async def act(self, request: Request, key: str | None) -> Response:
        form = await read_form(request)
        action = form.get("action")
        if action == "send":
            rate = _whole(form, "rate", 1, RATE_PER_S_MAX)
            self._samples.start(rate, _whole(form, "seconds", 1, SECONDS_MAX), key)
        elif action == "stop":
            self._samples.stop()
        elif action == "carrier":
            await self._services.fulfillment.send("PUT", _CARRIER, key, _behaviour(form))
        elif action == "break":
            await self._break(form, key)
        else:
            raise ProblemError(422, "There is no such action.")
        return RedirectResponse(TRY_IT, 303, HEADERS)

    async def _break(self, form: dict[str, str], key: str | None) -> None:
        """Break a part of this process, or mend it. Raises Refused for a key without the scope `admin`: no
        service is asked to do this, so the one that shows its audit log to such keys alone is asked first."""
        await self._services.orders.get(AUDIT, key, [("limit", "1")])
        for part in self._breakables:
            if part.name == form.get("part") and form.get("how") in part.actions:
                part.act(form["how"])
                return
        raise ProblemError(409, "That cannot be done with this part now.", title="Conflict")


def _behaviour(form: dict[str, str]) -> Document:
    """Shares are given in percent."""
    return {
        "delayMsLeast": _whole(form, "least", 0, _DELAY_MS_MAX),
        "delayMsMost": _whole(form, "most", 0, _DELAY_MS_MAX),
        "failureRate": _whole(form, "rejected", 0, 100) / 100,
        "errorRate": _whole(form, "failing", 0, 100) / 100,
    }


def _whole(form: dict[str, str], name: str, least: int, most: int) -> int:
    text = form.get(name, "").strip()
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and least <= int(text) <= most):
        raise ProblemError(422, f"{name} is a whole number from {least} to {most}.")
    return int(text)
