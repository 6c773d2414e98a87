"""`make compose-test`: compose.yaml on a real Docker engine, from nothing to nothing.

It builds the image, starts, ships an order, goes down and up again with and without its volumes, and kills
one container of every kind under load. The ledgers of carrier-sim and payment-sim are the referees. The
project has a name and ports of its own: a running `docker compose up` is not touched. Exit 0 only if every
statement it makes is true.
"""

import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent
PROJECT = "orderflow-test"
IMAGE = "orderflow:local"
IMAGE_MB_MAX = 230
"""Python's base image is half of it; 12 MB are cryptography, 12 librdkafka, 10 libpq with its libraries."""
UP_SECONDS_MAX = 240.0
RESTART_SECONDS_MAX = 90.0
DRAIN_SECONDS_MAX = 300.0
LOAD_THREADS = 4
LOAD_PAUSE_S = 0.1
ORDERS_BETWEEN_KILLS = 40
KILLED = ("api", "relay", "fulfillment", "carrier-sim", "payment-sim", "kafka", "postgres")
TERMINAL = {"Shipped", "Failed"}


class NotTrue(Exception):
    """A guarantee that did not hold; the text says which."""


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def free_ports() -> tuple[int, int]:
    """One port for the Order Service and the first of three in a row for the fulfillment workers."""
    for first in range(20_000 + os.getpid() % 5_000, 30_000, 7):
        probes: list[socket.socket] = []
        try:
            for port in range(first, first + 4):
                probes.append(socket.create_server(("127.0.0.1", port)))
            return first, first + 1
        except OSError:
            continue
        finally:
            for probe in probes:
                probe.close()
    raise NotTrue("four free ports in a row")


class Stack:
    """The compose project, its commands and its Order Service."""

    def __init__(self) -> None:
        self.docker = shutil.which("docker") or ""
        if not self.docker:
            raise NotTrue("docker is installed")
        port, fulfillment = free_ports()
        self.url = f"https://localhost:{port}"
        self.api_key = ""
        self.trusted = ssl.create_default_context()
        self.environment = {
            **os.environ,
            "ORDERFLOW_PUBLISH_PORT": str(port),
            "ORDERFLOW_PUBLISH_FULFILLMENT_PORTS": f"{fulfillment}-{fulfillment + 2}",
            "ORDERFLOW_CARRIER_DELAY_MS": "0-1000",
            "ORDERFLOW_CARRIER_FAILURE_RATE": "0",
            "ORDERFLOW_PAYMENTS_DECLINE_RATE": "0",
        }

    def make_key(self) -> None:
        """Make the key that all calls are made with from now on, and trust the stack's authority alone."""
        authority = self.compose("exec", "-T", "api", "cat", "/run/secrets/ca.pem")
        self.trusted = ssl.create_default_context(cadata=authority)
        create = ("keys", "create", "--name=test", "--scope=orders:read", "--scope=orders:write")
        self.api_key = self.compose("run", "--rm", "-T", "--no-deps", "migrate", *create).strip()

    def run(self, *arguments: str) -> str:
        done = subprocess.run(  # noqa: S603 (the commands are written in this file)
            [self.docker, *arguments],
            cwd=REPOSITORY,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise NotTrue(f"docker {' '.join(arguments)}: {done.stderr.strip()[-2000:]}")
        return done.stdout

    def compose(self, *arguments: str) -> str:
        return self.run("compose", "--project-name", PROJECT, *arguments)

    def container(self, service: str) -> str:
        return self.compose("ps", "--quiet", service).split()[0]

    def state(self, container: str) -> dict[str, Any]:
        return json.loads(self.run("inspect", "--format", "{{json .State}}", container))

    def kill(self, service: str) -> float:
        """SIGKILL to the container's first process, as a crash: after `docker kill` no restart policy acts.

        Returns the seconds until it ran again.
        """
        container = self.container(service)
        before = self.state(container)
        started = time.monotonic()
        program = f"import os; os.kill({before['Pid']}, 9)"
        killer = ("run", "--rm", "--pid=host", "--network=none", "--user=0:0", "--entrypoint=python")
        self.run(*killer, IMAGE, "-c", program)

        def runs_again() -> bool:
            state = self.state(container)
            return bool(state["Running"]) and state["StartedAt"] != before["StartedAt"]

        wait_for(f"{service} starts again after a kill", runs_again, RESTART_SECONDS_MAX)
        return time.monotonic() - started

    def shipments(self) -> list[dict[str, Any]]:
        return self._ledger("carrier-sim", 8090)["shipments"]

    def payments(self) -> list[dict[str, Any]]:
        return self._ledger("payment-sim", 8091)["payments"]

    def _ledger(self, service: str, port: int) -> dict[str, list[dict[str, Any]]]:
        program = (
            "import ssl, urllib.request as u; "
            "trusted = ssl.create_default_context(cafile='/run/secrets/ca.pem'); "
            f"print(u.urlopen('https://localhost:{port}/v1/ledger', context=trusted).read().decode())"
        )
        return json.loads(self.compose("exec", "-T", service, "python", "-c", program))

    def call(self, method: str, path: str, body: Any = None, key: str | None = None) -> dict[str, Any]:
        """One HTTP call. Raises OSError when it is not answered, or not with 2xx."""
        headers = {"Content-Type": "application/json"} | ({"Idempotency-Key": key} if key else {})
        headers |= {"Authorization": f"Bearer {self.api_key}"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers, method=method)  # noqa: S310
        with urllib.request.urlopen(request, timeout=10, context=self.trusted) as answer:  # noqa: S310 (https)
            return json.load(answer)

    def orders_of(self, customer: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        cursor = ""
        while True:
            page = self.call("GET", f"/api/orders?customerId={customer}&limit=200{cursor}")
            found += page["items"]
            if not page["nextCursor"]:
                return found
            cursor = f"&cursor={page['nextCursor']}"


def wait_for(what: str, condition: Callable[[], bool], seconds_max: float) -> None:
    """Calls that are not answered count as not yet. Raises NotTrue after `seconds_max`."""
    deadline = time.monotonic() + seconds_max
    while True:
        try:
            if condition():
                return
        except (OSError, ValueError):
            pass
        if time.monotonic() > deadline:
            raise NotTrue(f"{what} within {seconds_max:.0f} s")
        time.sleep(0.25)


def order(customer: str, number: int) -> dict[str, Any]:
    price = {"amountMinor": 1_999, "currency": "EUR"}
    items = [{"productId": f"p-{number % 97}", "quantity": number % 9 + 1, "unitPrice": price}]
    return {"customer": {"customerId": customer, "name": "Ada"}, "items": items}


@dataclass
class Load:
    """Threads that place orders, each until it is accepted, under one key."""

    stack: Stack
    customer: str
    accepted: dict[str, int] = field(default_factory=dict[str, int])
    repeated: int = 0
    stopping: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> "Load":
        self._threads = [threading.Thread(target=self._place, args=(n,)) for n in range(LOAD_THREADS)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stopping.set()
        for thread in self._threads:
            thread.join()

    def _place(self, number: int) -> None:
        while not self.stopping.wait(LOAD_PAUSE_S):
            self._place_one(number)
            number += LOAD_THREADS

    def _place_one(self, number: int) -> None:
        """Again and again until accepted, also while stopping: what was in doubt gets its answer."""
        deadline = time.monotonic() + RESTART_SECONDS_MAX
        while time.monotonic() < deadline:
            try:
                body = order(self.customer, number)
                placed = self.stack.call("POST", "/api/orders", body, f"{self.customer}-{number}")
            except (OSError, ValueError):
                self.repeated += 1
                time.sleep(0.2)
            else:
                self.accepted[placed["orderId"]] = number
                return


def ship_one(stack: Stack, customer: str) -> str:
    """The id of an order placed as soon as the Order Service takes it, and shipped."""
    placed: dict[str, Any] = {}

    def takes() -> bool:
        placed.update(stack.call("POST", "/api/orders", order(customer, 1), f"{customer}-1"))
        return True

    def shipped() -> bool:
        path = f"/api/orders/{placed['orderId']}?wait=Shipped&timeoutMs=5000"
        return stack.call("GET", path)["status"] == "Shipped"

    wait_for("an order is taken", takes, UP_SECONDS_MAX)
    wait_for("an order ships", shipped, UP_SECONDS_MAX)
    return placed["orderId"]


def build(stack: Stack) -> None:
    stack.compose("down", "--volumes", "--remove-orphans")
    stack.compose("build")
    megabytes = int(stack.run("image", "inspect", "--format", "{{.Size}}", IMAGE)) / 1e6
    if megabytes > IMAGE_MB_MAX:
        raise NotTrue(f"the image has at most {IMAGE_MB_MAX} MB: it has {megabytes:.0f}")
    say(f"built: {megabytes:.0f} MB")


def come_up(stack: Stack, customer: str, volumes: str) -> str:
    started = time.monotonic()
    stack.compose("up", "--detach")
    stack.make_key()
    order_id = ship_one(stack, customer)
    say(f"up with {volumes}: the first order has shipped {time.monotonic() - started:.0f} s after `up`")
    return order_id


def stop(stack: Stack) -> None:
    """Every container ends by itself, within its grace period."""
    started = time.monotonic()
    stack.compose("stop")
    for container in stack.compose("ps", "--all", "--quiet").split():
        if (state := stack.state(container))["ExitCode"] == 137:
            raise NotTrue(f"{container} stops when it is told to: {state}")
    say(f"stopped in {time.monotonic() - started:.0f} s, nothing had to be killed")


def kill_each_under_load(stack: Stack) -> None:
    with Load(stack, "c-load") as load:
        for service in KILLED:
            goal = len(load.accepted) + ORDERS_BETWEEN_KILLS
            wait_for("orders are taken", lambda goal=goal: len(load.accepted) >= goal, RESTART_SECONDS_MAX)
            seconds = stack.kill(service)
            say(f"killed {service} at {len(load.accepted)} orders: it ran again after {seconds:.1f} s")
        goal = len(load.accepted) + ORDERS_BETWEEN_KILLS
        wait_for("orders are taken again", lambda: len(load.accepted) >= goal, RESTART_SECONDS_MAX)
    referee(stack, load)


def referee(stack: Stack, load: Load) -> None:
    started = time.monotonic()

    def all_ended() -> bool:
        orders, payments = stack.orders_of(load.customer), stack.payments()
        # An order is Shipped first, and then its payment is captured.
        return all(each["status"] in TERMINAL for each in orders) and all(
            p["capturedMinor"] for p in payments
        )

    wait_for("every order reaches its end", all_ended, DRAIN_SECONDS_MAX)
    drained_s = time.monotonic() - started
    orders = {each["orderId"]: each for each in stack.orders_of(load.customer)}
    wrong: list[str] = []
    if orders.keys() != load.accepted.keys():
        lost, strange = load.accepted.keys() - orders.keys(), orders.keys() - load.accepted.keys()
        wrong.append(f"accepted orders are there once: {len(lost)} lost, {len(strange)} never answered for")
    live: dict[str, list[str]] = {}
    for shipment in stack.shipments():
        if shipment["state"] == "live":
            live.setdefault(shipment["orderId"], []).append(shipment["trackingNumber"])
    paid: dict[str, int] = {}
    for payment in stack.payments():
        taken = payment["capturedMinor"] - payment["refundedMinor"]
        paid[payment["orderId"]] = paid.get(payment["orderId"], 0) + taken
    for order_id, found in orders.items():
        if order_id in load.accepted and found["items"] != order("", load.accepted[order_id])["items"]:
            wrong.append(f"order {order_id} has the items it was sent with")
        if found["status"] != "Shipped" or found["attention"] is not None:
            wrong.append(f"order {order_id} is shipped: {found['status']}, {found['attention']}")
        elif live.get(order_id) != [found["fulfillment"]["trackingNumber"]]:
            wrong.append(f"order {order_id} has one live shipment, its own: {live.get(order_id)}")
        wrong += wrongly_paid(found, paid.get(order_id, 0))
    if wrong:
        raise NotTrue("\n  ".join(wrong[:20]))
    say(
        f"{len(orders)} orders accepted ({load.repeated} attempts repeated), all shipped {drained_s:.0f} s "
        "after the load ended, each with one live shipment and paid once: none lost, none altered, none twice"
    )


def wrongly_paid(order: dict[str, Any], paid_minor: int) -> list[str]:
    owed_minor = sum(item["quantity"] * item["unitPrice"]["amountMinor"] for item in order["items"])
    if paid_minor == owed_minor:
        return []
    return [f"order {order['orderId']} is paid once: {paid_minor} of {owed_minor}"]


def main() -> int:
    stack: Stack | None = None
    try:
        stack = Stack()
        build(stack)
        first = come_up(stack, "c-first", "no volumes")
        stack.compose("down")
        second = come_up(stack, "c-second", "the volumes of the first time")
        if stack.call("GET", f"/api/orders/{first}")["status"] != "Shipped":
            raise NotTrue("down and up keep the orders")
        kill_each_under_load(stack)
        stop(stack)
        stack.compose("down", "--volumes")
        come_up(stack, "c-third", "volumes removed")
        if stack.orders_of("c-first") or second in {each["orderId"] for each in stack.shipments()}:
            raise NotTrue("down --volumes leaves nothing behind")
        stack.compose("down", "--volumes")
    except NotTrue as error:
        say(f"NOT TRUE: {error}")
        if stack is not None and stack.docker:
            say(f"left for a look: docker compose --project-name {PROJECT} logs")
        return 1
    say("compose-test: all true")
    return 0


if __name__ == "__main__":
    sys.exit(main())
