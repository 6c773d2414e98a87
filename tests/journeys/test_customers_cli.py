"""`orderflow customers erase` as a person uses it, on both services at once."""

import json
import os
import socket
import subprocess
import sys

from processes import StartRole, ask, eventually, order


def test_a_customer_is_erased_in_both_services(start: StartRole) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = {"CARRIER_DELAY_MS": "0-0", "CARRIER_FAILURE_RATE": "0"}
    url = start("up", PORT="0", FULFILLMENT_PORT=str(port), **settings).url()
    fulfillment = f"http://127.0.0.1:{port}"
    environment = {
        **os.environ,
        "ORDERFLOW_ORDERS_URL": url,
        "ORDERFLOW_FULFILLMENT_URL": fulfillment,
    }

    def erase(*arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "orderflow", "customers", "erase", *arguments]
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            env=environment,
            timeout=60,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    shipped = ask(f"{url}/api/orders", method="POST", body=order(1)).body["orderId"]
    shipment = f"{fulfillment}/api/fulfillment/shipments/{shipped}"
    eventually(lambda: ask(shipment).body.get("state") == "closed", "it is shipped")
    held = put_on_hold(url)

    refused = erase("customer-1")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "--yes" in refused.stderr
    counted = json.loads(erase("customer-1", "--dry-run", "--json").stdout)
    assert counted["orders"] >= 1
    assert ask(f"{url}/api/orders/{shipped}").body["customer"]["name"] == "Secret Name 1"

    done = erase("customer-1", "--yes", "--json")
    told = json.loads(done.stdout)
    assert (done.returncode, "repeat this" in done.stderr) == (1, True)
    assert held in [each["orderId"] for each in told["underWay"]]
    assert len(told["remains"]) == 6
    assert ask(f"{url}/api/orders/{shipped}").body["customer"]["name"] == "erased"
    assert ask(f"{url}/api/orders/{held}").body["customer"]["name"] == "Secret Name 1"
    again = erase("customer-1", "--yes")
    assert "what still holds the data" in again.stdout
    assert f"left as it is: order {held}, OnHold" in again.stdout
    assert erase("nobody", "--yes").returncode == 0


def put_on_hold(url: str) -> str:
    """An order that is on hold: most are taken up sooner than that."""
    while True:
        order_id = ask(f"{url}/api/orders", method="POST", body=order(1)).body["orderId"]
        if ask(f"{url}/api/orders/{order_id}/hold", method="POST").status == 200:
            return order_id
