"""The pages of dead letters: the groups, one letter beside its order, and what a person does with them."""

import asyncio
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from orderflow.console.forms import address_of, following, page_query, read_form
from orderflow.console.rendering import HEADERS, page
from orderflow.console.services import Document, Services
from orderflow.web.problems import ProblemError

LETTERS = "/api/fulfillment/dead-letters"
PAGE = "/console/dead-letters"


class LetterPages:
    """The pages."""

    def __init__(self, services: Services) -> None:
        self._fulfillment = services.fulfillment

    async def all(self, request: Request, key: str | None) -> Response:
        kind = request.query_params.get("kind", "")
        filters = [("state", "open"), *([("kind", kind)] if kind else [])]
        groups, letters, redrives = await asyncio.gather(
            self._fulfillment.get(f"{LETTERS}/groups", key),
            self._fulfillment.get(LETTERS, key, page_query(request, *filters)),
            self._fulfillment.get(f"{LETTERS}/redrives", key),
        )
        items: list[Any] = letters["items"]
        running = [each for each in redrives["items"] if each["state"] == "running"]
        return page(
            "dead_letters.html",
            signs_in=key is not None,
            groups=groups["items"],
            letters=items,
            kind=kind,
            following=following(letters, kind=kind),
            address=address_of(request),
            redrives=running or redrives["items"][:3],
        )

    async def act_on_group(self, request: Request, key: str | None) -> Response:
        """Redrive a group, or stop a redrive. The Fulfillment Service does it, so nobody has to look on."""
        form = await read_form(request)
        if "stop" in form:
            path = f"{LETTERS}/redrives/{quote(form['stop'], safe='')}/stop"
            await self._fulfillment.send("POST", path, key, {})
        else:
            rate = form.get("rate", "1")
            if not (rate.isascii() and rate.isdecimal()):
                raise ProblemError(422, "The rate is a number of letters a second.")
            body: Document = {
                "kind": form.get("kind", ""),
                "reason": form.get("reason", ""),
                "ratePerS": int(rate),
                "staged": form.get("staged") == "true",
                "why": form.get("why", "").strip(),
            }
            await self._fulfillment.send("POST", f"{LETTERS}/redrive", key, body)
        return RedirectResponse(PAGE, 303, HEADERS)

    async def one(self, request: Request, key: str | None) -> Response:
        letter = await self._fulfillment.get(_of(request), key)
        return page("dead_letter.html", signs_in=key is not None, letter=letter)

    async def act(self, request: Request, key: str | None) -> Response:
        form = await read_form(request)
        action = form.get("action")
        if action == "redrive":
            await self._fulfillment.send("POST", f"{_of(request)}/redrive", key, {})
        elif action == "discard":
            body = {"reason": form.get("reason", "").strip()}
            await self._fulfillment.send("POST", f"{_of(request)}/discard", key, body)
        else:
            raise ProblemError(422, "There is no such action.")
        return RedirectResponse(f"{PAGE}/{quote(request.path_params['letter_id'], safe='')}", 303, HEADERS)


def _of(request: Request) -> str:
    return f"{LETTERS}/{quote(request.path_params['letter_id'], safe='')}"
