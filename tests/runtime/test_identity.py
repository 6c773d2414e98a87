"""Names of processes: no two live processes have the same name, and a restarted process gets its own back."""

import os
import shutil
import socket
import subprocess
import sys

import pytest

from orderflow.runtime.identity import listener_name

NAME_OF_A_LISTENER = """
import socket, sys
from orderflow.runtime.identity import listener_name
print(listener_name(socket.create_server(("0.0.0.0", int(sys.argv[1])))))
"""


def name(address: str, port: int = 0, *, host: str | None = None) -> tuple[str, int]:
    with socket.create_server((address, port)) as listener:
        return listener_name(listener, host=host), listener.getsockname()[1]


def test_whoever_listens_there_again_has_the_name_again() -> None:
    first, port = name("127.0.0.1")
    assert name("127.0.0.1", port) == (first, port)


def test_a_listener_on_another_address_of_the_same_host_and_port_has_another_name() -> None:
    first, port = name("127.0.0.1")
    assert name("127.0.0.2", port)[0] != first


def test_hosts_may_be_called_alike_and_have_long_names() -> None:
    host = "orderflow-fulfillment-7c9d8b6f5d-with-a-very-long-name-whose-end-is-unique-x2k4p"
    one, port = name("127.0.0.1", host=host)
    other, _ = name("127.0.0.2", port, host=host)
    assert one != other
    assert one.startswith("orderflow-fulfillment-7c9d8b6f5d-with-a-")
    assert max(len(one), len(other)) <= 60


def test_containers_of_one_host_name_and_port_have_names_of_their_own() -> None:
    if shutil.which("unshare") is None or os.geteuid() != 0:
        pytest.skip("needs root and unshare")
    names: set[str] = set()
    first = subprocess.Popen(["unshare", "--net", "sleep", "60"])
    try:
        for enter in (["unshare", "--net"], ["nsenter", f"--net=/proc/{first.pid}/ns/net"], []):
            program = [*enter, sys.executable, "-c", NAME_OF_A_LISTENER, "18081"]
            names.add(subprocess.run(program, check=True, capture_output=True, text=True).stdout)
    finally:
        first.kill()
        first.wait()
    assert len(names) == 3
