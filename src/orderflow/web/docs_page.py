"""`/docs`: Swagger UI, from released files in this package. The page loads nothing from other hosts.

The files that `swagger_ui/SHA256SUMS` names are from swagger-ui-dist 5.35.0 (npm, Apache-2.0), unchanged.
"""

from importlib.resources import files

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from orderflow.web.page_headers import page_file, page_headers

_FOLDER = files("orderflow.web") / "swagger_ui"
_MEDIA_TYPES = {
    "swagger-ui-bundle.js": "text/javascript",
    "start.js": "text/javascript",
    "swagger-ui.css": "text/css",
}
_HEADERS = page_headers(
    # Swagger UI sets styles on single elements, and its style sheet contains its pictures.
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
) | {"Cross-Origin-Embedder-Policy": "require-corp", "Cache-Control": "no-cache"}


async def _page(_request: Request) -> Response:
    return Response((_FOLDER / "page.html").read_bytes(), headers=_HEADERS, media_type="text/html")


async def _file(request: Request) -> Response:
    name: str = request.path_params["name"]
    if name not in _MEDIA_TYPES:
        raise HTTPException(404)
    return page_file(request, (_FOLDER / name).read_bytes(), _MEDIA_TYPES[name], _HEADERS)


ROUTES = [Route("/docs", _page), Route("/docs/{name}", _file)]
