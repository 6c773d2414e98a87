"""A certificate authority for one test, and what it signs, in files."""

import itertools
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme

LOCAL = ("localhost", "127.0.0.1")


@dataclass(frozen=True, slots=True)
class Identity:
    """A certificate and its key."""

    cert: Path
    key: Path


class Authority:
    """Signs certificates for servers and clients alike."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._authority = trustme.CA()
        self._numbers = itertools.count()
        self.file = directory / "ca.pem"
        self._authority.cert_pem.write_to_path(str(self.file))

    def issue(self, *names: str, expired: bool = False, days_left: int | None = None) -> Identity:
        """A new identity with these host names and addresses, by default this machine's."""
        end = None if days_left is None else datetime.now(UTC) + timedelta(days=days_left, hours=1)
        if expired:
            end = datetime.now(UTC) - timedelta(minutes=1)
        issued = self._authority.issue_cert(*(names or LOCAL), not_after=end)
        number = next(self._numbers)
        identity = Identity(self._directory / f"{number}.crt", self._directory / f"{number}.key")
        for part in issued.cert_chain_pems:
            part.write_to_path(str(identity.cert), append=True)
        issued.private_key_pem.write_to_path(str(identity.key))
        return identity

    def client(self, identity: Identity | None = None) -> ssl.SSLContext:
        """A client that trusts this authority alone."""
        context = ssl.create_default_context(cafile=str(self.file))
        if identity is not None:
            context.load_cert_chain(identity.cert, identity.key)
        return context
