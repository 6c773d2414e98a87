BEGIN TRANSACTION;
CREATE TABLE alembic_version_orders (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_orders_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version_orders" VALUES('0009');
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
INSERT INTO "api_keys" VALUES('0123456789','0000000000000000000000000000000000000000000000000000000000000000','shop','orders:read orders:write',NULL,'2026-11-27 11:36:59.454364',NULL,NULL,NULL);
INSERT INTO "api_keys" VALUES('abcdef0123','0000000000000000000000000000000000000000000000000000000000000000','shop','orders:read orders:write',NULL,'2026-11-27 11:36:59.454364','2026-11-27 11:36:59.454364','2026-11-27 11:36:59.454364',NULL);
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
INSERT INTO "audit_log" VALUES('12181d73-ced6-4182-b71e-defacfa76dd7','2026-11-27 11:36:59.454364','ada','order.hold','it','why','abc','{}');
CREATE TABLE idempotency_keys (
	caller VARCHAR(64) NOT NULL, 
	"key" VARCHAR(255) NOT NULL, 
	request_hash VARCHAR(64) NOT NULL, 
	order_id CHAR(36) NOT NULL, 
	created_at DATETIME NOT NULL, 
	CONSTRAINT idempotency_keys_pkey PRIMARY KEY ("key", caller)
);
INSERT INTO "idempotency_keys" VALUES('shop','k','0000000000000000000000000000000000000000000000000000000000000000','fbf4242d-c3f0-49aa-94f7-5b52876210bc','2026-11-27 11:36:59.454364');
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
INSERT INTO "order_changes" VALUES('f1b9a653-400b-4734-8dfc-a231acede83d',1,'2026-11-27 11:36:59.454364','Created','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('fa837140-f255-4ceb-a077-7defb44683c3',1,'2026-11-27 11:36:59.454364','Created','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('f7bcf590-8aab-4bcd-885c-20badae362c9',1,'2026-11-27 11:36:59.454364','Created','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('fb56eda1-059d-472c-ad96-2b37d3b8990d',1,'2026-11-27 11:36:59.454364','Created','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('f44a18e9-f1c6-4edf-9d04-7e504ef52c30',1,'2026-11-27 11:36:59.454364','OnHold','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('f1f0ce7e-8a4a-4533-993b-4fac82db2233',1,'2026-11-27 11:36:59.454364','Cancelled','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('f157e15a-cd26-4441-988e-345e851cf42f',1,'2026-11-27 11:36:59.454364','Cancelling','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('f4ec260b-e53d-401e-a54a-bca10900380e',1,'2026-11-27 11:36:59.454364','Created','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('f86b0dff-ff7a-453f-ab93-f852832112bb',1,'2026-11-27 11:36:59.454364','Processing','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('f037f0a7-a3de-4bf5-acc7-0163045cb997',1,'2026-11-27 11:36:59.454364','Processing','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('fbdbce98-41ce-4a90-839e-586ff6c49deb',1,'2026-11-27 11:36:59.454364','Processing','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('f3e73ebe-e801-4f25-a747-36756f8382ef',1,'2026-11-27 11:36:59.454364','Processing','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('f7d1ecf1-1a83-4d4c-977f-a94aa7c2be91',1,'2026-11-27 11:36:59.454364','Shipped','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('f66c2fa3-741b-43ae-9014-30f4d02dd289',1,'2026-11-27 11:36:59.454364','Processing','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('fbf4242d-c3f0-49aa-94f7-5b52876210bc',1,'2026-11-27 11:36:59.454364','Shipped','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('f5dbc66a-b9ec-4eda-9d64-81221e65927f',1,'2026-11-27 11:36:59.454364','Failed','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('f69e9feb-c638-4fcb-881a-861f37cb6d89',1,'2026-11-27 11:36:59.454364','Processing','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('f3757889-7f50-4bb3-b600-9cf0daae1af0',1,'2026-11-27 11:36:59.454364','Processing','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('f78555da-b0b6-4ed7-8377-e602eb4d036e',1,'2026-11-27 11:36:59.454364','Processing','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('fac94b13-06ce-4712-813e-9daaf79f8ec4',1,'2026-11-27 11:36:59.454364','Processing','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('f97a175b-9d08-40d1-a212-f8572664494d',1,'2026-11-27 11:36:59.454364','Processing','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('fbf89667-ed20-43cf-8034-96c2a5c27d35',1,'2026-11-27 11:36:59.454364','Processing','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('f0cc31ef-f02a-4086-b65d-a8500c947a77',1,'2026-11-27 11:36:59.454364','Processing','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('ff02b76d-c154-4056-89a9-c387cebefdc2',1,'2026-11-27 11:36:59.454364','Processing','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('f62f9c2f-1bc9-4753-b836-ee7fda1ba4f0',1,'2026-11-27 11:36:59.454364','Created','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('fe2dccd8-5edc-4e01-b993-00227e38e569',1,'2026-11-27 11:36:59.454364','Created','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('f6f1a082-c668-444a-99b6-d7f14b435e45',1,'2026-11-27 11:36:59.454364','Created','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('f9c228ac-6d1e-4331-b477-c55741fa9b20',1,'2026-11-27 11:36:59.454364','Created','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('f306bd86-b26d-4d2f-baf7-c32206ca8a74',1,'2026-11-27 11:36:59.454364','Created','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('f6a6c7e6-5053-47f5-8eb8-1725cf099938',1,'2026-11-27 11:36:59.454364','Created','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('f0d927b4-e5bc-4e9c-a086-de1957ad2d97',1,'2026-11-27 11:36:59.454364','Processing','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('f7466b7b-a387-4668-ad3b-ff65b1211e7b',1,'2026-11-27 11:36:59.454364','Processing','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('fa292d9b-02c2-47e5-9d80-31dfc4a86052',1,'2026-11-27 11:36:59.454364','Processing','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('fdb04838-6f48-426f-a7d6-00a4e0d6647b',1,'2026-11-27 11:36:59.454364','Processing','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('f41d3406-f2e4-4f34-b7e3-d7fbbefabb38',1,'2026-11-27 11:36:59.454364','Processing','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('fee121be-6e11-485f-af5d-241aaaf66d88',1,'2026-11-27 11:36:59.454364','Processing','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('f61370ee-bccc-44e0-95bc-2ebeb4f17db6',1,'2026-11-27 11:36:59.454364','Shipped','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('ff4f6a86-f95f-467a-96b5-14c09d56cb39',1,'2026-11-27 11:36:59.454364','Shipped','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('f093ab19-7381-4117-9c9d-a424ce5153e3',1,'2026-11-27 11:36:59.454364','Shipped','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('f2976130-3daa-4cbb-96cf-3c1b14337ab6',1,'2026-11-27 11:36:59.454364','Processing','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('f9e3b8d1-f308-431d-b7bd-6870d980f464',1,'2026-11-27 11:36:59.454364','Processing','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('fd9f4853-1b09-4cba-b48b-80a018ada5c4',1,'2026-11-27 11:36:59.454364','Cancelling','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('f925b254-4b64-47be-82ee-a234fa23610b',1,'2026-11-27 11:36:59.454364','Cancelling','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('fc4de284-2787-44fe-aed1-500cea0ac091',1,'2026-11-27 11:36:59.454364','Cancelling','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('f655ff36-f7f6-4b0d-a931-7d0b6b16d34a',1,'2026-11-27 11:36:59.454364','Cancelling','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('f50a0948-2aa8-42f3-acb2-628c412011b1',1,'2026-11-27 11:36:59.454364','Processing','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('f2cbb35a-d966-422d-91e8-338451aec5e3',1,'2026-11-27 11:36:59.454364','Shipped','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('f854893f-97d8-46b8-bac4-5c5336e171ab',1,'2026-11-27 11:36:59.454364','Cancelling','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('f8be3c9b-8eca-4f6c-b3c0-496f5b15def2',1,'2026-11-27 11:36:59.454364','Processing','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('f476c004-0915-4c60-8e69-f8aa443e0522',1,'2026-11-27 11:36:59.454364','Processing','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('fba027f8-c6bf-4580-bcec-6078e48e8dca',1,'2026-11-27 11:36:59.454364','Failed','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('f521d953-e809-419b-98e8-28c4ccc21119',1,'2026-11-27 11:36:59.454364','Shipped','api',NULL,'abc');
INSERT INTO "order_changes" VALUES('f035634c-29e0-4c5a-b25f-731995f2bebf',1,'2026-11-27 11:36:59.454364','Created','api',NULL,'abc');
CREATE TABLE order_items (
	order_id CHAR(36) NOT NULL, 
	line INTEGER NOT NULL, 
	product_id VARCHAR(200) NOT NULL, 
	quantity INTEGER NOT NULL, 
	unit_price_minor BIGINT, 
	PRIMARY KEY (order_id, line)
);
INSERT INTO "order_items" VALUES('f1b9a653-400b-4734-8dfc-a231acede83d',1,'p-1',2,NULL);
INSERT INTO "order_items" VALUES('fa837140-f255-4ceb-a077-7defb44683c3',1,'p-1',2,NULL);
INSERT INTO "order_items" VALUES('f7bcf590-8aab-4bcd-885c-20badae362c9',1,'p-1',2,NULL);
INSERT INTO "order_items" VALUES('fb56eda1-059d-472c-ad96-2b37d3b8990d',1,'p-1',2,NULL);
INSERT INTO "order_items" VALUES('f44a18e9-f1c6-4edf-9d04-7e504ef52c30',1,'p-1',2,NULL);
INSERT INTO "order_items" VALUES('f1f0ce7e-8a4a-4533-993b-4fac82db2233',1,'p-1',2,NULL);
INSERT INTO "order_items" VALUES('f157e15a-cd26-4441-988e-345e851cf42f',1,'p-1',2,NULL);
INSERT INTO "order_items" VALUES('f4ec260b-e53d-401e-a54a-bca10900380e',1,'p-1',2,NULL);
INSERT INTO "order_items" VALUES('f86b0dff-ff7a-453f-ab93-f852832112bb',1,'p-1',2,NULL);
INSERT INTO "order_items" VALUES('f037f0a7-a3de-4bf5-acc7-0163045cb997',1,'p-1',2,NULL);
INSERT INTO "order_items" VALUES('fbdbce98-41ce-4a90-839e-586ff6c49deb',1,'p-1',2,NULL);
INSERT INTO "order_items" VALUES('f3e73ebe-e801-4f25-a747-36756f8382ef',1,'p-1',2,NULL);
INSERT INTO "order_items" VALUES('f7d1ecf1-1a83-4d4c-977f-a94aa7c2be91',1,'p-1',2,NULL);
INSERT INTO "order_items" VALUES('f66c2fa3-741b-43ae-9014-30f4d02dd289',1,'p-1',2,NULL);
INSERT INTO "order_items" VALUES('fbf4242d-c3f0-49aa-94f7-5b52876210bc',1,'p-1',2,NULL);
INSERT INTO "order_items" VALUES('f5dbc66a-b9ec-4eda-9d64-81221e65927f',1,'p-1',2,NULL);
INSERT INTO "order_items" VALUES('f69e9feb-c638-4fcb-881a-861f37cb6d89',1,'p-1',2,NULL);
INSERT INTO "order_items" VALUES('f3757889-7f50-4bb3-b600-9cf0daae1af0',1,'p-1',2,NULL);
INSERT INTO "order_items" VALUES('f78555da-b0b6-4ed7-8377-e602eb4d036e',1,'p-1',2,NULL);
INSERT INTO "order_items" VALUES('fac94b13-06ce-4712-813e-9daaf79f8ec4',1,'p-1',2,NULL);
INSERT INTO "order_items" VALUES('f97a175b-9d08-40d1-a212-f8572664494d',1,'p-1',2,NULL);
INSERT INTO "order_items" VALUES('fbf89667-ed20-43cf-8034-96c2a5c27d35',1,'p-1',2,NULL);
INSERT INTO "order_items" VALUES('f0cc31ef-f02a-4086-b65d-a8500c947a77',1,'p-1',2,NULL);
INSERT INTO "order_items" VALUES('ff02b76d-c154-4056-89a9-c387cebefdc2',1,'p-1',2,NULL);
INSERT INTO "order_items" VALUES('f62f9c2f-1bc9-4753-b836-ee7fda1ba4f0',1,'p-1',2,NULL);
INSERT INTO "order_items" VALUES('fe2dccd8-5edc-4e01-b993-00227e38e569',1,'p-1',2,NULL);
INSERT INTO "order_items" VALUES('f6f1a082-c668-444a-99b6-d7f14b435e45',1,'p-1',2,NULL);
INSERT INTO "order_items" VALUES('f9c228ac-6d1e-4331-b477-c55741fa9b20',1,'p-1',2,NULL);
INSERT INTO "order_items" VALUES('f306bd86-b26d-4d2f-baf7-c32206ca8a74',1,'p-1',2,NULL);
INSERT INTO "order_items" VALUES('f6a6c7e6-5053-47f5-8eb8-1725cf099938',1,'p-1',2,NULL);
INSERT INTO "order_items" VALUES('f0d927b4-e5bc-4e9c-a086-de1957ad2d97',1,'p-1',2,250);
INSERT INTO "order_items" VALUES('f7466b7b-a387-4668-ad3b-ff65b1211e7b',1,'p-1',2,250);
INSERT INTO "order_items" VALUES('fa292d9b-02c2-47e5-9d80-31dfc4a86052',1,'p-1',2,250);
INSERT INTO "order_items" VALUES('fdb04838-6f48-426f-a7d6-00a4e0d6647b',1,'p-1',2,250);
INSERT INTO "order_items" VALUES('f41d3406-f2e4-4f34-b7e3-d7fbbefabb38',1,'p-1',2,250);
INSERT INTO "order_items" VALUES('fee121be-6e11-485f-af5d-241aaaf66d88',1,'p-1',2,250);
INSERT INTO "order_items" VALUES('f61370ee-bccc-44e0-95bc-2ebeb4f17db6',1,'p-1',2,250);
INSERT INTO "order_items" VALUES('ff4f6a86-f95f-467a-96b5-14c09d56cb39',1,'p-1',2,250);
INSERT INTO "order_items" VALUES('f093ab19-7381-4117-9c9d-a424ce5153e3',1,'p-1',2,250);
INSERT INTO "order_items" VALUES('f2976130-3daa-4cbb-96cf-3c1b14337ab6',1,'p-1',2,250);
INSERT INTO "order_items" VALUES('f9e3b8d1-f308-431d-b7bd-6870d980f464',1,'p-1',2,250);
INSERT INTO "order_items" VALUES('fd9f4853-1b09-4cba-b48b-80a018ada5c4',1,'p-1',2,250);
INSERT INTO "order_items" VALUES('f925b254-4b64-47be-82ee-a234fa23610b',1,'p-1',2,250);
INSERT INTO "order_items" VALUES('fc4de284-2787-44fe-aed1-500cea0ac091',1,'p-1',2,250);
INSERT INTO "order_items" VALUES('f655ff36-f7f6-4b0d-a931-7d0b6b16d34a',1,'p-1',2,250);
INSERT INTO "order_items" VALUES('f50a0948-2aa8-42f3-acb2-628c412011b1',1,'p-1',2,250);
INSERT INTO "order_items" VALUES('f2cbb35a-d966-422d-91e8-338451aec5e3',1,'p-1',2,250);
INSERT INTO "order_items" VALUES('f854893f-97d8-46b8-bac4-5c5336e171ab',1,'p-1',2,250);
INSERT INTO "order_items" VALUES('f8be3c9b-8eca-4f6c-b3c0-496f5b15def2',1,'p-1',2,250);
INSERT INTO "order_items" VALUES('f476c004-0915-4c60-8e69-f8aa443e0522',1,'p-1',2,250);
INSERT INTO "order_items" VALUES('fba027f8-c6bf-4580-bcec-6078e48e8dca',1,'p-1',2,250);
INSERT INTO "order_items" VALUES('f521d953-e809-419b-98e8-28c4ccc21119',1,'p-1',2,250);
INSERT INTO "order_items" VALUES('f035634c-29e0-4c5a-b25f-731995f2bebf',1,'p-1',2,250);
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
INSERT INTO "orders" VALUES('f1b9a653-400b-4734-8dfc-a231acede83d','c-1','Ada',NULL,NULL,'2026-11-27 11:36:59.454364','abc','Created',1,'2026-11-27 11:36:59.454364',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "orders" VALUES('fa837140-f255-4ceb-a077-7defb44683c3','c-1','Ada',NULL,NULL,'2026-11-27 11:36:59.454364','abc','Created',1,'2026-11-27 11:36:59.454364',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "orders" VALUES('f7bcf590-8aab-4bcd-885c-20badae362c9','c-1','Ada',NULL,NULL,'2026-11-27 11:36:59.454364','abc','Created',1,'2026-11-27 11:36:59.454364',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "orders" VALUES('fb56eda1-059d-472c-ad96-2b37d3b8990d','c-1','Ada',NULL,NULL,'2026-11-27 11:36:59.454364','abc','Created',1,'2026-11-27 11:36:59.454364',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "orders" VALUES('f44a18e9-f1c6-4edf-9d04-7e504ef52c30','c-1','Ada',NULL,NULL,'2026-11-27 11:36:59.454364','abc','OnHold',1,'2026-11-27 11:36:59.454364',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "orders" VALUES('f1f0ce7e-8a4a-4533-993b-4fac82db2233','c-1','Ada',NULL,NULL,'2026-11-27 11:36:59.454364','abc','Cancelled',1,'2026-11-27 11:36:59.454364',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "orders" VALUES('f157e15a-cd26-4441-988e-345e851cf42f','c-1','Ada',NULL,NULL,'2026-11-27 11:36:59.454364','abc','Cancelling',1,'2026-11-27 11:36:59.454364',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "orders" VALUES('f4ec260b-e53d-401e-a54a-bca10900380e','c-1','Ada',NULL,NULL,'2026-11-27 11:36:59.454364','abc','Created',1,'2026-11-27 11:36:59.454364',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "orders" VALUES('f86b0dff-ff7a-453f-ab93-f852832112bb','c-1','Ada',NULL,NULL,'2026-11-27 11:36:59.454364','abc','Processing',1,'2026-11-27 11:36:59.454364',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "orders" VALUES('f037f0a7-a3de-4bf5-acc7-0163045cb997','c-1','Ada',NULL,NULL,'2026-11-27 11:36:59.454364','abc','Processing',1,'2026-11-27 11:36:59.454364',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "orders" VALUES('fbdbce98-41ce-4a90-839e-586ff6c49deb','c-1','Ada',NULL,NULL,'2026-11-27 11:36:59.454364','abc','Processing',1,'2026-11-27 11:36:59.454364',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "orders" VALUES('f3e73ebe-e801-4f25-a747-36756f8382ef','c-1','Ada',NULL,NULL,'2026-11-27 11:36:59.454364','abc','Processing',1,'2026-11-27 11:36:59.454364',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "orders" VALUES('f7d1ecf1-1a83-4d4c-977f-a94aa7c2be91','c-1','Ada',NULL,NULL,'2026-11-27 11:36:59.454364','abc','Shipped',1,'2026-11-27 11:36:59.454364','Old Carrier','OLD-1','2026-11-27 11:36:59.454364',NULL,NULL,NULL,NULL,NULL);
INSERT INTO "orders" VALUES('f66c2fa3-741b-43ae-9014-30f4d02dd289','c-1','Ada',NULL,NULL,'2026-11-27 11:36:59.454364','abc','Processing',1,'2026-11-27 11:36:59.454364',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "orders" VALUES('fbf4242d-c3f0-49aa-94f7-5b52876210bc','c-1','Ada',NULL,NULL,'2026-11-27 11:36:59.454364','abc','Shipped',1,'2026-11-27 11:36:59.454364','Old Carrier','OLD-1','2026-11-27 11:36:59.454364',NULL,NULL,NULL,NULL,NULL);
INSERT INTO "orders" VALUES('f5dbc66a-b9ec-4eda-9d64-81221e65927f','c-1','Ada',NULL,NULL,'2026-11-27 11:36:59.454364','abc','Failed',1,'2026-11-27 11:36:59.454364',NULL,NULL,NULL,'no',NULL,NULL,NULL,NULL);
INSERT INTO "orders" VALUES('f69e9feb-c638-4fcb-881a-861f37cb6d89','c-1','Ada',NULL,NULL,'2026-11-27 11:36:59.454364','abc','Processing',1,'2026-11-27 11:36:59.454364',NULL,NULL,NULL,NULL,'carrier-refused','ask','2026-11-27 11:36:59.454364',NULL);
INSERT INTO "orders" VALUES('f3757889-7f50-4bb3-b600-9cf0daae1af0','c-1','Ada',NULL,NULL,'2026-11-27 11:36:59.454364','abc','Processing',1,'2026-11-27 11:36:59.454364',NULL,NULL,NULL,NULL,'carrier-unavailable','ask','2026-11-27 11:36:59.454364',NULL);
INSERT INTO "orders" VALUES('f78555da-b0b6-4ed7-8377-e602eb4d036e','c-1','Ada',NULL,NULL,'2026-11-27 11:36:59.454364','abc','Processing',1,'2026-11-27 11:36:59.454364',NULL,NULL,NULL,NULL,'carrier-changed','ask','2026-11-27 11:36:59.454364',NULL);
INSERT INTO "orders" VALUES('fac94b13-06ce-4712-813e-9daaf79f8ec4','c-1','Ada',NULL,NULL,'2026-11-27 11:36:59.454364','abc','Processing',1,'2026-11-27 11:36:59.454364',NULL,NULL,NULL,NULL,'carrier-label','ask','2026-11-27 11:36:59.454364',NULL);
INSERT INTO "orders" VALUES('f97a175b-9d08-40d1-a212-f8572664494d','c-1','Ada',NULL,NULL,'2026-11-27 11:36:59.454364','abc','Processing',1,'2026-11-27 11:36:59.454364',NULL,NULL,NULL,NULL,'interrupted','ask','2026-11-27 11:36:59.454364',NULL);
INSERT INTO "orders" VALUES('fbf89667-ed20-43cf-8034-96c2a5c27d35','c-1','Ada',NULL,NULL,'2026-11-27 11:36:59.454364','abc','Processing',1,'2026-11-27 11:36:59.454364',NULL,NULL,NULL,NULL,'carrier-doubt','ask','2026-11-27 11:36:59.454364',NULL);
INSERT INTO "orders" VALUES('f0cc31ef-f02a-4086-b65d-a8500c947a77','c-1','Ada',NULL,NULL,'2026-11-27 11:36:59.454364','abc','Processing',1,'2026-11-27 11:36:59.454364',NULL,NULL,NULL,NULL,'update-unavailable','ask','2026-11-27 11:36:59.454364',NULL);
INSERT INTO "orders" VALUES('ff02b76d-c154-4056-89a9-c387cebefdc2','c-1','Ada',NULL,NULL,'2026-11-27 11:36:59.454364','abc','Processing',1,'2026-11-27 11:36:59.454364',NULL,NULL,NULL,NULL,'status-conflict','ask','2026-11-27 11:36:59.454364',NULL);
INSERT INTO "orders" VALUES('f62f9c2f-1bc9-4753-b836-ee7fda1ba4f0','c-1','Ada',NULL,NULL,'2026-11-27 11:36:59.454364','abc','Created',1,'2026-11-27 11:36:59.454364',NULL,NULL,NULL,NULL,'unknown-order','ask','2026-11-27 11:36:59.454364',NULL);
INSERT INTO "orders" VALUES('fe2dccd8-5edc-4e01-b993-00227e38e569','c-1','Ada',NULL,NULL,'2026-11-27 11:36:59.454364','abc','Created',1,'2026-11-27 11:36:59.454364',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "orders" VALUES('f6f1a082-c668-444a-99b6-d7f14b435e45','c-1','Ada',NULL,NULL,'2026-11-27 11:36:59.454364','abc','Created',1,'2026-11-27 11:36:59.454364',NULL,NULL,NULL,NULL,'unstorable','ask','2026-11-27 11:36:59.454364',NULL);
INSERT INTO "orders" VALUES('f9c228ac-6d1e-4331-b477-c55741fa9b20','c-1','Ada',NULL,NULL,'2026-11-27 11:36:59.454364','abc','Created',1,'2026-11-27 11:36:59.454364',NULL,NULL,NULL,NULL,'newer-schema','ask','2026-11-27 11:36:59.454364',NULL);
INSERT INTO "orders" VALUES('f306bd86-b26d-4d2f-baf7-c32206ca8a74','c-1','Ada',NULL,NULL,'2026-11-27 11:36:59.454364','abc','Created',1,'2026-11-27 11:36:59.454364',NULL,NULL,NULL,NULL,'undecodable','ask','2026-11-27 11:36:59.454364',NULL);
INSERT INTO "orders" VALUES('f6a6c7e6-5053-47f5-8eb8-1725cf099938','c-1','Ada',NULL,NULL,'2026-11-27 11:36:59.454364','abc','Created',1,'2026-11-27 11:36:59.454364',NULL,NULL,NULL,NULL,'contract-violation','ask','2026-11-27 11:36:59.454364',NULL);
INSERT INTO "orders" VALUES('f0d927b4-e5bc-4e9c-a086-de1957ad2d97','c-1','Ada','EUR','{"name":"Ada","lines":["1 Main Street"],"city":"Berlin","country":"DE"}','2026-11-27 11:36:59.454364','abc','Processing',1,'2026-11-27 11:36:59.454364',NULL,NULL,NULL,NULL,NULL,NULL,NULL,'shop');
INSERT INTO "orders" VALUES('f7466b7b-a387-4668-ad3b-ff65b1211e7b','c-1','Ada','EUR','{"name":"Ada","lines":["1 Main Street"],"city":"Berlin","country":"DE"}','2026-11-27 11:36:59.454364','abc','Processing',1,'2026-11-27 11:36:59.454364',NULL,NULL,NULL,NULL,NULL,NULL,NULL,'shop');
INSERT INTO "orders" VALUES('fa292d9b-02c2-47e5-9d80-31dfc4a86052','c-1','Ada','EUR','{"name":"Ada","lines":["1 Main Street"],"city":"Berlin","country":"DE"}','2026-11-27 11:36:59.454364','abc','Processing',1,'2026-11-27 11:36:59.454364',NULL,NULL,NULL,NULL,NULL,NULL,NULL,'shop');
INSERT INTO "orders" VALUES('fdb04838-6f48-426f-a7d6-00a4e0d6647b','c-1','Ada','EUR','{"name":"Ada","lines":["1 Main Street"],"city":"Berlin","country":"DE"}','2026-11-27 11:36:59.454364','abc','Processing',1,'2026-11-27 11:36:59.454364',NULL,NULL,NULL,NULL,NULL,NULL,NULL,'shop');
INSERT INTO "orders" VALUES('f41d3406-f2e4-4f34-b7e3-d7fbbefabb38','c-1','Ada','EUR','{"name":"Ada","lines":["1 Main Street"],"city":"Berlin","country":"DE"}','2026-11-27 11:36:59.454364','abc','Processing',1,'2026-11-27 11:36:59.454364',NULL,NULL,NULL,NULL,NULL,NULL,NULL,'shop');
INSERT INTO "orders" VALUES('fee121be-6e11-485f-af5d-241aaaf66d88','c-1','Ada','EUR','{"name":"Ada","lines":["1 Main Street"],"city":"Berlin","country":"DE"}','2026-11-27 11:36:59.454364','abc','Processing',1,'2026-11-27 11:36:59.454364',NULL,NULL,NULL,NULL,NULL,NULL,NULL,'shop');
INSERT INTO "orders" VALUES('f61370ee-bccc-44e0-95bc-2ebeb4f17db6','c-1','Ada','EUR','{"name":"Ada","lines":["1 Main Street"],"city":"Berlin","country":"DE"}','2026-11-27 11:36:59.454364','abc','Shipped',1,'2026-11-27 11:36:59.454364','Old Carrier','OLD-1','2026-11-27 11:36:59.454364',NULL,NULL,NULL,NULL,'shop');
INSERT INTO "orders" VALUES('ff4f6a86-f95f-467a-96b5-14c09d56cb39','c-1','Ada','EUR','{"name":"Ada","lines":["1 Main Street"],"city":"Berlin","country":"DE"}','2026-11-27 11:36:59.454364','abc','Shipped',1,'2026-11-27 11:36:59.454364','Old Carrier','OLD-1','2026-11-27 11:36:59.454364',NULL,NULL,NULL,NULL,'shop');
INSERT INTO "orders" VALUES('f093ab19-7381-4117-9c9d-a424ce5153e3','c-1','Ada','EUR','{"name":"Ada","lines":["1 Main Street"],"city":"Berlin","country":"DE"}','2026-11-27 11:36:59.454364','abc','Shipped',1,'2026-11-27 11:36:59.454364','Old Carrier','OLD-1','2026-11-27 11:36:59.454364',NULL,NULL,NULL,NULL,'shop');
INSERT INTO "orders" VALUES('f2976130-3daa-4cbb-96cf-3c1b14337ab6','c-1','Ada','EUR','{"name":"Ada","lines":["1 Main Street"],"city":"Berlin","country":"DE"}','2026-11-27 11:36:59.454364','abc','Processing',1,'2026-11-27 11:36:59.454364',NULL,NULL,NULL,NULL,NULL,NULL,NULL,'shop');
INSERT INTO "orders" VALUES('f9e3b8d1-f308-431d-b7bd-6870d980f464','c-1','Ada','EUR','{"name":"Ada","lines":["1 Main Street"],"city":"Berlin","country":"DE"}','2026-11-27 11:36:59.454364','abc','Processing',1,'2026-11-27 11:36:59.454364',NULL,NULL,NULL,NULL,NULL,NULL,NULL,'shop');
INSERT INTO "orders" VALUES('fd9f4853-1b09-4cba-b48b-80a018ada5c4','c-1','Ada','EUR','{"name":"Ada","lines":["1 Main Street"],"city":"Berlin","country":"DE"}','2026-11-27 11:36:59.454364','abc','Cancelling',1,'2026-11-27 11:36:59.454364',NULL,NULL,NULL,NULL,NULL,NULL,NULL,'shop');
INSERT INTO "orders" VALUES('f925b254-4b64-47be-82ee-a234fa23610b','c-1','Ada','EUR','{"name":"Ada","lines":["1 Main Street"],"city":"Berlin","country":"DE"}','2026-11-27 11:36:59.454364','abc','Cancelling',1,'2026-11-27 11:36:59.454364',NULL,NULL,NULL,NULL,NULL,NULL,NULL,'shop');
INSERT INTO "orders" VALUES('fc4de284-2787-44fe-aed1-500cea0ac091','c-1','Ada','EUR','{"name":"Ada","lines":["1 Main Street"],"city":"Berlin","country":"DE"}','2026-11-27 11:36:59.454364','abc','Cancelling',1,'2026-11-27 11:36:59.454364',NULL,NULL,NULL,NULL,NULL,NULL,NULL,'shop');
INSERT INTO "orders" VALUES('f655ff36-f7f6-4b0d-a931-7d0b6b16d34a','c-1','Ada','EUR','{"name":"Ada","lines":["1 Main Street"],"city":"Berlin","country":"DE"}','2026-11-27 11:36:59.454364','abc','Cancelling',1,'2026-11-27 11:36:59.454364',NULL,NULL,NULL,NULL,NULL,NULL,NULL,'shop');
INSERT INTO "orders" VALUES('f50a0948-2aa8-42f3-acb2-628c412011b1','c-1','Ada','EUR','{"name":"Ada","lines":["1 Main Street"],"city":"Berlin","country":"DE"}','2026-11-27 11:36:59.454364','abc','Processing',1,'2026-11-27 11:36:59.454364',NULL,NULL,NULL,NULL,'payment','ask','2026-11-27 11:36:59.454364','shop');
INSERT INTO "orders" VALUES('f2cbb35a-d966-422d-91e8-338451aec5e3','c-1','Ada','EUR','{"name":"Ada","lines":["1 Main Street"],"city":"Berlin","country":"DE"}','2026-11-27 11:36:59.454364','abc','Shipped',1,'2026-11-27 11:36:59.454364','Old Carrier','OLD-1','2026-11-27 11:36:59.454364',NULL,'payment','ask','2026-11-27 11:36:59.454364','shop');
INSERT INTO "orders" VALUES('f854893f-97d8-46b8-bac4-5c5336e171ab','c-1','Ada','EUR','{"name":"Ada","lines":["1 Main Street"],"city":"Berlin","country":"DE"}','2026-11-27 11:36:59.454364','abc','Cancelling',1,'2026-11-27 11:36:59.454364',NULL,NULL,NULL,NULL,'compensation','ask','2026-11-27 11:36:59.454364','shop');
INSERT INTO "orders" VALUES('f8be3c9b-8eca-4f6c-b3c0-496f5b15def2','c-1','Ada','EUR','{"name":"Ada","lines":["1 Main Street"],"city":"Berlin","country":"DE"}','2026-11-27 11:36:59.454364','abc','Processing',1,'2026-11-27 11:36:59.454364',NULL,NULL,NULL,NULL,'update-refused','ask','2026-11-27 11:36:59.454364','shop');
INSERT INTO "orders" VALUES('f476c004-0915-4c60-8e69-f8aa443e0522','c-1','Ada','EUR','{"name":"Ada","lines":["1 Main Street"],"city":"Berlin","country":"DE"}','2026-11-27 11:36:59.454364','abc','Processing',1,'2026-11-27 11:36:59.454364',NULL,NULL,NULL,NULL,NULL,NULL,NULL,'shop');
INSERT INTO "orders" VALUES('fba027f8-c6bf-4580-bcec-6078e48e8dca','c-1','Ada','EUR','{"name":"Ada","lines":["1 Main Street"],"city":"Berlin","country":"DE"}','2026-11-27 11:36:59.454364','abc','Failed',1,'2026-11-27 11:36:59.454364',NULL,NULL,NULL,'no',NULL,NULL,NULL,'shop');
INSERT INTO "orders" VALUES('f521d953-e809-419b-98e8-28c4ccc21119','c-1','Ada','EUR','{"name":"Ada","lines":["1 Main Street"],"city":"Berlin","country":"DE"}','2026-11-27 11:36:59.454364','abc','Shipped',1,'2026-11-27 11:36:59.454364','Old Carrier','OLD-1','2026-11-27 11:36:59.454364',NULL,NULL,NULL,NULL,'shop');
INSERT INTO "orders" VALUES('f035634c-29e0-4c5a-b25f-731995f2bebf','c-1','Ada','EUR','{"name":"Ada","lines":["1 Main Street"],"city":"Berlin","country":"DE"}','2026-11-27 11:36:59.454364','abc','Created',1,'2026-11-27 11:36:59.454364',NULL,NULL,NULL,NULL,NULL,NULL,NULL,'shop');
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
INSERT INTO "outbox" VALUES('f1b9a653-400b-4734-8dfc-a231acede83d',1,'5aab6197-3cff-5802-9dec-8a6418d67232','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"5aab6197-3cff-5802-9dec-8a6418d67232","orderId":"f1b9a653-400b-4734-8dfc-a231acede83d","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 11:36:59.454364',0,NULL,NULL,NULL,NULL,0);
INSERT INTO "outbox" VALUES('fa837140-f255-4ceb-a077-7defb44683c3',1,'6682f881-cd6a-5e23-a3e6-6fd59a974314','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"6682f881-cd6a-5e23-a3e6-6fd59a974314","orderId":"fa837140-f255-4ceb-a077-7defb44683c3","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 11:36:59.454364',0,'2026-11-27 11:36:59.454364',0,0,NULL,0);
INSERT INTO "outbox" VALUES('f7bcf590-8aab-4bcd-885c-20badae362c9',1,'8a572f73-75c3-5250-ad79-376dd0d0fea7','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"8a572f73-75c3-5250-ad79-376dd0d0fea7","orderId":"f7bcf590-8aab-4bcd-885c-20badae362c9","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 11:36:59.454364',0,'2026-11-27 11:36:59.454364',0,0,NULL,0);
INSERT INTO "outbox" VALUES('fb56eda1-059d-472c-ad96-2b37d3b8990d',1,'5548515e-a52d-5f01-98ce-a50b15a928d4','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"5548515e-a52d-5f01-98ce-a50b15a928d4","orderId":"fb56eda1-059d-472c-ad96-2b37d3b8990d","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 11:36:59.454364',0,'2026-11-27 11:36:59.454364',0,0,NULL,0);
INSERT INTO "outbox" VALUES('f44a18e9-f1c6-4edf-9d04-7e504ef52c30',1,'460148ef-4a5d-5062-ae2b-88e22c6633a9','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"460148ef-4a5d-5062-ae2b-88e22c6633a9","orderId":"f44a18e9-f1c6-4edf-9d04-7e504ef52c30","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 11:36:59.454364',0,'2026-11-27 11:36:59.454364',0,0,NULL,0);
INSERT INTO "outbox" VALUES('f1f0ce7e-8a4a-4533-993b-4fac82db2233',1,'97b4c72d-dc7e-50a6-8af4-c647a0009d14','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"97b4c72d-dc7e-50a6-8af4-c647a0009d14","orderId":"f1f0ce7e-8a4a-4533-993b-4fac82db2233","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 11:36:59.454364',0,'2026-11-27 11:36:59.454364',0,0,NULL,0);
INSERT INTO "outbox" VALUES('f157e15a-cd26-4441-988e-345e851cf42f',1,'e05a5ec5-542d-5f9f-b6d6-864c964d9204','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"e05a5ec5-542d-5f9f-b6d6-864c964d9204","orderId":"f157e15a-cd26-4441-988e-345e851cf42f","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 11:36:59.454364',0,'2026-11-27 11:36:59.454364',0,0,NULL,0);
INSERT INTO "outbox" VALUES('f4ec260b-e53d-401e-a54a-bca10900380e',1,'c421b8b8-a585-50a0-9284-1416e545c63a','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"c421b8b8-a585-50a0-9284-1416e545c63a","orderId":"f4ec260b-e53d-401e-a54a-bca10900380e","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 11:36:59.454364',0,'2026-11-27 11:36:59.454364',0,0,NULL,0);
INSERT INTO "outbox" VALUES('f86b0dff-ff7a-453f-ab93-f852832112bb',1,'17c0559a-f8e8-5cc0-a3f7-d56560839582','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"17c0559a-f8e8-5cc0-a3f7-d56560839582","orderId":"f86b0dff-ff7a-453f-ab93-f852832112bb","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 11:36:59.454364',0,'2026-11-27 11:36:59.454364',0,0,NULL,0);
INSERT INTO "outbox" VALUES('f037f0a7-a3de-4bf5-acc7-0163045cb997',1,'87217cf3-589c-52ab-bfb3-0170bdac5dab','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"87217cf3-589c-52ab-bfb3-0170bdac5dab","orderId":"f037f0a7-a3de-4bf5-acc7-0163045cb997","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 11:36:59.454364',0,'2026-11-27 11:36:59.454364',0,0,NULL,0);
INSERT INTO "outbox" VALUES('fbdbce98-41ce-4a90-839e-586ff6c49deb',1,'551d6d2d-a3af-56b5-b70a-39fbe3bc97be','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"551d6d2d-a3af-56b5-b70a-39fbe3bc97be","orderId":"fbdbce98-41ce-4a90-839e-586ff6c49deb","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 11:36:59.454364',0,'2026-11-27 11:36:59.454364',0,0,NULL,0);
INSERT INTO "outbox" VALUES('f3e73ebe-e801-4f25-a747-36756f8382ef',1,'bb9b9f2f-cf1d-559f-8e7d-da1084678115','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"bb9b9f2f-cf1d-559f-8e7d-da1084678115","orderId":"f3e73ebe-e801-4f25-a747-36756f8382ef","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 11:36:59.454364',0,'2026-11-27 11:36:59.454364',0,0,NULL,0);
INSERT INTO "outbox" VALUES('f7d1ecf1-1a83-4d4c-977f-a94aa7c2be91',1,'bbfef211-8b48-5088-a8f3-f13b9091904f','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"bbfef211-8b48-5088-a8f3-f13b9091904f","orderId":"f7d1ecf1-1a83-4d4c-977f-a94aa7c2be91","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 11:36:59.454364',0,'2026-11-27 11:36:59.454364',0,0,NULL,0);
INSERT INTO "outbox" VALUES('f66c2fa3-741b-43ae-9014-30f4d02dd289',1,'d06cd9da-ee62-50cb-b723-4be610b92969','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"d06cd9da-ee62-50cb-b723-4be610b92969","orderId":"f66c2fa3-741b-43ae-9014-30f4d02dd289","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 11:36:59.454364',0,'2026-11-27 11:36:59.454364',0,0,NULL,0);
INSERT INTO "outbox" VALUES('fbf4242d-c3f0-49aa-94f7-5b52876210bc',1,'845ac05b-d2c9-5431-b938-af90d4757cd6','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"845ac05b-d2c9-5431-b938-af90d4757cd6","orderId":"fbf4242d-c3f0-49aa-94f7-5b52876210bc","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 11:36:59.454364',0,'2026-11-27 11:36:59.454364',0,0,NULL,0);
INSERT INTO "outbox" VALUES('f5dbc66a-b9ec-4eda-9d64-81221e65927f',1,'9fd3cf54-fe35-5fd3-93b5-d1e09f3bfe51','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"9fd3cf54-fe35-5fd3-93b5-d1e09f3bfe51","orderId":"f5dbc66a-b9ec-4eda-9d64-81221e65927f","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 11:36:59.454364',0,'2026-11-27 11:36:59.454364',0,0,NULL,0);
INSERT INTO "outbox" VALUES('f69e9feb-c638-4fcb-881a-861f37cb6d89',1,'e2c3bbd5-139d-572a-bf8e-1e715656cc8e','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"e2c3bbd5-139d-572a-bf8e-1e715656cc8e","orderId":"f69e9feb-c638-4fcb-881a-861f37cb6d89","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 11:36:59.454364',0,'2026-11-27 11:36:59.454364',0,0,NULL,0);
INSERT INTO "outbox" VALUES('f3757889-7f50-4bb3-b600-9cf0daae1af0',1,'d9c83c4d-a0b6-5a9f-ade3-f4279f0778c3','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"d9c83c4d-a0b6-5a9f-ade3-f4279f0778c3","orderId":"f3757889-7f50-4bb3-b600-9cf0daae1af0","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 11:36:59.454364',0,'2026-11-27 11:36:59.454364',0,0,NULL,0);
INSERT INTO "outbox" VALUES('f78555da-b0b6-4ed7-8377-e602eb4d036e',1,'05354808-0622-5013-a86b-3cb03540d8c3','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"05354808-0622-5013-a86b-3cb03540d8c3","orderId":"f78555da-b0b6-4ed7-8377-e602eb4d036e","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 11:36:59.454364',0,'2026-11-27 11:36:59.454364',0,0,NULL,0);
INSERT INTO "outbox" VALUES('fac94b13-06ce-4712-813e-9daaf79f8ec4',1,'d9bc5a2e-4552-57b2-b739-fb9e32dbad15','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"d9bc5a2e-4552-57b2-b739-fb9e32dbad15","orderId":"fac94b13-06ce-4712-813e-9daaf79f8ec4","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 11:36:59.454364',0,'2026-11-27 11:36:59.454364',0,0,NULL,0);
INSERT INTO "outbox" VALUES('f97a175b-9d08-40d1-a212-f8572664494d',1,'9a9ecaf4-2496-5279-885c-f00ec1e248a8','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"9a9ecaf4-2496-5279-885c-f00ec1e248a8","orderId":"f97a175b-9d08-40d1-a212-f8572664494d","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 11:36:59.454364',0,'2026-11-27 11:36:59.454364',0,0,NULL,0);
INSERT INTO "outbox" VALUES('fbf89667-ed20-43cf-8034-96c2a5c27d35',1,'3065f1ba-e854-5f42-960d-2336648d6720','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"3065f1ba-e854-5f42-960d-2336648d6720","orderId":"fbf89667-ed20-43cf-8034-96c2a5c27d35","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 11:36:59.454364',0,'2026-11-27 11:36:59.454364',0,0,NULL,0);
INSERT INTO "outbox" VALUES('f0cc31ef-f02a-4086-b65d-a8500c947a77',1,'bc223266-674b-5a4b-8979-c0b7930203b5','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"bc223266-674b-5a4b-8979-c0b7930203b5","orderId":"f0cc31ef-f02a-4086-b65d-a8500c947a77","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 11:36:59.454364',0,'2026-11-27 11:36:59.454364',0,0,NULL,0);
INSERT INTO "outbox" VALUES('ff02b76d-c154-4056-89a9-c387cebefdc2',1,'c4adf052-b4a5-5213-9af8-1514ff344a0a','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"c4adf052-b4a5-5213-9af8-1514ff344a0a","orderId":"ff02b76d-c154-4056-89a9-c387cebefdc2","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 11:36:59.454364',0,'2026-11-27 11:36:59.454364',0,0,NULL,0);
INSERT INTO "outbox" VALUES('f62f9c2f-1bc9-4753-b836-ee7fda1ba4f0',1,'29f3696c-f706-51aa-887d-94ba08de0e28','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"29f3696c-f706-51aa-887d-94ba08de0e28","orderId":"f62f9c2f-1bc9-4753-b836-ee7fda1ba4f0","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 11:36:59.454364',0,'2026-11-27 11:36:59.454364',0,0,NULL,0);
INSERT INTO "outbox" VALUES('fe2dccd8-5edc-4e01-b993-00227e38e569',1,'fee99c94-d780-5e7e-b7ee-e6c525dd9510','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"fee99c94-d780-5e7e-b7ee-e6c525dd9510","orderId":"fe2dccd8-5edc-4e01-b993-00227e38e569","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 11:36:59.454364',0,'2026-11-27 11:36:59.454364',0,0,NULL,0);
INSERT INTO "outbox" VALUES('f6f1a082-c668-444a-99b6-d7f14b435e45',1,'7cae2aaf-837f-5016-aac9-b3091bbcf25a','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"7cae2aaf-837f-5016-aac9-b3091bbcf25a","orderId":"f6f1a082-c668-444a-99b6-d7f14b435e45","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 11:36:59.454364',0,'2026-11-27 11:36:59.454364',0,0,NULL,0);
INSERT INTO "outbox" VALUES('f9c228ac-6d1e-4331-b477-c55741fa9b20',1,'b6c34e43-715f-54ce-a85a-1c95870da5e3','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"b6c34e43-715f-54ce-a85a-1c95870da5e3","orderId":"f9c228ac-6d1e-4331-b477-c55741fa9b20","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 11:36:59.454364',0,'2026-11-27 11:36:59.454364',0,0,NULL,0);
INSERT INTO "outbox" VALUES('f306bd86-b26d-4d2f-baf7-c32206ca8a74',1,'bd64a169-43b3-5f05-bf94-2a9610eb443c','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"bd64a169-43b3-5f05-bf94-2a9610eb443c","orderId":"f306bd86-b26d-4d2f-baf7-c32206ca8a74","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 11:36:59.454364',0,'2026-11-27 11:36:59.454364',0,0,NULL,0);
INSERT INTO "outbox" VALUES('f6a6c7e6-5053-47f5-8eb8-1725cf099938',1,'5b0a16d8-6e2f-5d3b-844d-4107db258d60','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"5b0a16d8-6e2f-5d3b-844d-4107db258d60","orderId":"f6a6c7e6-5053-47f5-8eb8-1725cf099938","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 11:36:59.454364',0,'2026-11-27 11:36:59.454364',0,0,NULL,0);
INSERT INTO "outbox" VALUES('f0d927b4-e5bc-4e9c-a086-de1957ad2d97',1,'255a47c0-78d6-53e7-9adc-53f5f0560ed2','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"255a47c0-78d6-53e7-9adc-53f5f0560ed2","orderId":"f0d927b4-e5bc-4e9c-a086-de1957ad2d97","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 11:36:59.454364',0,'2026-11-27 11:36:59.454364',0,0,NULL,0);
INSERT INTO "outbox" VALUES('f7466b7b-a387-4668-ad3b-ff65b1211e7b',1,'35f3f112-2884-59ba-b37b-73971d799aca','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"35f3f112-2884-59ba-b37b-73971d799aca","orderId":"f7466b7b-a387-4668-ad3b-ff65b1211e7b","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 11:36:59.454364',0,'2026-11-27 11:36:59.454364',0,0,NULL,0);
INSERT INTO "outbox" VALUES('fa292d9b-02c2-47e5-9d80-31dfc4a86052',1,'b99bab39-fd97-5556-9391-87e3194c2bf1','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"b99bab39-fd97-5556-9391-87e3194c2bf1","orderId":"fa292d9b-02c2-47e5-9d80-31dfc4a86052","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 11:36:59.454364',0,'2026-11-27 11:36:59.454364',0,0,NULL,0);
INSERT INTO "outbox" VALUES('fdb04838-6f48-426f-a7d6-00a4e0d6647b',1,'65df1ad4-7533-5ff9-8998-d70d77402bd4','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"65df1ad4-7533-5ff9-8998-d70d77402bd4","orderId":"fdb04838-6f48-426f-a7d6-00a4e0d6647b","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 11:36:59.454364',0,'2026-11-27 11:36:59.454364',0,0,NULL,0);
INSERT INTO "outbox" VALUES('f41d3406-f2e4-4f34-b7e3-d7fbbefabb38',1,'a73b5bfc-8e62-5d91-a0e8-f7615c6d9391','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"a73b5bfc-8e62-5d91-a0e8-f7615c6d9391","orderId":"f41d3406-f2e4-4f34-b7e3-d7fbbefabb38","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 11:36:59.454364',0,'2026-11-27 11:36:59.454364',0,0,NULL,0);
INSERT INTO "outbox" VALUES('fee121be-6e11-485f-af5d-241aaaf66d88',1,'c848348c-8c05-5571-b14d-12f6c66e3312','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"c848348c-8c05-5571-b14d-12f6c66e3312","orderId":"fee121be-6e11-485f-af5d-241aaaf66d88","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 11:36:59.454364',0,'2026-11-27 11:36:59.454364',0,0,NULL,0);
INSERT INTO "outbox" VALUES('f61370ee-bccc-44e0-95bc-2ebeb4f17db6',1,'e3d31f06-b69e-5b4a-8649-c5b7da6763c5','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"e3d31f06-b69e-5b4a-8649-c5b7da6763c5","orderId":"f61370ee-bccc-44e0-95bc-2ebeb4f17db6","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 11:36:59.454364',0,'2026-11-27 11:36:59.454364',0,0,NULL,0);
INSERT INTO "outbox" VALUES('ff4f6a86-f95f-467a-96b5-14c09d56cb39',1,'cba0c9fb-41b2-5241-afef-01601663e14a','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"cba0c9fb-41b2-5241-afef-01601663e14a","orderId":"ff4f6a86-f95f-467a-96b5-14c09d56cb39","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 11:36:59.454364',0,'2026-11-27 11:36:59.454364',0,0,NULL,0);
INSERT INTO "outbox" VALUES('f093ab19-7381-4117-9c9d-a424ce5153e3',1,'3f2885c2-c48c-5a6f-8bda-0aa1eedc644c','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"3f2885c2-c48c-5a6f-8bda-0aa1eedc644c","orderId":"f093ab19-7381-4117-9c9d-a424ce5153e3","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 11:36:59.454364',0,'2026-11-27 11:36:59.454364',0,0,NULL,0);
INSERT INTO "outbox" VALUES('f2976130-3daa-4cbb-96cf-3c1b14337ab6',1,'88cdbe27-7c30-57f3-b5b1-880898c141c5','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"88cdbe27-7c30-57f3-b5b1-880898c141c5","orderId":"f2976130-3daa-4cbb-96cf-3c1b14337ab6","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 11:36:59.454364',0,'2026-11-27 11:36:59.454364',0,0,NULL,0);
INSERT INTO "outbox" VALUES('f9e3b8d1-f308-431d-b7bd-6870d980f464',1,'0355410e-2d60-5bb9-a8ae-dc72a0b780de','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"0355410e-2d60-5bb9-a8ae-dc72a0b780de","orderId":"f9e3b8d1-f308-431d-b7bd-6870d980f464","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 11:36:59.454364',0,'2026-11-27 11:36:59.454364',0,0,NULL,0);
INSERT INTO "outbox" VALUES('fd9f4853-1b09-4cba-b48b-80a018ada5c4',1,'6ea5b88b-b41d-55ea-9f97-ee2ab5483582','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"6ea5b88b-b41d-55ea-9f97-ee2ab5483582","orderId":"fd9f4853-1b09-4cba-b48b-80a018ada5c4","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 11:36:59.454364',0,'2026-11-27 11:36:59.454364',0,0,NULL,0);
INSERT INTO "outbox" VALUES('f925b254-4b64-47be-82ee-a234fa23610b',1,'138cd53f-1e94-5689-9fd8-d62279d94d3f','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"138cd53f-1e94-5689-9fd8-d62279d94d3f","orderId":"f925b254-4b64-47be-82ee-a234fa23610b","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 11:36:59.454364',0,'2026-11-27 11:36:59.454364',0,0,NULL,0);
INSERT INTO "outbox" VALUES('fc4de284-2787-44fe-aed1-500cea0ac091',1,'953d1224-b829-5edf-b147-d16b51286e17','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"953d1224-b829-5edf-b147-d16b51286e17","orderId":"fc4de284-2787-44fe-aed1-500cea0ac091","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 11:36:59.454364',0,'2026-11-27 11:36:59.454364',0,0,NULL,0);
INSERT INTO "outbox" VALUES('f655ff36-f7f6-4b0d-a931-7d0b6b16d34a',1,'460fcfef-2cf4-5188-be32-1ef4570a13e0','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"460fcfef-2cf4-5188-be32-1ef4570a13e0","orderId":"f655ff36-f7f6-4b0d-a931-7d0b6b16d34a","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 11:36:59.454364',0,'2026-11-27 11:36:59.454364',0,0,NULL,0);
INSERT INTO "outbox" VALUES('f50a0948-2aa8-42f3-acb2-628c412011b1',1,'64d25cec-3aa3-583c-bdbc-fc803b44ccb0','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"64d25cec-3aa3-583c-bdbc-fc803b44ccb0","orderId":"f50a0948-2aa8-42f3-acb2-628c412011b1","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 11:36:59.454364',0,'2026-11-27 11:36:59.454364',0,0,NULL,0);
INSERT INTO "outbox" VALUES('f2cbb35a-d966-422d-91e8-338451aec5e3',1,'6a4def86-3440-578d-8b6d-984ca20921e3','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"6a4def86-3440-578d-8b6d-984ca20921e3","orderId":"f2cbb35a-d966-422d-91e8-338451aec5e3","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 11:36:59.454364',0,'2026-11-27 11:36:59.454364',0,0,NULL,0);
INSERT INTO "outbox" VALUES('f854893f-97d8-46b8-bac4-5c5336e171ab',1,'12dc1f92-7de6-51fc-b039-cac6cbea8865','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"12dc1f92-7de6-51fc-b039-cac6cbea8865","orderId":"f854893f-97d8-46b8-bac4-5c5336e171ab","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 11:36:59.454364',0,'2026-11-27 11:36:59.454364',0,0,NULL,0);
INSERT INTO "outbox" VALUES('f8be3c9b-8eca-4f6c-b3c0-496f5b15def2',1,'1b479d5f-da0a-577f-893c-030dd9e043b0','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"1b479d5f-da0a-577f-893c-030dd9e043b0","orderId":"f8be3c9b-8eca-4f6c-b3c0-496f5b15def2","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 11:36:59.454364',0,'2026-11-27 11:36:59.454364',0,0,NULL,0);
INSERT INTO "outbox" VALUES('f476c004-0915-4c60-8e69-f8aa443e0522',1,'5cea1e99-3d14-561a-bb64-bd9fdac52356','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"5cea1e99-3d14-561a-bb64-bd9fdac52356","orderId":"f476c004-0915-4c60-8e69-f8aa443e0522","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 11:36:59.454364',0,'2026-11-27 11:36:59.454364',0,0,NULL,0);
INSERT INTO "outbox" VALUES('fba027f8-c6bf-4580-bcec-6078e48e8dca',1,'2220334e-cd96-562a-8ea1-8a45a1e14686','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"2220334e-cd96-562a-8ea1-8a45a1e14686","orderId":"fba027f8-c6bf-4580-bcec-6078e48e8dca","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 11:36:59.454364',0,'2026-11-27 11:36:59.454364',0,0,NULL,0);
INSERT INTO "outbox" VALUES('f521d953-e809-419b-98e8-28c4ccc21119',1,'b4cc6748-05b9-51f1-86ae-2136ae913a20','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"b4cc6748-05b9-51f1-86ae-2136ae913a20","orderId":"f521d953-e809-419b-98e8-28c4ccc21119","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 11:36:59.454364',0,'2026-11-27 11:36:59.454364',0,0,NULL,0);
INSERT INTO "outbox" VALUES('f035634c-29e0-4c5a-b25f-731995f2bebf',1,'39c8e5b6-14cc-53a2-95c0-5a46e3fd1185','OrderCreated','order-events','{"eventType":"OrderCreated","schemaVersion":2,"eventId":"39c8e5b6-14cc-53a2-95c0-5a46e3fd1185","orderId":"f035634c-29e0-4c5a-b25f-731995f2bebf","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}','abc',NULL,'2026-11-27 11:36:59.454364',0,NULL,NULL,NULL,'too large when it is sent alone',0);
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
INSERT INTO "stream" VALUES(1,'2026-11-27 11:36:59.454364','[["f7bcf590-8aab-4bcd-885c-20badae362c9",1,"Created","2026-11-27T11:36:59.454Z","c-1",null,null]]',1,1);
INSERT INTO "stream" VALUES(2,'2026-11-27 11:36:59.454364','[["f7bcf590-8aab-4bcd-885c-20badae362c9",2,"Created","2026-11-27T11:36:59.454Z","c-1",null,null]]',1,2);
INSERT INTO "stream" VALUES(3,'2026-11-27 11:36:59.454364','[["f7bcf590-8aab-4bcd-885c-20badae362c9",3,"Created","2026-11-27T11:36:59.454Z","c-1",null,null]]',1,NULL);
CREATE TABLE webhook_messages (
	endpoint_id CHAR(36) NOT NULL, 
	position BIGINT NOT NULL, 
	order_id CHAR(36) NOT NULL, 
	order_version INTEGER NOT NULL, 
	payload TEXT NOT NULL, 
	attempts INTEGER NOT NULL, 
	due_at DATETIME NOT NULL, 
	reason VARCHAR(200), 
	dead_at DATETIME, 
	PRIMARY KEY (endpoint_id, position)
);
INSERT INTO "webhook_messages" VALUES('d3c410c2-a5de-45a9-bcfb-ec2dda4ffd9e',1,'f7bcf590-8aab-4bcd-885c-20badae362c9',1,'{"type":"order.created"}',9,'2026-11-27 11:36:59.454364','503','2026-11-27 11:36:59.454364');
INSERT INTO "webhook_messages" VALUES('d3c410c2-a5de-45a9-bcfb-ec2dda4ffd9e',2,'f7bcf590-8aab-4bcd-885c-20badae362c9',2,'{"type":"order.created"}',3,'2026-11-27 11:36:59.454364','503',NULL);
INSERT INTO "webhook_messages" VALUES('d3c410c2-a5de-45a9-bcfb-ec2dda4ffd9e',3,'f7bcf590-8aab-4bcd-885c-20badae362c9',3,'{"type":"order.created"}',0,'2026-11-27 11:36:59.454364',NULL,NULL);
CREATE TABLE webhooks (
	endpoint_id CHAR(36) NOT NULL, 
	url VARCHAR(1000) NOT NULL, 
	secret VARCHAR(64) NOT NULL, 
	event_types VARCHAR(200), 
	created_at DATETIME NOT NULL, 
	position BIGINT NOT NULL, 
	missed BIGINT DEFAULT 0 NOT NULL, 
	failing_since DATETIME, 
	last_error VARCHAR(200), 
	owner CHAR(36), 
	leased_until_ms BIGINT DEFAULT 0 NOT NULL, 
	PRIMARY KEY (endpoint_id)
);
INSERT INTO "webhooks" VALUES('d3c410c2-a5de-45a9-bcfb-ec2dda4ffd9e','https://example.com/hook','whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=','order.created','2026-11-27 11:36:59.454364',3,0,'2026-11-27 11:36:59.454364','503',NULL,0);
CREATE INDEX orders_by_status ON orders (status, order_id);
CREATE INDEX orders_by_customer ON orders (customer_id, order_id);
CREATE INDEX orders_with_attention ON orders (order_id) WHERE attention_kind IS NOT NULL;
CREATE INDEX order_items_by_product ON order_items (product_id, order_id);
CREATE INDEX outbox_unpublished ON outbox (order_id, order_version) WHERE published_at IS NULL;
CREATE INDEX outbox_parked ON outbox (order_id) WHERE parked_reason IS NOT NULL;
CREATE TRIGGER audit_log_refuses_update BEFORE UPDATE ON audit_log BEGIN SELECT RAISE(ABORT, 'audit_log is append-only'); END;
CREATE TRIGGER audit_log_refuses_delete BEFORE DELETE ON audit_log BEGIN SELECT RAISE(ABORT, 'audit_log is append-only'); END;
CREATE INDEX stream_waiting ON stream (id) WHERE first_position IS NULL;
CREATE UNIQUE INDEX stream_by_position ON stream (first_position) WHERE first_position IS NOT NULL;
CREATE INDEX orders_by_tracking_number ON orders (tracking_number, order_id) WHERE tracking_number IS NOT NULL;
CREATE INDEX idempotency_keys_by_order ON idempotency_keys (order_id);
COMMIT;
