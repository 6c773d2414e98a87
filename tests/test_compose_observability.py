"""compose.observability.yaml fits to compose.yaml, and what it starts is bounded, closed and configured."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.compose_secrets import OBSERVERS, READERS, make_secrets
from tests.conftest import missing

from orderflow.runtime.telemetry.otlp import is_wanted
from orderflow.settings.sources import gather

ROOT = Path(__file__).parents[1]
OBSERVABILITY = ROOT / "deploy" / "observability"
ROLES = ("api", "relay", "fulfillment")
IMAGES = {"prometheus", "grafana", "jaeger", "loki"}
_VARIABLE = re.compile(r"\$\{\w+:-([^}]*)\}")


def document(name: str) -> dict[str, Any]:
    return yaml.safe_load((ROOT / name).read_text())


def services(name: str = "compose.observability.yaml") -> dict[str, dict[str, Any]]:
    return document(name)["services"]


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the service `secrets` makes where the volumes of both files are."""
    root = tmp_path_factory.mktemp("secrets")
    for observer in OBSERVERS:
        (root / observer).mkdir()
    return make_secrets(root)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Both files as Docker Compose merges them. It needs no engine for that."""
    docker = shutil.which("docker") or missing("compose", "install Docker Compose")
    if subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode:
        missing("compose", "install Docker Compose")
    files = ["-f", "compose.yaml", "-f", "compose.observability.yaml"]
    done = subprocess.run(
        [docker, "compose", *files, "config", "--format", "json"],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if not name.startswith("COMPOSE_")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_docker_compose_takes_both_files_together(stack: dict[str, Any]) -> None:
    alone = services("compose.yaml")
    assert stack["services"].keys() == alone.keys() | IMAGES | {"scrape-key"}
    for role in ROLES:
        environment = stack["services"][role]["environment"]
        assert alone[role]["environment"].keys() < environment.keys()
        assert environment["OTEL_EXPORTER_OTLP_CERTIFICATE"] == "/run/secrets/ca.pem"
    mounted = {volume["target"] for volume in stack["services"]["secrets"]["volumes"]}
    assert {f"/secrets/{reader}" for reader in ("authority", *READERS, *OBSERVERS)} < mounted
    key = stack["services"]["scrape-key"]
    assert key["environment"] == stack["services"]["keys"]["environment"]
    assert key["command"][-1] == "--key-file=/run/secrets/scrape_key"
    assert {of["source"] for of in key["volumes"]} == {"migrate-secrets"}
    assert key["depends_on"]["migrate"]["condition"] == "service_completed_successfully"


def test_nothing_is_published_beyond_this_machine() -> None:
    published = {name: service["ports"] for name, service in services().items() if "ports" in service}
    assert published.keys() == {"prometheus", "grafana", "jaeger"}
    assert all(port.startswith("127.0.0.1:") for ports in published.values() for port in ports)


def test_every_image_is_pinned_and_bounded_and_may_do_little() -> None:
    for name in IMAGES:
        service = services()[name]
        assert re.fullmatch(r"\S+:v?\d+\.\d+\.\d+", service["image"]), name
        assert service["deploy"]["resources"]["limits"].keys() == {"cpus", "memory"}, name
        assert (service["cap_drop"], service["security_opt"]) == (["ALL"], ["no-new-privileges:true"])


def test_every_file_that_is_mounted_is_there_and_everything_else_is_a_volume() -> None:
    for name, service in services().items():
        for volume in service.get("volumes", ()):
            source = volume.partition(":")[0]
            if source.startswith("."):
                assert (ROOT / source).exists(), (name, source)
                assert volume.endswith(":ro"), (name, volume)
            else:
                assert source in document("compose.observability.yaml")["volumes"], (name, source)


def test_each_observer_has_a_volume_of_its_own_for_its_secrets() -> None:
    volumes = [volume.partition(":") for volume in services()["secrets"]["volumes"]]
    made = {where: volume for volume, _, where in volumes}
    assert made == {f"/secrets/{observer}": f"{observer}-secrets" for observer in OBSERVERS}
    for observer in OBSERVERS:
        assert f"{observer}-secrets:/run/secrets:ro" in services()[observer]["volumes"]


@pytest.mark.parametrize("role", ROLES)
def test_the_roles_send_traces_to_one_and_log_lines_to_the_other_by_tls(role: str) -> None:
    environment = {
        name: _VARIABLE.sub(r"\1", value) for name, value in services()[role]["environment"].items()
    }
    assert is_wanted("traces", environment)
    assert is_wanted("logs", environment)
    endpoints = [value for name, value in environment.items() if name.endswith("_ENDPOINT")]
    assert endpoints == ["https://jaeger:4318/v1/traces", "https://loki:3100/otlp/v1/logs"]
    assert 0 < float(environment["OTEL_TRACES_SAMPLER_ARG"]) <= 1


def test_grafana_lets_nobody_in_without_the_password_that_was_made(secrets: Path) -> None:
    settings = services()["grafana"]["environment"]
    assert settings["GF_AUTH_ANONYMOUS_ENABLED"] == "false"
    assert settings["GF_USERS_ALLOW_SIGN_UP"] == "false"
    file = Path(settings["GF_SECURITY_ADMIN_PASSWORD__FILE"])
    assert len((secrets / "grafana" / file.name).read_text().strip()) >= 32
    assert not [name for name in settings if "PASSWORD" in name and not name.endswith("__FILE")]


def test_prometheus_key_is_the_one_that_is_stored_and_can_only_read(secrets: Path) -> None:
    command: list[str] = services()["scrape-key"]["command"]
    stored = secrets / "migrate" / Path(command[-1].partition("=")[2]).name
    assert stored.read_text() == (secrets / "prometheus" / "scrape_key").read_text()
    scopes = {word.partition("=")[2] for word in command if word.startswith("--scope=")}
    assert scopes == {"orders:read", "fulfillment:read"}


def test_without_the_volumes_of_observers_nothing_is_made_for_them(tmp_path: Path) -> None:
    make_secrets(tmp_path)
    assert not [name for name in OBSERVERS if (tmp_path / name).exists()]
    assert not (tmp_path / "migrate" / "scrape_key").exists()


def test_a_variable_of_these_files_may_be_set_where_our_own_commands_run() -> None:
    texts = [(ROOT / name).read_text() for name in ("compose.yaml", "compose.observability.yaml")]
    named = {name for text in texts for name in re.findall(r"\$\{(ORDERFLOW_\w+)", text)}
    assert "ORDERFLOW_PUBLISH_GRAFANA_PORT" in named
    complaints = gather(dict.fromkeys(named, "1")).errors
    assert [each for each in complaints if "there is no such setting" in each] == []


def test_promtool_takes_the_configuration_with_the_secrets_that_were_made(
    promtool: str, secrets: Path, tmp_path: Path
) -> None:
    for file in (OBSERVABILITY / "prometheus").iterdir():
        text = file.read_text().replace("/run/secrets", str(secrets / "prometheus"))
        (tmp_path / file.name).write_text(text)
    for check, name in (("config", "prometheus.yaml"), ("web-config", "web.yaml")):
        command = [promtool, "check", check, tmp_path / name]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_asks_every_replica_of_each_role_where_it_listens() -> None:
    configuration = yaml.safe_load((OBSERVABILITY / "prometheus" / "prometheus.yaml").read_text())
    asked = {job["job_name"]: job for job in configuration["scrape_configs"]}
    assert asked.keys() == {f"orderflow-{role}" for role in ROLES}
    ports = {
        "api": 8080,
        "relay": int(services("compose.yaml")["relay"]["environment"]["ORDERFLOW_RELAY_PORT"]),
        "fulfillment": 8081,
    }
    for role, port in ports.items():
        (found,) = asked[f"orderflow-{role}"]["dns_sd_configs"]
        assert (found["names"], found["type"], found["port"]) == ([role], "A", port)
        assert asked[f"orderflow-{role}"]["scheme"] == "https"


def test_grafana_finds_each_observer_by_the_name_of_its_service_and_its_port() -> None:
    file = OBSERVABILITY / "grafana" / "provisioning" / "datasources" / "sources.yaml"
    sources = {source["uid"]: source for source in yaml.safe_load(file.read_text())["datasources"]}
    assert {uid: source["url"] for uid, source in sources.items()} == {
        "prometheus": "https://prometheus:9090",
        "jaeger": "https://jaeger:16686",
        "loki": "https://loki:3100",
    }
    linked = set(re.findall(r"datasourceUid: (\w+)", file.read_text()))
    assert linked == {"jaeger", "loki"}
    jaeger = yaml.safe_load((OBSERVABILITY / "jaeger.yaml").read_text())
    assert jaeger["extensions"]["jaeger_query"]["http"]["endpoint"] == "0.0.0.0:16686"
    assert jaeger["receivers"]["otlp"]["protocols"]["http"]["endpoint"] == "0.0.0.0:4318"
    loki = yaml.safe_load((OBSERVABILITY / "loki.yaml").read_text())
    assert loki["server"]["http_listen_port"] == 3100
