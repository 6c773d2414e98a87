BEGIN TRANSACTION;
CREATE TABLE alembic_version_orders (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_orders_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version_orders" VALUES('0007');
CREATE TABLE api_keys (
	prefix VARCHAR(10) NOT NULL, 
	sha256 VARCHAR(64) NOT NULL, 
	name VARCHAR(64) NOT NULL, 
	scopes VARCHAR(200) NOT NULL, 
	customer_id VARCHAR(200), 
	created_at DATETIME NOT NULL, 
	expires_at DATETIME, 
	revoked_at DATETIME, 
	last_used_at DATETIME, 
	PRIMARY KEY (prefix)
);
INSERT INTO "api_keys" VALUES('0123456789','0000000000000000000000000000000000000000000000000000000000000000','shop','orders:read orders:write',NULL,'2026-11-27 05:57:33.453695',NULL,NULL,NULL);
INSERT INTO "api_keys" VALUES('abcdef0123','0000000000000000000000000000000000000000000000000000000000000000','shop','orders:read orders:write',NULL,'2026-11-27 05:57:33.453695','2026-11-27 05:57:33.453695','2026-11-27 05:57:33.453695',NULL);
CREATE TABLE audit_log (
	id CHAR(36) NOT NULL, 
	at DATETIME NOT NULL, 
	actor VARCHAR(200) NOT NULL, 
	action VARCHAR(64) NOT NULL, 
	subject VARCHAR(200) NOT NULL, 
	reason VARCHAR(1000), 
	correlation_id VARCHAR(200) NOT NULL, 
	details TEXT NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "audit_log" VALUES('8b3d2b79-f0e4-4381-ba4b-2230f7b5b88a','2026-11-27 05:57:33.453695','ada','order.hold','it','why','abc','{}');
CREATE TABLE idempotency_keys (
	caller VARCHAR(64) NOT NULL, 
	"key" VARCHAR(255) NOT NULL, 
	request_hash VARCHAR(64) NOT NULL, 
	order_id CHAR(36) NOT NULL, 
	created_at DATETIME NOT NULL, 
	PRIMARY KEY (caller, "key")
);
INSERT INTO "idempotency_keys" VALUES('shop','k','0000000000000000000000000000000000000000000000000000000000000000','463093a4-8c5d-470b-9881-d16a91ff6ef5','2026-11-27 05:57:33.453695');
CREATE TABLE last_contraction_orders (
	revision VARCHAR(32) NOT NULL, 
	PRIMARY KEY (revision)
);
CREATE TABLE order_changes (
	order_id CHAR(36) NOT NULL, 
	version INTEGER NOT NULL, 
	at DATETIME NOT NULL, 
	status VARCHAR(16) NOT NULL, 
	actor VARCHAR(200) NOT NULL, 
	reason VARCHAR(1000), 
	correlation_id VARCHAR(200) NOT NULL, 
	PRIMARY KEY (order_id, version)
);
INSERT INTO "order_changes" VALUES('1425232f-7d15-441f-9d0c-cf24b72d3a2d',1,'2026-11-27 05:57:33.453695','Created','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('7d9f9611-d072-4839-89ac-611e5089814f',1,'2026-11-27 05:57:33.453695','Created','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('e43c3e96-6454-4d03-9252-f6c6fbb487fd',1,'2026-11-27 05:57:33.453695','Created','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('279532cb-fb59-4d5b-8ff1-9c5544205000',1,'2026-11-27 05:57:33.453695','Created','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('9e728524-e1c7-4df6-8177-388e6fff73c2',1,'2026-11-27 05:57:33.453695','OnHold','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('5bc36d2d-b318-4cc2-9e53-26d3830be205',1,'2026-11-27 05:57:33.453695','Cancelled','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('a93f3b6e-c072-420f-90ed-235763d71c37',1,'2026-11-27 05:57:33.453695','Cancelling','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('a11af9b3-6fae-49de-825e-a6d7666dd16e',1,'2026-11-27 05:57:33.453695','Created','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('4e0d95a2-d41d-428e-b4c2-d978ca53bb66',1,'2026-11-27 05:57:33.453695','Processing','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('e59a49d7-ca6f-4692-8338-3ac67adcf8c8',1,'2026-11-27 05:57:33.453695','Processing','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('c762c475-9c52-4bb4-8755-e87ad03706bb',1,'2026-11-27 05:57:33.453695','Processing','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('f75ddd1b-86b1-4a1b-bc43-8670da93146d',1,'2026-11-27 05:57:33.453695','Processing','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('dcecb68a-387a-4c82-aad1-5dae726a7f98',1,'2026-11-27 05:57:33.453695','Shipped','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('d6f538c6-5c7e-44ce-8f13-3d83c4b09dcf',1,'2026-11-27 05:57:33.453695','Processing','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('463093a4-8c5d-470b-9881-d16a91ff6ef5',1,'2026-11-27 05:57:33.453695','Shipped','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('d006d981-6968-40cf-8883-2e7bf521e8ba',1,'2026-11-27 05:57:33.453695','Failed','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('25b9d444-e1bf-42d2-aa73-773fffd26d98',1,'2026-11-27 05:57:33.453695','Processing','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('754fcbab-bd68-413f-8faf-3ed1e667f69a',1,'2026-11-27 05:57:33.453695','Processing','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('c9f57837-48ec-4e77-80b6-bbab9a72a17e',1,'2026-11-27 05:57:33.453695','Processing','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('5d47a0ed-9914-479e-94da-f4864795b54d',1,'2026-11-27 05:57:33.453695','Processing','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('2a0b39fb-379e-4996-939b-6db08131c894',1,'2026-11-27 05:57:33.453695','Processing','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('c35e4710-4efd-4e4e-9fa1-9f5c46ddcfaf',1,'2026-11-27 05:57:33.453695','Processing','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('d282a552-c769-4360-82ea-5e1730a11ef9',1,'2026-11-27 05:57:33.453695','Processing','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('a94e582a-4950-4d6b-a556-a62f19428880',1,'2026-11-27 05:57:33.453695','Processing','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('ef0981bb-ac41-420a-abdd-13c71ab9de6a',1,'2026-11-27 05:57:33.453695','Created','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('76eabb0f-def5-492d-ac56-7c4d22b2451a',1,'2026-11-27 05:57:33.453695','Created','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('2944bd7b-0660-452c-81fc-0fa4044e5948',1,'2026-11-27 05:57:33.453695','Created','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('6d589992-569b-4c0f-a64a-fe8ea7126b4d',1,'2026-11-27 05:57:33.453695','Created','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('6c40dcc1-812b-42de-b65b-a44479a93697',1,'2026-11-27 05:57:33.453695','Created','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('321983b0-6a4d-45a4-8ec2-9d899934147c',1,'2026-11-27 05:57:33.453695','Created','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('d11cff41-2552-4fb5-88e6-b987b3784ffd',1,'2026-11-27 05:57:33.453695','Processing','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('e9cd66d9-cb97-4522-b7a2-e3eb1cc29694',1,'2026-11-27 05:57:33.453695','Processing','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('38166098-0124-4e15-a823-f42c52aac1b2',1,'2026-11-27 05:57:33.453695','Processing','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('6613aae7-d89b-4352-b67b-7e3767faf835',1,'2026-11-27 05:57:33.453695','Processing','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('1166afd1-46db-4347-923f-b206f1d3e247',1,'2026-11-27 05:57:33.453695','Processing','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('5a98c729-fe6e-4f3d-ba0d-38fb736ade80',1,'2026-11-27 05:57:33.453695','Processing','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('6f7862cd-5bea-48cd-a2c9-15a72c2bee57',1,'2026-11-27 05:57:33.453695','Shipped','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('4359c8ff-7fee-4b88-a526-de3faf40768b',1,'2026-11-27 05:57:33.453695','Shipped','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('ca31ee0b-3f50-49d6-812a-3f0177f27bca',1,'2026-11-27 05:57:33.453695','Shipped','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('a449bc81-62e1-4fb0-844f-6ddea940e326',1,'2026-11-27 05:57:33.453695','Processing','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('3ca4bb75-8d7c-461f-8886-0dc0fd0957ee',1,'2026-11-27 05:57:33.453695','Processing','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('6a441b16-0e35-46dc-b0a9-9cea80941d47',1,'2026-11-27 05:57:33.453695','Cancelling','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('738a88a8-a802-4dcc-84dd-51cf995abd22',1,'2026-11-27 05:57:33.453695','Cancelling','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('2ecdc4d6-8547-4a29-87f9-d3ad67492479',1,'2026-11-27 05:57:33.453695','Cancelling','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('55dbb613-8955-4d93-9d5c-637a350aeade',1,'2026-11-27 05:57:33.453695','Cancelling','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('4fb70c88-ed2e-487a-8308-8968dcb60afa',1,'2026-11-27 05:57:33.453695','Processing','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('3137844e-e30b-47a4-80b8-ba5c08330135',1,'2026-11-27 05:57:33.453695','Shipped','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('c95931e4-42c8-469d-8b4e-213e3e87b157',1,'2026-11-27 05:57:33.453695','Cancelling','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('b19ed395-02f2-45d4-972a-8f674e53a79c',1,'2026-11-27 05:57:33.453695','Processing','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('40408178-042c-44a5-8146-466f2357e40d',1,'2026-11-27 05:57:33.453695','Processing','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('cbdb81d0-c278-4359-ade3-c1f678e94e47',1,'2026-11-27 05:57:33.453695','Failed','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('272983c9-169a-4d01-9efe-bc009419eeef',1,'2026-11-27 05:57:33.453695','Shipped','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('03a3df43-fe51-413a-bf43-8a85f3428e19',1,'2026-11-27 05:57:33.453695','Created','api',NULL,'abc');
CREATE TABLE order_items (
	order_id CHAR(36) NOT NULL, 
	line INTEGER NOT NULL, 
	product_id VARCHAR(200) NOT NULL, 
	quantity INTEGER NOT NULL, 
	unit_price_minor BIGINT, 
	PRIMARY KEY (order_id, line)
);
INSERT INTO "order_items" VALUES('1425232f-7d15-441f-9d0c-cf24b72d3a2d',1,'p-1',2,NULL);
INSERT INTO "order_items" VALUES('7d9f9611-d072-4839-89ac-611e5089814f',1,'p-1',2,NULL);
INSERT INTO "order_items" VALUES('e43c3e96-6454-4d03-9252-f6c6fbb487fd',1,'p-1',2,NULL);
INSERT INTO "order_items" VALUES('279532cb-fb59-4d5b-8ff1-9c5544205000',1,'p-1',2,NULL);
INSERT INTO "order_items" VALUES('9e728524-e1c7-4df6-8177-388e6fff73c2',1,'p-1',2,NULL);
INSERT INTO "order_items" VALUES('5bc36d2d-b318-4cc2-9e53-26d3830be205',1,'p-1',2,NULL);
INSERT INTO "order_items" VALUES('a93f3b6e-c072-420f-90ed-235763d71c37',1,'p-1',2,NULL);
INSERT INTO "order_items" VALUES('a11af9b3-6fae-49de-825e-a6d7666dd16e',1,'p-1',2,NULL);
INSERT INTO "order_items" VALUES('4e0d95a2-d41d-428e-b4c2-d978ca53bb66',1,'p-1',2,NULL);
INSERT INTO "order_items" VALUES('e59a49d7-ca6f-4692-8338-3ac67adcf8c8',1,'p-1',2,NULL);
INSERT INTO "order_items" VALUES('c762c475-9c52-4bb4-8755-e87ad03706bb',1,'p-1',2,NULL);
INSERT INTO "order_items" VALUES('f75ddd1b-86b1-4a1b-bc43-8670da93146d',1,'p-1',2,NULL);
INSERT INTO "order_items" VALUES('dcecb68a-387a-4c82-aad1-5dae726a7f98',1,'p-1',2,NULL);
INSERT INTO "order_items" VALUES('d6f538c6-5c7e-44ce-8f13-3d83c4b09dcf',1,'p-1',2,NULL);
INSERT INTO "order_items" VALUES('463093a4-8c5d-470b-9881-d16a91ff6ef5',1,'p-1',2,NULL);
INSERT INTO "order_items" VALUES('d006d981-6968-40cf-8883-2e7bf521e8ba',1,'p-1',2,NULL);
INSERT INTO "order_items" VALUES('25b9d444-e1bf-42d2-aa73-773fffd26d98',1,'p-1',2,NULL);
INSERT INTO "order_items" VALUES('754fcbab-bd68-413f-8faf-3ed1e667f69a',1,'p-1',2,NULL);
INSERT INTO "order_items" VALUES('c9f57837-48ec-4e77-80b6-bbab9a72a17e',1,'p-1',2,NULL);
INSERT INTO "order_items" VALUES('5d47a0ed-9914-479e-94da-f4864795b54d',1,'p-1',2,NULL);
INSERT INTO "order_items" VALUES('2a0b39fb-379e-4996-939b-6db08131c894',1,'p-1',2,NULL);
INSERT INTO "order_items" VALUES('c35e4710-4efd-4e4e-9fa1-9f5c46ddcfaf',1,'p-1',2,NULL);
INSERT INTO "order_items" VALUES('d282a552-c769-4360-82ea-5e1730a11ef9',1,'p-1',2,NULL);
INSERT INTO "order_items" VALUES('a94e582a-4950-4d6b-a556-a62f19428880',1,'p-1',2,NULL);
INSERT INTO "order_items" VALUES('ef0981bb-ac41-420a-abdd-13c71ab9de6a',1,'p-1',2,NULL);
INSERT INTO "order_items" VALUES('76eabb0f-def5-492d-ac56-7c4d22b2451a',1,'p-1',2,NULL);
INSERT INTO "order_items" VALUES('2944bd7b-0660-452c-81fc-0fa4044e5948',1,'p-1',2,NULL);
INSERT INTO "order_items" VALUES('6d589992-569b-4c0f-a64a-fe8ea7126b4d',1,'p-1',2,NULL);
INSERT INTO "order_items" VALUES('6c40dcc1-812b-42de-b65b-a44479a93697',1,'p-1',2,NULL);
INSERT INTO "order_items" VALUES('321983b0-6a4d-45a4-8ec2-9d899934147c',1,'p-1',2,NULL);
INSERT INTO "order_items" VALUES('d11cff41-2552-4fb5-88e6-b987b3784ffd',1,'p-1',2,250);
INSERT INTO "order_items" VALUES('e9cd66d9-cb97-4522-b7a2-e3eb1cc29694',1,'p-1',2,250);
INSERT INTO "order_items" VALUES('38166098-0124-4e15-a823-f42c52aac1b2',1,'p-1',2,250);
INSERT INTO "order_items" VALUES('6613aae7-d89b-4352-b67b-7e3767faf835',1,'p-1',2,250);
INSERT INTO "order_items" VALUES('1166afd1-46db-4347-923f-b206f1d3e247',1,'p-1',2,250);
INSERT INTO "order_items" VALUES('5a98c729-fe6e-4f3d-ba0d-38fb736ade80',1,'p-1',2,250);
INSERT INTO "order_items" VALUES('6f7862cd-5bea-48cd-a2c9-15a72c2bee57',1,'p-1',2,250);
INSERT INTO "order_items" VALUES('4359c8ff-7fee-4b88-a526-de3faf40768b',1,'p-1',2,250);
INSERT INTO "order_items" VALUES('ca31ee0b-3f50-49d6-812a-3f0177f27bca',1,'p-1',2,250);
INSERT INTO "order_items" VALUES('a449bc81-62e1-4fb0-844f-6ddea940e326',1,'p-1',2,250);
INSERT INTO "order_items" VALUES('3ca4bb75-8d7c-461f-8886-0dc0fd0957ee',1,'p-1',2,250);
INSERT INTO "order_items" VALUES('6a441b16-0e35-46dc-b0a9-9cea80941d47',1,'p-1',2,250);
INSERT INTO "order_items" VALUES('738a88a8-a802-4dcc-84dd-51cf995abd22',1,'p-1',2,250);
INSERT INTO "order_items" VALUES('2ecdc4d6-8547-4a29-87f9-d3ad67492479',1,'p-1',2,250);
INSERT INTO "order_items" VALUES('55dbb613-8955-4d93-9d5c-637a350aeade',1,'p-1',2,250);
INSERT INTO "order_items" VALUES('4fb70c88-ed2e-487a-8308-8968dcb60afa',1,'p-1',2,250);
INSERT INTO "order_items" VALUES('3137844e-e30b-47a4-80b8-ba5c08330135',1,'p-1',2,250);
INSERT INTO "order_items" VALUES('c95931e4-42c8-469d-8b4e-213e3e87b157',1,'p-1',2,250);
INSERT INTO "order_items" VALUES('b19ed395-02f2-45d4-972a-8f674e53a79c',1,'p-1',2,250);
INSERT INTO "order_items" VALUES('40408178-042c-44a5-8146-466f2357e40d',1,'p-1',2,250);
INSERT INTO "order_items" VALUES('cbdb81d0-c278-4359-ade3-c1f678e94e47',1,'p-1',2,250);
INSERT INTO "order_items" VALUES('272983c9-169a-4d01-9efe-bc009419eeef',1,'p-1',2,250);
INSERT INTO "order_items" VALUES('03a3df43-fe51-413a-bf43-8a85f3428e19',1,'p-1',2,250);
CREATE TABLE orders (
	order_id CHAR(36) NOT NULL, 
	customer_id VARCHAR(200) NOT NULL, 
	customer_name VARCHAR(200) NOT NULL, 
	currency VARCHAR(3), 
	ship_to TEXT, 
	created_at DATETIME NOT NULL, 
	correlation_id VARCHAR(200) NOT NULL, 
	status VARCHAR(16) NOT NULL, 
	version INTEGER NOT NULL, 
	updated_at DATETIME NOT NULL, 
	carrier VARCHAR(200), 
	tracking_number VARCHAR(200), 
	shipped_at DATETIME, 
	error_message VARCHAR(1000), 
	attention_kind VARCHAR(64), 
	attention_reason VARCHAR(1000), 
	attention_since DATETIME, created_by VARCHAR(64), 
	PRIMARY KEY (order_id)
);
INSERT INTO "orders" VALUES('1425232f-7d15-441f-9d0c-cf24b72d3a2d','c-1','Ada',NULL,NULL,'2026-11-27 05:57:33.453695','abc','Created',1,'2026-11-27 05:57:33.453695',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "orders" VALUES('7d9f9611-d072-4839-89ac-611e5089814f','c-1','Ada',NULL,NULL,'2026-11-27 05:57:33.453695','abc','Created',1,'2026-11-27 05:57:33.453695',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "orders" VALUES('e43c3e96-6454-4d03-9252-f6c6fbb487fd','c-1','Ada',NULL,NULL,'2026-11-27 05:57:33.453695','abc','Created',1,'2026-11-27 05:57:33.453695',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "orders" VALUES('279532cb-fb59-4d5b-8ff1-9c5544205000','c-1','Ada',NULL,NULL,'2026-11-27 05:57:33.453695','abc','Created',1,'2026-11-27 05:57:33.453695',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "orders" VALUES('9e728524-e1c7-4df6-8177-388e6fff73c2','c-1','Ada',NULL,NULL,'2026-11-27 05:57:33.453695','abc','OnHold',1,'2026-11-27 05:57:33.453695',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "orders" VALUES('5bc36d2d-b318-4cc2-9e53-26d3830be205','c-1','Ada',NULL,NULL,'2026-11-27 05:57:33.453695','abc','Cancelled',1,'2026-11-27 05:57:33.453695',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "orders" VALUES('a93f3b6e-c072-420f-90ed-235763d71c37','c-1','Ada',NULL,NULL,'2026-11-27 05:57:33.453695','abc','Cancelling',1,'2026-11-27 05:57:33.453695',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "orders" VALUES('a11af9b3-6fae-49de-825e-a6d7666dd16e','c-1','Ada',NULL,NULL,'2026-11-27 05:57:33.453695','abc','Created',1,'2026-11-27 05:57:33.453695',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "orders" VALUES('4e0d95a2-d41d-428e-b4c2-d978ca53bb66','c-1','Ada',NULL,NULL,'2026-11-27 05:57:33.453695','abc','Processing',1,'2026-11-27 05:57:33.453695',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "orders" VALUES('e59a49d7-ca6f-4692-8338-3ac67adcf8c8','c-1','Ada',NULL,NULL,'2026-11-27 05:57:33.453695','abc','Processing',1,'2026-11-27 05:57:33.453695',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "orders" VALUES('c762c475-9c52-4bb4-8755-e87ad03706bb','c-1','Ada',NULL,NULL,'2026-11-27 05:57:33.453695','abc','Processing',1,'2026-11-27 05:57:33.453695',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "orders" VALUES('f75ddd1b-86b1-4a1b-bc43-8670da93146d','c-1','Ada',NULL,NULL,'2026-11-27 05:57:33.453695','abc','Processing',1,'2026-11-27 05:57:33.453695',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "orders" VALUES('dcecb68a-387a-4c82-aad1-5dae726a7f98','c-1','Ada',NULL,NULL,'2026-11-27 05:57:33.453695','abc','Shipped',1,'2026-11-27 05:57:33.453695','Old Carrier','OLD-1','2026-11-27 05:57:33.453695',NULL,NULL,NULL,NULL,NULL);
INSERT INTO "orders" VALUES('d6f538c6-5c7e-44ce-8f13-3d83c4b09dcf','c-1','Ada',NULL,NULL,'2026-11-27 05:57:33.453695','abc','Processing',1,'2026-11-27 05:57:33.453695',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "orders" VALUES('463093a4-8c5d-470b-9881-d16a91ff6ef5','c-1','Ada',NULL,NULL,'2026-11-27 05:57:33.453695','abc','Shipped',1,'2026-11-27 05:57:33.453695','Old Carrier','OLD-1','2026-11-27 05:57:33.453695',NULL,NULL,NULL,NULL,NULL);
INSERT INTO "orders" VALUES('d006d981-6968-40cf-8883-2e7bf521e8ba','c-1','Ada',NULL,NULL,'2026-11-27 05:57:33.453695','abc','Failed',1,'2026-11-27 05:57:33.453695',NULL,NULL,NULL,'no',NULL,NULL,NULL,NULL);
INSERT INTO "orders" VALUES('25b9d444-e1bf-42d2-aa73-773fffd26d98','c-1','Ada',NULL,NULL,'2026-11-27 05:57:33.453695','abc','Processing',1,'2026-11-27 05:57:33.453695',NULL,NULL,NULL,NULL,'carrier-refused','ask','2026-11-27 05:57:33.453695',NULL);
INSERT INTO "orders" VALUES('754fcbab-bd68-413f-8faf-3ed1e667f69a','c-1','Ada',NULL,NULL,'2026-11-27 05:57:33.453695','abc','Processing',1,'2026-11-27 05:57:33.453695',NULL,NULL,NULL,NULL,'carrier-unavailable','ask','2026-11-27 05:57:33.453695',NULL);
INSERT INTO "orders" VALUES('c9f57837-48ec-4e77-80b6-bbab9a72a17e','c-1','Ada',NULL,NULL,'2026-11-27 05:57:33.453695','abc','Processing',1,'2026-11-27 05:57:33.453695',NULL,NULL,NULL,NULL,'carrier-changed','ask','2026-11-27 05:57:33.453695',NULL);
INSERT INTO "orders" VALUES('5d47a0ed-9914-479e-94da-f4864795b54d','c-1','Ada',NULL,NULL,'2026-11-27 05:57:33.453695','abc','Processing',1,'2026-11-27 05:57:33.453695',NULL,NULL,NULL,NULL,'carrier-label','ask','2026-11-27 05:57:33.453695',NULL);
INSERT INTO "orders" VALUES('2a0b39fb-379e-4996-939b-6db08131c894','c-1','Ada',NULL,NULL,'2026-11-27 05:57:33.453695','abc','Processing',1,'2026-11-27 05:57:33.453695',NULL,NULL,NULL,NULL,'interrupted','ask','2026-11-27 05:57:33.453695',NULL);
INSERT INTO "orders" VALUES('c35e4710-4efd-4e4e-9fa1-9f5c46ddcfaf','c-1','Ada',NULL,NULL,'2026-11-27 05:57:33.453695','abc','Processing',1,'2026-11-27 05:57:33.453695',NULL,NULL,NULL,NULL,'carrier-doubt','ask','2026-11-27 05:57:33.453695',NULL);
INSERT INTO "orders" VALUES('d282a552-c769-4360-82ea-5e1730a11ef9','c-1','Ada',NULL,NULL,'2026-11-27 05:57:33.453695','abc','Processing',1,'2026-11-27 05:57:33.453695',NULL,NULL,NULL,NULL,'update-unavailable','ask','2026-11-27 05:57:33.453695',NULL);
INSERT INTO "orders" VALUES('a94e582a-4950-4d6b-a556-a62f19428880','c-1','Ada',NULL,NULL,'2026-11-27 05:57:33.453695','abc','Processing',1,'2026-11-27 05:57:33.453695',NULL,NULL,NULL,NULL,'status-conflict','ask','2026-11-27 05:57:33.453695',NULL);
INSERT INTO "orders" VALUES('ef0981bb-ac41-420a-abdd-13c71ab9de6a','c-1','Ada',NULL,NULL,'2026-11-27 05:57:33.453695','abc','Created',1,'2026-11-27 05:57:33.453695',NULL,NULL,NULL,NULL,'unknown-order','ask','2026-11-27 05:57:33.453695',NULL);
INSERT INTO "orders" VALUES('76eabb0f-def5-492d-ac56-7c4d22b2451a','c-1','Ada',NULL,NULL,'2026-11-27 05:57:33.453695','abc','Created',1,'2026-11-27 05:57:33.453695',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "orders" VALUES('2944bd7b-0660-452c-81fc-0fa4044e5948','c-1','Ada',NULL,NULL,'2026-11-27 05:57:33.453695','abc','Created',1,'2026-11-27 05:57:33.453695',NULL,NULL,NULL,NULL,'unstorable','ask','2026-11-27 05:57:33.453695',NULL);
INSERT INTO "orders" VALUES('6d589992-569b-4c0f-a64a-fe8ea7126b4d','c-1','Ada',NULL,NULL,'2026-11-27 05:57:33.453695','abc','Created',1,'2026-11-27 05:57:33.453695',NULL,NULL,NULL,NULL,'newer-schema','ask','2026-11-27 05:57:33.453695',NULL);
INSERT INTO "orders" VALUES('6c40dcc1-812b-42de-b65b-a44479a93697','c-1','Ada',NULL,NULL,'2026-11-27 05:57:33.453695','abc','Created',1,'2026-11-27 05:57:33.453695',NULL,NULL,NULL,NULL,'undecodable','ask','2026-11-27 05:57:33.453695',NULL);
INSERT INTO "orders" VALUES('321983b0-6a4d-45a4-8ec2-9d899934147c','c-1','Ada',NULL,NULL,'2026-11-27 05:57:33.453695','abc','Created',1,'2026-11-27 05:57:33.453695',NULL,NULL,NULL,NULL,'contract-violation','ask','2026-11-27 05:57:33.453695',NULL);
INSERT INTO "orders" VALUES('d11cff41-2552-4fb5-88e6-b987b3784ffd','c-1','Ada','EUR','{"name":"Ada","lines":["1 Main Street"],"city":"Berlin","country":"DE"}','2026-11-27 05:57:33.453695','abc','Processing',1,'2026-11-27 05:57:33.453695',NULL,NULL,NULL,NULL,NULL,NULL,NULL,'shop');
INSERT INTO "orders" VALUES('e9cd66d9-cb97-4522-b7a2-e3eb1cc29694','c-1','Ada','EUR','{"name":"Ada","lines":["1 Main Street"],"city":"Berlin","country":"DE"}','2026-11-27 05:57:33.453695','abc','Processing',1,'2026-11-27 05:57:33.453695',NULL,NULL,NULL,NULL,NULL,NULL,NULL,'shop');
INSERT INTO "orders" VALUES('38166098-0124-4e15-a823-f42c52aac1b2','c-1','Ada','EUR','{"name":"Ada","lines":["1 Main Street"],"city":"Berlin","country":"DE"}','2026-11-27 05:57:33.453695','abc','Processing',1,'2026-11-27 05:57:33.453695',NULL,NULL,NULL,NULL,NULL,NULL,NULL,'shop');
INSERT INTO "orders" VALUES('6613aae7-d89b-4352-b67b-7e3767faf835','c-1','Ada','EUR','{"name":"Ada","lines":["1 Main Street"],"city":"Berlin","country":"DE"}','2026-11-27 05:57:33.453695','abc','Processing',1,'2026-11-27 05:57:33.453695',NULL,NULL,NULL,NULL,NULL,NULL,NULL,'shop');
INSERT INTO "orders" VALUES('1166afd1-46db-4347-923f-b206f1d3e247','c-1','Ada','EUR','{"name":"Ada","lines":["1 Main Street"],"city":"Berlin","country":"DE"}','2026-11-27 05:57:33.453695','abc','Processing',1,'2026-11-27 05:57:33.453695',NULL,NULL,NULL,NULL,NULL,NULL,NULL,'shop');
INSERT INTO "orders" VALUES('5a98c729-fe6e-4f3d-ba0d-38fb736ade80','c-1','Ada','EUR','{"name":"Ada","lines":["1 Main Street"],"city":"Berlin","country":"DE"}','2026-11-27 05:57:33.453695','abc','Processing',1,'2026-11-27 05:57:33.453695',NULL,NULL,NULL,NULL,NULL,NULL,NULL,'shop');
INSERT INTO "orders" VALUES('6f7862cd-5bea-48cd-a2c9-15a72c2bee57','c-1','Ada','EUR','{"name":"Ada","lines":["1 Main Street"],"city":"Berlin","country":"DE"}','2026-11-27 05:57:33.453695','abc','Shipped',1,'2026-11-27 05:57:33.453695','Old Carrier','OLD-1','2026-11-27 05:57:33.453695',NULL,NULL,NULL,NULL,'shop');
INSERT INTO "orders" VALUES('4359c8ff-7fee-4b88-a526-de3faf40768b','c-1','Ada','EUR','{"name":"Ada","lines":["1 Main Street"],"city":"Berlin","country":"DE"}','2026-11-27 05:57:33.453695','abc','Shipped',1,'2026-11-27 05:57:33.453695','Old Carrier','OLD-1','2026-11-27 05:57:33.453695',NULL,NULL,NULL,NULL,'shop');
INSERT INTO "orders" VALUES('ca31ee0b-3f50-49d6-812a-3f0177f27bca','c-1','Ada','EUR','{"name":"Ada","lines":["1 Main Street"],"city":"Berlin","country":"DE"}','2026-11-27 05:57:33.453695','abc','Shipped',1,'2026-11-27 05:57:33.453695','Old Carrier','OLD-1','2026-11-27 05:57:33.453695',NULL,NULL,NULL,NULL,'shop');
INSERT INTO "orders" VALUES('a449bc81-62e1-4fb0-844f-6ddea940e326','c-1','Ada','EUR','{"name":"Ada","lines":["1 Main Street"],"city":"Berlin","country":"DE"}','2026-11-27 05:57:33.453695','abc','Processing',1,'2026-11-27 05:57:33.453695',NULL,NULL,NULL,NULL,NULL,NULL,NULL,'shop');
INSERT INTO "orders" VALUES('3ca4bb75-8d7c-461f-8886-0dc0fd0957ee','c-1','Ada','EUR','{"name":"Ada","lines":["1 Main Street"],"city":"Berlin","country":"DE"}','2026-11-27 05:57:33.453695','abc','Processing',1,'2026-11-27 05:57:33.453695',NULL,NULL,NULL,NULL,NULL,NULL,NULL,'shop');
INSERT INTO "orders" VALUES('6a441b16-0e35-46dc-b0a9-9cea80941d47','c-1','Ada','EUR','{"name":"Ada","lines":["1 Main Street"],"city":"Berlin","country":"DE"}','2026-11-27 05:57:33.453695','abc','Cancelling',1,'2026-11-27 05:57:33.453695',NULL,NULL,NULL,NULL,NULL,NULL,NULL,'shop');
INSERT INTO "orders" VALUES('738a88a8-a802-4dcc-84dd-51cf995abd22','c-1','Ada','EUR','{"name":"Ada","lines":["1 Main Street"],"city":"Berlin","country":"DE"}','2026-11-27 05:57:33.453695','abc','Cancelling',1,'2026-11-27 05:57:33.453695',NULL,NULL,NULL,NULL,NULL,NULL,NULL,'shop');
INSERT INTO "orders" VALUES('2ecdc4d6-8547-4a29-87f9-d3ad67492479','c-1','Ada','EUR','{"name":"Ada","lines":["1 Main Street"],"city":"Berlin","country":"DE"}','2026-11-27 05:57:33.453695','abc','Cancelling',1,'2026-11-27 05:57:33.453695',NULL,NULL,NULL,NULL,NULL,NULL,NULL,'shop');
INSERT INTO "orders" VALUES('55dbb613-8955-4d93-9d5c-637a350aeade','c-1','Ada','EUR','{"name":"Ada","lines":["1 Main Street"],"city":"Berlin","country":"DE"}','2026-11-27 05:57:33.453695','abc','Cancelling',1,'2026-11-27 05:57:33.453695',NULL,NULL,NULL,NULL,NULL,NULL,NULL,'shop');
INSERT INTO "orders" VALUES('4fb70c88-ed2e-487a-8308-8968dcb60afa','c-1','Ada','EUR','{"name":"Ada","lines":["1 Main Street"],"city":"Berlin","country":"DE"}','2026-11-27 05:57:33.453695','abc','Processing',1,'2026-11-27 05:57:33.453695',NULL,NULL,NULL,NULL,'payment','ask','2026-11-27 05:57:33.453695','shop');
INSERT INTO "orders" VALUES('3137844e-e30b-47a4-80b8-ba5c08330135','c-1','Ada','EUR','{"name":"Ada","lines":["1 Main Street"],"city":"Berlin","country":"DE"}','2026-11-27 05:57:33.453695','abc','Shipped',1,'2026-11-27 05:57:33.453695','Old Carrier','OLD-1','2026-11-27 05:57:33.453695',NULL,'payment','ask','2026-11-27 05:57:33.453695','shop');
INSERT INTO "orders" VALUES('c95931e4-42c8-469d-8b4e-213e3e87b157','c-1','Ada','EUR','{"name":"Ada","lines":["1 Main Street"],"city":"Berlin","country":"DE"}','2026-11-27 05:57:33.453695','abc','Cancelling',1,'2026-11-27 05:57:33.453695',NULL,NULL,NULL,NULL,'compensation','ask','2026-11-27 05:57:33.453695','shop');
INSERT INTO "orders" VALUES('b19ed395-02f2-45d4-972a-8f674e53a79c','c-1','Ada','EUR','{"name":"Ada","lines":["1 Main Street"],"city":"Berlin","country":"DE"}','2026-11-27 05:57:33.453695','abc','Processing',1,'2026-11-27 05:57:33.453695',NULL,NULL,NULL,NULL,'update-refused','ask','2026-11-27 05:57:33.453695','shop');
INSERT INTO "orders" VALUES('40408178-042c-44a5-8146-466f2357e40d','c-1','Ada','EUR','{"name":"Ada","lines":["1 Main Street"],"city":"Berlin","country":"DE"}','2026-11-27 05:57:33.453695','abc','Processing',1,'2026-11-27 05:57:33.453695',NULL,NULL,NULL,NULL,NULL,NULL,NULL,'shop');
INSERT INTO "orders" VALUES('cbdb81d0-c278-4359-ade3-c1f678e94e47','c-1','Ada','EUR','{"name":"Ada","lines":["1 Main Street"],"city":"Berlin","country":"DE"}','2026-11-27 05:57:33.453695','abc','Failed',1,'2026-11-27 05:57:33.453695',NULL,NULL,NULL,'no',NULL,NULL,NULL,'shop');
INSERT INTO "orders" VALUES('272983c9-169a-4d01-9efe-bc009419eeef','c-1','Ada','EUR','{"name":"Ada","lines":["1 Main Street"],"city":"Berlin","country":"DE"}','2026-11-27 05:57:33.453695','abc','Shipped',1,'2026-11-27 05:57:33.453695','Old Carrier','OLD-1','2026-11-27 05:57:33.453695',NULL,NULL,NULL,NULL,'shop');
INSERT INTO "orders" VALUES('03a3df43-fe51-413a-bf43-8a85f3428e19','c-1','Ada','EUR','{"name":"Ada","lines":["1 Main Street"],"city":"Berlin","country":"DE"}','2026-11-27 05:57:33.453695','abc','Created',1,'2026-11-27 05:57:33.453695',NULL,NULL,NULL,NULL,NULL,NULL,NULL,'shop');
CREATE TABLE outbox (
	order_id CHAR(36) NOT NULL, 
	order_version INTEGER NOT NULL, 
	event_id CHAR(36) NOT NULL, 
	event_type VARCHAR(64) NOT NULL, 
	topic VARCHAR(200) NOT NULL, 
	payload TEXT NOT NULL, 
	correlation_id VARCHAR(200) NOT NULL, 
	traceparent VARCHAR(55), 
	created_at DATETIME NOT NULL, 
	leased_until_ms BIGINT NOT NULL, 
	published_at DATETIME, 
	partition INTEGER, 
	"offset" BIGINT, 
	parked_reason VARCHAR(1000), 
	re_emissions INTEGER DEFAULT 0 NOT NULL, 
	PRIMARY KEY (order_id, order_version)
);
INSERT INTO "outbox" VALUES('1425232f-7d15-441f-9d0c-cf24b72d3a2d',1,'ba42db3b-c24f-50fb-a542-896edd6d6a65','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"ba42db3b-c24f-50fb-a542-896edd6d6a65","orderId":"1425232f-7d15-441f-9d0c-cf24b72d3a2d","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T05:57:33.453695+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 05:57:33.453695',0,NULL,NULL,NULL,NULL,0);
INSERT INTO "outbox" VALUES('7d9f9611-d072-4839-89ac-611e5089814f',1,'667241ac-0f13-51f1-a930-aca227811b26','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"667241ac-0f13-51f1-a930-aca227811b26","orderId":"7d9f9611-d072-4839-89ac-611e5089814f","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T05:57:33.453695+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 05:57:33.453695',0,'2026-11-27 05:57:33.453695',0,0,NULL,0);
INSERT INTO "outbox" VALUES('e43c3e96-6454-4d03-9252-f6c6fbb487fd',1,'800fc08f-f88f-5fc1-a35c-79bbd396f0b5','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"800fc08f-f88f-5fc1-a35c-79bbd396f0b5","orderId":"e43c3e96-6454-4d03-9252-f6c6fbb487fd","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T05:57:33.453695+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 05:57:33.453695',0,'2026-11-27 05:57:33.453695',0,0,NULL,0);
INSERT INTO "outbox" VALUES('279532cb-fb59-4d5b-8ff1-9c5544205000',1,'b2e23c7d-ae33-524f-8632-7656605f637f','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"b2e23c7d-ae33-524f-8632-7656605f637f","orderId":"279532cb-fb59-4d5b-8ff1-9c5544205000","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T05:57:33.453695+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 05:57:33.453695',0,'2026-11-27 05:57:33.453695',0,0,NULL,0);
INSERT INTO "outbox" VALUES('9e728524-e1c7-4df6-8177-388e6fff73c2',1,'0207ea11-232e-5a4b-a525-07399485b527','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"0207ea11-232e-5a4b-a525-07399485b527","orderId":"9e728524-e1c7-4df6-8177-388e6fff73c2","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T05:57:33.453695+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 05:57:33.453695',0,'2026-11-27 05:57:33.453695',0,0,NULL,0);
INSERT INTO "outbox" VALUES('5bc36d2d-b318-4cc2-9e53-26d3830be205',1,'9dfbddd8-4192-5124-bba9-79a51d90d49f','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"9dfbddd8-4192-5124-bba9-79a51d90d49f","orderId":"5bc36d2d-b318-4cc2-9e53-26d3830be205","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T05:57:33.453695+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 05:57:33.453695',0,'2026-11-27 05:57:33.453695',0,0,NULL,0);
INSERT INTO "outbox" VALUES('a93f3b6e-c072-420f-90ed-235763d71c37',1,'ec5e2dff-0718-58f2-8b07-f424ffc02be1','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"ec5e2dff-0718-58f2-8b07-f424ffc02be1","orderId":"a93f3b6e-c072-420f-90ed-235763d71c37","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T05:57:33.453695+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 05:57:33.453695',0,'2026-11-27 05:57:33.453695',0,0,NULL,0);
INSERT INTO "outbox" VALUES('a11af9b3-6fae-49de-825e-a6d7666dd16e',1,'01869acc-ed16-5b68-96a9-b7f7efdc2c0b','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"01869acc-ed16-5b68-96a9-b7f7efdc2c0b","orderId":"a11af9b3-6fae-49de-825e-a6d7666dd16e","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T05:57:33.453695+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 05:57:33.453695',0,'2026-11-27 05:57:33.453695',0,0,NULL,0);
INSERT INTO "outbox" VALUES('4e0d95a2-d41d-428e-b4c2-d978ca53bb66',1,'9f7d1216-9033-591b-b2f1-75009f42f05d','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"9f7d1216-9033-591b-b2f1-75009f42f05d","orderId":"4e0d95a2-d41d-428e-b4c2-d978ca53bb66","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T05:57:33.453695+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 05:57:33.453695',0,'2026-11-27 05:57:33.453695',0,0,NULL,0);
INSERT INTO "outbox" VALUES('e59a49d7-ca6f-4692-8338-3ac67adcf8c8',1,'74185815-13af-5d5b-9068-8047d60b7d91','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"74185815-13af-5d5b-9068-8047d60b7d91","orderId":"e59a49d7-ca6f-4692-8338-3ac67adcf8c8","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T05:57:33.453695+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 05:57:33.453695',0,'2026-11-27 05:57:33.453695',0,0,NULL,0);
INSERT INTO "outbox" VALUES('c762c475-9c52-4bb4-8755-e87ad03706bb',1,'f71d15fd-8a0e-5778-9ab6-1b2fa577aed0','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"f71d15fd-8a0e-5778-9ab6-1b2fa577aed0","orderId":"c762c475-9c52-4bb4-8755-e87ad03706bb","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T05:57:33.453695+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 05:57:33.453695',0,'2026-11-27 05:57:33.453695',0,0,NULL,0);
INSERT INTO "outbox" VALUES('f75ddd1b-86b1-4a1b-bc43-8670da93146d',1,'82141aca-44c2-5f14-8199-559693ae5c48','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"82141aca-44c2-5f14-8199-559693ae5c48","orderId":"f75ddd1b-86b1-4a1b-bc43-8670da93146d","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T05:57:33.453695+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 05:57:33.453695',0,'2026-11-27 05:57:33.453695',0,0,NULL,0);
INSERT INTO "outbox" VALUES('dcecb68a-387a-4c82-aad1-5dae726a7f98',1,'30e6c715-c08b-5f0e-a8bf-4aaa7ef30c4b','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"30e6c715-c08b-5f0e-a8bf-4aaa7ef30c4b","orderId":"dcecb68a-387a-4c82-aad1-5dae726a7f98","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T05:57:33.453695+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 05:57:33.453695',0,'2026-11-27 05:57:33.453695',0,0,NULL,0);
INSERT INTO "outbox" VALUES('d6f538c6-5c7e-44ce-8f13-3d83c4b09dcf',1,'76406556-1455-5e25-8f14-f34f4c4f4a25','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"76406556-1455-5e25-8f14-f34f4c4f4a25","orderId":"d6f538c6-5c7e-44ce-8f13-3d83c4b09dcf","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T05:57:33.453695+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 05:57:33.453695',0,'2026-11-27 05:57:33.453695',0,0,NULL,0);
INSERT INTO "outbox" VALUES('463093a4-8c5d-470b-9881-d16a91ff6ef5',1,'07d6fe7d-5144-5ee9-b7f4-8e3e4fc642e0','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"07d6fe7d-5144-5ee9-b7f4-8e3e4fc642e0","orderId":"463093a4-8c5d-470b-9881-d16a91ff6ef5","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T05:57:33.453695+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 05:57:33.453695',0,'2026-11-27 05:57:33.453695',0,0,NULL,0);
INSERT INTO "outbox" VALUES('d006d981-6968-40cf-8883-2e7bf521e8ba',1,'feb8ba73-0cde-52b5-8146-170a71ce3e93','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"feb8ba73-0cde-52b5-8146-170a71ce3e93","orderId":"d006d981-6968-40cf-8883-2e7bf521e8ba","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T05:57:33.453695+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 05:57:33.453695',0,'2026-11-27 05:57:33.453695',0,0,NULL,0);
INSERT INTO "outbox" VALUES('25b9d444-e1bf-42d2-aa73-773fffd26d98',1,'e4fde5e7-23ce-5466-a426-f82fb6485141','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"e4fde5e7-23ce-5466-a426-f82fb6485141","orderId":"25b9d444-e1bf-42d2-aa73-773fffd26d98","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T05:57:33.453695+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 05:57:33.453695',0,'2026-11-27 05:57:33.453695',0,0,NULL,0);
INSERT INTO "outbox" VALUES('754fcbab-bd68-413f-8faf-3ed1e667f69a',1,'1d5b949d-0af8-5842-bf0d-e54018c6e4b0','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"1d5b949d-0af8-5842-bf0d-e54018c6e4b0","orderId":"754fcbab-bd68-413f-8faf-3ed1e667f69a","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T05:57:33.453695+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 05:57:33.453695',0,'2026-11-27 05:57:33.453695',0,0,NULL,0);
INSERT INTO "outbox" VALUES('c9f57837-48ec-4e77-80b6-bbab9a72a17e',1,'39fa6f20-9102-5552-9cba-17c596cf7480','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"39fa6f20-9102-5552-9cba-17c596cf7480","orderId":"c9f57837-48ec-4e77-80b6-bbab9a72a17e","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T05:57:33.453695+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 05:57:33.453695',0,'2026-11-27 05:57:33.453695',0,0,NULL,0);
INSERT INTO "outbox" VALUES('5d47a0ed-9914-479e-94da-f4864795b54d',1,'39c364e0-8c1b-504d-98c5-8b48fa619e36','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"39c364e0-8c1b-504d-98c5-8b48fa619e36","orderId":"5d47a0ed-9914-479e-94da-f4864795b54d","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T05:57:33.453695+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 05:57:33.453695',0,'2026-11-27 05:57:33.453695',0,0,NULL,0);
INSERT INTO "outbox" VALUES('2a0b39fb-379e-4996-939b-6db08131c894',1,'b507613e-a7b9-5c77-9705-5be3061fe50b','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"b507613e-a7b9-5c77-9705-5be3061fe50b","orderId":"2a0b39fb-379e-4996-939b-6db08131c894","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T05:57:33.453695+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 05:57:33.453695',0,'2026-11-27 05:57:33.453695',0,0,NULL,0);
INSERT INTO "outbox" VALUES('c35e4710-4efd-4e4e-9fa1-9f5c46ddcfaf',1,'7de9d339-30bd-534e-8b9d-ffeb26d89543','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"7de9d339-30bd-534e-8b9d-ffeb26d89543","orderId":"c35e4710-4efd-4e4e-9fa1-9f5c46ddcfaf","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T05:57:33.453695+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 05:57:33.453695',0,'2026-11-27 05:57:33.453695',0,0,NULL,0);
INSERT INTO "outbox" VALUES('d282a552-c769-4360-82ea-5e1730a11ef9',1,'8f9665b6-0ce1-5c3d-b2dd-c7048ef2b3b3','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"8f9665b6-0ce1-5c3d-b2dd-c7048ef2b3b3","orderId":"d282a552-c769-4360-82ea-5e1730a11ef9","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T05:57:33.453695+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 05:57:33.453695',0,'2026-11-27 05:57:33.453695',0,0,NULL,0);
INSERT INTO "outbox" VALUES('a94e582a-4950-4d6b-a556-a62f19428880',1,'77988f14-2c64-5b56-9099-08abc60331c1','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"77988f14-2c64-5b56-9099-08abc60331c1","orderId":"a94e582a-4950-4d6b-a556-a62f19428880","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T05:57:33.453695+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 05:57:33.453695',0,'2026-11-27 05:57:33.453695',0,0,NULL,0);
INSERT INTO "outbox" VALUES('ef0981bb-ac41-420a-abdd-13c71ab9de6a',1,'a94389c4-8b68-59a2-bee3-e52661e7d297','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"a94389c4-8b68-59a2-bee3-e52661e7d297","orderId":"ef0981bb-ac41-420a-abdd-13c71ab9de6a","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T05:57:33.453695+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 05:57:33.453695',0,'2026-11-27 05:57:33.453695',0,0,NULL,0);
INSERT INTO "outbox" VALUES('76eabb0f-def5-492d-ac56-7c4d22b2451a',1,'77416f02-8c22-56ce-8a87-9da9cb521db1','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"77416f02-8c22-56ce-8a87-9da9cb521db1","orderId":"76eabb0f-def5-492d-ac56-7c4d22b2451a","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T05:57:33.453695+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 05:57:33.453695',0,'2026-11-27 05:57:33.453695',0,0,NULL,0);
INSERT INTO "outbox" VALUES('2944bd7b-0660-452c-81fc-0fa4044e5948',1,'a8d48fbd-252a-5c1f-958f-d552c46d02b6','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"a8d48fbd-252a-5c1f-958f-d552c46d02b6","orderId":"2944bd7b-0660-452c-81fc-0fa4044e5948","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T05:57:33.453695+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 05:57:33.453695',0,'2026-11-27 05:57:33.453695',0,0,NULL,0);
INSERT INTO "outbox" VALUES('6d589992-569b-4c0f-a64a-fe8ea7126b4d',1,'623838a7-4794-562b-b577-c05257ea9e88','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"623838a7-4794-562b-b577-c05257ea9e88","orderId":"6d589992-569b-4c0f-a64a-fe8ea7126b4d","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T05:57:33.453695+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 05:57:33.453695',0,'2026-11-27 05:57:33.453695',0,0,NULL,0);
INSERT INTO "outbox" VALUES('6c40dcc1-812b-42de-b65b-a44479a93697',1,'4ef26fee-3b36-5777-b49d-75964f1fa30f','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"4ef26fee-3b36-5777-b49d-75964f1fa30f","orderId":"6c40dcc1-812b-42de-b65b-a44479a93697","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T05:57:33.453695+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 05:57:33.453695',0,'2026-11-27 05:57:33.453695',0,0,NULL,0);
INSERT INTO "outbox" VALUES('321983b0-6a4d-45a4-8ec2-9d899934147c',1,'568470f4-eb87-5020-be7a-7c6cf3fa6664','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"568470f4-eb87-5020-be7a-7c6cf3fa6664","orderId":"321983b0-6a4d-45a4-8ec2-9d899934147c","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T05:57:33.453695+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 05:57:33.453695',0,'2026-11-27 05:57:33.453695',0,0,NULL,0);
INSERT INTO "outbox" VALUES('d11cff41-2552-4fb5-88e6-b987b3784ffd',1,'6d34b584-1cb5-5530-a3d1-4f09326dba96','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"6d34b584-1cb5-5530-a3d1-4f09326dba96","orderId":"d11cff41-2552-4fb5-88e6-b987b3784ffd","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T05:57:33.453695+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 05:57:33.453695',0,'2026-11-27 05:57:33.453695',0,0,NULL,0);
INSERT INTO "outbox" VALUES('e9cd66d9-cb97-4522-b7a2-e3eb1cc29694',1,'80454061-9808-556b-9716-aa227f439157','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"80454061-9808-556b-9716-aa227f439157","orderId":"e9cd66d9-cb97-4522-b7a2-e3eb1cc29694","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T05:57:33.453695+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 05:57:33.453695',0,'2026-11-27 05:57:33.453695',0,0,NULL,0);
INSERT INTO "outbox" VALUES('38166098-0124-4e15-a823-f42c52aac1b2',1,'698780b4-da81-5f4d-9a0b-0994a4714387','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"698780b4-da81-5f4d-9a0b-0994a4714387","orderId":"38166098-0124-4e15-a823-f42c52aac1b2","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T05:57:33.453695+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 05:57:33.453695',0,'2026-11-27 05:57:33.453695',0,0,NULL,0);
INSERT INTO "outbox" VALUES('6613aae7-d89b-4352-b67b-7e3767faf835',1,'ff23d028-ea96-5ac8-9f3c-74ff9f5a56a2','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"ff23d028-ea96-5ac8-9f3c-74ff9f5a56a2","orderId":"6613aae7-d89b-4352-b67b-7e3767faf835","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T05:57:33.453695+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 05:57:33.453695',0,'2026-11-27 05:57:33.453695',0,0,NULL,0);
INSERT INTO "outbox" VALUES('1166afd1-46db-4347-923f-b206f1d3e247',1,'5e1f2b21-516e-5c1e-9e5c-30cb9c2aad0d','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"5e1f2b21-516e-5c1e-9e5c-30cb9c2aad0d","orderId":"1166afd1-46db-4347-923f-b206f1d3e247","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T05:57:33.453695+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 05:57:33.453695',0,'2026-11-27 05:57:33.453695',0,0,NULL,0);
INSERT INTO "outbox" VALUES('5a98c729-fe6e-4f3d-ba0d-38fb736ade80',1,'2d258b4c-26b7-5ea3-ad04-e6de561bef13','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"2d258b4c-26b7-5ea3-ad04-e6de561bef13","orderId":"5a98c729-fe6e-4f3d-ba0d-38fb736ade80","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T05:57:33.453695+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 05:57:33.453695',0,'2026-11-27 05:57:33.453695',0,0,NULL,0);
INSERT INTO "outbox" VALUES('6f7862cd-5bea-48cd-a2c9-15a72c2bee57',1,'88dbef19-e96e-572e-982b-3425047358c1','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"88dbef19-e96e-572e-982b-3425047358c1","orderId":"6f7862cd-5bea-48cd-a2c9-15a72c2bee57","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T05:57:33.453695+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 05:57:33.453695',0,'2026-11-27 05:57:33.453695',0,0,NULL,0);
INSERT INTO "outbox" VALUES('4359c8ff-7fee-4b88-a526-de3faf40768b',1,'2e5a8f65-bb37-5b2d-89b5-cc2cb75a68ff','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"2e5a8f65-bb37-5b2d-89b5-cc2cb75a68ff","orderId":"4359c8ff-7fee-4b88-a526-de3faf40768b","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T05:57:33.453695+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 05:57:33.453695',0,'2026-11-27 05:57:33.453695',0,0,NULL,0);
INSERT INTO "outbox" VALUES('ca31ee0b-3f50-49d6-812a-3f0177f27bca',1,'6fea26bd-6cda-5ae3-9434-5eb4c3bb3089','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"6fea26bd-6cda-5ae3-9434-5eb4c3bb3089","orderId":"ca31ee0b-3f50-49d6-812a-3f0177f27bca","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T05:57:33.453695+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 05:57:33.453695',0,'2026-11-27 05:57:33.453695',0,0,NULL,0);
INSERT INTO "outbox" VALUES('a449bc81-62e1-4fb0-844f-6ddea940e326',1,'ae6ae59c-876a-53ee-9d13-2b7018dfa15d','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"ae6ae59c-876a-53ee-9d13-2b7018dfa15d","orderId":"a449bc81-62e1-4fb0-844f-6ddea940e326","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T05:57:33.453695+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 05:57:33.453695',0,'2026-11-27 05:57:33.453695',0,0,NULL,0);
INSERT INTO "outbox" VALUES('3ca4bb75-8d7c-461f-8886-0dc0fd0957ee',1,'a3d05f70-e51e-5724-bc92-ba07975ef106','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"a3d05f70-e51e-5724-bc92-ba07975ef106","orderId":"3ca4bb75-8d7c-461f-8886-0dc0fd0957ee","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T05:57:33.453695+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 05:57:33.453695',0,'2026-11-27 05:57:33.453695',0,0,NULL,0);
INSERT INTO "outbox" VALUES('6a441b16-0e35-46dc-b0a9-9cea80941d47',1,'84abf81c-e2cf-5573-88d9-5e2ea6177110','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"84abf81c-e2cf-5573-88d9-5e2ea6177110","orderId":"6a441b16-0e35-46dc-b0a9-9cea80941d47","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T05:57:33.453695+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 05:57:33.453695',0,'2026-11-27 05:57:33.453695',0,0,NULL,0);
INSERT INTO "outbox" VALUES('738a88a8-a802-4dcc-84dd-51cf995abd22',1,'719a3a2b-605b-57c0-9d83-c003b4b39769','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"719a3a2b-605b-57c0-9d83-c003b4b39769","orderId":"738a88a8-a802-4dcc-84dd-51cf995abd22","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T05:57:33.453695+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 05:57:33.453695',0,'2026-11-27 05:57:33.453695',0,0,NULL,0);
INSERT INTO "outbox" VALUES('2ecdc4d6-8547-4a29-87f9-d3ad67492479',1,'f3321c1e-138e-550f-8f47-62392ef43786','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"f3321c1e-138e-550f-8f47-62392ef43786","orderId":"2ecdc4d6-8547-4a29-87f9-d3ad67492479","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T05:57:33.453695+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 05:57:33.453695',0,'2026-11-27 05:57:33.453695',0,0,NULL,0);
INSERT INTO "outbox" VALUES('55dbb613-8955-4d93-9d5c-637a350aeade',1,'047b8326-0bc6-5035-9e5e-c80392248d72','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"047b8326-0bc6-5035-9e5e-c80392248d72","orderId":"55dbb613-8955-4d93-9d5c-637a350aeade","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T05:57:33.453695+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 05:57:33.453695',0,'2026-11-27 05:57:33.453695',0,0,NULL,0);
INSERT INTO "outbox" VALUES('4fb70c88-ed2e-487a-8308-8968dcb60afa',1,'7aa49033-6a17-5d2c-8bcc-7b48ecb8171c','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"7aa49033-6a17-5d2c-8bcc-7b48ecb8171c","orderId":"4fb70c88-ed2e-487a-8308-8968dcb60afa","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T05:57:33.453695+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 05:57:33.453695',0,'2026-11-27 05:57:33.453695',0,0,NULL,0);
INSERT INTO "outbox" VALUES('3137844e-e30b-47a4-80b8-ba5c08330135',1,'8e42dd5d-47a4-5a71-9c97-6e826233d248','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"8e42dd5d-47a4-5a71-9c97-6e826233d248","orderId":"3137844e-e30b-47a4-80b8-ba5c08330135","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T05:57:33.453695+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 05:57:33.453695',0,'2026-11-27 05:57:33.453695',0,0,NULL,0);
INSERT INTO "outbox" VALUES('c95931e4-42c8-469d-8b4e-213e3e87b157',1,'29737dc2-5552-586b-abd4-ad4881b0aa18','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"29737dc2-5552-586b-abd4-ad4881b0aa18","orderId":"c95931e4-42c8-469d-8b4e-213e3e87b157","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T05:57:33.453695+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 05:57:33.453695',0,'2026-11-27 05:57:33.453695',0,0,NULL,0);
INSERT INTO "outbox" VALUES('b19ed395-02f2-45d4-972a-8f674e53a79c',1,'2caf6880-1352-562a-a911-cf226a293ca4','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"2caf6880-1352-562a-a911-cf226a293ca4","orderId":"b19ed395-02f2-45d4-972a-8f674e53a79c","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T05:57:33.453695+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 05:57:33.453695',0,'2026-11-27 05:57:33.453695',0,0,NULL,0);
INSERT INTO "outbox" VALUES('40408178-042c-44a5-8146-466f2357e40d',1,'0fc37818-02b6-59bd-b41b-24d7fcc4f3ec','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"0fc37818-02b6-59bd-b41b-24d7fcc4f3ec","orderId":"40408178-042c-44a5-8146-466f2357e40d","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T05:57:33.453695+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 05:57:33.453695',0,'2026-11-27 05:57:33.453695',0,0,NULL,0);
INSERT INTO "outbox" VALUES('cbdb81d0-c278-4359-ade3-c1f678e94e47',1,'1c5e0c10-098d-5b4d-9fe9-8774fc40fb4b','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"1c5e0c10-098d-5b4d-9fe9-8774fc40fb4b","orderId":"cbdb81d0-c278-4359-ade3-c1f678e94e47","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T05:57:33.453695+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 05:57:33.453695',0,'2026-11-27 05:57:33.453695',0,0,NULL,0);
INSERT INTO "outbox" VALUES('272983c9-169a-4d01-9efe-bc009419eeef',1,'58bc4785-688f-5e93-b111-0aa0f3709032','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"58bc4785-688f-5e93-b111-0aa0f3709032","orderId":"272983c9-169a-4d01-9efe-bc009419eeef","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T05:57:33.453695+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 05:57:33.453695',0,'2026-11-27 05:57:33.453695',0,0,NULL,0);
INSERT INTO "outbox" VALUES('03a3df43-fe51-413a-bf43-8a85f3428e19',1,'03648276-2762-5f41-9ecd-1fbda6807550','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"03648276-2762-5f41-9ecd-1fbda6807550","orderId":"03a3df43-fe51-413a-bf43-8a85f3428e19","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T05:57:33.453695+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 05:57:33.453695',0,NULL,NULL,NULL,'too large when it is sent alone',0);
CREATE TABLE status_counts (
	slot INTEGER NOT NULL, 
	status VARCHAR(16) NOT NULL, 
	orders BIGINT NOT NULL, 
	PRIMARY KEY (slot, status)
);
INSERT INTO "status_counts" VALUES(0,'Created',12);
INSERT INTO "status_counts" VALUES(0,'OnHold',1);
INSERT INTO "status_counts" VALUES(0,'Cancelled',1);
INSERT INTO "status_counts" VALUES(0,'Cancelling',6);
INSERT INTO "status_counts" VALUES(0,'Processing',24);
INSERT INTO "status_counts" VALUES(0,'Shipped',7);
INSERT INTO "status_counts" VALUES(0,'Failed',2);
CREATE TABLE stream (
	id INTEGER NOT NULL, 
	at DATETIME NOT NULL, 
	changes TEXT NOT NULL, 
	size INTEGER NOT NULL, 
	first_position BIGINT, 
	PRIMARY KEY (id)
);
INSERT INTO "stream" VALUES(1,'2026-11-27 05:57:33.453695','[["e43c3e96-6454-4d03-9252-f6c6fbb487fd",1,"Created","2026-11-27T05:57:33.453Z","c-1",null,null]]',1,1);
INSERT INTO "stream" VALUES(2,'2026-11-27 05:57:33.453695','[["e43c3e96-6454-4d03-9252-f6c6fbb487fd",2,"Created","2026-11-27T05:57:33.453Z","c-1",null,null]]',1,2);
INSERT INTO "stream" VALUES(3,'2026-11-27 05:57:33.453695','[["e43c3e96-6454-4d03-9252-f6c6fbb487fd",3,"Created","2026-11-27T05:57:33.453Z","c-1",null,null]]',1,NULL);
CREATE INDEX orders_by_status ON orders (status, order_id);
CREATE INDEX orders_by_customer ON orders (customer_id, order_id);
CREATE INDEX orders_with_attention ON orders (order_id) WHERE attention_kind IS NOT NULL;
CREATE INDEX order_items_by_product ON order_items (product_id, order_id);
CREATE INDEX outbox_unpublished ON outbox (order_id, order_version) WHERE published_at IS NULL;
CREATE INDEX idempotency_keys_by_order ON idempotency_keys (order_id);
CREATE INDEX outbox_parked ON outbox (order_id) WHERE parked_reason IS NOT NULL;
CREATE TRIGGER audit_log_refuses_update BEFORE UPDATE ON audit_log BEGIN SELECT RAISE(ABORT, 'audit_log is append-only'); END;
CREATE TRIGGER audit_log_refuses_delete BEFORE DELETE ON audit_log BEGIN SELECT RAISE(ABORT, 'audit_log is append-only'); END;
CREATE INDEX stream_waiting ON stream (id) WHERE first_position IS NULL;
CREATE UNIQUE INDEX stream_by_position ON stream (first_position) WHERE first_position IS NOT NULL;
COMMIT;
