-- fulfillment.archiving._EVENTS_OF
SELECT shipments.event_id
FROM shipments
WHERE shipments.order_id IN (SELECT value COLLATE Latin1_General_100_BIN2 FROM OPENJSON(?) WITH (value CHAR(36) '$'))

-- fulfillment.archiving._find_letters
SELECT TOP 8 dead_letters.id
FROM dead_letters
WHERE dead_letters.id > ? AND dead_letters.id <= ? AND dead_letters.state IN (?, ?) AND dead_letters.at < ? AND
    dead_letters.copy_due_ms IS NULL AND NOT (EXISTS (SELECT *
FROM shipments
WHERE shipments.order_id = dead_letters.order_id)) ORDER BY dead_letters.id

-- fulfillment.archiving._find_letters
SELECT dead_letters.id
FROM dead_letters
WHERE dead_letters.id > ? ORDER BY dead_letters.id
 OFFSET ? ROWS
 FETCH FIRST ? ROWS ONLY

-- fulfillment.archiving._find_redrives
SELECT redrives.id
FROM redrives
WHERE redrives.id > ? AND redrives.state != ? AND redrives.ended_at < ? AND NOT (EXISTS (SELECT *
FROM dead_letters
WHERE dead_letters.redrive_id = redrives.id AND (dead_letters.state NOT IN (?, ?))))

-- fulfillment.archiving._find_redrives
SELECT redrives.id
FROM redrives
WHERE redrives.id > ? ORDER BY redrives.id
 OFFSET ? ROWS
 FETCH FIRST ? ROWS ONLY

-- fulfillment.archiving._find_shipments
SELECT shipments.order_id
FROM shipments
WHERE shipments.order_id > ? AND shipments.order_id < ? AND shipments.order_id <= ? AND shipments.state = ? AND
    shipments.closed_at < ? AND NOT (EXISTS (SELECT *
FROM attentions
WHERE attentions.order_id = shipments.order_id)) AND NOT (EXISTS (SELECT *
FROM reservations
WHERE reservations.order_id = shipments.order_id)) AND NOT (EXISTS (SELECT *
FROM dead_letters
WHERE dead_letters.order_id = shipments.order_id AND (dead_letters.state NOT IN (?, ?)))) ORDER BY shipments.order_id

-- fulfillment.archiving._find_shipments
SELECT shipments.order_id
FROM shipments
WHERE shipments.order_id > ? AND shipments.order_id < ? ORDER BY shipments.order_id
 OFFSET ? ROWS
 FETCH FIRST ? ROWS ONLY

-- fulfillment.archiving._letter_rows
SELECT dead_letter_actions.id, dead_letter_actions.letter_id, dead_letter_actions.at, dead_letter_actions.actor,
    dead_letter_actions.action, dead_letter_actions.note
FROM dead_letter_actions
WHERE dead_letter_actions.letter_id IN (SELECT value COLLATE Latin1_General_100_BIN2 FROM OPENJSON(?) WITH (value
    CHAR(36) '$'))

-- fulfillment.archiving._letter_rows
SELECT dead_letters.id, dead_letters.kind, dead_letters.reason, dead_letters.order_id, dead_letters.step,
    dead_letters.topic, dead_letters.partition, dead_letters.offset, dead_letters.[key], dead_letters.value,
    dead_letters.headers, dead_letters.attempts, dead_letters.at, dead_letters.state, dead_letters.outcome,
    dead_letters.redriven_at, dead_letters.redrive_id, dead_letters.copy_due_ms
FROM dead_letters
WHERE dead_letters.id IN (SELECT value COLLATE Latin1_General_100_BIN2 FROM OPENJSON(?) WITH (value CHAR(36) '$'))

-- fulfillment.archiving._purge_closed
DELETE FROM processed_events WHERE processed_events.event_id IN (SELECT shipments.event_id
FROM shipments
WHERE shipments.order_id IN (SELECT value COLLATE Latin1_General_100_BIN2 FROM OPENJSON(?) WITH (value CHAR(36) '$')))

-- fulfillment.archiving._purge_closed
DELETE FROM shipments WHERE shipments.order_id IN (SELECT value COLLATE Latin1_General_100_BIN2 FROM OPENJSON(?) WITH
    (value CHAR(36) '$'))

-- fulfillment.archiving._purge_closed
SELECT shipments.order_id
FROM shipments WITH (UPDLOCK, ROWLOCK)
WHERE shipments.order_id IN (SELECT value COLLATE Latin1_General_100_BIN2 FROM OPENJSON(?) WITH (value CHAR(36) '$'))
    AND shipments.state = ? AND shipments.closed_at < ? AND NOT (EXISTS (SELECT *
FROM attentions
WHERE attentions.order_id = shipments.order_id)) AND NOT (EXISTS (SELECT *
FROM reservations
WHERE reservations.order_id = shipments.order_id)) AND NOT (EXISTS (SELECT *
FROM dead_letters
WHERE dead_letters.order_id = shipments.order_id AND (dead_letters.state NOT IN (?, ?)))) ORDER BY shipments.order_id

-- fulfillment.archiving._purge_redrives
DELETE FROM redrives WHERE redrives.id IN (SELECT value COLLATE Latin1_General_100_BIN2 FROM OPENJSON(?) WITH (value
    CHAR(36) '$')) AND redrives.state != ? AND redrives.ended_at < ? AND NOT (EXISTS (SELECT *
FROM dead_letters
WHERE dead_letters.redrive_id = redrives.id AND (dead_letters.state NOT IN (?, ?))))

-- fulfillment.archiving._purge_settled
DELETE FROM dead_letter_actions WHERE dead_letter_actions.letter_id IN (SELECT value COLLATE Latin1_General_100_BIN2
    FROM OPENJSON(?) WITH (value CHAR(36) '$'))

-- fulfillment.archiving._purge_settled
DELETE FROM dead_letters WHERE dead_letters.id IN (SELECT value COLLATE Latin1_General_100_BIN2 FROM OPENJSON(?) WITH
    (value CHAR(36) '$'))

-- fulfillment.archiving._purge_settled
SELECT dead_letters.id
FROM dead_letters WITH (UPDLOCK, ROWLOCK)
WHERE dead_letters.id IN (SELECT value COLLATE Latin1_General_100_BIN2 FROM OPENJSON(?) WITH (value CHAR(36) '$')) AND
    dead_letters.state IN (?, ?) AND dead_letters.at < ? AND dead_letters.copy_due_ms IS NULL AND NOT (EXISTS (SELECT
    *
FROM shipments
WHERE shipments.order_id = dead_letters.order_id)) ORDER BY dead_letters.id

-- fulfillment.archiving._redrive_rows
SELECT redrives.id, redrives.kind, redrives.reason, redrives.rate_per_s, redrives.staged, redrives.letters,
    redrives.actor, redrives.state, redrives.note, redrives.redriven, redrives.started_at, redrives.ended_at,
    redrives.step_due_ms
FROM redrives
WHERE redrives.id IN (SELECT value COLLATE Latin1_General_100_BIN2 FROM OPENJSON(?) WITH (value CHAR(36) '$'))

-- fulfillment.archiving._shipment_rows
SELECT processed_events.event_id, processed_events.order_id, processed_events.at
FROM processed_events
WHERE processed_events.event_id IN (SELECT shipments.event_id
FROM shipments
WHERE shipments.order_id IN (SELECT value COLLATE Latin1_General_100_BIN2 FROM OPENJSON(?) WITH (value CHAR(36) '$')))

-- fulfillment.attentions._PUT
SET NOCOUNT ON;
BEGIN TRY
UPDATE attentions SET kind=given.kind, reason=given.reason, correlation_id=given.correlation_id,
    due_at_ms=given.due_at_ms FROM attentions WITH (UPDLOCK, SERIALIZABLE), (SELECT given.order_id AS order_id,
    given.kind AS kind, given.reason AS reason, given.correlation_id AS correlation_id, DATEDIFF_BIG(millisecond,
    CAST('1970-01-01' AS DATETIME2), SYSUTCDATETIME()) AS due_at_ms
FROM (SELECT order_id COLLATE Latin1_General_100_BIN2 AS order_id, kind COLLATE Latin1_General_100_BIN2 AS kind,
    reason COLLATE Latin1_General_100_BIN2 AS reason, correlation_id COLLATE Latin1_General_100_BIN2 AS correlation_id
    FROM OPENJSON(?) WITH (order_id CHAR(36) '$[0]', kind NVARCHAR(128) '$[1]', reason NVARCHAR(2000) '$[2]',
    correlation_id NVARCHAR(400) '$[3]')) AS given) AS given WHERE attentions.order_id = given.order_id;
INSERT INTO attentions (order_id, kind, reason, correlation_id, due_at_ms) SELECT given.order_id, given.kind,
    given.reason, given.correlation_id, given.due_at_ms
FROM (SELECT given.order_id AS order_id, given.kind AS kind, given.reason AS reason, given.correlation_id AS
    correlation_id, DATEDIFF_BIG(millisecond, CAST('1970-01-01' AS DATETIME2), SYSUTCDATETIME()) AS due_at_ms
FROM (SELECT order_id COLLATE Latin1_General_100_BIN2 AS order_id, kind COLLATE Latin1_General_100_BIN2 AS kind,
    reason COLLATE Latin1_General_100_BIN2 AS reason, correlation_id COLLATE Latin1_General_100_BIN2 AS correlation_id
    FROM OPENJSON(?) WITH (order_id CHAR(36) '$[0]', kind NVARCHAR(128) '$[1]', reason NVARCHAR(2000) '$[2]',
    correlation_id NVARCHAR(400) '$[3]')) AS given) AS given
WHERE NOT (EXISTS (SELECT 1
FROM attentions AS there WITH (UPDLOCK, SERIALIZABLE)
WHERE there.order_id = given.order_id));
END TRY
BEGIN CATCH
THROW;
END CATCH

-- fulfillment.attentions._claim
SELECT TOP 10 attentions.order_id, attentions.kind, attentions.reason, attentions.correlation_id, attentions.due_at_ms
FROM attentions WITH (UPDLOCK, ROWLOCK, READPAST, READCOMMITTEDLOCK)
WHERE attentions.due_at_ms <= DATEDIFF_BIG(millisecond, CAST('1970-01-01' AS DATETIME2), SYSUTCDATETIME()) OR
    attentions.due_at_ms > DATEDIFF_BIG(millisecond, CAST('1970-01-01' AS DATETIME2), SYSUTCDATETIME()) + ? ORDER BY
    attentions.due_at_ms

-- fulfillment.attentions._claim
UPDATE attentions SET due_at_ms=(DATEDIFF_BIG(millisecond, CAST('1970-01-01' AS DATETIME2), SYSUTCDATETIME()) + ?)
    WHERE attentions.order_id IN (?, ?)

-- fulfillment.attentions.acknowledge
DELETE FROM attentions WHERE attentions.order_id = ? AND attentions.kind = ? AND attentions.reason = ?

-- fulfillment.attentions.forget
DELETE FROM attentions WHERE attentions.order_id = ?

-- fulfillment.audit_feed._LETTERS
SELECT dead_letters.order_id, dead_letters.state
FROM dead_letters
WHERE dead_letters.order_id IN (SELECT value COLLATE Latin1_General_100_BIN2 FROM OPENJSON(?) WITH (value CHAR(36)
    '$')) ORDER BY dead_letters.order_id, dead_letters.id

-- fulfillment.audit_feed._OWED
SELECT attentions.order_id
FROM attentions
WHERE attentions.order_id IN (SELECT value COLLATE Latin1_General_100_BIN2 FROM OPENJSON(?) WITH (value CHAR(36) '$'))

-- fulfillment.audit_feed._RESERVED
SELECT reservations.order_id, count(*) AS count_1
FROM reservations
WHERE reservations.order_id IN (SELECT value COLLATE Latin1_General_100_BIN2 FROM OPENJSON(?) WITH (value CHAR(36)
    '$')) GROUP BY reservations.order_id

-- fulfillment.audit_feed._SHIPMENTS
SELECT shipments.order_id, shipments.state, shipments.step, shipments.direction, shipments.ended, shipments.attempts,
    CASE WHEN (EXISTS (SELECT *
FROM workers
WHERE workers.worker_id = shipments.worker_id AND workers.epoch = shipments.epoch AND workers.lease_until_ms >
    DATEDIFF_BIG(millisecond, CAST('1970-01-01' AS DATETIME2), SYSUTCDATETIME()) AND workers.lease_until_ms <=
    DATEDIFF_BIG(millisecond, CAST('1970-01-01' AS DATETIME2), SYSUTCDATETIME()) + ?)) THEN ? ELSE ? END AS held,
    shipments.due_at_ms - DATEDIFF_BIG(millisecond, CAST('1970-01-01' AS DATETIME2), SYSUTCDATETIME()) AS due_in_ms,
    shipments.parked_kind, shipments.shipment_id, shipments.tracking_number, shipments.error, shipments.amount_minor,
    shipments.currency, shipments.ordered_at, shipments.received_at, shipments.closed_at
FROM shipments ORDER BY shipments.order_id

-- fulfillment.audit_feed._STOCK
SELECT stock.product_id, stock.on_hand, stock.reserved, coalesce(anon_1.quantity, ?) AS reserved_for_orders
FROM stock LEFT OUTER JOIN (SELECT reservations.product_id AS product_id, sum(reservations.quantity) AS quantity
FROM reservations GROUP BY reservations.product_id) AS anon_1 ON anon_1.product_id = stock.product_id ORDER BY
    stock.product_id

-- fulfillment.audit_feed.audited_shipments
SELECT TOP 3 shipments.order_id, shipments.state, shipments.step, shipments.direction, shipments.ended,
    shipments.attempts, CASE WHEN (EXISTS (SELECT *
FROM workers
WHERE workers.worker_id = shipments.worker_id AND workers.epoch = shipments.epoch AND workers.lease_until_ms >
    DATEDIFF_BIG(millisecond, CAST('1970-01-01' AS DATETIME2), SYSUTCDATETIME()) AND workers.lease_until_ms <=
    DATEDIFF_BIG(millisecond, CAST('1970-01-01' AS DATETIME2), SYSUTCDATETIME()) + ?)) THEN ? ELSE ? END AS held,
    shipments.due_at_ms - DATEDIFF_BIG(millisecond, CAST('1970-01-01' AS DATETIME2), SYSUTCDATETIME()) AS due_in_ms,
    shipments.parked_kind, shipments.shipment_id, shipments.tracking_number, shipments.error, shipments.amount_minor,
    shipments.currency, shipments.ordered_at, shipments.received_at, shipments.closed_at
FROM shipments
WHERE shipments.order_id > ? AND shipments.order_id IN (?) ORDER BY shipments.order_id

-- fulfillment.audit_feed.audited_shipments
SELECT TOP 3 shipments.order_id, shipments.state, shipments.step, shipments.direction, shipments.ended,
    shipments.attempts, CASE WHEN (EXISTS (SELECT *
FROM workers
WHERE workers.worker_id = shipments.worker_id AND workers.epoch = shipments.epoch AND workers.lease_until_ms >
    DATEDIFF_BIG(millisecond, CAST('1970-01-01' AS DATETIME2), SYSUTCDATETIME()) AND workers.lease_until_ms <=
    DATEDIFF_BIG(millisecond, CAST('1970-01-01' AS DATETIME2), SYSUTCDATETIME()) + ?)) THEN ? ELSE ? END AS held,
    shipments.due_at_ms - DATEDIFF_BIG(millisecond, CAST('1970-01-01' AS DATETIME2), SYSUTCDATETIME()) AS due_in_ms,
    shipments.parked_kind, shipments.shipment_id, shipments.tracking_number, shipments.error, shipments.amount_minor,
    shipments.currency, shipments.ordered_at, shipments.received_at, shipments.closed_at
FROM shipments ORDER BY shipments.order_id

-- fulfillment.audit_feed.audited_stock
SELECT TOP 3 stock.product_id, stock.on_hand, stock.reserved, coalesce(anon_1.quantity, ?) AS reserved_for_orders
FROM stock LEFT OUTER JOIN (SELECT reservations.product_id AS product_id, sum(reservations.quantity) AS quantity
FROM reservations GROUP BY reservations.product_id) AS anon_1 ON anon_1.product_id = stock.product_id
WHERE stock.product_id > ? AND stock.product_id IN (?) ORDER BY stock.product_id

-- fulfillment.audit_feed.audited_stock
SELECT TOP 3 stock.product_id, stock.on_hand, stock.reserved, coalesce(anon_1.quantity, ?) AS reserved_for_orders
FROM stock LEFT OUTER JOIN (SELECT reservations.product_id AS product_id, sum(reservations.quantity) AS quantity
FROM reservations GROUP BY reservations.product_id) AS anon_1 ON anon_1.product_id = stock.product_id ORDER BY
    stock.product_id

-- fulfillment.cancellation._LOCKED
SELECT shipments.order_id, shipments.state, shipments.direction, shipments.intent_at, shipments.worker_id,
    shipments.epoch, shipments.cancel_requested_at
FROM shipments WITH (UPDLOCK, ROWLOCK)
WHERE shipments.order_id IN (SELECT value COLLATE Latin1_General_100_BIN2 FROM OPENJSON(?) WITH (value CHAR(36) '$'))
    AND (shipments.state NOT IN (?)) ORDER BY shipments.order_id

-- fulfillment.cancellation.request
UPDATE shipments SET cancel_requested_at=? WHERE shipments.order_id = ?

-- fulfillment.claims._DATED_AHEAD
SELECT TOP 1000 shipments.order_id
FROM shipments WITH (UPDLOCK, ROWLOCK, READPAST, READCOMMITTEDLOCK)
WHERE shipments.due_at_ms > DATEDIFF_BIG(millisecond, CAST('1970-01-01' AS DATETIME2), SYSUTCDATETIME()) + ? AND
    (shipments.due_at_ms > DATEDIFF_BIG(millisecond, CAST('1970-01-01' AS DATETIME2), SYSUTCDATETIME()) + ? OR
    shipments.waits = ? AND shipments.note IS NULL)

-- fulfillment.claims._claim
SELECT TOP 50 shipments.order_id, DATALENGTH(shipments.request) AS length_1, shipments.state
FROM shipments WITH (UPDLOCK, ROWLOCK, READPAST, READCOMMITTEDLOCK)
WHERE shipments.due_at_ms IS NOT NULL AND shipments.due_at_ms <= DATEDIFF_BIG(millisecond, CAST('1970-01-01' AS
    DATETIME2), SYSUTCDATETIME()) AND shipments.waits > ? AND (shipments.worker_id IS NULL OR NOT (shipments.worker_id
    = ? AND shipments.epoch = ?)) AND NOT (EXISTS (SELECT *
FROM workers
WHERE workers.worker_id = shipments.worker_id AND workers.epoch = shipments.epoch AND workers.lease_until_ms >
    DATEDIFF_BIG(millisecond, CAST('1970-01-01' AS DATETIME2), SYSUTCDATETIME()) AND workers.lease_until_ms <=
    DATEDIFF_BIG(millisecond, CAST('1970-01-01' AS DATETIME2), SYSUTCDATETIME()) + ?)) AND (shipments.party IS NULL OR
    (shipments.state NOT IN (?, ?)) OR shipments.party IN (SELECT value COLLATE Latin1_General_100_BIN2 FROM
    OPENJSON(?) WITH (value NVARCHAR(1000) '$')) OR shipments.due_at_ms <= DATEDIFF_BIG(millisecond, CAST('1970-01-01'
    AS DATETIME2), SYSUTCDATETIME()) - ? AND NOT (shipments.party IN (SELECT value COLLATE Latin1_General_100_BIN2
    FROM OPENJSON(?) WITH (value NVARCHAR(1000) '$')))) ORDER BY shipments.due_at_ms, shipments.order_id

-- fulfillment.claims._claim
SELECT TOP 98 shipments.order_id, DATALENGTH(shipments.request) AS length_1, shipments.state
FROM shipments WITH (UPDLOCK, ROWLOCK, READPAST, READCOMMITTEDLOCK)
WHERE shipments.due_at_ms IS NOT NULL AND shipments.due_at_ms <= DATEDIFF_BIG(millisecond, CAST('1970-01-01' AS
    DATETIME2), SYSUTCDATETIME()) AND shipments.waits = ? AND (shipments.worker_id IS NULL OR NOT (shipments.worker_id
    = ? AND shipments.epoch = ?)) AND NOT (EXISTS (SELECT *
FROM workers
WHERE workers.worker_id = shipments.worker_id AND workers.epoch = shipments.epoch AND workers.lease_until_ms >
    DATEDIFF_BIG(millisecond, CAST('1970-01-01' AS DATETIME2), SYSUTCDATETIME()) AND workers.lease_until_ms <=
    DATEDIFF_BIG(millisecond, CAST('1970-01-01' AS DATETIME2), SYSUTCDATETIME()) + ?)) AND (shipments.party IS NULL OR
    (shipments.state NOT IN (?, ?)) OR shipments.party IN (SELECT value COLLATE Latin1_General_100_BIN2 FROM
    OPENJSON(?) WITH (value NVARCHAR(1000) '$')) OR shipments.due_at_ms <= DATEDIFF_BIG(millisecond, CAST('1970-01-01'
    AS DATETIME2), SYSUTCDATETIME()) - ? AND NOT (shipments.party IN (SELECT value COLLATE Latin1_General_100_BIN2
    FROM OPENJSON(?) WITH (value NVARCHAR(1000) '$')))) ORDER BY shipments.due_at_ms, shipments.order_id

-- fulfillment.claims._claim
UPDATE shipments SET state=CASE WHEN (shipments.state = ?) THEN ? ELSE shipments.state END,
    interruptions=(shipments.interruptions + CASE WHEN (shipments.state = ?) THEN ? ELSE ? END), worker_id=?, epoch=?
    OUTPUT inserted.order_id, inserted.correlation_id, inserted.traceparent, inserted.request, inserted.ordered_at,
    inserted.received_at, inserted.amount_minor, inserted.currency, inserted.step, inserted.direction, inserted.ended,
    inserted.cancel_requested_at, inserted.intent_at, inserted.party, inserted.state, inserted.attempts,
    inserted.waits, inserted.interruptions, inserted.shipment_id, inserted.carrier, inserted.tracking_number,
    inserted.shipped_at, inserted.error WHERE shipments.order_id IN (SELECT value COLLATE Latin1_General_100_BIN2 FROM
    OPENJSON(?) WITH (value CHAR(36) '$'))

-- fulfillment.claims._recall
UPDATE shipments SET due_at_ms=DATEDIFF_BIG(millisecond, CAST('1970-01-01' AS DATETIME2), SYSUTCDATETIME()) WHERE
    shipments.order_id IN (SELECT value COLLATE Latin1_General_100_BIN2 FROM OPENJSON(?) WITH (value CHAR(36) '$'))

-- fulfillment.claims.name_party
UPDATE shipments SET party=? WHERE shipments.party IS NULL AND shipments.intent_at IS NOT NULL AND
    (shipments.due_at_ms IS NOT NULL OR shipments.parked_kind IS NOT NULL)

-- fulfillment.dead_letters.copies._claim_copies
SELECT TOP 10 dead_letters.id, coalesce(DATALENGTH(dead_letters.value), ?) AS coalesce_1
FROM dead_letters WITH (UPDLOCK, ROWLOCK, READPAST, READCOMMITTEDLOCK)
WHERE dead_letters.copy_due_ms IS NOT NULL AND (dead_letters.copy_due_ms <= DATEDIFF_BIG(millisecond,
    CAST('1970-01-01' AS DATETIME2), SYSUTCDATETIME()) OR dead_letters.copy_due_ms > DATEDIFF_BIG(millisecond,
    CAST('1970-01-01' AS DATETIME2), SYSUTCDATETIME()) + ?) ORDER BY dead_letters.copy_due_ms

-- fulfillment.dead_letters.copies._claim_copies
UPDATE dead_letters SET copy_due_ms=(DATEDIFF_BIG(millisecond, CAST('1970-01-01' AS DATETIME2), SYSUTCDATETIME()) + ?)
    OUTPUT inserted.id, inserted.kind, inserted.reason, inserted.order_id, inserted.step, inserted.topic,
    inserted.partition, inserted.offset, inserted.[key], inserted.value, inserted.headers, inserted.attempts,
    inserted.at, inserted.state, inserted.outcome, inserted.redriven_at, inserted.redrive_id, inserted.copy_due_ms
    WHERE dead_letters.id IN (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- fulfillment.dead_letters.copies.mark_copied
UPDATE dead_letters SET copy_due_ms=? WHERE dead_letters.id IN (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- fulfillment.dead_letters.discard._begin
UPDATE dead_letters SET state=?, redrive_id=? WHERE dead_letters.id = ?

-- fulfillment.dead_letters.discard._end
UPDATE dead_letters SET state=?, outcome=? WHERE dead_letters.id = ?

-- fulfillment.dead_letters.discard._fail_parked
UPDATE shipments SET state=?, step=?, direction=?, ended=?, attempts=?, waits=?, interruptions=?,
    due_at_ms=DATEDIFF_BIG(millisecond, CAST('1970-01-01' AS DATETIME2), SYSUTCDATETIME()), intent_at=?, party=?,
    shipment_id=?, carrier=?, tracking_number=?, shipped_at=?, error=?, note=?, parked_kind=? WHERE shipments.order_id
    = ?

-- fulfillment.dead_letters.discard._fail_without_shipment
INSERT INTO shipments (order_id, event_id, correlation_id, ordered_at, received_at, request, state, attempts, waits,
    interruptions, error, note, due_at_ms) OUTPUT 1 SELECT given.order_id, given.event_id, given.correlation_id,
    given.ordered_at, given.received_at, given.request, given.state, given.attempts, given.waits, given.interruptions,
    given.error, given.note, given.due_at_ms
FROM (SELECT CAST(? AS CHAR(36)) AS order_id, CAST(? AS CHAR(36)) AS event_id, CAST(? AS NVARCHAR(400)) AS
    correlation_id, CAST(? AS DATETIME2(6)) AS ordered_at, CAST(? AS DATETIME2(6)) AS received_at, CAST(? AS
    VARBINARY(max)) AS request, CAST(? AS NVARCHAR(32)) AS state, CAST(? AS INTEGER) AS attempts, CAST(? AS INTEGER)
    AS waits, CAST(? AS INTEGER) AS interruptions, CAST(? AS NVARCHAR(2000)) AS error, CAST(? AS NVARCHAR(2000)) AS
    note, DATEDIFF_BIG(millisecond, CAST('1970-01-01' AS DATETIME2), SYSUTCDATETIME()) AS due_at_ms) AS given
WHERE NOT (EXISTS (SELECT 1
FROM shipments AS there WITH (UPDLOCK, SERIALIZABLE)
WHERE there.order_id = given.order_id))

-- fulfillment.dead_letters.discard._fail_without_shipment
SELECT shipments.state
FROM shipments
WHERE shipments.order_id = ?

-- fulfillment.dead_letters.discard._parked
SELECT shipments.order_id, shipments.event_id, shipments.correlation_id, shipments.traceparent, shipments.ordered_at,
    shipments.received_at, shipments.request, shipments.amount_minor, shipments.currency, shipments.state,
    shipments.step, shipments.direction, shipments.ended, shipments.attempts, shipments.waits,
    shipments.interruptions, shipments.due_at_ms, shipments.worker_id, shipments.epoch, shipments.intent_at,
    shipments.party, shipments.cancel_requested_at, shipments.shipment_id, shipments.carrier,
    shipments.tracking_number, shipments.shipped_at, shipments.error, shipments.note, shipments.parked_kind,
    shipments.failed_calls, shipments.closed_at
FROM shipments WITH (UPDLOCK, ROWLOCK)
WHERE shipments.order_id = ? AND shipments.state = ?

-- fulfillment.dead_letters.discard.refuse
UPDATE dead_letters SET state=? WHERE dead_letters.id = ? AND dead_letters.state = ? AND dead_letters.redrive_id = ?

-- fulfillment.dead_letters.group_redrive._end
UPDATE redrives SET state=?, note=?, ended_at=? WHERE redrives.id = ? AND redrives.state = ?

-- fulfillment.dead_letters.group_redrive._outcomes
SELECT TOP 200 dead_letters.state, shipments.state AS shipment_state, shipments.waits
FROM dead_letters LEFT OUTER JOIN shipments ON shipments.order_id = dead_letters.order_id
WHERE dead_letters.redrive_id = ? ORDER BY dead_letters.redriven_at DESC, dead_letters.at DESC, dead_letters.id DESC

-- fulfillment.dead_letters.group_redrive._start
INSERT INTO redrives (id, kind, reason, rate_per_s, staged, letters, actor, state, redriven, started_at, step_due_ms)
    OUTPUT 1 SELECT given.id, given.kind, given.reason, given.rate_per_s, given.staged, given.letters, given.actor,
    given.state, given.redriven, given.started_at, given.step_due_ms
FROM (SELECT CAST(? AS CHAR(36)) AS id, CAST(? AS NVARCHAR(128)) AS kind, CAST(? AS NVARCHAR(2000)) AS reason, CAST(?
    AS INTEGER) AS rate_per_s, CAST(? AS BIT) AS staged, (SELECT count(*) AS count_1
FROM dead_letters
WHERE dead_letters.kind = ? AND dead_letters.state = ? AND dead_letters.at <= ? AND dead_letters.reason = ?) AS
    letters, CAST(? AS NVARCHAR(400)) AS actor, CAST(? AS NVARCHAR(32)) AS state, CAST(? AS INTEGER) AS redriven,
    CAST(? AS DATETIME2(6)) AS started_at, DATEDIFF_BIG(millisecond, CAST('1970-01-01' AS DATETIME2),
    SYSUTCDATETIME()) AS step_due_ms) AS given
WHERE NOT (EXISTS (SELECT 1
FROM redrives AS there WITH (UPDLOCK, SERIALIZABLE)
WHERE there.id = given.id)) AND NOT (EXISTS (SELECT 1
FROM redrives AS there WITH (UPDLOCK, SERIALIZABLE)
WHERE there.kind = given.kind AND there.state = 'running' AND given.state = 'running'))

-- fulfillment.dead_letters.group_redrive._start
INSERT INTO redrives (id, kind, reason, rate_per_s, staged, letters, actor, state, redriven, started_at, step_due_ms)
    OUTPUT 1 SELECT given.id, given.kind, given.reason, given.rate_per_s, given.staged, given.letters, given.actor,
    given.state, given.redriven, given.started_at, given.step_due_ms
FROM (SELECT CAST(? AS CHAR(36)) AS id, CAST(? AS NVARCHAR(128)) AS kind, CAST(? AS NVARCHAR(2000)) AS reason, CAST(?
    AS INTEGER) AS rate_per_s, CAST(? AS BIT) AS staged, (SELECT count(*) AS count_1
FROM dead_letters
WHERE dead_letters.kind = ? AND dead_letters.state = ? AND dead_letters.at <= ?) AS letters, CAST(? AS NVARCHAR(400))
    AS actor, CAST(? AS NVARCHAR(32)) AS state, CAST(? AS INTEGER) AS redriven, CAST(? AS DATETIME2(6)) AS started_at,
    DATEDIFF_BIG(millisecond, CAST('1970-01-01' AS DATETIME2), SYSUTCDATETIME()) AS step_due_ms) AS given
WHERE NOT (EXISTS (SELECT 1
FROM redrives AS there WITH (UPDLOCK, SERIALIZABLE)
WHERE there.id = given.id)) AND NOT (EXISTS (SELECT 1
FROM redrives AS there WITH (UPDLOCK, SERIALIZABLE)
WHERE there.kind = given.kind AND there.state = 'running' AND given.state = 'running'))

-- fulfillment.dead_letters.group_redrive._start
SELECT redrives.id
FROM redrives
WHERE redrives.id = ?

-- fulfillment.dead_letters.group_redrive._step
SELECT TOP 1 dead_letters.id
FROM dead_letters
WHERE dead_letters.kind = ? AND dead_letters.state = ? AND dead_letters.at <= ? AND (dead_letters.redrive_id IS NULL
    OR dead_letters.redrive_id != ?) ORDER BY dead_letters.at, dead_letters.id

-- fulfillment.dead_letters.group_redrive._step
SELECT TOP 1 dead_letters.id
FROM dead_letters
WHERE dead_letters.kind = ? AND dead_letters.state = ? AND dead_letters.at <= ? AND dead_letters.reason = ? AND
    (dead_letters.redrive_id IS NULL OR dead_letters.redrive_id != ?) ORDER BY dead_letters.at, dead_letters.id

-- fulfillment.dead_letters.group_redrive._step
SELECT TOP 10 dead_letters.id
FROM dead_letters
WHERE dead_letters.kind = ? AND dead_letters.state = ? AND dead_letters.at <= ? AND (dead_letters.redrive_id IS NULL
    OR dead_letters.redrive_id != ?) ORDER BY dead_letters.at, dead_letters.id

-- fulfillment.dead_letters.group_redrive._step
UPDATE redrives SET redriven=(redrives.redriven + ?), step_due_ms=(DATEDIFF_BIG(millisecond, CAST('1970-01-01' AS
    DATETIME2), SYSUTCDATETIME()) + ?) WHERE redrives.id = ?

-- fulfillment.dead_letters.group_redrive.advance
SELECT redrives.id, redrives.kind, redrives.reason, redrives.rate_per_s, redrives.staged, redrives.letters,
    redrives.actor, redrives.state, redrives.note, redrives.redriven, redrives.started_at, redrives.ended_at,
    redrives.step_due_ms
FROM redrives WITH (UPDLOCK, ROWLOCK, READPAST, READCOMMITTEDLOCK)
WHERE redrives.state = ? AND (redrives.step_due_ms <= DATEDIFF_BIG(millisecond, CAST('1970-01-01' AS DATETIME2),
    SYSUTCDATETIME()) OR redrives.step_due_ms > DATEDIFF_BIG(millisecond, CAST('1970-01-01' AS DATETIME2),
    SYSUTCDATETIME()) + ?) ORDER BY redrives.id

-- fulfillment.dead_letters.redrive._put_back
SELECT shipments.order_id, shipments.event_id, shipments.correlation_id, shipments.traceparent, shipments.ordered_at,
    shipments.received_at, shipments.request, shipments.amount_minor, shipments.currency, shipments.state,
    shipments.step, shipments.direction, shipments.ended, shipments.attempts, shipments.waits,
    shipments.interruptions, shipments.due_at_ms, shipments.worker_id, shipments.epoch, shipments.intent_at,
    shipments.party, shipments.cancel_requested_at, shipments.shipment_id, shipments.carrier,
    shipments.tracking_number, shipments.shipped_at, shipments.error, shipments.note, shipments.parked_kind,
    shipments.failed_calls, shipments.closed_at, CASE WHEN (shipments.direction = ? AND shipments.step != ?) THEN ?
    WHEN (shipments.direction = ? AND shipments.error IS NOT NULL) THEN ? WHEN (shipments.direction = ?) THEN ? WHEN
    (shipments.step = ?) THEN ? WHEN (shipments.shipment_id IS NOT NULL) THEN ? WHEN (shipments.error IS NOT NULL AND
    shipments.intent_at IS NOT NULL) THEN ? WHEN (shipments.intent_at IS NOT NULL OR shipments.ended IS NOT NULL) THEN
    ? ELSE ? END AS stood
FROM shipments WITH (UPDLOCK, ROWLOCK)
WHERE shipments.order_id = ? AND shipments.state = ?

-- fulfillment.dead_letters.redrive._put_back
UPDATE shipments SET state=CASE WHEN (shipments.direction = ? AND shipments.step != ?) THEN ? WHEN
    (shipments.direction = ? AND shipments.error IS NOT NULL) THEN ? WHEN (shipments.direction = ?) THEN ? WHEN
    (shipments.step = ?) THEN ? WHEN (shipments.shipment_id IS NOT NULL) THEN ? WHEN (shipments.error IS NOT NULL AND
    shipments.intent_at IS NOT NULL) THEN ? WHEN (shipments.intent_at IS NOT NULL OR shipments.ended IS NOT NULL) THEN
    ? ELSE ? END, waits=?, interruptions=?, due_at_ms=DATEDIFF_BIG(millisecond, CAST('1970-01-01' AS DATETIME2),
    SYSUTCDATETIME()), note=?, parked_kind=? OUTPUT inserted.order_id WHERE shipments.order_id = ? AND shipments.state
    = ?

-- fulfillment.dead_letters.redrive.lock
SELECT dead_letters.id, dead_letters.kind, dead_letters.reason, dead_letters.order_id, dead_letters.step,
    dead_letters.topic, dead_letters.partition, dead_letters.offset, dead_letters.[key], dead_letters.value,
    dead_letters.headers, dead_letters.attempts, dead_letters.at, dead_letters.state, dead_letters.outcome,
    dead_letters.redriven_at, dead_letters.redrive_id, dead_letters.copy_due_ms
FROM dead_letters WITH (UPDLOCK, ROWLOCK)
WHERE dead_letters.id = ?

-- fulfillment.dead_letters.redrive.redrive_one
UPDATE dead_letters SET order_id=?, state=?, redriven_at=?, redrive_id=? WHERE dead_letters.id = ?

-- fulfillment.dead_letters.redriver._clear_attentions
SELECT dead_letters.order_id
FROM dead_letters
WHERE dead_letters.order_id IN (?) AND dead_letters.topic IS NOT NULL AND dead_letters.kind != ? AND
    (dead_letters.state NOT IN (?, ?))

-- fulfillment.dead_letters.redriver._follow
SELECT TOP 500 dead_letters.id, dead_letters.kind, dead_letters.topic, dead_letters.step, shipments.order_id,
    shipments.shipment_id, shipments.direction, shipments.error, shipments.note
FROM dead_letters WITH (UPDLOCK, ROWLOCK, READPAST, READCOMMITTEDLOCK) JOIN shipments ON shipments.order_id =
    dead_letters.order_id
WHERE dead_letters.state = ? AND shipments.state = ? ORDER BY dead_letters.id

-- fulfillment.dead_letters.redriver._follow
UPDATE dead_letters SET state=?, outcome=? WHERE dead_letters.id = ?

-- fulfillment.erasure._ERASE_SHIPMENT
UPDATE shipments SET request=?, ended=?, error=?, note=? WHERE shipments.order_id = ?

-- fulfillment.erasure._LETTERS
SELECT TOP 50 dead_letters.id
FROM dead_letters
WHERE dead_letters.order_id IN (SELECT value COLLATE Latin1_General_100_BIN2 FROM OPENJSON(?) WITH (value CHAR(36)
    '$')) AND dead_letters.reason != ? ORDER BY dead_letters.id

-- fulfillment.erasure._SHIPMENTS
SELECT shipments.order_id, shipments.state, shipments.request, shipments.ended, shipments.error, shipments.note
FROM shipments
WHERE shipments.order_id IN (SELECT value COLLATE Latin1_General_100_BIN2 FROM OPENJSON(?) WITH (value CHAR(36) '$'))
    ORDER BY shipments.order_id

-- fulfillment.erasure._STRAYS
SELECT TOP 20 dead_letters.id, dead_letters.value
FROM dead_letters
WHERE dead_letters.order_id IS NULL AND dead_letters.reason != ? AND dead_letters.id > ? ORDER BY dead_letters.id

-- fulfillment.erasure._erase_letters
UPDATE dead_letter_actions SET note=? WHERE dead_letter_actions.letter_id IN (SELECT value COLLATE
    Latin1_General_100_BIN2 FROM OPENJSON(?) WITH (value CHAR(36) '$')) AND dead_letter_actions.note IS NOT NULL

-- fulfillment.erasure._erase_letters
UPDATE dead_letters SET reason=?, [key]=?, value=?, headers=?, outcome=CASE WHEN (dead_letters.outcome IS NOT NULL)
    THEN ? END WHERE dead_letters.id IN (SELECT value COLLATE Latin1_General_100_BIN2 FROM OPENJSON(?) WITH (value
    CHAR(36) '$'))

-- fulfillment.erasure._erase_orders
UPDATE attentions SET reason=? WHERE attentions.order_id IN (SELECT value COLLATE Latin1_General_100_BIN2 FROM
    OPENJSON(?) WITH (value CHAR(36) '$')) AND attentions.reason != ?

-- fulfillment.erasure._look
SELECT count(*) AS count_1
FROM attentions
WHERE attentions.order_id IN (SELECT value COLLATE Latin1_General_100_BIN2 FROM OPENJSON(?) WITH (value CHAR(36) '$'))
    AND attentions.reason != ?

-- fulfillment.erasure._look
SELECT shipments.order_id, shipments.state, shipments.request, shipments.ended, shipments.error, shipments.note
FROM shipments WITH (UPDLOCK, ROWLOCK)
WHERE shipments.order_id IN (SELECT value COLLATE Latin1_General_100_BIN2 FROM OPENJSON(?) WITH (value CHAR(36) '$'))
    ORDER BY shipments.order_id

-- fulfillment.fencing._OURS
SELECT shipments.order_id
FROM shipments WITH (UPDLOCK, ROWLOCK)
WHERE shipments.order_id IN (SELECT value COLLATE Latin1_General_100_BIN2 FROM OPENJSON(?) WITH (value CHAR(36) '$'))
    AND shipments.worker_id = ? AND shipments.epoch = ? ORDER BY shipments.order_id

-- fulfillment.fencing.lock
SELECT shipments.order_id
FROM shipments WITH (UPDLOCK, ROWLOCK)
WHERE shipments.order_id IN (SELECT value COLLATE Latin1_General_100_BIN2 FROM OPENJSON(?) WITH (value CHAR(36) '$'))
    AND shipments.worker_id = ? AND shipments.epoch = ? AND shipments.cancel_requested_at IS NULL ORDER BY
    shipments.order_id

-- fulfillment.inbox._INSERT
INSERT INTO shipments (order_id, event_id, correlation_id, traceparent, ordered_at, received_at, request,
    amount_minor, currency, worker_id, epoch, state, attempts, waits, interruptions, due_at_ms) OUTPUT
    inserted.order_id SELECT given.order_id, given.event_id, given.correlation_id, given.traceparent,
    given.ordered_at, given.received_at, given.request, given.amount_minor, given.currency, given.worker_id,
    given.epoch, given.state, given.attempts, given.waits, given.interruptions, given.due_at_ms
FROM (SELECT given.order_id AS order_id, given.event_id AS event_id, given.correlation_id AS correlation_id,
    given.traceparent AS traceparent, given.ordered_at AS ordered_at, given.received_at AS received_at, given.request
    AS request, given.amount_minor AS amount_minor, given.currency AS currency, given.worker_id AS worker_id,
    given.epoch AS epoch, given.state AS state, given.attempts AS attempts, given.waits AS waits, given.interruptions
    AS interruptions, DATEDIFF_BIG(millisecond, CAST('1970-01-01' AS DATETIME2), SYSUTCDATETIME()) AS due_at_ms
FROM (SELECT order_id COLLATE Latin1_General_100_BIN2 AS order_id, event_id COLLATE Latin1_General_100_BIN2 AS
    event_id, correlation_id COLLATE Latin1_General_100_BIN2 AS correlation_id, traceparent COLLATE
    Latin1_General_100_BIN2 AS traceparent, ordered_at, received_at, CAST(CAST(request COLLATE
    Latin1_General_100_BIN2_UTF8 AS VARCHAR(max)) AS VARBINARY(max)) AS request, amount_minor, currency COLLATE
    Latin1_General_100_BIN2 AS currency, worker_id COLLATE Latin1_General_100_BIN2 AS worker_id, epoch, state COLLATE
    Latin1_General_100_BIN2 AS state, attempts, waits, interruptions FROM OPENJSON(?) WITH (order_id CHAR(36) '$[0]',
    event_id CHAR(36) '$[1]', correlation_id NVARCHAR(400) '$[2]', traceparent NVARCHAR(110) '$[3]', ordered_at
    DATETIME2(6) '$[4]', received_at DATETIME2(6) '$[5]', request NVARCHAR(max) '$[6]', amount_minor BIGINT '$[7]',
    currency NVARCHAR(6) '$[8]', worker_id NVARCHAR(128) '$[9]', epoch BIGINT '$[10]', state NVARCHAR(32) '$[11]',
    attempts INTEGER '$[12]', waits INTEGER '$[13]', interruptions INTEGER '$[14]')) AS given) AS given
WHERE NOT (EXISTS (SELECT 1
FROM shipments AS there WITH (UPDLOCK, SERIALIZABLE)
WHERE there.order_id = given.order_id))

-- fulfillment.inbox._INSERT_EVENTS
INSERT INTO processed_events (event_id, order_id, at) OUTPUT inserted.event_id SELECT given.event_id, given.order_id,
    given.at
FROM (SELECT given.event_id AS event_id, given.order_id AS order_id, given.at AS at
FROM (SELECT event_id COLLATE Latin1_General_100_BIN2 AS event_id, order_id COLLATE Latin1_General_100_BIN2 AS
    order_id, at FROM OPENJSON(?) WITH (event_id CHAR(36) '$[0]', order_id CHAR(36) '$[1]', at DATETIME2(6) '$[2]'))
    AS given) AS given
WHERE NOT (EXISTS (SELECT 1
FROM processed_events AS there WITH (UPDLOCK, SERIALIZABLE)
WHERE there.event_id = given.event_id))

-- fulfillment.inbox._reused
SELECT processed_events.event_id, processed_events.order_id
FROM processed_events
WHERE processed_events.event_id IN (?)

-- fulfillment.inbox._there
SELECT shipments.order_id, shipments.state, shipments.worker_id, shipments.epoch, shipments.request
FROM shipments
WHERE shipments.order_id IN (?)

-- fulfillment.inbox.receive
UPDATE shipments SET worker_id=?, epoch=? WHERE shipments.order_id IN (?)

-- fulfillment.lease.Lease.probe
UPDATE workers SET epoch=workers.epoch WHERE workers.worker_id = ?

-- fulfillment.lease._NEW_WORKER
INSERT INTO workers (worker_id, epoch, lease_until_ms) OUTPUT inserted.worker_id SELECT given.worker_id, given.epoch,
    given.lease_until_ms
FROM (SELECT given.worker_id AS worker_id, ? AS epoch, ? AS lease_until_ms
FROM (SELECT worker_id COLLATE Latin1_General_100_BIN2 AS worker_id FROM OPENJSON(?) WITH (worker_id NVARCHAR(128)
    '$[0]')) AS given) AS given
WHERE NOT (EXISTS (SELECT 1
FROM workers AS there WITH (UPDLOCK, SERIALIZABLE)
WHERE there.worker_id = given.worker_id))

-- fulfillment.lease._acquire
UPDATE workers SET epoch=CASE WHEN (workers.epoch >= DATEDIFF_BIG(millisecond, CAST('1970-01-01' AS DATETIME2),
    SYSUTCDATETIME())) THEN workers.epoch + ? ELSE DATEDIFF_BIG(millisecond, CAST('1970-01-01' AS DATETIME2),
    SYSUTCDATETIME()) END, lease_until_ms=(DATEDIFF_BIG(millisecond, CAST('1970-01-01' AS DATETIME2),
    SYSUTCDATETIME()) + ?), parties=? OUTPUT inserted.epoch WHERE workers.worker_id = ?

-- fulfillment.lease._is_another_alive
SELECT workers.epoch
FROM workers
WHERE workers.worker_id = ? AND workers.epoch != ? AND workers.lease_until_ms > DATEDIFF_BIG(millisecond,
    CAST('1970-01-01' AS DATETIME2), SYSUTCDATETIME()) AND workers.lease_until_ms <= DATEDIFF_BIG(millisecond,
    CAST('1970-01-01' AS DATETIME2), SYSUTCDATETIME()) + ?

-- fulfillment.lease._prolong
UPDATE workers SET lease_until_ms=(DATEDIFF_BIG(millisecond, CAST('1970-01-01' AS DATETIME2), SYSUTCDATETIME()) + ?)
    OUTPUT inserted.epoch WHERE workers.worker_id = ? AND workers.epoch = ? AND workers.lease_until_ms >
    DATEDIFF_BIG(millisecond, CAST('1970-01-01' AS DATETIME2), SYSUTCDATETIME()) AND workers.lease_until_ms <=
    DATEDIFF_BIG(millisecond, CAST('1970-01-01' AS DATETIME2), SYSUTCDATETIME()) + ?

-- fulfillment.lease._release
DELETE FROM workers WHERE workers.worker_id = ? AND workers.epoch = ?

-- fulfillment.lease._release
UPDATE shipments SET worker_id=?, epoch=? WHERE shipments.due_at_ms IS NOT NULL AND shipments.worker_id = ? AND
    shipments.epoch = ?

-- fulfillment.lease.acquire
DELETE FROM workers WHERE workers.lease_until_ms < DATEDIFF_BIG(millisecond, CAST('1970-01-01' AS DATETIME2),
    SYSUTCDATETIME()) - ?

-- fulfillment.lease.end_all
DELETE FROM workers

-- fulfillment.lease.reachable_parties
SELECT workers.parties
FROM workers
WHERE workers.lease_until_ms > DATEDIFF_BIG(millisecond, CAST('1970-01-01' AS DATETIME2), SYSUTCDATETIME()) AND
    workers.lease_until_ms <= DATEDIFF_BIG(millisecond, CAST('1970-01-01' AS DATETIME2), SYSUTCDATETIME()) + ? AND
    workers.parties IS NOT NULL

-- fulfillment.letters._insert
INSERT INTO dead_letters (id, kind, reason, order_id, step, topic, partition, offset, [key], value, headers, attempts,
    at, state, copy_due_ms) OUTPUT 1 SELECT given.id, given.kind, given.reason, given.order_id, given.step,
    given.topic, given.partition, given.offset, given.[key], given.value, given.headers, given.attempts, given.at,
    given.state, given.copy_due_ms
FROM (SELECT CAST(? AS CHAR(36)) AS id, CAST(? AS NVARCHAR(128)) AS kind, CAST(? AS NVARCHAR(2000)) AS reason, CAST(?
    AS CHAR(36)) AS order_id, CAST(? AS NVARCHAR(64)) AS step, CAST(? AS NVARCHAR(498)) AS topic, CAST(? AS INTEGER)
    AS partition, CAST(? AS BIGINT) AS offset, CAST(? AS VARBINARY(max)) AS [key], CAST(? AS VARBINARY(max)) AS value,
    CAST(? AS VARBINARY(max)) AS headers, CAST(? AS INTEGER) AS attempts, CAST(? AS DATETIME2(6)) AS at, CAST(? AS
    NVARCHAR(32)) AS state, DATEDIFF_BIG(millisecond, CAST('1970-01-01' AS DATETIME2), SYSUTCDATETIME()) AS
    copy_due_ms) AS given
WHERE NOT (EXISTS (SELECT 1
FROM dead_letters AS there WITH (UPDLOCK, SERIALIZABLE)
WHERE there.id = given.id))

-- fulfillment.letters.give_up
UPDATE dead_letters SET kind=?, reason=?, step=?, attempts=?, state=?, outcome=?,
    copy_due_ms=DATEDIFF_BIG(millisecond, CAST('1970-01-01' AS DATETIME2), SYSUTCDATETIME()) WHERE dead_letters.id = ?

-- fulfillment.letters.record
INSERT INTO dead_letter_actions (id, letter_id, at, actor, action, note) VALUES (?, ?, ?, ?, ?, ?)

-- fulfillment.moves._INTENT
UPDATE shipments SET state=new.state, step=new.step, attempts=new.attempts, intent_at=new.intent_at, party=new.party
    OUTPUT inserted.order_id, inserted.worker_id, inserted.epoch FROM shipments, (SELECT given.order_id AS order_id,
    given.worker_id AS worker_id, given.epoch AS epoch, given.state AS state, given.step AS step, given.attempts AS
    attempts, given.intent_at AS intent_at, given.party AS party
FROM (SELECT order_id COLLATE Latin1_General_100_BIN2 AS order_id, worker_id COLLATE Latin1_General_100_BIN2 AS
    worker_id, epoch, state COLLATE Latin1_General_100_BIN2 AS state, step COLLATE Latin1_General_100_BIN2 AS step,
    attempts, intent_at, party COLLATE Latin1_General_100_BIN2 AS party FROM OPENJSON(?) WITH (order_id CHAR(36)
    '$[0]', worker_id NVARCHAR(128) '$[1]', epoch BIGINT '$[2]', state NVARCHAR(32) '$[3]', step NVARCHAR(32) '$[4]',
    attempts INTEGER '$[5]', intent_at DATETIME2(6) '$[6]', party NVARCHAR(1000) '$[7]')) AS given) AS new WHERE
    shipments.order_id = new.order_id AND shipments.worker_id = new.worker_id AND shipments.epoch = new.epoch AND
    shipments.cancel_requested_at IS NULL

-- fulfillment.moves._LABEL
UPDATE shipments SET state=new.state, step=new.step, waits=?, shipment_id=new.shipment_id, carrier=new.carrier,
    tracking_number=new.tracking_number, shipped_at=new.shipped_at OUTPUT inserted.order_id, inserted.worker_id,
    inserted.epoch FROM shipments, (SELECT given.order_id AS order_id, given.worker_id AS worker_id, given.epoch AS
    epoch, given.state AS state, given.step AS step, given.shipment_id AS shipment_id, given.carrier AS carrier,
    given.tracking_number AS tracking_number, given.shipped_at AS shipped_at
FROM (SELECT order_id COLLATE Latin1_General_100_BIN2 AS order_id, worker_id COLLATE Latin1_General_100_BIN2 AS
    worker_id, epoch, state COLLATE Latin1_General_100_BIN2 AS state, step COLLATE Latin1_General_100_BIN2 AS step,
    shipment_id COLLATE Latin1_General_100_BIN2 AS shipment_id, carrier COLLATE Latin1_General_100_BIN2 AS carrier,
    tracking_number COLLATE Latin1_General_100_BIN2 AS tracking_number, shipped_at FROM OPENJSON(?) WITH (order_id
    CHAR(36) '$[0]', worker_id NVARCHAR(128) '$[1]', epoch BIGINT '$[2]', state NVARCHAR(32) '$[3]', step NVARCHAR(32)
    '$[4]', shipment_id NVARCHAR(400) '$[5]', carrier NVARCHAR(400) '$[6]', tracking_number NVARCHAR(400) '$[7]',
    shipped_at DATETIME2(6) '$[8]')) AS given) AS new WHERE shipments.order_id = new.order_id AND shipments.worker_id
    = new.worker_id AND shipments.epoch = new.epoch AND shipments.cancel_requested_at IS NULL

-- fulfillment.moves._REJECTION
UPDATE shipments SET state=new.state, step=new.step, direction=new.direction, waits=?, error=new.error OUTPUT
    inserted.order_id, inserted.worker_id, inserted.epoch FROM shipments, (SELECT given.order_id AS order_id,
    given.worker_id AS worker_id, given.epoch AS epoch, given.state AS state, given.step AS step, given.direction AS
    direction, given.error AS error
FROM (SELECT order_id COLLATE Latin1_General_100_BIN2 AS order_id, worker_id COLLATE Latin1_General_100_BIN2 AS
    worker_id, epoch, state COLLATE Latin1_General_100_BIN2 AS state, step COLLATE Latin1_General_100_BIN2 AS step,
    direction COLLATE Latin1_General_100_BIN2 AS direction, error COLLATE Latin1_General_100_BIN2 AS error FROM
    OPENJSON(?) WITH (order_id CHAR(36) '$[0]', worker_id NVARCHAR(128) '$[1]', epoch BIGINT '$[2]', state
    NVARCHAR(32) '$[3]', step NVARCHAR(32) '$[4]', direction NVARCHAR(8) '$[5]', error NVARCHAR(2000) '$[6]')) AS
    given) AS new WHERE shipments.order_id = new.order_id AND shipments.worker_id = new.worker_id AND shipments.epoch
    = new.epoch

-- fulfillment.moves._SAVE
UPDATE shipments SET state=new.state, step=new.step, direction=new.direction, ended=new.ended, attempts=new.attempts,
    waits=new.waits, interruptions=new.interruptions, intent_at=new.intent_at, party=new.party,
    shipment_id=new.shipment_id, carrier=new.carrier, tracking_number=new.tracking_number, shipped_at=new.shipped_at,
    error=new.error OUTPUT inserted.order_id, inserted.worker_id, inserted.epoch FROM shipments, (SELECT
    given.order_id AS order_id, given.worker_id AS worker_id, given.epoch AS epoch, given.state AS state, given.step
    AS step, given.direction AS direction, given.ended AS ended, given.attempts AS attempts, given.waits AS waits,
    given.interruptions AS interruptions, given.intent_at AS intent_at, given.party AS party, given.shipment_id AS
    shipment_id, given.carrier AS carrier, given.tracking_number AS tracking_number, given.shipped_at AS shipped_at,
    given.error AS error
FROM (SELECT order_id COLLATE Latin1_General_100_BIN2 AS order_id, worker_id COLLATE Latin1_General_100_BIN2 AS
    worker_id, epoch, state COLLATE Latin1_General_100_BIN2 AS state, step COLLATE Latin1_General_100_BIN2 AS step,
    direction COLLATE Latin1_General_100_BIN2 AS direction, ended COLLATE Latin1_General_100_BIN2 AS ended, attempts,
    waits, interruptions, intent_at, party COLLATE Latin1_General_100_BIN2 AS party, shipment_id COLLATE
    Latin1_General_100_BIN2 AS shipment_id, carrier COLLATE Latin1_General_100_BIN2 AS carrier, tracking_number
    COLLATE Latin1_General_100_BIN2 AS tracking_number, shipped_at, error COLLATE Latin1_General_100_BIN2 AS error
    FROM OPENJSON(?) WITH (order_id CHAR(36) '$[0]', worker_id NVARCHAR(128) '$[1]', epoch BIGINT '$[2]', state
    NVARCHAR(32) '$[3]', step NVARCHAR(32) '$[4]', direction NVARCHAR(8) '$[5]', ended NVARCHAR(max) '$[6]', attempts
    INTEGER '$[7]', waits INTEGER '$[8]', interruptions INTEGER '$[9]', intent_at DATETIME2(6) '$[10]', party
    NVARCHAR(1000) '$[11]', shipment_id NVARCHAR(400) '$[12]', carrier NVARCHAR(400) '$[13]', tracking_number
    NVARCHAR(400) '$[14]', shipped_at DATETIME2(6) '$[15]', error NVARCHAR(2000) '$[16]')) AS given) AS new WHERE
    shipments.order_id = new.order_id AND shipments.worker_id = new.worker_id AND shipments.epoch = new.epoch

-- fulfillment.moves._SAVE_UNLESS_CANCELLED
UPDATE shipments SET state=new.state, step=new.step, direction=new.direction, ended=new.ended, attempts=new.attempts,
    waits=new.waits, interruptions=new.interruptions, intent_at=new.intent_at, party=new.party,
    shipment_id=new.shipment_id, carrier=new.carrier, tracking_number=new.tracking_number, shipped_at=new.shipped_at,
    error=new.error OUTPUT inserted.order_id, inserted.worker_id, inserted.epoch FROM shipments, (SELECT
    given.order_id AS order_id, given.worker_id AS worker_id, given.epoch AS epoch, given.state AS state, given.step
    AS step, given.direction AS direction, given.ended AS ended, given.attempts AS attempts, given.waits AS waits,
    given.interruptions AS interruptions, given.intent_at AS intent_at, given.party AS party, given.shipment_id AS
    shipment_id, given.carrier AS carrier, given.tracking_number AS tracking_number, given.shipped_at AS shipped_at,
    given.error AS error
FROM (SELECT order_id COLLATE Latin1_General_100_BIN2 AS order_id, worker_id COLLATE Latin1_General_100_BIN2 AS
    worker_id, epoch, state COLLATE Latin1_General_100_BIN2 AS state, step COLLATE Latin1_General_100_BIN2 AS step,
    direction COLLATE Latin1_General_100_BIN2 AS direction, ended COLLATE Latin1_General_100_BIN2 AS ended, attempts,
    waits, interruptions, intent_at, party COLLATE Latin1_General_100_BIN2 AS party, shipment_id COLLATE
    Latin1_General_100_BIN2 AS shipment_id, carrier COLLATE Latin1_General_100_BIN2 AS carrier, tracking_number
    COLLATE Latin1_General_100_BIN2 AS tracking_number, shipped_at, error COLLATE Latin1_General_100_BIN2 AS error
    FROM OPENJSON(?) WITH (order_id CHAR(36) '$[0]', worker_id NVARCHAR(128) '$[1]', epoch BIGINT '$[2]', state
    NVARCHAR(32) '$[3]', step NVARCHAR(32) '$[4]', direction NVARCHAR(8) '$[5]', ended NVARCHAR(max) '$[6]', attempts
    INTEGER '$[7]', waits INTEGER '$[8]', interruptions INTEGER '$[9]', intent_at DATETIME2(6) '$[10]', party
    NVARCHAR(1000) '$[11]', shipment_id NVARCHAR(400) '$[12]', carrier NVARCHAR(400) '$[13]', tracking_number
    NVARCHAR(400) '$[14]', shipped_at DATETIME2(6) '$[15]', error NVARCHAR(2000) '$[16]')) AS given) AS new WHERE
    shipments.order_id = new.order_id AND shipments.worker_id = new.worker_id AND shipments.epoch = new.epoch AND
    shipments.cancel_requested_at IS NULL

-- fulfillment.moves._SOME_STOCK
SELECT TOP 1 ? AS anon_1
FROM stock

-- fulfillment.moving.go_on
UPDATE dead_letters SET copy_due_ms=DATEDIFF_BIG(millisecond, CAST('1970-01-01' AS DATETIME2), SYSUTCDATETIME()) WHERE
    (dead_letters.state NOT IN (?, ?))

-- fulfillment.queries.dead_letter_groups
SELECT TOP 200 dead_letters.kind, dead_letters.reason, count(*) AS [open], min(dead_letters.at) AS min_1,
    max(dead_letters.at) AS max_1
FROM dead_letters
WHERE dead_letters.state = 'open' GROUP BY dead_letters.kind, dead_letters.reason ORDER BY [open] DESC,
    dead_letters.kind, dead_letters.reason

-- fulfillment.queries.get_dead_letter
SELECT dead_letter_actions.at, dead_letter_actions.actor, dead_letter_actions.action, dead_letter_actions.note
FROM dead_letter_actions
WHERE dead_letter_actions.letter_id = ? ORDER BY dead_letter_actions.at, dead_letter_actions.id

-- fulfillment.queries.get_dead_letter
SELECT dead_letters.id, dead_letters.kind, dead_letters.reason, dead_letters.order_id, dead_letters.step,
    dead_letters.topic, dead_letters.partition, dead_letters.offset, dead_letters.[key], dead_letters.attempts,
    dead_letters.at, dead_letters.state, dead_letters.outcome, dead_letters.redriven_at, dead_letters.redrive_id,
    dead_letters.copy_due_ms, DATALENGTH(dead_letters.value) AS value_bytes
FROM dead_letters
WHERE dead_letters.id = ?

-- fulfillment.queries.get_message
SELECT dead_letters.[key], dead_letters.value, dead_letters.headers
FROM dead_letters
WHERE dead_letters.id = ?

-- fulfillment.queries.get_shipment
SELECT shipments.order_id, shipments.event_id, shipments.correlation_id, shipments.traceparent, shipments.ordered_at,
    shipments.received_at, shipments.amount_minor, shipments.currency, shipments.state, shipments.step,
    shipments.direction, shipments.ended, shipments.attempts, shipments.waits, shipments.interruptions,
    shipments.due_at_ms, shipments.worker_id, shipments.epoch, shipments.intent_at, shipments.party,
    shipments.cancel_requested_at, shipments.shipment_id, shipments.carrier, shipments.tracking_number,
    shipments.shipped_at, shipments.error, shipments.note, shipments.parked_kind, shipments.failed_calls,
    shipments.closed_at, DATEDIFF_BIG(millisecond, CAST('1970-01-01' AS DATETIME2), SYSUTCDATETIME()) AS now_ms
FROM shipments
WHERE shipments.order_id = ?

-- fulfillment.queries.list_dead_letters
SELECT TOP 6 dead_letters.id, dead_letters.kind, dead_letters.reason, dead_letters.order_id, dead_letters.step,
    dead_letters.topic, dead_letters.partition, dead_letters.offset, dead_letters.[key], dead_letters.attempts,
    dead_letters.at, dead_letters.state, dead_letters.outcome, dead_letters.redriven_at, dead_letters.redrive_id,
    dead_letters.copy_due_ms, DATALENGTH(dead_letters.value) AS value_bytes
FROM dead_letters
WHERE dead_letters.id > ? AND dead_letters.kind = ? AND dead_letters.order_id = ? AND dead_letters.state IN (?, ?, ?,
    ?, ?) ORDER BY dead_letters.id

-- fulfillment.queries.list_dead_letters
SELECT TOP 6 dead_letters.id, dead_letters.kind, dead_letters.reason, dead_letters.order_id, dead_letters.step,
    dead_letters.topic, dead_letters.partition, dead_letters.offset, dead_letters.[key], dead_letters.attempts,
    dead_letters.at, dead_letters.state, dead_letters.outcome, dead_letters.redriven_at, dead_letters.redrive_id,
    dead_letters.copy_due_ms, DATALENGTH(dead_letters.value) AS value_bytes
FROM dead_letters
WHERE dead_letters.state = 'open' ORDER BY dead_letters.id

-- fulfillment.queries.list_dead_letters
SELECT TOP 6 dead_letters.id, dead_letters.kind, dead_letters.reason, dead_letters.order_id, dead_letters.step,
    dead_letters.topic, dead_letters.partition, dead_letters.offset, dead_letters.[key], dead_letters.attempts,
    dead_letters.at, dead_letters.state, dead_letters.outcome, dead_letters.redriven_at, dead_letters.redrive_id,
    dead_letters.copy_due_ms, DATALENGTH(dead_letters.value) AS value_bytes
FROM dead_letters ORDER BY dead_letters.id

-- fulfillment.queries.list_redrives
SELECT TOP 50 redrives.id, redrives.kind, redrives.reason, redrives.rate_per_s, redrives.staged, redrives.letters,
    redrives.actor, redrives.state, redrives.note, redrives.redriven, redrives.started_at, redrives.ended_at,
    redrives.step_due_ms
FROM redrives
WHERE redrives.id = ? ORDER BY redrives.started_at DESC, redrives.id

-- fulfillment.queries.list_redrives
SELECT TOP 50 redrives.id, redrives.kind, redrives.reason, redrives.rate_per_s, redrives.staged, redrives.letters,
    redrives.actor, redrives.state, redrives.note, redrives.redriven, redrives.started_at, redrives.ended_at,
    redrives.step_due_ms
FROM redrives ORDER BY redrives.started_at DESC, redrives.id

-- fulfillment.queries.list_shipments
SELECT TOP 6 shipments.order_id, shipments.event_id, shipments.correlation_id, shipments.traceparent,
    shipments.ordered_at, shipments.received_at, shipments.amount_minor, shipments.currency, shipments.state,
    shipments.step, shipments.direction, shipments.ended, shipments.attempts, shipments.waits,
    shipments.interruptions, shipments.due_at_ms, shipments.worker_id, shipments.epoch, shipments.intent_at,
    shipments.party, shipments.cancel_requested_at, shipments.shipment_id, shipments.carrier,
    shipments.tracking_number, shipments.shipped_at, shipments.error, shipments.note, shipments.parked_kind,
    shipments.failed_calls, shipments.closed_at, DATEDIFF_BIG(millisecond, CAST('1970-01-01' AS DATETIME2),
    SYSUTCDATETIME()) AS now_ms
FROM shipments
WHERE shipments.order_id > ? AND shipments.state IN (?) AND shipments.parked_kind IS NOT NULL ORDER BY
    shipments.order_id

-- fulfillment.queries.list_shipments
SELECT TOP 6 shipments.order_id, shipments.event_id, shipments.correlation_id, shipments.traceparent,
    shipments.ordered_at, shipments.received_at, shipments.amount_minor, shipments.currency, shipments.state,
    shipments.step, shipments.direction, shipments.ended, shipments.attempts, shipments.waits,
    shipments.interruptions, shipments.due_at_ms, shipments.worker_id, shipments.epoch, shipments.intent_at,
    shipments.party, shipments.cancel_requested_at, shipments.shipment_id, shipments.carrier,
    shipments.tracking_number, shipments.shipped_at, shipments.error, shipments.note, shipments.parked_kind,
    shipments.failed_calls, shipments.closed_at, DATEDIFF_BIG(millisecond, CAST('1970-01-01' AS DATETIME2),
    SYSUTCDATETIME()) AS now_ms
FROM shipments
WHERE shipments.order_id > ? AND shipments.state IN (?) ORDER BY shipments.order_id

-- fulfillment.queries.list_shipments
SELECT TOP 6 shipments.order_id, shipments.event_id, shipments.correlation_id, shipments.traceparent,
    shipments.ordered_at, shipments.received_at, shipments.amount_minor, shipments.currency, shipments.state,
    shipments.step, shipments.direction, shipments.ended, shipments.attempts, shipments.waits,
    shipments.interruptions, shipments.due_at_ms, shipments.worker_id, shipments.epoch, shipments.intent_at,
    shipments.party, shipments.cancel_requested_at, shipments.shipment_id, shipments.carrier,
    shipments.tracking_number, shipments.shipped_at, shipments.error, shipments.note, shipments.parked_kind,
    shipments.failed_calls, shipments.closed_at, DATEDIFF_BIG(millisecond, CAST('1970-01-01' AS DATETIME2),
    SYSUTCDATETIME()) AS now_ms
FROM shipments
WHERE shipments.order_id > ? AND shipments.state IN (?, ?) AND shipments.due_at_ms IS NOT NULL ORDER BY
    shipments.order_id

-- fulfillment.queries.list_shipments
SELECT TOP 6 shipments.order_id, shipments.event_id, shipments.correlation_id, shipments.traceparent,
    shipments.ordered_at, shipments.received_at, shipments.amount_minor, shipments.currency, shipments.state,
    shipments.step, shipments.direction, shipments.ended, shipments.attempts, shipments.waits,
    shipments.interruptions, shipments.due_at_ms, shipments.worker_id, shipments.epoch, shipments.intent_at,
    shipments.party, shipments.cancel_requested_at, shipments.shipment_id, shipments.carrier,
    shipments.tracking_number, shipments.shipped_at, shipments.error, shipments.note, shipments.parked_kind,
    shipments.failed_calls, shipments.closed_at, DATEDIFF_BIG(millisecond, CAST('1970-01-01' AS DATETIME2),
    SYSUTCDATETIME()) AS now_ms
FROM shipments
WHERE shipments.order_id IN (SELECT value COLLATE Latin1_General_100_BIN2 FROM OPENJSON(?) WITH (value CHAR(36) '$'))
    ORDER BY shipments.order_id

-- fulfillment.restored._BEGUN
SELECT shipments.order_id
FROM shipments
WHERE shipments.order_id IN (SELECT value COLLATE Latin1_General_100_BIN2 FROM OPENJSON(?) WITH (value CHAR(36) '$'))
    AND shipments.state IN (?, ?, ?) AND shipments.direction = ? AND shipments.shipment_id IS NULL AND
    shipments.cancel_requested_at IS NULL

-- fulfillment.restored._LIVE
SELECT TOP 1 workers.worker_id
FROM workers
WHERE workers.lease_until_ms > DATEDIFF_BIG(millisecond, CAST('1970-01-01' AS DATETIME2), SYSUTCDATETIME()) AND
    workers.lease_until_ms <= DATEDIFF_BIG(millisecond, CAST('1970-01-01' AS DATETIME2), SYSUTCDATETIME()) + ?

-- fulfillment.restored._PARKED
SELECT shipments.order_id
FROM shipments
WHERE shipments.order_id IN (SELECT value COLLATE Latin1_General_100_BIN2 FROM OPENJSON(?) WITH (value CHAR(36) '$'))
    AND shipments.state = ? AND shipments.shipment_id IS NULL

-- fulfillment.restored._REDRIVEN
UPDATE dead_letters SET state=? WHERE dead_letters.order_id IN (SELECT value COLLATE Latin1_General_100_BIN2 FROM
    OPENJSON(?) WITH (value CHAR(36) '$')) AND dead_letters.topic IS NULL AND dead_letters.state = ?

-- fulfillment.restored._SHIPMENTS
SELECT shipments.order_id, shipments.event_id, shipments.correlation_id, shipments.traceparent, shipments.ordered_at,
    shipments.received_at, shipments.request, shipments.amount_minor, shipments.currency, shipments.state,
    shipments.step, shipments.direction, shipments.ended, shipments.attempts, shipments.waits,
    shipments.interruptions, shipments.due_at_ms, shipments.worker_id, shipments.epoch, shipments.intent_at,
    shipments.party, shipments.cancel_requested_at, shipments.shipment_id, shipments.carrier,
    shipments.tracking_number, shipments.shipped_at, shipments.error, shipments.note, shipments.parked_kind,
    shipments.failed_calls, shipments.closed_at
FROM shipments
WHERE shipments.order_id IN (SELECT value COLLATE Latin1_General_100_BIN2 FROM OPENJSON(?) WITH (value CHAR(36) '$'))

-- fulfillment.restored.take_back
UPDATE shipments SET state=?, due_at_ms=?, worker_id=?, epoch=?, shipment_id=?, carrier=?, tracking_number=?,
    shipped_at=?, note=?, parked_kind=?, closed_at=? WHERE shipments.order_id = ? AND shipments.state IN (?, ?) AND
    shipments.shipment_id IS NULL

-- fulfillment.shipments._CLOSE
UPDATE shipments SET state=new.state, due_at_ms=NULL, worker_id=NULL, epoch=NULL, note=new.note,
    closed_at=new.closed_at OUTPUT inserted.order_id FROM shipments, (SELECT given.order_id AS order_id,
    given.worker_id AS worker_id, given.epoch AS epoch, given.state AS state, given.closed_at AS closed_at, given.note
    AS note
FROM (SELECT order_id COLLATE Latin1_General_100_BIN2 AS order_id, worker_id COLLATE Latin1_General_100_BIN2 AS
    worker_id, epoch, state COLLATE Latin1_General_100_BIN2 AS state, closed_at, note COLLATE Latin1_General_100_BIN2
    AS note FROM OPENJSON(?) WITH (order_id CHAR(36) '$[0]', worker_id NVARCHAR(128) '$[1]', epoch BIGINT '$[2]',
    state NVARCHAR(32) '$[3]', closed_at DATETIME2(6) '$[4]', note NVARCHAR(2000) '$[5]')) AS given) AS new WHERE
    shipments.order_id = new.order_id AND shipments.worker_id = new.worker_id AND shipments.epoch = new.epoch

-- fulfillment.shipments._ONE
UPDATE shipments SET order_id=?, event_id=?, correlation_id=?, traceparent=?, ordered_at=?, received_at=?, request=?,
    amount_minor=?, currency=?, state=?, step=?, direction=?, ended=?, attempts=?, waits=?, interruptions=?,
    due_at_ms=?, worker_id=?, epoch=?, intent_at=?, party=?, cancel_requested_at=?, shipment_id=?, carrier=?,
    tracking_number=?, shipped_at=?, error=?, note=?, parked_kind=?, failed_calls=?, closed_at=? WHERE
    shipments.order_id = ? AND shipments.worker_id = ? AND shipments.epoch = ?

-- fulfillment.shipments._PARK
UPDATE shipments SET state=?, step=?, due_at_ms=?, worker_id=?, epoch=?, party=?, note=?, parked_kind=?,
    failed_calls=nullif(SUBSTRING((coalesce(shipments.failed_calls, ?) + ?) COLLATE Latin1_General_100_CS_AS_SC, CASE
    WHEN ((LEN((coalesce(shipments.failed_calls, ?) + ?) COLLATE Latin1_General_100_CS_AS_SC + '.') - 1) > ?) THEN
    ((LEN((coalesce(shipments.failed_calls, ?) + ?) COLLATE Latin1_General_100_CS_AS_SC + '.') - 1) - ?) + ? ELSE ?
    END, 2147483647) COLLATE Latin1_General_100_BIN2, ?) WHERE shipments.order_id = ? AND shipments.worker_id = ? AND
    shipments.epoch = ?

-- fulfillment.shipments._WAIT
UPDATE shipments SET state=coalesce(?, shipments.state), step=?, waits=?, due_at_ms=(DATEDIFF_BIG(millisecond,
    CAST('1970-01-01' AS DATETIME2), SYSUTCDATETIME()) + CASE WHEN (shipments.cancel_requested_at IS NULL) THEN ? ELSE
    ? END), worker_id=?, epoch=?, party=?, note=?, failed_calls=nullif(SUBSTRING((coalesce(shipments.failed_calls, ?)
    + ?) COLLATE Latin1_General_100_CS_AS_SC, CASE WHEN ((LEN((coalesce(shipments.failed_calls, ?) + ?) COLLATE
    Latin1_General_100_CS_AS_SC + '.') - 1) > ?) THEN ((LEN((coalesce(shipments.failed_calls, ?) + ?) COLLATE
    Latin1_General_100_CS_AS_SC + '.') - 1) - ?) + ? ELSE ? END, 2147483647) COLLATE Latin1_General_100_BIN2, ?) WHERE
    shipments.order_id = ? AND shipments.worker_id = ? AND shipments.epoch = ?

-- fulfillment.stock.records._RESERVED
SELECT stock.product_id, stock.reserved
FROM stock
WHERE stock.product_id IN (SELECT value COLLATE Latin1_General_100_BIN2 FROM OPENJSON(?) WITH (value NVARCHAR(400)
    '$'))

-- fulfillment.stock.records._SET
SET NOCOUNT ON;
BEGIN TRY
UPDATE stock SET on_hand=given.on_hand, reserved=(stock.reserved + given.reserved), counted_at=given.counted_at FROM
    stock WITH (UPDLOCK, SERIALIZABLE), (SELECT given.product_id AS product_id, given.on_hand AS on_hand,
    given.counted_at AS counted_at, given.reserved AS reserved
FROM (SELECT product_id COLLATE Latin1_General_100_BIN2 AS product_id, on_hand, counted_at, reserved FROM OPENJSON(?)
    WITH (product_id NVARCHAR(400) '$[0]', on_hand BIGINT '$[1]', counted_at DATETIME2(6) '$[2]', reserved BIGINT
    '$[3]')) AS given) AS given WHERE stock.product_id = given.product_id;
INSERT INTO stock (product_id, on_hand, counted_at, reserved) SELECT given.product_id, given.on_hand,
    given.counted_at, given.reserved
FROM (SELECT given.product_id AS product_id, given.on_hand AS on_hand, given.counted_at AS counted_at, given.reserved
    AS reserved
FROM (SELECT product_id COLLATE Latin1_General_100_BIN2 AS product_id, on_hand, counted_at, reserved FROM OPENJSON(?)
    WITH (product_id NVARCHAR(400) '$[0]', on_hand BIGINT '$[1]', counted_at DATETIME2(6) '$[2]', reserved BIGINT
    '$[3]')) AS given) AS given
WHERE NOT (EXISTS (SELECT 1
FROM stock AS there WITH (UPDLOCK, SERIALIZABLE)
WHERE there.product_id = given.product_id));
END TRY
BEGIN CATCH
THROW;
END CATCH

-- fulfillment.stock.records.list_stock
SELECT TOP 6 stock.product_id, stock.on_hand, stock.reserved
FROM stock
WHERE stock.product_id = ? AND stock.product_id > ? ORDER BY stock.product_id

-- fulfillment.stock.records.list_stock
SELECT TOP 6 stock.product_id, stock.on_hand, stock.reserved
FROM stock ORDER BY stock.product_id

-- fulfillment.stock.reservations._CHANGE
UPDATE stock SET on_hand=(stock.on_hand + new.on_hand), reserved=(stock.reserved + new.reserved) FROM stock, (SELECT
    given.product_id AS product_id, given.on_hand AS on_hand, given.reserved AS reserved
FROM (SELECT product_id COLLATE Latin1_General_100_BIN2 AS product_id, on_hand, reserved FROM OPENJSON(?) WITH
    (product_id NVARCHAR(400) '$[0]', on_hand BIGINT '$[1]', reserved BIGINT '$[2]')) AS given) AS new WHERE
    stock.product_id = new.product_id

-- fulfillment.stock.reservations._DELETE
DELETE FROM reservations WHERE reservations.order_id IN (SELECT value COLLATE Latin1_General_100_BIN2 FROM OPENJSON(?)
    WITH (value CHAR(36) '$'))

-- fulfillment.stock.reservations._INSERT
INSERT INTO reservations (order_id, product_id, quantity) SELECT given.order_id, given.product_id, given.quantity
FROM (SELECT order_id COLLATE Latin1_General_100_BIN2 AS order_id, product_id COLLATE Latin1_General_100_BIN2 AS
    product_id, quantity FROM OPENJSON(?) WITH (order_id CHAR(36) '$[0]', product_id NVARCHAR(400) '$[1]', quantity
    BIGINT '$[2]')) AS given

-- fulfillment.stock.reservations._LOCK_STOCK
SELECT stock.product_id, stock.on_hand, stock.reserved
FROM stock WITH (UPDLOCK, ROWLOCK)
WHERE stock.product_id IN (SELECT value COLLATE Latin1_General_100_BIN2 FROM OPENJSON(?) WITH (value NVARCHAR(400)
    '$')) ORDER BY stock.product_id

-- fulfillment.stock.reservations._RESERVATIONS
SELECT reservations.order_id, reservations.product_id, reservations.quantity
FROM reservations
WHERE reservations.order_id IN (SELECT value COLLATE Latin1_General_100_BIN2 FROM OPENJSON(?) WITH (value CHAR(36)
    '$'))
