"""The checks and changes that the parser leaves to us."""

from collections import Counter
from collections.abc import Mapping, Sequence

import httptools

from orderflow.web.problems import ProblemError

ONCE = frozenset(
    (
        *(b"host", b"content-type", b"authorization", b"origin", b"sec-fetch-site"),
        *(b"last-event-id", b"x-correlation-id"),
    )
)
"""Header fields that we read and that are not lists (RFC 9110, 5.3). The parser itself refuses a second
length."""


def not_http() -> ProblemError:
    return ProblemError(400, "What was sent is no HTTP/1.1.")


def head_without_offer(
    parser: httptools.HttpRequestParser, target: bytes, headers: Sequence[tuple[bytes, bytes]]
) -> bytes:
    """The head that the parser has read, without the upgrade that it offered."""
    lines = [b"%b: %b\r\n" % header for header in headers if header[0] != b"upgrade"]
    version = parser.get_http_version().encode()
    return b"%b %b HTTP/%b\r\n%b\r\n" % (parser.get_method(), target, version, b"".join(lines))


def by_name(headers: Sequence[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """The headers by name; of a repeated one, the last. Two `traceparent` headers count as none (W3C Trace
    Context). Raises ProblemError 400 if one of `ONCE` is repeated: two programs could read it in two ways."""
    given = dict(headers)
    if len(given) == len(headers):
        return given
    counts = Counter(name for name, _ in headers)
    for name, count in counts.items():
        if count > 1 and name in ONCE:
            raise ProblemError(400, f"The request has more than one header {name.decode()}.")
    if counts[b"traceparent"] > 1:
        del given[b"traceparent"]
    return given


def check_head(
    method: bytes,
    version: str,
    given: Mapping[bytes, bytes],
) -> None:
    """Refuse what the parser accepts although RFC 9112 does not, or we do not. Raises ProblemError."""
    if version not in ("1.1", "1.0"):
        raise ProblemError(505, "HTTP/1.1 is spoken here.")
    if method == b"CONNECT":
        raise ProblemError(501, "This is no proxy.")
    coding = given.get(b"transfer-encoding")
    if coding is not None and (version == "1.0" or coding.lower() != b"chunked"):
        raise ProblemError(501, "The only transfer coding that is understood is HTTP/1.1's chunked.")
    if version == "1.1" and b"host" not in given:
        raise ProblemError(400, "The request names no host.")
