"""What the Fulfillment Service shows over HTTP, and its schema."""

import asyncio
import json
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import aiohttp
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from tests.database.releases import is_of_the_code
from tests.documented import is_documented
from tests.fulfillment.conftest import OpenCarrier, World
from tests.orders.conftest import KEPT

from orderflow.contracts.audit import AUDIT
from orderflow.contracts.scopes import Scope
from orderflow.database.engine import Reader
from orderflow.fulfillment.carriers import Carrier, CarrierRefused, Label, ShipmentRequest
from orderflow.fulfillment.http.customers import Customers
from orderflow.fulfillment.http.dead_letters import DeadLetterActions
from orderflow.fulfillment.http.health import health_api
from orderflow.fulfillment.http.metrics import metrics_api
from orderflow.fulfillment.http.openapi import openapi_document
from orderflow.fulfillment.http.reads import FulfillmentApi
from orderflow.fulfillment.http.routes import create_app
from orderflow.fulfillment.http.stock import StockApi
from orderflow.fulfillment.migrations import SCHEMA as FULFILLMENT
from orderflow.fulfillment.tables import metadata
from orderflow.fulfillment.worker import FulfillmentWorker
from orderflow.web.front_door import EVERYONE, FrontDoor, Principal
from orderflow.web.server import address, bind, serving

READER = Principal("ada", frozenset((Scope.FULFILLMENT_READ,)))

Get = Callable[..., Awaitable[tuple[int, Any]]]
"""Gets a path, or posts to it where a body is given."""

LETTERS = "/api/fulfillment/dead-letters"
NO_ID = "00000000-0000-0000-0000-000000000000"
UNKNOWN = "01a204ad-977c-7a5a-b4a3-589b3ddf62d2"


@asynccontextmanager
async def fulfillment_api(
    world: World, worker: FulfillmentWorker, *, principal: Principal = EVERYONE
) -> AsyncGenerator[Get]:
    reader = Reader(world.fulfillment)
    actions = DeadLetterActions(
        writer=worker.writer,
        reader=reader,
        discarder=worker.discarder,
        clock=lambda: datetime.now(UTC),
    )
    health = health_api(worker.readiness, worker.status)
    stock = StockApi(writer=worker.writer, reader=reader, clock=lambda: datetime.now(UTC))
    customers = Customers(
        writer=worker.writer, reader=reader, clock=lambda: datetime.now(UTC), copies_kept=lambda: KEPT
    )
    app = create_app(
        FulfillmentApi(reader, worker.known),
        health,
        actions,
        stock,
        customers,
        metrics=metrics_api(worker.status),
    )
    door = FrontDoor(authenticate=lambda _authorization: principal)
    with bind("127.0.0.1", 0, "ORDERFLOW_FULFILLMENT_PORT") as listener:
        async with serving(app, listener, door=door), aiohttp.ClientSession(address(listener)) as session:

            async def get(path: str, body: Any = None) -> tuple[int, Any]:
                method = "GET" if body is None else "POST"
                async with session.request(method, path, json=body) as response:
                    document = await response.json(content_type=None)
                    is_documented(openapi_document(), method, path, response.status, document)
                    return response.status, document

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
            named = f"orderId={order_ids[3].upper()}&orderId={order_ids[1]}&orderId={UNKNOWN}"
            for query, found in (
                (named, [order_ids[1], order_ids[3]]),
                (f"{named}&limit=1", [order_ids[1]]),
                (f"{named}&state=parked", []),
                (f"orderId={UNKNOWN}", []),
            ):
                _, page = await get(f"/api/fulfillment/shipments?{query}")
                assert [item["orderId"] for item in page["items"]] == found
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
                (f"/api/fulfillment/shipments/{UNKNOWN}", 404),
                ("/api/fulfillment/shipments?orderId=nonsense", 422),
                ("/api/fulfillment/shipments?" + f"orderId={UNKNOWN}&" * 101, 422),
                ("/api/fulfillment/shipments?state=lost", 422),
                ("/api/fulfillment/shipments?limit=0", 422),
                ("/api/fulfillment/shipments?cursor=%00", 422),
                ("/api/fulfillment/dead-letters?cursor=AAAA", 422),
                ("/api/fulfillment/dead-letters?kind=%00", 422),
                ("/api/fulfillment/shipments/%00", 422),
                ("/api/fulfillment/dead-letters?colour=red", 422),
                ("/nowhere", 404),
            ):
                status, problem = await get(path)
                assert (status, problem["status"]) == (expected, expected), path
                assert problem["type"].startswith("urn:orderflow:problem:")

    asyncio.run(scenario())


class Refusing:
    """A carrier that takes no request until `takes`, and answers none until `answers` is set."""

    def __init__(self, inner: Carrier) -> None:
        self._inner = inner
        self.takes = False
        self.answers = asyncio.Event()
        self.answers.set()

    async def create_shipment(self, request: ShipmentRequest) -> Label:
        await self.answers.wait()
        if not self.takes:
            raise CarrierRefused("bad request")
        return await self._inner.create_shipment(request)

    async def find_shipments(self, order_id: str) -> list[Label]:
        return await self._inner.find_shipments(order_id)

    async def void_shipment(self, shipment_id: str) -> None:
        await self._inner.void_shipment(shipment_id)

    async def close(self) -> None:
        pass


async def one_open_letter(get: Get, world: World) -> str:
    await world.place()

    async def has_letter() -> bool:
        return bool((await get(LETTERS))[1]["items"])

    await world.until(has_letter, "the order is a dead letter")
    return (await get(LETTERS))[1]["items"][0]["id"]


def test_dead_letters_are_grouped_redriven_and_discarded_over_http(
    world: World, http_carrier: OpenCarrier
) -> None:
    async def scenario() -> None:
        async with world.running(), http_carrier(world.carrier_url) as inner:
            carrier = Refusing(inner)
            async with world.working(carrier) as worker, fulfillment_api(world, worker) as get:
                letter_id = await one_open_letter(get, world)
                _, groups = await get(f"{LETTERS}/groups")
                assert [(g["kind"], g["open"]) for g in groups["items"]] == [("carrier-refused", 1)]
                assert (await get(f"{LETTERS}?kind=nothing"))[1]["items"] == []

                carrier.answers.clear()
                status, group = await get(
                    f"{LETTERS}/redrive",
                    {"kind": "carrier-refused", "staged": True, "why": "it is mended"},
                )
                assert (group["letters"], group["redriven"], group["stage"]) == (1, 0, 1)
                assert (status, group["state"], group["actor"]) == (202, "running", "anonymous")
                assert (await get(f"{LETTERS}/redrive", {"kind": "carrier-refused"}))[0] == 409
                status, group = await get(f"{LETTERS}/redrives/{group['id']}/stop", {})
                assert (status, group["state"]) == (200, "stopped")
                assert (await get(f"{LETTERS}/redrives"))[1]["items"] == [group]
                carrier.answers.set()

                async def is_open() -> bool:
                    return (await get(f"{LETTERS}/{letter_id}"))[1]["state"] == "open"

                await world.until(is_open, "what was redriven has failed again")
                carrier.takes = True
                assert (await get(f"{LETTERS}/{letter_id}/discard", {"reason": " "}))[0] == 422
                message = (await get(f"{LETTERS}/{letter_id}/message"))[1]
                assert message["key"] == json.loads(message["value"])["orderId"]
                assert (await get(f"{LETTERS}/{NO_ID}/message"))[0] == 404
                status, letter = await get(f"{LETTERS}/{letter_id}/discard", {"reason": "seen"})
                assert (status, letter["state"], letter["outcome"]) == (200, "discarded", "discarded: seen")
                assert ("discard", "anonymous") in [(a["action"], a["actor"]) for a in letter["actions"]]
                assert (await get(f"{LETTERS}/{letter_id}/redrive", {}))[0] == 409
                assert "Ada" not in str(letter)
                _, audit = await get(AUDIT)
                told = [(each["action"], each["subject"], each["reason"]) for each in audit["items"]]
                assert told == [
                    ("dead-letter.discard", letter_id, "seen"),
                    ("redrive.stop", group["id"], None),
                    ("redrive.start", group["id"], "it is mended"),
                ]
                details = {"kind": "carrier-refused", "ratePerS": 1, "staged": True}
                assert audit["items"][2]["details"] == details

    asyncio.run(scenario())


def test_nothing_is_changed_by_whoever_may_only_read(world: World, http_carrier: OpenCarrier) -> None:
    async def scenario() -> None:
        async with (
            world.running(),
            http_carrier(world.carrier_url) as inner,
            world.working(Refusing(inner)) as worker,
            fulfillment_api(world, worker, principal=READER) as get,
        ):
            letter_id = await one_open_letter(get, world)
            for path in (f"{letter_id}/redrive", f"{letter_id}/discard", "redrive"):
                status, problem = await get(f"{LETTERS}/{path}", {"reason": "x", "kind": "y"})
                assert (status, problem["type"]) == (403, "urn:orderflow:problem:forbidden")
            assert (await get(f"{LETTERS}/{letter_id}"))[1]["actions"] == []

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
            assert ready["skippedEvents"] == {}
            world.network.down = True
            await world.place()
            await world.until(lambda: worker.health.is_degraded("orders"), "the outage is seen")
            status, ready = await get("/health/ready")
            assert (status, ready["status"]) == (200, "degraded")
            assert [d["part"] for d in ready["degraded"]] == ["orders"]
            assert (await get("/health/live"))[0] == 200

    asyncio.run(scenario())


def test_a_repeated_state_is_the_union_and_what_nobody_knows_is_named(
    world: World, http_carrier: OpenCarrier
) -> None:
    async def scenario() -> None:
        async with (
            world.running(),
            http_carrier(world.carrier_url) as carrier,
            world.working(carrier) as worker,
            fulfillment_api(world, worker) as get,
        ):
            await world.until_closed(await world.place(3))
            shipments = "/api/fulfillment/shipments"
            for query, count in (("state=closed&state=parked", 3), ("state=parked", 0), ("limit=2", 2)):
                status, page = await get(f"{shipments}?{query}")
                assert (status, len(page["items"])) == (200, count)
            for path, name in (
                (f"{shipments}?limit=1&limit=2", "limit"),
                (f"{shipments}?order=1", "order"),
                (f"{shipments}/{uuid.uuid4()}?a=1", "a"),
                (f"{LETTERS}?kind=a&kind=b", "kind"),
                (f"{LETTERS}/groups?kind=a", "kind"),
                (f"{LETTERS}/redrives?limit=1", "limit"),
            ):
                status, problem = await get(path)
                assert (status, [e["pointer"] for e in problem["errors"]]) == (422, [f"/{name}"])

    asyncio.run(scenario())


def test_migrations_make_exactly_the_tables_the_code_knows(world: World) -> None:
    with world.fulfillment.reader.connect() as connection:
        options = {
            "version_table": FULFILLMENT.version_table,
            "include_name": is_of_the_code,
        }
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []
