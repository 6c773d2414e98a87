"""Removes secrets from texts before anybody reads them: logs, errors, health, and what commands print."""

import re

STARS = "***"

# Only these parameters of a URL's query are shown: an unknown one may be a password under another name.
_SHOWN = frozenset(
    {
        *("application_name", "channel_binding", "connect_timeout", "gssencmode", "host", "hostaddr"),
        *("load_balance_hosts", "options", "port", "sslmode", "sslrootcert", "target_session_attrs"),
        *("attention", "cursor", "kind", "limit", "reference", "state", "status"),
    }
)
_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)(?P<rest>\S+)")
# It reaches to the last @, because an unencoded password may itself contain an @, a slash or a question mark.
_USERINFO = re.compile(r"(?P<user>[^:/?#@]*)(?P<secret>:.*)?@")
_PARAMETER = re.compile(r"(?P<name>(?<=[?&;])[^=&;#\s]+)=[^&;#\s'\"]+")
_PASSWORD = re.compile(r"(?P<name>\bpass(?:word|wd)?\s*=\s*)[^\s&;]+", re.IGNORECASE)

_API_KEY = re.compile(r"(?P<prefix>of_[0-9a-f]{10}_)[A-Za-z0-9_-]{20,}")
_WEBHOOK_SECRET = re.compile(r"(?P<prefix>whsec_)[A-Za-z0-9+/=]{20,}")


def mask_urls(text: str) -> str:
    """The text with stars in place of the password in every URL and of the secrets in its query.

    A user without a password, as in `https://token@host`, is treated as a secret, too. Of an API key only the
    prefix is shown.
    """
    if "of_" in text:
        text = _API_KEY.sub(rf"\g<prefix>{STARS}", text)
    if "whsec_" in text:
        text = _WEBHOOK_SECRET.sub(rf"\g<prefix>{STARS}", text)
    if "://" in text:
        text = _URL.sub(_masked_url, text)
    return _PASSWORD.sub(rf"\g<name>{STARS}", text) if "pass" in text.lower() else text


def _masked_url(url: re.Match[str]) -> str:
    rest = _masked_user(url["rest"])
    return url["scheme"] + _PARAMETER.sub(_masked_parameter, rest)


def _masked_user(rest: str) -> str:
    end = rest.rfind("@")
    userinfo = _USERINFO.fullmatch(rest[: end + 1])
    if userinfo is None:
        return rest
    shown = f"{userinfo['user']}:{STARS}" if userinfo["secret"] else STARS
    return f"{shown}@{rest[end + 1 :]}"


def _masked_parameter(parameter: re.Match[str]) -> str:
    name = parameter["name"]
    return parameter[0] if name.lower() in _SHOWN else f"{name}={STARS}"
