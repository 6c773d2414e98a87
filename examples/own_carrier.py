"""A carrier of your own: pick slips in a directory, for a warehouse that prints and packs them.

    PYTHONPATH=examples ORDERFLOW_CARRIER=own_carrier:PickSlips PICK_SLIPS_DIR=slips orderflow up
    PYTHONPATH=examples python -m orderflow.fulfillment.carriers.conformance own_carrier:PickSlips

docs/carriers.md says what an adapter must guarantee. Here a slip's name is made from the idempotency key, so
that a repeated call finds the slip that is there; a voided slip stays, so that a late repeat finds it voided.
"""

import asyncio
import hashlib
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from orderflow.fulfillment.carriers import (
    CarrierRejected,
    CarrierUnavailable,
    Label,
    ShipmentRequest,
)


class PickSlips:
    """Selected by name, so that it is made without arguments: what it needs comes from the environment."""

    def __init__(self) -> None:
        self._directory = Path(os.environ.get("PICK_SLIPS_DIR", "pick-slips"))
        self._directory.mkdir(parents=True, exist_ok=True)
        self._lock = asyncio.Lock()

    async def create_shipment(self, request: ShipmentRequest) -> Label:
        order: dict[str, Any] = json.loads(request.body)
        if any(item["quantity"] > 1_000 for item in order["items"]):
            raise CarrierRejected("We pack at most 1,000 of a kind.")
        slip_id = hashlib.sha256(request.idempotency_key.encode()).hexdigest()[:24]
        async with self._lock:
            try:
                slip = await asyncio.to_thread(self._write_or_read, slip_id, order)
            except OSError as error:
                # The slip may lie there all the same: nothing is known, so the same key comes again.
                raise CarrierUnavailable(f"the slip was not written: {error}", doubtful=True) from error
        return _label(slip)

    async def find_shipments(self, order_id: str) -> list[Label]:
        slips = await asyncio.to_thread(self._read_all)
        return [_label(slip) for slip in slips if slip["orderId"] == order_id and not slip["voided"]]

    async def void_shipment(self, shipment_id: str) -> None:
        async with self._lock:
            try:
                await asyncio.to_thread(self._void, shipment_id)
            except OSError as error:
                raise CarrierUnavailable(f"the slip was not voided: {error}", doubtful=True) from error

    async def close(self) -> None:
        pass

    def _write_or_read(self, slip_id: str, order: dict[str, Any]) -> dict[str, Any]:
        path = self._directory / f"{slip_id}.json"
        if path.exists():
            return json.loads(path.read_text())
        slip = order | {"slipId": slip_id, "at": datetime.now(UTC).isoformat(), "voided": False}
        self._replace(path, slip)
        return slip

    def _void(self, slip_id: str) -> None:
        path = self._directory / f"{slip_id}.json"
        self._replace(path, json.loads(path.read_text()) | {"voided": True})

    def _read_all(self) -> list[dict[str, Any]]:
        return [json.loads(path.read_text()) for path in sorted(self._directory.glob("*.json"))]

    def _replace(self, path: Path, slip: dict[str, Any]) -> None:
        """Whole or not at all, and still there after a power failure."""
        draft = path.with_suffix(".draft")
        with draft.open("w") as file:
            json.dump(slip, file)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        directory = os.open(self._directory, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def _label(slip: dict[str, Any]) -> Label:
    return Label(
        shipment_id=slip["slipId"],
        carrier="Own warehouse",
        tracking_number=f"SLIP-{slip['slipId'].upper()}",
        shipped_at=datetime.fromisoformat(slip["at"]),
    )
