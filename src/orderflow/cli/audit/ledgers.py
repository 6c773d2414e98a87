"""The ledgers of carriers and payment providers, where they can be read (`GET /v1/ledger`, as carrier-sim and
payment-sim have it).

A ledger is sorted by nothing that an audit knows, and may be longer than memory. So its entries are put into
a temporary file, which sorts them by order id.
"""

from __future__ import annotations

import json
import re
import sqlite3
import ssl
import urllib.error
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any, BinaryIO, cast
from urllib.request import HTTPSHandler, ProxyHandler, build_opener

from orderflow.cli.audit.rules import Payment
from orderflow.cli.json_array import BrokenArray, elements

LEDGER = "/v1/ledger"
ENTRY_BYTES_MAX = 1 << 20
HEAD_BYTES_MAX = 64
READ_TIMEOUT_S = 60.0
ENTRIES_A_WRITE = 1_000

_ORDER_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""Whatever has another reference is no order of ours."""

Context = Callable[[], "ssl.SSLContext | None"]
Entry = dict[str, Any]


class LedgerUnreadable(Exception):
    """The address has no ledger, or it cannot be read to its end; the text says why."""


@dataclass(frozen=True, slots=True)
class Entries:
    """What the ledgers say of an order: tracking numbers of its live shipments, and the payments that were
    granted for it."""

    order_id: str
    live: tuple[str, ...] = ()
    payments: tuple[Payment, ...] = ()


class Ledgers:
    """The entries of all ledgers that were read, sorted by order id, in a temporary file."""

    def __init__(self) -> None:
        # An empty name is a temporary file, which is gone when it is closed. A thread reads the ledgers.
        self._file = sqlite3.connect("", check_same_thread=False)
        self._file.execute("CREATE TABLE entries (order_id TEXT NOT NULL, entry TEXT NOT NULL)")

    def close(self) -> None:
        self._file.close()

    def read(self, url: str, context: Context) -> int:
        """Add a ledger; returns the number of its entries. Raises LedgerUnreadable."""
        count = 0
        batch: list[tuple[str, str]] = []
        for entry in _entries(url, context()):
            order_id, kept = str(entry["orderId"]), _kept(entry)
            if kept is not None and _ORDER_ID.fullmatch(order_id):
                batch.append((order_id, json.dumps(kept)))
            count += 1
            if len(batch) == ENTRIES_A_WRITE:
                self._add(batch)
                batch = []
        self._add(batch)
        return count

    def _add(self, batch: list[tuple[str, str]]) -> None:
        self._file.executemany("INSERT INTO entries VALUES (?, ?)", batch)

    def by_order(self) -> Iterator[Entries]:
        """The entries of each order that has any, by ascending order id."""
        self._file.execute("CREATE INDEX IF NOT EXISTS by_order ON entries (order_id)")
        rows = self._file.execute("SELECT order_id, entry FROM entries ORDER BY order_id")
        for order_id, of_order in groupby(rows, itemgetter(0)):
            yield entries_of(str(order_id), [json.loads(entry) for _, entry in of_order])


def entries_of(order_id: str, found: list[Entry]) -> Entries:
    """What these entries say together."""
    return Entries(
        order_id,
        tuple(each["trackingNumber"] for each in found if each.get("state") == "live"),
        tuple(
            Payment(each["voided"], each["capturedMinor"], each["refundedMinor"])
            for each in found
            if each.get("authorized")
        ),
    )


def _kept(entry: Entry) -> Entry | None:
    """What the rules need of an entry; None if it is nothing."""
    if entry.get("state") == "live":
        return {name: entry[name] for name in ("state", "trackingNumber")}
    if entry.get("authorized"):
        return {name: entry[name] for name in ("authorized", "voided", "capturedMinor", "refundedMinor")}
    return None


def _entries(url: str, context: ssl.SSLContext | None) -> Iterator[Entry]:
    """The entries of `{"shipments":[…]}` or `{"payments":[…]}`, as they arrive."""
    try:
        # As all our calls, it takes no proxy of the environment.
        opener = build_opener(ProxyHandler({}), HTTPSHandler(context=context))
        with opener.open(url + LEDGER, timeout=READ_TIMEOUT_S) as answer:
            _read_head(answer)
            for text in elements(answer, bytes_max=ENTRY_BYTES_MAX, closing=b"}"):
                entry: object = json.loads(text)
                if not isinstance(entry, dict) or "orderId" not in entry:
                    raise LedgerUnreadable(f"{url}: this is no ledger")
                yield cast("Entry", entry)
    except urllib.error.HTTPError as error:
        with error:
            raise LedgerUnreadable(f"{url} answers {error.code}: it shows no ledger") from None
    except (OSError, ValueError, BrokenArray) as error:
        raise LedgerUnreadable(f"{url}: {error}") from None


def _read_head(answer: BinaryIO) -> None:
    """Read to the opening bracket of the array."""
    head = b""
    while not head.endswith(b"["):
        byte = answer.read(1)
        if not byte or len(head) == HEAD_BYTES_MAX:
            raise ValueError("this is no ledger")
        head += byte
