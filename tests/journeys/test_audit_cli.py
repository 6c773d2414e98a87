"""`orderflow audit log` as a person uses it: both services' entries, newest first."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

from processes import StartRole, ask, order


def test_what_people_did_in_both_services_is_listed_and_what_workers_did_is_not(
    start: StartRole, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    url = start("up", PORT="0", FULFILLMENT_PORT=port, CARRIER_DELAY_MS="0-0", CARRIER_FAILURE_RATE="0").url()
    environment = {
        **os.environ,
        "ORDERFLOW_ORDERS_URL": url,
        "ORDERFLOW_FULFILLMENT_URL": f"http://127.0.0.1:{port}",
    }

    def tool(*arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "orderflow", *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=60, check=False
        )

    def listed(*arguments: str) -> list[tuple[str, str]]:
        done = tool("audit", "log", "--json", *arguments)
        assert done.returncode == 0, done.stderr
        return [(entry["service"], entry["action"]) for entry in json.loads(done.stdout)]

    shipped = ask(f"{url}/api/orders", method="POST", body=order(1)).body["orderId"]
    assert ask(f"{url}/api/orders/{shipped}?wait=Shipped&timeoutMs=60000").body["status"] == "Shipped"
    assert listed() == []
    assert tool("stock", "set", "product-0", "0").returncode == 0
    held = ask(f"{url}/api/orders", method="POST", body=order(2)).body["orderId"]
    assert ask(f"{url}/api/orders/{held}?wait=Failed&timeoutMs=60000").body["status"] == "Failed"
    attention = {"attention": {"kind": "look", "reason": "who was it?"}}
    assert ask(f"{url}/api/orders/{held}/status", method="PATCH", body=attention).status == 204
    assert listed() == [("orders", "order.update"), ("fulfillment", "stock.set")]
    assert (
        listed("--service", "fulfillment")
        == listed("--action", "stock.set")
        == [("fulfillment", "stock.set")]
    )
    assert listed("--since", "1h", "--actor", "anonymous", "--limit", "1") == [("orders", "order.update")]
    assert listed("--since", "2999-01-01T00:00:00Z") == listed("--actor", "ada") == []
    table = tool("audit", "log").stdout
    assert "who was it?" in table
    assert "onHand: 0" in table
    made = json.loads(tool("keys", "create", "--name", "shop", "--scope", "orders:read", "--json").stdout)
    assert tool("keys", "revoke", made["id"]).returncode == 0
    assert listed("--limit", "4") == [
        *(("orders", "key.revoke"), ("fulfillment", "key.revoke")),
        *(("orders", "key.create"), ("fulfillment", "key.create")),
    ]
    wrong = tool("audit", "log", "--since", "yesterday")
    assert (wrong.returncode, "Traceback" in wrong.stderr) == (2, False)
