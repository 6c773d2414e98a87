-- Fills the orders database with ORDERS orders of the last six days. What is rare lies far back on purpose: an order on
-- hold, and the only orders of `customer-old` and `product-old`, are among the first of all.
CREATE TEMPORARY TABLE new AS
SELECT n, (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || substr(md5(n::text), 1, 3) || '8'
           || substr(md5(n::text), 4, 15))::uuid AS order_id, at,
       CASE WHEN n <= 200 THEN 'OnHold' WHEN n % 1000 < 970 THEN 'Shipped' WHEN n % 1000 < 990 THEN 'Failed'
            ELSE 'Cancelled' END AS status
FROM (SELECT n, now() - interval '6 days' + n * (interval '6 days' / ORDERS) AS at
      FROM generate_series(1, ORDERS) AS n) AS numbers;

INSERT INTO orders (order_id, customer_id, customer_name, created_at, correlation_id, created_by, status, version, updated_at,
                    carrier, tracking_number, shipped_at, attention_kind, attention_reason, attention_since)
SELECT order_id,
       CASE WHEN n <= 2000 THEN 'customer-old' WHEN n % 10 = 0 THEN 'customer-big' ELSE 'customer-' || n % 50000 END,
       'Customer Number ' || n, at, order_id::text, 'anonymous', status, 3, at,
       CASE status WHEN 'Shipped' THEN 'Parcel' END, CASE status WHEN 'Shipped' THEN 'TRK-' || n END,
       CASE status WHEN 'Shipped' THEN at END,
       CASE WHEN n % 2500 = 999 THEN 'stuck' END, CASE WHEN n % 2500 = 999 THEN 'somebody must look' END,
       CASE WHEN n % 2500 = 999 THEN at END
FROM new;

INSERT INTO order_items (order_id, line, product_id, quantity)
SELECT order_id, line,
       CASE WHEN line = 1 THEN 'product-' || n % 5000 WHEN n <= 2000 THEN 'product-old' WHEN n % 2 = 0 THEN 'product-popular'
            ELSE 'product-' || n % 977 END, line
FROM new, generate_series(1, 2) AS line;

INSERT INTO outbox (order_id, order_version, event_id, event_type, topic, payload, correlation_id, created_at,
                    leased_until_ms, published_at, partition, "offset")
SELECT order_id, 1, md5('event' || n)::uuid, 'OrderCreated', 'order-events', '{}', order_id::text, at, 0, at, n % 12, n
FROM new;

INSERT INTO order_changes (order_id, version, at, status, actor, correlation_id)
SELECT order_id, version, at, CASE version WHEN 2 THEN 'Processing' ELSE status END, 'worker', order_id::text
FROM new, generate_series(2, 3) AS version;

INSERT INTO idempotency_keys (caller, key, request_hash, order_id, created_at)
SELECT 'anonymous', 'key-' || n, repeat('0', 64), order_id, at FROM new WHERE n % 2 = 0;

INSERT INTO status_counts (slot, status, orders) SELECT 0, status, count(*) FROM new GROUP BY status;
