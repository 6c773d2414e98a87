CREATE TABLE alembic_version_fulfillment (
    version_num NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NOT NULL, 
    CONSTRAINT alembic_version_fulfillment_pkc PRIMARY KEY (version_num)
);
ALTER TABLE alembic_version_fulfillment SET (LOCK_ESCALATION = DISABLE);

GO

-- Running upgrade  -> 0001

CREATE TABLE shipments (
    order_id CHAR(36) COLLATE Latin1_General_100_BIN2 NOT NULL, 
    event_id CHAR(36) COLLATE Latin1_General_100_BIN2 NOT NULL, 
    correlation_id NVARCHAR(400) COLLATE Latin1_General_100_BIN2 NOT NULL, 
    traceparent NVARCHAR(110) COLLATE Latin1_General_100_BIN2 NULL, 
    ordered_at DATETIME2(6) NOT NULL, 
    received_at DATETIME2(6) NOT NULL, 
    request VARBINARY(max) NOT NULL, 
    state NVARCHAR(32) COLLATE Latin1_General_100_BIN2 NOT NULL, 
    attempts INTEGER NOT NULL, 
    waits INTEGER NOT NULL, 
    interruptions INTEGER NOT NULL, 
    due_at_ms BIGINT NULL, 
    worker_id NVARCHAR(128) COLLATE Latin1_General_100_BIN2 NULL, 
    epoch BIGINT NULL, 
    intent_at DATETIME2(6) NULL, 
    shipment_id NVARCHAR(400) COLLATE Latin1_General_100_BIN2 NULL, 
    carrier NVARCHAR(400) COLLATE Latin1_General_100_BIN2 NULL, 
    tracking_number NVARCHAR(400) COLLATE Latin1_General_100_BIN2 NULL, 
    shipped_at DATETIME2(6) NULL, 
    error NVARCHAR(2000) COLLATE Latin1_General_100_BIN2 NULL, 
    note NVARCHAR(2000) COLLATE Latin1_General_100_BIN2 NULL, 
    parked_kind NVARCHAR(128) COLLATE Latin1_General_100_BIN2 NULL, 
    closed_at DATETIME2(6) NULL, 
    PRIMARY KEY (order_id)
);
ALTER TABLE shipments SET (LOCK_ESCALATION = DISABLE);

GO

CREATE INDEX shipments_due ON shipments (due_at_ms, order_id) WHERE due_at_ms IS NOT NULL;

GO

CREATE INDEX shipments_parked ON shipments (order_id) WHERE parked_kind IS NOT NULL;

GO

CREATE TABLE processed_events (
    event_id CHAR(36) COLLATE Latin1_General_100_BIN2 NOT NULL, 
    order_id CHAR(36) COLLATE Latin1_General_100_BIN2 NOT NULL, 
    at DATETIME2(6) NOT NULL, 
    PRIMARY KEY (event_id)
);
ALTER TABLE processed_events SET (LOCK_ESCALATION = DISABLE);

GO

CREATE TABLE workers (
    worker_id NVARCHAR(128) COLLATE Latin1_General_100_BIN2 NOT NULL, 
    epoch BIGINT NOT NULL, 
    lease_until_ms BIGINT NOT NULL, 
    PRIMARY KEY (worker_id)
);
ALTER TABLE workers SET (LOCK_ESCALATION = DISABLE);

GO

CREATE TABLE attentions (
    order_id CHAR(36) COLLATE Latin1_General_100_BIN2 NOT NULL, 
    kind NVARCHAR(128) COLLATE Latin1_General_100_BIN2 NOT NULL, 
    reason NVARCHAR(2000) COLLATE Latin1_General_100_BIN2 NOT NULL, 
    correlation_id NVARCHAR(400) COLLATE Latin1_General_100_BIN2 NULL, 
    due_at_ms BIGINT NOT NULL, 
    PRIMARY KEY (order_id)
);
ALTER TABLE attentions SET (LOCK_ESCALATION = DISABLE);

GO

CREATE INDEX attentions_due ON attentions (due_at_ms);

GO

CREATE TABLE dead_letters (
    id CHAR(36) COLLATE Latin1_General_100_BIN2 NOT NULL, 
    kind NVARCHAR(128) COLLATE Latin1_General_100_BIN2 NOT NULL, 
    reason NVARCHAR(2000) COLLATE Latin1_General_100_BIN2 NOT NULL, 
    order_id CHAR(36) COLLATE Latin1_General_100_BIN2 NULL, 
    topic NVARCHAR(498) COLLATE Latin1_General_100_BIN2 NULL, 
    partition INTEGER NULL, 
    offset BIGINT NULL, 
    [key] VARBINARY(max) NULL, 
    value VARBINARY(max) NULL, 
    headers VARBINARY(max) NOT NULL, 
    attempts INTEGER NOT NULL, 
    at DATETIME2(6) NOT NULL, 
    state NVARCHAR(32) COLLATE Latin1_General_100_BIN2 NOT NULL, 
    copy_due_ms BIGINT NULL, 
    PRIMARY KEY (id)
);
ALTER TABLE dead_letters SET (LOCK_ESCALATION = DISABLE);

GO

CREATE INDEX dead_letters_to_copy ON dead_letters (copy_due_ms) WHERE copy_due_ms IS NOT NULL;

GO

INSERT INTO alembic_version_fulfillment (version_num) OUTPUT inserted.version_num VALUES ('0001');

GO

-- Running upgrade 0001 -> 0002

CREATE INDEX shipments_retried ON shipments (due_at_ms, order_id) WHERE due_at_ms IS NOT NULL AND waits > 0;

GO

ALTER TABLE dead_letters ADD outcome NVARCHAR(2000) COLLATE Latin1_General_100_BIN2 NULL;

GO

ALTER TABLE dead_letters ADD redriven_at DATETIME2(6) NULL;

GO

ALTER TABLE dead_letters ADD redrive_id CHAR(36) COLLATE Latin1_General_100_BIN2 NULL;

GO

CREATE INDEX dead_letters_by_kind ON dead_letters (kind, state, id);

GO

CREATE INDEX dead_letters_of_redrive ON dead_letters (redrive_id, redriven_at);

GO

CREATE INDEX dead_letters_redriven ON dead_letters (order_id) WHERE state = 'redriven';

GO

CREATE TABLE dead_letter_actions (
    id CHAR(36) COLLATE Latin1_General_100_BIN2 NOT NULL, 
    letter_id CHAR(36) COLLATE Latin1_General_100_BIN2 NOT NULL, 
    at DATETIME2(6) NOT NULL, 
    actor NVARCHAR(400) COLLATE Latin1_General_100_BIN2 NOT NULL, 
    action NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NOT NULL, 
    note NVARCHAR(2000) COLLATE Latin1_General_100_BIN2 NULL, 
    PRIMARY KEY (id)
);
ALTER TABLE dead_letter_actions SET (LOCK_ESCALATION = DISABLE);

GO

CREATE INDEX dead_letter_actions_of_letter ON dead_letter_actions (letter_id, at);

GO

CREATE TABLE redrives (
    id CHAR(36) COLLATE Latin1_General_100_BIN2 NOT NULL, 
    kind NVARCHAR(128) COLLATE Latin1_General_100_BIN2 NOT NULL, 
    reason NVARCHAR(2000) COLLATE Latin1_General_100_BIN2 NULL, 
    rate_per_s INTEGER NOT NULL, 
    actor NVARCHAR(400) COLLATE Latin1_General_100_BIN2 NOT NULL, 
    state NVARCHAR(32) COLLATE Latin1_General_100_BIN2 NOT NULL, 
    note NVARCHAR(2000) COLLATE Latin1_General_100_BIN2 NULL, 
    redriven INTEGER NOT NULL, 
    started_at DATETIME2(6) NOT NULL, 
    ended_at DATETIME2(6) NULL, 
    step_due_ms BIGINT NOT NULL, 
    PRIMARY KEY (id)
);
ALTER TABLE redrives SET (LOCK_ESCALATION = DISABLE);

GO

CREATE UNIQUE INDEX redrives_running ON redrives (kind) WHERE state = 'running';

GO

UPDATE alembic_version_fulfillment SET version_num='0002' WHERE alembic_version_fulfillment.version_num = '0001';

GO

-- Running upgrade 0002 -> 0003

ALTER TABLE shipments ADD party NVARCHAR(1000) COLLATE Latin1_General_100_BIN2 NULL;

GO

ALTER TABLE workers ADD parties NVARCHAR(max) COLLATE Latin1_General_100_BIN2 NULL;

GO

UPDATE alembic_version_fulfillment SET version_num='0003' WHERE alembic_version_fulfillment.version_num = '0002';

GO

-- Running upgrade 0003 -> 0004

CREATE TABLE stock (
    product_id NVARCHAR(400) COLLATE Latin1_General_100_BIN2 NOT NULL, 
    on_hand BIGINT NOT NULL, 
    reserved BIGINT NOT NULL, 
    counted_at DATETIME2(6) NOT NULL, 
    PRIMARY KEY (product_id)
);
ALTER TABLE stock SET (LOCK_ESCALATION = DISABLE);

GO

CREATE TABLE reservations (
    order_id CHAR(36) COLLATE Latin1_General_100_BIN2 NOT NULL, 
    product_id NVARCHAR(400) COLLATE Latin1_General_100_BIN2 NOT NULL, 
    quantity BIGINT NOT NULL, 
    PRIMARY KEY (order_id, product_id)
);
ALTER TABLE reservations SET (LOCK_ESCALATION = DISABLE);

GO

UPDATE alembic_version_fulfillment SET version_num='0004' WHERE alembic_version_fulfillment.version_num = '0003';

GO

-- Running upgrade 0004 -> 0005

ALTER TABLE shipments ADD amount_minor BIGINT NULL;

GO

ALTER TABLE shipments ADD currency NVARCHAR(6) COLLATE Latin1_General_100_BIN2 NULL;

GO

ALTER TABLE shipments ADD step NVARCHAR(32) COLLATE Latin1_General_100_BIN2 NOT NULL DEFAULT 'ship';

GO

ALTER TABLE shipments ADD direction NVARCHAR(8) COLLATE Latin1_General_100_BIN2 NOT NULL DEFAULT 'do';

GO

ALTER TABLE shipments ADD ended NVARCHAR(max) COLLATE Latin1_General_100_BIN2 NULL;

GO

ALTER TABLE shipments ADD cancel_requested_at DATETIME2(6) NULL;

GO

ALTER TABLE dead_letters ADD step NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NULL;

GO

UPDATE dead_letters SET step=? WHERE dead_letters.topic IS NULL;

GO

UPDATE alembic_version_fulfillment SET version_num='0005' WHERE alembic_version_fulfillment.version_num = '0004';

GO

-- Running upgrade 0005 -> 0006

CREATE TABLE fulfillment_api_keys (
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
ALTER TABLE fulfillment_api_keys SET (LOCK_ESCALATION = DISABLE);

GO

UPDATE alembic_version_fulfillment SET version_num='0006' WHERE alembic_version_fulfillment.version_num = '0005';

GO

-- Running upgrade 0006 -> 0007

CREATE TABLE fulfillment_audit_log (
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
ALTER TABLE fulfillment_audit_log SET (LOCK_ESCALATION = DISABLE);

GO

CREATE TRIGGER fulfillment_audit_log_is_append_only ON fulfillment_audit_log INSTEAD OF UPDATE, DELETE AS THROW 50000, 'fulfillment_audit_log is append-only', 1;

GO

UPDATE alembic_version_fulfillment SET version_num='0007' WHERE alembic_version_fulfillment.version_num = '0006';

GO

-- Running upgrade 0007 -> 0008

CREATE INDEX dead_letters_by_order ON dead_letters (order_id, id) WHERE order_id IS NOT NULL;

GO

UPDATE alembic_version_fulfillment SET version_num='0008' WHERE alembic_version_fulfillment.version_num = '0007';

GO

-- Running upgrade 0008 -> 0009

UPDATE alembic_version_fulfillment SET version_num='0009' WHERE alembic_version_fulfillment.version_num = '0008';

GO

-- Running upgrade 0009 -> 0010

ALTER TABLE shipments ADD failed_calls NVARCHAR(max) COLLATE Latin1_General_100_BIN2 NULL;

GO

UPDATE alembic_version_fulfillment SET version_num='0010' WHERE alembic_version_fulfillment.version_num = '0009';

GO

-- Running upgrade 0010 -> 0011

ALTER TABLE stock ADD CONSTRAINT stock_product_id_is_exact CHECK (DATALENGTH(product_id) = DATALENGTH(RTRIM(product_id)));

GO

ALTER TABLE reservations ADD CONSTRAINT reservations_product_id_is_exact CHECK (DATALENGTH(product_id) = DATALENGTH(RTRIM(product_id)));

GO

ALTER TABLE fulfillment_api_keys ADD CONSTRAINT fulfillment_api_keys_customer_id_is_exact CHECK (DATALENGTH(customer_id) = DATALENGTH(RTRIM(customer_id)));

GO

UPDATE alembic_version_fulfillment SET version_num='0011' WHERE alembic_version_fulfillment.version_num = '0010';

GO

-- Running upgrade 0011 -> 0012

ALTER TABLE redrives ADD staged BIT NOT NULL DEFAULT 0;

GO

ALTER TABLE redrives ADD letters INTEGER NULL;

GO

CREATE INDEX dead_letters_open ON dead_letters (id) WHERE state = 'open';

GO

UPDATE alembic_version_fulfillment SET version_num='0012' WHERE alembic_version_fulfillment.version_num = '0011';

GO
