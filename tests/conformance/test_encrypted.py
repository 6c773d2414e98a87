"""Kafka by TLS, with client certificates and with SCRAM, and PostgreSQL by TLS: who is let in, and what is
said to whoever is not."""

import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from tests.authority import Authority
from tests.encrypted_services import PASSWORD, USER, EncryptedKafka, EncryptedPostgres

from orderflow.database.engine import connect
from orderflow.database.errors import reason
from orderflow.messaging import BusUnavailable, Message, Position
from orderflow.messaging.connect import kafka_security
from orderflow.messaging.kafka import (
    KafkaConsumer,
    KafkaPublisher,
    bootstrap_servers,
    ensure_topics,
    partitions_of,
)
from orderflow.settings import Settings, load


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def kafka(
    kafka_url: str, authority: Authority, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EncryptedKafka]:
    broker = EncryptedKafka(tmp_path_factory.mktemp("services") / "kafka", authority)
    yield broker
    broker.close()


@pytest.fixture(scope="module")
def postgres(
    postgres_url: str, authority: Authority, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EncryptedPostgres]:
    server = EncryptedPostgres(tmp_path_factory.mktemp("services") / "postgres", authority)
    yield server
    server.close()


def settings(kafka: EncryptedKafka, listener: str, **given: object) -> Settings:
    """Settings for a listener; `given` are those about Kafka."""
    security = {f"ORDERFLOW_KAFKA_{name.upper()}": str(value) for name, value in given.items()}
    return load({"ORDERFLOW_BUS_URL": kafka.url(listener), **security})


def looked_at(found: Settings, topic: str = "any") -> int | None:
    bootstrap = bootstrap_servers(found.bus_url)
    return partitions_of(bootstrap, topic, timeout_s=5, settings=kafka_security(found))


SCRAM = {"security": "sasl_ssl", "username": USER, "password": PASSWORD}


# Kafka


@pytest.mark.parametrize(
    ("listener", "given"),
    [
        ("TLS", {"security": "ssl"}),
        ("MTLS", {"security": "ssl", "cert": "own", "key": "own"}),
        ("SASL", SCRAM),
        ("SASL", {**SCRAM, "mechanism": "SCRAM-SHA-256"}),
    ],
)
def test_topics_are_made_and_messages_travel(
    kafka: EncryptedKafka, authority: Authority, listener: str, given: dict[str, object]
) -> None:
    own = authority.issue("a-client")
    files = {name: getattr(own, name) for name in ("cert", "key") if name in given}
    found = settings(kafka, listener, **{**given, **files, "ca": authority.file})
    bootstrap, security = bootstrap_servers(found.bus_url), kafka_security(found)
    topic = f"orders-{uuid.uuid4()}"
    assert ensure_topics(bootstrap, topic, settings=security) == []
    publisher = KafkaPublisher(bootstrap, settings=security)
    consumer = KafkaConsumer(bootstrap, topic, f"group-{topic}", settings=security)
    try:
        (position,) = publisher.publish([Message(topic, "key", b"value", ())])
        assert isinstance(position, Position)
        deadline = time.monotonic() + 30
        while not (records := consumer.poll(10, 0.5)):
            assert time.monotonic() < deadline
        assert [record.value for record in records] == [b"value"]
        consumer.commit(records)
    finally:
        publisher.close()
        consumer.close()
    assert looked_at(found, topic) == 12


@pytest.mark.parametrize(
    ("listener", "given", "text"),
    [
        ("TLS", {"security": "ssl", "ca": "other"}, "ORDERFLOW_KAFKA_SECURITY, …_CA"),
        ("MISNAMED", {"security": "ssl"}, "the broker's host name"),
        ("EXPIRED", {"security": "ssl"}, "ORDERFLOW_KAFKA_SECURITY, …_CA"),
        ("MTLS", {"security": "ssl"}, "…_CERT"),
        ("SASL", {**SCRAM, "password": "another"}, "ORDERFLOW_KAFKA_USERNAME, …_PASSWORD"),
        ("SASL", {**SCRAM, "ca": "other"}, "ORDERFLOW_KAFKA_SECURITY, …_CA"),
        ("TLS", {"security": "plaintext"}, "no broker of localhost"),
    ],
)
def test_a_broker_or_client_that_is_not_trusted_is_refused_and_the_settings_named(
    kafka: EncryptedKafka, authority: Authority, listener: str, given: dict[str, object], text: str
) -> None:
    other = Authority(authority.file.parent / "other")
    ca = other.file if given.get("ca") == "other" else authority.file
    trusted = {} if given["security"] == "plaintext" else {"ca": ca}
    with pytest.raises(BusUnavailable) as refused:
        looked_at(settings(kafka, listener, **{**given, **trusted}))
    assert text in str(refused.value)
    assert "another" not in str(refused.value)


# PostgreSQL


def test_a_database_is_used_by_tls(postgres: EncryptedPostgres, authority: Authority) -> None:
    database = connect(postgres.url("orderflow_orders", authority), application="test")
    try:
        for engine in (database.writer, database.reader):
            with engine.connect() as connection:
                statement = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
                assert connection.exec_driver_sql(statement).scalar() is True
    finally:
        database.dispose()


def refusal(url: str) -> str:
    database = connect(url, application="test")
    try:
        with pytest.raises(Exception, match="connection") as refused, database.writer.connect():
            pass
        return reason(refused.value)
    finally:
        database.dispose()


def test_a_server_of_another_authority_is_refused(
    postgres: EncryptedPostgres, authority: Authority, tmp_path: Path
) -> None:
    other = Authority(tmp_path / "other")
    assert "certificate verify failed" in refusal(postgres.url("orderflow_orders", other))


def test_a_server_with_another_name_is_refused(postgres: EncryptedPostgres, authority: Authority) -> None:
    text = refusal(postgres.url("orderflow_orders", authority, host="127.0.0.1"))
    assert "does not match host name" in text


def test_a_client_without_tls_is_refused(postgres: EncryptedPostgres, authority: Authority) -> None:
    assert "no encryption" in refusal(postgres.url("orderflow_orders", authority, mode="disable"))


def connect_again_and_again(url: str, *, seconds_max: float) -> None:
    deadline = time.monotonic() + seconds_max
    while time.monotonic() < deadline:
        psycopg.connect(url).close()


def test_a_server_whose_certificate_has_expired_is_refused(
    postgres: EncryptedPostgres, authority: Authority
) -> None:
    url = postgres.url("orderflow_orders", authority)
    with psycopg.connect(url, autocommit=True) as before:
        postgres.show(authority.issue("localhost", expired=True))
        postgres.reload(authority)
        try:
            with pytest.raises(psycopg.OperationalError, match="certificate verify failed"):
                connect_again_and_again(url, seconds_max=30)  # the server takes it up after a moment
        finally:
            postgres.show(authority.issue("localhost"))
            before.execute("SELECT pg_reload_conf()")
