"""Makes what is missing of the secrets of compose.yaml: passwords, keys of our own services, certificates.

    python make_secrets.py DIRECTORY [NAME…]

DIRECTORY has one directory for each reader, and each is a volume of its own. Passwords stay as they are,
because PostgreSQL keeps those that it was made with. A certificate is made anew if it would expire within
RENEW_DAYS or has other names than it should; each NAME is one more host name or address of the published
services. The authority's key is where nobody else reads it.
"""

import ipaddress
import os
import secrets
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_DAYS = 3650
CERTIFICATE_DAYS = 825
"""Longer ones are refused by Apple's clients."""
RENEW_DAYS = 60
CLOCKS_DIFFER = timedelta(hours=1)

LOCAL = ("localhost", "127.0.0.1", "::1")
PUBLISHED = {"orders": ("api", "relay"), "fulfillment": ("fulfillment",)}
INTERNAL = {
    "kafka": ("kafka",),
    "postgres": ("postgres",),
    "carrier": ("carrier-sim",),
    "payments": ("payment-sim",),
    "migrate": ("migrate",),
}
OBSERVERS = {"prometheus": ("prometheus",), "grafana": ("grafana",), "jaeger": ("jaeger",), "loki": ("loki",)}
"""Without compose.observability.yaml their directories are not there, and nothing is made for them."""
SERVERS_ONLY = ("postgres", "carrier", "payments", *OBSERVERS)
"""Their certificates are none for clients: Kafka lets in whoever has one of those."""


DATABASE_URLS = {
    "postgres": "postgresql://{name}:{password}@postgres:5432/{name}"
    "?sslmode=verify-full&sslrootcert=/run/secrets/ca.pem\n",
    # SQL Server asks a password for three kinds of characters, and encrypts with a certificate of its own.
    "sqlserver": "mssql://{name}:A-{password}@sqlserver:1433/{name}?trustServerCertificate=yes\n",
}
"""By ORDERFLOW_DATABASE_SERVER."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    def pem(self) -> bytes:
        """Both, in one file: one without the other is of no use."""
        key = self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return key + certificate_pem(self.certificate)


def certificate_pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def write(file: Path, content: bytes, mode: int = 0o644) -> None:
    """The file is whole or not there. Who may read it is up to its volume."""
    new = file.with_name(f"{file.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as written:
        written.write(content)
        os.fchmod(written.fileno(), mode)
    new.rename(file)


def kept(file: Path, made: str) -> str:
    """What the file has; if it is missing or empty, it gets what was made."""
    if not file.is_file() or not file.read_text().strip():
        write(file, f"{made}\n".encode())
    return file.read_text().strip()


def read(file: Path) -> Identity | None:
    """None if the file is missing or has no certificate with its key."""
    try:
        content = file.read_bytes()
        certificate = x509.load_pem_x509_certificate(content)
        key = serialization.load_pem_private_key(content, None)
    except (FileNotFoundError, ValueError):
        return None
    return Identity(certificate, key) if isinstance(key, ec.EllipticCurvePrivateKey) else None


def lasts(identity: Identity, days: int) -> bool:
    return identity.certificate.not_valid_after_utc > datetime.now(UTC) + timedelta(days=days)


def general_names(names: Sequence[str]) -> list[x509.GeneralName]:
    """Raises ValueError for what is no name."""
    found: list[x509.GeneralName] = []
    for name in names:
        try:
            found.append(x509.IPAddress(ipaddress.ip_address(name)))
        except ValueError:
            found.append(x509.DNSName(name))
    return found


def sign(
    subject: str, days: int, extensions: Sequence[tuple[x509.ExtensionType, bool]], signer: Identity | None
) -> Identity:
    """A new key with a certificate by the signer, or by itself. Each extension is beside whether it is
    critical."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    signing_key = signer.key if signer else key
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(signer.certificate.subject if signer else name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCKS_DIFFER)
        .not_valid_after(now - CLOCKS_DIFFER + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key()), critical=False
        )
    )
    for extension, is_critical in extensions:
        builder = builder.add_extension(extension, critical=is_critical)
    return Identity(builder.sign(signing_key, hashes.SHA256()), key)


def usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def authority(directory: Path) -> Identity:
    """The authority, which is made anew when what it signs would outlast it."""
    found = read(directory / "authority.pem")
    if found is not None and lasts(found, CERTIFICATE_DAYS):
        return found
    extensions = [
        (x509.BasicConstraints(ca=True, path_length=0), True),
        (usage(signs_certificates=True), True),
    ]
    made = sign("Orderflow's own authority", AUTHORITY_DAYS, extensions, None)
    write(directory / "authority.pem", made.pem(), 0o600)
    return made


def is_right(identity: Identity | None, signer: Identity, names: list[x509.GeneralName]) -> bool:
    if identity is None or not lasts(identity, RENEW_DAYS):
        return False
    try:
        identity.certificate.verify_directly_issued_by(signer.certificate)
    except (InvalidSignature, ValueError):
        return False
    found = identity.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return identity.key.public_key() == identity.certificate.public_key() and list(found.value) == names


def make_certificates(root: Path, published_names: Sequence[str]) -> None:
    """`tls.pem` and `ca.pem` for each reader. Raises ValueError for a name that none can have."""
    signer = authority(root / "authority")
    published = {reader: (*names, *LOCAL, *published_names) for reader, names in PUBLISHED.items()}
    observers = {reader: names for reader, names in OBSERVERS.items() if (root / reader).is_dir()}
    internal = {reader: (*names, *LOCAL) for reader, names in (INTERNAL | observers).items()}
    for reader, names in (published | internal).items():
        write(root / reader / "ca.pem", certificate_pem(signer.certificate))
        wanted = general_names(tuple(dict.fromkeys(names)))
        if is_right(read(root / reader / "tls.pem"), signer, wanted):
            continue
        purposes = [ExtendedKeyUsageOID.SERVER_AUTH]
        if reader not in SERVERS_ONLY:
            purposes.append(ExtendedKeyUsageOID.CLIENT_AUTH)
        extensions = [
            (x509.BasicConstraints(ca=False, path_length=None), True),
            (usage(signs_certificates=False), True),
            (x509.ExtendedKeyUsage(purposes), False),
            (x509.SubjectAlternativeName(wanted), False),
        ]
        write(root / reader / "tls.pem", sign(names[0], CERTIFICATE_DAYS, extensions, signer).pem())


def make_passwords(root: Path) -> None:
    for name in ("superuser", "orders", "fulfillment"):
        kept(root / "postgres" / name, secrets.token_hex(24))
    # The key with which the workers report to the Order Service; `keys create` stores it in the databases.
    key = kept(root / "migrate" / "orderflow_api_key", new_key())
    write(root / "fulfillment" / "orderflow_api_key", f"{key}\n".encode())
    for service, setting in (
        ("orders", "orderflow_database_url"),
        ("fulfillment", "orderflow_fulfillment_database_url"),
    ):
        password = (root / "postgres" / service).read_text().strip()
        url = DATABASE_URLS[os.environ.get("ORDERFLOW_DATABASE_SERVER", "postgres")]
        for reader in (service, "migrate"):
            write(
                root / reader / setting, url.format(name=f"orderflow_{service}", password=password).encode()
            )


def make_secrets_of_observers(root: Path) -> None:
    """Prometheus' key, which `keys create` stores in the databases, and the password of Grafana's admin."""
    if (root / "prometheus").is_dir():
        key = kept(root / "migrate" / "scrape_key", new_key())
        write(root / "prometheus" / "scrape_key", f"{key}\n".encode())
    if (root / "grafana").is_dir():
        kept(root / "grafana" / "admin_password", secrets.token_urlsafe(24))


def new_key() -> str:
    """An API key as `keys create` makes them."""
    return f"of_{secrets.token_hex(5)}_{secrets.token_urlsafe(32)}"


def main(directory: str, *published_names: str) -> str | None:
    """The text of an error, if there is one."""
    make_passwords(Path(directory))
    make_secrets_of_observers(Path(directory))
    try:
        make_certificates(Path(directory), published_names)
    except ValueError as error:
        return f"ORDERFLOW_PUBLISH_NAMES: {' '.join(published_names)}: {error}"
    return None


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
