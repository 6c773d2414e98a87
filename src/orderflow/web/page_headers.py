"""What browsers are told about every page of ours, and the files that pages load."""

from hashlib import sha256

from starlette.requests import Request
from starlette.responses import Response


def page_headers(policy: str, *, referrer: str = "no-referrer") -> dict[str, str]:
    """The headers of a page with this Content-Security-Policy. `referrer` is its Referrer-Policy."""
    return {
        "Content-Security-Policy": policy,
        "Cross-Origin-Opener-Policy": "same-origin",
        "Referrer-Policy": referrer,
        # For browsers that do not know frame-ancestors.
        "X-Frame-Options": "DENY",
    }


def page_file(request: Request, content: bytes, media_type: str, headers: dict[str, str]) -> Response:
    """A file that a page loads. A browser asks for it each time, and gets it when it has changed."""
    told = {**headers, "Cache-Control": "no-cache", "ETag": f'"{sha256(content).hexdigest()[:32]}"'}
    if told["ETag"] in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=told)
    return Response(content, headers=told, media_type=media_type)
