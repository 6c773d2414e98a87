"""A process ends in time whoever stalls: a client that reads nothing, a receiver that never answers, and
whoever reads what the command line writes."""

import os
import socket
import subprocess
import sys
from contextlib import ExitStack
from fcntl import ioctl
from termios import FIONREAD
from urllib.parse import urlsplit

from processes import StartRole, all_orders, ask, eventually, order
from tests.orders.followed import Followed
from tests.orders.receiver import Receiver

AT_ONCE = {"PORT": "0", "FULFILLMENT_PORT": "0", "CARRIER_DELAY_MS": "0-0", "CARRIER_FAILURE_RATE": "0"}
PIPE_BYTES, LINE_BYTES_MAX = 65_536, 4_096
"""What a pipe of Linux takes, and how much less is in it when a write does not fit."""
PRIVATE = {"WEBHOOKS_PRIVATE_ADDRESSES": "allowed"}


def test_clients_that_read_nothing_keep_no_process_from_ending(start: StartRole) -> None:
    role = start("up", **AT_ONCE)
    url = role.url()
    port = urlsplit(url).port
    assert port is not None
    body = {"orders": [order(number, items=20) for number in range(100)]}
    with ExitStack() as clients:
        for _ in range(3):
            clients.enter_context(Followed(port, after=0, receive_bytes=1_024))
        for _ in range(10):
            ask(f"{url}/api/orders/batch", method="POST", body=body)
        lister = clients.enter_context(socket.socket())
        lister.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1_024)
        lister.connect(("127.0.0.1", port))
        request = b"GET /api/orders?limit=200 HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"
        lister.sendall(request * 5)
        eventually(
            lambda: all(each["status"] == "Shipped" for each in all_orders(url)),
            "all changes are in the stream",
        )
        assert role.stop() == 0, role.output


def test_a_receiver_that_never_answers_keeps_no_process_from_ending(start: StartRole) -> None:
    with Receiver(lambda _type, _data: "hang") as receiver:
        role = start("up", **AT_ONCE, **PRIVATE)
        url = role.url()
        ask(f"{url}/api/webhooks", method="POST", body={"url": receiver.url})
        for number in range(20):
            ask(f"{url}/api/orders", method="POST", body=order(number))
        eventually(lambda: receiver.under_way_max > 0, "the receiver is called")
        assert role.stop() == 0, role.output


def test_a_tail_whose_output_nobody_reads_obeys_sigterm(start: StartRole) -> None:
    url = start("up", **AT_ONCE).url()
    command = [sys.executable, "-m", "orderflow", "orders", "tail", "--json"]
    environment = {**os.environ, "ORDERFLOW_ORDERS_URL": url}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as tail:
        try:
            assert tail.stdout is not None
            pipe = tail.stdout.fileno()
            one = {"orders": [order(number) for number in range(100)]}

            def is_full() -> bool:
                ask(f"{url}/api/orders/batch", method="POST", body=one)
                unread = ioctl(pipe, FIONREAD, bytes(4))
                return int.from_bytes(unread, sys.byteorder) > PIPE_BYTES - LINE_BYTES_MAX

            eventually(is_full, "it cannot write any more")
            tail.terminate()
            tail.wait(timeout=15)
        finally:
            tail.kill()
