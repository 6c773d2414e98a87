"""`orderflow stock` as a person uses it: products are counted, listed, and corrected."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable

from processes import StartRole

Stock = Callable[..., "subprocess.CompletedProcess[str]"]


def stock_tool(start: StartRole, **settings: str) -> Stock:
    """`orderflow stock` for an `up` of its own."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    start("up", PORT="0", FULFILLMENT_PORT=port, **settings).url()
    environment = {**os.environ, "ORDERFLOW_FULFILLMENT_URL": f"http://127.0.0.1:{port}"}

    def stock(*arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "orderflow", "stock", *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, env=environment, timeout=60, check=False
        )

    return stock


def test_products_are_counted_and_listed(start: StartRole) -> None:
    stock = stock_tool(start)
    assert stock("list", "--json").stdout == "[]\n"
    counted = stock("set", "p-1", "100")
    assert (counted.returncode, counted.stdout) == (0, "p-1: 100 on hand, 0 reserved\n")
    strange = "50% a/b?#é"
    record = {"productId": strange, "onHand": 0, "reserved": 0}
    assert json.loads(stock("set", strange, "0", "--json").stdout) == record
    assert json.loads(stock("list", "--product", strange, "--json").stdout) == [record]
    assert stock("set", "p-1", "40").stdout == "p-1: 40 on hand, 0 reserved\n"
    listed = stock("list")
    assert [line.split()[-2:] for line in listed.stdout.splitlines()[1:]] == [["0", "0"], ["40", "0"]]
    first = stock("list", "--limit", "1", "--json")
    assert [item["productId"] for item in json.loads(first.stdout)] == [strange]
    assert first.stderr == "the first 1; --limit takes another number\n"
    for refused, code in ((stock("set", "x" * 201, "1"), 1), (stock("list", "--product", ""), 2)):
        assert refused.returncode == code
        assert "200" in refused.stderr or "1 character" in refused.stderr
        assert "Traceback" not in refused.stderr
