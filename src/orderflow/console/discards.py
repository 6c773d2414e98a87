"""Discards many dead letters: first what would be done, then, letter by letter, what was shown."""

import asyncio
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from orderflow.console.forms import PAGE_ROWS, read_form
from orderflow.console.letters import LETTERS
from orderflow.console.rendering import page
from orderflow.console.services import Away, Refused, Services
from orderflow.web.problems import ProblemError

AT_ONCE_MAX = 8
"""Discards under way. Each may wait for the carrier to void a shipment."""
PAGES_MAX = 20
"""Pages of a kind's letters that are searched for those with the very reason."""

Letters = list[dict[str, Any]]


class DiscardPages:
    """The pages."""

    def __init__(self, services: Services) -> None:
        self._fulfillment = services.fulfillment

    async def dry_run(self, request: Request, key: str | None) -> Response:
        """Show which letters would be discarded: PAGE_ROWS of those with this kind and reason at most."""
        given = request.query_params
        return await self._shown(key, given.get("kind", ""), given.get("reason", ""))

    async def discard(self, request: Request, key: str | None) -> Response:
        """Discard exactly the letters that were shown, and say which were not and why."""
        form = await read_form(request)
        reason = form.get("reason", "").strip()
        wanted = [letter_id for letter_id in form.get("letters", "").split(",") if letter_id]
        if not (reason and 0 < len(wanted) <= PAGE_ROWS):
            raise ProblemError(422, f"This takes a reason, and 1 to {PAGE_ROWS} letters.")
        gate = asyncio.Semaphore(AT_ONCE_MAX)

        async def one(letter_id: str) -> str | None:
            async with gate:
                return await self._discarded(letter_id, reason, key)

        troubles = await asyncio.gather(*map(one, wanted))
        refused = [(each, why) for each, why in zip(wanted, troubles, strict=True) if why is not None]
        return await self._shown(
            key, form.get("kind", ""), form.get("of", ""), len(wanted) - len(refused), refused
        )

    async def _discarded(self, letter_id: str, reason: str, key: str | None) -> str | None:
        """Why the letter was not discarded, or None."""
        path = f"{LETTERS}/{quote(letter_id, safe='')}/discard"
        try:
            await self._fulfillment.send("POST", path, key, {"reason": reason})
        except (Away, Refused) as failure:
            return str(failure)
        return None

    async def _shown(
        self,
        key: str | None,
        kind: str,
        reason: str,
        done: int | None = None,
        refused: list[tuple[str, str]] | None = None,
    ) -> Response:
        letters, more = await self._like(key, kind, reason)
        return page(
            "discards.html",
            signs_in=key is not None,
            kind=kind,
            reason=reason,
            letters=letters,
            more=more,
            done=done,
            refused=refused,
        )

    async def _like(self, key: str | None, kind: str, reason: str) -> tuple[Letters, bool]:
        """The open letters of this kind with this very reason, and whether there may be more of them."""
        found: Letters = []
        cursor: str | None = None
        for _ in range(PAGES_MAX):
            query = [("state", "open"), ("kind", kind), ("limit", str(PAGE_ROWS))]
            answer = await self._fulfillment.get(
                LETTERS, key, [*query, ("cursor", cursor)] if cursor else query
            )
            found += [letter for letter in answer["items"] if letter["reason"] == reason]
            cursor = answer["nextCursor"]
            if len(found) > PAGE_ROWS or cursor is None:
                break
        return found[:PAGE_ROWS], len(found) > PAGE_ROWS or cursor is not None
