"""Finds out who sends a request, from its `Authorization` header."""

from orderflow.security.key_ring import UNKNOWN, KeyRing
from orderflow.web.front_door import NOBODY, Principal


class Authentication:
    """Knows callers by their API keys."""

    def __init__(self, key_ring: KeyRing) -> None:
        self._key_ring = key_ring

    def authenticate(self, authorization: bytes | None) -> Principal:
        if authorization is None:
            return NOBODY
        if authorization[:7].lower() != b"bearer ":
            return UNKNOWN
        return self._key_ring.find(authorization[7:].strip(b" "))
