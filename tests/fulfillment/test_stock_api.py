"""Stock over HTTP: listed page by page, set product by product, and nothing dubious is accepted."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
from tests.fulfillment.test_stock import database, levels, order, put, write
from tests.orders.conftest import KEPT
from tests.web.conftest import metrics_api
from yarl import URL

from orderflow.contracts.audit import AUDIT
from orderflow.contracts.scopes import Scope
from orderflow.database.engine import Database, Reader
from orderflow.database.group_commit import GroupCommit
from orderflow.fulfillment.http.customers import Customers
from orderflow.fulfillment.http.dead_letters import DeadLetterActions
from orderflow.fulfillment.http.reads import FulfillmentApi
from orderflow.fulfillment.http.routes import create_app
from orderflow.fulfillment.http.stock import STOCK, StockApi
from orderflow.fulfillment.stock.records import ON_HAND_MAX
from orderflow.fulfillment.stock.reservations import reserve
from orderflow.runtime.health import Health
from orderflow.web.front_door import EVERYONE, FrontDoor, Principal
from orderflow.web.health import HealthApi
from orderflow.web.server import address, bind, serving

__all__ = ["database"]

JSON = {"content-type": "application/json"}

READER = Principal("ada", frozenset((Scope.FULFILLMENT_READ,)))

Call = Callable[..., Awaitable[tuple[int, Any]]]
"""Sends a method, a path as it is and a body; the status and the document of the answer."""


async def _no_trouble() -> None:
    return None


@asynccontextmanager
async def stock_api(database: Database, *, principal: Principal = EVERYONE) -> AsyncGenerator[Call]:
    reader, writer, health = Reader(database), GroupCommit(database.writer, "test"), Health()
    writer.start()

    def clock() -> datetime:
        return datetime.now(UTC)

    nobody: Any = None
    app = create_app(
        FulfillmentApi(reader),
        HealthApi(_no_trouble, disabled=health.disabled, degraded=health.degraded),
        DeadLetterActions(writer=writer, reader=reader, discarder=nobody, clock=clock),
        StockApi(writer=writer, reader=reader, clock=clock),
        Customers(writer=writer, reader=reader, clock=clock, copies_kept=lambda: KEPT),
        metrics=metrics_api(),
    )
    with bind("127.0.0.1", 0, "ORDERFLOW_FULFILLMENT_PORT") as listener:
        door = FrontDoor(authenticate=lambda _authorization: principal)
        async with serving(app, listener, door=door), aiohttp.ClientSession() as session:

            async def call(
                method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
            ) -> tuple[int, Any]:
                url = URL(address(listener) + path, encoded=True)
                sent = JSON if headers is None else headers
                async with session.request(method, url, data=body, headers=sent) as response:
                    return response.status, await response.json(content_type=None)

            yield call
    writer.close()
    reader.close()


def with_api(database: Database, scenario: Callable[[Call], Awaitable[None]], **options: Principal) -> None:
    async def run() -> None:
        async with stock_api(database, **options) as call:
            await scenario(call)

    asyncio.run(run())


def test_a_product_is_set_and_listed_with_what_is_reserved(database: Database) -> None:
    async def scenario(call: Call) -> None:
        assert await call("GET", STOCK) == (200, {"items": [], "nextCursor": None})
        record = {"productId": "p-1", "onHand": 7, "reserved": 0}
        assert await call("PUT", f"{STOCK}/p-1", b'{"onHand":7}') == (200, record)
        await asyncio.to_thread(write, database, reserve, order(("p-1", 5)))
        record["reserved"] = 5
        assert await call("GET", STOCK) == (200, {"items": [record], "nextCursor": None})
        record["onHand"] = 2
        assert await call("PUT", f"{STOCK}/p-1", b'{"onHand":2.0}') == (200, record)
        why = b'{"onHand":2,"reason":"counted anew"}'
        assert await call("PUT", f"{STOCK}/p-1", why) == (200, record)
        most = b'{"onHand":%d}' % ON_HAND_MAX
        assert (await call("PUT", f"{STOCK}/p-1", most))[1]["onHand"] == ON_HAND_MAX
        audit = (await call("GET", AUDIT))[1]["items"]
        assert {(each["action"], each["actor"], each["subject"]) for each in audit} == {
            ("stock.set", "anonymous", "p-1")
        }
        assert [each["details"]["onHand"] for each in audit] == [ON_HAND_MAX, 2, 2, 7]
        assert [each["reason"] for each in audit] == [None, "counted anew", None, None]

    with_api(database, scenario)


def test_every_product_is_on_one_page_in_order_of_its_id(database: Database) -> None:
    ids = ["Zed", "a", "a/b", "b", "é", "\u00ff", "p" * 200, "😀" * 200, "?", " x"]
    put(database, **dict.fromkeys(ids, 1))

    async def scenario(call: Call) -> None:
        for limit in (1, 3, 200):
            seen: list[str] = []
            cursor = ""
            while True:
                status, page = await call("GET", f"{STOCK}?limit={limit}{cursor}")
                assert status == 200
                assert len(page["items"]) <= limit
                seen += [item["productId"] for item in page["items"]]
                if page["nextCursor"] is None:
                    break
                cursor = f"&cursor={page['nextCursor']}"
            assert seen == sorted(ids)

    with_api(database, scenario)


IDS = [
    "a/b",
    "a//b",
    "/",
    "a b",
    "é",
    "e\u0301",
    "😀" * 200,
    "%",
    "%2F",
    "?",
    "#",
    "a&b=c",
    "+",
    ";",
    "\ufffd",
]


@pytest.mark.parametrize("product_id", IDS)
def test_any_id_is_set_and_found_exactly(database: Database, product_id: str) -> None:
    put(database, other=1)

    async def scenario(call: Call) -> None:
        quoted = quote(product_id, safe="")
        record = {"productId": product_id, "onHand": 3, "reserved": 0}
        assert await call("PUT", f"{STOCK}/{quoted}", b'{"onHand":3}') == (200, record)
        found = {"items": [record], "nextCursor": None}
        assert await call("GET", f"{STOCK}?productId={quoted}") == (200, found)

    with_api(database, scenario)
    assert levels(database) == {"other": (1, 0), product_id: (3, 0)}


WRONG: list[tuple[str, str, bytes | None, dict[str, str], int]] = [
    ("PUT", "/p", b"", JSON, 400),
    ("PUT", "/p", b"{", JSON, 400),
    ("PUT", "/p", b'{"onHand":1}', {"content-type": "text/plain"}, 415),
    ("PUT", "/p", b'{"onHand":1}', {"content-type": ""}, 415),
    ("PUT", "/p", b'{"onHand":1}' + b" " * 10_001, JSON, 413),
    ("PUT", "/p", b'{"onHand":-1}', JSON, 422),
    ("PUT", "/p", b'{"onHand":%d}' % (ON_HAND_MAX + 1), JSON, 422),
    ("PUT", "/p", b'{"onHand":1e400}', JSON, 422),
    ("PUT", "/p", b'{"onHand":1.5}', JSON, 422),
    ("PUT", "/p", b'{"onHand":"1"}', JSON, 422),
    ("PUT", "/p", b'{"onHand":true}', JSON, 422),
    ("PUT", "/p", b'{"onHand":null}', JSON, 422),
    ("PUT", "/p", b'{"onHand":1,"reserved":0}', JSON, 422),
    ("PUT", "/p", b'{"on_hand":1}', JSON, 422),
    ("PUT", "/p", b"{}", JSON, 422),
    ("PUT", "/p", b"[]", JSON, 422),
    ("PUT", "/p?x=1", b'{"onHand":1}', JSON, 422),
    ("PUT", "/p", b'{"onHand":1}', {**JSON, "idempotency-key": "k"}, 422),
    ("PUT", "/p", b'{"onHand":1}', {**JSON, "if-match": '"1"'}, 422),
    ("PUT", "/", b'{"onHand":1}', JSON, 422),
    ("PUT", "/%20", b'{"onHand":1}', JSON, 422),
    ("PUT", "/a%00", b'{"onHand":1}', JSON, 422),
    ("PUT", "/a%0A", b'{"onHand":1}', JSON, 422),
    ("PUT", "/a%0Ab", b'{"onHand":1}', JSON, 404),
    ("PUT", "/%FF", b'{"onHand":1}', JSON, 422),
    ("PUT", "/" + "a" * 201, b'{"onHand":1}', JSON, 422),
    ("PUT", "", b'{"onHand":1}', JSON, 405),
    ("GET", "/p", None, {}, 405),
    ("DELETE", "/p", None, {}, 405),
    ("GET", "?limit=0", None, {}, 422),
    ("GET", "?limit=201", None, {}, 422),
    ("GET", "?limit=1&limit=2", None, {}, 422),
    ("GET", "?product=p", None, {}, 422),
    ("GET", "?product_id=p", None, {}, 422),
    ("GET", "?productId=", None, {}, 422),
    ("GET", "?productId=%00", None, {}, 422),
    ("GET", "?productId=" + "a" * 201, None, {}, 422),
    ("GET", "?productId=a&productId=b", None, {}, 422),
    ("GET", "?cursor=", None, {}, 422),
    ("GET", "?cursor=AA", None, {}, 422),
    ("GET", "?cursor=%F0%9F%98%80", None, {}, 422),
]


def test_what_is_wrong_is_a_problem_and_changes_nothing(database: Database) -> None:
    put(database, p=4)

    async def scenario(call: Call) -> None:
        for method, path, body, headers, expected in WRONG:
            status, problem = await call(method, STOCK + path, body, headers)
            assert (status, problem["status"]) == (expected, expected), (method, path, body)
            assert problem["type"].startswith("urn:orderflow:problem:")

    with_api(database, scenario)
    assert levels(database) == {"p": (4, 0)}


def test_stock_is_shown_to_whoever_may_only_read_but_not_set(database: Database) -> None:
    put(database, p=4)

    async def scenario(call: Call) -> None:
        for body in (b'{"onHand":1}', b"nonsense"):
            status, problem = await call("PUT", f"{STOCK}/p", body)
            assert (status, problem["type"]) == (403, "urn:orderflow:problem:forbidden")
        assert [item["onHand"] for item in (await call("GET", STOCK))[1]["items"]] == [4]

    with_api(database, scenario, principal=READER)
    assert levels(database) == {"p": (4, 0)}
