"""What the Fulfillment Service shows over HTTP, and its schema."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import aiohttp
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from orderflow.database.engine import Reader
from orderflow.edge import Edge
from orderflow.fulfillment.dead_letters_http import DeadLetterActions
from orderflow.fulfillment.http import FulfillmentApi, create_app
from orderflow.fulfillment.tables import metadata
from orderflow.fulfillment.worker import FulfillmentWorker
from orderflow.serving import address, bind, serving

World = Any
OpenCarrier = Callable[[str], Any]
Get = Callable[[str], Awaitable[tuple[int, Any]]]


@asynccontextmanager
async def fulfillment_api(world: World, worker: FulfillmentWorker) -> AsyncGenerator[Get]:
    reader = Reader(world.fulfillment)
    actions = DeadLetterActions(
        writer=worker.writer,
        reader=reader,
        discarder=worker.discarder,
        clock=lambda: datetime.now(UTC),
        served=True,
    )
    app = Edge(create_app(FulfillmentApi(reader=reader, status=worker.status), actions))
    with bind("127.0.0.1", 0, "ORDERFLOW_FULFILLMENT_PORT") as listener:
        async with serving(app, listener), aiohttp.ClientSession(address(listener)) as session:

            async def get(path: str) -> tuple[int, Any]:
                async with session.get(path) as response:
                    return response.status, await response.json(content_type=None)

            yield get
    reader.close()


def test_shipments_and_dead_letters_are_listed_without_personal_data(
    world: World, http_carrier: OpenCarrier
) -> None:
    async def scenario() -> None:
        async with (
            world.running(),
            http_carrier(world.carrier_url) as carrier,
            world.working(carrier) as worker,
            fulfillment_api(world, worker) as get,
        ):
            order_ids = sorted(await world.place(5))
            await world.until_closed(order_ids)
            status, shipment = await get(f"/api/fulfillment/shipments/{order_ids[0].upper()}")
            assert (status, shipment["state"], shipment["attempts"]) == (200, "closed", 1)
            assert shipment["label"]["trackingNumber"]
            assert "Ada" not in str(shipment)

            seen: list[str] = []
            cursor = ""
            while True:
                _, page = await get(f"/api/fulfillment/shipments?limit=2&state=closed{cursor}")
                seen += [item["orderId"] for item in page["items"]]
                if page["nextCursor"] is None:
                    break
                cursor = f"&cursor={page['nextCursor']}"
            assert seen == order_ids
            for state in ("received", "parked", "calling"):
                assert (await get(f"/api/fulfillment/shipments?state={state}"))[1]["items"] == []
            assert (await get("/api/fulfillment/dead-letters"))[1] == {"items": [], "nextCursor": None}

    asyncio.run(scenario())


def test_errors_are_problems(world: World, http_carrier: OpenCarrier) -> None:
    async def scenario() -> None:
        async with (
            world.running(),
            http_carrier(world.carrier_url) as carrier,
            world.working(carrier) as worker,
            fulfillment_api(world, worker) as get,
        ):
            for path, expected in (
                ("/api/fulfillment/shipments/nonsense", 404),
                ("/api/fulfillment/shipments/01a204ad-977c-7a5a-b4a3-589b3ddf62d2", 404),
                ("/api/fulfillment/shipments?state=lost", 422),
                ("/api/fulfillment/shipments?limit=0", 422),
                ("/api/fulfillment/shipments?cursor=%00", 422),
                ("/api/fulfillment/dead-letters?cursor=AAAA", 422),
                ("/api/fulfillment/dead-letters?colour=red", 422),
                ("/nowhere", 404),
            ):
                status, problem = await get(path)
                assert (status, problem["status"]) == (expected, expected), path
                assert problem["type"].startswith("urn:orderflow:problem:")

    asyncio.run(scenario())


def test_ready_names_what_is_down_and_fails_only_without_its_own_database(
    world: World, http_carrier: OpenCarrier
) -> None:
    async def scenario() -> None:
        async with (
            world.running(),
            http_carrier(world.carrier_url) as carrier,
            world.working(carrier) as worker,
            fulfillment_api(world, worker) as get,
        ):
            status, ready = await get("/health/ready")
            assert (status, ready["status"], ready["degraded"]) == (200, "ready", [])
            assert ready["consumer"]["group"] == "fulfillment"
            assert ready["circuits"] == {"carrier": "closed", "orders": "closed"}
            world.network.down = True
            await world.place()
            await world.until(lambda: worker.vitals.is_degraded("orders"), "the outage is seen")
            status, ready = await get("/health/ready")
            assert (status, ready["status"]) == (200, "degraded")
            assert [d["part"] for d in ready["degraded"]] == ["orders"]
            assert (await get("/health/live"))[0] == 200

    asyncio.run(scenario())


def test_migrations_make_exactly_the_tables_the_code_knows(world: World) -> None:
    with world.fulfillment.reader.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": "alembic_version_fulfillment"}
        )
        assert compare_metadata(context, metadata) == []
