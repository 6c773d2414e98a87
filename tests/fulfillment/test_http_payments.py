"""How the HTTP adapter reads answers that no well-behaved payment provider gives; they come from a scripted
server. What it shares with the carriers' adapter is in test_http_carrier.py."""

import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest
from tests.fulfillment.scripted_server import answer, scripted

from orderflow.fulfillment.parties.http import ANSWER_BYTES_MAX
from orderflow.fulfillment.payments import (
    Authorization,
    Payment,
    PaymentDeclined,
    PaymentRefused,
    PaymentRequest,
    PaymentUnavailable,
)
from orderflow.fulfillment.payments.http import HttpPayments

SECRET = "the-api-key"
REQUEST = PaymentRequest("order-1", "key-1", 1_234_567, "KWD")
GRANTED = {"authorizationId": "a-1"}
PAYMENT = {
    "authorizationId": "a-1",
    "amountMinor": 1_999,
    "currency": "EUR",
    "authorized": True,
    "voided": False,
    "capturedMinor": 1_999,
    "refundedMinor": 0,
}


async def authorize(provider: HttpPayments) -> object:
    return await provider.authorize(REQUEST)


async def find(provider: HttpPayments) -> object:
    return await provider.find_payments("order/1 ?")


async def capture(provider: HttpPayments) -> object:
    return await provider.capture("a/1 ?")


async def void(provider: HttpPayments) -> object:
    return await provider.void("a/1 ?")


async def refund(provider: HttpPayments) -> object:
    return await provider.refund("a/1 ?")


Call = Callable[[HttpPayments], Awaitable[object]]
CHANGES = [capture, void, refund]


def ask(script: bytes | None, call: Call = authorize, timeout_s: float = 30.0) -> tuple[object, list[bytes]]:
    """What the call returned or raised, and the requests as they came."""

    async def within() -> tuple[object, list[bytes]]:
        async with scripted(script) as (url, requests):
            provider = HttpPayments(url, timeout_s=timeout_s, api_key=SECRET)
            try:
                return await call(provider), requests
            except (PaymentDeclined, PaymentRefused, PaymentUnavailable) as error:
                return error, requests
            finally:
                await provider.close()

    result, requests = asyncio.run(within())
    assert SECRET not in str(result)
    return result, requests


def test_the_request_leaves_with_its_key_and_its_amount_in_minor_units() -> None:
    granted, (request,) = ask(answer(201, GRANTED))
    assert granted == Authorization("a-1")
    head, _, body = request.partition(b"\r\n\r\n")
    assert head.startswith(b"POST /v1/authorizations HTTP/1.1\r\n")
    assert b"idempotency-key: key-1" in head.lower()
    assert b"content-type: application/json" in head.lower()
    assert b"authorization: bearer the-api-key" in head.lower()
    assert json.loads(body) == {"orderId": "order-1", "amountMinor": 1_234_567, "currency": "KWD"}


@pytest.mark.parametrize("call", CHANGES)
def test_references_and_authorization_ids_are_quoted(call: Call) -> None:
    found, (looked_up,) = ask(answer(200, {"authorizations": [PAYMENT]}), find)
    assert found == [Payment("a-1", 1_999, "EUR", True, False, 1_999, 0)]
    assert looked_up.startswith(b"GET /v1/authorizations?reference=order%2F1%20%3F HTTP/1.1\r\n")
    done, (changed,) = ask(answer(200, {}), call)
    assert done is None
    path = f"POST /v1/authorizations/a%2F1%20%3F/{call.__name__} HTTP/1.1\r\n"
    assert changed.startswith(path.encode())


@pytest.mark.parametrize(
    "script",
    [
        b"",
        b"HTTP/1.1 201 Created\r\nContent-Length: 500\r\n\r\n{",
        answer(201, b"not json"),
        answer(201, [GRANTED]),
        answer(201, b""),
        answer(202, GRANTED),
        answer(201, {"authorizationId": ""}),
        answer(201, {"authorizationId": 7}),
        answer(201, {**GRANTED, "more": "x" * ANSWER_BYTES_MAX}),
    ],
)
def test_what_cannot_be_read_leaves_a_doubt(script: bytes) -> None:
    error, _ = ask(script)
    assert isinstance(error, PaymentUnavailable)
    assert error.doubtful


@pytest.mark.parametrize("call", CHANGES)
def test_a_page_from_a_proxy_is_no_change(call: Call) -> None:
    error, _ = ask(answer(200, b"<html>"), call)
    assert isinstance(error, PaymentUnavailable)
    assert error.doubtful


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {**PAYMENT, "authorizationId": " "},
        {**PAYMENT, "amountMinor": 19.99},
        {**PAYMENT, "amountMinor": "1999"},
        {**PAYMENT, "amountMinor": True},
        {**PAYMENT, "capturedMinor": -1},
        {**PAYMENT, "refundedMinor": None},
        {**PAYMENT, "currency": None},
        {**PAYMENT, "voided": 0},
        {**PAYMENT, "authorized": "yes"},
    ],
    ids=str,
)
def test_a_list_with_one_unreadable_payment_is_unreadable(wrong: object) -> None:
    for body in ({"authorizations": [PAYMENT, wrong]}, {"authorizations": wrong}, {}):
        assert isinstance(ask(answer(200, body), find)[0], PaymentUnavailable)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"detail": "insufficient funds", "title": "Declined"}, "insufficient funds"),
        ({"error": f"bad key {SECRET}"}, "bad key ***"),
        (b"<html>", "declined without a reason"),
    ],
)
def test_a_decline_carries_the_providers_words(body: object, words: str) -> None:
    error, _ = ask(answer(402, body))
    assert isinstance(error, PaymentDeclined)
    assert str(error) == words


def test_a_402_to_anything_but_an_authorization_is_for_a_person() -> None:
    for call in (find, *CHANGES):
        assert isinstance(ask(answer(402), call)[0], PaymentRefused)


@pytest.mark.parametrize(("status", "doubtful"), [(401, False), (404, False), (429, False), (503, True)])
def test_an_outage_is_told_apart_from_a_doubt_and_says_its_status(status: int, doubtful: bool) -> None:
    for call in (authorize, find, *CHANGES):
        error, _ = ask(answer(status, b"", "Retry-After: 7"), call)
        assert isinstance(error, PaymentUnavailable)
        assert (error.doubtful, error.status) == (doubtful, status)
        assert error.retry_after_s == (7.0 if status in (429, 503) else None)


@pytest.mark.parametrize("status", [307, 400, 409, 422])
def test_redirects_and_other_client_errors_are_for_a_person(status: int) -> None:
    for call in (authorize, find, *CHANGES):
        error, requests = ask(answer(status, b"", "Location: /v1/elsewhere"), call)
        assert isinstance(error, PaymentRefused)
        assert error.status == status
        assert len(requests) == 1


def test_a_provider_that_hangs_is_given_up_with_a_doubt() -> None:
    error, _ = ask(None, timeout_s=2.0)
    assert isinstance(error, PaymentUnavailable)
    assert error.doubtful


def test_an_address_that_carries_secrets_is_refused_without_repeating_it() -> None:
    with pytest.raises(ValueError, match="the payment provider's URL") as caught:
        HttpPayments("http://user:geheim@provider")
    assert "geheim" not in str(caught.value)
