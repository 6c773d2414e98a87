"""What a page of ours asks for: the fields of its form, or the next rows of its list."""

from urllib.parse import parse_qsl, urlencode

from starlette.requests import Request

from orderflow.console.services import Document
from orderflow.web.bodies import read_body
from orderflow.web.problems import ProblemError

FORM_BYTES_MAX = 16_384
PAGE_ROWS = 100


async def read_form(request: Request) -> dict[str, str]:
    """The fields of the form; of a repeated one, the last. The front door has refused pages of other origins.
    Raises ProblemError: 403 for what no browser sends from a page of ours, 413, 415."""
    if "origin" not in request.headers and "sec-fetch-site" not in request.headers:
        raise ProblemError(403, "Only the console's own pages send this; programs use the API.")
    if request.headers.get("content-type", "").partition(";")[0] != "application/x-www-form-urlencoded":
        raise ProblemError(415, "This takes a form.")
    body = await read_body(request, FORM_BYTES_MAX)
    try:
        return dict(parse_qsl(body.decode("ascii"), errors="strict", max_num_fields=50))
    except ValueError:
        raise ProblemError(400, "This is no form.") from None


def page_query(request: Request, *filters: tuple[str, str]) -> list[tuple[str, str]]:
    """What to ask a service for: PAGE_ROWS of its list, from the cursor in the page's address on."""
    cursor = request.query_params.get("cursor")
    following = [("cursor", cursor)] if cursor else []
    return [*filters, ("limit", str(PAGE_ROWS)), *following]


def address_of(request: Request) -> str:
    """The page's address with its query, for it to ask for itself again."""
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")


def following(found: Document, **kept: str) -> str | None:
    """The query of the next page of a list, with these filters; None on the last one."""
    if found["nextCursor"] is None:
        return None
    given = {name: value for name, value in kept.items() if value}
    return "?" + urlencode({**given, "cursor": found["nextCursor"]})
