"""Sessions: the key of whoever has signed in, sealed into a cookie that only our own processes can open.

Nothing is stored here, so all processes that share the secret know every session.
"""

from cryptography.fernet import Fernet, InvalidToken
from starlette.requests import Request
from starlette.responses import Response

COOKIE = "orderflow_session"
LIFETIME_S = 8 * 3600
KEY_CHARS_MAX = 2_500
"""A browser keeps 4,096 bytes of a cookie, and sealing makes a key a third longer."""


class Sessions:
    """Seals and opens cookies. Processes that are forked after this was made share its secret."""

    def __init__(self, *, behind_proxy: bool = False) -> None:
        self._fernet = Fernet(Fernet.generate_key())
        self._behind_proxy = behind_proxy

    def key(self, request: Request) -> str | None:
        """The key of the session, or None if there is none or it has expired."""
        sealed = request.cookies.get(COOKIE, "")
        try:
            return self._fernet.decrypt(sealed.encode(), ttl=LIFETIME_S).decode()
        except (InvalidToken, UnicodeError):
            return None

    def begin(self, request: Request, answer: Response, key: str) -> None:
        sealed = self._fernet.encrypt(key.encode()).decode()
        answer.set_cookie(
            COOKIE,
            sealed,
            max_age=LIFETIME_S,
            httponly=True,
            samesite="strict",
            secure=self._is_secure(request),
        )

    def end(self, request: Request, answer: Response) -> None:
        answer.delete_cookie(COOKIE, httponly=True, samesite="strict", secure=self._is_secure(request))

    def _is_secure(self, request: Request) -> bool:
        forwarded = request.headers.get("x-forwarded-proto", "") if self._behind_proxy else ""
        return request.url.scheme == "https" or forwarded == "https"
