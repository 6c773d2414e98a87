"""Where settings come from: the environment, files with secrets, a TOML file, and a profile."""

import os
import re
import stat
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from orderflow.settings.model import PREFIX, Settings

FILE_SUFFIX = "_FILE"
SECRET_BYTES_MAX = 65_536
PROFILES = Path(__file__).parent.parent / "config"

SECRETS = frozenset(
    name for name, described in Settings.model_fields.items() if "SecretStr" in str(described.annotation)
)
"""The settings whose values are never shown."""

# Variables that are read before the settings, or that only the files for Docker Compose read.
_NOT_SETTINGS = frozenset(
    PREFIX + name
    for name in (
        *("CONFIG", "SECRETS_DIR", "VERSION"),
        *("PUBLISH_ADDRESS", "PUBLISH_NAMES", "PUBLISH_PORT", "PUBLISH_FULFILLMENT_PORTS"),
        *("PUBLISH_PROMETHEUS_PORT", "PUBLISH_GRAFANA_PORT", "PUBLISH_JAEGER_PORT"),
    )
)
_SETTINGS = frozenset(PREFIX + name.upper() for name in Settings.model_fields)
_FILES = frozenset(PREFIX + name.upper() + FILE_SUFFIX for name in SECRETS)
_TESTS = f"{PREFIX}TEST_"

# Kubernetes (and Docker's old links) set variables in every container for each service next to it. If a
# service is called `orderflow` or `orderflow-fulfillment`, these variables look like our settings.
_LINK_NAME = re.compile(
    r"ORDERFLOW_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_PROTO|_PORT|_ADDR)?)"
)
_LINK_VALUE = re.compile(r"(tcp|udp|sctp)://\S+:\d+")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value comes from. `where` is the path of a file, or empty."""

    source: Literal["default", "profile", "file", "environment"]
    where: str = ""


@dataclass(slots=True)
class Gathered:
    """Values by the names of settings, not validated yet, with their origins. A value that is already there
    is never replaced, so the source that wins comes first."""

    values: dict[str, Any] = field(default_factory=dict[str, Any])
    origins: dict[str, Origin] = field(default_factory=dict[str, Origin])
    errors: list[str] = field(default_factory=list[str])
    """A line for each, which begins with the name of a variable."""
    warnings: list[str] = field(default_factory=list[str])

    def add(self, values: Mapping[str, Any], origin: Origin) -> None:
        for name, value in values.items():
            if name not in self.values:
                self.values[name] = value
                self.origins[name] = origin


def gather(environment: Mapping[str, str]) -> Gathered:
    """All values that are given. The environment wins over the secrets' directory, that over the TOML file,
    and that over the profile."""
    found = Gathered()
    ours = {name: value for name, value in environment.items() if name.startswith(PREFIX) and value}
    _add_environment(found, ours)
    _add_secrets_directory(found, ours.get(f"{PREFIX}SECRETS_DIR"))
    _add_toml(found, ours.get(f"{PREFIX}CONFIG"))
    profile = PROFILES / f"{_profile(found)}.toml"
    found.add(tomllib.loads(profile.read_text(encoding="utf-8")), Origin("profile", profile.name))
    return found


def service_links(environment: Mapping[str, str] = os.environ) -> list[str]:
    """The environment's variables that Kubernetes has set for a service whose name begins with ours."""
    return sorted(name for name, value in environment.items() if _is_service_link(name, value))


def _is_service_link(name: str, value: str) -> bool:
    if not name.startswith(PREFIX):
        return False
    is_port = name.endswith("_PORT") and _LINK_VALUE.fullmatch(value) is not None
    return is_port or _LINK_NAME.fullmatch(name) is not None


def _add_environment(found: Gathered, ours: Mapping[str, str]) -> None:
    for name in sorted(set(ours).difference(service_links(ours))):
        value = ours[name]
        setting = name.removeprefix(PREFIX).lower()
        if name in _NOT_SETTINGS or name.startswith(_TESTS):
            continue
        if not _is_utf_8(value):
            found.errors.append(f"{name}: is not UTF-8")
        elif name in _SETTINGS:
            found.add({setting: value}, Origin("environment"))
        elif name in _FILES:
            _add_secret_file(found, ours, name)
        else:
            found.errors.append(f"{name}: there is no such setting{_near(name, _SETTINGS | _FILES)}")


def _add_secret_file(found: Gathered, ours: Mapping[str, str], variable: str) -> None:
    of = variable.removesuffix(FILE_SUFFIX)
    path = Path(ours[variable])
    if of in ours:
        found.errors.append(f"{variable}: {of} is given as well; leave one of them out")
        return
    try:
        secret = _secret(path)
        open_to_all = path.stat().st_mode & stat.S_IROTH
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        found.errors.append(f"{variable}: {path} cannot be used: {why}")
        return
    found.add({of.removeprefix(PREFIX).lower(): secret}, Origin("file", str(path)))
    if open_to_all:
        found.warnings.append(_too_open(variable, path))


def _add_secrets_directory(found: Gathered, directory: str | None) -> None:
    """A file in it has the name of its variable in lower case. Who may read the files is up to the platform
    that mounts the directory."""
    if directory is None:
        return
    variable = f"{PREFIX}SECRETS_DIR"
    if not _is(Path(directory), Path.is_dir):
        found.errors.append(f"{variable} names {directory}, which is no directory")
        return
    for name in Settings.model_fields:
        path = Path(directory) / f"{PREFIX}{name}".lower()
        if path.is_file():
            try:
                found.add({name: _secret(path)}, Origin("file", str(path)))
            except (OSError, ValueError) as error:
                why = error.strerror if isinstance(error, OSError) else str(error)
                found.errors.append(f"{variable}: {path} cannot be used: {why}")


def _add_toml(found: Gathered, file: str | None) -> None:
    if file is None:
        return
    variable = f"{PREFIX}CONFIG"
    path = Path(file)
    if not _is(path, Path.is_file):
        found.errors.append(f"{variable} names {file}, which is no file")
        return
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        # A line of the file is not repeated: it may hold a secret.
        why = error.strerror if isinstance(error, OSError) else f"it is no TOML ({type(error).__name__})"
        found.errors.append(f"{variable}: {file} cannot be used: {why}")
        return
    for name in values.keys() - Settings.model_fields.keys():
        near = _near(name, Settings.model_fields)
        found.errors.append(f"{variable}: {file} has `{name}`, and there is no such setting{near}")
    found.add(
        {name: values[name] for name in values.keys() & Settings.model_fields.keys()}, Origin("file", file)
    )
    if values.keys() & SECRETS and path.stat().st_mode & stat.S_IROTH:
        found.warnings.append(_too_open(variable, path))


def _profile(found: Gathered) -> str:
    """The environment's name. If it is wrong, the validation of the settings says so."""
    env = found.values.get("env")
    return env if env in ("dev", "staging", "prod") else "dev"


def _secret(path: Path) -> str:
    """The text of a file without white space around it. Raises OSError, and ValueError with the reason."""
    if path.exists() and not path.is_file():
        raise ValueError("it is no file")
    with path.open("rb") as file:
        content = file.read(SECRET_BYTES_MAX + 1)
    if len(content) > SECRET_BYTES_MAX:
        raise ValueError(f"it has more than {SECRET_BYTES_MAX} bytes")
    try:
        text = content.decode().strip()
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8") from None
    if not text:
        raise ValueError("it is empty")
    return text


def _is(path: Path, what: Callable[[Path], bool]) -> bool:
    try:
        return what(path)
    except OSError:  # such as a name that is too long
        return False


def _too_open(variable: str, path: Path) -> str:
    return f"{variable}: everybody on this machine may read {path}; `chmod o-r {path}` keeps its secret"


def _near(name: str, known: Iterable[str]) -> str:
    """A name that may have been meant, as the end of a sentence."""
    near = get_close_matches(name, known, n=1, cutoff=0.75)
    return f"; did you mean {near[0]}?" if near else "; `orderflow config show` lists them"


def _is_utf_8(text: str) -> bool:
    """Whether the text was valid UTF-8. Python represents other bytes of the environment as lone
    surrogates."""
    return text.isascii() or not any("\ud800" <= char <= "\udfff" for char in text)
