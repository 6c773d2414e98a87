"""Listeners that speak HTTPS: who is let in, renewed certificates, and the same bounds as without TLS."""

import http.client
import json
import socket
import ssl
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from tests.authority import Authority, Identity
from tests.orders.conftest import ORDER, Service, eventually
from tests.web.conftest import Listen, health_api, in_thread, metrics_api

from orderflow.runtime.health import Health
from orderflow.runtime.settings_error import SettingsError
from orderflow.runtime.tls import PART, CertificateKeeper, ServerTls
from orderflow.web.deadlines import Limits
from orderflow.web.health import create_health_app
from orderflow.web.server import bind, serving

LIVE = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"
HASTY = Limits(handshake_s=0.3, head_s=0.3, body_s=0.3, idle_s=0.3, reading_s=0.3)
WAIT_S = 3.0


@pytest.fixture
def identity(authority: Authority) -> Identity:
    return authority.issue()


@pytest.fixture
def tls(identity: Identity) -> ServerTls:
    return ServerTls(identity.cert, identity.key)


def connected(port: int, client: ssl.SSLContext) -> ssl.SSLSocket:
    plain = socket.create_connection(("127.0.0.1", port), timeout=10)
    try:
        return client.wrap_socket(plain, server_hostname="localhost")
    except BaseException:
        plain.close()
        raise


def status(connection: socket.socket, request: bytes = LIVE) -> int | None:
    """The status of the answer; None if the connection ended without one."""
    connection.sendall(request)
    answer = connection.recv(1 << 16)
    return int(answer.split(b" ")[1]) if answer else None


def ask(port: int, client: ssl.SSLContext) -> int | None:
    with connected(port, client) as connection:
        return status(connection)


def answered(port: int, client: ssl.SSLContext, session: ssl.SSLSession | None = None) -> int | None:
    """As `ask`; None also if the server refuses the client."""
    with (
        suppress(ssl.SSLError, ConnectionError),
        socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
        client.wrap_socket(plain, server_hostname="localhost", session=session) as connection,
    ):
        return status(connection)
    return None


def serial(port: int, client: ssl.SSLContext) -> object:
    """Which certificate the server shows."""
    with connected(port, client) as connection:
        return (connection.getpeercert() or {})["serialNumber"]


def write(identity: Identity, other: Identity) -> None:
    """Renew `identity` as `other`, as tools do it: a new file in the old one's place."""
    for old, new in ((identity.cert, other.cert), (identity.key, other.key)):
        part = old.with_suffix(".part")
        part.write_bytes(new.read_bytes())
        part.replace(old)


def look_twice(tls: ServerTls) -> None:
    """New files are taken up when two looks find them unchanged."""
    tls.look()
    tls.look()


# Who is let in


def test_orders_are_placed_by_https_on_both_ways(
    tmp_path: Path, authority: Authority, tls: ServerTls
) -> None:
    service = Service(f"sqlite:///{tmp_path / 'orders.db'}", tls=tls)
    try:
        connection = http.client.HTTPSConnection("localhost", service.port, context=authority.client())
        for body in (ORDER, {**ORDER, "customer": {"customerId": "c", "name": "é" * 50}}):
            connection.request("POST", "/api/orders", json.dumps(body), {"content-type": "application/json"})
            answer = connection.getresponse()
            assert answer.status == 201
            document = json.loads(answer.read())
        connection.request("GET", f"/api/orders/{document['orderId']}")
        assert json.loads(connection.getresponse().read()) == document
        connection.close()
        assert True in service.taken
    finally:
        service.close()


def test_a_client_with_another_authority_ends_the_handshake(
    tmp_path: Path, listen: Listen, tls: ServerTls
) -> None:
    port = listen(tls)
    with pytest.raises(ssl.SSLCertVerificationError):
        ask(port, Authority(tmp_path / "other").client())


def test_a_client_without_tls_gets_no_answer(authority: Authority, listen: Listen, tls: ServerTls) -> None:
    port = listen(tls)
    with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
        plain.sendall(LIVE)
        with suppress(ConnectionResetError):
            assert b"HTTP" not in plain.recv(1 << 16)
    assert ask(port, authority.client()) == 200


def test_a_version_before_1_2_is_refused(authority: Authority, listen: Listen, tls: ServerTls) -> None:
    port = listen(tls)
    old = authority.client()
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionError)):
        ask(port, old)
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        client = authority.client()
        client.minimum_version = client.maximum_version = version
        assert ask(port, client) == 200


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_with_a_client_authority_only_its_clients_are_let_in(
    tmp_path: Path, authority: Authority, identity: Identity, listen: Listen, version: ssl.TLSVersion
) -> None:
    port = listen(ServerTls(identity.cert, identity.key, authority.file))
    stranger = Authority(tmp_path / "other").issue("somebody")
    for known, expected in (
        (authority.issue("somebody"), 200),
        (stranger, None),
        (authority.issue("somebody", expired=True), None),
        (None, None),
    ):
        client = authority.client(known)
        client.minimum_version = client.maximum_version = version
        assert answered(port, client) == expected


# Renewal


def test_a_renewed_certificate_is_shown_to_new_clients_and_old_connections_go_on(
    authority: Authority, identity: Identity, listen: Listen, tls: ServerTls
) -> None:
    port = listen(tls)
    client = authority.client()
    with connected(port, client) as old:
        before = serial(port, client)
        write(identity, authority.issue())
        look_twice(tls)
        assert serial(port, client) != before
        assert status(old) == 200


def test_a_certificate_is_not_taken_up_before_its_key(authority: Authority, identity: Identity) -> None:
    tls = ServerTls(identity.cert, identity.key)
    renewed = authority.issue()
    identity.cert.write_bytes(renewed.cert.read_bytes())
    tls.look()  # between the two files
    identity.key.write_bytes(renewed.key.read_bytes())
    look_twice(tls)


@pytest.mark.parametrize("broken", ["cert", "key", "gone"])
def test_files_that_cannot_be_used_are_degraded_and_the_old_ones_stay(
    authority: Authority, identity: Identity, listen: Listen, tls: ServerTls, broken: str
) -> None:
    health = Health()
    keeper = CertificateKeeper(tls, health=health, pause_s=0.01)
    port = listen(tls)
    client = authority.client()
    before = serial(port, client)
    keeper.start()
    try:
        if broken == "gone":
            identity.key.unlink()
        else:
            (identity.cert if broken == "cert" else identity.key).write_text("no PEM")
        eventually(lambda: health.is_degraded(PART))
        assert "ORDERFLOW_TLS" in health.degraded()[0].reason
        assert serial(port, client) == before
        write(identity, authority.issue())
        eventually(lambda: not health.is_degraded(PART))
        assert serial(port, client) != before
    finally:
        keeper.close()


def test_a_client_of_a_former_authority_is_no_longer_let_in(
    tmp_path: Path, authority: Authority, identity: Identity, listen: Listen
) -> None:
    client_ca = tmp_path / "clients.pem"
    former, new = Authority(tmp_path / "former"), Authority(tmp_path / "new")
    client_ca.write_bytes(former.file.read_bytes())
    tls = ServerTls(identity.cert, identity.key, client_ca)
    port = listen(tls)
    client = authority.client(former.issue("somebody"))
    with connected(port, client) as connection:
        assert status(connection) == 200
        session = connection.session
    client_ca.write_bytes(new.file.read_bytes())
    look_twice(tls)
    assert session is None or answered(port, client, session) is None
    assert answered(port, client) is None
    assert ask(port, authority.client(new.issue("somebody"))) == 200


def any_ended(running: Sequence[Future[int]]) -> bool:
    return any(each.done() for each in running)


def test_renewal_under_load_loses_no_request(
    authority: Authority, identity: Identity, listen: Listen, tls: ServerTls
) -> None:
    """Some clients keep their connection, others connect anew for each request."""
    keeper = CertificateKeeper(tls, health=Health(), pause_s=0.005)
    port = listen(tls)
    client = authority.client()
    stop = threading.Event()
    shown: set[object] = set()

    def connect_again_and_again() -> int:
        count = 0
        while not stop.is_set():
            with connected(port, client) as connection:
                shown.add((connection.getpeercert() or {})["serialNumber"])
                assert status(connection) == 200
            count += 1
        return count

    def stay() -> int:
        count = 0
        with connected(port, client) as connection:
            while not stop.is_set():
                assert status(connection) == 200
                count += 1
        return count

    renewed = [authority.issue() for _ in range(20)]
    keeper.start()
    try:
        with ThreadPoolExecutor(4) as clients:
            running = [clients.submit(job) for job in (connect_again_and_again, stay) for _ in range(2)]
            try:
                for number, each in enumerate(renewed):
                    write(identity, each)
                    eventually(lambda enough=number + 1: len(shown) > enough or any_ended(running))
            finally:
                stop.set()
            counts = [each.result() for each in running]
    finally:
        keeper.close()
    assert all(counts)
    assert len(shown) == len(renewed) + 1


# Bounds


def send_without_end(connection: socket.socket) -> None:
    for _ in range(100_000):
        connection.sendall(LIVE * 100)


def test_a_client_that_never_begins_the_handshake_is_cut_off(listen: Listen, tls: ServerTls) -> None:
    port = listen(tls, HASTY)
    for begun in (b"", b"\x16\x03\x01"):
        with socket.create_connection(("127.0.0.1", port), timeout=WAIT_S) as plain:
            plain.sendall(begun)
            with suppress(ConnectionResetError):
                assert plain.recv(1 << 16) == b""


@pytest.mark.parametrize(
    ("begun", "expected"),
    [
        (b"", 408),
        (b"GET /hea", 408),
        (b"POST /health/live HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{", 405),
        (LIVE, 200),
    ],
)
def test_head_body_and_idle_connections_have_their_time(
    authority: Authority, listen: Listen, tls: ServerTls, begun: bytes, expected: int
) -> None:
    port = listen(tls, HASTY)
    with connected(port, authority.client()) as connection:
        connection.settimeout(WAIT_S)
        assert status(connection, begun) == expected
        assert connection.recv(1 << 16) == b""


def test_a_client_that_does_not_read_is_cut_off(authority: Authority, listen: Listen, tls: ServerTls) -> None:
    port = listen(tls, HASTY)
    with connected(port, authority.client()) as connection:
        connection.settimeout(10)
        with pytest.raises((ssl.SSLError, ConnectionError)):
            send_without_end(connection)


def test_a_head_is_bounded_in_bytes(authority: Authority, listen: Listen, tls: ServerTls) -> None:
    port = listen(tls)
    with connected(port, authority.client()) as connection:
        assert status(connection, b"GET /health/live HTTP/1.1\r\nHost: x\r\nX: %b" % (b"x" * 70_000)) == 431


def test_the_server_ends_in_time_although_an_idle_client_does_not_look(
    authority: Authority, tls: ServerTls
) -> None:
    with bind("127.0.0.1", 0, "port") as listener:
        port = listener.getsockname()[1]
        app = create_health_app(health_api(), metrics_api())
        limits = Limits(closing_s=0.2)
        with in_thread(lambda: serving(app, listener, limits=limits, tls=tls, drain_s=30)):
            connection = connected(port, authority.client())
            assert status(connection) == 200
            began = time.monotonic()
        assert time.monotonic() - began < 10
        connection.close()


# Files that cannot be used at the start


def test_a_missing_file_is_named_with_its_variable(tmp_path: Path, identity: Identity) -> None:
    absent = tmp_path / "absent"
    for arguments, variable in (
        ((absent, identity.key), "ORDERFLOW_TLS_CERT"),
        ((identity.cert, absent), "ORDERFLOW_TLS_KEY"),
        ((identity.cert, identity.key, absent), "ORDERFLOW_TLS_CLIENT_CA"),
    ):
        with pytest.raises(SettingsError, match=rf"^{variable}: .*absent cannot be read: No such file"):
            ServerTls(*arguments)


def test_a_key_of_another_certificate_is_refused(authority: Authority, identity: Identity) -> None:
    with pytest.raises(SettingsError, match=r"^ORDERFLOW_TLS_KEY: .* is not the key of the certificate"):
        ServerTls(identity.cert, authority.issue().key)


def test_an_encrypted_key_is_refused_and_nobody_is_asked_for_its_password(identity: Identity) -> None:
    from cryptography.hazmat.primitives import serialization as s

    key = s.load_pem_private_key(identity.key.read_bytes(), None)
    locked = s.BestAvailableEncryption(b"secret")
    identity.key.write_bytes(key.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, locked))
    with pytest.raises(SettingsError, match=r"^ORDERFLOW_TLS_KEY: .* is encrypted"):
        ServerTls(identity.cert, identity.key)


def test_files_that_are_no_pem_are_refused(tmp_path: Path, identity: Identity) -> None:
    other = tmp_path / "other"
    other.write_text("hello")
    with pytest.raises(SettingsError, match=r"^ORDERFLOW_TLS_CERT, ORDERFLOW_TLS_KEY: .* no PEM file"):
        ServerTls(other, identity.key)
    with pytest.raises(SettingsError, match=r"^ORDERFLOW_TLS_CLIENT_CA: .* no PEM file"):
        ServerTls(identity.cert, identity.key, other)
