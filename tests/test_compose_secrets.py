"""What the service `secrets` of compose.yaml makes, and what it makes anew."""

import shutil
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tests.compose_secrets import READERS, make_secrets, run

NAMES = {
    "orders": "api",
    "fulfillment": "fulfillment",
    "postgres": "postgres",
    "kafka": "kafka",
    "carrier": "carrier-sim",
    "payments": "payment-sim",
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_secrets(tmp_path_factory.mktemp("made"))


@pytest.fixture
def secrets(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "secrets"))


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The secrets of another stack."""
    return make_secrets(tmp_path_factory.mktemp("others"))


def contents(root: Path) -> dict[str, bytes]:
    return {str(file.relative_to(root)): file.read_bytes() for file in root.rglob("*") if file.is_file()}


def changed(root: Path, before: dict[str, bytes]) -> set[str]:
    after = contents(root)
    assert after.keys() == before.keys()
    return {name for name, content in after.items() if content != before[name]}


def handshake(server: Path, client: Path, host: str) -> None:
    """TLS between two readers, in memory. Raises SSLError if one refuses the other."""
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(server / "ca.pem"))
    serving.load_cert_chain(server / "tls.pem")
    serving.verify_mode = ssl.CERT_REQUIRED
    calling = ssl.create_default_context(cafile=str(client / "ca.pem"))
    calling.verify_flags |= ssl.VERIFY_X509_STRICT
    calling.load_cert_chain(client / "tls.pem")
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = [
        calling.wrap_bio(to_client, to_server, server_hostname=host),
        serving.wrap_bio(to_server, to_client, server_side=True),
    ]
    for _ in range(4):
        for side in sides:
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    assert all(side.version() for side in sides)


@pytest.mark.parametrize("server", NAMES)
def test_each_server_is_known_by_its_name_and_on_its_own_machine(server: str, secrets: Path) -> None:
    for host in (NAMES[server], "localhost", "127.0.0.1"):
        handshake(secrets / server, secrets / "orders", host)
    with pytest.raises(ssl.SSLCertVerificationError, match="not valid for 'elsewhere'"):
        handshake(secrets / server, secrets / "orders", "elsewhere")


@pytest.mark.parametrize("client", ["carrier", "payments", "postgres"])
def test_the_certificates_of_others_do_not_let_them_into_kafka(client: str, secrets: Path) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="purpose"):
        handshake(secrets / "kafka", secrets / client, "kafka")


def test_another_authority_is_not_trusted(secrets: Path, others: Path) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(others / "orders", secrets / "fulfillment", "api")


def test_a_second_start_changes_nothing(secrets: Path) -> None:
    before = contents(secrets)
    make_secrets(secrets)
    assert changed(secrets, before) == set()
    assert len({(secrets / reader / "tls.pem").read_bytes() for reader in READERS}) == len(READERS)


def test_published_names_are_in_the_certificates_of_what_is_published_alone(secrets: Path) -> None:
    before = contents(secrets)
    make_secrets(secrets, "orders.example.com", "192.0.2.7")
    assert changed(secrets, before) == {"orders/tls.pem", "fulfillment/tls.pem"}
    for host in ("orders.example.com", "192.0.2.7", "api"):
        handshake(secrets / "orders", secrets / "fulfillment", host)


def test_a_name_that_none_can_have_is_refused_with_the_variable(tmp_path: Path) -> None:
    done = run(tmp_path, "bücher.example")
    assert done.returncode == 1
    assert done.stderr.startswith("ORDERFLOW_PUBLISH_NAMES: bücher.example: ")
    assert "Traceback" not in done.stderr


def test_a_file_that_is_missing_or_broken_is_made_anew_and_nothing_else(secrets: Path) -> None:
    before = contents(secrets)
    (secrets / "orders" / "tls.pem").unlink()
    (secrets / "kafka" / "tls.pem").write_bytes(before["kafka/tls.pem"][:300])
    (secrets / "carrier" / "tls.pem").write_bytes(b"")
    make_secrets(secrets)
    assert changed(secrets, before) == {"orders/tls.pem", "kafka/tls.pem", "carrier/tls.pem"}
    handshake(secrets / "kafka", secrets / "orders", "kafka")


@pytest.mark.parametrize(("days_left", "renewed"), [(30, True), (90, False)])
def test_a_certificate_is_renewed_before_it_expires(days_left: int, renewed: bool, secrets: Path) -> None:
    file = secrets / "orders" / "tls.pem"
    file.write_bytes(reissued(file, secrets / "authority" / "authority.pem", days_left))
    before = contents(secrets)
    make_secrets(secrets)
    assert changed(secrets, before) == ({"orders/tls.pem"} if renewed else set())


def test_a_new_authority_makes_all_certificates_new(secrets: Path) -> None:
    before = contents(secrets)
    (secrets / "authority" / "authority.pem").unlink()
    make_secrets(secrets)
    certificates = {f"{reader}/{name}.pem" for reader in READERS for name in ("ca", "tls")}
    assert changed(secrets, before) == {"authority/authority.pem", *certificates}


def test_passwords_are_random_and_nobody_else_reads_the_authoritys_key(secrets: Path, others: Path) -> None:
    for name in ("postgres/superuser", "postgres/orders", "migrate/orderflow_api_key"):
        assert (secrets / name).read_text() != (others / name).read_text()
    assert (secrets / "authority" / "authority.pem").stat().st_mode & 0o077 == 0
    key = serialization.load_pem_private_key((secrets / "authority" / "authority.pem").read_bytes(), None)
    written = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    assert [name for name, content in contents(secrets).items() if written in content] == [
        "authority/authority.pem"
    ]


def reissued(file: Path, authority: Path, days_left: int) -> bytes:
    """The same certificate, but with another end."""
    old = x509.load_pem_x509_certificate(file.read_bytes())
    signing_key = serialization.load_pem_private_key(authority.read_bytes(), None)
    assert isinstance(signing_key, ec.EllipticCurvePrivateKey)
    builder = (
        x509.CertificateBuilder(old.issuer, old.subject, old.public_key(), old.serial_number)
        .not_valid_before(old.not_valid_before_utc)
        .not_valid_after(datetime.now(UTC) + timedelta(days=days_left))
    )
    for extension in old.extensions:
        builder = builder.add_extension(extension.value, critical=extension.critical)
    renewed = builder.sign(signing_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    key = file.read_bytes().partition(b"-----BEGIN CERTIFICATE")[0]
    return key + renewed
