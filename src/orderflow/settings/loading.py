"""Loads the settings, and shows them."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr, ValidationError

from orderflow.runtime.masking import mask_urls
from orderflow.runtime.settings_error import SettingsError
from orderflow.settings.model import PREFIX, Settings
from orderflow.settings.sources import Origin, gather

_DEFAULT = Origin("default")


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings with the origin of each that is not a default."""

    settings: Settings
    origins: Mapping[str, Origin]
    warnings: tuple[str, ...]
    """A line for each, which begins with the name of a variable."""

    def is_named(self, setting: str) -> bool:
        """Whether somebody has chosen the value. Nobody has if it is a default or comes from a profile."""
        return self.origin(setting).source in ("environment", "file")

    def origin(self, setting: str) -> Origin:
        return self.origins.get(setting, _DEFAULT)


def load(environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings of this process. Raises SettingsError, which has a line for each wrong setting and shows
    no secret."""
    return load_with_origins(environment).settings


def load_with_origins(environment: Mapping[str, str] = os.environ) -> Loaded:
    """As `load`."""
    found = gather(environment)
    errors = list(found.errors)
    settings: Settings | None = None
    try:
        settings = Settings.model_validate(found.values)
    except ValidationError as error:
        errors += _lines(error)
    if settings is None or errors:
        raise SettingsError("\n".join(errors))
    return Loaded(settings, found.origins, tuple(found.warnings))


def shown(settings: Settings) -> dict[str, Any]:
    """The settings for `config show`: URLs without their secrets, other secrets as stars."""
    values: dict[str, Any] = {}
    for name in Settings.model_fields:
        value = getattr(settings, name)
        if isinstance(value, SecretStr):
            text = value.get_secret_value()
            value = mask_urls(text) if "://" in text and name.endswith("_url") else "**********"
        values[PREFIX + name.upper()] = mask_urls(value) if isinstance(value, str) else value
    return values


def _lines(error: ValidationError) -> list[str]:
    lines: list[str] = []
    for item in error.errors(include_input=False, include_context=False, include_url=False):
        name = f"{PREFIX}{str(item['loc'][0]).upper()}: " if item["loc"] else ""
        lines.append(name + item["msg"].removeprefix("Value error, "))
    return lines
