"""The pages of dead letters: the groups, one letter beside its order, and what a person does with them."""

import asyncio
import json
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from orderflow.console.forms import address_of, following, page_query, read_form
from orderflow.console.rendering import HEADERS, page
from orderflow.console.services import Away, Document, Refused, Service, Services
from orderflow.web.problems import ProblemError

LETTERS = "/api/fulfillment/dead-letters"
PAGE = "/console/dead-letters"
COMMAND = "orderflow dead-letters show --message"
SHOWN_BYTES_MAX = 65_536
"""A page asks for itself every 2 s, so larger messages are not on it."""


class LetterPages:
    """The pages."""

    def __init__(self, services: Services) -> None:
        self._orders, self._fulfillment = services

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
        untold: dict[str, str] = {}
        message, order = await asyncio.gather(
            self._message(letter, key, untold), self._order(letter["orderId"], key, untold)
        )
        return page(
            "dead_letter.html",
            signs_in=key is not None,
            letter=letter,
            message=message,
            content=None if message is None else _content(message),
            order=order,
            untold=untold,
        )

    async def _message(self, letter: Document, key: str | None, untold: dict[str, str]) -> Document | None:
        """What the letter is about. Without one, `untold` says why."""
        if (letter["valueBytes"] or 0) > SHOWN_BYTES_MAX:
            untold["message"] = f"It has {letter['valueBytes']} bytes: {COMMAND} {letter['id']} shows them."
            return None
        return await _told(self._fulfillment, f"{LETTERS}/{letter['id']}/message", key, untold, "message")

    async def _order(self, order_id: str | None, key: str | None, untold: dict[str, str]) -> Document | None:
        """The order that the letter names. Without one, `untold` says why."""
        if order_id is None:
            untold["order"] = "It names no order."
            return None
        return await _told(self._orders, f"/api/orders/{order_id}", key, untold, "order")

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


async def _told(
    service: Service, path: str, key: str | None, untold: dict[str, str], name: str
) -> Document | None:
    """What the service answers. Without an answer, `untold` says under this name why."""
    try:
        return await service.get(path, key)
    except (Away, Refused) as failure:
        untold[name] = str(failure)
        return None


def _content(message: Document) -> str:
    """The value as somebody reads it: JSON on lines of its own, everything else as it is."""
    text = message.get("value") or message.get("valueBase64") or ""
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except ValueError:
        return text


def _of(request: Request) -> str:
    return f"{LETTERS}/{quote(request.path_params['letter_id'], safe='')}"
