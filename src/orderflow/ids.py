"""Ids as text, made of one draw of randomness each."""

import secrets

_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}


def new_uuid4() -> str:
    """A random UUID (RFC 9562)."""
    d = secrets.token_hex(16)
    return f"{d[:8]}-{d[8:12]}-4{d[13:16]}-{_VARIANT[d[16]]}{d[17:20]}-{d[20:]}"


def new_uuid7(unix_ms: int) -> str:
    """A UUID (RFC 9562) that sorts by its time, to the millisecond; 74 bits are random."""
    ms = f"{unix_ms:012x}"
    d = secrets.token_hex(10)
    return f"{ms[:8]}-{ms[8:]}-7{d[:3]}-{_VARIANT[d[3]]}{d[4:7]}-{d[7:19]}"
