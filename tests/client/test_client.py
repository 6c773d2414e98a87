"""What a program can rely on that calls the Order Service with `orderflow.client`, in threads or in tasks."""

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.client.conftest import Do, Proxy, problem
from tests.orders.conftest import ORDER
from tests.ports import free_ports

from orderflow.client import (
    NO_RETRIES,
    AnswerLost,
    Client,
    Forbidden,
    IllegalTransition,
    Invalid,
    KeyReused,
    NotFound,
    NotInTime,
    NotOrderflow,
    NotSent,
    OutcomeUnknown,
    Problem,
    RateLimited,
    Retries,
    Unauthenticated,
    Unavailable,
)
from orderflow.client.calls import Call, Reply, answered
from orderflow.client.orders import NewAddress, NewCustomer, NewItem, NewOrder, NewPrice
from orderflow.contracts import orders_api as api
from orderflow.orders.model import TERMINAL

UNKNOWN_ID = "019c46f2-b0a0-7c11-8f3a-2b1c9d4e5f60"


def order_of(customer: str) -> dict[str, Any]:
    return {**ORDER, "customer": {"customerId": customer, "name": "Ada"}}


def keys(proxy: Proxy) -> list[str]:
    return [headers["idempotency-key"] for method, _, headers in proxy.seen if method == "POST"]


def test_an_order_is_placed_and_read_with_its_types(do: Do) -> None:
    placed = do("place", order_of("c-types"))
    read = do("get", placed.order_id)
    assert read == placed
    assert (read.status, read.customer.customer_id, read.items[0].unit_price.amount_minor) == (
        "Created",
        "c-types",
        1999,
    )
    assert read.created_at.tzinfo is not None
    (created, *_) = do("timeline", placed.order_id)
    assert (created.kind, created.order_version) == ("change", 1)


@pytest.mark.parametrize("key", [None, "basket-Ж"])
def test_one_order_is_placed_however_many_answers_get_lost(
    do: Do, proxy: Proxy, key: str | None, request: pytest.FixtureRequest
) -> None:
    customer = f"c-lost-{request.node.name}"[:100]
    proxy.lost = 3
    placed = do("place", order_of(customer), idempotency_key=key and f"{key}-{customer}")
    assert len(keys(proxy)) == 4
    assert len(set(keys(proxy))) == 1
    assert [each.order_id for each in do("list_orders", customer_id=customer)] == [placed.order_id]


def test_a_batch_is_placed_once_and_each_order_has_its_own_result(
    do: Do, proxy: Proxy, request: pytest.FixtureRequest
) -> None:
    customer = f"c-batch-{request.node.name}"[:100]
    proxy.lost = 1
    wrong: dict[str, Any] = {**order_of(customer), "items": []}
    results = do("place_batch", [order_of(customer), wrong, order_of(customer)])
    assert [each.status for each in results] == [201, 422, 201]
    assert results[0].replayed
    assert results[1].problem.errors[0].pointer == "/orders/1/items"
    assert {each.order_id for each in do("list_orders", customer_id=customer)} == {
        results[0].order.order_id,
        results[2].order.order_id,
    }


def test_a_list_goes_on_over_all_pages(do: Do, proxy: Proxy, request: pytest.FixtureRequest) -> None:
    customer = f"c-pages-{request.node.name}"[:100]
    placed = do("place_batch", [order_of(customer)] * 7)
    proxy.seen.clear()
    since = datetime.now(UTC) - timedelta(hours=1)
    found = do("list_orders", customer_id=customer, status=["Created"], created_from=since, page_size=3)
    assert len(found) == 7
    assert {each.order_id for each in found} == {each.order.order_id for each in placed}
    assert len(proxy.seen) == 3
    assert do("list_orders", customer_id=customer, attention=True) == []


def test_an_order_is_found_by_idempotency_key_and_tracking_number(
    do: Do, request: pytest.FixtureRequest
) -> None:
    name = f"find-{request.node.name}"[:100]
    placed = do("place", order_of(name), idempotency_key=name)
    assert [each.order_id for each in do("list_orders", idempotency_key=name)] == [placed.order_id]
    assert do("list_orders", tracking_number=name) == []


def test_actions_are_carried_out_although_their_answers_get_lost(do: Do, proxy: Proxy) -> None:
    order_id = do("place", order_of("c-actions")).order_id
    proxy.lost = 1
    assert do("hold", order_id, reason="fraud check").status == "OnHold"
    proxy.lost = 1
    assert do("release", order_id).status == "Created"
    proxy.lost = 1
    assert do("cancel", order_id).status == "Cancelled"
    with pytest.raises(IllegalTransition) as caught:
        do("hold", order_id)
    assert (caught.value.current_status, caught.value.allowed_transitions) == ("Cancelled", [])


def test_the_order_is_given_once_it_has_the_status_or_a_final_one(do: Do) -> None:
    order_id = do("place", order_of("c-waits")).order_id
    with pytest.raises(NotInTime) as caught:
        do("wait_for", order_id, timeout_s=0.3)
    assert caught.value.status == "Created"
    do("hold", order_id)
    assert do("wait_for", order_id, status="OnHold", timeout_s=30.0).status == "OnHold"
    do("cancel", order_id)
    assert do("wait_for", order_id, timeout_s=30.0).status == "Cancelled"


def test_waiting_survives_trouble_that_passes_and_tells_it(do: Do, proxy: Proxy) -> None:
    order_id = do("place", order_of("c-trouble")).order_id
    do("cancel", order_id)
    told: list[Exception] = []
    proxy.refusals = [problem(503, "unavailable")]
    proxy.lost = 1
    assert do("wait_for", order_id, timeout_s=30.0, on_trouble=told.append).status == "Cancelled"
    assert type(told[0]) is Unavailable
    # aiohttp repeats a GET by itself where a connection that was open already breaks.
    assert {type(each) for each in told[1:]} <= {AnswerLost}
    with pytest.raises(NotFound):
        do("wait_for", UNKNOWN_ID, timeout_s=30.0)


def test_a_refusal_for_now_is_repeated_after_the_time_that_it_names(do: Do, proxy: Proxy) -> None:
    proxy.refusals = [problem(429, "rate-limited", **{"Retry-After": "1"}), problem(503, "overloaded")]
    began = time.monotonic()
    do("place", order_of("c-later"))
    assert time.monotonic() - began >= 1.0
    assert len(proxy.seen) == 3


@pytest.mark.parametrize(
    ("refusal", "kind"),
    [
        (problem(401, "unauthenticated"), Unauthenticated),
        (problem(403, "forbidden"), Forbidden),
        (problem(404, "unknown-order"), NotFound),
        (problem(422, "validation-failed"), Invalid),
        (problem(422, "idempotency-key-reused"), KeyReused),
        (problem(413, "too-large"), Problem),
    ],
    ids=lambda given: given.__name__ if isinstance(given, type) else "",
)
def test_a_refusal_for_good_is_an_exception_of_its_own_kind_and_is_not_repeated(
    do: Do, proxy: Proxy, refusal: tuple[int, dict[str, str], bytes], kind: type[Problem]
) -> None:
    proxy.refusals = [refusal]
    with pytest.raises(Problem) as caught:
        do("get", UNKNOWN_ID)
    assert type(caught.value) is kind
    assert caught.value.status == refusal[0]
    assert str(caught.value) == "T: D"
    assert len(proxy.seen) == 1


def test_what_is_wrong_with_an_order_is_told_with_pointers(do: Do) -> None:
    with pytest.raises(Invalid) as caught:
        do("place", {**ORDER, "items": [{"productId": "p", "quantity": 0}]})
    assert [each["pointer"] for each in caught.value.errors] == ["/items/0/quantity"]
    assert caught.value.correlation_id


def test_repeats_end_and_the_last_error_is_raised(do: Do, proxy: Proxy) -> None:
    proxy.refusals = [problem(429, "rate-limited")] * 3
    with pytest.raises(RateLimited):
        do("get", UNKNOWN_ID, retries=Retries(times_max=2, pause_s_min=0.0))
    assert len(proxy.seen) == 3


def test_a_request_without_a_key_is_not_repeated_where_it_may_have_been_carried_out(
    do: Do, proxy: Proxy
) -> None:
    for refusals, lost, error in (
        ([], 1, AnswerLost),
        ([problem(503, "outcome-unknown")], 0, OutcomeUnknown),
        ([problem(502, "")], 0, Problem),
    ):
        proxy.seen.clear()
        proxy.refusals, proxy.lost = list(refusals), lost
        with pytest.raises(error):
            do("call", "POST", "/api/orders/batch", body=b'{"orders":[]}')
        assert len(proxy.seen) == 1
    proxy.refusals = [problem(503, "overloaded")]
    with pytest.raises(Invalid):
        do("call", "POST", "/api/orders/batch", body=b'{"orders":[]}')
    assert len(proxy.seen) == 3


def test_any_operation_can_be_called(do: Do, proxy: Proxy) -> None:
    answer = do(
        "call", "GET", "/api/orders", query={"limit": 1, "customerId": "nobody & more", "cursor": None}
    )
    assert answer == {"items": [], "nextCursor": None}
    assert proxy.seen[0][1] == "/api/orders?limit=1&customerId=nobody+%26+more"
    assert proxy.seen[0][2]["authorization"] == "Bearer k-1"


def test_an_answer_that_is_not_orderflows_is_told_as_such(do: Do, proxy: Proxy) -> None:
    for body in (b"<html>", b"[]", b""):
        proxy.refusals = [(200, {}, body)]
        with pytest.raises(NotOrderflow):
            do("get", UNKNOWN_ID)


def test_nobody_there_is_told_apart_from_a_lost_answer() -> None:
    (port,) = free_ports(1)
    with Client(f"http://127.0.0.1:{port}", retries=NO_RETRIES) as client, pytest.raises(NotSent):
        client.get(UNKNOWN_ID)
    with pytest.raises(ValueError, match="no address"):
        Client("ftp://host")


def test_a_connection_is_used_again_and_one_that_has_ended_is_replaced(proxy: Proxy) -> None:
    with Client(proxy.url, retries=Retries(times_max=1, pause_s_min=0.0)) as client:
        order = client.place(order_of("c-again"))
        proxy.lost = 1  # the proxy ends the connection, too
        assert client.get(order.order_id) == client.get(order.order_id)


def test_pauses_grow_to_their_bound_and_never_undercut_retry_after() -> None:
    status, _, body = problem(503, "unavailable")
    refusal, asking = Reply(status, body, None), Reply(status, body, "7")
    retries = Retries(times_max=6, pause_s_min=1.0, pause_s_max=4.0, uniform=lambda _low, high: high)
    steps = answered(Call("GET", "/"), retries, repeatable=True)
    waits = [next(steps).after_s, *(steps.send(each).after_s for each in [refusal] * 3 + [asking, refusal])]
    assert waits == [0.0, 1.0, 2.0, 4.0, 7.0, 4.0]


def test_fields_of_later_versions_are_ignored() -> None:
    document: dict[str, Any] = {
        **ORDER,
        "orderId": UNKNOWN_ID,
        "status": "InventedLater",
        "version": 1,
        "fulfillment": {"carrier": "c", "trackingNumber": None, "shippedAt": None, "errorMessage": None},
        "attention": None,
        "createdAt": "2026-02-10T09:30:00Z",
        "updatedAt": "2026-02-10T09:30:00Z",
        "correlationId": "c",
        "allowedTransitions": [],
    }
    grown = json.dumps(document).replace("{", '{"addedLater":{"deep":[1]},')
    assert grown.count("addedLater") == 6
    assert api.OrderOut.model_validate_json(grown) == api.OrderOut.model_validate(document)


def test_the_typed_order_has_the_fields_of_the_contract() -> None:
    for typed, model in (
        (NewOrder, api.BatchOrderIn),
        (NewCustomer, api.Customer),
        (NewItem, api.Item),
        (NewPrice, api.Money),
        (NewAddress, api.ShipTo),
    ):
        required = {field.alias for field in model.model_fields.values() if field.is_required()}
        assert typed.__required_keys__ == required
        assert typed.__optional_keys__ == {field.alias for field in model.model_fields.values()} - required


def test_the_final_statuses_of_the_contract_are_those_of_the_model() -> None:
    assert {status.value for status in TERMINAL} == api.FINAL
