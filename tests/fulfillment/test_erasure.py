"""Erasing what fulfillment has of a customer: nothing of it is left in closed shipments and dead letters."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from tests.fulfillment.conftest import OpenCarrier, World
from tests.fulfillment.test_dead_letters import Moody, publish, until_parked
from tests.fulfillment.test_fulfillment_api import Get, fulfillment_api
from tests.orders.conftest import KEPT

from orderflow.contracts.erasure import erased_json
from orderflow.fulfillment.erasure import STRAYS_A_STEP_MAX, is_same_request
from orderflow.fulfillment.tables import audit_log, dead_letters, metadata, shipments

ADDRESS = {"name": "Ada L.", "lines": ["12 St James's Square"], "city": "London", "country": "GB"}
SECRETS = ("Ada", "Lovelace", "Square", "London")
ERASE = "/api/fulfillment/customers/erase"


def everything(world: World) -> Iterator[str]:
    """All rows of the fulfillment database as text, but not the audit log's."""
    for table in metadata.sorted_tables:
        if table is not audit_log:
            for row in world.rows(table):
                yield f"{table.name}: {dict(row)}"


def found(world: World) -> list[str]:
    return [row for row in everything(world) if any(secret in row for secret in SECRETS)]


async def erase(get: Get, order_ids: list[str] | None = None, **more: Any) -> dict[str, Any]:
    body = {"customerId": "c-1", **more} | ({"orderIds": order_ids} if order_ids else {})
    status, answer = await get(ERASE, body)
    assert status == 200, answer
    return answer


def event(order_id: str, **changed: Any) -> dict[str, Any]:
    return {
        "eventType": "OrderCreated",
        "orderId": order_id,
        "customer": {"customerId": "c-1", "name": "Ada Lovelace"},
        "items": [{"productId": "p-1", "quantity": 2}],
        "shipTo": ADDRESS,
        "createdAt": "2026-02-10T09:30:00Z",
        "metadata": {"source": "OrderService", "correlationId": "abc"},
    } | changed


def test_a_closed_shipment_keeps_what_was_shipped_but_not_where_to(
    world: World, http_carrier: OpenCarrier
) -> None:
    async def scenario() -> None:
        async with world.running(), http_carrier(world.carrier_url) as carrier:
            (order_id,) = await world.place(shipTo=ADDRESS)
            async with world.working(carrier) as worker, fulfillment_api(world, worker) as get:
                await world.until_closed([order_id])
                assert found(world)
                counted = await erase(get, [order_id], dryRun=True)
                assert found(world)
                done = await erase(get, [order_id])
                assert done == counted
                assert (done["shipments"], done["underWay"], done["withoutShipment"]) == (1, [], [])
                assert found(world) == []
                request = json.loads(world.rows(shipments)[0]["request"])
                assert request["items"] == [{"productId": "p-1", "quantity": 2}]
                assert request["shipTo"]["country"] == "GB"
                assert (await erase(get, [order_id]))["shipments"] == 0

    asyncio.run(scenario())


def test_the_event_of_an_erased_order_that_comes_again_is_a_repeat(
    world: World, http_carrier: OpenCarrier
) -> None:
    """It would otherwise be kept as a dead letter, with the address."""

    async def scenario() -> None:
        async with world.running(), http_carrier(world.carrier_url) as carrier:
            (order_id,) = await world.place(shipTo=ADDRESS)
            (message,) = world.log.consumer("order-events", "reader").poll(1, 5)
            async with world.working(carrier) as worker, fulfillment_api(world, worker) as get:
                await world.until_closed([order_id])
                await erase(get, [order_id])
                publish(world, order_id, message.value or b"")
                (last,) = await world.place()
                await world.until_closed([last])
                assert world.rows(dead_letters) == []
                assert found(world) == []
                other = json.loads(message.value or b"") | {"items": [{"productId": "p-9", "quantity": 1}]}
                publish(world, order_id, json.dumps(other).encode())
                await world.until(lambda: world.rows(dead_letters), "another content is a conflict still")

    asyncio.run(scenario())


def test_a_shipment_that_waits_for_a_person_keeps_its_request_and_is_named(
    world: World, http_carrier: OpenCarrier
) -> None:
    async def scenario() -> None:
        async with world.running(), http_carrier(world.carrier_url) as inner:
            carrier = Moody(inner)
            (order_id,) = await world.place(shipTo=ADDRESS)
            carrier.refuses.add(order_id)
            async with world.working(carrier) as worker, fulfillment_api(world, worker) as get:
                await until_parked(world, [order_id])
                before = world.rows(shipments)
                done = await erase(get, [order_id])
                assert done["underWay"] == [{"orderId": order_id, "state": "parked"}]
                assert (done["shipments"], done["deadLetters"]) == (0, 0)
                assert world.rows(shipments) == before
                assert b"Square" in world.rows(dead_letters)[0]["value"]

    asyncio.run(scenario())


def test_dead_letters_lose_their_bytes_headers_and_reasons(world: World, http_carrier: OpenCarrier) -> None:
    async def scenario() -> None:
        async with world.running(), http_carrier(world.carrier_url) as carrier:
            (order_id,) = await world.place(shipTo=ADDRESS)
            publish(world, order_id, json.dumps(event(order_id, schemaVersion=9)).encode())
            async with world.working(carrier) as worker, fulfillment_api(world, worker) as get:
                await world.until_closed([order_id])
                await world.until(lambda: world.rows(dead_letters), "the event is a dead letter")
                letter_id = world.rows(dead_letters)[0]["id"]
                await get(f"/api/fulfillment/dead-letters/{letter_id}/redrive", {})
                world.execute(sa.update(dead_letters).values(headers=b'[["x-for","Ada"]]', reason="for Ada"))
                assert (await erase(get, [order_id]))["deadLetters"] == 1
                assert found(world) == []
                letter = (await get(f"/api/fulfillment/dead-letters/{letter_id}"))[1]
                assert (letter["orderId"], letter["kind"]) == (order_id, "newer-schema")
                assert letter["reason"] == "erased"
                assert (await erase(get, [order_id]))["deadLetters"] == 0

    asyncio.run(scenario())


def test_dead_letters_that_name_the_customer_but_no_order_are_found(
    world: World, http_carrier: OpenCarrier
) -> None:
    async def scenario() -> None:
        async with world.running(), http_carrier(world.carrier_url) as carrier:
            poison = json.dumps(event("none")).encode()
            for number in range(STRAYS_A_STEP_MAX + 1):
                publish(world, "none", poison.replace(b"abc", b"abc-%d" % number))
            publish(world, "none", poison.replace(b"c-1", b"c-12"))
            async with world.working(carrier) as worker, fulfillment_api(world, worker) as get:
                count = STRAYS_A_STEP_MAX + 2
                await world.until(lambda: len(world.rows(dead_letters)) == count, "all are dead letters")
                first = await erase(get)
                second = await erase(get, cursor=first["nextCursor"])
                assert first["deadLetters"] + second["deadLetters"] == STRAYS_A_STEP_MAX + 1
                assert (first["remains"], second["nextCursor"]) == ([], None)
                assert {each["place"] for each in second["remains"]} == {
                    f"copies of dead letters in {KEPT.place}",
                    "carriers and payment providers",
                }
                (left,) = [row for row in world.rows(dead_letters) if row["reason"] != "erased"]
                assert b"c-12" in left["value"]

    asyncio.run(scenario())


def test_an_order_that_fulfillment_does_not_know_is_named(world: World, http_carrier: OpenCarrier) -> None:
    async def scenario() -> None:
        async with world.running(), http_carrier(world.carrier_url) as carrier:
            worker = world.worker(carrier)
            worker.writer.start()
            async with fulfillment_api(world, worker) as get:
                unknown = "019c46f2-b0a0-7c11-8f3a-2b1c9d4e5f60"
                assert (await erase(get, [unknown]))["withoutShipment"] == [unknown]
                entries = (await get("/api/audit?action=customers.erase"))[1]["items"]
                assert entries == [], "nothing has changed"
            await asyncio.to_thread(worker.writer.close)
            await worker.close()

    asyncio.run(scenario())


def test_requests_are_the_same_though_either_of_them_is_erased() -> None:
    items = [{"productId": "p", "quantity": 1}]
    one = json.dumps({"orderId": "o", "items": items, "shipTo": ADDRESS}).encode()
    moved = json.dumps({"orderId": "o", "items": items, "shipTo": ADDRESS | {"city": "Paris"}}).encode()
    more = json.dumps({"orderId": "o", "items": items * 2, "shipTo": ADDRESS}).encode()
    nowhere = json.dumps({"orderId": "o", "items": items}, separators=(",", ":")).encode()
    assert is_same_request(one, one)
    assert is_same_request(erased_json(one), one)
    assert is_same_request(one, erased_json(one))
    assert not is_same_request(one, moved)
    assert not is_same_request(erased_json(one), more)
    assert not is_same_request(erased_json(one), nowhere)
    assert not is_same_request(nowhere, one)
