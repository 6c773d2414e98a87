"""payment-sim as a program and as the judge of other tests: what it makes durable, what it refuses, and how
it misbehaves as it is told to."""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests.fulfillment.carrier_sim_client import Answered, Client, talk_to

from orderflow.fulfillment.payments import (
    Authorization,
    PaymentDeclined,
    PaymentRefused,
    PaymentRequest,
    PaymentUnavailable,
)
from orderflow.fulfillment.payments.http import HttpPayments
from orderflow.simulators.payment_server import serving_payment_sim

PROGRAM = """
import sys
from pathlib import Path
from orderflow.cli.simulators import payment_sim
payment_sim(port=0, ledger=Path(sys.argv[1]), seed=int(sys.argv[2]))
"""
AUTHORIZATIONS = "/v1/authorizations"


@contextmanager
def program(ledger: Path, seed: int) -> Generator[tuple[subprocess.Popen[str], str]]:
    arguments = [sys.executable, "-c", PROGRAM, str(ledger), str(seed)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().split()[3].rstrip(",")
        finally:
            process.kill()


def run(
    ledger: Path, scenario: Callable[[Client], Awaitable[None]], *, decline_rate: float = 0.0, seed: int = 1
) -> None:
    async def within() -> None:
        async with (
            serving_payment_sim(
                host="127.0.0.1",
                port=0,
                decline_rate=decline_rate,
                error_rate=0.0,
                seed=seed,
                ledger=ledger,
            ) as url,
            aiohttp.ClientSession(url) as session,
        ):
            await scenario(Client(session))

    asyncio.run(within())


def asked(order_id: str = "order-1", amount_minor: object = 500, currency: object = "EUR") -> bytes:
    return json.dumps({"orderId": order_id, "amountMinor": amount_minor, "currency": currency}).encode()


async def authorize(client: Client, order_id: str = "order-1", key: str = "key-1") -> Answered:
    return await client.call("POST", AUTHORIZATIONS, asked(order_id), key)


async def change(client: Client, authorization_id: str, change: str) -> int:
    return (await client.call("POST", f"{AUTHORIZATIONS}/{authorization_id}/{change}"))[0]


async def payments(client: Client) -> list[dict[str, Any]]:
    status, answer = await client.call("GET", "/v1/ledger")
    assert status == 200
    return answer["payments"]


def entry(authorization_id: str, **fields: object) -> dict[str, object]:
    return {
        "authorizationId": authorization_id,
        "orderId": "order-1",
        "amountMinor": 500,
        "currency": "EUR",
        "authorized": True,
        "voided": False,
        "capturedMinor": 0,
        "refundedMinor": 0,
        **fields,
    }


def test_what_was_answered_before_a_kill_is_in_the_ledger_after_it(tmp_path: Path) -> None:
    answers: list[Answered] = []

    async def authorize_and_capture(client: Client) -> None:
        answers.append(await authorize(client))
        assert await change(client, answers[0][1]["authorizationId"], "capture") == 200

    async def again_and_look(client: Client) -> None:
        answers.append(await authorize(client))
        captured = entry(answers[0][1]["authorizationId"], capturedMinor=500)
        assert await payments(client) == [captured]
        _, found = await client.call("GET", f"{AUTHORIZATIONS}?reference=order-1")
        assert found == {"authorizations": [captured]}

    with program(tmp_path / "ledger.db", seed=1) as (process, url):
        talk_to(url, authorize_and_capture)
        process.send_signal(signal.SIGKILL)
        process.wait()
    # With another seed, the answer must come from the ledger: a pure function would give another one.
    with program(tmp_path / "ledger.db", seed=2) as (process, url):
        talk_to(url, again_and_look)
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0
    assert answers[0][0] == 201
    assert answers[1] == answers[0]


def test_concurrent_calls_with_one_key_make_one_payment(tmp_path: Path) -> None:
    async def scenario(client: Client) -> None:
        answers = await asyncio.gather(*(authorize(client) for _ in range(50)))
        assert all(answer == answers[0] for answer in answers)
        assert len(await payments(client)) == 1

    run(tmp_path / "ledger.db", scenario)


def test_two_keys_for_one_order_are_two_payments_in_the_ledger(tmp_path: Path) -> None:
    async def scenario(client: Client) -> None:
        ids = [(await authorize(client, key=key))[1]["authorizationId"] for key in ("key-1", "key-2")]
        assert await payments(client) == [entry(each) for each in ids]
        assert ids[0] != ids[1]

    run(tmp_path / "ledger.db", scenario)


def test_a_key_used_for_another_payment_is_a_conflict_and_changes_nothing(tmp_path: Path) -> None:
    async def scenario(client: Client) -> None:
        first = await authorize(client)
        for other in (asked("order-2"), asked(amount_minor=501), asked(currency="USD")):
            assert (await client.call("POST", AUTHORIZATIONS, other, "key-1"))[0] == 409
        assert await authorize(client) == first
        assert await payments(client) == [entry(first[1]["authorizationId"])]

    run(tmp_path / "ledger.db", scenario)


def test_a_decline_is_a_402_that_outlives_a_changed_rate_and_holds_nothing(tmp_path: Path) -> None:
    async def scenario(client: Client) -> None:
        status, problem = await authorize(client)
        assert status == 402
        assert problem["error"] == problem["detail"] == "Simulated decline"
        (declined,) = await payments(client)
        assert declined == entry(declined["authorizationId"], authorized=False)
        for each in ("capture", "void", "refund"):
            assert await change(client, declined["authorizationId"], each) == 404
        assert await payments(client) == [declined]

    run(tmp_path / "ledger.db", scenario, decline_rate=1.0)
    run(tmp_path / "ledger.db", scenario, decline_rate=0.0)


@pytest.mark.parametrize(
    ("changes", "statuses", "left"),
    [
        (["capture", "capture"], [200, 200], {"capturedMinor": 500}),
        (["void", "void"], [200, 200], {"voided": True}),
        (["capture", "refund", "refund"], [200, 200, 200], {"capturedMinor": 500, "refundedMinor": 500}),
        (["void", "capture"], [200, 409], {"voided": True}),
        (["capture", "void"], [200, 409], {"capturedMinor": 500}),
        (["refund"], [409], {}),
        (["void", "refund"], [200, 409], {"voided": True}),
        (["capture", "refund", "capture"], [200] * 3, {"capturedMinor": 500, "refundedMinor": 500}),
        (["capture", "refund", "void"], [200, 200, 409], {"capturedMinor": 500, "refundedMinor": 500}),
    ],
    ids=str,
)
def test_money_moves_once_and_only_where_it_may(
    changes: list[str], statuses: list[int], left: dict[str, object], tmp_path: Path
) -> None:
    async def scenario(client: Client) -> None:
        _, granted = await authorize(client)
        authorization_id = granted["authorizationId"]
        assert [await change(client, authorization_id, each) for each in changes] == statuses
        assert await payments(client) == [entry(authorization_id, **left)]

    run(tmp_path / "ledger.db", scenario)


def test_of_a_capture_and_a_void_at_once_exactly_one_wins(tmp_path: Path) -> None:
    async def scenario(client: Client) -> None:
        for number in range(20):
            _, granted = await authorize(client, f"order-{number}", f"key-{number}")
            both = (change(client, granted["authorizationId"], each) for each in ("capture", "void"))
            assert sorted(await asyncio.gather(*both)) == [200, 409]
        assert all((each["capturedMinor"] == 500) != each["voided"] for each in await payments(client))

    run(tmp_path / "ledger.db", scenario)


def test_bad_input_is_answered_with_a_problem_and_makes_nothing(tmp_path: Path) -> None:
    refused: list[tuple[int, str, str, bytes | None, str | None]] = [
        (400, "POST", AUTHORIZATIONS, asked(), None),
        (400, "POST", AUTHORIZATIONS, b"{", "key"),
        (400, "POST", AUTHORIZATIONS, b"[" * 100_000, "key"),
        (400, "POST", AUTHORIZATIONS, b'{"orderId":"order-1","currency":"EUR"}', "key"),
        *(
            (400, "POST", AUTHORIZATIONS, asked(amount_minor=amount), "key")
            for amount in (0, -1, 1.5, 5.0, "5", True, None, 2**53)
        ),
        *(
            (400, "POST", AUTHORIZATIONS, asked(currency=currency), "key")
            for currency in ("eur", "EU", "EURO", "EUR\n", 978)
        ),
        (400, "POST", AUTHORIZATIONS, asked("a\x00b"), "key"),
        (400, "POST", AUTHORIZATIONS, asked(""), "key"),
        (413, "POST", AUTHORIZATIONS, b"x" * (2 * 1024 * 1024 + 1), "key"),
        (400, "GET", AUTHORIZATIONS, None, None),
        (405, "DELETE", f"{AUTHORIZATIONS}/unknown/void", None, None),
        (404, "POST", f"{AUTHORIZATIONS}/unknown/void", None, None),
        (404, "POST", f"{AUTHORIZATIONS}/unknown/steal", None, None),
    ]

    async def scenario(client: Client) -> None:
        for status, method, path, body, key in refused:
            answered, problem = await client.call(method, path, body, key)
            assert (answered, problem["status"]) == (status, status), (method, path, (body or b"")[:80])
        assert await payments(client) == []
        assert (await client.call("GET", "/health/live"))[0] == 200

    run(tmp_path / "ledger.db", scenario)


def test_the_ledger_lists_more_payments_than_it_reads_at_once(tmp_path: Path) -> None:
    async def scenario(client: Client) -> None:
        for start in range(0, 1_100, 100):
            numbers = range(start, start + 100)
            await asyncio.gather(*(authorize(client, f"order-{n}", f"key-{n}") for n in numbers))
        assert {each["orderId"] for each in await payments(client)} == {f"order-{n}" for n in range(1_100)}

    run(tmp_path / "ledger.db", scenario)


WRONG = {
    "429": PaymentUnavailable,
    "503": PaymentUnavailable,
    "400": PaymentRefused,
    "cut": PaymentUnavailable,
    "garbage": PaymentUnavailable,
    "huge": PaymentUnavailable,
    "redirect": PaymentRefused,
    "hang": PaymentUnavailable,
    "no-authorization-id": PaymentUnavailable,
}


def misbehaving(ledger: Path, scenario: Callable[[Client, HttpPayments], Awaitable[None]]) -> None:
    async def within(client: Client) -> None:
        provider = HttpPayments(client.url, timeout_s=1)
        try:
            await scenario(client, provider)
        finally:
            await provider.close()

    run(ledger, within)


def a_request(order_id: str) -> PaymentRequest:
    return PaymentRequest(order_id, f"key-of-{order_id}", 500, "EUR")


@pytest.mark.parametrize("kind", WRONG)
@pytest.mark.parametrize("applied", ["", "apply-then-"])
def test_after_every_wrong_answer_the_same_key_makes_one_payment(
    kind: str, applied: str, tmp_path: Path
) -> None:
    async def scenario(client: Client, provider: HttpPayments) -> None:
        assert (await client.put("/v1/faults", {"kind": applied + kind, "orderId": "order-1"}))[0] == 200
        with pytest.raises(WRONG[kind]):
            await provider.authorize(a_request("order-1"))
        assert len(await payments(client)) == (1 if applied else 0)
        await provider.authorize(a_request("order-2"))
        await client.put("/v1/faults", [])
        granted = await provider.authorize(a_request("order-1"))
        made = [each for each in await payments(client) if each["orderId"] == "order-1"]
        assert made == [entry(granted.authorization_id)]

    misbehaving(tmp_path / "ledger.db", scenario)


@pytest.mark.parametrize("kind", WRONG)
def test_a_look_up_fails_as_told_and_no_payment_is_taken_from_it(kind: str, tmp_path: Path) -> None:
    async def scenario(client: Client, provider: HttpPayments) -> None:
        granted = await provider.authorize(a_request("order-1"))
        await client.put("/v1/faults", {"call": "find", "kind": kind, "orderId": "order-1"})
        with pytest.raises(WRONG[kind]):
            await provider.find_payments("order-1")
        assert await provider.find_payments("order-2") == []
        await client.put("/v1/faults", [])
        (found,) = await provider.find_payments("order-1")
        assert Authorization(found.authorization_id) == granted

    misbehaving(tmp_path / "ledger.db", scenario)


@pytest.mark.parametrize("kind", ["503", "garbage", "cut", "hang", "400"])
@pytest.mark.parametrize("applied", ["", "apply-then-"])
@pytest.mark.parametrize(
    ("call", "left"),
    [
        ("capture", {"capturedMinor": 500}),
        ("void", {"voided": True}),
        ("refund", {"capturedMinor": 500, "refundedMinor": 500}),
    ],
)
def test_a_change_fails_as_told_is_never_taken_for_done_and_is_made_once(
    call: str, left: dict[str, object], kind: str, applied: str, tmp_path: Path
) -> None:
    async def scenario(client: Client, provider: HttpPayments) -> None:
        authorization_id = (await provider.authorize(a_request("order-1"))).authorization_id
        if call == "refund":
            await provider.capture(authorization_id)
        (before,) = await payments(client)
        await client.put("/v1/faults", {"call": call, "kind": applied + kind, "orderId": "order-1"})
        with pytest.raises(WRONG[kind]):
            await getattr(provider, call)(authorization_id)
        assert await payments(client) == [entry(authorization_id, **left) if applied else before]
        await client.put("/v1/faults", [])
        await getattr(provider, call)(authorization_id)
        assert await payments(client) == [entry(authorization_id, **left)]

    misbehaving(tmp_path / "ledger.db", scenario)


def test_one_order_can_be_told_to_be_declined_and_stays_so(tmp_path: Path) -> None:
    async def scenario(client: Client, provider: HttpPayments) -> None:
        await client.put("/v1/faults", {"kind": "decline", "orderId": "order-1"})
        for _ in range(2):
            with pytest.raises(PaymentDeclined, match="Simulated decline"):
                await provider.authorize(a_request("order-1"))
            await client.put("/v1/faults", [])
        await provider.authorize(a_request("order-2"))
        assert {each["orderId"]: each["authorized"] for each in await payments(client)} == {
            "order-1": False,
            "order-2": True,
        }

    misbehaving(tmp_path / "ledger.db", scenario)


@pytest.mark.parametrize(
    "bad",
    [
        {"kind": "no-tracking-number"},
        {"kind": "503", "call": "create"},
        {"kind": "decline", "call": "capture"},
        {"kind": "apply-then-decline"},
        {"kind": "no-authorization-id", "call": "capture"},
        {"kind": "apply-then-503", "call": "find"},
    ],
    ids=str,
)
def test_a_bad_fault_is_refused_and_the_former_ones_stay(bad: object, tmp_path: Path) -> None:
    async def scenario(client: Client) -> None:
        await client.put("/v1/faults", {"kind": "429", "seconds": 600})
        assert (await client.put("/v1/faults", bad))[0] == 422
        _, told = await client.call("GET", "/v1/faults")
        assert [(each["kind"], each["call"]) for each in told["active"]] == [("429", "authorize")]

    run(tmp_path / "ledger.db", scenario)
