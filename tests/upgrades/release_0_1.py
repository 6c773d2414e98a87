"""What release 0.1.0 left in both databases, besides what earlier ones did: orders at each step of the saga,
in both directions, stock, payments, and what people have done."""

import uuid
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from tests.upgrades.earlier_release import (
    CALLED,
    CASES,
    CREATED,
    DUE,
    LABEL,
    OWNED,
    PROCESSING,
    SHIPPED,
    THEN,
    Case,
    letter_id,
    parked,
)

from orderflow.contracts.instants import utc_text
from orderflow.fulfillment.model import DONE, UNDONE, Ended, Step, encode_ended
from orderflow.fulfillment.payments.simulated import SimulatedDecisions
from orderflow.fulfillment.tables import metadata as fulfillment
from orderflow.orders.tables import metadata as orders

PROVIDER = "payments provider"
"""As intents store it."""
SEED = 1
ON_HAND = 1_000
QUANTITY = 2
WEBHOOK_SECRET = "whsec_" + 43 * "A" + "="
CANCELLING = "Cancelling"

PAYING = {**CALLED, "party": PROVIDER, "step": "authorize"}
BACK = {"direction": "undo"}

STOCK = Ended(Step.STOCK, DONE, attempts=1, at=THEN)


def authorized(case: Case, state: str = DONE) -> Ended:
    decisions = SimulatedDecisions(seed=SEED, decline_rate=0, error_rate=0)
    authorization_id = decisions.authorization_id(case.order_id)
    return Ended(Step.AUTHORIZE, state, 1, THEN, PROVIDER, intent_at=THEN, authorization_id=authorization_id)


def shipping(state: str) -> Ended:
    return Ended(Step.SHIP, state, 1, THEN, "carrier", intent_at=THEN)


HELD, PAID, SENT, RETURNED, VOIDED = "held", "paid", "sent", "returned", "voided"
"""What ended before the present step: stock that is reserved, a payment, a shipment; stock that was released,
and a shipment that was voided."""

STEPS: dict[str, tuple[Case, tuple[str, ...]]] = {
    "to be paid": (Case(PROCESSING, {"state": "ready", "step": "authorize", **DUE}), ()),
    "being paid": (Case(PROCESSING, {"state": "calling", **PAYING, **DUE, **OWNED}), (HELD,)),
    "paid, to ship": (Case(PROCESSING, {"state": "ready", **DUE}), (HELD, PAID)),
    "paid, called, not heard": (
        Case(PROCESSING, {"state": "calling", **CALLED, **DUE, **OWNED}),
        (HELD, PAID),
    ),
    "paid, called, made": (
        Case(PROCESSING, {"state": "calling", **CALLED, **DUE, **OWNED}, held_by_carrier=True),
        (HELD, PAID),
    ),
    "paid, shipped, not told": (
        Case(PROCESSING, {"state": "shipped", **CALLED, **LABEL, **DUE}, keeps_label=True),
        (PAID,),
    ),
    "to be captured": (
        Case(
            SHIPPED,
            {"state": "ready", "step": "capture", "party": PROVIDER, **LABEL, **DUE},
            keeps_label=True,
        ),
        (PAID, SENT),
    ),
    "being captured": (
        Case(
            SHIPPED,
            {"state": "calling", **PAYING, "step": "capture", **LABEL, **DUE, **OWNED},
            keeps_label=True,
        ),
        (PAID, SENT),
    ),
    "captured": (
        Case(
            SHIPPED,
            {"state": "closed", "step": "capture", "party": PROVIDER, **LABEL, "closed_at": THEN},
            keeps_label=True,
        ),
        (PAID, SENT),
    ),
    "declined, not told": (
        Case(
            PROCESSING, {"state": "rejected", "step": "stock", **BACK, "error": "declined", **DUE}, "Failed"
        ),
        (RETURNED,),
    ),
    "rejected, payment to be voided": (
        Case(
            PROCESSING,
            {"state": "ready", "step": "authorize", **BACK, "party": PROVIDER, "error": "no street", **DUE},
            "Failed",
        ),
        (HELD, PAID, VOIDED),
    ),
    "to be cancelled": (
        Case(CANCELLING, {"state": "ready", "cancel_requested_at": THEN, **DUE}, "Cancelled"),
        (HELD, PAID),
    ),
    "shipment to be voided": (
        Case(CANCELLING, {"state": "ready", **BACK, **CALLED, **DUE}, "Cancelled", held_by_carrier=True),
        (HELD, PAID),
    ),
    "payment being voided": (
        Case(CANCELLING, {"state": "calling", **PAYING, **BACK, **DUE, **OWNED}, "Cancelled"),
        (HELD, PAID, VOIDED),
    ),
    "cancelled, not told": (
        Case(CANCELLING, {"state": "cancelled", "step": "stock", **BACK, **DUE}, "Cancelled"),
        (RETURNED,),
    ),
    "payment refused": (
        Case(PROCESSING, parked("payment", **PAYING, waits=6), letter="payment"),
        (HELD,),
    ),
    "capture refused": (
        Case(
            SHIPPED,
            parked("payment", **PAYING | {"step": "capture"}, **LABEL),
            letter="payment",
            keeps_label=True,
        ),
        (PAID, SENT),
    ),
    "not undone": (
        Case(CANCELLING, parked("compensation", **PAYING, **BACK), "Cancelled", letter="compensation"),
        (HELD, PAID, VOIDED),
    ),
    "update refused": (
        Case(
            PROCESSING, parked("update-refused", **CALLED, **LABEL), letter="update-refused", keeps_label=True
        ),
        (PAID,),
    ),
    "being discarded": (
        Case(
            PROCESSING,
            parked("carrier-refused", **CALLED),
            "Failed",
            letter="carrier-refused",
            letter_state="discarding",
        ),
        (HELD, PAID),
    ),
    "was discarded": (
        Case(
            "Failed",
            {"state": "closed", "step": "stock", **BACK, "error": "by ada", "closed_at": THEN},
            "Failed",
            letter="carrier-refused",
            letter_state="discarded",
        ),
        (RETURNED,),
    ),
    "was redriven": (
        Case(
            SHIPPED,
            {"state": "closed", **CALLED, **LABEL, "closed_at": THEN},
            keeps_label=True,
            letter="carrier-unavailable",
            letter_state="resolved",
        ),
        (),
    ),
    "too large for the topic": (Case(CREATED, None, is_published=False), ()),
}
"""Each with the steps that have ended."""

ALL = CASES | {name: case for name, (case, _) in STEPS.items()}
TOO_LARGE = STEPS["too large for the topic"][0]
FAILED_CALL = '{"step":"ship","at":"2026-11-27T05:00:00Z","status":503,"reason":"busy"}'


def steps_ended(case: Case, ended: tuple[str, ...]) -> str | None:
    words = {
        HELD: lambda: STOCK,
        RETURNED: lambda: Ended(Step.STOCK, UNDONE, attempts=1, at=THEN),
        PAID: lambda: authorized(case),
        SENT: lambda: shipping(DONE),
        VOIDED: lambda: shipping(UNDONE),
    }
    return encode_ended([words[word]() for word in ended])


def more_of(table: str, row: dict[str, Any]) -> dict[str, Any]:
    """The row with what the columns since then say."""
    steps = {case.order_id: (case, ended) for case, ended in STEPS.values()}
    case, ended = steps.get(str(row.get("order_id")), (None, ()))
    if case is None:
        return row
    match table:
        case "shipments":
            return row | {
                "amount_minor": 500,
                "currency": "EUR",
                "ended": steps_ended(case, ended),
                "failed_calls": FAILED_CALL if case.letter else None,
            }
        case "orders":
            address = '{"name":"Ada","lines":["1 Main Street"],"city":"Berlin","country":"DE"}'
            return row | {"currency": "EUR", "ship_to": address, "created_by": "shop"}
        case "order_items":
            return row | {"unit_price_minor": 250}
        case "outbox" if case is TOO_LARGE:
            return row | {"parked_reason": "too large when it is sent alone"}
        case "dead_letters":
            shipment = case.shipment or {}
            direction = "undo " if shipment.get("direction") == "undo" else ""
            return row | {"step": f"{direction}{shipment.get('step', 'ship')}"}
        case _:
            return row


def more_rows() -> Iterator[tuple[sa.Table, dict[str, Any]]]:
    """Rows of the tables that are new since then."""
    of_order, of_shipment = orders.tables, fulfillment.tables
    holding = [case for case, ended in STEPS.values() if HELD in ended]
    counted = {"product_id": "p-1", "on_hand": ON_HAND, "counted_at": THEN}
    yield of_shipment["stock"], counted | {"reserved": QUANTITY * len(holding)}
    for case in holding:
        reserved = {"order_id": case.order_id, "product_id": "p-1", "quantity": QUANTITY}
        yield of_shipment["reservations"], reserved
    key = {"sha256": "0" * 64, "name": "shop", "scopes": "orders:read orders:write", "created_at": THEN}
    entry = {"at": THEN, "actor": "ada", "correlation_id": "abc", "details": "{}"}
    for tables, keys, log, action in (
        (of_order, "api_keys", "audit_log", "order.hold"),
        (of_shipment, "fulfillment_api_keys", "fulfillment_audit_log", "dead-letter.redrive"),
    ):
        yield tables[keys], key | {"prefix": "0123456789"}
        yield tables[keys], key | {"prefix": "abcdef0123", "revoked_at": THEN, "expires_at": THEN}
        yield (
            tables[log],
            entry | {"id": str(uuid.uuid4()), "action": action, "subject": "it", "reason": "why"},
        )
    for number, position in ((1, 1), (2, 2), (3, None)):
        change = f'[["{ALL["received"].order_id}",{number},"Created","{utc_text(THEN)}","c-1",null,null]]'
        waiting = {"id": number, "at": THEN, "changes": change, "size": 1, "first_position": position}
        yield of_order["stream"], waiting
    ended = {"kind": "payment", "rate_per_s": 1, "actor": "ada", "redriven": 1, "step_due_ms": 0}
    for state in ("done", "stopped"):
        times = {"started_at": THEN, "ended_at": THEN, "note": "the end"}
        yield of_shipment["redrives"], ended | times | {"id": str(uuid.uuid4()), "state": state}
    discarded = STEPS["was discarded"][0]
    action = {"actor": "ada", "action": "discard", "note": "the customer is gone", "at": THEN}
    yield (
        of_shipment["dead_letter_actions"],
        action | {"id": str(uuid.uuid4()), "letter_id": letter_id(discarded)},
    )
    endpoint = {"endpoint_id": str(uuid.uuid4()), "url": "https://example.com/hook", "created_at": THEN}
    failing = {"failing_since": THEN, "last_error": "503", "position": 3}
    yield (
        of_order["webhooks"],
        endpoint | failing | {"secret": WEBHOOK_SECRET, "event_types": "order.created"},
    )
    message = {"endpoint_id": endpoint["endpoint_id"], "order_id": ALL["received"].order_id, "due_at": THEN}
    for position, state in (
        (1, {"attempts": 9, "reason": "503", "dead_at": THEN}),
        (2, {"attempts": 3, "reason": "503"}),
        (3, {"attempts": 0}),
    ):
        payload = {"payload": '{"type":"order.created"}', "order_version": position}
        yield of_order["webhook_messages"], message | payload | {"position": position} | state
