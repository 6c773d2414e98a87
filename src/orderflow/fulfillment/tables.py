"""The tables of the fulfillment database. Migrations make them; a test fails when the two drift apart.

All of it is private to the Fulfillment Service. Times are UTC; `…_ms` columns are the database's own clock
in Unix milliseconds.
"""

import sqlalchemy as sa

from orderflow.database.audit import audit_table
from orderflow.database.dialects import UtcTime, UuidText, exact_text, partial
from orderflow.security.keys import key_table

metadata = sa.MetaData()
api_keys = key_table("fulfillment_api_keys", metadata)
audit_log = audit_table("fulfillment_audit_log", metadata)

shipments = sa.Table(
    "shipments",
    metadata,
    sa.Column("order_id", UuidText, primary_key=True),
    # From the event; never changed. `request` is the carrier's body, repeated byte for byte.
    sa.Column("event_id", UuidText, nullable=False),
    sa.Column("correlation_id", sa.String(200), nullable=False),
    sa.Column("traceparent", sa.String(55)),
    sa.Column("ordered_at", UtcTime, nullable=False),
    sa.Column("received_at", UtcTime, nullable=False),
    sa.Column("request", sa.LargeBinary, nullable=False),
    # What the order costs; null if its items have no prices.
    sa.Column("amount_minor", sa.BigInteger),
    sa.Column("currency", sa.String(3)),
    sa.Column("state", sa.String(16), nullable=False),
    # The present step of the saga and its direction, `do` or `undo`.
    sa.Column("step", sa.String(16), nullable=False, server_default="ship"),
    sa.Column("direction", sa.String(4), nullable=False, server_default="do"),
    # The steps before it: a JSON array, as far as they applied. Null for an order that is only shipped.
    sa.Column("ended", sa.Text),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("waits", sa.Integer, nullable=False),
    sa.Column("interruptions", sa.Integer, nullable=False),
    # When the next step is due; null in `closed` and `parked`, which have none.
    sa.Column("due_at_ms", sa.BigInteger),
    sa.Column("worker_id", sa.String(64)),
    sa.Column("epoch", sa.BigInteger),
    # When the present step's first intent was written: the idempotency key that its party got is as old.
    sa.Column("intent_at", UtcTime),
    # The only party that is ever sent that key: its adapter and its address or account.
    sa.Column("party", sa.String(500)),
    # When the Order Service asked for the order's cancellation, which wins until the label is recorded.
    sa.Column("cancel_requested_at", UtcTime),
    # The carrier's label, and why the order fails.
    sa.Column("shipment_id", sa.String(200)),
    sa.Column("carrier", sa.String(200)),
    sa.Column("tracking_number", sa.String(200)),
    sa.Column("shipped_at", UtcTime),
    sa.Column("error", sa.String(1000)),
    # Why it waits, was parked, or was closed in another way than by plain success.
    sa.Column("note", sa.String(1000)),
    sa.Column("parked_kind", sa.String(64)),
    # The calls that failed before it had to wait or was parked: a line of JSON for each, the last ones only.
    sa.Column("failed_calls", sa.Text),
    sa.Column("closed_at", UtcTime),
    # Until a usual shipment closes, none of its changes touches an indexed column. On PostgreSQL, inserts
    # leave half of each page of shipments free, so that these changes need no new entry in any index.
    sa.Index(
        "shipments_due",
        "due_at_ms",
        "order_id",
        **partial("due_at_ms IS NOT NULL"),
    ),
    # Only shipments that have failed before: they are claimed apart from fresh ones.
    sa.Index(
        "shipments_retried",
        "due_at_ms",
        "order_id",
        **partial("due_at_ms IS NOT NULL AND waits > 0"),
    ),
    sa.Index(
        "shipments_parked",
        "order_id",
        **partial("parked_kind IS NOT NULL"),
    ),
)

processed_events = sa.Table(
    "processed_events",
    metadata,
    sa.Column("event_id", UuidText, primary_key=True),
    sa.Column("order_id", UuidText, nullable=False),
    sa.Column("at", UtcTime, nullable=False),
)

workers = sa.Table(
    "workers",
    metadata,
    sa.Column("worker_id", sa.String(64), primary_key=True),
    sa.Column("epoch", sa.BigInteger, nullable=False),
    sa.Column("lease_until_ms", sa.BigInteger, nullable=False),
    # The parties that this worker can ask, a JSON array.
    sa.Column("parties", sa.Text),
)

# What orders are to tell a person. A row is deleted once the Order Service has acknowledged it.
attentions = sa.Table(
    "attentions",
    metadata,
    sa.Column("order_id", UuidText, primary_key=True),
    sa.Column("kind", sa.String(64), nullable=False),
    sa.Column("reason", sa.String(1000), nullable=False),
    sa.Column("correlation_id", sa.String(200)),
    sa.Column("due_at_ms", sa.BigInteger, nullable=False),
    sa.Index("attentions_due", "due_at_ms"),
)

dead_letters = sa.Table(
    "dead_letters",
    metadata,
    sa.Column("id", UuidText, primary_key=True),
    sa.Column("kind", sa.String(64), nullable=False),
    sa.Column("reason", sa.String(1000), nullable=False),
    sa.Column("order_id", UuidText),
    # The step of the order that was given up, and its direction, for example `ship` or `undo authorize`.
    sa.Column("step", sa.String(32)),
    # Where the message was in the log (null for a carrier's request), and its bytes unchanged.
    sa.Column("topic", sa.String(249)),
    sa.Column("partition", sa.Integer),
    sa.Column("offset", sa.BigInteger),
    sa.Column("key", sa.LargeBinary),
    sa.Column("value", sa.LargeBinary),
    sa.Column("headers", sa.LargeBinary, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("at", UtcTime, nullable=False),
    # open → redriven → resolved, or open again; open → discarding → discarded.
    sa.Column("state", sa.String(16), nullable=False),
    # How it ended.
    sa.Column("outcome", sa.String(1000)),
    # When it was last redriven, and by which group's redrive, if any. While it is `discarding`, `redrive_id`
    # names the attempt instead.
    sa.Column("redriven_at", UtcTime),
    sa.Column("redrive_id", UuidText),
    # When the copy to the dead-letter topic is tried next; null once it is there.
    sa.Column("copy_due_ms", sa.BigInteger),
    sa.Index(
        "dead_letters_to_copy",
        "copy_due_ms",
        **partial("copy_due_ms IS NOT NULL"),
    ),
    sa.Index("dead_letters_by_kind", "kind", "state", "id"),
    # The few that wait for a person, among all that ever did.
    sa.Index("dead_letters_open", "id", **partial("state = 'open'")),
    sa.Index(
        "dead_letters_by_order",
        "order_id",
        "id",
        **partial("order_id IS NOT NULL"),
    ),
    sa.Index("dead_letters_of_redrive", "redrive_id", "redriven_at"),
    sa.Index(
        "dead_letters_redriven",
        "order_id",
        **partial("state = 'redriven'"),
    ),
)

# What was done with a dead letter, and by whom; `orderflow` is the program itself.
dead_letter_actions = sa.Table(
    "dead_letter_actions",
    metadata,
    sa.Column("id", UuidText, primary_key=True),
    sa.Column("letter_id", UuidText, nullable=False),
    sa.Column("at", UtcTime, nullable=False),
    sa.Column("actor", sa.String(200), nullable=False),
    sa.Column("action", sa.String(32), nullable=False),
    sa.Column("note", sa.String(1000)),
    sa.Index("dead_letter_actions_of_letter", "letter_id", "at"),
)

# The redrive of a group of dead letters; at most one runs per kind.
redrives = sa.Table(
    "redrives",
    metadata,
    sa.Column("id", UuidText, primary_key=True),
    sa.Column("kind", sa.String(64), nullable=False),
    sa.Column("reason", sa.String(1000)),
    sa.Column("rate_per_s", sa.Integer, nullable=False),
    sa.Column("staged", sa.Boolean, nullable=False, server_default=sa.false()),
    # How many there were when it began; null for one that an earlier release has begun.
    sa.Column("letters", sa.Integer),
    sa.Column("actor", sa.String(200), nullable=False),
    # running → done | stopped
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("note", sa.String(1000)),
    sa.Column("redriven", sa.Integer, nullable=False),
    sa.Column("started_at", UtcTime, nullable=False),
    sa.Column("ended_at", UtcTime),
    # When the next step is due; any worker may do it.
    sa.Column("step_due_ms", sa.BigInteger, nullable=False),
    sa.Index(
        "redrives_running",
        "kind",
        unique=True,
        **partial("state = 'running'"),
    ),
)

PRODUCT_ID_CHARS_MAX = 200
"""The Order Service accepts no longer ones."""

# What there is of each product; one without a row is not tracked. Rows are never deleted, so the record of a
# reserved product always exists.
stock = sa.Table(
    "stock",
    metadata,
    sa.Column("product_id", exact_text(PRODUCT_ID_CHARS_MAX), primary_key=True),
    sa.Column("on_hand", sa.BigInteger, nullable=False),
    # The sum of the product's reservations. It exceeds `on_hand` only if a person has counted fewer, or if
    # a look-up found a shipment for which nothing was reserved.
    sa.Column("reserved", sa.BigInteger, nullable=False),
    # When a person last set `on_hand`.
    sa.Column("counted_at", UtcTime, nullable=False),
)

# What is reserved for orders that are neither shipped nor given up.
reservations = sa.Table(
    "reservations",
    metadata,
    sa.Column("order_id", UuidText, primary_key=True),
    sa.Column("product_id", exact_text(PRODUCT_ID_CHARS_MAX), primary_key=True),
    sa.Column("quantity", sa.BigInteger, nullable=False),
)
