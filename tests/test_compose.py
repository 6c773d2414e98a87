"""What compose.yaml tells the roles is what they start with, and the same on a developer's machine."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from orderflow.settings import Role, load_with_origins, refusals

ROOT = Path(__file__).parents[1]
ROLES: list[Role] = ["api", "relay", "fulfillment"]
_VARIABLE = re.compile(r"\$\{(?P<name>\w+):-(?P<default>[^}]*)\}")
_IMAGE = {"ORDERFLOW_HOST": "0.0.0.0", "ORDERFLOW_DATA_DIR": "/var/lib/orderflow"}  # noqa: S104


def service(name: str) -> dict[str, Any]:
    return yaml.safe_load((ROOT / "compose.yaml").read_text())["services"][name]


def env_file(name: str) -> dict[str, str]:
    lines = (ROOT / "deploy" / "compose" / name).read_text().splitlines()
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {variable: value for variable, _, value in pairs}


def environment(role: Role, given: Mapping[str, str], secrets: Path) -> dict[str, str]:
    """The environment of the role's container, with the files that the service `secrets` makes for it."""
    for name in ("database_url", "fulfillment_database_url"):
        (secrets / f"orderflow_{name}").write_text(
            "postgresql://orderflow_x:7b0e5c@postgres:5432/orderflow_x\n"
        )
    if role == "fulfillment":
        (secrets / "orderflow_api_key").write_text(f"of_0123456789_{'x' * 43}\n")
    settings: dict[str, str] = service(role)["environment"]
    filled = {
        name: _VARIABLE.sub(lambda found: given.get(found["name"], found["default"]), value)
        for name, value in settings.items()
    }
    return {**_IMAGE, **filled, "ORDERFLOW_SECRETS_DIR": str(secrets)}


def test_the_image_says_no_environment() -> None:
    image = dict(re.findall(r"(ORDERFLOW_\w+)=(\S+)", (ROOT / "Dockerfile").read_text()))
    assert image == _IMAGE
    for role in ROLES:
        assert "ORDERFLOW_ENV" in {
            refusal.variable for refusal in refusals(load_with_origins(image), role)
        } or (role == "relay")


@pytest.mark.parametrize("file", [None, "dev.env"])
@pytest.mark.parametrize("role", ROLES)
def test_every_role_starts_with_the_settings_of_compose(role: Role, file: str | None, tmp_path: Path) -> None:
    given = env_file(file) if file else {}
    loaded = load_with_origins(environment(role, given, tmp_path))
    assert refusals(loaded, role) == []
    assert loaded.settings.env == ("dev" if file else "prod")
    assert loaded.settings.asks_who_calls is (file is None)
