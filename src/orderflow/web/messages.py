"""What is decided about a message beside the parser."""

from collections.abc import Mapping, Sequence

import httptools

from orderflow.web.problems import ProblemError


def not_http() -> ProblemError:
    return ProblemError(400, "What was sent is no HTTP/1.1.")


def head_without_offer(
    parser: httptools.HttpRequestParser, target: bytes, headers: Sequence[tuple[bytes, bytes]]
) -> bytes:
    """The head that the parser has read, without the offered upgrade in it."""
    lines = [b"%b: %b\r\n" % header for header in headers if header[0] != b"upgrade"]
    version = parser.get_http_version().encode()
    return b"%b %b HTTP/%b\r\n%b\r\n" % (parser.get_method(), target, version, b"".join(lines))


def check_head(
    method: bytes,
    version: str,
    headers: Sequence[tuple[bytes, bytes]],
    given: Mapping[bytes, bytes],
) -> None:
    """What the parser lets pass, and RFC 9112 does not. Raises ProblemError."""
    if version not in ("1.1", "1.0"):
        raise ProblemError(505, "HTTP/1.1 is spoken here.")
    if method == b"CONNECT":
        raise ProblemError(501, "This is no proxy.")
    coding = given.get(b"transfer-encoding")
    if coding is not None and (version == "1.0" or coding.lower() != b"chunked"):
        raise ProblemError(501, "The only transfer coding that is understood is HTTP/1.1's chunked.")
    if version == "1.1" and b"host" not in given:
        raise ProblemError(400, "The request names no host.")
    if len(given) != len(headers) and sum(name == b"host" for name, _ in headers) > 1:
        raise ProblemError(400, "The request names two hosts.")
