-- Partitions the orders database by month, for installations that want to drop old months whole.
--
--   orderflow migrate
--   psql "$ORDERFLOW_DATABASE_URL" -v ON_ERROR_STOP=1 -f deploy/postgres/partition-orders.sql
--   psql "$ORDERFLOW_DATABASE_URL" -c "SELECT orderflow_add_partitions(date '2026-12-01', 24)"
--
-- Only while there are no orders yet. An order's id begins with its time (UUIDv7), so that its rows in all four
-- tables lie in the same month, and a look-up by id opens one partition. What no partition covers goes to the
-- default one: nothing is ever refused, but add partitions in time, for a month that has rows there already
-- cannot get one of its own. Idempotency keys are not partitioned: they are unique whenever they came.

\set QUIET on
BEGIN;

CREATE FUNCTION orderflow_first_id(at timestamptz) RETURNS uuid LANGUAGE sql STABLE AS $$
    SELECT (left(ms, 8) || '-' || right(ms, 4) || '-0000-0000-000000000000')::uuid
    FROM (SELECT lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0')) AS number(ms)
$$;

DO $$
DECLARE
    name text;
    key record;
    index_definition text;
    index_definitions text[];
    rows_exist boolean;
BEGIN
    FOREACH name IN ARRAY ARRAY['orders', 'order_items', 'order_changes', 'outbox'] LOOP
        EXECUTE format('LOCK TABLE %I', name);
        EXECUTE format('SELECT EXISTS (SELECT FROM %I)', name) INTO rows_exist;
        IF rows_exist THEN
            RAISE EXCEPTION '% has rows: only an empty database can be partitioned this way', name;
        END IF;
        SELECT conname, pg_get_constraintdef(oid) AS definition INTO key
            FROM pg_constraint WHERE conrelid = name::regclass AND contype = 'p';
        index_definitions := ARRAY(
            SELECT pg_get_indexdef(indexrelid) FROM pg_index
            WHERE indrelid = name::regclass AND NOT indisprimary ORDER BY indexrelid
        );
        EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS) PARTITION BY RANGE (order_id)', name || '_new', name);
        EXECUTE format('DROP TABLE %I', name);
        EXECUTE format('ALTER TABLE %I RENAME TO %I', name || '_new', name);
        EXECUTE format('ALTER TABLE %I ADD CONSTRAINT %I %s', name, key.conname, key.definition);
        FOREACH index_definition IN ARRAY index_definitions LOOP
            EXECUTE index_definition;
        END LOOP;
        EXECUTE format('CREATE TABLE %I PARTITION OF %I DEFAULT', name || '_rest', name);
    END LOOP;
END
$$;

-- Months from the one of `first_day` on; those that are there already are left as they are.
CREATE FUNCTION orderflow_add_partitions(first_day date, months int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    name text;
    start timestamp;
    part text;
BEGIN
    FOREACH name IN ARRAY ARRAY['orders', 'order_items', 'order_changes', 'outbox'] LOOP
        FOR month IN 0 .. months - 1 LOOP
            start := date_trunc('month', first_day::timestamp) + month * interval '1 month';
            part := name || to_char(start, '_YYYY_MM');
            IF to_regclass(part) IS NULL THEN
                EXECUTE format(
                    'CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)',
                    part, name,
                    orderflow_first_id(start AT TIME ZONE 'UTC'),
                    orderflow_first_id((start + interval '1 month') AT TIME ZONE 'UTC')
                );
            END IF;
        END LOOP;
    END LOOP;
END
$$;

COMMIT;
