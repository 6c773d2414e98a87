"""Checks what an adapter returns before it is believed, because not all adapters are ours."""

from datetime import datetime
from typing import cast

from orderflow.fulfillment.carriers import CarrierUnavailable, Label

_FIELDS = ("shipped_at", "shipment_id", "carrier", "tracking_number")


def checked_label(answer: object) -> Label:
    """The label. Raises CarrierUnavailable (doubtful) for anything else: the shipment may have been made."""
    if isinstance(answer, Label):
        at, *texts = cast("tuple[object, ...]", tuple(getattr(answer, name) for name in _FIELDS))
        if all(isinstance(text, str) and text.strip() for text in texts) and isinstance(at, datetime):
            return answer
    raise CarrierUnavailable("the carrier's answer is no label", doubtful=True)


def checked_labels(answer: object) -> list[Label]:
    """The labels. Raises CarrierUnavailable for anything else."""
    if not isinstance(answer, (list, tuple)):
        raise CarrierUnavailable("the carrier's answer is no list of labels", doubtful=False)
    return [checked_label(entry) for entry in cast("list[object]", answer)]
