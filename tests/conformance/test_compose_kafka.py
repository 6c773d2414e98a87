"""A real broker with the TLS settings of compose.yaml: whom it lets in by the certificates made there."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tests.compose_secrets import make_secrets
from tests.encrypted_services import run_services
from tests.ports import free_port

from orderflow.messaging import BusUnavailable
from orderflow.messaging.connect import kafka_security
from orderflow.messaging.kafka import ensure_topics, partitions_of
from orderflow.settings import load

COMPOSE = yaml.safe_load((Path(__file__).parents[2] / "compose.yaml").read_text())
SECRETS = "/run/secrets"


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_secrets(tmp_path_factory.mktemp("secrets"))


@pytest.fixture(scope="module")
def broker(kafka_url: str, secrets: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its address. Beside the listener of compose.yaml it has those that `services.py` needs."""
    directory = tmp_path_factory.mktemp("services") / "kafka"
    directory.mkdir()
    environment: dict[str, str] = COMPOSE["services"]["kafka"]["environment"]
    address = f"localhost:{free_port()}"
    lines = [
        f"{variable.removeprefix('KAFKA_').lower().replace('_', '.')}="
        + value.replace(SECRETS, str(secrets / "kafka"))
        for variable, value in environment.items()
        if variable.startswith("KAFKA_SSL_") or variable == "KAFKA_INTER_BROKER_LISTENER_NAME"
    ]
    assert len(lines) == 6
    lines += [
        f"listener.security.protocol.map=PLAINTEXT:PLAINTEXT,{environment['KAFKA_LISTENER_SECURITY_PROTOCOL_MAP']}",
        f"listeners=PLAINTEXT://127.0.0.1:{{port}},CONTROLLER://127.0.0.1:{{controller_port}},TLS://{address}",
        f"advertised.listeners=PLAINTEXT://127.0.0.1:{{port}},TLS://{address}",
    ]
    run_services("start", directory, "kafka", *(part for line in lines for part in ("--kafka-setting", line)))
    yield address
    run_services("clean", directory)


def security(reader: Path, *, without: str | None = None) -> dict[str, str]:
    """What Kafka's clients of this reader are given, by the settings that compose.yaml has for all roles."""
    given = {
        variable: value.replace(SECRETS, str(reader))
        for variable, value in COMPOSE["x-settings"].items()
        if variable.startswith("ORDERFLOW_KAFKA_") and (without is None or variable not in without)
    }
    return kafka_security(load(given))


@pytest.mark.parametrize("reader", ["orders", "fulfillment"])
def test_the_roles_are_let_in(reader: str, broker: str, secrets: Path) -> None:
    client = security(secrets / reader)
    assert ensure_topics(broker, f"of-{reader}", settings=client) == []
    assert partitions_of(broker, f"of-{reader}", timeout_s=30, settings=client) == 12


@pytest.mark.parametrize("reader", ["carrier", "payments", "postgres"])
def test_the_certificates_of_others_are_refused(reader: str, broker: str, secrets: Path) -> None:
    with pytest.raises(BusUnavailable):
        partitions_of(broker, "any", timeout_s=5, settings=security(secrets / reader))


def test_a_client_without_a_certificate_is_refused(broker: str, secrets: Path) -> None:
    client = security(secrets / "orders", without="ORDERFLOW_KAFKA_CERT ORDERFLOW_KAFKA_KEY")
    with pytest.raises(BusUnavailable):
        partitions_of(broker, "any", timeout_s=5, settings=client)
