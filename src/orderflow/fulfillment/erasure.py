"""Erases the personal data of a customer that the Fulfillment Service has: the addresses in carriers'
requests, the bytes of dead letters, and texts that people or carriers have written.

A shipment knows its order, but no customer, so whoever asks names the orders. Only closed shipments are
erased: until then a worker may have to repeat the carrier's request byte for byte.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import sqlalchemy as sa
from pydantic_core import to_json
from sqlalchemy.engine import Connection, RowMapping

from orderflow.contracts.erasure import ERASED, ORDERS_A_STEP_MAX, erased_json
from orderflow.database.dialects import ids_parameter, locked, one_of
from orderflow.database.transaction import Transaction
from orderflow.fulfillment.model import State, decode_ended, encode_ended
from orderflow.fulfillment.tables import attentions, dead_letter_actions, shipments
from orderflow.fulfillment.tables import dead_letters as letters
from orderflow.runtime.ids import FIRST_UUID

LETTERS_A_STEP_MAX = 50
STRAYS_A_STEP_MAX = 20
"""Dead letters that are read to find out whose they are; each may have 4 MiB."""


class EraseOrders(NamedTuple):
    """Asks for what there is of these finished orders, of at most ORDERS_A_STEP_MAX."""

    order_ids: tuple[str, ...]

    @property
    def rows(self) -> int:
        return 3 * ORDERS_A_STEP_MAX


class EraseStrays(NamedTuple):
    """Asks for the dead letters with ids after `behind` that name this customer, but no order."""

    customer_id: str
    behind: str = FIRST_UUID

    @property
    def rows(self) -> int:
        return 2 * STRAYS_A_STEP_MAX


class Erased(NamedTuple):
    """How many rows a step changes. `under_way` are shipments that are not closed. With `more` the same step
    has to be made again; `behind` is where the next one begins, None when there is none."""

    shipments: int = 0
    dead_letters: int = 0
    attentions: int = 0
    under_way: tuple[tuple[str, str], ...] = ()
    without_shipment: tuple[str, ...] = ()
    more: bool = False
    behind: str | None = None


def erase_orders(tx: Transaction, commands: Sequence[EraseOrders]) -> list[Erased]:
    """Make one step for each command."""
    # Erasing twice changes nothing, so this may be repeated after a lost COMMIT.
    return [_erase_orders(tx, command) for command in commands]


def _erase_orders(tx: Transaction, command: EraseOrders) -> Erased:
    step, changes = _look(tx.connection, command, locked(_SHIPMENTS, shipments))
    if changes:
        tx.connection.execute(_ERASE_SHIPMENT, changes)
    free = _free(command, step)
    if step.attentions:
        tx.connection.execute(
            sa.update(attentions).where(*_ATTENTIONS).values(reason=ERASED), ids_parameter(free)
        )
    if step.dead_letters:
        _erase_letters(tx, tx.connection.scalars(_LETTERS, ids_parameter(free)).all())
    return step


def count_orders(connection: Connection, command: EraseOrders) -> Erased:
    """What `erase_orders` would change."""
    return _look(connection, command, _SHIPMENTS)[0]


def _free(command: EraseOrders, step: Erased) -> list[str]:
    """The orders that no worker needs anything of any more."""
    return sorted(set(command.order_ids) - {order_id for order_id, _ in step.under_way})


def _look(
    connection: Connection, command: EraseOrders, query: sa.Select[*tuple[Any, ...]]
) -> tuple[Erased, list[dict[str, Any]]]:
    found = connection.execute(query, ids_parameter(command.order_ids)).mappings().all()
    closed = [row for row in found if row["state"] == State.CLOSED]
    there = {row["order_id"] for row in found}
    changes = [change for row in closed if (change := _shipment_change(row))]
    step = Erased(
        len(changes),
        under_way=tuple((row["order_id"], row["state"]) for row in found if row["state"] != State.CLOSED),
        without_shipment=tuple(order_id for order_id in command.order_ids if order_id not in there),
    )
    free = ids_parameter(_free(command, step))
    of_orders = len(connection.scalars(_LETTERS, free).all())
    asking = connection.scalar(sa.select(sa.func.count()).select_from(attentions).where(*_ATTENTIONS), free)
    more = of_orders == LETTERS_A_STEP_MAX
    return step._replace(dead_letters=of_orders, attentions=asking or 0, more=more), changes


_SHIPMENTS = (
    sa.select(
        shipments.c.order_id,
        shipments.c.state,
        shipments.c.request,
        shipments.c.ended,
        shipments.c.error,
        shipments.c.note,
    )
    .where(one_of(shipments.c.order_id, "ids"))
    .order_by(shipments.c.order_id)
)
_ERASE_SHIPMENT = (
    sa.update(shipments)
    .where(shipments.c.order_id == sa.bindparam("of_order"))
    .values(
        request=sa.bindparam("content"),
        ended=sa.bindparam("steps"),
        error=sa.bindparam("failure"),
        note=sa.bindparam("told"),
    )
)
_ATTENTIONS = (one_of(attentions.c.order_id, "ids"), attentions.c.reason != ERASED)
# An erased letter is known by its reason, which every letter has.
_LETTERS = (
    sa.select(letters.c.id)
    .where(one_of(letters.c.order_id, "ids"), letters.c.reason != ERASED)
    .order_by(letters.c.id)
    .limit(LETTERS_A_STEP_MAX)
)


def _shipment_change(row: RowMapping) -> dict[str, Any] | None:
    """The parameters of _ERASE_SHIPMENT; None if there is nothing left to erase."""
    ended = decode_ended(row["ended"])
    without_reasons = [each if each.reason is None else replace(each, reason=ERASED) for each in ended]
    erased = {
        "content": erased_json(row["request"]),
        "steps": encode_ended(without_reasons),
        "failure": row["error"] and ERASED,
        "told": row["note"] and ERASED,
    }
    before = (row["request"], row["ended"], row["error"], row["note"])
    return None if tuple(erased.values()) == before else {"of_order": row["order_id"], **erased}


def _erase_letters(tx: Transaction, letter_ids: Sequence[str]) -> None:
    """What such a letter holds may be anything, so nothing of it stays. Its order needs it no more."""
    ids = ids_parameter(letter_ids)
    content = {"key": None, "value": ERASED.encode(), "headers": b"[]", "reason": ERASED}
    outcome = sa.case((letters.c.outcome.is_not(None), ERASED), else_=None)
    tx.connection.execute(
        sa.update(letters).where(one_of(letters.c.id, "ids")).values(**content, outcome=outcome), ids
    )
    notes = (one_of(dead_letter_actions.c.letter_id, "ids"), dead_letter_actions.c.note.is_not(None))
    tx.connection.execute(sa.update(dead_letter_actions).where(*notes).values(note=ERASED), ids)


def erase_strays(tx: Transaction, commands: Sequence[EraseStrays]) -> list[Erased]:
    """Make one step for each command."""
    # As above, this may be repeated.
    steps: list[Erased] = []
    for command in commands:
        step, found = _strays(tx.connection, command)
        if found:
            _erase_letters(tx, found)
        steps.append(step)
    return steps


def count_strays(connection: Connection, command: EraseStrays) -> Erased:
    """What `erase_strays` would change."""
    return _strays(connection, command)[0]


def _strays(connection: Connection, command: EraseStrays) -> tuple[Erased, list[str]]:
    rows = connection.execute(_STRAYS, {"behind": command.behind}).all()
    names = _naming(command.customer_id)
    found = [row.id for row in rows if names.search(row.value or b"")]
    behind = rows[-1].id if len(rows) == STRAYS_A_STEP_MAX else None
    return Erased(dead_letters=len(found), behind=behind), found


_STRAYS = (
    sa.select(letters.c.id, letters.c.value)
    .where(letters.c.order_id.is_(None), letters.c.reason != ERASED, letters.c.id > sa.bindparam("behind"))
    .order_by(letters.c.id)
    .limit(STRAYS_A_STEP_MAX)
)


def _naming(customer_id: str) -> re.Pattern[bytes]:
    """Finds the customer's id in what may be JSON, or nearly so."""
    spellings = {to_json(customer_id), _ascii_json(customer_id)}
    return re.compile(rb'"customerId"\s*:\s*(?:%b)' % b"|".join(map(re.escape, sorted(spellings))))


def _ascii_json(text: str) -> bytes:
    """The text as JSON with escapes for everything that is not ASCII, as many programs write it."""
    return json.dumps(text).encode()


def is_same_request(stored: bytes, sent: bytes) -> bool:
    """Whether both are the request of the same order, though one of them may be erased."""
    if stored == sent:
        return True
    erased = erased_json(stored)
    return erased in (stored, sent) and erased_json(sent) == erased
