"""What compose.yaml tells the roles is what they start with, and the same on a developer's machine."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.compose_secrets import READERS, make_secrets

from orderflow.settings import Role, load_with_origins, plain_text, refusals

ROOT = Path(__file__).parents[1]
ROLES: list[Role] = ["api", "relay", "fulfillment"]
_VARIABLE = re.compile(r"\$\{(?P<name>\w+):-(?P<default>[^}]*)\}")
_IMAGE = {"ORDERFLOW_HOST": "0.0.0.0", "ORDERFLOW_DATA_DIR": "/var/lib/orderflow"}  # noqa: S104
_SECRETS = "/run/secrets"


def services() -> dict[str, dict[str, Any]]:
    return yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]


def volumes(name: str) -> dict[str, str]:
    """What is mounted in the service, by where."""
    mounted = (volume.split(":") for volume in services()[name].get("volumes", ()))
    return {parts[1]: parts[0] for parts in mounted}


def env_file(name: str) -> dict[str, str]:
    lines = (ROOT / "deploy" / "compose" / name).read_text().splitlines()
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {variable: value for variable, _, value in pairs}


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_secrets(tmp_path_factory.mktemp("secrets"))


def environment(name: str, given: Mapping[str, str], secrets: Path) -> dict[str, str]:
    """The environment of the service's container, with the files that the service `secrets` makes for it."""
    reader = volumes(name)[_SECRETS].removesuffix("-secrets")
    settings: dict[str, str] = services()[name]["environment"]
    return _IMAGE | {
        variable: _VARIABLE.sub(lambda found: given.get(found["name"], found["default"]), value).replace(
            _SECRETS, str(secrets / reader)
        )
        for variable, value in settings.items()
    }


def test_what_the_image_is_made_of_reaches_the_builder() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    lines = re.findall(r"^COPY (?!--from)(.+)$", dockerfile, flags=re.MULTILINE)
    copied = {name for line in lines for name in line.split()[:-1]}
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[0] == "!"}
    assert copied == allowed


def test_the_image_says_no_environment() -> None:
    image = dict(re.findall(r"(ORDERFLOW_\w+)=(\S+)", (ROOT / "Dockerfile").read_text()))
    assert image == _IMAGE
    for role in ROLES:
        assert "ORDERFLOW_ENV" in {
            refusal.variable for refusal in refusals(load_with_origins(image), role)
        } or (role == "relay")


@pytest.mark.parametrize("file", [None, "dev.env"])
@pytest.mark.parametrize("role", ROLES)
def test_every_role_starts_with_the_settings_of_compose(role: Role, file: str | None, secrets: Path) -> None:
    given = env_file(file) if file else {}
    loaded = load_with_origins(environment(role, given, secrets))
    assert refusals(loaded, role) == []
    assert loaded.settings.env == ("dev" if file else "prod")
    assert loaded.settings.asks_who_calls is (file is None)
    assert not loaded.settings.behind_proxy


@pytest.mark.parametrize("role", ROLES)
def test_no_role_speaks_plain_text_with_anybody(role: Role, secrets: Path) -> None:
    settings = load_with_origins(environment(role, {}, secrets)).settings
    assert settings.tls_cert is not None
    assert plain_text(settings, role) == []
    without = settings.model_copy(update={"kafka_security": "plaintext"})
    assert {each.variable for each in plain_text(without, role)} == {"ORDERFLOW_KAFKA_SECURITY"}


@pytest.mark.parametrize("name", ["carrier-sim", "payment-sim", "migrate", "keys"])
def test_tools_and_simulators_take_the_settings_of_compose(name: str, secrets: Path) -> None:
    settings = load_with_origins(environment(name, {}, secrets)).settings
    assert settings.tls_cert == secrets / volumes(name)[_SECRETS].removesuffix("-secrets") / "tls.pem"


def test_kafka_lets_in_only_clients_with_a_certificate() -> None:
    broker: dict[str, str] = services()["kafka"]["environment"]
    protocols = dict(pair.split(":") for pair in broker["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"].split(","))
    beyond_loopback = [
        listener.partition("://")[0]
        for listener in broker["KAFKA_LISTENERS"].split(",")
        if "://localhost:" not in listener
    ]
    assert {protocols[listener] for listener in beyond_loopback} == {"SSL"}
    assert broker["KAFKA_SSL_CLIENT_AUTH"] == "required"
    # The image's start script would look for key stores with passwords.
    assert "SSL://" not in broker["KAFKA_ADVERTISED_LISTENERS"]


def test_each_reader_has_a_volume_of_its_own_and_nobody_else_the_authoritys() -> None:
    made = volumes("secrets")
    assert {made[f"/secrets/{reader}"] for reader in READERS} == {f"{reader}-secrets" for reader in READERS}
    assert made["/secrets/authority"] == "authority"
    others = [name for name in services() if name != "secrets"]
    assert [name for name in others if "authority" in volumes(name).values()] == []
    readers = {name: volumes(name)[_SECRETS] for name in others}
    assert readers["postgres"] == "postgres-secrets"
    assert readers["api"] != readers["fulfillment"]


def test_documented_commands_leave_what_runs_alone() -> None:
    """Without --no-deps, Compose builds the image again and recreates what depends on it."""
    pages = [*(ROOT / "docs").rglob("*.md"), ROOT / "README.md"]
    found = [
        command for page in pages for command in re.findall(r"docker compose run [^`\n]+", page.read_text())
    ]
    assert found
    assert [command for command in found if "--no-deps" not in command] == []
