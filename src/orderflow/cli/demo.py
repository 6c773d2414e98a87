"""`demo`: a few minutes of traffic on embedded parts in a temporary directory, and then a verdict: what the
orders say, compared with the ledgers of the carrier and the payment provider."""

from __future__ import annotations

import asyncio
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from orderflow.cli.terminal import CommandFailed, WrongUse, complain, write_line

if TYPE_CHECKING:  # aiohttp costs more time than `orderflow version` may take
    from orderflow.client import AsyncClient
    from orderflow.contracts.orders_api import OrderOut

MINUTES_MAX = 60.0
RATE_MAX = 200
START_S_MAX = 60.0
SETTLE_S_MAX = 120.0
JUDGE_S_MAX = 30.0
STOP_S_MAX = 20.0
SUMMARY_PAUSE_S = 1.0
SUMMARY_EVERY_S = 5.0
CANCELLED_SHARE, HELD_SHARE = 0.05, 0.03


def demo(
    *,
    minutes: Annotated[float, Parameter(help="How long orders are placed, up to 60.")] = 2.0,
    rate: Annotated[int, Parameter(help="Orders a second, up to 200.")] = 10,
) -> int:
    """Place orders for a few minutes, cancel and hold some, and check with carrier and payment provider what
    became of them. Exit 1 if anything is wrong.

    Everything runs on this machine, in a temporary directory that is removed at the end: no settings, no
    database and no running service is touched.
    """
    if not 0 < minutes <= MINUTES_MAX:
        raise WrongUse(f"--minutes takes a number above 0, {MINUTES_MAX:g} at most")
    if not 1 <= rate <= RATE_MAX:
        raise WrongUse(f"--rate takes 1 to {RATE_MAX}")
    with tempfile.TemporaryDirectory(prefix="orderflow-demo-") as directory, _parts(Path(directory)) as ports:
        return asyncio.run(_run(ports, minutes * 60, rate))


@contextmanager
def _parts(directory: Path) -> Generator[tuple[int, int, int]]:
    """The ports of the Order Service, the carrier and the payment provider, each in a process of its own or
    with others. They are ended afterwards."""
    orders, fulfillment, carrier, payments = _free_ports(4)
    settings = {
        "ENV": "dev",
        "DATA_DIR": str(directory / "data"),
        "PORT": str(orders),
        "FULFILLMENT_PORT": str(fulfillment),
        "CARRIER": "http",
        "CARRIER_URL": f"http://127.0.0.1:{carrier}",
        "PAYMENTS": "http",
        "PAYMENTS_URL": f"http://127.0.0.1:{payments}",
        "LOG_FORMAT": "json",
    }
    simulated = ["--seed", "1", "--error-rate", "0.02"]
    with ExitStack() as stack:
        for name, arguments in (
            (
                "carrier-sim",
                ["--port", str(carrier), "--delay-ms", "100-1500", "--failure-rate", "0.05", *simulated],
            ),
            ("payment-sim", ["--port", str(payments), "--decline-rate", "0.02", *simulated]),
        ):
            ledger = ["--ledger", str(directory / f"{name}.db")]
            stack.enter_context(_process(directory, name, [*arguments, *ledger], {"LOG_FORMAT": "json"}))
        stack.enter_context(_process(directory, "up", [], settings))
        yield orders, carrier, payments


@contextmanager
def _process(directory: Path, name: str, arguments: list[str], settings: dict[str, str]) -> Generator[None]:
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("ORDERFLOW_")}
    log = directory / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603  # this program
            [sys.executable, "-m", "orderflow", name, *arguments],
            env=inherited | {f"ORDERFLOW_{key}": value for key, value in settings.items()},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=directory,
            # Ctrl-C is for us: we end the parts when we have said how far we came.
            start_new_session=True,
        )
    try:
        yield
        if process.poll() is not None:
            raise CommandFailed(f"{name} has ended too early:\n{log.read_text()[-2000:]}")
    finally:
        process.terminate()
        try:
            process.wait(STOP_S_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


async def _run(ports: tuple[int, int, int], seconds: float, rate: int) -> int:
    from orderflow.cli.demo_verdict import last_verdict
    from orderflow.client import AsyncClient

    orders_url, carrier_url, payments_url = (f"http://127.0.0.1:{port}" for port in ports)
    async with (
        AsyncClient(orders_url) as client,
        AsyncClient(carrier_url) as carrier,
        AsyncClient(payments_url) as provider,
    ):
        await _ready(client)
        write_line(f"placing {rate} orders/s for {seconds:.0f} s; the console is at {orders_url}")
        sys.stdout.flush()
        placed: set[str] = set()
        telling = asyncio.create_task(_tell(client, placed))
        await _traffic(client, placed, seconds, rate)
        await _settled(client, len(placed))
        telling.cancel()
        if sys.stdout.isatty():
            write_line("")
        orders, wrong = await last_verdict(partial(_verdict, client, carrier, provider, placed), JUDGE_S_MAX)
    for line in wrong[:20]:
        complain(line)
    counts = Counter(order.status for order in orders)
    told = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
    write_line(f"{len(placed)} orders were accepted: {told}")
    if wrong:
        write_line(f"{len(wrong)} things are wrong")
        return 1
    write_line(
        "None is lost. Each shipped order has exactly one shipment and is paid exactly once; no other order "
        "has a shipment, and none of them is charged."
    )
    return 0


async def _verdict(
    client: AsyncClient, carrier: AsyncClient, provider: AsyncClient, placed: set[str]
) -> tuple[list[OrderOut], list[str]]:
    """All orders, and what is wrong with them now."""
    from orderflow.cli.demo_verdict import verdict

    orders = [order async for order in client.list_orders()]
    shipments = await carrier.call("GET", "/v1/ledger")
    payments = await provider.call("GET", "/v1/ledger")
    return orders, verdict(placed, orders, shipments["shipments"], payments["payments"])


async def _ready(client: AsyncClient) -> None:
    """Wait until orders can be placed. Raises CommandFailed."""
    from orderflow.client import OrderflowError

    deadline = time.monotonic() + START_S_MAX
    while True:
        try:
            await client.call("GET", "/health/ready", timeout_s=2.0)
        except OrderflowError as error:
            if time.monotonic() > deadline:
                raise CommandFailed(f"the parts did not start within {START_S_MAX:.0f} s: {error}") from None
            await asyncio.sleep(0.2)
        else:
            return


async def _traffic(client: AsyncClient, placed: set[str], seconds: float, rate: int) -> None:
    """Place orders at an even rate; the answers are not waited for."""
    began = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for number in range(round(seconds * rate)):
            await asyncio.sleep(max(0.0, began + number / rate - time.monotonic()))
            group.create_task(_one(client, placed, number))


async def _one(client: AsyncClient, placed: set[str], number: int) -> None:
    """Place an order, and perhaps cancel it, or hold it for a moment."""
    from orderflow.client import IllegalTransition

    chance = random.Random(number)
    order = await client.place(
        {
            "customer": {"customerId": f"CUST-{number % 50}", "name": "Ada Lovelace"},
            "items": [
                {
                    "productId": f"PROD-{chance.randrange(20)}",
                    "quantity": chance.randrange(1, 5),
                    "unitPrice": {"amountMinor": chance.randrange(100, 10_000), "currency": "EUR"},
                }
            ],
        },
        idempotency_key=f"demo-{number}",
    )
    placed.add(order.order_id)
    drawn = chance.random()
    try:
        if drawn < CANCELLED_SHARE:
            await asyncio.sleep(chance.uniform(0.0, 2.0))
            await client.cancel(order.order_id, reason="changed my mind")
        elif drawn < CANCELLED_SHARE + HELD_SHARE:
            await client.hold(order.order_id, reason="to be looked at")
            await asyncio.sleep(chance.uniform(0.5, 3.0))
            await client.release(order.order_id)
    except IllegalTransition:
        pass  # it was faster than we are


async def _settled(client: AsyncClient, count: int) -> None:
    """Wait until every order is final, as long as that can take."""
    deadline = time.monotonic() + SETTLE_S_MAX
    while time.monotonic() < deadline:
        if _final(await client.call("GET", "/api/stats")) >= count:
            return
        await asyncio.sleep(0.5)


def _final(stats: dict[str, Any]) -> int:
    from orderflow.contracts.orders_api import FINAL

    return sum(count for status, count in stats["statuses"].items() if status in FINAL)


async def _tell(client: AsyncClient, placed: set[str]) -> None:
    """A summary that stays in one line of a terminal; elsewhere, a line now and then."""
    live = sys.stdout.isatty()
    began = time.monotonic()
    while True:
        await asyncio.sleep(SUMMARY_PAUSE_S if live else SUMMARY_EVERY_S)
        stats = await client.call("GET", "/api/stats")
        counts = stats["statuses"]
        shown = ", ".join(f"{counts.get(name, 0)} {name}" for name in ("Created", "Processing", "Shipped"))
        others = sum(counts.get(name, 0) for name in ("Failed", "Cancelled", "Cancelling", "OnHold"))
        text = f"{time.monotonic() - began:4.0f} s: {len(placed)} placed, {shown}, {others} others"
        if live:
            sys.stdout.write(f"\r{text}\033[K")
        else:
            write_line(text)
        sys.stdout.flush()
