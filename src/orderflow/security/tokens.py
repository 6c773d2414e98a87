"""Bearer tokens: signed JSON Web Tokens (RFC 7519) of one issuer, for one audience."""

import re
import time
from hashlib import sha256
from typing import Any, NamedTuple

import jwt
from pydantic import TypeAdapter, ValidationError

from orderflow.contracts.orders_api import Id
from orderflow.contracts.scopes import Scope, granted
from orderflow.security.signing_keys import SigningKeys
from orderflow.web.front_door import ANONYMOUS, Denial, Principal

TOKEN_BYTES_MAX = 8_192
LEEWAY_S = 30
"""How far the issuer's clock may be ahead of ours, or behind it."""
REMEMBERED_MAX = 10_000
"""How many verified tokens are remembered, so that their signatures are not verified again."""

_REQUIRED = ["exp", "iss", "aud", "sub"]
_PLAIN = re.compile(r"[A-Za-z0-9][\x21-\x7e]{0,59}")
_CUSTOMER_ID: TypeAdapter[str] = TypeAdapter(Id)
_SCOPES = frozenset(Scope)


class _Verified(NamedTuple):
    principal: Principal
    until_s: float
    """Unix seconds."""


class Tokens:
    """Verifies tokens. The library that does goes by the system's clock, so this does, too."""

    def __init__(self, keys: SigningKeys, *, issuer: str, audience: str) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._verified: dict[bytes, _Verified] = {}
        self._version = keys.version

    def find(self, token: bytes) -> Principal:
        """Whose token this is."""
        if len(token) > TOKEN_BYTES_MAX:
            return _denied(Denial.INVALID)
        if self._version != self._keys.version:
            # A key may have been withdrawn.
            self._verified.clear()
            self._version = self._keys.version
        digest = sha256(token).digest()
        known = self._verified.get(digest)
        if known is not None and time.time() < known.until_s:
            return known.principal
        found = self._verify(token)
        if isinstance(found, Denial):
            return _denied(found)
        if len(self._verified) >= REMEMBERED_MAX:
            self._verified.clear()
        self._verified[digest] = found
        return found.principal

    def _verify(self, token: bytes) -> _Verified | Denial:
        try:
            header = jwt.get_unverified_header(token)
            # Keys that a token brings along (jwk, jku, x5u, x5c) are not looked at.
            kid = header.get("kid")
            if not isinstance(kid, str) or "crit" in header:
                return Denial.INVALID
            key = self._keys.find(kid)
            if isinstance(key, Denial):
                return key
            claims = jwt.decode(
                token,
                key,
                algorithms=[key.algorithm_name],
                issuer=self._issuer,
                audience=self._audience,
                leeway=LEEWAY_S,
                options={"require": _REQUIRED},
            )
            return _Verified(_principal(claims), claims["exp"] + LEEWAY_S)
        except Exception:
            # Anybody may send anything, and what it makes the parsers raise is no failure of ours.
            return Denial.INVALID


def _principal(claims: dict[str, Any]) -> Principal:
    """Raises ValueError, or TypeError, for claims that say something else than they may."""
    scopes = claims.get("scope", "")
    if not isinstance(scopes, str):
        raise TypeError("scope must be a text")
    customer_id = None
    if "customer_id" in claims:
        # Whatever it is, it must never become a caller who may see all customers.
        try:
            customer_id = _CUSTOMER_ID.validate_python(claims["customer_id"], strict=True)
        except ValidationError:
            raise ValueError("customer_id must be a customer's id") from None
    known = frozenset(Scope(scope) for scope in scopes.split() if scope in _SCOPES)
    return Principal(name_of(claims["sub"]), granted(known, customer_id), customer_id)


def name_of(subject: str) -> str:
    """The caller's name, of at most 64 characters. No key has such a name, and no other subject."""
    if _PLAIN.fullmatch(subject):
        return f"jwt:{subject}"
    return f"jwt:#{sha256(subject.encode()).hexdigest()[:40]}"


def _denied(denial: Denial) -> Principal:
    return Principal(ANONYMOUS, frozenset(), denial=denial)
