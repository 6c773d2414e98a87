"""Prometheus, the dashboard and OTLP, as compose.observability.yaml has them, around roles that work."""

import json
import math
import os
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from confluent_kafka import Producer
from deployed_prometheus import DeployedPrometheus
from processes import StartRole, ask, eventually, order
from tests.compose_secrets import OBSERVERS, make_secrets
from tests.otlp_receiver import receiving
from tests.ports import free_ports

pytestmark = pytest.mark.timeout(400)
ROOT = Path(__file__).parents[2]
DASHBOARD = ROOT / "deploy" / "observability" / "grafana" / "dashboards" / "orderflow.json"
IN_TROUBLE_ONLY = (
    "orderflow_repairs_total",
    "orderflow_degraded",
    "orderflow_loop_stalls_total",
    "orderflow_streams_ended_total",  # and once a client has followed the changes
    "orderflow_audit",  # and once somebody audits
    "orderflow_webhook_attempts_total",  # and once there is a webhook
)
"""What has no series before something goes wrong."""


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    for observer in OBSERVERS:
        (tmp_path / "secrets" / observer).mkdir(parents=True)
    return make_secrets(tmp_path / "secrets")


@pytest.fixture
def trusted(secrets: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(secrets / "orders" / "ca.pem"))


@pytest.fixture
def parts(server_database: str, names: dict[str, str]) -> dict[str, str]:
    return {**names, "DATABASE_URL": server_database, "FULFILLMENT_DATABASE_URL": server_database}


def of_compose(service: str) -> dict[str, Any]:
    return yaml.safe_load((ROOT / "compose.observability.yaml").read_text())["services"][service]


def make_key(parts: Mapping[str, str], *options: str) -> str:
    """What `orderflow keys create` prints."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("ORDERFLOW_")}
    done = subprocess.run(
        [sys.executable, "-m", "orderflow", "keys", "create", *options],
        env={**inherited, **{f"ORDERFLOW_{name}": value for name, value in parts.items()}},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def ports(start: StartRole, parts: dict[str, str], secrets: Path, trusted: ssl.SSLContext) -> dict[str, int]:
    """Where the three roles listen, by the name of their job: by HTTPS, and they ask who calls."""
    key_file = secrets / "migrate" / "orderflow_api_key"
    make_key(parts, "--name=worker", "--scope=orders:status", f"--key-file={key_file}")
    api, relay, fulfillment = free_ports(3)
    settings = {
        **parts,
        "AUTH": "on",
        "TLS_CERT": str(secrets / "orders" / "tls.pem"),
        "TLS_KEY": str(secrets / "orders" / "tls.pem"),
        "CA": str(secrets / "orders" / "ca.pem"),
    }
    worker = {
        **settings,
        "TLS_CERT": str(secrets / "fulfillment" / "tls.pem"),
        "TLS_KEY": str(secrets / "fulfillment" / "tls.pem"),
        "API_KEY": key_file.read_text().strip(),
        "ORDERS_URL": f"https://localhost:{api}",
        "PAYMENTS": "simulated",
        "CARRIER_DELAY_MS": "0-0",
        "CARRIER_FAILURE_RATE": "0.3",
    }
    start("api", PORT=str(api), **settings)
    start("relay", RELAY_PORT=str(relay), **settings)
    start("fulfillment", FULFILLMENT_PORT=str(fulfillment), **worker)
    found = {"api": api, "relay": relay, "fulfillment": fulfillment}
    for role, port in found.items():
        ready = f"https://127.0.0.1:{port}/health/ready"
        eventually(lambda url=ready: ask(url, trusted=trusted).status == 200, f"{role} is ready", 120)
    return found


@pytest.fixture
def prometheus(
    prometheus_binary: str, ports: dict[str, int], secrets: Path, tmp_path: Path
) -> Iterator[DeployedPrometheus]:
    server = DeployedPrometheus(prometheus_binary, tmp_path / "prometheus", secrets, ports)
    try:
        server.until_all_are_scraped()
        yield server
    finally:
        server.end()


def priced(number: int) -> dict[str, Any]:
    items = [{"productId": "p", "quantity": 1, "unitPrice": {"amountMinor": 100, "currency": "EUR"}}]
    return {**order(number), "items": items}


def queries() -> set[str]:
    panels: list[dict[str, Any]] = json.loads(DASHBOARD.read_text())["panels"]
    found = {target["expr"] for panel in panels for target in panel.get("targets", ())}
    return {query.replace("$__rate_interval", "20s") for query in found}


def test_every_query_of_the_dashboard_has_data_while_orders_ship_and_fail(
    ports: dict[str, int], parts: dict[str, str], trusted: ssl.SSLContext, prometheus: DeployedPrometheus
) -> None:
    key = make_key(parts, "--name=shop", "--scope=orders:write")
    orders = f"https://127.0.0.1:{ports['api']}/api/orders"
    headers = {"authorization": f"Bearer {key}"}
    # A message that is no event becomes a dead letter.
    producer = Producer({"bootstrap.servers": parts["BUS_URL"].removeprefix("kafka://")})
    producer.produce(parts["ORDERS_TOPIC"], b"no event")
    assert producer.flush(30) == 0

    since = time.time()
    without_data = queries()
    assert len(without_data) > 40
    expected = {query for query in without_data if any(name in query for name in IN_TROUBLE_ONLY)}
    deadline = time.monotonic() + 120
    number = 0
    while without_data - expected and time.monotonic() < deadline:
        # Orders are placed all the while, because a rate needs changes between two scrapes.
        body = priced(number := number + 1)
        placed = ask(orders, method="POST", body=body, headers=headers, trusted=trusted)
        assert placed.status == 201, placed.body
        for query in sorted(without_data):
            values = prometheus.drawn(query, since)
            if any(not math.isnan(value) for series in values for value in series):
                without_data.discard(query)
    assert without_data <= expected


def test_prometheus_key_reads_the_metrics_of_every_role_from_another_host(
    ports: dict[str, int], parts: dict[str, str], secrets: Path, trusted: ssl.SSLContext
) -> None:
    """It is stored with the command of the service `scrape-key`."""
    options = [
        option.replace("/run/secrets", str(secrets / "migrate"))
        for option in of_compose("scrape-key")["command"]
        if option.startswith("--")
    ]
    make_key(parts, *options)
    elsewhere = {"x-forwarded-for": "192.0.2.1"}
    key = (secrets / "prometheus" / "scrape_key").read_text().strip()
    for role, port in ports.items():
        url = f"https://127.0.0.1:{port}/metrics"
        assert ask(url, headers=elsewhere, trusted=trusted).status == 401, role
        headers = {**elsewhere, "authorization": f"Bearer {key}"}
        answer = ask(url, headers=headers, trusted=trusted)
        assert answer.status == 200, (role, answer.body)
        assert "orderflow_scrape_complete" in answer.body, role


def test_spans_and_log_lines_go_out_by_tls_to_where_compose_says(
    start: StartRole, secrets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One receiver stands for both Jaeger and Loki."""
    for variable in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(variable, raising=False)  # the exporter would trust these instead
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    serving.load_cert_chain(secrets / "jaeger" / "tls.pem")
    with receiving(serving) as receiver:
        here = {
            "https://jaeger:4318": receiver.url,
            "https://loki:3100/otlp": receiver.url,
            "/run/secrets": str(secrets / "orders"),
        }
        for name, value in of_compose("api")["environment"].items():
            for there, replacement in here.items():
                value = value.replace(there, replacement)  # noqa: PLW2901
            monkeypatch.setenv(name, "1" if name == "OTEL_TRACES_SAMPLER_ARG" else value)
        url = start("up", PORT="0", FULFILLMENT_PORT="0", CARRIER_DELAY_MS="0-0").url()
        order_id = ask(f"{url}/api/orders", method="POST", body=order(1)).body["orderId"]
        eventually(lambda: bool(receiver.of_order(order_id)), "a span arrives")
        eventually(lambda: bool(receiver.logs), "a log line arrives")
