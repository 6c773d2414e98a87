"""What a role refuses to start with: the rules of each environment, as pure functions of the settings."""

import re
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Literal
from urllib.parse import parse_qs, parse_qsl, unquote, urlsplit

from pydantic import SecretStr

from orderflow.settings.loading import Loaded
from orderflow.settings.model import PREFIX, Settings, bootstrap_servers

Role = Literal["up", "api", "relay", "fulfillment"]

ORDERS_ROLES = ("up", "api", "relay")
FULFILLMENT_ROLES = ("up", "fulfillment")

SAMPLES = frozenset(
    {
        *("admin", "changeit", "changeme", "default", "example", "guest", "letmein", "orderflow", "pass"),
        *("password", "postgres", "qwerty", "root", "sample", "secret", "test"),
        *("12345", "123456", "12345678"),
    }
)
"""Passwords and keys of examples, in lower case without hyphens and underscores."""

_USERINFO = re.compile(r"[^:/?#]+://(?P<user>[^:@/]*):(?P<password>.*)@")
_SECRET_PARAMETERS = ("password", "sslpassword")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a role does not start, and what to do about it. The variable is the one to set."""

    variable: str
    text: str

    def __str__(self) -> str:
        return f"{self.variable}: {self.text}"


def refusals(loaded: Loaded, role: Role) -> list[Refusal]:
    """All reasons for which the role does not start with these settings."""
    settings = loaded.settings
    found = [*_open_doors(loaded, role), *_embedded(settings, role)]
    found += _without_key(settings, role)
    if settings.env != "dev":
        found += [*_stand_ins(loaded, role), *_sample_secrets(settings, role)]
    return [Refusal(PREFIX + setting.upper(), text) for setting, text in found]


def is_beyond_loopback(host: str) -> bool:
    """Whether others than this machine may reach a listener. A name that has no address has no listener."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return False
    addresses = [str(address[0]).partition("%")[0] for *_, address in found]
    return not all(ip_address(address).is_loopback for address in addresses)


def plain_text(settings: Settings, role: Role) -> list[Refusal]:
    """Connections of the role that others could read or take over, beyond dev. They keep no role from
    starting, because the network may protect them, which we cannot see."""
    if settings.env == "dev":
        return []
    found = [*_open_calls(settings, role), *_open_servers(settings, role)]
    return [Refusal(PREFIX + setting.upper(), text) for setting, text in found]


_Found = Iterator[tuple[str, str]]
"""The setting to change, and the text."""


def _open_doors(loaded: Loaded, role: Role) -> _Found:
    settings = loaded.settings
    listens = role != "relay" or settings.relay_port is not None
    is_open = listens and is_beyond_loopback(settings.host)
    opened = f"{PREFIX}HOST={settings.host} lets others than this machine in"
    if is_open and not loaded.is_named("env"):
        yield "env", f"must be said where {opened}: dev, staging or prod"
    if settings.env != "dev":
        if not settings.asks_who_calls:
            yield "auth", f"must be on in {settings.env}; leave it out, there it is on by itself"
        if is_open and settings.tls_cert is None and not settings.behind_proxy:
            yield (
                "tls_cert",
                f"must be set where {opened}, with {PREFIX}TLS_KEY; or {PREFIX}BEHIND_PROXY=on, if a proxy "
                f"in front speaks TLS and we need not; or listen on {PREFIX}HOST=127.0.0.1",
            )
    elif is_open and not settings.asks_who_calls and not loaded.is_named("auth"):
        yield "auth", f"must be said where {opened}: on, or off if anybody there may change orders"


def _open_calls(settings: Settings, role: Role) -> _Found:
    if role not in FULFILLMENT_ROLES:
        return
    called = {
        "orders_url": role == "fulfillment",
        "carrier_url": settings.carrier == "http",
        "payments_url": settings.payments == "http",
    }
    for setting, matters in called.items():
        url = urlsplit(str(getattr(settings, setting)))
        if matters and url.scheme == "http" and not _is_this_machine(url.hostname or ""):
            yield (
                setting,
                f"http://{url.hostname} is called without encryption: give it TLS, and say https://",
            )


def _open_servers(settings: Settings, role: Role) -> _Found:
    if settings.bus_url != "embedded:" and settings.kafka_security == "plaintext":
        hosts = [address.rpartition(":")[0] for address in bootstrap_servers(settings.bus_url).split(",")]
        if not all(map(_is_this_machine, hosts)):
            yield "kafka_security", "Kafka is reached without encryption: ssl, or sasl_ssl with a user"
    databases = {
        "database_url": (role in ORDERS_ROLES, settings.orders_database),
        "fulfillment_database_url": (role in FULFILLMENT_ROLES, settings.fulfillment_database),
    }
    for setting, (matters, url) in databases.items():
        query = {name.lower(): values for name, values in parse_qs(url.partition("?")[2]).items()}
        if matters and not _is_near(url, query) and (remedy := _to_verify(url, query)):
            yield setting, f"the database's server is not verified: {remedy}"


_YES = (["yes"], ["strict"], ["mandatory"], ["true"])


def _to_verify(database_url: str, query: Mapping[str, Sequence[str]]) -> str | None:
    """What to change in the URL so that the server is verified; None if it is."""
    if not database_url.startswith("mssql"):
        verified = query.get("sslmode") == ["verify-full"]
        return None if verified else "add sslmode=verify-full&sslrootcert=FILE to the URL"
    encrypted = [value.lower() for value in query.get("encrypt", ["yes"])] in _YES
    trusts_all = [value.lower() for value in query.get("trustservercertificate", ["no"])] in _YES
    return None if encrypted and not trusts_all else "leave encrypt and trustServerCertificate out of the URL"


def _is_near(database_url: str, query: Mapping[str, Sequence[str]]) -> bool:
    """Whether the database is a file, or its server is on this machine."""
    if database_url.startswith("sqlite"):
        return True
    try:
        host = urlsplit(database_url).hostname
    except ValueError:  # an unusual password
        return False
    hosts = [host] if host else query.get("host", [])
    return all(name.startswith("/") or _is_this_machine(name) for name in hosts)


def _is_this_machine(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _embedded(settings: Settings, role: Role) -> _Found:
    """An embedded database or event log belongs to one process, which is `up`."""
    if role == "up":
        return
    setting = "fulfillment_database_url" if role == "fulfillment" else "database_url"
    url: SecretStr | None = getattr(settings, setting)
    is_file = url is None or url.get_secret_value().startswith("sqlite")
    if is_file or settings.bus_url == "embedded:":
        yield (
            setting if is_file else "bus_url",
            f"`orderflow {role}` needs a database server and Kafka: set {PREFIX}{setting.upper()} and "
            f"{PREFIX}BUS_URL, or run everything in one process with `orderflow up`",
        )


def _without_key(settings: Settings, role: Role) -> _Found:
    # `up` has both services in one process, and gives its worker a key by itself.
    if role == "fulfillment" and settings.asks_who_calls and settings.api_key is None:
        yield (
            "api_key",
            "the worker needs a key to report to the Order Service: "
            "`orderflow keys create --name worker --scope orders:status` makes one",
        )


def _stand_ins(loaded: Loaded, role: Role) -> _Found:
    """Parts for development that nobody has asked for by name. Other roles than `up` never take files."""
    settings = loaded.settings
    parts: dict[str, str] = {}
    if role == "up":
        file = "or sqlite:///… for a file"
        parts |= {
            "database_url": f"postgresql://…, mssql://…, {file}",
            "fulfillment_database_url": f"postgresql://…, mssql://…, {file}",
        }
        parts |= {"bus_url": "kafka://…, or embedded: for a file"}
    if role in FULFILLMENT_ROLES and settings.carrier == "simulated":
        parts["carrier"] = "http with its URL, package.module:Class, or simulated if nothing is to be shipped"
    for setting, named in parts.items():
        if not loaded.is_named(setting):
            yield setting, f"must be named in {settings.env}: {named}"


def _sample_secrets(settings: Settings, role: Role) -> _Found:
    secrets: list[tuple[bool, str, SecretStr | None]] = [
        (role in ORDERS_ROLES, "database_url", settings.database_url),
        (role in FULFILLMENT_ROLES, "fulfillment_database_url", settings.fulfillment_database_url),
        (role in FULFILLMENT_ROLES, "api_key", settings.api_key),
        (True, "kafka_password", settings.kafka_password),
    ]
    for matters, setting, secret in secrets:
        if matters and secret is not None and _is_sample(secret.get_secret_value()):
            yield (
                setting,
                f"its secret is one that examples have, or its user's name; {settings.env} needs one of its "
                "own, such as `openssl rand -hex 24` makes",
            )


def _is_sample(secret: str) -> bool:
    """Whether the key, or a password in the URL, is a usual one or the same as the user's name."""
    if "://" not in secret:
        return _plain(secret) in SAMPLES
    passwords: list[str] = []
    user = ""
    if userinfo := _USERINFO.match(secret):
        user = unquote(userinfo["user"])
        passwords.append(unquote(userinfo["password"]))
    query = parse_qsl(secret.partition("?")[2])
    passwords += [value for name, value in query if name.lower() in _SECRET_PARAMETERS]
    return any(_plain(password) in SAMPLES or password == user for password in passwords)


def _plain(secret: str) -> str:
    return secret.strip().lower().replace("-", "").replace("_", "")
