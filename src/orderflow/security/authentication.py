"""Finds out who sends a request, from its `Authorization` header."""

from orderflow.security.key_ring import UNKNOWN, KeyRing
from orderflow.security.tokens import Tokens
from orderflow.web.front_door import NOBODY, Principal


class Authentication:
    """Knows callers by their API keys and, if there are any, by tokens."""

    def __init__(self, key_ring: KeyRing, tokens: Tokens | None = None) -> None:
        self._key_ring = key_ring
        self._tokens = tokens

    def authenticate(self, authorization: bytes | None) -> Principal:
        if authorization is None:
            return NOBODY
        scheme, _, credentials = authorization.partition(b" ")
        if scheme.lower() != b"bearer":
            return UNKNOWN
        credentials = credentials.lstrip(b" ")
        if self._tokens is not None and not credentials.startswith(b"of_"):
            return self._tokens.find(credentials)
        return self._key_ring.find(credentials)
