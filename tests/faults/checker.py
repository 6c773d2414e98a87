"""The referee: it gets a history and finds every broken promise in it. Pure; tests plant a violation of each
kind."""

import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from tests.faults.history import (
    History,
    Injection,
    LoggedEvent,
    SeenOrder,
    SeenPayment,
    content_digest,
    number_of,
    order_content,
    price_minor,
)

TERMINAL = frozenset({"Shipped", "Failed", "Cancelled"})
RANKS = {
    "Created": 0,
    "OnHold": 0,
    "Processing": 1,
    "Cancelling": 2,
    "Shipped": 3,
    "Failed": 3,
    "Cancelled": 3,
}
NEXT = {
    "Created": {"Processing", "OnHold", "Cancelled"},
    "OnHold": {"Created", "Cancelled"},
    "Processing": {"Shipped", "Failed", "Cancelling"},
    "Cancelling": {"Cancelled", "Shipped", "Failed"},
}

ATTENTION_CAUSES: dict[str, tuple[str, ...]] = {}
"""Kinds of attention that injected faults may cause, and prefixes of the faults that may cause them.

It is empty because every injected fault heals within minutes. `docs/faults.md` lists what causes each kind of
attention; no run contains any of these causes.
"""

RSS_MIB_MAX = 1_024.0
IN_FLIGHT_MAX = 2_300
"""`ORDERFLOW_IN_FLIGHT_MAX` of the runs plus what a worker may hold in addition (200 + 2,000), rounded up."""
RECOVERY_S_MAX = 10.0
LATENCY_S_MAX = 3.0
"""The time from POST to a terminal status in normal operation, on a machine that does other work as well."""
PROBES_BEFORE_S = 5.0
LOAD_SHARE_MIN = 0.9
OUT_OF_STOCK = "not enough in stock"


@dataclass(frozen=True, slots=True)
class Violation:
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Recovery:
    """`seconds` is the time from the fault's end until the last order that it delayed was terminal, and
    `since_start_s` the time from the fault's start; 0 if no order was late."""

    kind: str
    seconds: float
    since_start_s: float


def check(history: History, *, kinds_wanted: dict[str, int], recovers: tuple[str, ...]) -> list[Violation]:
    """All violations.

    `kinds_wanted`: how often each kind of fault must have been injected. `recovers`: prefixes of the kinds
    after which orders must flow again within RECOVERY_S_MAX.
    """
    rules: list[Callable[[History], Iterator[Violation]]] = [
        _answers,
        _orders_are_those_sent,
        _acknowledged_orders_exist,
        _one_order_per_request,
        _events,
        _events_complete,
        _ledger,
        _statuses_equal_ledger,
        _payments,
        _stock,
        _cancellations,
        _sightings,
        _timelines,
        _nothing_is_stuck,
        _audit,
        _bounds,
        _deaths,
    ]
    found = [violation for rule in rules for violation in rule(history)]
    counts = Counter(injection.kind for injection in history.injections)
    for kind, wanted in kinds_wanted.items():
        if counts[kind] < wanted:
            found.append(Violation("not-injected", f"{kind}: {counts[kind]} of {wanted} times"))
    for recovery in recoveries(history):
        if recovery.kind.startswith(recovers) and recovery.seconds > RECOVERY_S_MAX:
            found.append(Violation("slow-recovery", f"{recovery.kind}: {recovery.seconds:.1f} s"))
    return found


def _answers(history: History) -> Iterator[Violation]:
    """Every valid order is accepted or refused for the moment; a key gets the same answer for ever."""
    for sent in history.sent.values():
        wanted = content_digest(order_content(history.seed, sent.number))
        for attempt in sent.attempts:
            if attempt.outcome == "wrong":
                yield Violation("wrong-answer", f"order {sent.number}: {attempt.status} {attempt.detail}")
            if attempt.outcome == "ok" and attempt.content != wanted:
                yield Violation("answer-altered", f"order {sent.number} was answered with other content")
        answers = {attempt.answer for attempt in sent.attempts if attempt.outcome == "ok"}
        if len(answers) > 1:
            yield Violation("answers-differ", f"key {sent.key} got {len(answers)} different answers")
        if sent.key is not None and sent.outcome == "unknown":
            yield Violation("unresolved", f"key {sent.key} got no answer after {len(sent.attempts)} attempts")


def _orders_are_those_sent(history: History) -> Iterator[Violation]:
    for order in history.orders:
        number = number_of(order.customer_id)
        sent = history.sent.get(number) if number is not None else None
        if number is None or sent is None:
            yield Violation("order-from-nowhere", f"{order.order_id} of {order.customer_id} was never sent")
            continue
        if sent.outcome == "refused":
            yield Violation("refused-present", f"{order.order_id}: order {number} was refused")
        if order.content != content_digest(order_content(history.seed, number)):
            yield Violation("altered", f"{order.order_id}: order {number} has other content")


def _acknowledged_orders_exist(history: History) -> Iterator[Violation]:
    there = {order.order_id: order.customer_id for order in history.orders}
    for sent in history.sent.values():
        for order_id in sent.order_ids:
            if order_id not in there:
                yield Violation("lost", f"{order_id}: order {sent.number} was acknowledged and is gone")
            elif number_of(there[order_id]) != sent.number:
                yield Violation("altered", f"{order_id} belongs to {there[order_id]}, not {sent.number}")


def _one_order_per_request(history: History) -> Iterator[Violation]:
    by_customer: dict[str, set[str]] = defaultdict(set)
    for order in history.orders:
        by_customer[order.customer_id].add(order.order_id)
    for customer, order_ids in by_customer.items():
        if len(order_ids) > 1:
            yield Violation("twice", f"{customer} has {len(order_ids)} orders: {sorted(order_ids)}")
    listed = Counter(order.order_id for order in history.orders)
    for order_id, times in listed.items():
        if times > 1:
            yield Violation("listed-twice", f"{order_id} is listed {times} times")


def _events(history: History) -> Iterator[Violation]:
    """Events first appear in version order, a repeated event is unchanged, and all are about orders that
    exist.

    The order of events is that of a partition. Where the topic was made again, nobody saw what it got just
    before, so the events of older orders may first appear in any order. And where partitions were added, an
    order's events are in two of them, of which nobody knows what came first: there, an event that is in both
    may be a repetition.
    """
    contents = {order.order_id: order.content for order in history.orders}
    newest: dict[tuple[int, int, str], int] = {}
    known: dict[tuple[str, int], str] = {}
    partitions: dict[tuple[int, str, int], set[int]] = {}
    for event in history.events:
        partitions.setdefault((event.life_ms, event.order_id, event.order_version), set()).add(
            event.partition
        )
    for event in sorted(history.events, key=lambda e: (e.life_ms, e.partition, e.offset)):
        name = f"{event.order_id} version {event.order_version}"
        if event.order_id not in contents:
            yield Violation("event-without-order", name)
        elif event.event_type == "OrderCreated" and event.content != contents[event.order_id]:
            yield Violation("event-altered", name)
        version = (event.order_id, event.order_version)
        if version not in known:
            place = (event.life_ms, event.partition, event.order_id)
            before = newest.get(place, 0)
            is_only_here = len(partitions[event.life_ms, *version]) == 1
            if event.order_version < before and is_only_here and not _is_older(event):
                yield Violation("event-order", f"{name} after {before}")
            newest[place] = max(event.order_version, before)
        elif known[version] != event.event_id:
            yield Violation("event-identity", f"{name} is there with two event ids")
        known.setdefault(version, event.event_id)
    yield from _partitions_of_orders(history)


def _is_older(event: LoggedEvent) -> bool:
    """Whether the event's order is older than the topic. Its id is a UUID of version 7, which begins with a
    time in Unix milliseconds."""
    return event.life_ms > 0 and uuid.UUID(event.order_id).int >> 80 < event.life_ms


def _partitions_of_orders(history: History) -> Iterator[Violation]:
    partitions: dict[str, int] = {}
    for event in history.events[: history.partitions_kept]:
        if partitions.setdefault(event.order_id, event.partition) != event.partition:
            yield Violation("event-order", f"{event.order_id} is on several partitions")


def _events_complete(history: History) -> Iterator[Violation]:
    if history.log_wiped:
        return
    told = {event.order_id for event in history.events if event.event_type == "OrderCreated"}
    for order in history.orders:
        if order.order_id not in told:
            yield Violation("event-missing", order.order_id)


def _ledger(history: History) -> Iterator[Violation]:
    orders = {order.order_id for order in history.orders}
    live = Counter(decision.order_id for decision in history.decisions if decision.state == "live")
    for order_id, shipments in live.items():
        if shipments > 1:
            yield Violation("shipped-twice", f"{order_id} has {shipments} live shipments")
    for order_id in {decision.order_id for decision in history.decisions} - orders:
        yield Violation("shipment-without-order", order_id)


def _statuses_equal_ledger(history: History) -> Iterator[Violation]:
    live: dict[str, set[str]] = defaultdict(set)
    rejected: set[str] = set()
    for decision in history.decisions:
        if decision.state == "live":
            live[decision.order_id].add(decision.tracking_number)
        elif decision.state == "rejected":
            rejected.add(decision.order_id)
    rejected |= {payment.order_id for payment in history.payments if not payment.authorized}
    rejected |= {order.order_id for order in history.orders if (order.error or "").startswith(OUT_OF_STOCK)}
    for order in history.orders:
        yield from _status_equals_ledger(order, live.get(order.order_id, set()), order.order_id in rejected)


def _status_equals_ledger(order: SeenOrder, live: set[str], rejected: bool) -> Iterator[Violation]:
    name = f"{order.order_id} is {order.status}"
    if order.status == "Shipped" and order.tracking_number not in live:
        yield Violation("status-ledger", f"{name} as {order.tracking_number}, the ledger has {sorted(live)}")
    if order.status == "Failed" and not rejected:
        yield Violation("failed-unrejected", f"{name}, but no party rejected it, and it was in stock")
    if order.status not in ("Shipped", "Cancelling") and live and order.attention is None:
        yield Violation("status-ledger", f"{name}, but a live shipment exists")


def _payments(history: History) -> Iterator[Violation]:
    """An order is charged what it costs if it has shipped, and else nothing."""
    by_order: dict[str, list[SeenPayment]] = defaultdict(list)
    for payment in history.payments:
        by_order[payment.order_id].append(payment)
    for order in history.orders:
        payments = by_order.pop(order.order_id, [])
        number = number_of(order.customer_id)
        owed = price_minor(order_content(history.seed, number)) if number is not None else 0
        charged = sum(payment.captured_minor - payment.refunded_minor for payment in payments)
        if charged != (owed if order.status == "Shipped" else 0):
            yield Violation(
                "charged", f"{order.order_id} is {order.status}, costs {owed}, was charged {charged}"
            )
        if any(payment.is_open for payment in payments):
            yield Violation("authorization-kept", f"{order.order_id} is {order.status}")
    for order_id in by_order:
        yield Violation("payment-without-order", order_id)


def _stock(history: History) -> Iterator[Violation]:
    """What is gone from stock is what was shipped, and nothing is reserved for orders that have ended."""
    shipped: Counter[str] = Counter()
    for order in history.orders:
        number = number_of(order.customer_id)
        if order.status == "Shipped" and number is not None:
            for item in order_content(history.seed, number)["items"]:
                shipped[item["productId"]] += item["quantity"]
    for product_id, counted in history.stock.items():
        if counted.on_hand != counted.first - shipped[product_id] or counted.reserved != 0:
            gone = f"{shipped[product_id]} of {counted.first} were shipped"
            yield Violation("stock-drift", f"{product_id}: {gone}, and the record says {counted}")


def _cancellations(history: History) -> Iterator[Violation]:
    """An order is cancelled only if somebody asked for it, for good if the answer said so, and a change is
    refused only because the order's status does not allow it."""
    for order in history.orders:
        answered = history.cancelled.get(order.order_id)
        if order.status == "Cancelled" and order.order_id not in history.cancelled:
            yield Violation("cancelled-unasked", order.order_id)
        if answered == "Cancelled" and order.status != "Cancelled":
            yield Violation("cancel-lost", f"{order.order_id} was Cancelled and is {order.status}")
    for order_id, action, status in history.refusals:
        if status != 409:
            yield Violation("wrong-answer", f"{action} of {order_id}: {status}")


def _sightings(history: History) -> Iterator[Violation]:
    for order_id, sightings in history.sightings.items():
        for before, after in pairwise(sightings):
            back = RANKS[after.status] < RANKS[before.status] or after.version < before.version
            other_end = before.status in TERMINAL and after.status != before.status
            if back or other_end:
                was, now = (f"{seen.status} version {seen.version}" for seen in (before, after))
                yield Violation("status-regressed", f"{order_id}: {was}, then {now}")


def _timelines(history: History) -> Iterator[Violation]:
    for order_id, changes in history.timelines.items():
        versions = [change.order_version for change in changes]
        if versions != sorted(set(versions)):
            yield Violation("timeline", f"{order_id}: versions {versions}")
        statuses = [change.status for change in changes]
        if not statuses or statuses[0] != "Created":
            yield Violation("timeline", f"{order_id}: begins with {statuses[:1]}")
        for before, after in pairwise(statuses):
            if after != before and after not in NEXT.get(before, set()):
                yield Violation("timeline", f"{order_id}: {before} to {after}")


def _nothing_is_stuck(history: History) -> Iterator[Violation]:
    if not history.drained:
        yield Violation("not-drained", "orders were still under way when the time for that was over")
    injected = {injection.kind for injection in history.injections}
    for order in history.orders:
        if order.attention is None:
            if order.status not in TERMINAL:
                yield Violation("stuck", f"{order.order_id} is {order.status} without attention")
            continue
        causes = ATTENTION_CAUSES.get(order.attention, ())
        if not any(kind.startswith(causes) for kind in injected):
            yield Violation("attention", f"{order.order_id} has attention {order.attention} without a cause")


def _audit(history: History) -> Iterator[Violation]:
    """The product's own audit finds nothing either."""
    for text in history.audit:
        yield Violation("audit", text)


def _bounds(history: History) -> Iterator[Violation]:
    for role, peak in history.rss_mib.items():
        if peak > RSS_MIB_MAX:
            yield Violation("memory", f"{role} took {peak:.0f} MiB")
    if history.in_flight > IN_FLIGHT_MAX:
        yield Violation("in-flight", f"{history.in_flight} shipments in one worker")
    wanted = history.offered_per_s * history.loaded_s * LOAD_SHARE_MIN
    if len(history.sent) < wanted:
        yield Violation("load", f"{len(history.sent)} orders were sent, {wanted:.0f} wanted")


def _deaths(history: History) -> Iterator[Violation]:
    for death in history.deaths:
        yield Violation("died", f"{death.role} ended with {death.exit_code}: {death.last_lines}")


def recoveries(history: History) -> list[Recovery]:
    """How long each fault that was injected alone delayed orders."""
    alone = [injection for injection in history.injections if injection.alone]
    found: list[Recovery] = []
    for each in alone:
        last_s = _last_terminal_s(history, each, _next_start(history, each))
        found.append(Recovery(each.kind, max(0.0, last_s - each.end_s), max(0.0, last_s - each.start_s)))
    return found


def _next_start(history: History, injection: Injection) -> float:
    later = [each.start_s for each in history.injections if each.start_s > injection.start_s]
    return min(later, default=float("inf"))


def _last_terminal_s(history: History, injection: Injection, until_s: float) -> float:
    """When the last order that was late because of the fault became terminal."""
    last_s = 0.0
    for probe in history.probes:
        # A probe that was posted just before the next fault may be late because of that one.
        if not injection.start_s - PROBES_BEFORE_S <= probe.posted_s < until_s - LATENCY_S_MAX:
            continue
        terminal_s = float("inf") if probe.terminal_s is None else probe.terminal_s
        if terminal_s > injection.start_s and terminal_s - probe.posted_s > LATENCY_S_MAX:
            last_s = max(last_s, terminal_s)
    return last_s
