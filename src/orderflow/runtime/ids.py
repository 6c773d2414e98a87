"""Ids as text, made from the system's random bytes. These are fetched in advance, because a system call for
each id costs more than the id."""

import os
from datetime import UTC, datetime, timedelta

_DRAWN_BYTES = 4096
_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}

_drawn: list[str] = []
os.register_at_fork(after_in_child=_drawn.clear)  # two processes must never use the same digits


def random_hex() -> str:
    """32 random hexadecimal digits. Any thread may call this."""
    try:
        return _drawn.pop()
    except IndexError:
        digits = os.urandom(_DRAWN_BYTES).hex()
        _drawn.extend([digits[start : start + 32] for start in range(32, len(digits), 32)])
        return digits[:32]


def new_uuid4() -> str:
    """A random UUID (RFC 9562)."""
    d = random_hex()
    return f"{d[:8]}-{d[8:12]}-4{d[13:16]}-{_VARIANT[d[16]]}{d[17:20]}-{d[20:]}"


def new_uuid7(unix_ms: int) -> str:
    """A UUID (RFC 9562) that sorts by its time, to the millisecond; 74 bits are random."""
    ms = f"{unix_ms:012x}"
    d = random_hex()
    return f"{ms[:8]}-{ms[8:]}-7{d[:3]}-{_VARIANT[d[3]]}{d[4:7]}-{d[7:19]}"


def is_uuid7(uuid: str) -> bool:
    return uuid[14] == "7"


def first_uuid7(at: datetime) -> str:
    """A text that is no larger than any UUIDv7 of that millisecond, and larger than any of an earlier one."""
    digits = f"{max(0, (at - _EPOCH) // timedelta(milliseconds=1)):012x}"[-12:]
    return f"{digits[:8]}-{digits[8:]}-0000-0000-000000000000"


FIRST_UUID = "00000000-0000-0000-0000-000000000000"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def unix_ms_of(uuid7: str) -> int:
    """The time of a UUIDv7."""
    return int(uuid7[:8] + uuid7[9:13], 16)
