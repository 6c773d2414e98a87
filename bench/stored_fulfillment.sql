-- Fills the fulfillment database with the closed shipments of the same orders. Every tenth order once had a dead letter; 3,000
-- letters are open, 30 of them about payments.
CREATE TEMPORARY TABLE new AS
SELECT n, (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || substr(md5(n::text), 1, 3) || '8'
           || substr(md5(n::text), 4, 15))::uuid AS order_id, at
FROM (SELECT n, now() - interval '6 days' + n * (interval '6 days' / ORDERS) AS at
      FROM generate_series(1, ORDERS) AS n) AS numbers;

INSERT INTO shipments (order_id, event_id, correlation_id, ordered_at, received_at, request, state, attempts, waits,
                       interruptions, intent_at, party, shipment_id, carrier, tracking_number, shipped_at, closed_at)
SELECT order_id, md5('event' || n)::uuid, order_id::text, at, at, '{}'::bytea, 'closed', 1, 0, 0, at, 'simulated', 's-' || n,
       'Parcel', 'TRK-' || n, at, at
FROM new;

INSERT INTO dead_letters (id, kind, reason, order_id, headers, attempts, at, state, step)
SELECT md5('letter' || n)::uuid,
       CASE WHEN n % 1000 = 0 AND n <= 300000 THEN 'payment' ELSE 'carrier-unavailable' END, 'reason ' || n / 10 % 7, order_id,
       '[]'::bytea, 6, at, CASE WHEN n <= 30000 THEN 'open' ELSE 'resolved' END, 'ship'
FROM new WHERE n % 10 = 0;

INSERT INTO stock (product_id, on_hand, reserved, counted_at)
SELECT 'product-' || n, 100, 0, now() FROM generate_series(1, 5000) AS n;
