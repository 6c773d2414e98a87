WITH new AS MATERIALIZED (
    -- UUIDv7, as the Order Service makes them: rows arrive in order of their key.
    SELECT encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid()) placing
               substring(int8send((extract(epoch from clock_timestamp() - interval 'AGE') * 1000)::bigint) from 3) from 1 for 6),
               52, 1), 53, 1), 'hex')::uuid AS order_id,
           clock_timestamp() - interval 'AGE' AS at,
           CUSTOMER AS customer,
           (:ship + n) % 2 = 1 AS ships
    FROM generate_series(1, ORDERS) AS n
), placed AS (
    INSERT INTO orders (order_id, customer_id, customer_name, ship_to, created_at, correlation_id,
                        status, version, updated_at)
    SELECT order_id, 'customer-' || customer, 'Customer Number ' || customer,
           CASE WHEN ships THEN 'SHIP_TO' END, at, order_id::text, 'STATUS', 1, at
    FROM new
), lines AS (
    INSERT INTO order_items (order_id, line, product_id, quantity)
    SELECT order_id, line, 'product-' || customer || '-' || line, line
    FROM new, generate_series(1, 2) AS line
), events AS (
    INSERT INTO outbox (order_id, order_version, event_id, event_type, topic, payload, correlation_id,
                        created_at, leased_until_ms, published_at)
    SELECT order_id, 1, gen_random_uuid(), 'OrderCreated', 'order-events',
           CASE WHEN ships THEN 'LONG_PAYLOAD' ELSE 'SHORT_PAYLOAD' END,
           order_id::text, at, 0, PUBLISHED_AT
    FROM new
)
INSERT INTO status_counts (slot, status, orders) VALUES (:slot, 'STATUS', ORDERS)
ON CONFLICT (slot, status) DO UPDATE SET orders = status_counts.orders + excluded.orders;
