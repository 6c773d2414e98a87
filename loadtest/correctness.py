"""What must be true in the end, whatever the load was: each order that was accepted is there, has ended, and
was shipped once at most."""

import json
import os
import sqlite3
import subprocess
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

import psycopg
from bench.stages import ORDERFLOW

from loadtest.k6 import Asked
from loadtest.stage import Shop
from loadtest.watch import TERMINAL

AUDIT_S_MAX = 1_800.0
AGAIN_AFTER_S = 5


@dataclass(frozen=True, slots=True)
class Check:
    what: str
    found: str
    holds: bool


def checks(shop: Shop, asked: Sequence[Asked], warm_up: int) -> list[Check]:
    """`warm_up`: orders that were placed before, not by k6."""
    accepted = [each.order_id for each in asked if each.order_id]
    undecided = sum(each.order_id is None for each in asked)
    with psycopg.connect(shop.stage.database) as orders:
        rows = {str(order_id): str(status) for order_id, status in orders.execute(_ALL).fetchall()}
    missing = sum(order_id not in rows for order_id in accepted)
    twice = len(accepted) - len(set(accepted))
    untold = len(rows) - len(set(accepted) & rows.keys()) - warm_up
    statuses = Counter(rows.values())
    unfinished = sum(count for status, count in statuses.items() if status not in TERMINAL)
    counted = ", ".join(f"{count:,} {status}" for status, count in statuses.most_common())
    live = _live_shipments(shop)
    shipped = {order_id for order_id, status in rows.items() if status == "Shipped"}
    return [
        Check(
            "each order answered with 201 is stored", f"{missing:,} of {len(accepted):,} missing", not missing
        ),
        Check("no two orders got the same id", f"{twice:,} did", not twice),
        Check(
            "no order is stored that nobody was told of",
            f"{untold:,}, with {undecided:,} requests without a definite answer",
            0 <= untold <= undecided,
        ),
        Check("each order has ended", counted, not unfinished),
        Check(
            "the carrier has one shipment for each order that is Shipped, and no other",
            f"{sum(live.values()):,} shipments, {len(shipped):,} orders Shipped",
            live == Counter(shipped),
        ),
        _audit(shop),
    ]


_ALL = "SELECT order_id, status FROM orders"


def _live_shipments(shop: Shop) -> Counter[str]:
    """By order, the shipments in the carrier's ledger that were not voided."""
    with closing(sqlite3.connect(f"file:{shop.ledger}?mode=ro", uri=True)) as ledger:
        return Counter(
            str(row[0]) for row in ledger.execute("SELECT order_id FROM answers WHERE state = 'live'")
        )


def _audit(shop: Shop) -> Check:
    """`orderflow audit`, as an operator calls it: both services and the carrier's ledger, side by side."""
    what = "`orderflow audit` finds nothing, the carrier's ledger included"
    command = [*ORDERFLOW, "audit", "--json", "--grace-s", "0", "--again-after-s", str(AGAIN_AFTER_S)]
    command += ["--carrier-ledger", shop.carrier_url]
    urls = {"ORDERFLOW_ORDERS_URL": shop.stage.url, "ORDERFLOW_FULFILLMENT_URL": shop.running[0].url}
    plain = {name: value for name, value in os.environ.items() if not name.startswith("ORDERFLOW_")}
    try:
        done = subprocess.run(
            command, env={**plain, **urls}, capture_output=True, text=True, timeout=AUDIT_S_MAX, check=False
        )
    except subprocess.TimeoutExpired:
        return Check(what, f"it did not end within {AUDIT_S_MAX:g} s", holds=False)
    try:
        findings: list[dict[str, str]] = json.loads(done.stdout)["findings"]
    except (ValueError, KeyError):
        return Check(what, f"it ended with {done.returncode}: {done.stderr.strip()[-300:]}", holds=False)
    kinds = Counter(finding["kind"] for finding in findings)
    said = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common()) or "nothing"
    return Check(what, said, not findings and done.returncode == 0)
