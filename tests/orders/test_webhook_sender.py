"""Messages are signed as Standard Webhooks have it, and sent to public addresses by https alone."""

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.authority import Authority
from tests.orders.receiver import Receiver, wrong_with

from orderflow.orders.webhooks import messages
from orderflow.orders.webhooks.names import Names
from orderflow.orders.webhooks.sender import PLAIN, PRIVATE, Allowed, Attempt, Sender, is_public
from orderflow.runtime.masking import mask_urls
from orderflow.runtime.tls import ClientTls

EVERYTHING = Allowed(plain=True, private=True)
NO_PRIVATE = Allowed(plain=True)
SECRET = messages.new_secret()
MESSAGE = '{"type":"t","data":{}}'


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        receiver.secret = SECRET
        yield receiver


def send(url: str, allowed: Allowed = EVERYTHING, *, timeout_s: float = 5, body: str = MESSAGE) -> Attempt:
    async def run() -> Attempt:
        sender = Sender(allowed, timeout_s=timeout_s)
        try:
            return await sender.send(url, [SECRET], "id-1", body)
        finally:
            await sender.close()

    return asyncio.run(run())


def test_the_signature_is_the_one_of_the_standards_example() -> None:
    signed = messages.signature(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "1614265330",
        b'{"test": 2432232314}',
    )
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_receiver_tells_a_message_of_ours_from_any_other() -> None:
    now = datetime.now(UTC)
    headers = messages.headers([SECRET], "id-1", now, b"body")
    assert wrong_with(SECRET, headers, b"body") is None
    assert wrong_with(SECRET, headers, b"bodY") == "wrong signature"
    assert wrong_with(messages.new_secret(), headers, b"body") == "wrong signature"
    assert wrong_with(SECRET, headers | {"webhook-id": "id-2"}, b"body") == "wrong signature"
    both = messages.headers([messages.new_secret(), SECRET], "id-1", now, b"body")
    assert wrong_with(SECRET, both, b"body") is None
    long_ago = messages.headers([SECRET], "id-1", datetime(2026, 1, 1, tzinfo=UTC), b"body")
    assert wrong_with(SECRET, long_ago, b"body") == "too old"


def test_a_secret_has_256_random_bits_and_is_masked_in_every_text() -> None:
    first, second = messages.new_secret(), messages.new_secret()
    assert first != second
    assert len(first) == len("whsec_") + 44
    assert mask_urls(f"the row {first!r} is wrong") == "the row 'whsec_***' is wrong"


PRIVATE_ADDRESSES = [
    *("127.0.0.1", "127.9.9.9", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254"),  # noqa: S104
    *("100.64.0.1", "192.0.0.1", "192.0.2.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255"),
    *("::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12::1", "fec0::1", "ff02::1", "2001:db8::1"),
    *("::ffff:127.0.0.1", "::ffff:7f00:1", "::ffff:169.254.169.254", "::127.0.0.1"),
    *("64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2002:7f00:1::", "2001::1"),
]


@pytest.mark.parametrize("address", PRIVATE_ADDRESSES)
def test_an_address_that_is_not_everybodys_is_private(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"]
)
def test_an_address_that_is_everybodys_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "[::ffff:127.0.0.1]", "0"],
)
def test_nothing_is_sent_to_a_host_that_is_this_machine_however_it_is_written(
    receiver: Receiver, host: str
) -> None:
    url = f"http://{host}:{receiver.port}/"
    assert send(url, NO_PRIVATE).delivered is False
    assert (receiver.received, receiver.refused) == ([], [])
    assert asyncio.run(Sender(NO_PRIVATE).refusal(url)) == PRIVATE


def test_a_private_address_is_refused_when_the_connection_is_made_whatever_was_looked_up_before(
    receiver: Receiver,
) -> None:
    """The name is looked up by the connection itself, so nobody can change its meaning in between."""
    assert send(f"http://localhost:{receiver.port}/", NO_PRIVATE) == Attempt(False, PRIVATE)
    assert send(f"http://localhost:{receiver.port}/", EVERYTHING) == Attempt(True, "HTTP 204")
    assert len(receiver.received) == 1


def test_http_is_refused_where_https_is_demanded(receiver: Receiver) -> None:
    only_https = Allowed(private=True)
    assert send(receiver.url, only_https) == Attempt(False, PLAIN)
    assert send(receiver.url.replace("http:", "HTTP:"), only_https) == Attempt(False, PLAIN)
    assert asyncio.run(Sender(only_https).refusal(receiver.url)) == PLAIN
    assert asyncio.run(Sender(only_https).refusal(receiver.url.replace("http:", "HTTP:"))) == PLAIN
    assert asyncio.run(Sender(only_https).refusal("https://127.0.0.1/")) is None
    assert receiver.received == []


def test_a_host_without_an_address_is_no_reason_to_refuse_it_for_good() -> None:
    assert asyncio.run(Sender().refusal("https://nowhere.invalid/")) is None
    assert send("https://nowhere.invalid/", Allowed()).delivered is False


def test_a_redirect_is_a_failure_and_is_not_followed(receiver: Receiver) -> None:
    receiver.answering = lambda _type, _data: receiver.url
    assert send(receiver.url) == Attempt(False, "HTTP 307")
    assert len(receiver.received) == 1
    assert receiver.refused == []


def test_a_receiver_that_hangs_is_left_after_the_time_out(receiver: Receiver) -> None:
    receiver.answering = lambda _type, _data: "hang"
    sent = send(receiver.url, timeout_s=0.3)
    assert sent == Attempt(False, "no answer within 0.3 s")


def test_what_went_wrong_is_told_without_the_address_and_without_what_the_receiver_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    sent = send(f"http://127.0.0.1:{port}/secret-path?token=secret-token")
    assert not sent.delivered
    assert sent.detail == "connection failed (ClientConnectorError)"


def test_a_certificate_of_nobody_we_trust_is_refused_and_one_of_our_authority_is_taken(
    tmp_path: Path,
) -> None:
    authority = Authority(tmp_path / "authority")
    identity = authority.issue()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(identity.cert, identity.key)
    taken: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        taken.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    async def run() -> tuple[Attempt, Attempt]:
        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
        url = f"https://localhost:{server.sockets[0].getsockname()[1]}/"
        attempts: list[Attempt] = []
        for tls in (None, ClientTls(authority.file)):
            sender = Sender(EVERYTHING, tls=tls)
            attempts.append(await sender.send(url, [SECRET], "id-1", "{}"))
            await sender.close()
        server.close()
        return attempts[0], attempts[1]

    untrusted, trusted = asyncio.run(run())
    assert (untrusted.delivered, trusted) == (False, Attempt(True, "HTTP 200"))
    assert "not trusted" in untrusted.detail
    assert len(taken) == 1


def test_names_that_nobody_answers_for_hold_up_no_other_receiver(
    receiver: Receiver,
) -> None:
    answered = threading.Event()

    def slowly(host: Any, *arguments: Any, **more: Any) -> Any:
        if str(host).startswith("hangs"):
            answered.wait(20)
        return socket.getaddrinfo(host, *arguments, **more)

    async def run() -> tuple[Attempt, str | None]:
        sender = Sender(EVERYTHING, timeout_s=3, names=Names(slowly))
        hanging = [
            asyncio.create_task(sender.send(f"http://hangs-{number}.invalid/", [SECRET], "id-1", MESSAGE))
            for number in range(50)
        ]
        await asyncio.sleep(0.2)
        sent = await sender.send(receiver.url.replace("127.0.0.1", "localhost"), [SECRET], "id-2", MESSAGE)
        assert {attempt.delivered for attempt in await asyncio.gather(*hanging)} == {False}
        await sender.close()
        return sent, await Sender(names=Names(slowly)).refusal("https://hangs.invalid/")

    began = time.monotonic()
    sent, refusal = asyncio.run(run())
    lasted_s = time.monotonic() - began
    answered.set()
    assert (sent, refusal) == (Attempt(True, "HTTP 204"), None)
    assert lasted_s < 9, "the end waits for no name, either"


@pytest.mark.parametrize(
    ("beginning", "rest", "delivered"),
    [
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n", False),
        (b"", b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n", False),
        (b"HTTP/1.1 200 OK\r\n\r\n", b"x", True),
        (b"HTTP/1.1 200 OK\r\n", b"a: b\r\n", False),
    ],
    ids=["continue", "hints", "body", "headers"],
)
def test_a_receiver_that_sends_without_an_end_is_left_at_once(
    beginning: bytes, rest: bytes, *, delivered: bool
) -> None:
    sent = 0

    def pour(server: socket.socket) -> None:
        nonlocal sent
        connection, _ = server.accept()
        with connection, suppress(OSError):
            connection.recv(65_536)
            connection.sendall(beginning)
            while True:
                sent += connection.send(rest * 1_000)

    with socket.create_server(("127.0.0.1", 0)) as server:
        pouring = threading.Thread(target=pour, args=(server,))
        pouring.start()
        attempt = send(f"http://127.0.0.1:{server.getsockname()[1]}/", timeout_s=5)
        pouring.join()
    assert attempt.delivered is delivered
    assert "no answer" not in attempt.detail
    assert sent < 20_000_000, "what the buffers of both sides take"
