"""Every connection of a real deployment is encrypted: an order is placed by HTTPS, travels through Kafka and
PostgreSQL by TLS, and is charged and shipped by HTTPS; each side shows a certificate."""

import http.client
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from processes import Role, StartRole, eventually, order
from tests.authority import Authority, Identity
from tests.encrypted_services import PASSWORD, USER, EncryptedKafka, EncryptedPostgres


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def parts(
    postgres_url: str, kafka_url: str, authority: Authority, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """Settings of roles for a PostgreSQL and a Kafka that speak TLS."""
    directory = tmp_path_factory.mktemp("services")
    postgres = EncryptedPostgres(directory / "postgres", authority)
    kafka = EncryptedKafka(directory / "kafka", authority)
    yield {
        "DATABASE_URL": postgres.url("orderflow_orders", authority),
        "FULFILLMENT_DATABASE_URL": postgres.url("orderflow_fulfillment", authority),
        "BUS_URL": kafka.url("SASL"),
        "KAFKA_SECURITY": "sasl_ssl",
        "KAFKA_CA": str(authority.file),
        "KAFKA_USERNAME": USER,
        "KAFKA_PASSWORD": PASSWORD,
    }
    kafka.close()
    postgres.close()


@pytest.fixture
def identity(authority: Authority) -> Identity:
    return authority.issue()


@pytest.fixture
def tls(authority: Authority, identity: Identity) -> dict[str, str]:
    """Settings with which each role has this identity, and calls and lets in only who has one."""
    return {
        "TLS_CERT": str(identity.cert),
        "TLS_KEY": str(identity.key),
        "TLS_CLIENT_CA": str(authority.file),
        "CA": str(authority.file),
    }


def port(role: Role) -> int:
    """Of the role's own listener, once it has announced it."""
    found: list[str] = []

    def announced() -> bool:
        assert role.process.poll() is None, role.output
        found[:] = re.findall(r"https://127\.0\.0\.1:(\d+)", role.output)
        return bool(found)

    eventually(announced, "the role announces its address")
    return int(found[0])


def call(client: ssl.SSLContext, port: int, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    connection = http.client.HTTPSConnection("localhost", port, context=client, timeout=70)
    try:
        headers = {"content-type": "application/json"}
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def priced(number: int) -> dict[str, Any]:
    items = [{"productId": "p", "quantity": 1, "unitPrice": {"amountMinor": 100, "currency": "EUR"}}]
    return {**order(number), "items": items}


def tool(settings: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("ORDERFLOW_")}
    return subprocess.run(
        [sys.executable, "-m", "orderflow", *arguments],
        env={**inherited, **{f"ORDERFLOW_{name}": value for name, value in settings.items()}},
        capture_output=True,
        text=True,
        check=False,
    )


def test_an_order_is_shipped_with_every_connection_encrypted_while_certificates_are_renewed(
    start: StartRole, authority: Authority, identity: Identity, tls: dict[str, str], parts: dict[str, str]
) -> None:
    tmp_path = identity.cert.parent
    carrier = start("carrier-sim", "--port=0", f"--ledger={tmp_path / 'carrier.db'}", **tls)
    payments = start("payment-sim", "--port=0", f"--ledger={tmp_path / 'payments.db'}", **tls)
    api = start("api", PORT="0", API_WORKERS="2", **tls, **parts)
    orders = f"https://localhost:{port(api)}"
    worker = start(
        "fulfillment",
        FULFILLMENT_PORT="0",
        ORDERS_URL=orders,
        CARRIER="http",
        CARRIER_URL=f"https://localhost:{port(carrier)}",
        PAYMENTS="http",
        PAYMENTS_URL=f"https://localhost:{port(payments)}",
        **tls,
        **parts,
    )
    fulfillment = f"https://localhost:{port(worker)}"
    client = authority.client(authority.issue("a-shop"))
    eventually(lambda: call(client, port(worker), "GET", "/health/ready")[0] == 200, "the worker is ready")

    stop, placed = threading.Event(), list[str]()

    def place_again_and_again() -> None:
        while not stop.wait(0.02):
            status, document = call(client, port(api), "POST", "/api/orders", priced(len(placed)))
            assert status == 201, document
            placed.append(document["orderId"])

    placing = threading.Thread(target=place_again_and_again)
    placing.start()
    try:
        for _ in range(3):
            renewed = authority.issue()
            count = api.output.count("tls.renewed")
            identity.cert.write_bytes(renewed.cert.read_bytes())
            identity.key.write_bytes(renewed.key.read_bytes())
            # Both processes have a listener.
            eventually(lambda count=count: api.output.count("tls.renewed") >= count + 2, "both take it up")
    finally:
        stop.set()
        placing.join()
    assert len(placed) > 10
    for order_id in (placed[0], placed[-1]):
        path = f"/api/orders/{order_id}?wait=Shipped&timeoutMs=60000"
        assert call(client, port(api), "GET", path)[1]["status"] == "Shipped"
    paid = call(client, port(payments), "GET", "/v1/ledger")[1]["payments"]
    assert {placed[0], placed[-1]} <= {payment["orderId"] for payment in paid}

    urls = {"ORDERS_URL": orders, "FULFILLMENT_URL": fulfillment}
    for arguments in (["health", "api"], ["health", "fulfillment"], ["orders", "list"]):
        done = tool({**tls, **urls}, *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
    unknown = tool({**urls, "CA": str(Authority(tmp_path / "other").file)}, "orders", "list")
    assert unknown.returncode == 1
    assert "put the certificate of its authority into ORDERFLOW_CA" in unknown.stderr
    for role in (worker, api, carrier, payments):
        assert role.stop() == 0, role.output


def test_up_places_and_ships_by_https_with_nothing_installed(
    start: StartRole, authority: Authority, tls: dict[str, str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        own: int = probe.getsockname()[1]
    url = f"https://localhost:{own}"
    up = start(
        "up",
        PORT=str(own),
        FULFILLMENT_PORT="0",
        ORDERS_URL=url,
        CARRIER_DELAY_MS="0-0",
        CARRIER_FAILURE_RATE="0",
        **tls,
    )
    client = authority.client(authority.issue("a-shop"))
    eventually(lambda: call(client, own, "GET", "/health/ready")[0] == 200, "it is ready")
    status, document = call(client, own, "POST", "/api/orders", order(1))
    assert status == 201
    path = f"/api/orders/{document['orderId']}?wait=Shipped&timeoutMs=60000"
    assert call(client, own, "GET", path)[1]["status"] == "Shipped"
    assert up.stop() == 0, up.output
