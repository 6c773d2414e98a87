"""The Helm chart as helm renders it: what its pods get, what they may do, and what it refuses to render."""

import re
import shutil
import subprocess
import textwrap
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.authority import Authority
from tests.conftest import missing

from orderflow.messaging import PARTITIONS
from orderflow.settings import Role, load_with_origins, plain_text, refusals

ROOT = Path(__file__).parents[1]
CHART = ROOT / "deploy" / "kubernetes" / "orderflow"
TOOLS = ROOT / ".venv" / "chart" / "bin"
MOUNTED = "/etc/orderflow"
ROLES: list[Role] = ["api", "relay", "fulfillment"]
VALUES: dict[str, Any] = {
    "settings": {
        "ORDERFLOW_ENV": "prod",
        "ORDERFLOW_BUS_URL": "kafka://kafka:9093",
        "ORDERFLOW_KAFKA_SECURITY": "ssl",
        "ORDERFLOW_CARRIER": "http",
        "ORDERFLOW_CARRIER_URL": "https://carrier.example.com",
    },
    "secrets": {"orders": "orders", "fulfillment": "fulfillment", "migrate": "migrate"},
    "tls": {"secret": "certificate"},
    "networkPolicy": {"kafka": {"ports": [9093]}},
}
SECRETS = {
    "orderflow_database_url": "postgresql://orders:4f1b09@db/orders?sslmode=verify-full",
    "orderflow_fulfillment_database_url": "postgresql://shipping:77ac01@db/shipping?sslmode=verify-full",
    "orderflow_api_key": f"of_4f1b09a2c7_{'x' * 43}",
}
OF_ROLE = {
    "api": {"orderflow_database_url"},
    "relay": {"orderflow_database_url"},
    "fulfillment": {"orderflow_fulfillment_database_url", "orderflow_api_key"},
}


def tool(name: str) -> str:
    own = TOOLS / name
    if own.exists():
        return str(own)
    return shutil.which(name) or missing("helm", "`make chart` installs it, with Go")


def template(directory: Path, values: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    file = directory / "values.yaml"
    file.write_text(yaml.safe_dump(values))
    command = [tool("helm"), "template", "shop", str(CHART), "--namespace=sales", f"--values={file}"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def rendered(directory: Path, values: dict[str, Any]) -> list[dict[str, Any]]:
    done = template(directory, values)
    assert done.returncode == 0, done.stderr
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def changed(section: str, **given: object) -> dict[str, Any]:
    """VALUES with other values in a section; None removes one."""
    merged = {**VALUES.get(section, {}), **given}
    return {**VALUES, section: {name: value for name, value in merged.items() if value is not None}}


@pytest.fixture
def resources(tmp_path: Path) -> list[dict[str, Any]]:
    return rendered(tmp_path, VALUES)


def of_kind(resources: list[dict[str, Any]], kind: str) -> dict[str, dict[str, Any]]:
    return {each["metadata"]["name"]: each for each in resources if each["kind"] == kind}


def pods(resources: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The templates of pods, by role."""
    found = [each for kind in ("Deployment", "Job") for each in of_kind(resources, kind).values()]
    return {
        pod["metadata"]["labels"]["app.kubernetes.io/component"]: pod
        for pod in (each["spec"]["template"] for each in found)
    }


def containers(pod: dict[str, Any]) -> list[dict[str, Any]]:
    return [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]


def environment(container: dict[str, Any], mounted: Path) -> dict[str, str]:
    """What the image sets, then the chart, with the mounted files below `mounted`."""
    given = {each["name"]: each["value"].replace(MOUNTED, str(mounted)) for each in container["env"]}
    assert len(given) == len(container["env"])
    return {"ORDERFLOW_HOST": "0.0.0.0", **given}  # noqa: S104 (what the image says)


def mount(directory: Path, files: set[str]) -> Path:
    authority = Authority(directory)
    identity = authority.issue()
    for folder in ("secrets", "tls"):
        (directory / folder).mkdir()
    for name in files:
        (directory / "secrets" / name).write_text(SECRETS[name])
    shutil.copy(identity.cert, directory / "tls" / "tls.crt")
    shutil.copy(identity.key, directory / "tls" / "tls.key")
    shutil.copy(authority.file, directory / "tls" / "ca.crt")
    return directory


def test_the_chart_has_the_version_of_the_program() -> None:
    number = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (number, number)


@pytest.mark.parametrize("role", ROLES)
def test_a_role_starts_in_prod_with_what_its_pod_gets(
    resources: list[dict[str, Any]], tmp_path: Path, role: Role
) -> None:
    (container,) = containers(pods(resources)[role])
    assert container["args"] == [role]
    loaded = load_with_origins(environment(container, mount(tmp_path, OF_ROLE[role])))
    assert refusals(loaded, role) == []
    assert plain_text(loaded.settings, role) == []
    assert loaded.warnings == ()


def test_what_listens_is_what_probes_and_services_ask(
    resources: list[dict[str, Any]], tmp_path: Path
) -> None:
    mounted = mount(tmp_path, set(SECRETS))
    found = pods(resources)
    for role in ROLES:
        (container,) = containers(found[role])
        settings = load_with_origins(environment(container, mounted)).settings
        listens = {
            "api": settings.port,
            "relay": settings.relay_port,
            "fulfillment": settings.fulfillment_port,
        }
        assert container["ports"] == [{"name": "http", "containerPort": listens[role]}]
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            assert container[probe]["httpGet"]["port"] == "http"
            assert container[probe]["httpGet"]["scheme"] == "HTTPS"
        called = {"api": settings.orders_url, "fulfillment": settings.fulfillment_url}
        for name, url in called.items():
            service = of_kind(resources, "Service")[f"shop-{name}"]["spec"]
            assert url == f"https://shop-{name}:{service['ports'][0]['port']}"
            labels = found[name]["metadata"]["labels"]
            assert service["selector"].items() <= labels.items()


def test_no_pod_is_root_or_changes_its_files_or_reads_the_secrets_of_another_service(
    resources: list[dict[str, Any]],
) -> None:
    secret = {"api": "orders", "relay": "orders", "fulfillment": "fulfillment", "migrate": "migrate"}
    found = pods(resources)
    assert found.keys() == secret.keys()
    for role, pod in found.items():
        spec = pod["spec"]
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["automountServiceAccountToken"] is False
        volumes = {volume["name"]: volume for volume in spec["volumes"]}
        assert volumes["secrets"]["secret"] == {"secretName": secret[role], "defaultMode": 0o440}
        for container in containers(pod):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert container["resources"]["limits"]["memory"]
            writable = [each["name"] for each in container["volumeMounts"] if not each.get("readOnly")]
            assert writable == ["tmp"]


def test_the_databases_are_migrated_and_the_workers_key_is_stored_before_anything_else_changes(
    resources: list[dict[str, Any]], tmp_path: Path
) -> None:
    mounted = mount(tmp_path, set(SECRETS))
    (job,) = of_kind(resources, "Job").values()
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    migrate, keys = containers(job["spec"]["template"])
    assert migrate["args"] == ["migrate"]
    assert keys["args"][:2] == ["keys", "create"]
    key_file = Path(keys["args"][-1].removeprefix("--key-file=").replace(MOUNTED, str(mounted)))
    assert key_file.read_text() == SECRETS["orderflow_api_key"]
    for container in (migrate, keys):
        settings = load_with_origins(environment(container, mounted)).settings
        assert settings.database_url is not None
        assert settings.fulfillment_database_url is not None
    policy = of_kind(resources, "NetworkPolicy")["shop-migrate"]
    assert policy["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"


def test_the_values_of_the_documentation_are_rendered(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "kubernetes.md").read_text()
    (example,) = (
        part for part in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) if "networkPolicy:" in part
    )
    values = yaml.safe_load(textwrap.dedent(f"    {example.strip()}"))
    values["image"]["digest"] = f"sha256:{'0' * 64}"
    policies = of_kind(rendered(tmp_path, values), "NetworkPolicy")
    for role in ROLES:
        out = [port["port"] for rule in policies[f"shop-{role}"]["spec"]["egress"] for port in rule["ports"]]
        assert {9093, 5432} <= {*out}


def test_what_retention_removes_is_written_to_a_volume_that_outlives_the_pods(tmp_path: Path) -> None:
    values = changed("settings", ORDERFLOW_ORDERS_KEPT_S="31536000", ORDERFLOW_SHIPMENTS_KEPT_S="31536000")
    values |= {"archive": {"orders": "old-orders", "fulfillment": "old-shipments"}}
    found = pods(rendered(tmp_path, values))
    mounted = mount(tmp_path, set(SECRETS))
    claims = {"api": "old-orders", "relay": "old-orders", "fulfillment": "old-shipments"}
    for role, pod in found.items():
        claim = {
            volume["persistentVolumeClaim"]["claimName"]
            for volume in pod["spec"]["volumes"]
            if volume["name"] == "archive"
        }
        assert claim == ({claims[role]} if role in claims else set())
        for container in containers(pod):
            settings = load_with_origins(environment(container, mounted)).settings
            paths = [each["mountPath"] for each in container["volumeMounts"] if each["name"] == "archive"]
            assert paths == ([str(settings.archive_dir)] if role in claims else [])


def test_the_pods_of_a_role_are_spread_over_zones_and_nodes(resources: list[dict[str, Any]]) -> None:
    for role in ROLES:
        spread = pods(resources)[role]["spec"]["topologySpreadConstraints"]
        over = [each["topologyKey"] for each in spread]
        assert over == ["topology.kubernetes.io/zone", "kubernetes.io/hostname"]
        assert all(
            each["labelSelector"]["matchLabels"]["app.kubernetes.io/component"] == role for each in spread
        )


def test_every_pod_has_one_network_policy_and_every_role_one_budget(resources: list[dict[str, Any]]) -> None:
    for role, pod in pods(resources).items():
        labels = pod["metadata"]["labels"].items()
        policies = [
            policy["spec"]
            for policy in of_kind(resources, "NetworkPolicy").values()
            if policy["spec"]["podSelector"]["matchLabels"].items() <= labels
        ]
        assert [policy["policyTypes"] for policy in policies] == [["Ingress", "Egress"]]
        budgets = [
            budget["spec"]["maxUnavailable"]
            for budget in of_kind(resources, "PodDisruptionBudget").values()
            if budget["spec"]["selector"]["matchLabels"].items() <= labels
        ]
        assert budgets == ([] if role == "migrate" else [1])


def test_network_policies_let_in_and_out_what_a_role_needs_and_no_more(tmp_path: Path) -> None:
    ingress = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress"}}}
    server = {"ipBlock": {"cidr": "192.0.2.10/32"}}
    values = changed(
        "networkPolicy",
        clients={"from": [ingress]},
        database={"ports": [5433], "to": [server]},
        kafka={"ports": [9093]},
    )
    policies = of_kind(rendered(tmp_path, values), "NetworkPolicy")

    def ports(role: str, direction: str) -> list[tuple[int, list[str]]]:
        """Each port with whom the rule names: a role, or the kind of the peer; nobody means everybody."""
        return [
            (each["port"], [_peer(peer) for peer in rule.get("from", rule.get("to", []))])
            for rule in policies[f"shop-{role}"]["spec"].get(direction, [])
            for each in rule["ports"]
        ]

    nobody: list[str] = []
    dns = [(53, nobody), (53, nobody)]
    database, kafka = (5433, ["ipBlock"]), (9093, nobody)
    assert ports("api", "ingress") == [(8080, ["namespaceSelector"]), (8080, ["fulfillment"])]
    receivers = (443, nobody)
    assert ports("api", "egress") == [*dns, (8081, ["fulfillment"]), database, kafka, receivers]
    assert ports("relay", "ingress") == [(8082, [])]
    assert ports("relay", "egress") == [*dns, database, kafka, receivers]
    assert ports("fulfillment", "ingress") == [(8081, []), (8081, ["api"])]
    assert ports("fulfillment", "egress") == [*dns, (8080, ["api"]), database, kafka, (443, [])]
    assert ports("migrate", "ingress") == []
    assert ports("migrate", "egress") == [*dns, database]


def _peer(peer: dict[str, Any]) -> str:
    labels = peer.get("podSelector", {}).get("matchLabels", {})
    return labels.get("app.kubernetes.io/component") or next(iter(peer))


def test_workers_follow_the_lag_up_to_the_number_of_partitions(tmp_path: Path) -> None:
    resources = rendered(tmp_path, changed("fulfillment", autoscaling={"enabled": True}))
    (scaler,) = of_kind(resources, "HorizontalPodAutoscaler").values()
    assert scaler["spec"]["maxReplicas"] == PARTITIONS
    assert scaler["spec"]["scaleTargetRef"]["name"] == "shop-fulfillment"
    (metric,) = scaler["spec"]["metrics"]
    assert metric["external"]["metric"]["name"] == "orderflow_consumer_lag"
    # An upgrade would otherwise set back what the scaler has chosen.
    assert "replicas" not in of_kind(resources, "Deployment")["shop-fulfillment"]["spec"]


@pytest.mark.parametrize(
    ("values", "named"),
    [
        (changed("settings", ORDERFLOW_BUS_URL=None), "ORDERFLOW_BUS_URL"),
        (changed("settings", ORDERFLOW_CARRIER=None), "ORDERFLOW_CARRIER"),
        (changed("settings", ORDERFLOW_API_KEY="of_1"), "ORDERFLOW_API_KEY is a secret"),
        (changed("settings", ORDERFLOW_DATABASE_URL="postgresql://db/orders"), "orderflow_database_url"),
        (changed("settings", ORDERFLOW_PORT="80"), "ORDERFLOW_PORT is set by the chart"),
        (changed("settings", LD_PRELOAD="x.so"), "LD_PRELOAD"),
        (changed("secrets", fulfillment=None), "secrets/fulfillment"),
        (changed("fulfillment", replicaCount=2), "replicaCount"),
        (changed("image", digest="latest"), "digest"),
        (changed("tls", secret=None), "ORDERFLOW_BEHIND_PROXY"),
        (changed("settings", ORDERFLOW_ORDERS_KEPT_S="86400"), "ORDERS_KEPT_S needs archive.orders"),
        (changed("settings", ORDERFLOW_ARCHIVE_DIR="/old"), "ORDERFLOW_ARCHIVE_DIR is set by the chart"),
        (VALUES | {"archive": {"orders": "old"}}, "archive: name a claim for each service"),
        (changed("networkPolicy", kafka=None), "networkPolicy.kafka.ports lacks 9093"),
        (
            changed("settings", ORDERFLOW_CARRIER_URL="https://c:8443/v1"),
            "networkPolicy.parties.ports lacks 8443",
        ),
    ],
)
def test_values_with_which_no_role_would_start_are_refused(
    tmp_path: Path, values: dict[str, Any], named: str
) -> None:
    done = template(tmp_path, values)
    assert done.returncode != 0
    assert named in done.stderr


def test_behind_a_proxy_that_speaks_tls_the_roles_speak_plain_text(tmp_path: Path) -> None:
    values = changed("settings", ORDERFLOW_BEHIND_PROXY="on") | {"tls": {"secret": ""}}
    resources = rendered(tmp_path, values)
    (container,) = containers(pods(resources)["api"])
    assert container["readinessProbe"]["httpGet"]["scheme"] == "HTTP"
    loaded = load_with_origins(environment(container, mount(tmp_path, OF_ROLE["api"])))
    assert refusals(loaded, "api") == []


def test_helm_and_the_schemas_of_kubernetes_find_no_fault(tmp_path: Path) -> None:
    values = changed("fulfillment", autoscaling={"enabled": True})
    values |= {
        "podAnnotations": {"note": "x"},
        "tls": {"secret": "certificate", "authorities": "authorities"},
    }
    done = template(tmp_path, values)
    assert done.returncode == 0, done.stderr
    lint = [tool("helm"), "lint", "--strict", str(CHART), f"--values={tmp_path / 'values.yaml'}"]
    linted = subprocess.run(lint, capture_output=True, text=True, check=False)
    assert linted.returncode == 0, linted.stdout
    manifest = tmp_path / "manifest.yaml"
    manifest.write_text(done.stdout)
    for version in ("1.27", "1.37"):
        check = [tool("kubernetes-validate"), "--strict", "-k", version, str(manifest)]
        checked = subprocess.run(check, capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked.stdout + checked.stderr
