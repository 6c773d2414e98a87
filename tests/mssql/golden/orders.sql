-- orders.archiving._find
SELECT DISTINCT order_changes.order_id
FROM order_changes
WHERE order_changes.order_id > ? AND order_changes.order_id < ? AND (EXISTS (SELECT *
FROM orders
WHERE orders.order_id = order_changes.order_id AND orders.status IN (?, ?, ?) AND orders.updated_at < ?)) ORDER BY
    order_changes.order_id

-- orders.archiving._find
SELECT DISTINCT orders.order_id
FROM orders
WHERE orders.order_id > ? AND orders.order_id < ? AND orders.status IN (?, ?, ?) AND orders.updated_at < ? AND NOT
    (EXISTS (SELECT *
FROM idempotency_keys
WHERE idempotency_keys.order_id = orders.order_id)) AND NOT (EXISTS (SELECT *
FROM outbox
WHERE outbox.order_id = orders.order_id AND outbox.published_at IS NULL)) ORDER BY orders.order_id

-- orders.archiving._find
SELECT DISTINCT outbox.order_id
FROM outbox
WHERE outbox.order_id > ? AND outbox.order_id < ? AND (EXISTS (SELECT *
FROM orders
WHERE orders.order_id = outbox.order_id AND orders.status IN (?, ?, ?) AND orders.updated_at < ?)) AND
    outbox.published_at IS NOT NULL ORDER BY outbox.order_id

-- orders.archiving._find
SELECT order_changes.order_id
FROM order_changes
WHERE order_changes.order_id > ? AND order_changes.order_id < ? ORDER BY order_changes.order_id
 OFFSET ? ROWS
 FETCH FIRST ? ROWS ONLY

-- orders.archiving._find
SELECT orders.order_id
FROM orders
WHERE orders.order_id > ? AND orders.order_id < ? ORDER BY orders.order_id
 OFFSET ? ROWS
 FETCH FIRST ? ROWS ONLY

-- orders.archiving._find
SELECT outbox.order_id
FROM outbox
WHERE outbox.order_id > ? AND outbox.order_id < ? ORDER BY outbox.order_id
 OFFSET ? ROWS
 FETCH FIRST ? ROWS ONLY

-- orders.archiving._purge_some
DELETE FROM order_changes WHERE order_changes.order_id IN (SELECT value COLLATE Latin1_General_100_BIN2 FROM
    OPENJSON(?) WITH (value CHAR(36) '$'))

-- orders.archiving._purge_some
DELETE FROM order_items WHERE order_items.order_id IN (SELECT value COLLATE Latin1_General_100_BIN2 FROM OPENJSON(?)
    WITH (value CHAR(36) '$'))

-- orders.archiving._purge_some
DELETE FROM orders WHERE orders.order_id IN (SELECT value COLLATE Latin1_General_100_BIN2 FROM OPENJSON(?) WITH (value
    CHAR(36) '$'))

-- orders.archiving._purge_some
DELETE FROM outbox WHERE outbox.order_id IN (SELECT value COLLATE Latin1_General_100_BIN2 FROM OPENJSON(?) WITH (value
    CHAR(36) '$'))

-- orders.archiving._purge_some
DELETE FROM outbox WHERE outbox.order_id IN (SELECT value COLLATE Latin1_General_100_BIN2 FROM OPENJSON(?) WITH (value
    CHAR(36) '$')) AND outbox.published_at IS NOT NULL

-- orders.archiving._purge_some
SELECT orders.order_id
FROM orders WITH (UPDLOCK, ROWLOCK)
WHERE orders.order_id IN (SELECT value COLLATE Latin1_General_100_BIN2 FROM OPENJSON(?) WITH (value CHAR(36) '$')) AND
    orders.status IN (?, ?, ?) AND orders.updated_at < ? AND NOT (EXISTS (SELECT *
FROM idempotency_keys
WHERE idempotency_keys.order_id = orders.order_id)) AND NOT (EXISTS (SELECT *
FROM outbox
WHERE outbox.order_id = orders.order_id AND outbox.published_at IS NULL)) ORDER BY orders.order_id

-- orders.archiving._purge_some
SELECT orders.order_id
FROM orders WITH (UPDLOCK, ROWLOCK)
WHERE orders.order_id IN (SELECT value COLLATE Latin1_General_100_BIN2 FROM OPENJSON(?) WITH (value CHAR(36) '$')) AND
    orders.status IN (?, ?, ?) AND orders.updated_at < ? ORDER BY orders.order_id

-- orders.archiving._rows
SELECT order_changes.order_id, order_changes.version, order_changes.at, order_changes.status, order_changes.actor,
    order_changes.reason, order_changes.correlation_id
FROM order_changes
WHERE order_changes.order_id IN (SELECT value COLLATE Latin1_General_100_BIN2 FROM OPENJSON(?) WITH (value CHAR(36)
    '$'))

-- orders.archiving._rows
SELECT order_items.order_id, order_items.line, order_items.product_id, order_items.quantity,
    order_items.unit_price_minor
FROM order_items
WHERE order_items.order_id IN (SELECT value COLLATE Latin1_General_100_BIN2 FROM OPENJSON(?) WITH (value CHAR(36)
    '$'))

-- orders.archiving._rows
SELECT outbox.order_id, outbox.order_version, outbox.event_id, outbox.event_type, outbox.topic, outbox.payload,
    outbox.correlation_id, outbox.traceparent, outbox.created_at, outbox.leased_until_ms, outbox.published_at,
    outbox.partition, outbox.offset, outbox.parked_reason, outbox.re_emissions
FROM outbox
WHERE outbox.order_id IN (SELECT value COLLATE Latin1_General_100_BIN2 FROM OPENJSON(?) WITH (value CHAR(36) '$'))

-- orders.archiving._rows
SELECT outbox.order_id, outbox.order_version, outbox.event_id, outbox.event_type, outbox.topic, outbox.payload,
    outbox.correlation_id, outbox.traceparent, outbox.created_at, outbox.leased_until_ms, outbox.published_at,
    outbox.partition, outbox.offset, outbox.parked_reason, outbox.re_emissions
FROM outbox
WHERE outbox.order_id IN (SELECT value COLLATE Latin1_General_100_BIN2 FROM OPENJSON(?) WITH (value CHAR(36) '$')) AND
    outbox.published_at IS NOT NULL

-- orders.audit_feed._COSTS
SELECT order_items.order_id, sum(order_items.quantity * order_items.unit_price_minor) AS sum_1
FROM order_items
WHERE order_items.order_id IN (SELECT value COLLATE Latin1_General_100_BIN2 FROM OPENJSON(?) WITH (value CHAR(36)
    '$')) GROUP BY order_items.order_id

-- orders.audit_feed._EVENTS
SELECT outbox.order_id, outbox.created_at, outbox.published_at, outbox.parked_reason, outbox.re_emissions
FROM outbox
WHERE outbox.order_id IN (SELECT value COLLATE Latin1_General_100_BIN2 FROM OPENJSON(?) WITH (value CHAR(36) '$'))
    ORDER BY outbox.order_id, outbox.order_version

-- orders.audit_feed._ORDERS
SELECT orders.order_id, orders.status, orders.version, orders.created_at, orders.updated_at, orders.attention_kind,
    orders.tracking_number, orders.currency
FROM orders ORDER BY orders.order_id

-- orders.audit_feed.audited_orders
SELECT TOP 3 orders.order_id, orders.status, orders.version, orders.created_at, orders.updated_at,
    orders.attention_kind, orders.tracking_number, orders.currency
FROM orders
WHERE orders.order_id > ? AND orders.order_id IN (?) ORDER BY orders.order_id

-- orders.audit_feed.audited_orders
SELECT TOP 3 orders.order_id, orders.status, orders.version, orders.created_at, orders.updated_at,
    orders.attention_kind, orders.tracking_number, orders.currency
FROM orders ORDER BY orders.order_id

-- orders.commands._ADD_HISTORY
INSERT INTO order_changes (order_id, version, at, status, actor, reason, correlation_id) SELECT given.order_id,
    given.version, given.at, given.status, given.actor, given.reason, given.correlation_id
FROM (SELECT order_id COLLATE Latin1_General_100_BIN2 AS order_id, version, at, status COLLATE Latin1_General_100_BIN2
    AS status, actor COLLATE Latin1_General_100_BIN2 AS actor, reason COLLATE Latin1_General_100_BIN2 AS reason,
    correlation_id COLLATE Latin1_General_100_BIN2 AS correlation_id FROM OPENJSON(?) WITH (order_id CHAR(36) '$[0]',
    version INTEGER '$[1]', at DATETIME2(6) '$[2]', status NVARCHAR(32) '$[3]', actor NVARCHAR(400) '$[4]', reason
    NVARCHAR(2000) '$[5]', correlation_id NVARCHAR(400) '$[6]')) AS given

-- orders.commands._CHANGES
SELECT order_changes.order_id, order_changes.at, order_changes.correlation_id, order_changes.status
FROM order_changes
WHERE order_changes.order_id IN (SELECT value COLLATE Latin1_General_100_BIN2 FROM OPENJSON(?) WITH (value CHAR(36)
    '$')) ORDER BY order_changes.order_id, order_changes.version

-- orders.commands._KEYS
SELECT idempotency_keys.[key], idempotency_keys.order_id, idempotency_keys.request_hash
FROM idempotency_keys
WHERE idempotency_keys.caller = ? AND idempotency_keys.[key] IN (SELECT value COLLATE Latin1_General_100_BIN2 FROM
    OPENJSON(?) WITH (value NVARCHAR(510) '$'))

-- orders.commands._LOCKED
SELECT orders.order_id, orders.status, orders.version, orders.carrier, orders.tracking_number, orders.shipped_at,
    orders.error_message, orders.attention_kind, orders.attention_reason, orders.attention_since, orders.customer_id
FROM orders WITH (UPDLOCK, ROWLOCK)
WHERE orders.order_id IN (SELECT value COLLATE Latin1_General_100_BIN2 FROM OPENJSON(?) WITH (value CHAR(36) '$')) AND
    1 = 1 ORDER BY orders.order_id

-- orders.commands._THERE
SELECT orders.order_id
FROM orders
WHERE orders.order_id IN (SELECT value COLLATE Latin1_General_100_BIN2 FROM OPENJSON(?) WITH (value CHAR(36) '$'))

-- orders.commands._UPDATE
UPDATE orders SET status=new.status, version=new.version, updated_at=new.updated_at, carrier=new.carrier,
    tracking_number=new.tracking_number, shipped_at=new.shipped_at, error_message=new.error_message,
    attention_kind=new.attention_kind, attention_reason=new.attention_reason, attention_since=new.attention_since FROM
    orders, (SELECT given.order_id AS order_id, given.status AS status, given.version AS version, given.carrier AS
    carrier, given.tracking_number AS tracking_number, given.shipped_at AS shipped_at, given.error_message AS
    error_message, given.attention_kind AS attention_kind, given.attention_reason AS attention_reason,
    given.attention_since AS attention_since, given.updated_at AS updated_at
FROM (SELECT order_id COLLATE Latin1_General_100_BIN2 AS order_id, status COLLATE Latin1_General_100_BIN2 AS status,
    version, carrier COLLATE Latin1_General_100_BIN2 AS carrier, tracking_number COLLATE Latin1_General_100_BIN2 AS
    tracking_number, shipped_at, error_message COLLATE Latin1_General_100_BIN2 AS error_message, attention_kind
    COLLATE Latin1_General_100_BIN2 AS attention_kind, attention_reason COLLATE Latin1_General_100_BIN2 AS
    attention_reason, attention_since, updated_at FROM OPENJSON(?) WITH (order_id CHAR(36) '$[0]', status NVARCHAR(32)
    '$[1]', version INTEGER '$[2]', carrier NVARCHAR(400) '$[3]', tracking_number NVARCHAR(400) '$[4]', shipped_at
    DATETIME2(6) '$[5]', error_message NVARCHAR(2000) '$[6]', attention_kind NVARCHAR(128) '$[7]', attention_reason
    NVARCHAR(2000) '$[8]', attention_since DATETIME2(6) '$[9]', updated_at DATETIME2(6) '$[10]')) AS given) AS new
    WHERE orders.order_id = new.order_id

-- orders.counters._ADD
SET NOCOUNT ON;
BEGIN TRY
UPDATE status_counts SET orders=(status_counts.orders + given.orders) FROM status_counts WITH (UPDLOCK, SERIALIZABLE),
    (SELECT given.slot AS slot, given.status AS status, given.orders AS orders
FROM (SELECT slot, status COLLATE Latin1_General_100_BIN2 AS status, orders FROM OPENJSON(?) WITH (slot INTEGER
    '$[0]', status NVARCHAR(32) '$[1]', orders BIGINT '$[2]')) AS given) AS given WHERE status_counts.slot =
    given.slot AND status_counts.status = given.status;
INSERT INTO status_counts (slot, status, orders) SELECT given.slot, given.status, given.orders
FROM (SELECT given.slot AS slot, given.status AS status, given.orders AS orders
FROM (SELECT slot, status COLLATE Latin1_General_100_BIN2 AS status, orders FROM OPENJSON(?) WITH (slot INTEGER
    '$[0]', status NVARCHAR(32) '$[1]', orders BIGINT '$[2]')) AS given) AS given
WHERE NOT (EXISTS (SELECT 1
FROM status_counts AS there WITH (UPDLOCK, SERIALIZABLE)
WHERE there.slot = given.slot AND there.status = given.status));
END TRY
BEGIN CATCH
THROW;
END CATCH

-- orders.counters.counted
SELECT status_counts.status, sum(status_counts.orders) AS sum_1
FROM status_counts GROUP BY status_counts.status

-- orders.counters.fold
DELETE FROM status_counts WHERE status_counts.slot = ? AND status_counts.status = ?

-- orders.counters.fold
SELECT count(DISTINCT status_counts.slot) AS count_1
FROM status_counts

-- orders.counters.fold
SELECT status_counts.slot, status_counts.status, status_counts.orders
FROM status_counts WITH (UPDLOCK, ROWLOCK, READPAST, READCOMMITTEDLOCK)
WHERE (status_counts.slot NOT IN (?, ?))

-- orders.erasure._COUNT_REASONS
SELECT count(*) AS count_1
FROM order_changes
WHERE order_changes.order_id IN (SELECT value COLLATE Latin1_General_100_BIN2 FROM OPENJSON(?) WITH (value CHAR(36)
    '$')) AND order_changes.reason != ?

-- orders.erasure._ERASE_EVENT
UPDATE outbox SET payload=? WHERE outbox.order_id = ? AND outbox.order_version = ?

-- orders.erasure._ERASE_ORDER
UPDATE orders SET customer_name=?, ship_to=?, error_message=?, attention_reason=? WHERE orders.order_id = ?

-- orders.erasure._EVENTS
SELECT outbox.order_id, outbox.order_version, outbox.payload
FROM outbox
WHERE outbox.order_id IN (SELECT value COLLATE Latin1_General_100_BIN2 FROM OPENJSON(?) WITH (value CHAR(36) '$')) AND
    outbox.event_type = ?

-- orders.erasure._OF_CUSTOMER
SELECT TOP 25 orders.order_id, orders.status, orders.customer_name, orders.ship_to, orders.error_message,
    orders.attention_reason
FROM orders
WHERE orders.customer_id = ? AND orders.order_id > ? ORDER BY orders.order_id

-- orders.erasure._OF_CUSTOMER_LOCKED
SELECT TOP 25 orders.order_id, orders.status, orders.customer_name, orders.ship_to, orders.error_message,
    orders.attention_reason
FROM orders WITH (UPDLOCK, ROWLOCK)
WHERE orders.customer_id = ? AND orders.order_id > ? AND 1 = 1 ORDER BY orders.order_id

-- orders.erasure._erase
UPDATE order_changes SET reason=? WHERE order_changes.order_id IN (SELECT value COLLATE Latin1_General_100_BIN2 FROM
    OPENJSON(?) WITH (value CHAR(36) '$')) AND order_changes.reason != ?

-- orders.moving.go_on
UPDATE outbox SET partition=?, offset=?

-- orders.moving.send_again
UPDATE outbox SET topic=?, leased_until_ms=?, published_at=?, re_emissions=? WHERE outbox.order_id IN (SELECT
    orders.order_id
FROM orders
WHERE (orders.status NOT IN (?, ?, ?)))

-- orders.outbox._APPEND
INSERT INTO outbox (order_id, order_version, event_id, event_type, topic, payload, correlation_id, traceparent,
    created_at, leased_until_ms) SELECT given.order_id, given.order_version, given.event_id, given.event_type,
    given.topic, given.payload, given.correlation_id, given.traceparent, given.created_at, 0 AS leased_until_ms
FROM (SELECT order_id COLLATE Latin1_General_100_BIN2 AS order_id, order_version, event_id COLLATE
    Latin1_General_100_BIN2 AS event_id, event_type COLLATE Latin1_General_100_BIN2 AS event_type, topic COLLATE
    Latin1_General_100_BIN2 AS topic, payload COLLATE Latin1_General_100_BIN2 AS payload, correlation_id COLLATE
    Latin1_General_100_BIN2 AS correlation_id, traceparent COLLATE Latin1_General_100_BIN2 AS traceparent, created_at
    FROM OPENJSON(?) WITH (order_id CHAR(36) '$[0]', order_version INTEGER '$[1]', event_id CHAR(36) '$[2]',
    event_type NVARCHAR(128) '$[3]', topic NVARCHAR(400) '$[4]', payload NVARCHAR(max) '$[5]', correlation_id
    NVARCHAR(400) '$[6]', traceparent NVARCHAR(110) '$[7]', created_at DATETIME2(6) '$[8]')) AS given

-- orders.outbox._FIRSTS
SELECT outbox.order_id, min(outbox.order_version) AS min_1
FROM outbox
WHERE outbox.order_id IN (SELECT value COLLATE Latin1_General_100_BIN2 FROM OPENJSON(?) WITH (value CHAR(36) '$')) AND
    outbox.published_at IS NULL GROUP BY outbox.order_id

-- orders.outbox._FREE
SELECT outbox.order_id, outbox.order_version, outbox.event_id, outbox.event_type, outbox.topic, outbox.payload,
    outbox.correlation_id, outbox.traceparent, outbox.created_at, outbox.parked_reason
FROM outbox WITH (UPDLOCK, ROWLOCK, READPAST, READCOMMITTEDLOCK)
WHERE outbox.published_at IS NULL AND (outbox.leased_until_ms <= DATEDIFF_BIG(millisecond, CAST('1970-01-01' AS
    DATETIME2), SYSUTCDATETIME()) OR outbox.leased_until_ms > DATEDIFF_BIG(millisecond, CAST('1970-01-01' AS
    DATETIME2), SYSUTCDATETIME()) + CASE WHEN (outbox.parked_reason IS NOT NULL) THEN ? ELSE ? END) ORDER BY
    outbox.order_id, outbox.order_version
 OFFSET 0 ROWS
 FETCH FIRST ? ROWS ONLY

-- orders.outbox._LEASE
UPDATE outbox SET leased_until_ms=(DATEDIFF_BIG(millisecond, CAST('1970-01-01' AS DATETIME2), SYSUTCDATETIME()) + ?)
    FROM outbox, (SELECT given.order_id AS order_id, given.order_version AS order_version
FROM (SELECT order_id COLLATE Latin1_General_100_BIN2 AS order_id, order_version FROM OPENJSON(?) WITH (order_id
    CHAR(36) '$[0]', order_version INTEGER '$[1]')) AS given) AS new WHERE outbox.order_id = new.order_id AND
    outbox.order_version = new.order_version

-- orders.outbox._LEASE_BLOCKED
UPDATE outbox SET leased_until_ms=(DATEDIFF_BIG(millisecond, CAST('1970-01-01' AS DATETIME2), SYSUTCDATETIME()) + ?)
    FROM outbox, (SELECT given.order_id AS order_id, given.order_version AS order_version
FROM (SELECT order_id COLLATE Latin1_General_100_BIN2 AS order_id, order_version FROM OPENJSON(?) WITH (order_id
    CHAR(36) '$[0]', order_version INTEGER '$[1]')) AS given) AS new WHERE outbox.order_id = new.order_id AND
    outbox.order_version = new.order_version

-- orders.outbox._MARK
UPDATE outbox SET leased_until_ms=CASE WHEN (new.published_at IS NULL) THEN DATEDIFF_BIG(millisecond,
    CAST('1970-01-01' AS DATETIME2), SYSUTCDATETIME()) + ? ELSE ? END, published_at=new.published_at,
    partition=new.partition, offset=new.offset FROM outbox, (SELECT given.order_id AS order_id, given.order_version AS
    order_version, given.published_at AS published_at, given.partition AS partition, given.offset AS offset
FROM (SELECT order_id COLLATE Latin1_General_100_BIN2 AS order_id, order_version, published_at, partition, offset FROM
    OPENJSON(?) WITH (order_id CHAR(36) '$[0]', order_version INTEGER '$[1]', published_at DATETIME2(6) '$[2]',
    partition INTEGER '$[3]', offset BIGINT '$[4]')) AS given) AS new WHERE outbox.order_id = new.order_id AND
    outbox.order_version = new.order_version AND CASE WHEN (outbox.published_at IS NULL) THEN ? ELSE ? END = ?

-- orders.outbox.free_leases
UPDATE outbox SET leased_until_ms=? WHERE outbox.published_at IS NULL

-- orders.parked._PARK
UPDATE outbox SET leased_until_ms=(DATEDIFF_BIG(millisecond, CAST('1970-01-01' AS DATETIME2), SYSUTCDATETIME()) + ?),
    parked_reason=new.parked_reason FROM outbox, (SELECT given.order_id AS order_id, given.order_version AS
    order_version, given.parked_reason AS parked_reason
FROM (SELECT order_id COLLATE Latin1_General_100_BIN2 AS order_id, order_version, parked_reason COLLATE
    Latin1_General_100_BIN2 AS parked_reason FROM OPENJSON(?) WITH (order_id CHAR(36) '$[0]', order_version INTEGER
    '$[1]', parked_reason NVARCHAR(2000) '$[2]')) AS given) AS new WHERE outbox.order_id = new.order_id AND
    outbox.order_version = new.order_version AND CASE WHEN (outbox.published_at IS NULL) THEN ? ELSE ? END = ?

-- orders.parked._UNPARK
UPDATE outbox SET parked_reason=new.parked_reason FROM outbox, (SELECT given.order_id AS order_id, given.order_version
    AS order_version, given.parked_reason AS parked_reason
FROM (SELECT order_id COLLATE Latin1_General_100_BIN2 AS order_id, order_version, parked_reason COLLATE
    Latin1_General_100_BIN2 AS parked_reason FROM OPENJSON(?) WITH (order_id CHAR(36) '$[0]', order_version INTEGER
    '$[1]', parked_reason NVARCHAR(2000) '$[2]')) AS given) AS new WHERE outbox.order_id = new.order_id AND
    outbox.order_version = new.order_version

-- orders.parked._change_attention
SELECT orders.order_id
FROM orders
WHERE orders.order_id IN (SELECT value COLLATE Latin1_General_100_BIN2 FROM OPENJSON(?) WITH (value CHAR(36) '$')) AND
    orders.attention_kind = ?

-- orders.parked._change_attention
SELECT orders.order_id
FROM orders
WHERE orders.order_id IN (SELECT value COLLATE Latin1_General_100_BIN2 FROM OPENJSON(?) WITH (value CHAR(36) '$')) AND
    orders.attention_kind IS NULL

-- orders.parked._release
SELECT outbox.order_id
FROM outbox
WHERE outbox.parked_reason IS NOT NULL AND outbox.order_id > ? ORDER BY outbox.order_id
 OFFSET ? ROWS
 FETCH FIRST ? ROWS ONLY

-- orders.parked._release
UPDATE outbox SET leased_until_ms=? WHERE outbox.parked_reason IS NOT NULL AND outbox.order_id = ?

-- orders.parked._release
UPDATE outbox SET leased_until_ms=? WHERE outbox.parked_reason IS NOT NULL AND outbox.order_id > ?

-- orders.placement.mssql.INSERT
DECLARE @rows NVARCHAR(max) = ?, @lease_ms BIGINT = ?, @slot INT = ?;
SET NOCOUNT ON;
BEGIN TRY
SET LOCK_TIMEOUT 10;
DECLARE @given TABLE (
    [order_id] CHAR(36) COLLATE Latin1_General_100_BIN2,
    [created_at] DATETIME2(6),
    [correlation_id] NVARCHAR(400) COLLATE Latin1_General_100_BIN2,
    [traceparent] NVARCHAR(110) COLLATE Latin1_General_100_BIN2,
    [event_id] CHAR(36) COLLATE Latin1_General_100_BIN2,
    [topic] NVARCHAR(400) COLLATE Latin1_General_100_BIN2,
    [payload] NVARCHAR(max) COLLATE Latin1_General_100_BIN2,
    [caller] NVARCHAR(128) COLLATE Latin1_General_100_BIN2,
    [key] NVARCHAR(510) COLLATE Latin1_General_100_BIN2,
    [request_hash] NVARCHAR(128) COLLATE Latin1_General_100_BIN2
);
DECLARE @placed TABLE (order_id CHAR(36) COLLATE Latin1_General_100_BIN2 PRIMARY KEY);
DECLARE @refused TABLE (order_id CHAR(36) COLLATE Latin1_General_100_BIN2 PRIMARY KEY);
INSERT INTO @given ([order_id], [created_at], [correlation_id], [traceparent], [event_id], [topic], [payload],
    [caller], [key], [request_hash])
SELECT [order_id], [created_at], [correlation_id], [traceparent], [event_id], [topic], [payload], [caller], [key],
    [request_hash] FROM OPENJSON(@rows) WITH (
    [order_id] CHAR(36) '$[0]',
    [created_at] DATETIME2(6) '$[1]',
    [correlation_id] NVARCHAR(400) '$[2]',
    [traceparent] NVARCHAR(110) '$[3]',
    [event_id] CHAR(36) '$[4]',
    [topic] NVARCHAR(400) '$[5]',
    [payload] NVARCHAR(max) '$[6]',
    [caller] NVARCHAR(128) '$[8]',
    [key] NVARCHAR(510) '$[9]',
    [request_hash] NVARCHAR(128) '$[10]'
);
INSERT INTO idempotency_keys (caller, [key], request_hash, order_id, created_at)
OUTPUT inserted.order_id INTO @placed
SELECT given.caller, given.[key], given.request_hash, given.order_id, given.created_at
FROM @given AS given
WHERE given.[key] IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM idempotency_keys AS there WITH (UPDLOCK, SERIALIZABLE)
    WHERE there.caller = given.caller AND there.[key] = given.[key]
)
ORDER BY given.caller, given.[key];
INSERT INTO @refused (order_id)
SELECT order_id FROM @given
WHERE [key] IS NOT NULL AND order_id NOT IN (SELECT order_id FROM @placed);
DELETE FROM @given WHERE order_id IN (SELECT order_id FROM @refused);
INSERT INTO orders (order_id, customer_id, customer_name, currency, ship_to, created_at, correlation_id,
    status, version, updated_at, created_by)
SELECT given.order_id, JSON_VALUE(given.payload, '$.customer.customerId'), JSON_VALUE(given.payload,
    '$.customer.name'),
    JSON_VALUE(given.payload, '$.items[0].unitPrice.currency'), JSON_QUERY(given.payload, '$.shipTo'),
    given.created_at, given.correlation_id, 'Created', 1, given.created_at, given.caller
FROM @given AS given;
INSERT INTO order_items (order_id, line, product_id, quantity, unit_price_minor)
SELECT given.order_id, CAST(item.[key] AS INT) + 1, JSON_VALUE(item.value, '$.productId'),
    CAST(JSON_VALUE(item.value, '$.quantity') AS INT),
    CAST(JSON_VALUE(item.value, '$.unitPrice.amountMinor') AS BIGINT)
FROM @given AS given CROSS APPLY OPENJSON(given.payload, '$.items') AS item;
INSERT INTO outbox (order_id, order_version, event_id, event_type, topic, payload, correlation_id,
    traceparent, created_at, leased_until_ms)
SELECT given.order_id, 1, given.event_id, JSON_VALUE(given.payload, '$.eventType'), given.topic,
    given.payload, given.correlation_id, given.traceparent, given.created_at,
    DATEDIFF_BIG(millisecond, CAST('1970-01-01' AS DATETIME2), SYSUTCDATETIME()) + @lease_ms
FROM @given AS given;
INSERT INTO stream (at, changes, size)
SELECT MIN(given.created_at), '[' + STRING_AGG(CAST('["' + given.order_id + '",1,"Created","' + CONVERT(CHAR(19),
    given.created_at, 126) + '.' + RIGHT('00' + CAST(DATEPART(millisecond, given.created_at) AS VARCHAR(3)), 3) + 'Z'
    + '","' + STRING_ESCAPE(JSON_VALUE(given.payload, '$.customer.customerId'), 'json') + '"]' AS NVARCHAR(max)), ',')
    + ']', COUNT(*)
FROM @given AS given
HAVING COUNT(*) > 0;
DECLARE @orders BIGINT = (SELECT COUNT(*) FROM @given);
UPDATE status_counts SET orders = orders + @orders FROM status_counts WITH (UPDLOCK, SERIALIZABLE)
WHERE slot = @slot AND status = 'Created';
INSERT INTO status_counts (slot, status, orders)
SELECT @slot, 'Created', @orders
WHERE NOT EXISTS (SELECT 1 FROM status_counts WHERE slot = @slot AND status = 'Created');
SELECT order_id FROM @refused;
END TRY
BEGIN CATCH
THROW;
END CATCH

-- orders.queries._FIRST_ITEMS
SELECT TOP 10001 order_items.order_id, order_items.line, order_items.product_id, order_items.quantity,
    order_items.unit_price_minor
FROM order_items
WHERE order_items.order_id IN (SELECT value COLLATE Latin1_General_100_BIN2 FROM OPENJSON(?) WITH (value CHAR(36)
    '$')) ORDER BY order_items.order_id DESC, order_items.line

-- orders.queries._ITEMS
SELECT order_items.order_id, order_items.line, order_items.product_id, order_items.quantity,
    order_items.unit_price_minor
FROM order_items
WHERE order_items.order_id IN (SELECT value COLLATE Latin1_General_100_BIN2 FROM OPENJSON(?) WITH (value CHAR(36)
    '$')) ORDER BY order_items.order_id, order_items.line

-- orders.queries._ORDERS
SELECT orders.order_id, orders.customer_id, orders.customer_name, orders.currency, orders.ship_to, orders.created_at,
    orders.correlation_id, orders.created_by, orders.status, orders.version, orders.updated_at, orders.carrier,
    orders.tracking_number, orders.shipped_at, orders.error_message, orders.attention_kind, orders.attention_reason,
    orders.attention_since
FROM orders
WHERE orders.order_id IN (SELECT value COLLATE Latin1_General_100_BIN2 FROM OPENJSON(?) WITH (value CHAR(36) '$'))

-- orders.queries._STATUSES
SELECT orders.order_id, orders.status
FROM orders
WHERE orders.order_id IN (SELECT value COLLATE Latin1_General_100_BIN2 FROM OPENJSON(?) WITH (value CHAR(36) '$'))

-- orders.queries._outbox_stats
SELECT TOP 1 outbox.created_at
FROM outbox
WHERE outbox.published_at IS NULL AND outbox.re_emissions = ? AND outbox.parked_reason IS NULL ORDER BY
    outbox.order_id

-- orders.queries._outbox_stats
SELECT count(*) AS count_1
FROM (SELECT TOP 1000000 outbox.order_id AS order_id
FROM outbox
WHERE outbox.published_at IS NULL) AS anon_1

-- orders.queries._outbox_stats
SELECT count(*) AS count_1
FROM outbox
WHERE outbox.parked_reason IS NOT NULL AND outbox.published_at IS NULL

-- orders.queries.list_orders
SELECT orders.order_id, orders.customer_id, orders.customer_name, orders.currency, orders.ship_to, orders.created_at,
    orders.correlation_id, orders.created_by, orders.status, orders.version, orders.updated_at, orders.carrier,
    orders.tracking_number, orders.shipped_at, orders.error_message, orders.attention_kind, orders.attention_reason,
    orders.attention_since
FROM orders
WHERE orders.order_id IN (SELECT TOP 51 anon_1.order_id
FROM (SELECT anon_2.order_id AS order_id
FROM (SELECT TOP 51 orders.order_id AS order_id
FROM orders
WHERE orders.order_id >= ? AND orders.status = ? ORDER BY orders.order_id DESC) AS anon_2 UNION ALL SELECT
    anon_3.order_id AS order_id
FROM (SELECT TOP 51 orders.order_id AS order_id
FROM orders
WHERE orders.order_id >= ? AND orders.status = ? ORDER BY orders.order_id DESC) AS anon_3) AS anon_1 ORDER BY
    anon_1.order_id DESC) ORDER BY orders.order_id DESC

-- orders.queries.list_orders
SELECT orders.order_id, orders.customer_id, orders.customer_name, orders.currency, orders.ship_to, orders.created_at,
    orders.correlation_id, orders.created_by, orders.status, orders.version, orders.updated_at, orders.carrier,
    orders.tracking_number, orders.shipped_at, orders.error_message, orders.attention_kind, orders.attention_reason,
    orders.attention_since
FROM orders
WHERE orders.order_id IN (SELECT TOP 51 order_items.order_id
FROM order_items JOIN orders ON order_items.order_id = orders.order_id
WHERE orders.customer_id = ? AND orders.customer_id = ? AND order_items.product_id = ? AND orders.tracking_number = ?
    AND order_items.order_id IN (SELECT idempotency_keys.order_id
FROM idempotency_keys
WHERE idempotency_keys.[key] = ?) AND orders.attention_kind IS NULL AND order_items.order_id >= ? AND
    order_items.order_id < ? AND order_items.order_id < ? GROUP BY order_items.order_id ORDER BY order_items.order_id
    DESC) ORDER BY orders.order_id DESC

-- orders.queries.list_orders
SELECT orders.order_id, orders.customer_id, orders.customer_name, orders.currency, orders.ship_to, orders.created_at,
    orders.correlation_id, orders.created_by, orders.status, orders.version, orders.updated_at, orders.carrier,
    orders.tracking_number, orders.shipped_at, orders.error_message, orders.attention_kind, orders.attention_reason,
    orders.attention_since
FROM orders
WHERE orders.order_id IN (SELECT TOP 51 orders.order_id
FROM orders
WHERE orders.customer_id = ? AND orders.customer_id = ? AND orders.tracking_number = ? AND orders.order_id IN (SELECT
    idempotency_keys.order_id
FROM idempotency_keys
WHERE idempotency_keys.[key] = ? AND idempotency_keys.caller = ?) AND orders.attention_kind IS NOT NULL AND
    orders.order_id >= ? AND orders.order_id < ? AND orders.order_id < ? AND orders.status IN ('Created') ORDER BY
    orders.order_id DESC) ORDER BY orders.order_id DESC

-- orders.queries.list_parked
SELECT TOP 11 outbox.order_id, outbox.order_version, outbox.event_type, outbox.topic, outbox.created_at,
    outbox.parked_reason, outbox.leased_until_ms
FROM outbox
WHERE outbox.parked_reason IS NOT NULL AND outbox.published_at IS NULL AND outbox.order_id > ? ORDER BY
    outbox.order_id

-- orders.queries.list_parked
SELECT TOP 11 outbox.order_id, outbox.order_version, outbox.event_type, outbox.topic, outbox.created_at,
    outbox.parked_reason, outbox.leased_until_ms
FROM outbox
WHERE outbox.parked_reason IS NOT NULL AND outbox.published_at IS NULL ORDER BY outbox.order_id

-- orders.queries.stats
SELECT count(*) AS count_1
FROM orders
WHERE orders.attention_kind IS NOT NULL

-- orders.queries.timeline
SELECT order_changes.order_id, order_changes.version, order_changes.at, order_changes.status, order_changes.actor,
    order_changes.reason, order_changes.correlation_id
FROM order_changes
WHERE order_changes.order_id = ?

-- orders.queries.timeline
SELECT orders.order_id, orders.customer_id, orders.customer_name, orders.currency, orders.ship_to, orders.created_at,
    orders.correlation_id, orders.created_by, orders.status, orders.version, orders.updated_at, orders.carrier,
    orders.tracking_number, orders.shipped_at, orders.error_message, orders.attention_kind, orders.attention_reason,
    orders.attention_since
FROM orders
WHERE orders.order_id = ?

-- orders.queries.timeline
SELECT outbox.order_id, outbox.order_version, outbox.event_id, outbox.event_type, outbox.topic, outbox.payload,
    outbox.correlation_id, outbox.traceparent, outbox.created_at, outbox.leased_until_ms, outbox.published_at,
    outbox.partition, outbox.offset, outbox.parked_reason, outbox.re_emissions
FROM outbox
WHERE outbox.order_id = ?

-- orders.reconciler._reconcile
SELECT TOP 3 orders.order_id
FROM orders
WHERE orders.status = ? AND orders.attention_kind IS NULL AND orders.order_id > ? AND orders.order_id < ? ORDER BY
    orders.order_id

-- orders.reconciler._reconcile
SELECT outbox.order_id, outbox.re_emissions
FROM outbox WITH (UPDLOCK, ROWLOCK, READPAST, READCOMMITTEDLOCK)
WHERE outbox.order_id IN (?) AND NOT (EXISTS (SELECT *
FROM outbox AS later
WHERE later.order_id = outbox.order_id AND later.order_version > outbox.order_version)) AND (outbox.re_emissions = ?
    AND outbox.published_at < ? OR outbox.re_emissions = ? AND outbox.published_at < ? OR outbox.re_emissions = ? AND
    outbox.published_at < ? OR outbox.re_emissions = ? AND outbox.published_at < ?) ORDER BY outbox.order_id

-- orders.reconciler._reconcile
UPDATE outbox SET leased_until_ms=?, published_at=?, re_emissions=(outbox.re_emissions + ?) WHERE outbox.order_id IN
    (?) AND outbox.published_at IS NOT NULL

-- orders.reconciler._unpublished
SELECT TOP 1 outbox.order_id
FROM outbox
WHERE outbox.published_at IS NULL AND outbox.parked_reason IS NULL AND outbox.re_emissions = ? AND outbox.created_at <
    ? AND outbox.order_id < ? ORDER BY outbox.order_id

-- orders.restored._SENT
SELECT orders.order_id, outbox.payload, outbox.traceparent, orders.carrier, orders.tracking_number, orders.shipped_at
FROM orders JOIN outbox ON outbox.order_id = orders.order_id
WHERE orders.order_id IN (SELECT value COLLATE Latin1_General_100_BIN2 FROM OPENJSON(?) WITH (value CHAR(36) '$')) AND
    outbox.order_version = ?

-- orders.restored._THERE
SELECT orders.order_id
FROM orders
WHERE orders.order_id IN (SELECT value COLLATE Latin1_General_100_BIN2 FROM OPENJSON(?) WITH (value CHAR(36) '$'))

-- orders.restored._VERSION
SELECT orders.version
FROM orders
WHERE orders.order_id = ?

-- orders.restored._ended
SELECT TOP 10000 orders.order_id, orders.updated_at
FROM orders
WHERE orders.status IN (?) AND orders.order_id > ? ORDER BY orders.order_id

-- orders.restored._ended
SELECT TOP 10000 orders.order_id, orders.updated_at
FROM orders
WHERE orders.status IN (?, ?) AND orders.order_id > ? ORDER BY orders.order_id

-- orders.restored.unfinished
SELECT orders.order_id, orders.status
FROM orders
WHERE (orders.status NOT IN (?, ?, ?)) ORDER BY orders.order_id

-- orders.retention._remove
DELETE FROM idempotency_keys WHERE idempotency_keys.order_id > ? AND idempotency_keys.order_id < ?

-- orders.retention._remove
DELETE FROM order_changes WHERE order_changes.order_id > ? AND order_changes.order_id < ? AND order_changes.order_id
    <= ? AND (EXISTS (SELECT *
FROM orders
WHERE orders.order_id = order_changes.order_id AND orders.status IN (?, ?, ?) AND orders.updated_at < ?))

-- orders.retention._remove
DELETE FROM outbox WHERE outbox.order_id > ? AND outbox.order_id < ? AND outbox.order_id <= ? AND (EXISTS (SELECT *
FROM orders
WHERE orders.order_id = outbox.order_id AND orders.status IN (?, ?, ?) AND orders.updated_at < ?)) AND
    outbox.published_at IS NOT NULL

-- orders.retention._remove
SELECT idempotency_keys.order_id
FROM idempotency_keys
WHERE idempotency_keys.order_id > ? AND idempotency_keys.order_id < ? ORDER BY idempotency_keys.order_id
 OFFSET ? ROWS
 FETCH FIRST ? ROWS ONLY

-- orders.retention._remove
SELECT order_changes.order_id
FROM order_changes
WHERE order_changes.order_id > ? AND order_changes.order_id < ? ORDER BY order_changes.order_id
 OFFSET ? ROWS
 FETCH FIRST ? ROWS ONLY

-- orders.retention._remove
SELECT outbox.order_id
FROM outbox
WHERE outbox.order_id > ? AND outbox.order_id < ? ORDER BY outbox.order_id
 OFFSET ? ROWS
 FETCH FIRST ? ROWS ONLY

-- orders.retention._remove_from_stream
DELETE FROM stream WHERE stream.first_position IN (SELECT TOP 1 stream.first_position
FROM stream
WHERE stream.first_position < (SELECT max(stream.first_position) AS max_1
FROM stream) ORDER BY stream.first_position) AND stream.at < ?

-- orders.retention._remove_webhook_letters
DELETE FROM webhook_messages WHERE webhook_messages.dead_at < ?

-- orders.retention._remove_webhook_letters
SELECT webhook_messages.dead_at
FROM webhook_messages
WHERE webhook_messages.dead_at < ? ORDER BY webhook_messages.dead_at
 OFFSET ? ROWS
 FETCH FIRST ? ROWS ONLY

-- orders.sequencer._ASSIGN
UPDATE stream SET first_position=new.first_position FROM stream, (SELECT given.id AS id, given.first_position AS
    first_position
FROM (SELECT id, first_position FROM OPENJSON(?) WITH (id BIGINT '$[0]', first_position BIGINT '$[1]')) AS given) AS
    new WHERE stream.id = new.id

-- orders.sequencer._WAITING
SELECT TOP 1000 stream.id, stream.size
FROM stream
WHERE stream.first_position IS NULL ORDER BY stream.id

-- orders.stream._APPEND
INSERT INTO stream (at, changes, size) SELECT given.at, given.changes, given.size
FROM (SELECT at, changes COLLATE Latin1_General_100_BIN2 AS changes, size FROM OPENJSON(?) WITH (at DATETIME2(6)
    '$[0]', changes NVARCHAR(max) '$[1]', size INTEGER '$[2]')) AS given

-- orders.stream._BOUNDS
SELECT (SELECT min(stream.first_position) AS min_1
FROM stream) AS first, (SELECT TOP 1 last.first_position + last.size AS anon_1
FROM stream AS last
WHERE last.first_position IS NOT NULL ORDER BY last.first_position DESC) AS next

-- orders.stream.read
SELECT TOP 10 stream.first_position, stream.changes
FROM stream
WHERE stream.first_position >= coalesce((SELECT max(stream.first_position) AS max_1
FROM stream
WHERE stream.first_position <= ?), ?) ORDER BY stream.first_position

-- orders.stream.read
SELECT TOP 20 stream.first_position, stream.changes
FROM stream
WHERE stream.first_position >= coalesce((SELECT max(stream.first_position) AS max_1
FROM stream
WHERE stream.first_position <= ?), ?) ORDER BY stream.first_position

-- orders.stream.shift
INSERT INTO stream (at, changes, size, first_position) OUTPUT inserted.id VALUES (?, ?, ?, ?)

-- orders.stream.shift
UPDATE stream SET first_position=(stream.first_position + ?) WHERE stream.first_position IS NOT NULL

-- orders.stream.shift
UPDATE webhooks SET position=(webhooks.position + ?)

-- orders.webhooks.endpoints._ADD
INSERT INTO webhooks (endpoint_id, url, secret, event_types, created_at, position) OUTPUT inserted.endpoint_id SELECT
    given.endpoint_id, given.url, given.secret, given.event_types, given.created_at, given.position
FROM (SELECT given.endpoint_id AS endpoint_id, given.url AS url, given.secret AS secret, given.event_types AS
    event_types, given.created_at AS created_at, given.position AS position
FROM (SELECT endpoint_id COLLATE Latin1_General_100_BIN2 AS endpoint_id, url COLLATE Latin1_General_100_BIN2 AS url,
    secret COLLATE Latin1_General_100_BIN2 AS secret, event_types COLLATE Latin1_General_100_BIN2 AS event_types,
    created_at, position FROM OPENJSON(?) WITH (endpoint_id CHAR(36) '$[0]', url NVARCHAR(2000) '$[1]', secret
    NVARCHAR(128) '$[2]', event_types NVARCHAR(400) '$[3]', created_at DATETIME2(6) '$[4]', position BIGINT '$[5]'))
    AS given) AS given
WHERE NOT (EXISTS (SELECT 1
FROM webhooks AS there WITH (UPDLOCK, SERIALIZABLE)
WHERE there.endpoint_id = given.endpoint_id))

-- orders.webhooks.endpoints._BY_ID
SELECT webhooks.endpoint_id, webhooks.url, webhooks.secret, webhooks.event_types, webhooks.position, webhooks.missed,
    webhooks.failing_since, webhooks.last_error, webhooks.former_secrets
FROM webhooks
WHERE webhooks.endpoint_id = ?

-- orders.webhooks.endpoints._COUNT
SELECT count(*) AS count_1
FROM webhooks

-- orders.webhooks.endpoints._FORMER_SECRETS
UPDATE webhooks SET former_secrets=new.former_secrets FROM webhooks, (SELECT given.endpoint_id AS endpoint_id,
    given.former_secrets AS former_secrets
FROM (SELECT endpoint_id COLLATE Latin1_General_100_BIN2 AS endpoint_id, former_secrets COLLATE
    Latin1_General_100_BIN2 AS former_secrets FROM OPENJSON(?) WITH (endpoint_id CHAR(36) '$[0]', former_secrets
    NVARCHAR(max) '$[1]')) AS given) AS new WHERE webhooks.endpoint_id = new.endpoint_id

-- orders.webhooks.endpoints._FREE
SELECT webhooks.endpoint_id, webhooks.url, webhooks.secret, webhooks.event_types, webhooks.position, webhooks.missed,
    webhooks.failing_since, webhooks.last_error, webhooks.former_secrets
FROM webhooks WITH (UPDLOCK, ROWLOCK, READPAST, READCOMMITTEDLOCK)
WHERE webhooks.owner = ? OR webhooks.leased_until_ms <= DATEDIFF_BIG(millisecond, CAST('1970-01-01' AS DATETIME2),
    SYSUTCDATETIME()) OR webhooks.leased_until_ms > DATEDIFF_BIG(millisecond, CAST('1970-01-01' AS DATETIME2),
    SYSUTCDATETIME()) + ? ORDER BY webhooks.endpoint_id

-- orders.webhooks.endpoints._IDS
SELECT webhooks.endpoint_id
FROM webhooks

-- orders.webhooks.endpoints._LEASE
UPDATE webhooks SET owner=new.owner, leased_until_ms=(DATEDIFF_BIG(millisecond, CAST('1970-01-01' AS DATETIME2),
    SYSUTCDATETIME()) + ?) FROM webhooks, (SELECT given.endpoint_id AS endpoint_id, given.owner AS owner
FROM (SELECT endpoint_id COLLATE Latin1_General_100_BIN2 AS endpoint_id, owner COLLATE Latin1_General_100_BIN2 AS
    owner FROM OPENJSON(?) WITH (endpoint_id CHAR(36) '$[0]', owner CHAR(36) '$[1]')) AS given) AS new WHERE
    webhooks.endpoint_id = new.endpoint_id

-- orders.webhooks.endpoints._LISTED
SELECT webhooks.endpoint_id, webhooks.url, webhooks.event_types, webhooks.created_at, webhooks.position,
    webhooks.missed, webhooks.failing_since, webhooks.last_error, webhooks.owner, webhooks.leased_until_ms,
    webhooks.former_secrets, (SELECT count(*) AS count_1
FROM webhook_messages
WHERE webhook_messages.endpoint_id = webhooks.endpoint_id AND webhook_messages.dead_at IS NULL) AS waiting, (SELECT
    count(*) AS count_2
FROM webhook_messages
WHERE webhook_messages.endpoint_id = webhooks.endpoint_id AND webhook_messages.dead_at IS NOT NULL) AS dead
FROM webhooks
WHERE webhooks.endpoint_id > ? ORDER BY webhooks.endpoint_id
 OFFSET 0 ROWS
 FETCH FIRST ? ROWS ONLY

-- orders.webhooks.endpoints._TO_ROTATE
SELECT webhooks.endpoint_id, webhooks.url, webhooks.secret, webhooks.event_types, webhooks.position, webhooks.missed,
    webhooks.failing_since, webhooks.last_error, webhooks.former_secrets
FROM webhooks WITH (UPDLOCK, ROWLOCK)
WHERE webhooks.endpoint_id = ? AND 1 = 1

-- orders.webhooks.endpoints._remove
DELETE FROM webhook_messages WHERE webhook_messages.endpoint_id = ?

-- orders.webhooks.endpoints._remove
DELETE FROM webhooks WHERE webhooks.endpoint_id = ?

-- orders.webhooks.endpoints._rotate
UPDATE webhooks SET secret=?, former_secrets=? WHERE webhooks.endpoint_id = ?

-- orders.webhooks.endpoints.free_leases
UPDATE webhooks SET owner=?, leased_until_ms=?

-- orders.webhooks.endpoints.release
UPDATE webhooks SET owner=?, leased_until_ms=? WHERE webhooks.owner = ?

-- orders.webhooks.queue._COUNTS
SELECT count(CASE WHEN (webhook_messages.dead_at IS NULL) THEN ? END) AS count_1, count(webhook_messages.dead_at) AS
    count_2
FROM webhook_messages

-- orders.webhooks.queue._DEAD
SELECT webhook_messages.endpoint_id, webhook_messages.position, webhook_messages.order_id,
    webhook_messages.order_version, webhook_messages.payload, webhook_messages.attempts, webhook_messages.due_at,
    webhook_messages.reason, webhook_messages.dead_at
FROM webhook_messages
WHERE webhook_messages.endpoint_id = ? AND webhook_messages.dead_at IS NOT NULL AND webhook_messages.position > ?
    ORDER BY webhook_messages.position
 OFFSET 0 ROWS
 FETCH FIRST ? ROWS ONLY

-- orders.webhooks.queue._DUE
SELECT DISTINCT webhook_messages.endpoint_id
FROM webhook_messages JOIN webhooks ON webhooks.endpoint_id = webhook_messages.endpoint_id
WHERE webhooks.owner = ? AND webhook_messages.dead_at IS NULL AND webhook_messages.due_at <= ?

-- orders.webhooks.queue._KEEP
SET NOCOUNT ON;
BEGIN TRY
UPDATE webhook_messages SET order_id=given.order_id, order_version=given.order_version, payload=given.payload,
    attempts=given.attempts, due_at=given.due_at, reason=given.reason, dead_at=given.dead_at FROM webhook_messages
    WITH (UPDLOCK, SERIALIZABLE), (SELECT given.endpoint_id AS endpoint_id, given.position AS position, given.order_id
    AS order_id, given.order_version AS order_version, given.payload AS payload, given.attempts AS attempts,
    given.due_at AS due_at, given.reason AS reason, given.dead_at AS dead_at
FROM (SELECT endpoint_id COLLATE Latin1_General_100_BIN2 AS endpoint_id, position, order_id COLLATE
    Latin1_General_100_BIN2 AS order_id, order_version, payload COLLATE Latin1_General_100_BIN2 AS payload, attempts,
    due_at, reason COLLATE Latin1_General_100_BIN2 AS reason, dead_at FROM OPENJSON(?) WITH (endpoint_id CHAR(36)
    '$[0]', position BIGINT '$[1]', order_id CHAR(36) '$[2]', order_version INTEGER '$[3]', payload NVARCHAR(max)
    '$[4]', attempts INTEGER '$[5]', due_at DATETIME2(6) '$[6]', reason NVARCHAR(400) '$[7]', dead_at DATETIME2(6)
    '$[8]')) AS given) AS given WHERE webhook_messages.endpoint_id = given.endpoint_id AND webhook_messages.position =
    given.position;
INSERT INTO webhook_messages (endpoint_id, position, order_id, order_version, payload, attempts, due_at, reason,
    dead_at) SELECT given.endpoint_id, given.position, given.order_id, given.order_version, given.payload,
    given.attempts, given.due_at, given.reason, given.dead_at
FROM (SELECT given.endpoint_id AS endpoint_id, given.position AS position, given.order_id AS order_id,
    given.order_version AS order_version, given.payload AS payload, given.attempts AS attempts, given.due_at AS
    due_at, given.reason AS reason, given.dead_at AS dead_at
FROM (SELECT endpoint_id COLLATE Latin1_General_100_BIN2 AS endpoint_id, position, order_id COLLATE
    Latin1_General_100_BIN2 AS order_id, order_version, payload COLLATE Latin1_General_100_BIN2 AS payload, attempts,
    due_at, reason COLLATE Latin1_General_100_BIN2 AS reason, dead_at FROM OPENJSON(?) WITH (endpoint_id CHAR(36)
    '$[0]', position BIGINT '$[1]', order_id CHAR(36) '$[2]', order_version INTEGER '$[3]', payload NVARCHAR(max)
    '$[4]', attempts INTEGER '$[5]', due_at DATETIME2(6) '$[6]', reason NVARCHAR(400) '$[7]', dead_at DATETIME2(6)
    '$[8]')) AS given) AS given
WHERE NOT (EXISTS (SELECT 1
FROM webhook_messages AS there WITH (UPDLOCK, SERIALIZABLE)
WHERE there.endpoint_id = given.endpoint_id AND there.position = given.position));
END TRY
BEGIN CATCH
THROW;
END CATCH

-- orders.webhooks.queue._OWNERS
SELECT webhooks.endpoint_id, webhooks.owner, webhooks.position
FROM webhooks WITH (UPDLOCK, ROWLOCK)
WHERE webhooks.endpoint_id IN (SELECT value COLLATE Latin1_General_100_BIN2 FROM OPENJSON(?) WITH (value CHAR(36)
    '$')) AND 1 = 1 ORDER BY webhooks.endpoint_id

-- orders.webhooks.queue._STATE
UPDATE webhooks SET position=new.position, missed=new.missed, failing_since=new.failing_since,
    last_error=new.last_error FROM webhooks, (SELECT given.endpoint_id AS endpoint_id, given.position AS position,
    given.missed AS missed, given.failing_since AS failing_since, given.last_error AS last_error
FROM (SELECT endpoint_id COLLATE Latin1_General_100_BIN2 AS endpoint_id, position, missed, failing_since, last_error
    COLLATE Latin1_General_100_BIN2 AS last_error FROM OPENJSON(?) WITH (endpoint_id CHAR(36) '$[0]', position BIGINT
    '$[1]', missed BIGINT '$[2]', failing_since DATETIME2(6) '$[3]', last_error NVARCHAR(400) '$[4]')) AS given) AS
    new WHERE webhooks.endpoint_id = new.endpoint_id

-- orders.webhooks.queue._WAITING
SELECT TOP 1000 webhook_messages.position, webhook_messages.order_id, webhook_messages.order_version,
    webhook_messages.payload, webhook_messages.attempts, webhook_messages.due_at, webhook_messages.reason,
    webhook_messages.dead_at
FROM webhook_messages
WHERE webhook_messages.endpoint_id = ? AND webhook_messages.dead_at IS NULL ORDER BY webhook_messages.position

-- orders.webhooks.queue._is_done
DELETE FROM webhook_messages WHERE webhook_messages.endpoint_id = ? AND webhook_messages.position = ? AND
    webhook_messages.dead_at IS NOT NULL

-- orders.webhooks.queue._is_done
UPDATE webhook_messages SET attempts=?, due_at=?, dead_at=? WHERE webhook_messages.endpoint_id = ? AND
    webhook_messages.position = ? AND webhook_messages.dead_at IS NOT NULL

-- orders.webhooks.queue._is_there
SELECT webhooks.endpoint_id
FROM webhooks
WHERE webhooks.endpoint_id = ?

-- orders.webhooks.queue._redrive
SELECT webhook_messages.position
FROM webhook_messages
WHERE webhook_messages.endpoint_id = ? AND webhook_messages.position >= ? ORDER BY webhook_messages.position
 OFFSET ? ROWS
 FETCH FIRST ? ROWS ONLY

-- orders.webhooks.queue._redrive
UPDATE webhook_messages SET attempts=?, due_at=?, dead_at=? WHERE webhook_messages.endpoint_id = ? AND
    webhook_messages.position >= ?

-- orders.webhooks.queue.record
DELETE FROM webhook_messages WHERE webhook_messages.endpoint_id = ? AND webhook_messages.position IN (?, ?)
