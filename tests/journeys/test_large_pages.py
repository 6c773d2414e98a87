"""Many pages of large orders are requested at once: only a few are read at a time, so memory stays small and
health good."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from processes import Role, StartRole, ask

from orderflow.database.engine import READ_THREADS

AT_ONCE = 20
MEMORY_MIB_MAX = 160
"""What many pages at once may take; docs/operations.md says about 80 for machines that are not busy."""


def memory_mib(role: Role) -> int:
    status = Path(f"/proc/{role.process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) >> 10


def test_many_of_the_largest_pages_at_once_are_bounded_in_memory_and_health_answers(
    start: StartRole,
) -> None:
    role = start("up", PORT="0", FULFILLMENT_PORT="0", CARRIER_DELAY_MS="0-0", CARRIER_FAILURE_RATE="0")
    url = role.url()
    items = [{"productId": f"{n:04d}" + "é" * 196, "quantity": 1} for n in range(1_000)]
    for _ in range(12):
        order = {"customer": {"customerId": "c", "name": "n"}, "items": items}
        body = json.dumps(order, ensure_ascii=False).encode()
        assert ask(f"{url}/api/orders", method="POST", body=body).status == 201
    before = memory_mib(role)
    most, waits, over = [before], [0.0], threading.Event()

    def watch() -> None:
        while not over.is_set():
            began = time.monotonic()
            assert ask(f"{url}/health/ready").status == 200
            waits.append(time.monotonic() - began)
            most.append(memory_mib(role))

    with ThreadPoolExecutor(AT_ONCE + 1) as pool:
        watching = pool.submit(watch)
        try:
            answers = list(pool.map(ask, [f"{url}/api/orders?limit=200"] * AT_ONCE))
        finally:
            over.set()
        watching.result()
    whole = [answer for answer in answers if answer.status == 200]
    assert {len(answer.body["items"]) for answer in whole} == {9}
    late = [answer for answer in answers if answer.status != 200]
    assert {answer.status for answer in late} <= {503}, "on a slow machine the last ones wait too long"
    assert len(whole) >= READ_THREADS
    assert max(most) - before < MEMORY_MIB_MAX
    assert max(waits) < 3
