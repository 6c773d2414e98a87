"""Makes texts from outside safe for a terminal: nothing in them moves the cursor, changes a window's title or
reverses a line."""

import re

_LINE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_WORD = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    """The text with control characters, marks of writing direction and halves of surrogate pairs written as
    `\\uXXXX`, as in a JSON string. Tabs and line ends stay."""
    return _LINE.sub(_escaped, text)


def printable_in_a_line(text: str) -> str:
    """The same for a text that must not begin a new line."""
    return _WORD.sub(_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"
