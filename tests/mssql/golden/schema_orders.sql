CREATE TABLE alembic_version_orders (
    version_num NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NOT NULL, 
    CONSTRAINT alembic_version_orders_pkc PRIMARY KEY (version_num)
);
ALTER TABLE alembic_version_orders SET (LOCK_ESCALATION = DISABLE);

GO

-- Running upgrade  -> 0001

CREATE TABLE orders (
    order_id CHAR(36) COLLATE Latin1_General_100_BIN2 NOT NULL, 
    customer_id NVARCHAR(400) COLLATE Latin1_General_100_BIN2 NOT NULL, 
    customer_name NVARCHAR(400) COLLATE Latin1_General_100_BIN2 NOT NULL, 
    currency NVARCHAR(6) COLLATE Latin1_General_100_BIN2 NULL, 
    ship_to NVARCHAR(max) COLLATE Latin1_General_100_BIN2 NULL, 
    created_at DATETIME2(6) NOT NULL, 
    correlation_id NVARCHAR(400) COLLATE Latin1_General_100_BIN2 NOT NULL, 
    status NVARCHAR(32) COLLATE Latin1_General_100_BIN2 NOT NULL, 
    version INTEGER NOT NULL, 
    updated_at DATETIME2(6) NOT NULL, 
    carrier NVARCHAR(400) COLLATE Latin1_General_100_BIN2 NULL, 
    tracking_number NVARCHAR(400) COLLATE Latin1_General_100_BIN2 NULL, 
    shipped_at DATETIME2(6) NULL, 
    error_message NVARCHAR(2000) COLLATE Latin1_General_100_BIN2 NULL, 
    attention_kind NVARCHAR(128) COLLATE Latin1_General_100_BIN2 NULL, 
    attention_reason NVARCHAR(2000) COLLATE Latin1_General_100_BIN2 NULL, 
    attention_since DATETIME2(6) NULL, 
    PRIMARY KEY (order_id)
);
ALTER TABLE orders SET (LOCK_ESCALATION = DISABLE);

GO

CREATE INDEX orders_by_status ON orders (status, order_id);

GO

CREATE INDEX orders_by_customer ON orders (customer_id, order_id);

GO

CREATE INDEX orders_with_attention ON orders (order_id) WHERE attention_kind IS NOT NULL;

GO

CREATE TABLE order_items (
    order_id CHAR(36) COLLATE Latin1_General_100_BIN2 NOT NULL, 
    line INTEGER NOT NULL, 
    product_id NVARCHAR(400) COLLATE Latin1_General_100_BIN2 NOT NULL, 
    quantity INTEGER NOT NULL, 
    unit_price_minor BIGINT NULL, 
    PRIMARY KEY (order_id, line)
);
ALTER TABLE order_items SET (LOCK_ESCALATION = DISABLE);

GO

CREATE INDEX order_items_by_product ON order_items (product_id, order_id);

GO

CREATE TABLE idempotency_keys (
    caller NVARCHAR(128) COLLATE Latin1_General_100_BIN2 NOT NULL, 
    [key] NVARCHAR(510) COLLATE Latin1_General_100_BIN2 NOT NULL, 
    request_hash NVARCHAR(128) COLLATE Latin1_General_100_BIN2 NOT NULL, 
    order_id CHAR(36) COLLATE Latin1_General_100_BIN2 NOT NULL, 
    created_at DATETIME2(6) NOT NULL, 
    CONSTRAINT idempotency_keys_pkey PRIMARY KEY NONCLUSTERED (caller, [key])
);
ALTER TABLE idempotency_keys SET (LOCK_ESCALATION = DISABLE);

GO

CREATE TABLE order_changes (
    order_id CHAR(36) COLLATE Latin1_General_100_BIN2 NOT NULL, 
    version INTEGER NOT NULL, 
    at DATETIME2(6) NOT NULL, 
    status NVARCHAR(32) COLLATE Latin1_General_100_BIN2 NOT NULL, 
    actor NVARCHAR(400) COLLATE Latin1_General_100_BIN2 NOT NULL, 
    reason NVARCHAR(2000) COLLATE Latin1_General_100_BIN2 NULL, 
    correlation_id NVARCHAR(400) COLLATE Latin1_General_100_BIN2 NOT NULL, 
    PRIMARY KEY (order_id, version)
);
ALTER TABLE order_changes SET (LOCK_ESCALATION = DISABLE);

GO

CREATE TABLE outbox (
    order_id CHAR(36) COLLATE Latin1_General_100_BIN2 NOT NULL, 
    order_version INTEGER NOT NULL, 
    event_id CHAR(36) COLLATE Latin1_General_100_BIN2 NOT NULL, 
    event_type NVARCHAR(128) COLLATE Latin1_General_100_BIN2 NOT NULL, 
    topic NVARCHAR(400) COLLATE Latin1_General_100_BIN2 NOT NULL, 
    payload NVARCHAR(max) COLLATE Latin1_General_100_BIN2 NOT NULL, 
    correlation_id NVARCHAR(400) COLLATE Latin1_General_100_BIN2 NOT NULL, 
    traceparent NVARCHAR(110) COLLATE Latin1_General_100_BIN2 NULL, 
    created_at DATETIME2(6) NOT NULL, 
    leased_until_ms BIGINT NOT NULL, 
    published_at DATETIME2(6) NULL, 
    partition INTEGER NULL, 
    offset BIGINT NULL, 
    parked_reason NVARCHAR(2000) COLLATE Latin1_General_100_BIN2 NULL, 
    re_emissions INTEGER NOT NULL DEFAULT 0, 
    PRIMARY KEY (order_id, order_version)
);
ALTER TABLE outbox SET (LOCK_ESCALATION = DISABLE);

GO

CREATE INDEX outbox_unpublished ON outbox (order_id, order_version) WHERE published_at IS NULL;

GO

CREATE TABLE status_counts (
    slot INTEGER NOT NULL, 
    status NVARCHAR(32) COLLATE Latin1_General_100_BIN2 NOT NULL, 
    orders BIGINT NOT NULL, 
    PRIMARY KEY (slot, status)
);
ALTER TABLE status_counts SET (LOCK_ESCALATION = DISABLE);

GO

INSERT INTO alembic_version_orders (version_num) OUTPUT inserted.version_num VALUES ('0001');

GO

-- Running upgrade 0001 -> 0002

CREATE CLUSTERED INDEX idempotency_keys_by_order ON idempotency_keys (order_id);

GO

UPDATE alembic_version_orders SET version_num='0002' WHERE alembic_version_orders.version_num = '0001';

GO

-- Running upgrade 0002 -> 0003

CREATE INDEX outbox_parked ON outbox (order_id) WHERE parked_reason IS NOT NULL;

GO

UPDATE alembic_version_orders SET version_num='0003' WHERE alembic_version_orders.version_num = '0002';

GO

-- Running upgrade 0003 -> 0004

CREATE TABLE api_keys (
    prefix NVARCHAR(20) COLLATE Latin1_General_100_BIN2 NOT NULL, 
    sha256 NVARCHAR(128) COLLATE Latin1_General_100_BIN2 NOT NULL, 
    name NVARCHAR(128) COLLATE Latin1_General_100_BIN2 NOT NULL, 
    scopes NVARCHAR(400) COLLATE Latin1_General_100_BIN2 NOT NULL, 
    customer_id NVARCHAR(400) COLLATE Latin1_General_100_BIN2 NULL, 
    created_at DATETIME2(6) NOT NULL, 
    expires_at DATETIME2(6) NULL, 
    revoked_at DATETIME2(6) NULL, 
    last_used_at DATETIME2(6) NULL, 
    PRIMARY KEY (prefix)
);
ALTER TABLE api_keys SET (LOCK_ESCALATION = DISABLE);

GO

ALTER TABLE orders ADD created_by NVARCHAR(128) COLLATE Latin1_General_100_BIN2 NULL;

GO

UPDATE alembic_version_orders SET version_num='0004' WHERE alembic_version_orders.version_num = '0003';

GO

-- Running upgrade 0004 -> 0005

CREATE TABLE audit_log (
    id CHAR(36) COLLATE Latin1_General_100_BIN2 NOT NULL, 
    at DATETIME2(6) NOT NULL, 
    actor NVARCHAR(400) COLLATE Latin1_General_100_BIN2 NOT NULL, 
    action NVARCHAR(128) COLLATE Latin1_General_100_BIN2 NOT NULL, 
    subject NVARCHAR(400) COLLATE Latin1_General_100_BIN2 NOT NULL, 
    reason NVARCHAR(2000) COLLATE Latin1_General_100_BIN2 NULL, 
    correlation_id NVARCHAR(400) COLLATE Latin1_General_100_BIN2 NOT NULL, 
    details NVARCHAR(max) COLLATE Latin1_General_100_BIN2 NOT NULL, 
    PRIMARY KEY (id)
);
ALTER TABLE audit_log SET (LOCK_ESCALATION = DISABLE);

GO

CREATE TRIGGER audit_log_is_append_only ON audit_log INSTEAD OF UPDATE, DELETE AS THROW 50000, 'audit_log is append-only', 1;

GO

UPDATE alembic_version_orders SET version_num='0005' WHERE alembic_version_orders.version_num = '0004';

GO

-- Running upgrade 0005 -> 0006

CREATE TABLE stream (
    id BIGINT NOT NULL IDENTITY, 
    at DATETIME2(6) NOT NULL, 
    changes NVARCHAR(max) COLLATE Latin1_General_100_BIN2 NOT NULL, 
    size INTEGER NOT NULL, 
    first_position BIGINT NULL, 
    PRIMARY KEY (id)
);
ALTER TABLE stream SET (LOCK_ESCALATION = DISABLE);

GO

CREATE INDEX stream_waiting ON stream (id) WHERE first_position IS NULL;

GO

CREATE UNIQUE INDEX stream_by_position ON stream (first_position) WHERE first_position IS NOT NULL;

GO

UPDATE alembic_version_orders SET version_num='0006' WHERE alembic_version_orders.version_num = '0005';

GO

-- Running upgrade 0006 -> 0007

ALTER TABLE orders ADD CONSTRAINT orders_customer_id_is_exact CHECK (DATALENGTH(customer_id) = DATALENGTH(RTRIM(customer_id)));

GO

ALTER TABLE order_items ADD CONSTRAINT order_items_product_id_is_exact CHECK (DATALENGTH(product_id) = DATALENGTH(RTRIM(product_id)));

GO

ALTER TABLE api_keys ADD CONSTRAINT api_keys_customer_id_is_exact CHECK (DATALENGTH(customer_id) = DATALENGTH(RTRIM(customer_id)));

GO

UPDATE alembic_version_orders SET version_num='0007' WHERE alembic_version_orders.version_num = '0006';

GO

-- Running upgrade 0007 -> 0008

CREATE INDEX orders_by_tracking_number ON orders (tracking_number, order_id) WHERE tracking_number IS NOT NULL;

GO

ALTER TABLE idempotency_keys DROP CONSTRAINT idempotency_keys_pkey;

GO

ALTER TABLE idempotency_keys ADD CONSTRAINT idempotency_keys_pkey PRIMARY KEY ([key], caller);

GO

UPDATE alembic_version_orders SET version_num='0008' WHERE alembic_version_orders.version_num = '0007';

GO

-- Running upgrade 0008 -> 0009

CREATE TABLE webhooks (
    endpoint_id CHAR(36) COLLATE Latin1_General_100_BIN2 NOT NULL, 
    url NVARCHAR(2000) COLLATE Latin1_General_100_BIN2 NOT NULL, 
    secret NVARCHAR(128) COLLATE Latin1_General_100_BIN2 NOT NULL, 
    event_types NVARCHAR(400) COLLATE Latin1_General_100_BIN2 NULL, 
    created_at DATETIME2(6) NOT NULL, 
    position BIGINT NOT NULL, 
    missed BIGINT NOT NULL DEFAULT 0, 
    failing_since DATETIME2(6) NULL, 
    last_error NVARCHAR(400) COLLATE Latin1_General_100_BIN2 NULL, 
    owner CHAR(36) COLLATE Latin1_General_100_BIN2 NULL, 
    leased_until_ms BIGINT NOT NULL DEFAULT 0, 
    PRIMARY KEY (endpoint_id)
);
ALTER TABLE webhooks SET (LOCK_ESCALATION = DISABLE);

GO

CREATE TABLE webhook_messages (
    endpoint_id CHAR(36) COLLATE Latin1_General_100_BIN2 NOT NULL, 
    position BIGINT NOT NULL, 
    order_id CHAR(36) COLLATE Latin1_General_100_BIN2 NOT NULL, 
    order_version INTEGER NOT NULL, 
    payload NVARCHAR(max) COLLATE Latin1_General_100_BIN2 NOT NULL, 
    attempts INTEGER NOT NULL, 
    due_at DATETIME2(6) NOT NULL, 
    reason NVARCHAR(400) COLLATE Latin1_General_100_BIN2 NULL, 
    dead_at DATETIME2(6) NULL, 
    PRIMARY KEY (endpoint_id, position)
);
ALTER TABLE webhook_messages SET (LOCK_ESCALATION = DISABLE);

GO

UPDATE alembic_version_orders SET version_num='0009' WHERE alembic_version_orders.version_num = '0008';

GO

-- Running upgrade 0009 -> 0010

ALTER TABLE webhooks ADD former_secrets NVARCHAR(max) COLLATE Latin1_General_100_BIN2 NULL;

GO

UPDATE alembic_version_orders SET version_num='0010' WHERE alembic_version_orders.version_num = '0009';

GO
