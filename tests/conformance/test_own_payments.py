"""A payment adapter written by somebody else is checked by the same suite, which finds what is wrong."""

import asyncio
import itertools
import os
import subprocess
import sys
from collections.abc import Set
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orderflow.fulfillment.payments import (
    Authorization,
    Payment,
    PaymentDeclined,
    PaymentProvider,
    PaymentRefused,
    PaymentRequest,
    PaymentUnavailable,
    conformance,
)

EXAMPLES = Path(__file__).parents[2] / "examples"
DECLINED_MINOR = 13


class Sound:
    """A provider in memory that keeps every guarantee; those below break one each."""

    def __init__(self) -> None:
        self._numbers = itertools.count()
        self._by_key: dict[str, str] = {}
        self._orders: dict[str, str] = {}
        self.payments: dict[str, Payment] = {}

    async def authorize(self, request: PaymentRequest) -> Authorization:
        if request.amount_minor == DECLINED_MINOR:
            self.decline(request)
        if request.idempotency_key not in self._by_key:
            self._by_key[request.idempotency_key] = self.make(request)
        payment = self.payments[self._by_key[request.idempotency_key]]
        self.compare(payment, request)
        return Authorization(payment.authorization_id)

    def decline(self, request: PaymentRequest) -> None:
        del request
        raise PaymentDeclined("insufficient funds")

    def compare(self, payment: Payment, request: PaymentRequest) -> None:
        if payment.amount_minor != request.amount_minor:
            raise PaymentRefused("the key was used with another amount")

    def make(self, request: PaymentRequest) -> str:
        number = f"A-{next(self._numbers)}"
        self._orders[number] = request.order_id
        amount, currency = request.amount_minor, request.currency
        self.payments[number] = Payment(number, amount, currency, True, False, 0, 0)
        return number

    async def find_payments(self, order_id: str) -> list[Payment]:
        return [self.payments[number] for number, of in self._orders.items() if of == order_id]

    def change(self, authorization_id: str, **fields: Any) -> None:
        self.payments[authorization_id] = replace(self.payments[authorization_id], **fields)

    def forbid(self, refused: bool) -> None:
        if refused:
            raise PaymentRefused("not in this state")

    async def capture(self, authorization_id: str) -> None:
        payment = self.payments[authorization_id]
        self.forbid(payment.voided)
        self.change(authorization_id, captured_minor=payment.amount_minor)

    async def void(self, authorization_id: str) -> None:
        self.forbid(self.payments[authorization_id].captured_minor > 0)
        self.change(authorization_id, voided=True)

    async def refund(self, authorization_id: str) -> None:
        payment = self.payments[authorization_id]
        self.forbid(payment.captured_minor == 0)
        self.change(authorization_id, refunded_minor=payment.captured_minor)

    async def close(self) -> None:
        pass


class Forgetful(Sound):
    """Knows no idempotency key."""

    async def authorize(self, request: PaymentRequest) -> Authorization:
        return Authorization(self.make(request))


class Hasty(Sound):
    """Looks for the key, then waits, then authorizes."""

    async def authorize(self, request: PaymentRequest) -> Authorization:
        if request.idempotency_key not in self._by_key:
            await asyncio.sleep(0)
            self._by_key[request.idempotency_key] = self.make(request)
        return await super().authorize(request)


class OneId(Sound):
    """Every authorization has the same id."""

    def make(self, request: PaymentRequest) -> str:
        self._numbers = itertools.count()
        return super().make(request)


class Blind(Sound):
    """Finds nothing."""

    async def find_payments(self, order_id: str) -> list[Payment]:
        del order_id
        return []


class Greedy(Sound):
    """Captures at once."""

    def make(self, request: PaymentRequest) -> str:
        number = super().make(request)
        self.change(number, captured_minor=request.amount_minor)
        return number


class Careless(Sound):
    """Does not compare the amount of a repeated request."""

    def compare(self, payment: Payment, request: PaymentRequest) -> None:
        pass


class Twice(Sound):
    """Captures as often as it is asked to."""

    async def capture(self, authorization_id: str) -> None:
        payment = self.payments[authorization_id]
        self.forbid(payment.voided)
        self.change(authorization_id, captured_minor=payment.captured_minor + payment.amount_minor)


class Generous(Sound):
    """Refunds as often as it is asked to."""

    async def refund(self, authorization_id: str) -> None:
        payment = self.payments[authorization_id]
        self.forbid(payment.captured_minor == 0)
        refunded = payment.refunded_minor + payment.captured_minor
        self.change(authorization_id, refunded_minor=refunded)


class Reopening(Sound):
    """Captures again what was refunded."""

    async def capture(self, authorization_id: str) -> None:
        await super().capture(authorization_id)
        self.change(authorization_id, refunded_minor=0)


class Relentless(Sound):
    """Captures what is voided."""

    async def capture(self, authorization_id: str) -> None:
        self.change(authorization_id, captured_minor=self.payments[authorization_id].amount_minor)


class Lenient(Sound):
    """Voids what is captured."""

    async def void(self, authorization_id: str) -> None:
        self.change(authorization_id, voided=True)


class Rash(Sound):
    """Refunds what was never captured, as nothing."""

    async def refund(self, authorization_id: str) -> None:
        payment = self.payments[authorization_id]
        self.change(authorization_id, refunded_minor=payment.captured_minor)


class Resurrecting(Sound):
    """Forgets the key of what is voided."""

    async def void(self, authorization_id: str) -> None:
        await super().void(authorization_id)
        self._by_key = {key: number for key, number in self._by_key.items() if number != authorization_id}


CHECK = conformance
SAME_KEY = {
    CHECK.the_same_key_gets_the_same_authorization,
    CHECK.the_same_key_gets_one_authorization_while_calls_are_concurrent,
    CHECK.a_key_never_gets_another_amount,
    CHECK.a_late_repeat_meets_the_voided_authorization_and_gets_no_new_one,
}
NEEDS_A_LOOK_UP = {
    CHECK.the_same_key_gets_one_authorization_while_calls_are_concurrent,
    CHECK.an_authorization_is_found_with_its_amount_and_takes_nothing,
    CHECK.a_key_never_gets_another_amount,
    CHECK.a_capture_takes_the_amount_once_however_often_it_is_repeated,
    CHECK.a_refund_returns_the_amount_once_however_often_it_is_repeated,
    CHECK.a_late_capture_takes_nothing_again_after_a_refund,
    CHECK.a_void_may_be_repeated_and_nothing_is_captured_after_it,
    CHECK.a_void_after_a_capture_is_refused_and_changes_nothing,
    CHECK.a_refund_without_a_capture_is_refused,
    CHECK.a_late_repeat_meets_the_voided_authorization_and_gets_no_new_one,
}
BREAKS: dict[type[Sound], Set[conformance.Check]] = {
    Sound: set(),
    Forgetful: SAME_KEY,
    Hasty: {CHECK.the_same_key_gets_one_authorization_while_calls_are_concurrent},
    OneId: {CHECK.two_orders_get_two_authorizations},
    Blind: NEEDS_A_LOOK_UP,
    Careless: {CHECK.a_key_never_gets_another_amount},
    Twice: {
        CHECK.a_capture_takes_the_amount_once_however_often_it_is_repeated,
        CHECK.a_late_capture_takes_nothing_again_after_a_refund,
    },
    Generous: {CHECK.a_refund_returns_the_amount_once_however_often_it_is_repeated},
    Reopening: {CHECK.a_late_capture_takes_nothing_again_after_a_refund},
    Relentless: {CHECK.a_void_may_be_repeated_and_nothing_is_captured_after_it},
    Lenient: {CHECK.a_void_after_a_capture_is_refused_and_changes_nothing},
    Rash: {CHECK.a_refund_without_a_capture_is_refused},
    Resurrecting: {CHECK.a_late_repeat_meets_the_voided_authorization_and_gets_no_new_one},
}


def found_wrong(adapter: type[Sound]) -> set[conformance.Check]:
    """The checks that fail; every check has a provider of its own."""

    async def scenario() -> set[conformance.Check]:
        return {check for check in conformance.CHECKS if await conformance.run(adapter(), check) is not None}

    return asyncio.run(scenario())


@pytest.mark.parametrize("adapter", BREAKS)
def test_an_adapter_fails_the_checks_of_the_guarantees_that_it_breaks_and_no_others(
    adapter: type[Sound],
) -> None:
    assert found_wrong(adapter) == BREAKS[adapter]


def test_every_check_has_an_adapter_that_fails_it() -> None:
    assert {check for broken in BREAKS.values() for check in broken} == set(conformance.CHECKS)


def test_an_adapter_that_takes_the_money_at_once_is_found_out() -> None:
    check = conformance.an_authorization_is_found_with_its_amount_and_takes_nothing
    assert check in found_wrong(Greedy)


class Refusing(Sound):
    def decline(self, request: PaymentRequest) -> None:
        raise PaymentRefused(f"will not take {request.order_id}")


class Sulking(Sound):
    def decline(self, request: PaymentRequest) -> None:
        raise PaymentUnavailable(f"will not take {request.order_id}", doubtful=False)


class Wordless(Sound):
    def decline(self, request: PaymentRequest) -> None:
        raise PaymentDeclined("  ")


class Granting(Sound):
    def decline(self, request: PaymentRequest) -> None:
        pass


class GrantingAllTheSame(Sound):
    def decline(self, request: PaymentRequest) -> None:
        self.make(request)
        raise PaymentDeclined("insufficient funds")


@pytest.mark.parametrize(
    ("adapter", "words"),
    [
        (Refusing, "raised as PaymentRefused, not as PaymentDeclined"),
        (Sulking, "raised as PaymentUnavailable, not as PaymentDeclined"),
        (Wordless, "has no words"),
        (Granting, "not raised as PaymentDeclined: the answer was Authorization("),
        (GrantingAllTheSame, "a look-up finds [Payment("),
        (Sound, None),
    ],
)
def test_a_decline_must_be_the_ports_own_in_words_and_hold_nothing(
    adapter: type[Sound], words: str | None
) -> None:
    provider: PaymentProvider = adapter()
    check = conformance.a_decline_is_raised_as_one({"amountMinor": DECLINED_MINOR, "currency": "EUR"})
    found = asyncio.run(conformance.run(provider, check))
    assert found is None if words is None else words in (found or "")


def run_suite(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "orderflow.fulfillment.payments.conformance", *arguments],
        env=os.environ | {"PYTHONPATH": f"{Path(__file__).parents[2]}{os.pathsep}{EXAMPLES}", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_checks_an_adapter_with_its_decline(tmp_path: Path) -> None:
    file = tmp_path / "declined.json"
    file.write_text(f'{{"amountMinor": {DECLINED_MINOR}, "currency": "EUR"}}')
    ran = run_suite("tests.conformance.test_own_payments:Sound", str(file))
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.count("ok  ") == len(conformance.CHECKS) + 1
    file.write_text('{"amountMinor": 1.5, "currency": "EUR"}')
    ran = run_suite("tests.conformance.test_own_payments:Sound", str(file))
    assert (ran.returncode, len(ran.stderr.splitlines())) == (2, 1)


def test_the_command_says_what_it_skips_and_fails_with_a_check() -> None:
    ran = run_suite("tests.conformance.test_own_payments:Careless")
    assert (ran.returncode, ran.stderr) == (1, "")
    assert ran.stdout.count("skip  how a decline is raised") == 1
    assert ran.stdout.count("FAIL") == 1
    assert "FAIL  a key never gets another amount: NotConformant" in ran.stdout


def test_the_example_passes_the_suite_its_decline_included(tmp_path: Path) -> None:
    file = tmp_path / "declined.json"
    file.write_text('{"amountMinor": 1000001, "currency": "EUR"}')
    ran = run_suite("own_provider:OnAccount", str(file), ACCOUNT_DIR=str(tmp_path / "account"))
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.count("ok  ") == len(conformance.CHECKS) + 1
    assert "skip" not in ran.stdout
