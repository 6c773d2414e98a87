"""Takes secrets out of texts before anybody reads them: logs, errors, health, what commands print."""

import re

STARS = "***"

# Of a URL's query only these are shown: whatever we do not know may be a password under another name.
_SHOWN = frozenset(
    {
        *("application_name", "channel_binding", "connect_timeout", "gssencmode", "host", "hostaddr"),
        *("load_balance_hosts", "options", "port", "sslmode", "sslrootcert", "target_session_attrs"),
        *("attention", "cursor", "kind", "limit", "reference", "state", "status"),
    }
)
_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)(?P<rest>\S+)")
# Up to the last @: a password that nobody encoded may hold an @, a slash or a question mark itself.
_USERINFO = re.compile(r"(?P<user>[^:/?#@]*)(?P<secret>:.*)?@")
_PARAMETER = re.compile(r"(?P<name>(?<=[?&;])[^=&;#\s]+)=[^&;#\s'\"]+")
_PASSWORD = re.compile(r"(?P<name>\bpass(?:word|wd)?\s*=\s*)[^\s&;]+", re.IGNORECASE)


def mask_urls(text: str) -> str:
    """The text with stars for the password in every URL and for the secrets in its query.

    A user that stands alone, as in `https://token@host`, is taken for a secret, too.
    """
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
