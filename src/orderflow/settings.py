"""Settings. Each comes from the environment, else from a file in the directory that ORDERFLOW_SECRETS_DIR
names, else from the TOML file that ORDERFLOW_CONFIG names, else it has its default.

A file in that directory has the name of its variable in lower case, such as orderflow_database_url.

They are validated once at start, and frozen. ORDERFLOW_ENV selects the profile: dev, staging or prod.
"""

import os
import re
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import quote, urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from orderflow.runtime.masking import mask_urls
from orderflow.runtime.settings_error import SettingsError

PREFIX = "ORDERFLOW_"
TEXT_CHARS_MAX = 4_096
PATH_BYTES_MAX = 3_072
KEPT_S_MAX = 10 * 365 * 86_400
"""Ten years, the longest time that can be set. History that is to be kept for longer is kept for ever."""

# Kubernetes (and Docker's old links) set variables in every container for each service next to it. If a
# service is called `orderflow` or `orderflow-fulfillment`, these variables look like our settings.
_LINK_NAME = re.compile(
    r"ORDERFLOW_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_PROTO|_PORT|_ADDR)?)"
)
_HOST_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?")
_LINK_VALUE = re.compile(r"(tcp|udp|sctp)://\S+:\d+")

# Variables that are read before the settings, or apart from them.
_NOT_SETTINGS = frozenset({"CONFIG", "SECRETS_DIR"})

_ADDRESS = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):(?P<port>[0-9]{1,5})")
_SEED = re.compile(r"-?[0-9]{1,30}")
SEED_MIN, SEED_MAX = -(2**63), 2**63 - 1
CARRIER_DELAY_MS_MAX = 600_000


class Settings(BaseSettings):
    """Every setting with its unit. CONTRACT names the variables; `orderflow config show` prints them."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid", env_ignore_empty=True)

    env: Literal["dev", "staging", "prod"] = "dev"
    data_dir: Path = Path(".orderflow")
    database_url: SecretStr | None = Field(None, max_length=TEXT_CHARS_MAX)
    fulfillment_database_url: SecretStr | None = Field(None, max_length=TEXT_CHARS_MAX)
    bus_url: str = Field("embedded:", max_length=TEXT_CHARS_MAX)
    orders_topic: str = Field("order-events", pattern=r"^[A-Za-z0-9._-]{1,200}$")
    consumer_group: str = Field("fulfillment-service-group", pattern=r"^[A-Za-z0-9._-]{1,200}$")
    group_protocol: Literal["classic", "consumer"] = "classic"
    host: str = Field("127.0.0.1", min_length=1, max_length=253)
    allowed_hosts: str = Field("", max_length=TEXT_CHARS_MAX)
    port: int = Field(8080, ge=0, le=65535)
    api_workers: int = Field(1, ge=1, le=64)
    fulfillment_port: int = Field(8081, ge=0, le=65535)
    relay_port: int | None = Field(None, ge=0, le=65535)
    orders_url: str = Field("http://127.0.0.1:8080", max_length=TEXT_CHARS_MAX)
    fulfillment_url: str = Field("http://127.0.0.1:8081", max_length=TEXT_CHARS_MAX)
    api_key: SecretStr | None = Field(None, max_length=TEXT_CHARS_MAX)
    carrier: str = Field("simulated", max_length=TEXT_CHARS_MAX)
    carrier_url: str | None = Field(None, max_length=TEXT_CHARS_MAX)
    former_carriers: str = Field("", max_length=TEXT_CHARS_MAX)
    carrier_delay_ms: str = Field("1000-5000", pattern=r"^\d{1,7}-\d{1,7}$")
    carrier_failure_rate: float = Field(0.15, ge=0, le=1)
    carrier_seed: int = Field(0, ge=SEED_MIN, le=SEED_MAX)
    carrier_error_rate: float = Field(0.0, ge=0, le=1)
    carrier_key_lifetime_s: int = Field(86_400, ge=1, le=31_536_000)
    payments: str | None = Field(None, max_length=TEXT_CHARS_MAX)
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
    reconcile_after_s: float = Field(60, gt=0, le=86_400)
    log_format: Literal["console", "json"] | None = None
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        file = os.environ.get(f"{PREFIX}CONFIG")
        toml = (TomlConfigSettingsSource(settings_cls, Path(file)),) if file else ()
        directory = os.environ.get(f"{PREFIX}SECRETS_DIR")
        secrets = (SecretsSettingsSource(settings_cls, directory),) if directory else ()
        return (init_settings, _Environment(settings_cls, env_settings), *secrets, *toml)

    @field_validator("allowed_hosts")
    @classmethod
    def _are_host_names(cls, value: str) -> str:
        if not all(_HOST_NAME.fullmatch(name) for name in _listed(value)):
            raise ValueError("must be names of hosts, without scheme and port, with spaces between")
        return value

    @field_validator("data_dir")
    @classmethod
    def _is_no_longer_than_a_path(cls, value: Path) -> Path:
        if len(os.fsencode(value)) > PATH_BYTES_MAX:
            raise ValueError(f"is longer than {PATH_BYTES_MAX} bytes")
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
        if self.payment_provider not in ("none", "simulated", "http") and ":" not in self.payment_provider:
            raise ValueError(f"{PREFIX}PAYMENTS: must be none, simulated, http or package.module:Class")
        return self

    @property
    def own_hosts(self) -> tuple[str, ...]:
        """The host names by which browsers reach our pages."""
        return (self.host, *_listed(self.allowed_hosts))

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
    def payment_provider(self) -> str:
        """`none`, `simulated`, `http` or `package.module:Class`. Outside of dev, payments are not simulated
        unless that is said."""
        return self.payments or ("simulated" if self.env == "dev" else "none")

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


def load() -> Settings:
    """Load the settings of this process. Raises SettingsError, which names every wrong setting and shows no
    secret."""
    for name, value in os.environ.items():
        if name.startswith(PREFIX) and not _is_utf_8(value):
            raise SettingsError(f"{name}: is not UTF-8")
    file = os.environ.get(f"{PREFIX}CONFIG")
    if file and not Path(file).is_file():
        raise SettingsError(f"{PREFIX}CONFIG names {file}, which is no file")
    directory = os.environ.get(f"{PREFIX}SECRETS_DIR")
    if directory and not Path(directory).is_dir():
        raise SettingsError(f"{PREFIX}SECRETS_DIR names {directory}, which is no directory")
    try:
        settings = Settings()  # pyright: ignore[reportCallIssue]
    except ValidationError as error:
        raise SettingsError("\n".join(_lines(error))) from None
    except ValueError as error:
        raise SettingsError(f"{' or '.join(filter(None, (directory, file)))}: {error}") from None
    return settings


def _is_utf_8(text: str) -> bool:
    """Whether the text was valid UTF-8. Python represents other bytes of the environment as lone
    surrogates."""
    return text.isascii() or not any("\ud800" <= char <= "\udfff" for char in text)


class _Environment(PydanticBaseSettingsSource):
    """The environment without the variables that a platform has put there."""

    def __init__(self, settings_cls: type[BaseSettings], environment: PydanticBaseSettingsSource) -> None:
        super().__init__(settings_cls)
        self._environment = environment

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        return self._environment.get_field_value(field, field_name)

    def __call__(self) -> dict[str, Any]:
        links = {name.removeprefix(PREFIX).lower() for name in service_links()}
        return {name: value for name, value in self._environment().items() if name not in links}


def service_links() -> list[str]:
    """The environment's variables that Kubernetes has set for a service whose name begins with ours."""
    return sorted(name for name, value in os.environ.items() if _is_service_link(name, value))


def _is_service_link(name: str, value: str) -> bool:
    if not name.startswith(PREFIX):
        return False
    is_port = name.endswith("_PORT") and _LINK_VALUE.fullmatch(value) is not None
    return is_port or _LINK_NAME.fullmatch(name) is not None


def unknown_variables() -> list[str]:
    """ORDERFLOW_ variables that have no meaning; most likely they are misspelt."""
    known = {PREFIX + name.upper() for name in Settings.model_fields} | {
        PREFIX + name for name in _NOT_SETTINGS
    }
    return sorted(
        name
        for name in os.environ
        if name.startswith(PREFIX)
        and name not in known.union(service_links())
        and not name.startswith(f"{PREFIX}TEST_")
    )


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


def _lines(error: ValidationError) -> list[str]:
    lines: list[str] = []
    for item in error.errors(include_input=False, include_context=False, include_url=False):
        name = f"{PREFIX}{str(item['loc'][0]).upper()}: " if item["loc"] else ""
        lines.append(name + item["msg"].removeprefix("Value error, "))
    return lines


def shown(settings: Settings) -> dict[str, Any]:
    """The settings for `config show`: URLs without their secrets, other secrets as stars."""
    values: dict[str, Any] = {}
    for name in Settings.model_fields:
        value = settings.payment_provider if name == "payments" else getattr(settings, name)
        if isinstance(value, SecretStr):
            text = value.get_secret_value()
            value = mask_urls(text) if "://" in text and name.endswith("_url") else "**********"
        values[PREFIX + name.upper()] = mask_urls(value) if isinstance(value, str) else value
    return values
