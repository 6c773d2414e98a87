"""A payment provider of your own: orders on account, one file each, for a shop that sends its own invoices.

    PYTHONPATH=examples ORDERFLOW_PAYMENTS=own_provider:OnAccount ACCOUNT_DIR=account orderflow up
    PYTHONPATH=examples python -m orderflow.fulfillment.payments.conformance own_provider:OnAccount

docs/payments.md says what an adapter must guarantee. Here the name of a file is made from the idempotency
key, so that a repeated call finds the file that is there, whatever became of it since.
"""

import asyncio
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from orderflow.fulfillment.payments import (
    Authorization,
    Payment,
    PaymentDeclined,
    PaymentRefused,
    PaymentRequest,
    PaymentUnavailable,
)

CREDIT_MINOR_MAX = 1_000_000

Entry = dict[str, Any]


class OnAccount:
    """Selected by name, so that it is made without arguments: what it needs comes from the environment."""

    def __init__(self) -> None:
        self._directory = Path(os.environ.get("ACCOUNT_DIR", "account"))
        self._directory.mkdir(parents=True, exist_ok=True)
        self._lock = asyncio.Lock()

    async def authorize(self, request: PaymentRequest) -> Authorization:
        if request.amount_minor > CREDIT_MINOR_MAX:
            raise PaymentDeclined("We grant at most 10,000.00 on account.")
        number = hashlib.sha256(request.idempotency_key.encode()).hexdigest()[:24]
        entry = await self._exclusively(lambda: self._granted(number, request))
        if (entry["amountMinor"], entry["currency"]) != (request.amount_minor, request.currency):
            raise PaymentRefused("the key was used with another amount")
        return Authorization(number)

    async def find_payments(self, order_id: str) -> list[Payment]:
        entries = await self._exclusively(self._read_all)
        return [_payment(entry) for entry in entries if entry["orderId"] == order_id]

    async def capture(self, authorization_id: str) -> None:
        def captured(entry: Entry) -> Entry:
            if entry["voided"]:
                raise PaymentRefused("it is voided, so it cannot be captured")
            return entry | {"capturedMinor": entry["amountMinor"]}

        await self._exclusively(lambda: self._change(authorization_id, captured))

    async def void(self, authorization_id: str) -> None:
        def voided(entry: Entry) -> Entry:
            if entry["capturedMinor"]:
                raise PaymentRefused("it is captured, so it cannot be voided")
            return entry | {"voided": True}

        await self._exclusively(lambda: self._change(authorization_id, voided))

    async def refund(self, authorization_id: str) -> None:
        def refunded(entry: Entry) -> Entry:
            if not entry["capturedMinor"]:
                raise PaymentRefused("nothing was captured that could be refunded")
            return entry | {"refundedMinor": entry["capturedMinor"]}

        await self._exclusively(lambda: self._change(authorization_id, refunded))

    async def close(self) -> None:
        pass

    async def _exclusively(self, work: Callable[[], Any]) -> Any:
        async with self._lock:
            try:
                return await asyncio.to_thread(work)
            except OSError as error:
                # It may have been written all the same: nothing is known, so the same call comes again.
                raise PaymentUnavailable(f"the account was not reached: {error}", doubtful=True) from error

    def _granted(self, number: str, request: PaymentRequest) -> Entry:
        if self._path(number).exists():
            return self._read(number)
        entry: Entry = {
            "number": number,
            "orderId": request.order_id,
            "amountMinor": request.amount_minor,
            "currency": request.currency,
            "voided": False,
            "capturedMinor": 0,
            "refundedMinor": 0,
        }
        self._replace(entry)
        return entry

    def _change(self, number: str, change: Callable[[Entry], Entry]) -> None:
        self._replace(change(self._read(number)))

    def _path(self, number: str) -> Path:
        return self._directory / f"{number}.json"

    def _read(self, number: str) -> Entry:
        return json.loads(self._path(number).read_text())

    def _read_all(self) -> list[Entry]:
        return [json.loads(path.read_text()) for path in sorted(self._directory.glob("*.json"))]

    def _replace(self, entry: Entry) -> None:
        """Whole or not at all, and still there after a power failure."""
        path = self._path(entry["number"])
        draft = path.with_suffix(".draft")
        with draft.open("w") as file:
            json.dump(entry, file)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        directory = os.open(self._directory, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def _payment(entry: Entry) -> Payment:
    return Payment(
        entry["number"],
        entry["amountMinor"],
        entry["currency"],
        authorized=True,
        voided=entry["voided"],
        captured_minor=entry["capturedMinor"],
        refunded_minor=entry["refundedMinor"],
    )
