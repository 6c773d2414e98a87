"""Checks what an adapter returns before it is believed, because not all adapters are ours."""

from typing import cast

from orderflow.fulfillment.payments import Authorization, Payment, PaymentUnavailable


def checked_authorization(answer: object) -> Authorization:
    """The authorization. Raises PaymentUnavailable (doubtful) for anything else: it may have been granted."""
    if isinstance(answer, Authorization) and _is_text(answer.authorization_id):
        return answer
    raise PaymentUnavailable("the provider's answer is no authorization", doubtful=True)


def checked_payments(answer: object) -> list[Payment]:
    """The payments. Raises PaymentUnavailable for anything else."""
    if isinstance(answer, (list, tuple)):
        entries = cast("list[object]", answer)
        payments = [entry for entry in entries if isinstance(entry, Payment) and is_sound(entry)]
        if len(payments) == len(entries):
            return payments
    raise PaymentUnavailable("the provider's answer is no list of payments", doubtful=False)


def is_sound(payment: Payment) -> bool:
    """Whether every field has its type, texts are not empty and no amount is negative."""
    amounts: list[object] = [payment.amount_minor, payment.captured_minor, payment.refunded_minor]
    flags: list[object] = [payment.authorized, payment.voided]
    return (
        _is_text(payment.authorization_id)
        and _is_text(payment.currency)
        and all(type(amount) is int and amount >= 0 for amount in amounts)
        and all(isinstance(flag, bool) for flag in flags)
    )


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())
