"""TLS: the certificate by which others know us, and the authorities by which we know others. All files are
PEM.

A context is made anew when its files have changed, so a renewed certificate needs no restart. TLS 1.2 is the
oldest version, and there is no way to turn the verification of certificates and host names off.
"""

import ssl
import stat
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Literal

import structlog

from orderflow.runtime.health import Health
from orderflow.runtime.loop import ThreadLoop
from orderflow.runtime.settings_error import SettingsError

LOOK_PAUSE_S = 2.0
EXPIRES_SOON = timedelta(days=30)
WARN_PAUSE_S = 86_400.0
"""How often the log repeats that a certificate expires soon."""
PART = "tls-certificate"
"""The part that health names as degraded while renewed files cannot be used."""

CERT, KEY, CLIENT_CA, CA = (f"ORDERFLOW_{name}" for name in ("TLS_CERT", "TLS_KEY", "TLS_CLIENT_CA", "CA"))

log = structlog.get_logger()

Stamps = tuple[tuple[int, int, int] | None, ...]


class _FromFiles:
    """A context that is made of files, and made anew once they have changed."""

    def __init__(self, make: Callable[[], ssl.SSLContext], files: Sequence[Path]) -> None:
        """Raises what `make` raises."""
        self._make = make
        self._files = files
        self._made_of = self._seen = self._stamps()
        self.context = make()

    def look(self) -> bool:
        """Make the context anew if the files have changed, but not since the last look: certificate and key
        are often written one after the other. Returns whether the context is made of the files as they are.
        Raises SettingsError if they cannot be used; then the old context stays."""
        stamps = self._stamps()
        is_settled, self._seen = stamps == self._seen, stamps
        if is_settled and stamps != self._made_of:
            self.context = self._make()
            self._made_of = stamps
            log.info("tls.renewed", files=[str(file) for file in self._files])
        return stamps == self._made_of

    def _stamps(self) -> Stamps:
        return tuple(_stamp(file) for file in self._files)


class ServerTls:
    """How the clients of a listener see us: `context` is for the listener, and each handshake uses the newest
    certificate. With `client_ca`, a client needs a certificate that one of those authorities has signed."""

    def __init__(self, cert: Path, key: Path, client_ca: Path | None = None) -> None:
        """Raises SettingsError, which names the variable."""
        self.cert = cert
        make = partial(_server_context, cert, key, client_ca)
        self._newest = _FromFiles(make, [cert, key, *([client_ca] if client_ca else [])])
        self.context = self._newest.context
        self.context.sni_callback = self._begin

    def _begin(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        # OpenSSL calls this for every handshake, also if the client names no host.
        connection.context = self._newest.context

    @property
    def newest(self) -> ssl.SSLContext:
        """What the next handshake uses; another one after each renewal."""
        return self._newest.context

    def look(self) -> bool:
        """Take up files that were renewed before the last look. Returns whether the newest are in use. Raises
        SettingsError if they cannot be used; then the old ones stay."""
        return self._newest.look()


class ClientTls:
    """How we call others by HTTPS.

    We trust the authorities in `ca` and no others; without it, those of the system. Where we are asked for a
    certificate of our own, it is `cert`.
    """

    def __init__(
        self,
        ca: Path | None = None,
        cert: Path | None = None,
        key: Path | None = None,
        *,
        variables: tuple[str, str, str] = (CA, CERT, KEY),
    ) -> None:
        """Raises SettingsError, which names the variable of a file that cannot be used."""
        files = [file for file in (ca, cert, key) if file is not None]
        make = partial(_client_context, ca, cert, key, variables)
        self._newest = _FromFiles(make, files) if files else None
        self._look_at_s = 0.0

    @property
    def context(self) -> ssl.SSLContext | Literal[True]:
        """What aiohttp takes for `ssl`; True stands for its default, which trusts the system's authorities.
        Files are looked at every LOOK_PAUSE_S; if renewed ones cannot be used, the log says so."""
        if self._newest is None:
            return True
        if (now_s := time.monotonic()) >= self._look_at_s:
            self._look_at_s = now_s + LOOK_PAUSE_S
            try:
                self._newest.look()
            except SettingsError as error:
                log.error("tls.not_renewed", reason=str(error))
        return self._newest.context


class CertificateKeeper:
    """Takes up renewed files of a listener as long as we run. It reports files that cannot be used to health,
    as the part `tls-certificate`. If the certificate expires soon, the log says so: at start, after each
    renewal and once a day. `clock` gives the time in UTC."""

    def __init__(
        self,
        tls: ServerTls,
        *,
        health: Health,
        pause_s: float = LOOK_PAUSE_S,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._tls = tls
        self._health = health
        self._clock = clock
        self._dated: ssl.SSLContext | None = None
        self._date_at = datetime.max.replace(tzinfo=UTC)
        self._loop = ThreadLoop(
            "certificate-keeper",
            self.run_once,
            health=health,
            pause_s=lambda: pause_s,
            on_failure="try again",
        )

    def start(self) -> None:
        self._loop.start()

    def close(self) -> None:
        self._loop.stop()

    def run_once(self) -> None:
        try:
            if self._tls.look():
                self._health.recovered(PART)
        except SettingsError as error:
            self._health.trouble(PART, f"the renewed files cannot be used, so the old ones stay: {error}")
        now = self._clock()
        if self._tls.newest is not self._dated or now >= self._date_at:
            self._dated, self._date_at = self._tls.newest, now + timedelta(seconds=WARN_PAUSE_S)
            if (until := expires_soon(self._tls.cert, now)) is not None:
                log.warning(
                    "tls.expires_soon",
                    file=str(self._tls.cert),
                    expires_at=until.isoformat(),
                    days_left=(until - now).days,
                )


def expires_soon(file: Path, now: datetime) -> datetime | None:
    """When the certificate, or one between it and its authority, expires, if that is within EXPIRES_SOON or
    has happened; None otherwise, and for a file that cannot be read any more."""
    # It takes longer to import than `orderflow version` may.
    from cryptography import x509

    try:
        ends = [each.not_valid_after_utc for each in x509.load_pem_x509_certificates(file.read_bytes())]
    except (OSError, ValueError):
        return None
    soonest = min(ends)
    return soonest if soonest < now + EXPIRES_SOON else None


def tls_trouble(error: BaseException | None) -> str | None:
    """Why a call by HTTPS found no agreement, and what to do; None if the error is about something else."""
    # aiohttp's own errors are SSLErrors too, but without a reason.
    while error is not None and not (isinstance(error, ssl.SSLError) and getattr(error, "reason", None)):
        error = error.__cause__ or error.__context__
    if error is None:
        return None
    if isinstance(error, ssl.SSLCertVerificationError):
        return _distrust(error)
    reason = str(error.reason)
    if reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"):
        return "it does not speak TLS: call it by http://, or set up TLS there"
    if "CERTIFICATE" in reason or reason.endswith("UNKNOWN_CA"):
        return f"it wants a client certificate that it trusts: set {CERT} and {KEY} to one"
    if "PROTOCOL_VERSION" in reason or reason == "UNSUPPORTED_PROTOCOL":
        return "it speaks only versions of TLS before 1.2: upgrade it"
    return f"no TLS connection: {reason}"


def _distrust(error: ssl.SSLCertVerificationError) -> str:
    said = error.verify_message.rstrip(".")
    if error.verify_code in (62, 64):  # X509_V_ERR_HOSTNAME_MISMATCH, …IP_ADDRESS_MISMATCH
        return f"{said}: call it by a name in its certificate, or give it one with this name"
    if error.verify_code in (9, 10):  # X509_V_ERR_CERT_NOT_YET_VALID, …HAS_EXPIRED
        return f"{said}: renew its certificate, or set the clocks"
    return f"its certificate is not trusted ({said}): put the certificate of its authority into {CA}"


def _server_context(cert: Path, key: Path, client_ca: Path | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    _load_identity(context, cert, key)
    if client_ca is not None:
        _load_authorities(context, client_ca, CLIENT_CA)
        context.verify_mode = ssl.CERT_REQUIRED
        # A resumed session would not ask for the certificate again.
        context.options |= ssl.OP_NO_TICKET
        context.num_tickets = 0
    return context


def _client_context(
    ca: Path | None, cert: Path | None, key: Path | None, variables: tuple[str, str, str]
) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # verifies certificates and host names
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if ca is None:
        context.load_default_certs()
    else:
        _load_authorities(context, ca, variables[0])
    if cert is not None and key is not None:
        _load_identity(context, cert, key, variables[1:])
    return context


def _load_identity(
    context: ssl.SSLContext, cert: Path, key: Path, variables: tuple[str, str] = (CERT, KEY)
) -> None:
    cert_variable, key_variable = variables
    _require_readable(cert_variable, cert)
    _require_readable(key_variable, key)
    try:
        # Without a password, OpenSSL would ask the terminal for one.
        context.load_cert_chain(cert, key, password=_no_password)
    except _NeedsPassword:
        raise SettingsError(f"{key_variable}: {key} is encrypted: write it without a password") from None
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise SettingsError(
                f"{key_variable}: {key} is not the key of the certificate in {cert}"
            ) from None
        why = error.reason or "nothing found"
        raise SettingsError(
            f"{cert_variable}, {key_variable}: {cert} or {key} is no PEM file with a certificate or a key "
            f"({why})"
        ) from None


def _load_authorities(context: ssl.SSLContext, file: Path, variable: str) -> None:
    _require_readable(variable, file)
    try:
        context.load_verify_locations(file)
    except ssl.SSLError as error:
        why = error.reason or "nothing found"
        raise SettingsError(f"{variable}: {file} is no PEM file with certificates ({why})") from None


def require_readable(file: Path) -> None:
    """Raises SettingsError without a variable."""
    try:
        # A pipe would be waited for.
        why = None if stat.S_ISREG(file.stat().st_mode) else "it is no file"
        if why is None:
            with file.open("rb"):
                pass
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
    if why is not None:
        raise SettingsError(f"{file} cannot be read: {why}")


def _require_readable(variable: str, file: Path) -> None:
    try:
        require_readable(file)
    except SettingsError as error:
        raise SettingsError(f"{variable}: {error}") from None


class _NeedsPassword(Exception):
    """The key is encrypted."""


def _no_password() -> str:
    raise _NeedsPassword


def _stamp(file: Path) -> tuple[int, int, int] | None:
    """What changes when a file is written or replaced; None if it is not there."""
    try:
        found = file.stat()
    except (OSError, ValueError):
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size
