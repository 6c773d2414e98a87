"""carrier-sim misbehaves as it is told to at run time, and its ledger stays true throughout."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from tests.fulfillment.carrier_sim_client import Client, a_request, an_adapter, run

from orderflow.fulfillment.carriers import CarrierRefused, CarrierUnavailable

WRONG = {
    "429": CarrierUnavailable,
    "503": CarrierUnavailable,
    "400": CarrierRefused,
    "cut": CarrierUnavailable,
    "garbage": CarrierUnavailable,
    "huge": CarrierUnavailable,
    "redirect": CarrierRefused,
    "no-tracking-number": CarrierUnavailable,
}


@pytest.mark.parametrize("kind", WRONG)
@pytest.mark.parametrize("applied", ["", "apply-then-"])
def test_after_every_wrong_answer_the_same_key_makes_one_shipment(
    kind: str, applied: str, tmp_path: Path
) -> None:
    async def scenario(client: Client) -> None:
        async with an_adapter(client) as carrier:
            wrong = {"kind": applied + kind, "orderId": "order-1"}
            assert (await client.put("/v1/faults", [wrong]))[0] == 200
            with pytest.raises(WRONG[kind]):
                await carrier.create_shipment(a_request("order-1"))
            assert len(await client.ledger()) == (1 if applied else 0)
            await carrier.create_shipment(a_request("order-2"))
            await client.put("/v1/faults", [])
            label = await carrier.create_shipment(a_request("order-1"))
            made = [each for each in await client.ledger() if each["orderId"] == "order-1"]
            assert [(each["shipmentId"], each["state"]) for each in made] == [(label.shipment_id, "live")]

    run(tmp_path / "ledger.db", scenario)


def test_a_key_that_expired_makes_another_shipment(tmp_path: Path) -> None:
    async def scenario(client: Client) -> None:
        status, first = await client.create("order-1", "key")
        assert (status, await client.create("order-1", "key")) == (201, (201, first))
        await asyncio.sleep(0.6)
        status, second = await client.create("order-1", "key")
        assert status == 201
        assert second["shipmentId"] != first["shipmentId"]
        assert await client.create("order-1", "key") == (201, second)
        live = [each["shipmentId"] for each in await client.ledger() if each["state"] == "live"]
        assert live == [first["shipmentId"], second["shipmentId"]]

    run(tmp_path / "ledger.db", scenario, key_lifetime_s=0.5)


@pytest.mark.parametrize("seconds", [0.5, None])
def test_the_lifetime_of_keys_is_set_while_it_runs(seconds: float | None, tmp_path: Path) -> None:
    async def scenario(client: Client) -> None:
        assert await client.call("GET", "/v1/key-lifetime") == (200, {"seconds": 3_600})
        _, first = await client.create("order-1", "key")
        assert await client.put("/v1/key-lifetime", {"seconds": seconds}) == (200, {"seconds": seconds})
        assert await client.call("GET", "/v1/key-lifetime") == (200, {"seconds": seconds})
        await asyncio.sleep(0.6)
        _, second = await client.create("order-1", "key")
        assert (second == first) is (seconds is None)
        await client.put("/v1/key-lifetime", {"seconds": 3_600})
        assert await client.create("order-1", "key") == (201, second)

    run(tmp_path / "ledger.db", scenario, key_lifetime_s=3_600)


@pytest.mark.parametrize(
    "bad", [{}, {"seconds": -1}, {"seconds": "soon"}, {"hours": 1}, {"seconds": 1e9}, []]
)
def test_a_bad_lifetime_of_keys_is_refused_and_changes_nothing(bad: object, tmp_path: Path) -> None:
    async def scenario(client: Client) -> None:
        assert (await client.put("/v1/key-lifetime", bad))[0] == 422
        assert (await client.call("PUT", "/v1/key-lifetime", b"{"))[0] == 422
        assert await client.call("GET", "/v1/key-lifetime") == (200, {"seconds": 60})

    run(tmp_path / "ledger.db", scenario, key_lifetime_s=60)


@pytest.mark.parametrize("kind", [*WRONG, "hang"])
def test_a_look_up_fails_as_told_and_no_shipment_is_taken_from_it(kind: str, tmp_path: Path) -> None:
    async def scenario(client: Client) -> None:
        async with an_adapter(client, timeout_s=1) as carrier:
            label = await carrier.create_shipment(a_request("order-1"))
            await client.put("/v1/faults", {"call": "find", "kind": kind, "orderId": "order-1"})
            with pytest.raises(WRONG.get(kind, CarrierUnavailable)):
                await carrier.find_shipments("order-1")
            assert await carrier.find_shipments("order-2") == []
            assert await carrier.create_shipment(a_request("order-1")) == label
            await client.put("/v1/faults", [])
            assert await carrier.find_shipments("order-1") == [label]

    run(tmp_path / "ledger.db", scenario)


@pytest.mark.parametrize("kind", [*sorted(WRONG.keys() - {"no-tracking-number"}), "hang"])
@pytest.mark.parametrize("applied", ["", "apply-then-"])
def test_a_void_fails_as_told_and_is_never_taken_for_done(kind: str, applied: str, tmp_path: Path) -> None:
    async def scenario(client: Client) -> None:
        async with an_adapter(client, timeout_s=1) as carrier:
            label = await carrier.create_shipment(a_request("order-1"))
            other = await carrier.create_shipment(a_request("order-2"))
            await client.put("/v1/faults", {"call": "void", "kind": applied + kind, "orderId": "order-1"})
            with pytest.raises(WRONG.get(kind, CarrierUnavailable)):
                await carrier.void_shipment(label.shipment_id)
            assert (await states(client))["order-1"] == ("voided" if applied else "live")
            await carrier.void_shipment(other.shipment_id)
            await client.put("/v1/faults", [])
            await carrier.void_shipment(label.shipment_id)
            assert await states(client) == {"order-1": "voided", "order-2": "voided"}

    run(tmp_path / "ledger.db", scenario)


async def states(client: Client) -> dict[str, str]:
    return {shipment["orderId"]: shipment["state"] for shipment in await client.ledger()}


@pytest.mark.parametrize("applied", ["", "apply-then-"])
def test_a_call_that_hangs_leaves_the_client_in_doubt_and_the_same_key_makes_one_shipment(
    applied: str, tmp_path: Path
) -> None:
    async def scenario(client: Client) -> None:
        await client.put("/v1/faults", {"kind": f"{applied}hang", "orderId": "order-1", "seconds": 600})
        async with an_adapter(client, timeout_s=0.5) as carrier:
            with pytest.raises(CarrierUnavailable) as raised:
                await carrier.create_shipment(a_request("order-1"))
            assert raised.value.doubtful
        assert list(await states(client)) == (["order-1"] if applied else [])
        async with an_adapter(client) as carrier:
            hanging = asyncio.create_task(carrier.create_shipment(a_request("order-1")))
            await asyncio.sleep(0.2)
            assert not hanging.done()
            await client.put("/v1/faults", [])  # calls that hang are let go
            with pytest.raises(CarrierUnavailable):
                await hanging
            await carrier.create_shipment(a_request("order-1"))
        assert await states(client) == {"order-1": "live"}
        assert len(await client.ledger()) == 1

    run(tmp_path / "ledger.db", scenario)


def test_a_call_that_hangs_is_answered_when_the_fault_ends(tmp_path: Path) -> None:
    async def scenario(client: Client) -> None:
        await client.put("/v1/faults", {"kind": "hang", "seconds": 0.5})
        async with asyncio.timeout(30):
            assert (await client.create("order-1", "key"))[0] == 503
            assert (await client.create("order-1", "key"))[0] == 201

    run(tmp_path / "ledger.db", scenario)


def test_a_fault_ends_after_its_seconds(tmp_path: Path) -> None:
    async def scenario(client: Client) -> None:
        began = time.monotonic()
        await client.put("/v1/faults", {"kind": "503", "seconds": 1})
        async with asyncio.timeout(30):
            failed = 0
            while (await client.create("order-1", "key"))[0] == 503:
                failed += 1
                await asyncio.sleep(0.02)
        assert failed > 0
        assert time.monotonic() - began >= 1
        assert (await client.call("GET", "/v1/faults"))[1]["active"] == []

    run(tmp_path / "ledger.db", scenario)


@pytest.mark.parametrize(("share", "least", "most"), [(0, 0, 0), (0.5, 60, 140), (1, 200, 200)])
def test_a_fault_takes_its_share_of_the_calls_and_says_how_many(
    share: float, least: int, most: int, tmp_path: Path
) -> None:
    async def scenario(client: Client) -> None:
        fault = {"kind": "429", "share": share, "seconds": 600, "call": "create"}
        _, told = await client.put("/v1/faults", fault)
        assert [{**each, "seconds": 600} for each in told["active"]] == [fault]
        answers = await asyncio.gather(*(client.create(f"order-{n}", f"key-{n}") for n in range(200)))
        failed = [status for status, _ in answers].count(429)
        assert least <= failed <= most
        _, told = await client.call("GET", "/v1/faults")
        assert told["counts"] == ({"429": failed} if failed else {})
        assert 590 < told["active"][0]["seconds"] < 600
        assert len(await client.ledger()) == 200 - failed

    run(tmp_path / "ledger.db", scenario)


BAD_FAULTS: list[Any] = [
    "not even a fault",
    {"kind": "no such kind"},
    {"kind": "503", "share": 1.1},
    {"kind": "503", "share": -0.1},
    {"kind": "503", "seconds": 0},
    {"kind": "503", "seconds": 601},
    {"kind": "503", "orderId": "o" * 201},
    {"kind": "503", "call": "ledger"},
    {"kind": "503", "more": 1},
    {"kind": "apply-then-503", "call": "find"},
    {"kind": "no-tracking-number", "call": "void"},
    [{"kind": "503"}] * 21,
]


@pytest.mark.parametrize("bad", BAD_FAULTS, ids=str)
def test_a_bad_fault_is_refused_and_the_former_ones_stay(bad: object, tmp_path: Path) -> None:
    async def scenario(client: Client) -> None:
        await client.put("/v1/faults", {"kind": "429", "seconds": 600})
        assert (await client.put("/v1/faults", bad))[0] == 422
        assert (await client.call("PUT", "/v1/faults", b"["))[0] == 422
        _, told = await client.call("GET", "/v1/faults")
        assert [each["kind"] for each in told["active"]] == ["429"]

    run(tmp_path / "ledger.db", scenario)
