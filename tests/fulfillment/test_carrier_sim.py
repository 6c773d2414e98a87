"""carrier-sim as a program and as the judge of other tests: what it makes durable, and what it refuses, in
which words."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.fulfillment.carrier_sim_client import Answered, Client, an_order, run, talk_to

from orderflow.fulfillment.carriers import ShipmentRequest
from orderflow.fulfillment.carriers.http import HttpCarrier
from orderflow.fulfillment.carriers.simulated import SimulatedCarrier, SimulatedOutcomes
from orderflow.simulators.carrier_server import serving_carrier_sim
from orderflow.simulators.server import BODY_BYTES_MAX

PROGRAM = """
import sys
from pathlib import Path
from orderflow.simulators.carrier_server import serving_carrier_sim
from orderflow.simulators.server import run_simulator
ledger, delay_ms, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
served = serving_carrier_sim(host="127.0.0.1", port=0, delay_ms=(delay_ms, delay_ms), failure_rate=0.0,
                             error_rate=0.0, seed=seed, ledger=ledger)
run_simulator("carrier-sim", ledger, served)
"""


@contextmanager
def program(ledger: Path, delay_ms: int = 0, seed: int = 1) -> Generator[tuple[subprocess.Popen[str], str]]:
    arguments = [sys.executable, "-c", PROGRAM, str(ledger), str(delay_ms), str(seed)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().split()[3].rstrip(",")
        finally:
            process.kill()


def test_a_shipment_answered_before_a_kill_is_there_after_it(tmp_path: Path) -> None:
    answers: list[Answered] = []

    async def create(client: Client) -> None:
        answers.append(await client.create("order-1", "key-1"))

    async def create_again_and_look(client: Client) -> None:
        await create(client)
        (shipment,) = await client.ledger()
        assert shipment == {
            "shipmentId": answers[0][1]["shipmentId"],
            "orderId": "order-1",
            "trackingNumber": answers[0][1]["trackingNumber"],
            "state": "live",
            "createdAt": answers[0][1]["shippedAt"],
        }

    with program(tmp_path / "ledger.db", seed=1) as (process, url):
        talk_to(url, create)
        process.send_signal(signal.SIGKILL)
        process.wait()
    # With another seed, the answer must come from the ledger: a pure function would give another one.
    with program(tmp_path / "ledger.db", seed=2) as (process, url):
        talk_to(url, create_again_and_look)
    assert answers[0][0] == 201
    assert answers[1] == answers[0]


def test_a_client_that_gives_up_waiting_has_made_a_shipment(tmp_path: Path) -> None:
    async def give_up(client: Client) -> None:
        call = asyncio.create_task(client.create("order-1", "key-1"))
        await client.ledger_that_is_not_empty()
        assert not call.done()
        call.cancel()
        (shipment,) = await client.ledger()
        assert shipment["state"] == "live"

    with program(tmp_path / "ledger.db", delay_ms=600_000) as (_, url):
        talk_to(url, give_up)


def test_sigterm_lets_answers_under_way_finish_and_exits_0(tmp_path: Path) -> None:
    async def create_while_it_ends(client: Client) -> None:
        call = asyncio.create_task(client.create("order-1", "key-1"))
        await client.ledger_that_is_not_empty()
        process.send_signal(signal.SIGTERM)
        assert (await call)[0] == 201

    with program(tmp_path / "ledger.db", delay_ms=1_500) as (process, url):
        talk_to(url, create_while_it_ends)
        assert process.wait(15) == 0


def test_concurrent_calls_with_one_key_make_one_shipment(tmp_path: Path) -> None:
    async def scenario(client: Client) -> None:
        answers = await asyncio.gather(*(client.create("order-1", "key-1") for _ in range(50)))
        assert all(answer == answers[0] for answer in answers)
        assert answers[0][0] == 201
        assert len(await client.ledger()) == 1

    run(tmp_path / "ledger.db", scenario)


def test_two_keys_for_one_order_are_two_live_shipments_in_the_ledger(tmp_path: Path) -> None:
    async def scenario(client: Client) -> None:
        await client.create("order-1", "key-1")
        await client.create("order-1", "key-2")
        shipments = await client.ledger()
        assert [(each["orderId"], each["state"]) for each in shipments] == [("order-1", "live")] * 2
        assert len({each["shipmentId"] for each in shipments}) == 2
        _, found = await client.call("GET", "/v1/shipments?reference=order-1")
        assert len(found["shipments"]) == 2

    run(tmp_path / "ledger.db", scenario)


def test_a_key_used_with_another_body_is_a_conflict_and_makes_nothing(tmp_path: Path) -> None:
    async def scenario(client: Client) -> None:
        first = await client.create("order-1", "key-1")
        assert (await client.create("order-1", "key-1", shipTo={"name": "else"}))[0] == 409
        assert (await client.create("order-2", "key-1"))[0] == 409
        assert await client.create("order-1", "key-1") == first
        assert len(await client.ledger()) == 1

    run(tmp_path / "ledger.db", scenario)


def test_a_rejection_is_a_problem_with_the_reason_and_outlives_a_changed_rate(tmp_path: Path) -> None:
    async def scenario(client: Client) -> None:
        status, problem = await client.create("order-1", "key-1")
        assert status == 422
        assert problem["error"] == problem["detail"] == "Simulated carrier rejection"
        assert await client.ledger() == []

    run(tmp_path / "ledger.db", scenario, failure_rate=1.0)
    run(tmp_path / "ledger.db", scenario, failure_rate=0.0)


def test_a_void_is_recorded_and_an_unknown_shipment_is_not_voided(tmp_path: Path) -> None:
    async def scenario(client: Client) -> None:
        _, label = await client.create("order-1", "key-1")
        for _ in range(2):
            assert await client.call("DELETE", f"/v1/shipments/{label['shipmentId']}") == (204, {})
        assert (await client.call("DELETE", "/v1/shipments/unknown"))[0] == 404
        (shipment,) = await client.ledger()
        assert shipment["state"] == "voided"

    run(tmp_path / "ledger.db", scenario)


def test_the_ledger_lists_more_shipments_than_it_reads_at_once(tmp_path: Path) -> None:
    async def scenario(client: Client) -> None:
        for start in range(0, 2_100, 100):
            await asyncio.gather(
                *(client.create(f"order-{n}", f"key-{n}") for n in range(start, start + 100))
            )
        assert {each["orderId"] for each in await client.ledger()} == {f"order-{n}" for n in range(2_100)}

    run(tmp_path / "ledger.db", scenario)


def test_bad_input_is_answered_with_a_problem_and_makes_nothing(tmp_path: Path) -> None:
    good = an_order("order-1")
    refused: list[tuple[int, str, str, bytes | None, str | None]] = [
        (400, "POST", "/v1/shipments", good, None),
        (400, "POST", "/v1/shipments", good, "k" * 256),
        (400, "POST", "/v1/shipments", b"{", "key"),
        (400, "POST", "/v1/shipments", b"", "key"),
        (400, "POST", "/v1/shipments", b"[" * 100_000, "key"),
        (400, "POST", "/v1/shipments", b"[1]", "key"),
        (400, "POST", "/v1/shipments", b'{"orderId":"order-1"}', "key"),
        (400, "POST", "/v1/shipments", b'{"orderId":"order-1","items":[]}', "key"),
        (400, "POST", "/v1/shipments", b'{"orderId":1,"items":[1]}', "key"),
        (400, "POST", "/v1/shipments", b'{"orderId":"a\\u0000b","items":[1]}', "key"),
        (400, "POST", "/v1/shipments", b'{"orderId":"order-1","items":[1],"shipTo":"home"}', "key"),
        (413, "POST", "/v1/shipments", b"x" * (BODY_BYTES_MAX + 1), "key"),
        (400, "GET", "/v1/shipments", None, None),
        (405, "PUT", "/v1/shipments", good, "key"),
        (405, "POST", "/v1/ledger", good, "key"),
        (404, "GET", "/v1/elsewhere", None, None),
    ]

    async def scenario(client: Client) -> None:
        for status, method, path, body, key in refused:
            answered, problem = await client.call(method, path, body, key)
            assert (answered, problem["status"]) == (status, status), (method, path, (body or b"")[:60])
        assert await client.ledger() == []
        assert (await client.call("GET", "/health/live"))[0] == 200

    run(tmp_path / "ledger.db", scenario)


def test_the_http_adapter_finds_nothing_for_an_order_never_shipped(tmp_path: Path) -> None:
    async def within() -> None:
        async with serving_carrier_sim(
            host="127.0.0.1",
            port=0,
            delay_ms=(0, 0),
            failure_rate=0.0,
            error_rate=0.0,
            seed=1,
            ledger=tmp_path / "ledger.db",
        ) as url:
            carrier = HttpCarrier(url)
            assert await carrier.find_shipments("order-1") == []
            await carrier.close()

    asyncio.run(within())


def test_the_share_of_rejected_orders_and_of_failing_calls_is_what_was_asked_for() -> None:
    outcomes = SimulatedOutcomes(seed=3, delay_ms=(1_000, 5_000), failure_rate=0.15, error_rate=0.1)
    names = [f"order-{n}" for n in range(10_000)]
    assert 1_400 < sum(outcomes.rejects(name) for name in names) < 1_600
    statuses = [outcomes.transient_status(name, 0) for name in names]
    assert 430 < statuses.count(429) < 570
    assert 430 < statuses.count(503) < 570
    delays = [outcomes.delay_s(name, 0) for name in names]
    assert 1.0 <= min(delays) < 1.05
    assert 4.95 < max(delays) <= 5.0


def test_the_simulated_carrier_waits_before_it_answers() -> None:
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    carrier = SimulatedCarrier(seed=0, delay_ms=(250, 250), failure_rate=0.0, error_rate=0.0, sleep=sleep)
    asyncio.run(_create(carrier))
    assert waited == [0.25]


async def _create(carrier: SimulatedCarrier) -> None:
    await carrier.create_shipment(ShipmentRequest("order-1", "key-1", an_order("order-1")))


@pytest.mark.parametrize(
    ("delay_ms", "failure_rate", "error_rate"),
    [
        ((5, 1), 0.0, 0.0),
        ((-1, 1), 0.0, 0.0),
        ((0, 600_001), 0.0, 0.0),
        ((0, 0), 1.1, 0.0),
        ((0, 0), 0.0, -0.1),
    ],
)
def test_impossible_delays_and_rates_are_refused(
    delay_ms: tuple[int, int], failure_rate: float, error_rate: float
) -> None:
    with pytest.raises(ValueError, match="must be"):
        SimulatedCarrier(seed=0, delay_ms=delay_ms, failure_rate=failure_rate, error_rate=error_rate)
