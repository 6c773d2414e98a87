"""The client of the Order Service turns HTTP into what the Order Service says about each update."""

import asyncio
from collections.abc import Sequence

import pytest
from tests.fulfillment.scripted_server import answer as response
from tests.fulfillment.scripted_server import scripted

from orderflow.fulfillment.orders_answers import (
    Acknowledged,
    Answer,
    Conflict,
    Refused,
    Unanswered,
    UnknownOrder,
)
from orderflow.fulfillment.orders_client import BulkRefused, OrdersClient, OrdersUnavailable


def sent(updates: int, answer: bytes) -> Sequence[Answer]:
    async def send() -> Sequence[Answer]:
        async with scripted(answer) as (url, _requests):
            client = OrdersClient(url)
            try:
                return await client.patch([{"orderId": str(number)} for number in range(updates)])
            finally:
                await client.close()

    return asyncio.run(send())


@pytest.mark.parametrize(
    ("result", "answer"),
    [
        ({"status": 204}, Acknowledged()),
        ({"status": 404, "problem": {}}, UnknownOrder()),
        ({"status": 409, "problem": {"currentStatus": "OnHold"}}, Conflict("OnHold")),
        ({"status": 409, "problem": {}}, Refused("with 409")),
        ({"status": 409}, Refused("with 409")),
        ({"status": 422, "problem": {"currentStatus": "OnHold"}}, Refused("with 422")),
        ({"status": 200}, Refused("with 200")),
        *(
            ({"status": status}, Unanswered(f"the Order Service answered {status}"))
            for status in (408, 429, 500, 503)
        ),
    ],
)
def test_each_status_of_a_bulk_has_one_meaning(result: object, answer: Answer) -> None:
    bulk = {"results": [result, {"status": 204}]}
    assert sent(2, response(200, bulk)) == [answer, Acknowledged()]


@pytest.mark.parametrize("results", [[{"status": "204"}], [{}], [None], [{"status": 409, "problem": [1]}]])
def test_an_answer_that_cannot_be_read_is_an_outage(results: list[object]) -> None:
    with pytest.raises(OrdersUnavailable):
        sent(len(results), response(200, {"results": results}))


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_bulk_that_is_refused_whole_says_so(status: int) -> None:
    with pytest.raises(BulkRefused) as refused:
        sent(1, response(status, {}))
    assert refused.value.refused == Refused(f"with {status}")


@pytest.mark.parametrize("status", [301, 401, 403, 404, 409, 429, 500, 503])
def test_any_other_answer_to_a_bulk_is_an_outage(status: int) -> None:
    with pytest.raises(OrdersUnavailable):
        sent(1, response(status, {}))
