"""What headers say where Starlette's view of them does not do: repeated ones, and bytes beyond latin-1."""

from starlette.requests import Request


def header_values(request: Request, name: bytes) -> list[bytes]:
    """Of all headers of that (lower-case) name, in order."""
    return [value for given, value in request.scope["headers"] if given == name]
