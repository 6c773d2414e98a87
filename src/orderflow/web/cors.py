"""Which pages of other origins browsers let read and change something here (CORS, Fetch Standard 3.2). None
may unless its origin is named."""

from collections.abc import Iterable, Mapping

_MAX_AGE_S = 600

_PREFLIGHT = (
    b"access-control-allow-methods: GET, POST, PUT, PATCH\r\n"
    b"access-control-allow-headers: authorization, content-type, idempotency-key, if-match, "
    b"last-event-id, traceparent, x-correlation-id\r\n"
    b"access-control-max-age: %d\r\n" % _MAX_AGE_S
)
_EXPOSED = (
    b"access-control-expose-headers: etag, idempotent-replayed, location, retry-after, www-authenticate, "
    b"x-correlation-id\r\n"
)


class Cors:
    """The origins that are named, such as `https://shop.example.com`. Cookies are never asked for: a caller
    shows a key or a token."""

    def __init__(self, origins: Iterable[str]) -> None:
        self._lines = {
            origin.encode("ascii"): b"access-control-allow-origin: %b\r\nvary: origin\r\n" % origin.encode()
            for origin in origins
        }

    def allows(self, headers: Mapping[bytes, bytes]) -> bool:
        """Whether the request comes from a page of a named origin."""
        return headers.get(b"origin") in self._lines

    def preflight(self, method: bytes, headers: Mapping[bytes, bytes]) -> bytes | None:
        """The header lines of the answer if a browser asks before the real request; None for others."""
        lines = self._lines.get(headers.get(b"origin", b""))
        if lines is None or method != b"OPTIONS" or b"access-control-request-method" not in headers:
            return None
        return _PREFLIGHT

    def lines(self, headers: Mapping[bytes, bytes]) -> bytes:
        """What lets the page read the answer: header lines, for every answer."""
        if not self._lines:
            return b""
        lines = self._lines.get(headers.get(b"origin", b""))
        # A cache must not give a page the answer that another page got.
        return b"vary: origin\r\n" if lines is None else lines + _EXPOSED
