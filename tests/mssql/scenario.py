"""Runs every use case and query that builds a statement of its own, at least once, in every form."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from tests.upgrades.earlier_release import CASES, PARTY, THEN, event, fill, letter_id

from orderflow.contracts.audit import AuditQuery
from orderflow.contracts.pages import encode_cursor
from orderflow.database.archiving import Kind, Purge
from orderflow.database.audit import AuditLog
from orderflow.database.engine import Database, connect
from orderflow.database.group_commit import GroupCommit
from orderflow.database.migrate import migrate
from orderflow.database.readiness import Probe
from orderflow.database.transaction import Transaction
from orderflow.fulfillment import archiving as fulfillment_archiving
from orderflow.fulfillment import (
    attentions,
    audit_feed,
    cancellation,
    claims,
    fencing,
    inbox,
    lease,
    letters,
    moves,
)
from orderflow.fulfillment import erasure as fulfillment_erasure
from orderflow.fulfillment import moving as fulfillment_moving
from orderflow.fulfillment import queries as fulfillment_queries
from orderflow.fulfillment import restored as fulfillment_restored
from orderflow.fulfillment.dead_letters import copies, discard, group_redrive, redriver
from orderflow.fulfillment.event_handlers import Receive
from orderflow.fulfillment.migrations import SCHEMA as FULFILLMENT
from orderflow.fulfillment.model import Owner, State, Step, Wait
from orderflow.fulfillment.stock import records
from orderflow.fulfillment.tables import dead_letters, redrives, shipments
from orderflow.fulfillment.tables import metadata as fulfillment_tables
from orderflow.messaging import Record
from orderflow.orders import (
    archiving,
    counters,
    erasure,
    moving,
    outbox,
    parked,
    queries,
    reconciler,
    retention,
    stream,
)
from orderflow.orders import restored as orders_restored
from orderflow.orders.audit_feed import audited_orders
from orderflow.orders.commands import UpdateOrder
from orderflow.orders.migrations import SCHEMA as ORDERS
from orderflow.orders.model import Status
from orderflow.orders.tables import api_keys, audit_log, idempotency_keys, order_changes, orders
from orderflow.orders.tables import metadata as orders_tables
from orderflow.orders.tables import outbox as outbox_table
from orderflow.orders.webhooks import endpoints, queue
from orderflow.runtime.health import Health
from orderflow.runtime.ids import new_uuid7
from orderflow.security import keys

NOW = datetime.now(UTC)
FIRST = "00000000-0000-0000-0000-000000000000"
LAST = "ffffffff-ffff-ffff-ffff-ffffffffffff"


def run(directory: Path) -> None:
    for schema, tables, parts in (
        (ORDERS, orders_tables, (_orders_that_come_back, _orders, _keys, _orders_that_leave)),
        (
            FULFILLMENT,
            fulfillment_tables,
            (
                _shipments_that_come_back,
                _lease,
                _claims,
                _attentions,
                _redrives,
                _discards,
                _rest,
                _shipments_that_leave,
            ),
        ),
    ):
        database = connect(f"sqlite:///{directory / schema.name}.db", application="test")
        migrate(database, schema)
        fill(database, tables)
        for part in parts:
            with database.writer.begin() as connection:
                part(connection)
                Transaction(connection).send()
        if schema is FULFILLMENT:
            _probe(database)
        database.dispose()


def _orders(connection: Connection) -> None:
    tx = Transaction(connection)
    ids = [case.order_id for case in CASES.values()]
    for statuses, attention, product in ((("Created",), True, None), ((), False, "p-1")):
        queries.list_orders(
            connection,
            statuses=statuses,
            customer_id="c-1",
            owner="c-1",
            product_id=product,
            tracking_number="t-1",
            idempotency_key="k-1",
            keys_of="ada" if attention else None,
            attention=attention,
            created_from=THEN,
            created_to=NOW,
            before=LAST,
        )
    queries.list_orders(connection, statuses=("Created", "OnHold"), created_from=THEN)
    queries.timeline(connection, ids[0])
    queries.stats(connection, NOW)
    queries.list_parked(connection, limit=10)
    queries.list_parked(connection, limit=10, behind=FIRST)
    stream.read(connection, 1, rows_max=10)
    for slot in range(1, counters.SLOTS_MAX + 2):
        counters._add(tx, slot, {Status.CREATED: 1})  # pyright: ignore[reportPrivateUsage]
    counters.fold(tx)
    old = new_uuid7(int(THEN.timestamp() * 1000))
    for table in (orders, outbox_table, order_changes):  # retention finds one that is old, always
        of_case = table.c.order_id == CASES["published, not received"].order_id
        connection.execute(sa.update(table).where(of_case).values(order_id=old))
    reconciler.reconcile(tx, [reconciler.Reconcile(NOW, timedelta(seconds=1), "", 3)])
    parked.park(tx, [parked.Refused(ids[0], 1, "OrderCreated", "too large", NOW)])
    parked.unpark(tx, [parked.Taken(outbox.MarkAll([outbox.Mark(ids[0], 1, NOW, 0, 1)]), NOW)])
    parked.release(tx, [parked.Release(ids[0]), parked.Release()])
    connection.execute(sa.update(order_changes).values(reason="told"))
    connection.execute(sa.update(idempotency_keys).values(order_id=LAST))  # and none here
    erasure.erase(tx, [erasure.Erase("c-1")])
    erasure.count(connection, erasure.Erase("c-1"))
    for kind in ("keys", "events", "history", "stream", "webhook_letters"):
        retention.remove(tx, [retention.Remove(kind, FIRST, NOW, 1)])
    outbox.free_leases(connection)
    _webhooks(connection)
    log = AuditLog(audit_log)
    log.page(connection, AuditQuery())
    log.page(connection, AuditQuery(since=NOW, actor="ada", action="hold", cursor=encode_cursor(FIRST)))


def _leave(connection: Connection, kinds: list[Kind]) -> None:
    for kind in kinds:
        kind.find(connection, FIRST, NOW, 2)
        kind.rows(connection, [LAST])
        kind.purge(Transaction(connection), [Purge((LAST,), NOW)])


def _orders_that_leave(connection: Connection) -> None:
    audited_orders(connection, limit=2)
    audited_orders(connection, limit=2, after=FIRST, order_ids=[LAST])
    _leave(connection, archiving.kinds(events_s=1, history_s=1, orders_s=1))
    moving.go_on(connection, "order-events")


def _orders_that_come_back(connection: Connection) -> None:
    """As `orderflow recover` takes them back."""
    sent = [each for some in orders_restored.shipped(connection, THEN - timedelta(days=1)) for each in some]
    records = [Record("order-events", 0, 0, None, each.event, (), 0) for each in sent]
    list(orders_restored.given_up(connection, THEN - timedelta(days=1)))
    orders_restored.lost(connection, orders_restored.logged(records), "order-events", None)
    list(orders_restored.unfinished(connection))
    orders_restored.take_back(Transaction(connection), [[_update(sent[0].order_id)]])
    stream.shift(connection)


def _update(order_id: str) -> UpdateOrder:
    return UpdateOrder(order_id, Status.SHIPPED, None, None, NOW, "recover", None, "c")


def _shipments_that_come_back(connection: Connection) -> None:
    case = CASES["closed, failed"]
    fulfillment_restored.is_worked_on(connection)
    fulfillment_restored.outcomes(connection, [case.order_id])
    shipped = fulfillment_restored.Shipped(case.order_id, event(case), None, "c", "t", NOW)
    fulfillment_restored.take_back(Transaction(connection), [shipped], NOW)
    fulfillment_restored.turn_back(Transaction(connection), [case.order_id], NOW)


def _shipments_that_leave(connection: Connection) -> None:
    audit_feed.audited_shipments(connection, limit=2)
    audit_feed.audited_shipments(connection, limit=2, after=FIRST, order_ids=[LAST])
    audit_feed.audited_stock(connection, limit=2)
    audit_feed.audited_stock(connection, limit=2, after="p", product_ids=["q"])
    _leave(connection, fulfillment_archiving.kinds(shipments_s=1))
    fulfillment_moving.go_on(connection)


def _webhooks(connection: Connection) -> None:
    tx = Transaction(connection, may_be_committed=True)
    of = "019c46f2-b0a0-7c11-8f3a-2b1c9d4e5f60"
    endpoints.add(tx, [endpoints.Add(of, "https://example.com", "whsec_", None, NOW)])
    endpoints.rotate(tx, [endpoints.Rotate(of, "whsec_2", THEN, NOW)])
    endpoints.claim(tx, [endpoints.Claim(of, NOW)])
    endpoints.look_up(tx, [endpoints.LookUp(of)])
    begins = stream.bounds(connection).next
    dead = queue.Message(5, of, 1, '{"type":"order.created"}', 9, NOW, "HTTP 500", NOW)
    command = queue.Record(of, of, begins, begins, 0, None, None, (1, 2), [dead])
    assert queue.record(tx, [command]) == [True]
    endpoints.listed(connection, limit=1, behind=None)
    stream.read(connection, 1, rows_max=20)
    queue.waiting(connection, of)
    queue.due(connection, of, NOW)
    queue.dead_letters(connection, of, limit=1, behind=None)
    queue.counts(connection)
    queue.redrive_letter(tx, [queue.Letter(of, 1)])
    queue.discard_letter(tx, [queue.Letter(of, 1)])
    queue.redrive(tx, [queue.Redrive(of)])
    endpoints.release(tx, [endpoints.Release(of)])
    endpoints.free_leases(connection)
    endpoints.remove(tx, [endpoints.Remove(of)])


def _keys(connection: Connection) -> None:
    key = keys.NewKey(keys.new_text(), "ada", frozenset(), None, NOW, None)
    keys.add(connection, api_keys, key)
    keys.note_use(connection, api_keys, [key.prefix], NOW)
    keys.listed(connection, api_keys)
    keys.version(connection, api_keys)
    keys.unrevoked(connection, api_keys)
    keys.revoke(connection, api_keys, key.prefix, NOW)
    keys.revoke(connection, api_keys, key.prefix, NOW)


def _owner(tx: Transaction, worker: str = "w-1") -> Owner:
    (owner,) = lease.acquire(tx, [lease.Acquire(worker, (PARTY,))])
    assert owner is not None
    return owner


def _lease(connection: Connection) -> None:
    tx = Transaction(connection)
    owner = _owner(tx, "w-0")
    lease.acquire(tx, [lease.Acquire("w-0", (PARTY,), former_epoch=1)])
    lease.heartbeat(tx, [lease.OfOwner(owner)])
    lease.release(tx, [lease.OfOwner(owner)])


def _claims(connection: Connection) -> None:
    tx = Transaction(connection)
    owner = _owner(tx)
    (claimed,) = claims.claim_due(tx, [claims.ClaimDue(owner, 100, 50, (PARTY,))])
    assert claimed
    claims.recall(tx, [claims.Recall()])
    claims.name_party(tx, [claims.NameParty(PARTY)])
    changes = [fencing.Change(shipment, Wait(1, "busy"), NOW) for shipment in claimed[:1]]
    fencing.lock(tx, changes)
    fencing.lock(tx, changes, moves._UNLESS_CANCELLED)  # pyright: ignore[reportPrivateUsage]
    cancellation.request(tx, [cancellation.Cancel(s.order_id, owner, NOW) for s in claimed])
    other = replace(claimed[0], order_id=new_uuid7(0), owner=owner)
    received = [Receive(other, new_uuid7(1)), Receive(claimed[0], new_uuid7(2))]
    inbox.receive(tx, received)
    inbox.receive(tx, [Receive(replace(other, order_id=new_uuid7(3)), received[0].event_id)])


def _attentions(connection: Connection) -> None:
    tx = Transaction(connection)
    attentions.put(tx, [attentions.Attention(FIRST, "kind", "reason", None)])
    attentions.forget(tx, LAST)
    (due,) = attentions.claim(tx, [attentions.ClaimAttentions(10)])
    attentions.acknowledge(tx, due)


def _redrives(connection: Connection) -> None:
    tx = Transaction(connection)
    redriver.step(tx, [redriver.TakeStep(NOW)])
    group_redrive.start(tx, [group_redrive.StartRedrive(new_uuid7(5), "unstorable", None, 1, "ada", NOW)])
    group_redrive.start(
        tx, [group_redrive.StartRedrive(new_uuid7(6), "interrupted", "told to a person", 1, "ada", NOW)]
    )
    redriver.step(tx, [redriver.TakeStep(NOW)])
    group_redrive.stop(tx, [group_redrive.StopRedrive(new_uuid7(5), "ada", NOW)])
    connection.execute(sa.update(shipments).values(state=State.CLOSED))
    connection.execute(sa.update(dead_letters).values(step=Step.CAPTURE))
    unstorable, closed = CASES["unstorable"], CASES["closed, shipped"]
    connection.execute(
        sa.update(dead_letters)
        .where(dead_letters.c.id == letter_id(unstorable))
        .values(state="redriven", order_id=closed.order_id)
    )
    redriver.step(tx, [redriver.TakeStep(NOW)])
    connection.execute(sa.delete(redrives))


def _discards(connection: Connection) -> None:
    tx = Transaction(connection)
    parked_case, unreadable = CASES["carrier-label"], CASES["undecodable"]
    connection.execute(
        sa.update(shipments)
        .where(shipments.c.order_id == parked_case.order_id)
        .values(state=State.PARKED, step=Step.SHIP)
    )
    connection.execute(sa.update(dead_letters).values(state="open"))
    for case in (parked_case, unreadable):
        discard.begin(tx, [discard.Begin(letter_id(case), "token")])
        discard.refuse(tx, [discard.Refuse(letter_id(case), "token", "ada", "no", reopen=True, at=NOW)])
        discard.begin(tx, [discard.Begin(letter_id(case), "token")])
        discard.end(tx, [discard.End(letter_id(case), "ada", "lost", NOW)])


def _rest(connection: Connection) -> None:
    tx = Transaction(connection)
    (due,) = copies.claim_copies(tx, [copies.ClaimCopies(10)])
    copies.mark_copied(tx, [copies.Copied(letter["id"]) for letter in due])
    letter = letters.DeadLetter(
        new_uuid7(9), "k", "r", FIRST, None, None, None, b"k", b"v", b"[]", 1, NOW, step="ship"
    )
    letters.give_up(tx, letter)
    letters.give_up(tx, letter)
    some = fulfillment_queries
    for states in ([State.PARKED], [State.RECEIVED, State.READY], [State.CLOSED]):
        some.list_shipments(connection, states=states, limit=5, after=FIRST)
    some.list_shipments(connection, states=(), limit=5, after=None, order_ids=[FIRST])
    every = list(letters.LetterState)
    for kind, states in ((None, ()), (None, [letters.LetterState.OPEN]), ("unstorable", every)):
        order_id = None if kind is None else FIRST
        some.list_dead_letters(
            connection, kind=kind, order_id=order_id, states=states, limit=5, after=order_id
        )
    some.dead_letter_groups(connection)
    some.get_shipment(connection, CASES["received"].order_id)
    some.get_dead_letter(connection, letter.id)
    some.get_message(connection, letter.id)
    some.list_redrives(connection)
    some.list_redrives(connection, redrive_id=FIRST)
    records.set_on_hand(tx, [records.SetOnHand("p-1", 5, NOW)])
    records.list_stock(connection, product_id=None, limit=5, after=None)
    records.list_stock(connection, product_id="p-1", limit=5, after="p-0")
    closed = fulfillment_erasure.EraseOrders((CASES["closed, failed"].order_id, FIRST))
    attentions.put(tx, [attentions.Attention(FIRST, "kind", "reason", None)])
    fulfillment_erasure.count_orders(connection, closed)
    fulfillment_erasure.erase_orders(tx, [closed])
    lease.end_all(connection)


def _probe(database: Database) -> None:
    writer = GroupCommit(database.writer, "test")
    probed = lease.Lease(writer, Health(), worker_id="w-1", on_lost=lambda: None)
    with database.writer.begin() as connection:
        probed.probe(Transaction(connection), [Probe()])
    writer.close()
