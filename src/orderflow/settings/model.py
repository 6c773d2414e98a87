"""Every setting with its unit and its bounds."""

import os
import re
from pathlib import Path
from typing import Literal, Self
from urllib.parse import quote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from orderflow.runtime.settings_error import SettingsError
from orderflow.runtime.tls import ClientTls, ServerTls, require_readable
from orderflow.settings.rates import parse_rates

PREFIX = "ORDERFLOW_"
TEXT_CHARS_MAX = 4_096
PATH_BYTES_MAX = 3_072
KEPT_S_MAX = 10 * 365 * 86_400
"""Ten years, the longest time that can be set. History that is to be kept for longer is kept for ever."""

_HOST_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?")
_ORIGIN = re.compile(r"https?://([a-z0-9._-]{1,253}|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")
_ADDRESS = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):(?P<port>[0-9]{1,5})")
_FILES = ("tls_cert", "tls_key", "tls_client_ca", "ca", "kafka_ca", "kafka_cert", "kafka_key")
_KAFKA_TLS = ("kafka_ca", "kafka_cert", "kafka_key")
_KAFKA_TLS_VARIABLES = (f"{PREFIX}KAFKA_CA", f"{PREFIX}KAFKA_CERT", f"{PREFIX}KAFKA_KEY")
_KAFKA_SASL = ("kafka_username", "kafka_password")
_SEED = re.compile(r"-?[0-9]{1,30}")
SEED_MIN, SEED_MAX = -(2**63), 2**63 - 1
CARRIER_DELAY_MS_MAX = 600_000


class Settings(BaseModel):
    """CONTRACT names the variables; `orderflow config show` prints them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    env: Literal["dev", "staging", "prod"] = "dev"
    data_dir: Path = Path(".orderflow")
    database_url: SecretStr | None = Field(None, max_length=TEXT_CHARS_MAX)
    fulfillment_database_url: SecretStr | None = Field(None, max_length=TEXT_CHARS_MAX)
    bus_url: str = Field("embedded:", max_length=TEXT_CHARS_MAX)
    kafka_security: Literal["plaintext", "ssl", "sasl_ssl"] = "plaintext"
    kafka_ca: Path | None = None
    kafka_cert: Path | None = None
    kafka_key: Path | None = None
    kafka_username: str | None = Field(None, max_length=TEXT_CHARS_MAX)
    kafka_password: SecretStr | None = Field(None, max_length=TEXT_CHARS_MAX)
    kafka_mechanism: Literal["SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    orders_topic: str = Field("order-events", pattern=r"^[A-Za-z0-9._-]{1,200}$")
    consumer_group: str = Field("fulfillment-service-group", pattern=r"^[A-Za-z0-9._-]{1,200}$")
    group_protocol: Literal["classic", "consumer"] = "classic"
    host: str = Field("127.0.0.1", min_length=1, max_length=253)
    allowed_hosts: str = Field("", max_length=TEXT_CHARS_MAX)
    cors_origins: str = Field("", max_length=TEXT_CHARS_MAX)
    rate_limit: str = Field("", max_length=TEXT_CHARS_MAX)
    port: int = Field(8080, ge=0, le=65535)
    api_workers: int = Field(1, ge=1, le=64)
    fulfillment_port: int = Field(8081, ge=0, le=65535)
    relay_port: int | None = Field(None, ge=0, le=65535)
    orders_url: str = Field("http://127.0.0.1:8080", max_length=TEXT_CHARS_MAX)
    fulfillment_url: str = Field("http://127.0.0.1:8081", max_length=TEXT_CHARS_MAX)
    auth: Literal["on", "off"] = "off"
    api_key: SecretStr | None = Field(None, max_length=TEXT_CHARS_MAX)
    jwt_issuer: str | None = Field(None, min_length=1, max_length=TEXT_CHARS_MAX)
    jwt_audience: str | None = Field(None, min_length=1, max_length=TEXT_CHARS_MAX)
    jwt_jwks_url: str | None = Field(None, max_length=TEXT_CHARS_MAX)
    behind_proxy: bool = False
    console: Literal["on", "off"] = "on"
    tls_cert: Path | None = None
    tls_key: Path | None = None
    tls_client_ca: Path | None = None
    ca: Path | None = None
    carrier: str = Field("simulated", max_length=TEXT_CHARS_MAX)
    carrier_url: str | None = Field(None, max_length=TEXT_CHARS_MAX)
    former_carriers: str = Field("", max_length=TEXT_CHARS_MAX)
    carrier_delay_ms: str = Field("1000-5000", pattern=r"^\d{1,7}-\d{1,7}$")
    carrier_failure_rate: float = Field(0.15, ge=0, le=1)
    carrier_seed: int = Field(0, ge=SEED_MIN, le=SEED_MAX)
    carrier_error_rate: float = Field(0.0, ge=0, le=1)
    carrier_key_lifetime_s: int = Field(86_400, ge=1, le=31_536_000)
    payments: str = Field("none", max_length=TEXT_CHARS_MAX)
    payments_url: str | None = Field(None, max_length=TEXT_CHARS_MAX)
    former_payments: str = Field("", max_length=TEXT_CHARS_MAX)
    payments_decline_rate: float = Field(0.0, ge=0, le=1)
    payments_seed: int = Field(0, ge=SEED_MIN, le=SEED_MAX)
    payments_error_rate: float = Field(0.0, ge=0, le=1)
    in_flight_max: int | None = Field(None, ge=1, le=100_000)
    database_wait_s: float = Field(60, ge=0, le=3600)
    idempotency_key_lifetime_s: int = Field(7 * 86_400, ge=60, le=KEPT_S_MAX)
    events_kept_s: int = Field(7 * 86_400, ge=3_600, le=KEPT_S_MAX)
    history_kept_s: int | None = Field(None, ge=3_600, le=KEPT_S_MAX)
    orders_kept_s: int | None = Field(None, ge=86_400, le=KEPT_S_MAX)
    shipments_kept_s: int | None = Field(None, ge=86_400, le=KEPT_S_MAX)
    archive_dir: Path | None = None
    stream_kept_s: int = Field(86_400, ge=3_600, le=KEPT_S_MAX)
    webhooks_private_addresses: Literal["refused", "allowed"] = "refused"
    reconcile_after_s: float = Field(60, gt=0, le=86_400)
    log_format: Literal["console", "json"] | None = None
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @field_validator("allowed_hosts")
    @classmethod
    def _are_host_names(cls, value: str) -> str:
        if not all(_HOST_NAME.fullmatch(name) for name in _listed(value)):
            raise ValueError("must be names of hosts, without scheme and port, with spaces between")
        return value

    @field_validator("rate_limit")
    @classmethod
    def _are_rates(cls, value: str) -> str:
        parse_rates(value)
        return value

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, value: str) -> str:
        if not all(_ORIGIN.fullmatch(origin) for origin in _listed(value)):
            raise ValueError("must be origins as browsers send them, such as https://shop.example.com")
        return value

    @field_validator("data_dir", "archive_dir", *_FILES)
    @classmethod
    def _is_no_longer_than_a_path(cls, value: Path | None) -> Path | None:
        if value is not None and len(os.fsencode(value)) > PATH_BYTES_MAX:
            raise ValueError(f"is longer than {PATH_BYTES_MAX} bytes")
        return value

    @field_validator(*_FILES)
    @classmethod
    def _can_be_read(cls, value: Path | None) -> Path | None:
        if value is not None:
            try:
                require_readable(value)
            except SettingsError as error:
                raise ValueError(str(error)) from None
        return value

    @field_validator("bus_url")
    @classmethod
    def _bus_is_known(cls, value: str) -> str:
        if value != "embedded:":
            bootstrap_servers(value)
        return value

    @field_validator("orders_url", "fulfillment_url", "carrier_url", "payments_url")
    @classmethod
    def _is_http(cls, value: str | None) -> str | None:
        try:
            parts = urlsplit(value or "http://none")
            right = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            right = False
        if not right:
            raise ValueError("must look like http://host:port")
        return None if value is None else value.rstrip("/")

    @field_validator("carrier_url", "payments_url")
    @classmethod
    def _has_no_secrets(cls, value: str | None) -> str | None:
        text = value or ""
        if not (text.isascii() and text.isprintable()) or any(mark in text for mark in " ?#@"):
            raise ValueError("must be http(s)://host[:port][/path], without credentials")
        return value

    @field_validator("jwt_jwks_url")
    @classmethod
    def _nobody_can_change_the_keys(cls, value: str | None) -> str | None:
        try:
            parts = urlsplit(value or "https://none")
            plain = parts.scheme == "http" and parts.hostname in ("localhost", "127.0.0.1", "::1")
            right = (parts.scheme == "https" or plain) and bool(parts.hostname) and parts.username is None
        except ValueError:
            right = False
        if not right:
            raise ValueError("must be https://host/path, or http:// on this machine, without credentials")
        return value

    @field_validator("carrier_delay_ms")
    @classmethod
    def _delay_has_an_order(cls, value: str) -> str:
        low, high = map(int, value.split("-"))
        if not low <= high <= CARRIER_DELAY_MS_MAX:
            raise ValueError(f"must be LOW-HIGH, within 0 and {CARRIER_DELAY_MS_MAX} milliseconds")
        return value

    @field_validator("former_carriers", "former_payments")
    @classmethod
    def _former_parties_are_named(cls, value: str) -> str:
        for named in _listed(value):
            _former_party(named)
        return value

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if self.carrier == "http" and self.carrier_url is None:
            raise ValueError(f"{PREFIX}CARRIER_URL: needed when carrier is http")
        if self.carrier not in ("simulated", "http") and ":" not in self.carrier:
            raise ValueError(f"{PREFIX}CARRIER: must be simulated, http or package.module:Class")
        if self.payments == "http" and self.payments_url is None:
            raise ValueError(f"{PREFIX}PAYMENTS_URL: needed when payments is http")
        if self.payments not in ("none", "simulated", "http") and ":" not in self.payments:
            raise ValueError(f"{PREFIX}PAYMENTS: must be none, simulated, http or package.module:Class")
        self._check_tls()
        self._check_tokens()
        self._check_kafka()
        self._check_archive()
        return self

    def _check_archive(self) -> None:
        for name in ("orders_kept_s", "shipments_kept_s"):
            if getattr(self, name) is not None and self.archive_dir is None:
                raise ValueError(f"{PREFIX}ARCHIVE_DIR: needed beside {PREFIX}{name.upper()}")
        if self.orders_kept_s is not None and self.orders_kept_s < self.idempotency_key_lifetime_s:
            raise ValueError(
                f"{PREFIX}ORDERS_KEPT_S: must be at least {PREFIX}IDEMPOTENCY_KEY_LIFETIME_S, because a "
                "repeated request must find its order"
            )

    def _check_tokens(self) -> None:
        names = ("jwt_issuer", "jwt_audience", "jwt_jwks_url")
        given = [name for name in names if getattr(self, name) is not None]
        missing = [f"{PREFIX}{name.upper()}" for name in names if name not in given]
        if given and missing:
            raise ValueError(f"{PREFIX}{given[0].upper()}: needs {' and '.join(missing)} beside it")

    def _check_pair(self, one: str, other: str) -> None:
        for given, missing in ((one, other), (other, one)):
            if getattr(self, given) is not None and getattr(self, missing) is None:
                raise ValueError(f"{PREFIX}{missing.upper()}: needed beside {PREFIX}{given.upper()}")

    def _check_kafka(self) -> None:
        self._check_pair("kafka_cert", "kafka_key")
        self._check_pair("kafka_username", "kafka_password")
        if self.kafka_security == "sasl_ssl" and self.kafka_username is None:
            raise ValueError(f"{PREFIX}KAFKA_USERNAME: needed where {PREFIX}KAFKA_SECURITY is sasl_ssl")
        allowed = {"plaintext": (), "ssl": _KAFKA_TLS}.get(self.kafka_security, (*_KAFKA_TLS, *_KAFKA_SASL))
        for name in (*_KAFKA_TLS, *_KAFKA_SASL):
            if getattr(self, name) is not None and name not in allowed:
                raise ValueError(
                    f"{PREFIX}{name.upper()}: means nothing while {PREFIX}KAFKA_SECURITY is "
                    f"{self.kafka_security}: set that to {'ssl' if name in _KAFKA_TLS else 'sasl_ssl'}"
                )
        try:
            ClientTls(self.kafka_ca, self.kafka_cert, self.kafka_key, variables=_KAFKA_TLS_VARIABLES)
        except SettingsError as error:
            raise ValueError(str(error)) from None

    def _check_tls(self) -> None:
        self._check_pair("tls_cert", "tls_key")
        if self.tls_client_ca is not None and self.tls_cert is None:
            raise ValueError(f"{PREFIX}TLS_CERT: needed beside {PREFIX}TLS_CLIENT_CA")
        try:
            if self.tls_cert is not None and self.tls_key is not None:
                ServerTls(self.tls_cert, self.tls_key, self.tls_client_ca)
            ClientTls(self.ca, self.tls_cert, self.tls_key)
        except SettingsError as error:
            raise ValueError(str(error)) from None

    @property
    def own_hosts(self) -> tuple[str, ...]:
        """The host names by which browsers reach our pages."""
        return (self.host, *_listed(self.allowed_hosts))

    @property
    def cors_origin_list(self) -> list[str]:
        """The origins whose pages may use our APIs from a browser."""
        return _listed(self.cors_origins)

    @property
    def asks_who_calls(self) -> bool:
        """Whether callers must say who they are."""
        return self.auth == "on"

    @property
    def carrier_delay_range_ms(self) -> tuple[int, int]:
        low, high = self.carrier_delay_ms.split("-")
        return int(low), int(high)

    @property
    def former_carrier_list(self) -> list[tuple[str, str]]:
        """The adapter and the address of each former carrier; for `simulated`, its seed instead of an
        address."""
        return [_former_party(named) for named in _listed(self.former_carriers)]

    @property
    def former_payments_list(self) -> list[tuple[str, str]]:
        """As `former_carrier_list`, for payment providers."""
        return [_former_party(named) for named in _listed(self.former_payments)]

    @property
    def orders_database(self) -> str:
        """The orders database's URL with its password, so it must never be logged."""
        return _secret(self.database_url) or _file_url(self.data_dir / "orders.db")

    @property
    def fulfillment_database(self) -> str:
        return _secret(self.fulfillment_database_url) or _file_url(self.data_dir / "fulfillment.db")

    @property
    def shipments_in_flight_max(self) -> int:
        return self.in_flight_max or (10_000 if self.carrier == "simulated" else 200)

    @property
    def dead_letter_topic(self) -> str:
        return f"{self.orders_topic}.dead-letter"

    @property
    def migrates_at_start(self) -> bool:
        return self.env == "dev"


def bootstrap_servers(url: str) -> str:
    """`host:port[,host:port]` of `kafka://host:port[,host:port]`. Raises ValueError for anything else."""
    scheme, separator, addresses = url.partition("://")
    parts = addresses.removesuffix("/").split(",")
    matches = [_ADDRESS.fullmatch(part) for part in parts]
    if scheme != "kafka" or not separator:
        raise ValueError("must be embedded: or start with kafka://, as in kafka://host:9092,other:9092")
    if not all(match is not None and 0 < int(match["port"]) < 65536 for match in matches):
        # The URL is not repeated: somebody may have put a password into it.
        raise ValueError(
            "a Kafka URL lists host:port, separated by commas, as in kafka://host:9092,other:9092"
        )
    return ",".join(parts)


def _listed(text: str) -> list[str]:
    """The parts of a list, with commas or spaces between them."""
    return text.replace(",", " ").split()


def _former_party(named: str) -> tuple[str, str]:
    adapter, _, rest = named.partition(":")
    if adapter in ("http", "https") and urlsplit(named).hostname:
        return "http", named
    if adapter == "simulated" and _SEED.fullmatch(rest):
        if not SEED_MIN <= int(rest) <= SEED_MAX:
            raise ValueError(f"a seed must be within {SEED_MIN} and {SEED_MAX}")
        return adapter, rest
    if adapter in ("http", "https", "simulated") or not (adapter and rest):
        raise ValueError("each must be an http(s) URL, simulated:SEED or package.module:Class")
    return named, ""


def _file_url(path: Path) -> str:
    return f"sqlite:///{quote(str(path))}"


def _secret(value: SecretStr | None) -> str | None:
    return None if value is None else value.get_secret_value()
