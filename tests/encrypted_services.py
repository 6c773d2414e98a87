"""A PostgreSQL and a Kafka that speak TLS, for one test module, with certificates of its own authority."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._scram import ScramCredentialInfo, ScramMechanism, UserScramCredentialUpsertion
from cryptography.hazmat.primitives import serialization
from psycopg import sql
from tests.authority import Authority, Identity
from tests.conftest import missing
from tests.ports import free_ports

SERVICES = Path(__file__).resolve().parents[1] / "deploy" / "services" / "services.py"
USER, PASSWORD = "orderflow", "a-password-of-this-test"
LISTENERS = {"TLS": "SSL", "MTLS": "SSL", "SASL": "SASL_SSL", "MISNAMED": "SSL", "EXPIRED": "SSL"}
"""Kafka's listeners beside the plain one, with their protocols."""

_SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule required;"


def run_services(action: str, directory: Path, *arguments: str) -> str:
    command = [sys.executable, str(SERVICES), action, *arguments, "--directory", str(directory)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _pkcs8(identity: Identity) -> bytes:
    """Key and certificate in one file, as Kafka takes them."""
    key = serialization.load_pem_private_key(identity.key.read_bytes(), None)
    encoded = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return encoded + identity.cert.read_bytes()


class EncryptedKafka:
    """`url(listener)` is the address for each of LISTENERS. MTLS wants a client certificate; MISNAMED has a
    certificate for another host, EXPIRED one that is too old, the others one for localhost."""

    def __init__(self, directory: Path, authority: Authority) -> None:
        self._directory = directory
        directory.mkdir()
        self._ports = dict(zip(LISTENERS, free_ports(len(LISTENERS)), strict=True))
        stores = {
            "": authority.issue("localhost"),
            "listener.name.misnamed.": authority.issue("kafka.example"),
            "listener.name.expired.": authority.issue("localhost", expired=True),
        }
        lines = [
            "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,"
            + ",".join(f"{name}:{protocol}" for name, protocol in LISTENERS.items()),
            f"listeners=PLAINTEXT://127.0.0.1:{{port}},CONTROLLER://127.0.0.1:{{controller_port}},{self._all}",
            f"advertised.listeners=PLAINTEXT://127.0.0.1:{{port}},{self._all}",
            "inter.broker.listener.name=PLAINTEXT",
            "listener.name.mtls.ssl.client.auth=required",
            "sasl.enabled.mechanisms=SCRAM-SHA-256,SCRAM-SHA-512",
            f"listener.name.sasl.scram-sha-256.sasl.jaas.config={_SCRAM}",
            f"listener.name.sasl.scram-sha-512.sasl.jaas.config={_SCRAM}",
            "ssl.truststore.type=PEM",
            f"ssl.truststore.location={authority.file}",
        ]
        for number, (prefix, identity) in enumerate(stores.items()):
            store = directory / f"{number}.pem"
            store.write_bytes(_pkcs8(identity))
            lines += [f"{prefix}ssl.keystore.type=PEM", f"{prefix}ssl.keystore.location={store}"]
        settings = [argument for line in lines for argument in ("--kafka-setting", line)]
        run_services("start", directory, "kafka", *settings)
        self._add_user()

    @property
    def _all(self) -> str:
        return ",".join(f"{name}://localhost:{port}" for name, port in self._ports.items())

    def _add_user(self) -> None:
        port = json.loads((self._directory / "choices.json").read_text())["kafka_port"]
        admin: Any = AdminClient({"bootstrap.servers": f"127.0.0.1:{port}"})
        for mechanism in (ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512):
            info = ScramCredentialInfo(mechanism, 4096)
            asked = admin.alter_user_scram_credentials(
                [UserScramCredentialUpsertion(USER, info, PASSWORD.encode())]
            )
            asked[USER].result(30)

    def url(self, listener: str) -> str:
        return f"kafka://localhost:{self._ports[listener]}"

    def close(self) -> None:
        run_services("clean", self._directory)


class EncryptedPostgres:
    """A server that takes no connection without TLS. Its certificate names localhost alone."""

    def __init__(self, directory: Path, authority: Authority) -> None:
        self._directory = directory
        exported = run_services("start", directory, "postgres")
        found = re.search(r"ORDERFLOW_TEST_POSTGRES_URL=(\S+)", exported)
        assert found is not None
        self._plain = urlsplit(found[1].strip("'"))
        with psycopg.connect(self._plain.geturl()) as server:
            with_tls = server.execute("SHOW ssl_library").fetchone() != ("",)
        if not with_tls:
            self.close()
            missing("postgres", "the one from the wheel has no TLS; install Debian's package postgresql")
        with psycopg.connect(self._plain.geturl(), autocommit=True) as server:
            row = server.execute("SHOW data_directory").fetchone()
            assert row is not None
            self._data = Path(row[0])
            self.show(authority.issue("localhost"))
            for name, value in (("ssl", "on"), ("ssl_cert_file", "own.crt"), ("ssl_key_file", "own.key")):
                server.execute(sql.SQL("ALTER SYSTEM SET {} = {}").format(sql.Identifier(name), value))
            (self._data / "pg_hba.conf").write_text("hostssl all all 127.0.0.1/32 scram-sha-256\n")
            server.execute("SELECT pg_reload_conf()")

    def show(self, identity: Identity) -> None:
        """From the next reload on, this is the server's certificate."""
        for name, file in (("own.crt", identity.cert), ("own.key", identity.key)):
            own = self._data / name
            own.write_bytes(file.read_bytes())
            own.chmod(0o600)
            shutil.chown(own, self._data.owner(), self._data.group())

    def reload(self, authority: Authority) -> None:
        with psycopg.connect(self.url("postgres", authority), autocommit=True) as server:
            server.execute("SELECT pg_reload_conf()")

    def url(
        self, database: str, authority: Authority, *, host: str = "localhost", mode: str = "verify-full"
    ) -> str:
        where = f"{self._plain.username}:{self._plain.password}@{host}:{self._plain.port}"
        return f"postgresql://{where}/{database}?sslmode={mode}&sslrootcert={authority.file}"

    def close(self) -> None:
        run_services("clean", self._directory)
