"""How the HTTP adapter reads answers that no well-behaved carrier gives; they come from a scripted server."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from tests.fulfillment.scripted_server import answer, scripted

from orderflow.fulfillment.carriers import (
    CarrierRefused,
    CarrierRejected,
    CarrierUnavailable,
    Label,
    ShipmentRequest,
)
from orderflow.fulfillment.carriers.http import HttpCarrier
from orderflow.fulfillment.parties.http import ANSWER_BYTES_MAX

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SECRET = "the-api-key"
REQUEST = ShipmentRequest("order-1", "key-1", b'{"orderId": "order-1",  "items":[1]}')
LABEL = {
    "shipmentId": "s-1",
    "carrier": "C",
    "trackingNumber": "t-1",
    "shippedAt": "2026-01-02T05:04:05+02:00",
}


async def create(carrier: HttpCarrier) -> object:
    return await carrier.create_shipment(REQUEST)


async def find(carrier: HttpCarrier) -> object:
    return await carrier.find_shipments("order/1 ?")


async def void(carrier: HttpCarrier) -> object:
    return await carrier.void_shipment("s/1 ?")


Call = Callable[[HttpCarrier], Awaitable[object]]


def ask(script: bytes | None, call: Call = create, timeout_s: float = 30.0) -> tuple[object, list[bytes]]:
    """What the call returned or raised, and the requests as they came."""

    async def within() -> tuple[object, list[bytes]]:
        async with scripted(script) as (url, requests):
            carrier = HttpCarrier(url, timeout_s=timeout_s, api_key=SECRET, clock=lambda: NOW)
            try:
                return await call(carrier), requests
            except (CarrierRejected, CarrierRefused, CarrierUnavailable) as error:
                return error, requests
            finally:
                await carrier.close()

    result, requests = asyncio.run(within())
    if isinstance(result, Exception):
        assert result.__cause__ is None
        assert result.__context__ is None
        assert SECRET not in str(result)
    return result, requests


def unavailable(script: bytes | None, call: Call = create, timeout_s: float = 30.0) -> CarrierUnavailable:
    error, _ = ask(script, call, timeout_s)
    assert isinstance(error, CarrierUnavailable), error
    return error


@pytest.mark.parametrize("status", [200, 201])
def test_a_label_is_read_with_its_time_in_utc(status: int) -> None:
    label, _ = ask(answer(status, LABEL))
    assert label == Label("s-1", "C", "t-1", NOW)


def test_the_request_leaves_with_its_key_and_its_bytes_unchanged() -> None:
    _, (request,) = ask(answer(201, LABEL))
    head, _, body = request.partition(b"\r\n\r\n")
    assert head.startswith(b"POST /v1/shipments HTTP/1.1\r\n")
    assert b"idempotency-key: key-1" in head.lower()
    assert b"content-type: application/json" in head.lower()
    assert b"authorization: bearer the-api-key" in head.lower()
    assert body == REQUEST.body


def test_references_and_shipment_ids_are_quoted() -> None:
    found, (looked_up,) = ask(answer(200, {"shipments": [LABEL, {**LABEL, "state": "voided"}]}), find)
    assert found == [Label("s-1", "C", "t-1", NOW)]
    assert looked_up.startswith(b"GET /v1/shipments?reference=order%2F1%20%3F HTTP/1.1\r\n")
    _, (voided,) = ask(b"HTTP/1.1 204 No Content\r\n\r\n", void)
    assert voided.startswith(b"DELETE /v1/shipments/s%2F1%20%3F HTTP/1.1\r\n")


@pytest.mark.parametrize(
    "script",
    [
        b"",
        b"\x00\xff nonsense\r\n\r\n",
        b"HTTP/1.1 201 Created\r\nContent-Length: 500\r\n\r\n{",
        answer(201, b"not json"),
        answer(201, b"[" * 10_000),
        answer(201, [LABEL]),
        answer(201, b""),
        answer(204),
        answer(202, LABEL),
        answer(201, {**LABEL, "trackingNumber": None}),
        answer(201, {**LABEL, "shipmentId": ""}),
        answer(
            201,
            b'{"shipmentId":"\\ud800","carrier":"C","trackingNumber":"t","shippedAt":"2026-01-02T05:04:05Z"}',
        ),
        answer(201, {**LABEL, "shippedAt": "2026-01-02T05:04:05"}),
        answer(201, {**LABEL, "shippedAt": "yesterday"}),
        answer(201, {**LABEL, "shippedAt": "0001-01-01T00:00:00+14:00"}),
        answer(201, {**LABEL, "more": "x" * ANSWER_BYTES_MAX}),
    ],
)
def test_what_cannot_be_read_leaves_a_doubt(script: bytes) -> None:
    assert unavailable(script).doubtful


def test_a_long_text_of_a_label_comes_back_whole() -> None:
    found, _ = ask(answer(201, {**LABEL, "trackingNumber": "t" * 5_000}))
    assert isinstance(found, Label)
    assert found.tracking_number == "t" * 5_000


def test_a_list_with_one_unreadable_shipment_is_unreadable() -> None:
    unavailable(answer(200, {"shipments": [LABEL, {}]}), find)
    unavailable(answer(200, {}), find)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"detail": "no such street", "title": "Rejected", "error": "e"}, "no such street"),
        ({"title": "Rejected", "error": "e"}, "Rejected"),
        ({"error": "too heavy", "detail": 7}, "too heavy"),
        ({"detail": "x" * 5_000}, "x" * 999 + "…"),
        ({"detail": f"bad key {SECRET}"}, "bad key ***"),
        (b"<html>", "rejected without a reason"),
    ],
)
def test_a_rejection_carries_the_carriers_words(body: object, words: str) -> None:
    error, _ = ask(answer(422, body))
    assert isinstance(error, CarrierRejected)
    assert str(error) == words


@pytest.mark.parametrize(
    ("status", "doubtful"),
    [
        (401, False),
        (403, False),
        (404, False),
        (408, True),
        (429, False),
        (500, True),
        (503, True),
        (599, True),
    ],
)
def test_an_outage_is_told_apart_from_a_doubt(status: int, doubtful: bool) -> None:
    for call in (create, find, void):
        assert unavailable(answer(status, {"detail": f"saw {SECRET}"}), call).doubtful is doubtful


@pytest.mark.parametrize(
    ("header", "wait_s"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("99999999", 3_600.0),
        ("9" * 5_000, 3_600.0),
        ("Fri, 02 Jan 2026 03:04:35 GMT", 30.0),
        ("Fri, 02 Jan 2026 03:00:00 GMT", 0.0),
        ("Fri, 02 Jan 2099 03:00:00 GMT", 3_600.0),
        ("-5", None),
        ("soon", None),
        ("1.5", None),
        ("Fri, 99 Jan 2026 03:04:35 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_within_an_hour_and_garbage_is_ignored(
    header: str, wait_s: float | None
) -> None:
    for status in (429, 503):
        assert unavailable(answer(status, b"", f"Retry-After: {header}")).retry_after_s == wait_s


@pytest.mark.parametrize("status", [301, 302, 307, 308, 400, 405, 409, 410, 413, 451])
def test_redirects_and_other_client_errors_are_for_a_person(status: int) -> None:
    error, requests = ask(answer(status, b"", "Location: /v1/elsewhere"))
    assert isinstance(error, CarrierRefused)
    assert len(requests) == 1


def test_a_422_to_anything_but_a_create_is_for_a_person() -> None:
    for call in (find, void):
        assert isinstance(ask(answer(422), call)[0], CarrierRefused)


def test_a_carrier_that_hangs_is_given_up_with_a_doubt() -> None:
    assert unavailable(None, timeout_s=2.0).doubtful


def test_a_carrier_that_cannot_be_reached_leaves_no_doubt() -> None:
    async def within() -> CarrierUnavailable:
        with socket.socket() as never_listening:
            never_listening.bind(("127.0.0.1", 0))
            carrier = HttpCarrier(f"http://127.0.0.1:{never_listening.getsockname()[1]}")
            with pytest.raises(CarrierUnavailable) as caught:
                await carrier.create_shipment(REQUEST)
            await carrier.close()
        return caught.value

    assert not asyncio.run(within()).doubtful


def test_a_call_that_never_got_a_connection_leaves_no_doubt() -> None:
    keys = [f"key-{n:03}" for n in range(50)]

    async def within() -> None:
        async with scripted(None) as (url, requests):
            carrier = HttpCarrier(url, timeout_s=0.5, connections_max=1)
            calls = [carrier.create_shipment(replace(REQUEST, idempotency_key=key)) for key in keys]
            errors = await asyncio.gather(*calls, return_exceptions=True)
            await carrier.close()
            doubtless = [
                key.encode()
                for key, error in zip(keys, errors, strict=True)
                if isinstance(error, CarrierUnavailable) and not error.doubtful
            ]
            assert doubtless
            assert not any(key in request for key in doubtless for request in requests)

    asyncio.run(within())


def test_a_call_after_close_leaves_no_doubt() -> None:
    async def within() -> CarrierUnavailable:
        carrier = HttpCarrier("http://127.0.0.1:1")
        await carrier.close()
        with pytest.raises(CarrierUnavailable) as caught:
            await carrier.create_shipment(REQUEST)
        return caught.value

    assert not asyncio.run(within()).doubtful


@pytest.mark.parametrize(
    "url",
    [
        "",
        "carrier",
        "ftp://carrier",
        "http://",
        "http://user:geheim@carrier",
        "http://carrier:port",
        "http://carrier?key=geheim",
        "http://carrier/#x",
        "http://car\nrier",
    ],
)
def test_an_address_that_is_none_or_carries_secrets_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ValueError, match="the carrier's URL") as caught:
        HttpCarrier(url)
    assert "geheim" not in str(caught.value)


def test_an_api_key_that_would_break_a_header_is_refused_without_repeating_it() -> None:
    with pytest.raises(ValueError, match="API key") as caught:
        HttpCarrier("http://carrier", api_key="geheim\r\nX-Other: 1")
    assert "geheim" not in str(caught.value)
