"""Any carrier that speaks the contract of `carrier-sim`, over HTTP (CONTRACT, "carrier-sim").

What an answer means, beside what `parties/http.py` says:

    200, 201 with a valid label        the label
    204, 200 to a void                 voided, unless the body is not JSON, which no carrier's API sends
    422 to a create                    CarrierRejected, with the carrier's words
"""

from datetime import UTC, datetime
from urllib.parse import quote

from orderflow.fulfillment.carriers import (
    CarrierRefused,
    CarrierRejected,
    CarrierUnavailable,
    Label,
    ShipmentRequest,
)
from orderflow.fulfillment.parties.http import PartyClient, fields_of


class HttpCarrier(PartyClient):
    """The `Carrier` port over HTTP."""

    noun = "carrier"
    unavailable = CarrierUnavailable
    refused = CarrierRefused

    async def create_shipment(self, request: ShipmentRequest) -> Label:
        headers = {"Idempotency-Key": request.idempotency_key, "Content-Type": "application/json"}
        answer = await self._call("POST", "/v1/shipments", headers=headers, body=request.body)
        if answer.status == 422:
            raise CarrierRejected(self._words(answer) or "rejected without a reason")
        self._raise_unless(answer, (200, 201))
        label = _label(answer.parsed())
        if label is None:
            raise self._unreadable(answer)
        return label

    async def find_shipments(self, order_id: str) -> list[Label]:
        answer = await self._call("GET", f"/v1/shipments?reference={quote(order_id, safe='')}")
        self._raise_unless(answer, (200,))
        listed = answer.listed("shipments")
        if listed is None:
            raise self._unreadable(answer)
        labels: list[Label] = []
        for entry in listed:
            if fields_of(entry).get("state") == "voided":
                continue
            label = _label(entry)
            if label is None:
                raise self._unreadable(answer)
            labels.append(label)
        return labels

    async def void_shipment(self, shipment_id: str) -> None:
        answer = await self._call("DELETE", f"/v1/shipments/{quote(shipment_id, safe='')}")
        self._raise_unless(answer, (200, 204))
        if not answer.is_empty_or_json:
            raise self._unreadable(answer)


def _label(parsed: object) -> Label | None:
    """The label, or None if a field is missing or empty, or if the time has no offset or is not a time."""
    fields = fields_of(parsed)
    texts: list[str] = []
    for name in ("shipmentId", "carrier", "trackingNumber", "shippedAt"):
        text = fields.get(name)
        if not (isinstance(text, str) and text):
            return None
        texts.append(text)
    shipment_id, carrier, tracking_number, written = texts
    try:
        shipped_at = datetime.fromisoformat(written)
        if shipped_at.tzinfo is None:
            return None
        return Label(shipment_id, carrier, tracking_number, shipped_at.astimezone(UTC))
    except (ValueError, OverflowError):
        return None
