"""Everything of ours that calls others by HTTPS: whom it trusts, and what it says where it does not."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from tests.authority import Authority, Identity
from tests.web.conftest import Listen

from orderflow.cli.client import Client
from orderflow.cli.terminal import CommandFailed
from orderflow.fulfillment.carriers import CarrierUnavailable
from orderflow.fulfillment.carriers.http import HttpCarrier
from orderflow.fulfillment.orders_client import OrdersClient, OrdersUnavailable
from orderflow.fulfillment.payments import PaymentUnavailable
from orderflow.fulfillment.payments.http import HttpPayments
from orderflow.runtime.settings_error import SettingsError
from orderflow.runtime.tls import LOOK_PAUSE_S, ClientTls, ServerTls

Call = Callable[[str, ClientTls], Awaitable[object]]


async def by_carrier(url: str, tls: ClientTls) -> object:
    carrier = HttpCarrier(url, tls=tls)
    try:
        return await carrier.find_shipments("order-1")
    except CarrierUnavailable as error:
        return error
    finally:
        await carrier.close()


async def by_payments(url: str, tls: ClientTls) -> object:
    payments = HttpPayments(url, tls=tls)
    try:
        return await payments.find_payments("order-1")
    except PaymentUnavailable as error:
        return error
    finally:
        await payments.close()


async def by_worker(url: str, tls: ClientTls) -> object:
    client = OrdersClient(url, tls=tls)
    try:
        return await client.patch([{}])
    except OrdersUnavailable as error:
        return error
    finally:
        await client.close()


async def by_tool(url: str, tls: ClientTls) -> object:
    try:
        async with Client(url, "nothing answers", None, tls) as client:
            return await client.get("/nowhere")
    except CommandFailed as error:
        return error


CALLS = (by_carrier, by_payments, by_worker, by_tool)
REACHED = ("404", "Not found")


def said(call: Call, port: int, tls: ClientTls, host: str = "localhost", scheme: str = "https") -> str:
    async def within() -> object:
        return await call(f"{scheme}://{host}:{port}", tls)

    return str(asyncio.run(within()))


def served(listen: Listen, identity: Identity, client_ca: Path | None = None) -> int:
    return listen(ServerTls(identity.cert, identity.key, client_ca))


@pytest.mark.parametrize("call", CALLS)
def test_a_server_of_the_named_authority_is_called(call: Call, listen: Listen, authority: Authority) -> None:
    port = served(listen, authority.issue())
    for host in ("localhost", "127.0.0.1"):
        assert any(word in said(call, port, ClientTls(authority.file), host) for word in REACHED)


@pytest.mark.parametrize("call", CALLS)
def test_a_server_of_another_authority_is_refused_and_the_setting_named(
    call: Call, listen: Listen, authority: Authority, tmp_path: Path
) -> None:
    port = served(listen, authority.issue())
    for ca in (Authority(tmp_path / "other").file, None):
        text = said(call, port, ClientTls(ca))
        assert "is not trusted" in text
        assert "put the certificate of its authority into ORDERFLOW_CA" in text


@pytest.mark.parametrize("call", CALLS)
def test_a_server_with_another_name_is_refused(call: Call, listen: Listen, authority: Authority) -> None:
    port = served(listen, authority.issue("orders.example"))
    tls = ClientTls(authority.file)
    assert "not valid for 'localhost': call it by a name in its certificate" in said(call, port, tls)
    assert "not valid for '127.0.0.1': call it by a name" in said(call, port, tls, "127.0.0.1")


@pytest.mark.parametrize("call", CALLS)
def test_a_server_whose_certificate_has_expired_is_refused(
    call: Call, listen: Listen, authority: Authority
) -> None:
    port = served(listen, authority.issue(expired=True))
    assert "certificate has expired: renew its certificate" in said(call, port, ClientTls(authority.file))


@pytest.mark.parametrize("call", CALLS)
def test_a_server_without_tls_is_told_from_one_with(call: Call, listen: Listen, authority: Authority) -> None:
    port = listen()
    assert "it does not speak TLS: call it by http://" in said(call, port, ClientTls(authority.file))


@pytest.mark.parametrize("call", CALLS)
def test_a_server_that_wants_a_client_certificate_gets_ours(
    call: Call, listen: Listen, authority: Authority
) -> None:
    port = served(listen, authority.issue(), authority.file)
    own = authority.issue("worker")
    tls = ClientTls(authority.file, own.cert, own.key)
    assert any(word in said(call, port, tls) for word in REACHED)
    assert not any(word in said(call, port, ClientTls(authority.file)) for word in REACHED)


def test_nothing_has_left_for_a_server_that_is_not_trusted(
    listen: Listen, authority: Authority, tmp_path: Path
) -> None:
    port = served(listen, authority.issue())
    tls = ClientTls(Authority(tmp_path / "other").file)
    for call in (by_carrier, by_payments):
        refused = asyncio.run(call(f"https://localhost:{port}", tls))
        assert isinstance(refused, CarrierUnavailable | PaymentUnavailable)
        assert not refused.doubtful


def test_a_renewed_authority_is_trusted_by_a_client_that_runs(
    listen: Listen, authority: Authority, tmp_path: Path
) -> None:
    trusted = tmp_path / "trusted.pem"
    trusted.write_bytes(Authority(tmp_path / "former").file.read_bytes())
    port = served(listen, authority.issue())
    tls = ClientTls(trusted)
    assert "is not trusted" in said(by_tool, port, tls)
    trusted.write_bytes(authority.file.read_bytes())
    deadline = time.monotonic() + 10 * LOOK_PAUSE_S
    while "is not trusted" in said(by_tool, port, tls):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_an_authority_that_cannot_be_read_is_named_with_its_variable(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"^ORDERFLOW_CA: .*absent cannot be read: No such file"):
        ClientTls(tmp_path / "absent")
    other = tmp_path / "other"
    other.write_text("hello")
    with pytest.raises(SettingsError, match=r"^ORDERFLOW_CA: .* is no PEM file with certificates"):
        ClientTls(other)
