"""A worker that was suspended for longer than a loop may be late takes a new epoch and goes on."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from processes import eventually

STALL_S_MAX = 3
SUSPENDED_S = 8.0
"""Longer than a lease (6 s), too."""

WORKER = """
import asyncio, sys
from datetime import timedelta
from pathlib import Path
from orderflow.database.engine import connect
from orderflow.database.migrate import migrate
from orderflow.fulfillment.migrations import SCHEMA as FULFILLMENT
from orderflow.fulfillment.carriers import Carriers
from orderflow.fulfillment.carriers.simulated import SimulatedCarrier
from orderflow.fulfillment.parties import Party
from orderflow.fulfillment.worker import FulfillmentWorker
from orderflow.messaging.embedded import EmbeddedLog
from orderflow.web.server import stop_on_signals

async def main():
    database = connect(f"sqlite:///{sys.argv[1]}/fulfillment.db", application="test")
    migrate(database, FULFILLMENT)
    log = EmbeddedLog(Path(sys.argv[1]) / "events.db")
    carrier = SimulatedCarrier(seed=0, delay_ms=(0, 0), failure_rate=0, error_rate=0)
    worker = FulfillmentWorker(
        database=database,
        consumer=log.consumer("order-events", "test"),
        publisher=log.publisher(),
        dead_letter_topic="dead-letters",
        carriers=Carriers(Party("test", carrier), ()),
        orders_url="http://127.0.0.1:9",
        in_flight_max=10,
        worker_id="w",
        stall_s_max=float(sys.argv[2]),
    )
    stop = asyncio.Event()
    with stop_on_signals(stop):
        await worker.run(stop)

asyncio.run(main())
"""


def test_a_worker_that_was_suspended_goes_on_under_a_new_epoch(tmp_path: Path) -> None:
    output = tmp_path / "output"
    with output.open("wb") as file:
        worker = subprocess.Popen(
            [sys.executable, "-c", WORKER, str(tmp_path), str(STALL_S_MAX)],
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        for life in (1, 2, 3):
            eventually(
                lambda life=life: output.read_text().count("lease.acquired") == life, f"life {life} has begun"
            )
            time.sleep(STALL_S_MAX + 1)  # its loops go on coming round
            assert worker.poll() is None, output.read_text()
            os.kill(worker.pid, signal.SIGSTOP)
            time.sleep(SUSPENDED_S)
            os.kill(worker.pid, signal.SIGCONT)
            eventually(
                lambda life=life: output.read_text().count("process.suspended") >= life,
                f"suspension {life} is noticed",
            )
        worker.terminate()
        assert worker.wait(timeout=15) == 0, output.read_text()
    finally:
        worker.kill()
        worker.wait()
