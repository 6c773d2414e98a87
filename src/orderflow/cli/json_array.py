"""Reads the elements of a JSON array one by one: memory is bounded however long the array is."""

import re
from collections.abc import Iterator
from typing import BinaryIO

CHUNK_BYTES = 1 << 18

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*+"|["\[\]{},]', re.DOTALL)
"""A whole string, the opening quote of one that has not ended, or a bracket, brace or comma."""


class BrokenArray(Exception):
    """The array cannot be read any further; the text says why."""


def elements(
    stream: BinaryIO, *, bytes_max: int, chunk_bytes: int = CHUNK_BYTES, closing: bytes = b""
) -> Iterator[bytes]:
    """The text of each element, which need not be JSON. `stream` must be just behind the opening bracket.

    Raises BrokenArray for an element of more than `bytes_max` bytes, for an array that does not end, and for
    anything but `closing` that follows its end.
    """
    rest, first = b"", True
    while True:
        found = _end(rest)
        if found is None:
            if len(rest) > bytes_max:
                raise BrokenArray(f"it is longer than {bytes_max >> 20} MiB")
            chunk = stream.read(chunk_bytes)
            if not chunk:
                raise BrokenArray("the file ends before the array does")
            rest += chunk
            continue
        element, rest, last = rest[: found.start()].strip(), rest[found.end() :], found[0] == b"]"
        if element or not (first and last):
            yield element
        if last:
            break
        first = False
    rest = rest.strip()
    while len(rest) <= len(closing) and (chunk := stream.read(chunk_bytes)):
        rest = (rest + chunk).strip()
    if not closing.startswith(rest):
        raise BrokenArray("something follows the end of the array")
    if rest != closing:
        raise BrokenArray("the file ends too early")


def _end(text: bytes) -> re.Match[bytes] | None:
    """The comma or bracket that ends the element at the beginning of the text; None if it goes on."""
    depth = 0
    for token in _TOKEN.finditer(text):
        match token[0]:
            case b"[" | b"{":
                depth += 1
            case b"," | b"]" if depth == 0:
                return token
            case b"]" | b"}":
                depth -= 1
            case b'"':
                return None
            case _:
                pass
    return None
