"""compose.sqlserver.yaml puts SQL Server in the place of PostgreSQL, and changes nothing else."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.compose_secrets import PROGRAM, READERS

from orderflow.database.urls import parse_url
from orderflow.settings import load_with_origins, refusals

ROOT = Path(__file__).parents[2]


class _Override(yaml.SafeLoader):
    """Takes Compose's own tags, which say what is not to be merged, for what they are about."""


def _value(loader: yaml.SafeLoader, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    return None


_Override.add_constructor("!reset", _value)
_Override.add_constructor("!override", _value)

TEXT = (ROOT / "compose.sqlserver.yaml").read_text()
COMPOSE: dict[str, Any] = yaml.load(TEXT, _Override)  # noqa: S506
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
USUAL: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())


def test_sql_server_takes_the_place_of_postgresql() -> None:
    assert "postgres: !reset null" in TEXT
    assert SERVICES["postgres"] is None
    waiting = {name for name, each in USUAL["services"].items() if "postgres" in each.get("depends_on", ())}
    assert waiting == {"migrate"}
    assert SERVICES["migrate"]["depends_on"] == {"databases": {"condition": "service_completed_successfully"}}
    assert SERVICES["databases"]["depends_on"] == {"sqlserver": {"condition": "service_healthy"}}
    assert SERVICES.keys() - USUAL["services"].keys() == {"sqlserver", "databases"}


def test_the_server_has_a_health_check_a_volume_and_limits_and_asks_for_its_licence() -> None:
    server = SERVICES["sqlserver"]
    assert server["image"].startswith("mcr.microsoft.com/mssql/server:2022")
    assert "SELECT 1" in server["healthcheck"]["test"]
    assert "sqlserver-data:/var/opt/mssql" in server["volumes"]
    assert "sqlserver-data" in COMPOSE["volumes"]
    assert server["environment"]["ACCEPT_EULA"].startswith("${ACCEPT_EULA:?")
    limit_mb = 1024 * int(server["deploy"]["resources"]["limits"]["memory"].removesuffix("g"))
    assert int(server["environment"]["MSSQL_MEMORY_LIMIT_MB"]) < limit_mb
    assert "linkid=857698" in TEXT


def test_the_image_gets_the_driver_only_for_sql_server() -> None:
    assert SERVICES["secrets"]["build"] == {"args": {"DATABASE": "mssql"}}
    assert USUAL["services"]["secrets"]["build"] == "."
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert dockerfile.count("ARG DATABASE=\n") == 2
    assert "requirements-mssql.lock" in dockerfile


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    for reader in ("authority", *READERS):
        (tmp_path / reader).mkdir()
    told = {**os.environ, **SERVICES["secrets"]["environment"]}
    subprocess.run([sys.executable, str(PROGRAM), str(tmp_path)], env=told, check=True)
    return tmp_path


def test_the_services_get_urls_of_sql_server_that_they_start_with(secrets: Path) -> None:
    for service, setting in (("orders", "DATABASE_URL"), ("fulfillment", "FULFILLMENT_DATABASE_URL")):
        text = (secrets / service / f"orderflow_{setting.lower()}").read_text().strip()
        url = parse_url(text)
        assert (url.host, url.port, url.database) == ("sqlserver", 1433, f"orderflow_{service}")
        assert re.search(r"[A-Z]", str(url.password))
        assert re.search(r"\d", str(url.password))
        role = "api" if service == "orders" else "fulfillment"
        given = {"ORDERFLOW_ENV": "prod", f"ORDERFLOW_{setting}": text}
        refused = {each.variable for each in refusals(load_with_origins(given), role)}
        assert f"ORDERFLOW_{setting}" not in refused


def test_the_script_that_makes_the_databases_is_shell(tmp_path: Path) -> None:
    script = ROOT / "deploy" / "compose" / "sqlserver.sh"
    subprocess.run(["bash", "-n", str(script)], check=True)
    assert "READ_COMMITTED_SNAPSHOT ON" in script.read_text()
