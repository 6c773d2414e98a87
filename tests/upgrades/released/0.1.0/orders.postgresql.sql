SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;
CREATE FUNCTION public.audit_log_is_append_only() RETURNS trigger
    LANGUAGE plpgsql
    AS $$ BEGIN RAISE EXCEPTION 'audit_log is append-only'; END $$;
SET default_tablespace = '';
SET default_table_access_method = heap;
CREATE TABLE public.alembic_version_orders (
    version_num character varying(32) NOT NULL
);
CREATE TABLE public.api_keys (
    prefix character varying(10) NOT NULL,
    sha256 character varying(64) NOT NULL,
    name character varying(64) NOT NULL,
    scopes character varying(200) NOT NULL,
    customer_id character varying(200),
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone,
    revoked_at timestamp with time zone,
    last_used_at timestamp with time zone
);
CREATE TABLE public.audit_log (
    id uuid NOT NULL,
    at timestamp with time zone NOT NULL,
    actor character varying(200) NOT NULL,
    action character varying(64) NOT NULL,
    subject character varying(200) NOT NULL,
    reason character varying(1000),
    correlation_id character varying(200) NOT NULL,
    details text NOT NULL
);
CREATE TABLE public.idempotency_keys (
    caller character varying(64) NOT NULL,
    key character varying(255) NOT NULL,
    request_hash character varying(64) NOT NULL,
    order_id uuid NOT NULL,
    created_at timestamp with time zone NOT NULL
)
WITH (autovacuum_vacuum_scale_factor='0.01', autovacuum_vacuum_threshold='5000', autovacuum_vacuum_insert_scale_factor='0.1');
CREATE TABLE public.last_contraction_orders (
    revision character varying(32) NOT NULL
);
CREATE TABLE public.order_changes (
    order_id uuid NOT NULL,
    version integer NOT NULL,
    at timestamp with time zone NOT NULL,
    status character varying(16) NOT NULL,
    actor character varying(200) NOT NULL,
    reason character varying(1000),
    correlation_id character varying(200) NOT NULL
);
CREATE TABLE public.order_items (
    order_id uuid NOT NULL,
    line integer NOT NULL,
    product_id character varying(200) NOT NULL,
    quantity integer NOT NULL,
    unit_price_minor bigint
);
CREATE TABLE public.orders (
    order_id uuid NOT NULL,
    customer_id character varying(200) NOT NULL,
    customer_name character varying(200) NOT NULL,
    currency character varying(3),
    ship_to text,
    created_at timestamp with time zone NOT NULL,
    correlation_id character varying(200) NOT NULL,
    status character varying(16) NOT NULL,
    version integer NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    carrier character varying(200),
    tracking_number character varying(200),
    shipped_at timestamp with time zone,
    error_message character varying(1000),
    attention_kind character varying(64),
    attention_reason character varying(1000),
    attention_since timestamp with time zone,
    created_by character varying(64)
);
CREATE TABLE public.outbox (
    order_id uuid NOT NULL,
    order_version integer NOT NULL,
    event_id uuid NOT NULL,
    event_type character varying(64) NOT NULL,
    topic character varying(200) NOT NULL,
    payload text NOT NULL,
    correlation_id character varying(200) NOT NULL,
    traceparent character varying(55),
    created_at timestamp with time zone NOT NULL,
    leased_until_ms bigint NOT NULL,
    published_at timestamp with time zone,
    partition integer,
    "offset" bigint,
    parked_reason character varying(1000),
    re_emissions integer DEFAULT 0 NOT NULL
)
WITH (autovacuum_vacuum_scale_factor='0.01', autovacuum_vacuum_threshold='5000', autovacuum_vacuum_insert_scale_factor='0.1');
CREATE TABLE public.status_counts (
    slot integer NOT NULL,
    status character varying(16) NOT NULL,
    orders bigint NOT NULL
)
WITH (fillfactor='20');
CREATE TABLE public.stream (
    id bigint NOT NULL,
    at timestamp with time zone NOT NULL,
    changes text NOT NULL,
    size integer NOT NULL,
    first_position bigint
)
WITH (autovacuum_vacuum_scale_factor='0.01', autovacuum_vacuum_threshold='5000', autovacuum_vacuum_insert_scale_factor='0.1');
CREATE SEQUENCE public.stream_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.stream_id_seq OWNED BY public.stream.id;
CREATE TABLE public.webhook_messages (
    endpoint_id uuid NOT NULL,
    "position" bigint NOT NULL,
    order_id uuid NOT NULL,
    order_version integer NOT NULL,
    payload text NOT NULL,
    attempts integer NOT NULL,
    due_at timestamp with time zone NOT NULL,
    reason character varying(200),
    dead_at timestamp with time zone
);
CREATE TABLE public.webhooks (
    endpoint_id uuid NOT NULL,
    url character varying(1000) NOT NULL,
    secret character varying(64) NOT NULL,
    event_types character varying(200),
    created_at timestamp with time zone NOT NULL,
    "position" bigint NOT NULL,
    missed bigint DEFAULT 0 NOT NULL,
    failing_since timestamp with time zone,
    last_error character varying(200),
    owner uuid,
    leased_until_ms bigint DEFAULT 0 NOT NULL
);
ALTER TABLE ONLY public.stream ALTER COLUMN id SET DEFAULT nextval('public.stream_id_seq'::regclass);
INSERT INTO public.alembic_version_orders VALUES
	('0009');
INSERT INTO public.api_keys VALUES
	('0123456789', '0000000000000000000000000000000000000000000000000000000000000000', 'shop', 'orders:read orders:write', NULL, '2026-11-27 11:36:59.454364+00', NULL, NULL, NULL),
	('abcdef0123', '0000000000000000000000000000000000000000000000000000000000000000', 'shop', 'orders:read orders:write', NULL, '2026-11-27 11:36:59.454364+00', '2026-11-27 11:36:59.454364+00', '2026-11-27 11:36:59.454364+00', NULL);
INSERT INTO public.audit_log VALUES
	('12181d73-ced6-4182-b71e-defacfa76dd7', '2026-11-27 11:36:59.454364+00', 'ada', 'order.hold', 'it', 'why', 'abc', '{}');
INSERT INTO public.idempotency_keys VALUES
	('shop', 'k', '0000000000000000000000000000000000000000000000000000000000000000', 'fbf4242d-c3f0-49aa-94f7-5b52876210bc', '2026-11-27 11:36:59.454364+00');
INSERT INTO public.order_changes VALUES
	('f1b9a653-400b-4734-8dfc-a231acede83d', 1, '2026-11-27 11:36:59.454364+00', 'Created', 'api', NULL, 'abc'),
	('fa837140-f255-4ceb-a077-7defb44683c3', 1, '2026-11-27 11:36:59.454364+00', 'Created', 'api', NULL, 'abc'),
	('f7bcf590-8aab-4bcd-885c-20badae362c9', 1, '2026-11-27 11:36:59.454364+00', 'Created', 'api', NULL, 'abc'),
	('fb56eda1-059d-472c-ad96-2b37d3b8990d', 1, '2026-11-27 11:36:59.454364+00', 'Created', 'api', NULL, 'abc'),
	('f44a18e9-f1c6-4edf-9d04-7e504ef52c30', 1, '2026-11-27 11:36:59.454364+00', 'OnHold', 'api', NULL, 'abc'),
	('f1f0ce7e-8a4a-4533-993b-4fac82db2233', 1, '2026-11-27 11:36:59.454364+00', 'Cancelled', 'api', NULL, 'abc'),
	('f157e15a-cd26-4441-988e-345e851cf42f', 1, '2026-11-27 11:36:59.454364+00', 'Cancelling', 'api', NULL, 'abc'),
	('f4ec260b-e53d-401e-a54a-bca10900380e', 1, '2026-11-27 11:36:59.454364+00', 'Created', 'api', NULL, 'abc'),
	('f86b0dff-ff7a-453f-ab93-f852832112bb', 1, '2026-11-27 11:36:59.454364+00', 'Processing', 'api', NULL, 'abc'),
	('f037f0a7-a3de-4bf5-acc7-0163045cb997', 1, '2026-11-27 11:36:59.454364+00', 'Processing', 'api', NULL, 'abc'),
	('fbdbce98-41ce-4a90-839e-586ff6c49deb', 1, '2026-11-27 11:36:59.454364+00', 'Processing', 'api', NULL, 'abc'),
	('f3e73ebe-e801-4f25-a747-36756f8382ef', 1, '2026-11-27 11:36:59.454364+00', 'Processing', 'api', NULL, 'abc'),
	('f7d1ecf1-1a83-4d4c-977f-a94aa7c2be91', 1, '2026-11-27 11:36:59.454364+00', 'Shipped', 'api', NULL, 'abc'),
	('f66c2fa3-741b-43ae-9014-30f4d02dd289', 1, '2026-11-27 11:36:59.454364+00', 'Processing', 'api', NULL, 'abc'),
	('fbf4242d-c3f0-49aa-94f7-5b52876210bc', 1, '2026-11-27 11:36:59.454364+00', 'Shipped', 'api', NULL, 'abc'),
	('f5dbc66a-b9ec-4eda-9d64-81221e65927f', 1, '2026-11-27 11:36:59.454364+00', 'Failed', 'api', NULL, 'abc'),
	('f69e9feb-c638-4fcb-881a-861f37cb6d89', 1, '2026-11-27 11:36:59.454364+00', 'Processing', 'api', NULL, 'abc'),
	('f3757889-7f50-4bb3-b600-9cf0daae1af0', 1, '2026-11-27 11:36:59.454364+00', 'Processing', 'api', NULL, 'abc'),
	('f78555da-b0b6-4ed7-8377-e602eb4d036e', 1, '2026-11-27 11:36:59.454364+00', 'Processing', 'api', NULL, 'abc'),
	('fac94b13-06ce-4712-813e-9daaf79f8ec4', 1, '2026-11-27 11:36:59.454364+00', 'Processing', 'api', NULL, 'abc'),
	('f97a175b-9d08-40d1-a212-f8572664494d', 1, '2026-11-27 11:36:59.454364+00', 'Processing', 'api', NULL, 'abc'),
	('fbf89667-ed20-43cf-8034-96c2a5c27d35', 1, '2026-11-27 11:36:59.454364+00', 'Processing', 'api', NULL, 'abc'),
	('f0cc31ef-f02a-4086-b65d-a8500c947a77', 1, '2026-11-27 11:36:59.454364+00', 'Processing', 'api', NULL, 'abc'),
	('ff02b76d-c154-4056-89a9-c387cebefdc2', 1, '2026-11-27 11:36:59.454364+00', 'Processing', 'api', NULL, 'abc'),
	('f62f9c2f-1bc9-4753-b836-ee7fda1ba4f0', 1, '2026-11-27 11:36:59.454364+00', 'Created', 'api', NULL, 'abc'),
	('fe2dccd8-5edc-4e01-b993-00227e38e569', 1, '2026-11-27 11:36:59.454364+00', 'Created', 'api', NULL, 'abc'),
	('f6f1a082-c668-444a-99b6-d7f14b435e45', 1, '2026-11-27 11:36:59.454364+00', 'Created', 'api', NULL, 'abc'),
	('f9c228ac-6d1e-4331-b477-c55741fa9b20', 1, '2026-11-27 11:36:59.454364+00', 'Created', 'api', NULL, 'abc'),
	('f306bd86-b26d-4d2f-baf7-c32206ca8a74', 1, '2026-11-27 11:36:59.454364+00', 'Created', 'api', NULL, 'abc'),
	('f6a6c7e6-5053-47f5-8eb8-1725cf099938', 1, '2026-11-27 11:36:59.454364+00', 'Created', 'api', NULL, 'abc'),
	('f0d927b4-e5bc-4e9c-a086-de1957ad2d97', 1, '2026-11-27 11:36:59.454364+00', 'Processing', 'api', NULL, 'abc'),
	('f7466b7b-a387-4668-ad3b-ff65b1211e7b', 1, '2026-11-27 11:36:59.454364+00', 'Processing', 'api', NULL, 'abc'),
	('fa292d9b-02c2-47e5-9d80-31dfc4a86052', 1, '2026-11-27 11:36:59.454364+00', 'Processing', 'api', NULL, 'abc'),
	('fdb04838-6f48-426f-a7d6-00a4e0d6647b', 1, '2026-11-27 11:36:59.454364+00', 'Processing', 'api', NULL, 'abc'),
	('f41d3406-f2e4-4f34-b7e3-d7fbbefabb38', 1, '2026-11-27 11:36:59.454364+00', 'Processing', 'api', NULL, 'abc'),
	('fee121be-6e11-485f-af5d-241aaaf66d88', 1, '2026-11-27 11:36:59.454364+00', 'Processing', 'api', NULL, 'abc'),
	('f61370ee-bccc-44e0-95bc-2ebeb4f17db6', 1, '2026-11-27 11:36:59.454364+00', 'Shipped', 'api', NULL, 'abc'),
	('ff4f6a86-f95f-467a-96b5-14c09d56cb39', 1, '2026-11-27 11:36:59.454364+00', 'Shipped', 'api', NULL, 'abc'),
	('f093ab19-7381-4117-9c9d-a424ce5153e3', 1, '2026-11-27 11:36:59.454364+00', 'Shipped', 'api', NULL, 'abc'),
	('f2976130-3daa-4cbb-96cf-3c1b14337ab6', 1, '2026-11-27 11:36:59.454364+00', 'Processing', 'api', NULL, 'abc'),
	('f9e3b8d1-f308-431d-b7bd-6870d980f464', 1, '2026-11-27 11:36:59.454364+00', 'Processing', 'api', NULL, 'abc'),
	('fd9f4853-1b09-4cba-b48b-80a018ada5c4', 1, '2026-11-27 11:36:59.454364+00', 'Cancelling', 'api', NULL, 'abc'),
	('f925b254-4b64-47be-82ee-a234fa23610b', 1, '2026-11-27 11:36:59.454364+00', 'Cancelling', 'api', NULL, 'abc'),
	('fc4de284-2787-44fe-aed1-500cea0ac091', 1, '2026-11-27 11:36:59.454364+00', 'Cancelling', 'api', NULL, 'abc'),
	('f655ff36-f7f6-4b0d-a931-7d0b6b16d34a', 1, '2026-11-27 11:36:59.454364+00', 'Cancelling', 'api', NULL, 'abc'),
	('f50a0948-2aa8-42f3-acb2-628c412011b1', 1, '2026-11-27 11:36:59.454364+00', 'Processing', 'api', NULL, 'abc'),
	('f2cbb35a-d966-422d-91e8-338451aec5e3', 1, '2026-11-27 11:36:59.454364+00', 'Shipped', 'api', NULL, 'abc'),
	('f854893f-97d8-46b8-bac4-5c5336e171ab', 1, '2026-11-27 11:36:59.454364+00', 'Cancelling', 'api', NULL, 'abc'),
	('f8be3c9b-8eca-4f6c-b3c0-496f5b15def2', 1, '2026-11-27 11:36:59.454364+00', 'Processing', 'api', NULL, 'abc'),
	('f476c004-0915-4c60-8e69-f8aa443e0522', 1, '2026-11-27 11:36:59.454364+00', 'Processing', 'api', NULL, 'abc'),
	('fba027f8-c6bf-4580-bcec-6078e48e8dca', 1, '2026-11-27 11:36:59.454364+00', 'Failed', 'api', NULL, 'abc'),
	('f521d953-e809-419b-98e8-28c4ccc21119', 1, '2026-11-27 11:36:59.454364+00', 'Shipped', 'api', NULL, 'abc'),
	('f035634c-29e0-4c5a-b25f-731995f2bebf', 1, '2026-11-27 11:36:59.454364+00', 'Created', 'api', NULL, 'abc');
INSERT INTO public.order_items VALUES
	('f1b9a653-400b-4734-8dfc-a231acede83d', 1, 'p-1', 2, NULL),
	('fa837140-f255-4ceb-a077-7defb44683c3', 1, 'p-1', 2, NULL),
	('f7bcf590-8aab-4bcd-885c-20badae362c9', 1, 'p-1', 2, NULL),
	('fb56eda1-059d-472c-ad96-2b37d3b8990d', 1, 'p-1', 2, NULL),
	('f44a18e9-f1c6-4edf-9d04-7e504ef52c30', 1, 'p-1', 2, NULL),
	('f1f0ce7e-8a4a-4533-993b-4fac82db2233', 1, 'p-1', 2, NULL),
	('f157e15a-cd26-4441-988e-345e851cf42f', 1, 'p-1', 2, NULL),
	('f4ec260b-e53d-401e-a54a-bca10900380e', 1, 'p-1', 2, NULL),
	('f86b0dff-ff7a-453f-ab93-f852832112bb', 1, 'p-1', 2, NULL),
	('f037f0a7-a3de-4bf5-acc7-0163045cb997', 1, 'p-1', 2, NULL),
	('fbdbce98-41ce-4a90-839e-586ff6c49deb', 1, 'p-1', 2, NULL),
	('f3e73ebe-e801-4f25-a747-36756f8382ef', 1, 'p-1', 2, NULL),
	('f7d1ecf1-1a83-4d4c-977f-a94aa7c2be91', 1, 'p-1', 2, NULL),
	('f66c2fa3-741b-43ae-9014-30f4d02dd289', 1, 'p-1', 2, NULL),
	('fbf4242d-c3f0-49aa-94f7-5b52876210bc', 1, 'p-1', 2, NULL),
	('f5dbc66a-b9ec-4eda-9d64-81221e65927f', 1, 'p-1', 2, NULL),
	('f69e9feb-c638-4fcb-881a-861f37cb6d89', 1, 'p-1', 2, NULL),
	('f3757889-7f50-4bb3-b600-9cf0daae1af0', 1, 'p-1', 2, NULL),
	('f78555da-b0b6-4ed7-8377-e602eb4d036e', 1, 'p-1', 2, NULL),
	('fac94b13-06ce-4712-813e-9daaf79f8ec4', 1, 'p-1', 2, NULL),
	('f97a175b-9d08-40d1-a212-f8572664494d', 1, 'p-1', 2, NULL),
	('fbf89667-ed20-43cf-8034-96c2a5c27d35', 1, 'p-1', 2, NULL),
	('f0cc31ef-f02a-4086-b65d-a8500c947a77', 1, 'p-1', 2, NULL),
	('ff02b76d-c154-4056-89a9-c387cebefdc2', 1, 'p-1', 2, NULL),
	('f62f9c2f-1bc9-4753-b836-ee7fda1ba4f0', 1, 'p-1', 2, NULL),
	('fe2dccd8-5edc-4e01-b993-00227e38e569', 1, 'p-1', 2, NULL),
	('f6f1a082-c668-444a-99b6-d7f14b435e45', 1, 'p-1', 2, NULL),
	('f9c228ac-6d1e-4331-b477-c55741fa9b20', 1, 'p-1', 2, NULL),
	('f306bd86-b26d-4d2f-baf7-c32206ca8a74', 1, 'p-1', 2, NULL),
	('f6a6c7e6-5053-47f5-8eb8-1725cf099938', 1, 'p-1', 2, NULL),
	('f0d927b4-e5bc-4e9c-a086-de1957ad2d97', 1, 'p-1', 2, 250),
	('f7466b7b-a387-4668-ad3b-ff65b1211e7b', 1, 'p-1', 2, 250),
	('fa292d9b-02c2-47e5-9d80-31dfc4a86052', 1, 'p-1', 2, 250),
	('fdb04838-6f48-426f-a7d6-00a4e0d6647b', 1, 'p-1', 2, 250),
	('f41d3406-f2e4-4f34-b7e3-d7fbbefabb38', 1, 'p-1', 2, 250),
	('fee121be-6e11-485f-af5d-241aaaf66d88', 1, 'p-1', 2, 250),
	('f61370ee-bccc-44e0-95bc-2ebeb4f17db6', 1, 'p-1', 2, 250),
	('ff4f6a86-f95f-467a-96b5-14c09d56cb39', 1, 'p-1', 2, 250),
	('f093ab19-7381-4117-9c9d-a424ce5153e3', 1, 'p-1', 2, 250),
	('f2976130-3daa-4cbb-96cf-3c1b14337ab6', 1, 'p-1', 2, 250),
	('f9e3b8d1-f308-431d-b7bd-6870d980f464', 1, 'p-1', 2, 250),
	('fd9f4853-1b09-4cba-b48b-80a018ada5c4', 1, 'p-1', 2, 250),
	('f925b254-4b64-47be-82ee-a234fa23610b', 1, 'p-1', 2, 250),
	('fc4de284-2787-44fe-aed1-500cea0ac091', 1, 'p-1', 2, 250),
	('f655ff36-f7f6-4b0d-a931-7d0b6b16d34a', 1, 'p-1', 2, 250),
	('f50a0948-2aa8-42f3-acb2-628c412011b1', 1, 'p-1', 2, 250),
	('f2cbb35a-d966-422d-91e8-338451aec5e3', 1, 'p-1', 2, 250),
	('f854893f-97d8-46b8-bac4-5c5336e171ab', 1, 'p-1', 2, 250),
	('f8be3c9b-8eca-4f6c-b3c0-496f5b15def2', 1, 'p-1', 2, 250),
	('f476c004-0915-4c60-8e69-f8aa443e0522', 1, 'p-1', 2, 250),
	('fba027f8-c6bf-4580-bcec-6078e48e8dca', 1, 'p-1', 2, 250),
	('f521d953-e809-419b-98e8-28c4ccc21119', 1, 'p-1', 2, 250),
	('f035634c-29e0-4c5a-b25f-731995f2bebf', 1, 'p-1', 2, 250);
INSERT INTO public.orders VALUES
	('f1b9a653-400b-4734-8dfc-a231acede83d', 'c-1', 'Ada', NULL, NULL, '2026-11-27 11:36:59.454364+00', 'abc', 'Created', 1, '2026-11-27 11:36:59.454364+00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('fa837140-f255-4ceb-a077-7defb44683c3', 'c-1', 'Ada', NULL, NULL, '2026-11-27 11:36:59.454364+00', 'abc', 'Created', 1, '2026-11-27 11:36:59.454364+00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('f7bcf590-8aab-4bcd-885c-20badae362c9', 'c-1', 'Ada', NULL, NULL, '2026-11-27 11:36:59.454364+00', 'abc', 'Created', 1, '2026-11-27 11:36:59.454364+00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('fb56eda1-059d-472c-ad96-2b37d3b8990d', 'c-1', 'Ada', NULL, NULL, '2026-11-27 11:36:59.454364+00', 'abc', 'Created', 1, '2026-11-27 11:36:59.454364+00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('f44a18e9-f1c6-4edf-9d04-7e504ef52c30', 'c-1', 'Ada', NULL, NULL, '2026-11-27 11:36:59.454364+00', 'abc', 'OnHold', 1, '2026-11-27 11:36:59.454364+00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('f1f0ce7e-8a4a-4533-993b-4fac82db2233', 'c-1', 'Ada', NULL, NULL, '2026-11-27 11:36:59.454364+00', 'abc', 'Cancelled', 1, '2026-11-27 11:36:59.454364+00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('f157e15a-cd26-4441-988e-345e851cf42f', 'c-1', 'Ada', NULL, NULL, '2026-11-27 11:36:59.454364+00', 'abc', 'Cancelling', 1, '2026-11-27 11:36:59.454364+00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('f4ec260b-e53d-401e-a54a-bca10900380e', 'c-1', 'Ada', NULL, NULL, '2026-11-27 11:36:59.454364+00', 'abc', 'Created', 1, '2026-11-27 11:36:59.454364+00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('f86b0dff-ff7a-453f-ab93-f852832112bb', 'c-1', 'Ada', NULL, NULL, '2026-11-27 11:36:59.454364+00', 'abc', 'Processing', 1, '2026-11-27 11:36:59.454364+00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('f037f0a7-a3de-4bf5-acc7-0163045cb997', 'c-1', 'Ada', NULL, NULL, '2026-11-27 11:36:59.454364+00', 'abc', 'Processing', 1, '2026-11-27 11:36:59.454364+00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('fbdbce98-41ce-4a90-839e-586ff6c49deb', 'c-1', 'Ada', NULL, NULL, '2026-11-27 11:36:59.454364+00', 'abc', 'Processing', 1, '2026-11-27 11:36:59.454364+00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('f3e73ebe-e801-4f25-a747-36756f8382ef', 'c-1', 'Ada', NULL, NULL, '2026-11-27 11:36:59.454364+00', 'abc', 'Processing', 1, '2026-11-27 11:36:59.454364+00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('f7d1ecf1-1a83-4d4c-977f-a94aa7c2be91', 'c-1', 'Ada', NULL, NULL, '2026-11-27 11:36:59.454364+00', 'abc', 'Shipped', 1, '2026-11-27 11:36:59.454364+00', 'Old Carrier', 'OLD-1', '2026-11-27 11:36:59.454364+00', NULL, NULL, NULL, NULL, NULL),
	('f66c2fa3-741b-43ae-9014-30f4d02dd289', 'c-1', 'Ada', NULL, NULL, '2026-11-27 11:36:59.454364+00', 'abc', 'Processing', 1, '2026-11-27 11:36:59.454364+00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('fbf4242d-c3f0-49aa-94f7-5b52876210bc', 'c-1', 'Ada', NULL, NULL, '2026-11-27 11:36:59.454364+00', 'abc', 'Shipped', 1, '2026-11-27 11:36:59.454364+00', 'Old Carrier', 'OLD-1', '2026-11-27 11:36:59.454364+00', NULL, NULL, NULL, NULL, NULL),
	('f5dbc66a-b9ec-4eda-9d64-81221e65927f', 'c-1', 'Ada', NULL, NULL, '2026-11-27 11:36:59.454364+00', 'abc', 'Failed', 1, '2026-11-27 11:36:59.454364+00', NULL, NULL, NULL, 'no', NULL, NULL, NULL, NULL),
	('f69e9feb-c638-4fcb-881a-861f37cb6d89', 'c-1', 'Ada', NULL, NULL, '2026-11-27 11:36:59.454364+00', 'abc', 'Processing', 1, '2026-11-27 11:36:59.454364+00', NULL, NULL, NULL, NULL, 'carrier-refused', 'ask', '2026-11-27 11:36:59.454364+00', NULL),
	('f3757889-7f50-4bb3-b600-9cf0daae1af0', 'c-1', 'Ada', NULL, NULL, '2026-11-27 11:36:59.454364+00', 'abc', 'Processing', 1, '2026-11-27 11:36:59.454364+00', NULL, NULL, NULL, NULL, 'carrier-unavailable', 'ask', '2026-11-27 11:36:59.454364+00', NULL),
	('f78555da-b0b6-4ed7-8377-e602eb4d036e', 'c-1', 'Ada', NULL, NULL, '2026-11-27 11:36:59.454364+00', 'abc', 'Processing', 1, '2026-11-27 11:36:59.454364+00', NULL, NULL, NULL, NULL, 'carrier-changed', 'ask', '2026-11-27 11:36:59.454364+00', NULL),
	('fac94b13-06ce-4712-813e-9daaf79f8ec4', 'c-1', 'Ada', NULL, NULL, '2026-11-27 11:36:59.454364+00', 'abc', 'Processing', 1, '2026-11-27 11:36:59.454364+00', NULL, NULL, NULL, NULL, 'carrier-label', 'ask', '2026-11-27 11:36:59.454364+00', NULL),
	('f97a175b-9d08-40d1-a212-f8572664494d', 'c-1', 'Ada', NULL, NULL, '2026-11-27 11:36:59.454364+00', 'abc', 'Processing', 1, '2026-11-27 11:36:59.454364+00', NULL, NULL, NULL, NULL, 'interrupted', 'ask', '2026-11-27 11:36:59.454364+00', NULL),
	('fbf89667-ed20-43cf-8034-96c2a5c27d35', 'c-1', 'Ada', NULL, NULL, '2026-11-27 11:36:59.454364+00', 'abc', 'Processing', 1, '2026-11-27 11:36:59.454364+00', NULL, NULL, NULL, NULL, 'carrier-doubt', 'ask', '2026-11-27 11:36:59.454364+00', NULL),
	('f0cc31ef-f02a-4086-b65d-a8500c947a77', 'c-1', 'Ada', NULL, NULL, '2026-11-27 11:36:59.454364+00', 'abc', 'Processing', 1, '2026-11-27 11:36:59.454364+00', NULL, NULL, NULL, NULL, 'update-unavailable', 'ask', '2026-11-27 11:36:59.454364+00', NULL),
	('ff02b76d-c154-4056-89a9-c387cebefdc2', 'c-1', 'Ada', NULL, NULL, '2026-11-27 11:36:59.454364+00', 'abc', 'Processing', 1, '2026-11-27 11:36:59.454364+00', NULL, NULL, NULL, NULL, 'status-conflict', 'ask', '2026-11-27 11:36:59.454364+00', NULL),
	('f62f9c2f-1bc9-4753-b836-ee7fda1ba4f0', 'c-1', 'Ada', NULL, NULL, '2026-11-27 11:36:59.454364+00', 'abc', 'Created', 1, '2026-11-27 11:36:59.454364+00', NULL, NULL, NULL, NULL, 'unknown-order', 'ask', '2026-11-27 11:36:59.454364+00', NULL),
	('fe2dccd8-5edc-4e01-b993-00227e38e569', 'c-1', 'Ada', NULL, NULL, '2026-11-27 11:36:59.454364+00', 'abc', 'Created', 1, '2026-11-27 11:36:59.454364+00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	('f6f1a082-c668-444a-99b6-d7f14b435e45', 'c-1', 'Ada', NULL, NULL, '2026-11-27 11:36:59.454364+00', 'abc', 'Created', 1, '2026-11-27 11:36:59.454364+00', NULL, NULL, NULL, NULL, 'unstorable', 'ask', '2026-11-27 11:36:59.454364+00', NULL),
	('f9c228ac-6d1e-4331-b477-c55741fa9b20', 'c-1', 'Ada', NULL, NULL, '2026-11-27 11:36:59.454364+00', 'abc', 'Created', 1, '2026-11-27 11:36:59.454364+00', NULL, NULL, NULL, NULL, 'newer-schema', 'ask', '2026-11-27 11:36:59.454364+00', NULL),
	('f306bd86-b26d-4d2f-baf7-c32206ca8a74', 'c-1', 'Ada', NULL, NULL, '2026-11-27 11:36:59.454364+00', 'abc', 'Created', 1, '2026-11-27 11:36:59.454364+00', NULL, NULL, NULL, NULL, 'undecodable', 'ask', '2026-11-27 11:36:59.454364+00', NULL),
	('f6a6c7e6-5053-47f5-8eb8-1725cf099938', 'c-1', 'Ada', NULL, NULL, '2026-11-27 11:36:59.454364+00', 'abc', 'Created', 1, '2026-11-27 11:36:59.454364+00', NULL, NULL, NULL, NULL, 'contract-violation', 'ask', '2026-11-27 11:36:59.454364+00', NULL),
	('f0d927b4-e5bc-4e9c-a086-de1957ad2d97', 'c-1', 'Ada', 'EUR', '{"name":"Ada","lines":["1 Main Street"],"city":"Berlin","country":"DE"}', '2026-11-27 11:36:59.454364+00', 'abc', 'Processing', 1, '2026-11-27 11:36:59.454364+00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'shop'),
	('f7466b7b-a387-4668-ad3b-ff65b1211e7b', 'c-1', 'Ada', 'EUR', '{"name":"Ada","lines":["1 Main Street"],"city":"Berlin","country":"DE"}', '2026-11-27 11:36:59.454364+00', 'abc', 'Processing', 1, '2026-11-27 11:36:59.454364+00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'shop'),
	('fa292d9b-02c2-47e5-9d80-31dfc4a86052', 'c-1', 'Ada', 'EUR', '{"name":"Ada","lines":["1 Main Street"],"city":"Berlin","country":"DE"}', '2026-11-27 11:36:59.454364+00', 'abc', 'Processing', 1, '2026-11-27 11:36:59.454364+00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'shop'),
	('fdb04838-6f48-426f-a7d6-00a4e0d6647b', 'c-1', 'Ada', 'EUR', '{"name":"Ada","lines":["1 Main Street"],"city":"Berlin","country":"DE"}', '2026-11-27 11:36:59.454364+00', 'abc', 'Processing', 1, '2026-11-27 11:36:59.454364+00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'shop'),
	('f41d3406-f2e4-4f34-b7e3-d7fbbefabb38', 'c-1', 'Ada', 'EUR', '{"name":"Ada","lines":["1 Main Street"],"city":"Berlin","country":"DE"}', '2026-11-27 11:36:59.454364+00', 'abc', 'Processing', 1, '2026-11-27 11:36:59.454364+00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'shop'),
	('fee121be-6e11-485f-af5d-241aaaf66d88', 'c-1', 'Ada', 'EUR', '{"name":"Ada","lines":["1 Main Street"],"city":"Berlin","country":"DE"}', '2026-11-27 11:36:59.454364+00', 'abc', 'Processing', 1, '2026-11-27 11:36:59.454364+00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'shop'),
	('f61370ee-bccc-44e0-95bc-2ebeb4f17db6', 'c-1', 'Ada', 'EUR', '{"name":"Ada","lines":["1 Main Street"],"city":"Berlin","country":"DE"}', '2026-11-27 11:36:59.454364+00', 'abc', 'Shipped', 1, '2026-11-27 11:36:59.454364+00', 'Old Carrier', 'OLD-1', '2026-11-27 11:36:59.454364+00', NULL, NULL, NULL, NULL, 'shop'),
	('ff4f6a86-f95f-467a-96b5-14c09d56cb39', 'c-1', 'Ada', 'EUR', '{"name":"Ada","lines":["1 Main Street"],"city":"Berlin","country":"DE"}', '2026-11-27 11:36:59.454364+00', 'abc', 'Shipped', 1, '2026-11-27 11:36:59.454364+00', 'Old Carrier', 'OLD-1', '2026-11-27 11:36:59.454364+00', NULL, NULL, NULL, NULL, 'shop'),
	('f093ab19-7381-4117-9c9d-a424ce5153e3', 'c-1', 'Ada', 'EUR', '{"name":"Ada","lines":["1 Main Street"],"city":"Berlin","country":"DE"}', '2026-11-27 11:36:59.454364+00', 'abc', 'Shipped', 1, '2026-11-27 11:36:59.454364+00', 'Old Carrier', 'OLD-1', '2026-11-27 11:36:59.454364+00', NULL, NULL, NULL, NULL, 'shop'),
	('f2976130-3daa-4cbb-96cf-3c1b14337ab6', 'c-1', 'Ada', 'EUR', '{"name":"Ada","lines":["1 Main Street"],"city":"Berlin","country":"DE"}', '2026-11-27 11:36:59.454364+00', 'abc', 'Processing', 1, '2026-11-27 11:36:59.454364+00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'shop'),
	('f9e3b8d1-f308-431d-b7bd-6870d980f464', 'c-1', 'Ada', 'EUR', '{"name":"Ada","lines":["1 Main Street"],"city":"Berlin","country":"DE"}', '2026-11-27 11:36:59.454364+00', 'abc', 'Processing', 1, '2026-11-27 11:36:59.454364+00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'shop'),
	('fd9f4853-1b09-4cba-b48b-80a018ada5c4', 'c-1', 'Ada', 'EUR', '{"name":"Ada","lines":["1 Main Street"],"city":"Berlin","country":"DE"}', '2026-11-27 11:36:59.454364+00', 'abc', 'Cancelling', 1, '2026-11-27 11:36:59.454364+00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'shop'),
	('f925b254-4b64-47be-82ee-a234fa23610b', 'c-1', 'Ada', 'EUR', '{"name":"Ada","lines":["1 Main Street"],"city":"Berlin","country":"DE"}', '2026-11-27 11:36:59.454364+00', 'abc', 'Cancelling', 1, '2026-11-27 11:36:59.454364+00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'shop'),
	('fc4de284-2787-44fe-aed1-500cea0ac091', 'c-1', 'Ada', 'EUR', '{"name":"Ada","lines":["1 Main Street"],"city":"Berlin","country":"DE"}', '2026-11-27 11:36:59.454364+00', 'abc', 'Cancelling', 1, '2026-11-27 11:36:59.454364+00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'shop'),
	('f655ff36-f7f6-4b0d-a931-7d0b6b16d34a', 'c-1', 'Ada', 'EUR', '{"name":"Ada","lines":["1 Main Street"],"city":"Berlin","country":"DE"}', '2026-11-27 11:36:59.454364+00', 'abc', 'Cancelling', 1, '2026-11-27 11:36:59.454364+00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'shop'),
	('f50a0948-2aa8-42f3-acb2-628c412011b1', 'c-1', 'Ada', 'EUR', '{"name":"Ada","lines":["1 Main Street"],"city":"Berlin","country":"DE"}', '2026-11-27 11:36:59.454364+00', 'abc', 'Processing', 1, '2026-11-27 11:36:59.454364+00', NULL, NULL, NULL, NULL, 'payment', 'ask', '2026-11-27 11:36:59.454364+00', 'shop'),
	('f2cbb35a-d966-422d-91e8-338451aec5e3', 'c-1', 'Ada', 'EUR', '{"name":"Ada","lines":["1 Main Street"],"city":"Berlin","country":"DE"}', '2026-11-27 11:36:59.454364+00', 'abc', 'Shipped', 1, '2026-11-27 11:36:59.454364+00', 'Old Carrier', 'OLD-1', '2026-11-27 11:36:59.454364+00', NULL, 'payment', 'ask', '2026-11-27 11:36:59.454364+00', 'shop'),
	('f854893f-97d8-46b8-bac4-5c5336e171ab', 'c-1', 'Ada', 'EUR', '{"name":"Ada","lines":["1 Main Street"],"city":"Berlin","country":"DE"}', '2026-11-27 11:36:59.454364+00', 'abc', 'Cancelling', 1, '2026-11-27 11:36:59.454364+00', NULL, NULL, NULL, NULL, 'compensation', 'ask', '2026-11-27 11:36:59.454364+00', 'shop'),
	('f8be3c9b-8eca-4f6c-b3c0-496f5b15def2', 'c-1', 'Ada', 'EUR', '{"name":"Ada","lines":["1 Main Street"],"city":"Berlin","country":"DE"}', '2026-11-27 11:36:59.454364+00', 'abc', 'Processing', 1, '2026-11-27 11:36:59.454364+00', NULL, NULL, NULL, NULL, 'update-refused', 'ask', '2026-11-27 11:36:59.454364+00', 'shop'),
	('f476c004-0915-4c60-8e69-f8aa443e0522', 'c-1', 'Ada', 'EUR', '{"name":"Ada","lines":["1 Main Street"],"city":"Berlin","country":"DE"}', '2026-11-27 11:36:59.454364+00', 'abc', 'Processing', 1, '2026-11-27 11:36:59.454364+00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'shop'),
	('fba027f8-c6bf-4580-bcec-6078e48e8dca', 'c-1', 'Ada', 'EUR', '{"name":"Ada","lines":["1 Main Street"],"city":"Berlin","country":"DE"}', '2026-11-27 11:36:59.454364+00', 'abc', 'Failed', 1, '2026-11-27 11:36:59.454364+00', NULL, NULL, NULL, 'no', NULL, NULL, NULL, 'shop'),
	('f521d953-e809-419b-98e8-28c4ccc21119', 'c-1', 'Ada', 'EUR', '{"name":"Ada","lines":["1 Main Street"],"city":"Berlin","country":"DE"}', '2026-11-27 11:36:59.454364+00', 'abc', 'Shipped', 1, '2026-11-27 11:36:59.454364+00', 'Old Carrier', 'OLD-1', '2026-11-27 11:36:59.454364+00', NULL, NULL, NULL, NULL, 'shop'),
	('f035634c-29e0-4c5a-b25f-731995f2bebf', 'c-1', 'Ada', 'EUR', '{"name":"Ada","lines":["1 Main Street"],"city":"Berlin","country":"DE"}', '2026-11-27 11:36:59.454364+00', 'abc', 'Created', 1, '2026-11-27 11:36:59.454364+00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'shop');
INSERT INTO public.outbox VALUES
	('f1b9a653-400b-4734-8dfc-a231acede83d', 1, '5aab6197-3cff-5802-9dec-8a6418d67232', 'OrderCreated', 'order-events', '{"eventType":"OrderCreated","schemaVersion":2,"eventId":"5aab6197-3cff-5802-9dec-8a6418d67232","orderId":"f1b9a653-400b-4734-8dfc-a231acede83d","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}', 'abc', NULL, '2026-11-27 11:36:59.454364+00', 0, NULL, NULL, NULL, NULL, 0),
	('fa837140-f255-4ceb-a077-7defb44683c3', 1, '6682f881-cd6a-5e23-a3e6-6fd59a974314', 'OrderCreated', 'order-events', '{"eventType":"OrderCreated","schemaVersion":2,"eventId":"6682f881-cd6a-5e23-a3e6-6fd59a974314","orderId":"fa837140-f255-4ceb-a077-7defb44683c3","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}', 'abc', NULL, '2026-11-27 11:36:59.454364+00', 0, '2026-11-27 11:36:59.454364+00', 0, 0, NULL, 0),
	('f7bcf590-8aab-4bcd-885c-20badae362c9', 1, '8a572f73-75c3-5250-ad79-376dd0d0fea7', 'OrderCreated', 'order-events', '{"eventType":"OrderCreated","schemaVersion":2,"eventId":"8a572f73-75c3-5250-ad79-376dd0d0fea7","orderId":"f7bcf590-8aab-4bcd-885c-20badae362c9","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}', 'abc', NULL, '2026-11-27 11:36:59.454364+00', 0, '2026-11-27 11:36:59.454364+00', 0, 0, NULL, 0),
	('fb56eda1-059d-472c-ad96-2b37d3b8990d', 1, '5548515e-a52d-5f01-98ce-a50b15a928d4', 'OrderCreated', 'order-events', '{"eventType":"OrderCreated","schemaVersion":2,"eventId":"5548515e-a52d-5f01-98ce-a50b15a928d4","orderId":"fb56eda1-059d-472c-ad96-2b37d3b8990d","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}', 'abc', NULL, '2026-11-27 11:36:59.454364+00', 0, '2026-11-27 11:36:59.454364+00', 0, 0, NULL, 0),
	('f44a18e9-f1c6-4edf-9d04-7e504ef52c30', 1, '460148ef-4a5d-5062-ae2b-88e22c6633a9', 'OrderCreated', 'order-events', '{"eventType":"OrderCreated","schemaVersion":2,"eventId":"460148ef-4a5d-5062-ae2b-88e22c6633a9","orderId":"f44a18e9-f1c6-4edf-9d04-7e504ef52c30","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}', 'abc', NULL, '2026-11-27 11:36:59.454364+00', 0, '2026-11-27 11:36:59.454364+00', 0, 0, NULL, 0),
	('f1f0ce7e-8a4a-4533-993b-4fac82db2233', 1, '97b4c72d-dc7e-50a6-8af4-c647a0009d14', 'OrderCreated', 'order-events', '{"eventType":"OrderCreated","schemaVersion":2,"eventId":"97b4c72d-dc7e-50a6-8af4-c647a0009d14","orderId":"f1f0ce7e-8a4a-4533-993b-4fac82db2233","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}', 'abc', NULL, '2026-11-27 11:36:59.454364+00', 0, '2026-11-27 11:36:59.454364+00', 0, 0, NULL, 0),
	('f157e15a-cd26-4441-988e-345e851cf42f', 1, 'e05a5ec5-542d-5f9f-b6d6-864c964d9204', 'OrderCreated', 'order-events', '{"eventType":"OrderCreated","schemaVersion":2,"eventId":"e05a5ec5-542d-5f9f-b6d6-864c964d9204","orderId":"f157e15a-cd26-4441-988e-345e851cf42f","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}', 'abc', NULL, '2026-11-27 11:36:59.454364+00', 0, '2026-11-27 11:36:59.454364+00', 0, 0, NULL, 0),
	('f4ec260b-e53d-401e-a54a-bca10900380e', 1, 'c421b8b8-a585-50a0-9284-1416e545c63a', 'OrderCreated', 'order-events', '{"eventType":"OrderCreated","schemaVersion":2,"eventId":"c421b8b8-a585-50a0-9284-1416e545c63a","orderId":"f4ec260b-e53d-401e-a54a-bca10900380e","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}', 'abc', NULL, '2026-11-27 11:36:59.454364+00', 0, '2026-11-27 11:36:59.454364+00', 0, 0, NULL, 0),
	('f86b0dff-ff7a-453f-ab93-f852832112bb', 1, '17c0559a-f8e8-5cc0-a3f7-d56560839582', 'OrderCreated', 'order-events', '{"eventType":"OrderCreated","schemaVersion":2,"eventId":"17c0559a-f8e8-5cc0-a3f7-d56560839582","orderId":"f86b0dff-ff7a-453f-ab93-f852832112bb","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}', 'abc', NULL, '2026-11-27 11:36:59.454364+00', 0, '2026-11-27 11:36:59.454364+00', 0, 0, NULL, 0),
	('f037f0a7-a3de-4bf5-acc7-0163045cb997', 1, '87217cf3-589c-52ab-bfb3-0170bdac5dab', 'OrderCreated', 'order-events', '{"eventType":"OrderCreated","schemaVersion":2,"eventId":"87217cf3-589c-52ab-bfb3-0170bdac5dab","orderId":"f037f0a7-a3de-4bf5-acc7-0163045cb997","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}', 'abc', NULL, '2026-11-27 11:36:59.454364+00', 0, '2026-11-27 11:36:59.454364+00', 0, 0, NULL, 0),
	('fbdbce98-41ce-4a90-839e-586ff6c49deb', 1, '551d6d2d-a3af-56b5-b70a-39fbe3bc97be', 'OrderCreated', 'order-events', '{"eventType":"OrderCreated","schemaVersion":2,"eventId":"551d6d2d-a3af-56b5-b70a-39fbe3bc97be","orderId":"fbdbce98-41ce-4a90-839e-586ff6c49deb","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}', 'abc', NULL, '2026-11-27 11:36:59.454364+00', 0, '2026-11-27 11:36:59.454364+00', 0, 0, NULL, 0),
	('f3e73ebe-e801-4f25-a747-36756f8382ef', 1, 'bb9b9f2f-cf1d-559f-8e7d-da1084678115', 'OrderCreated', 'order-events', '{"eventType":"OrderCreated","schemaVersion":2,"eventId":"bb9b9f2f-cf1d-559f-8e7d-da1084678115","orderId":"f3e73ebe-e801-4f25-a747-36756f8382ef","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}', 'abc', NULL, '2026-11-27 11:36:59.454364+00', 0, '2026-11-27 11:36:59.454364+00', 0, 0, NULL, 0),
	('f7d1ecf1-1a83-4d4c-977f-a94aa7c2be91', 1, 'bbfef211-8b48-5088-a8f3-f13b9091904f', 'OrderCreated', 'order-events', '{"eventType":"OrderCreated","schemaVersion":2,"eventId":"bbfef211-8b48-5088-a8f3-f13b9091904f","orderId":"f7d1ecf1-1a83-4d4c-977f-a94aa7c2be91","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}', 'abc', NULL, '2026-11-27 11:36:59.454364+00', 0, '2026-11-27 11:36:59.454364+00', 0, 0, NULL, 0),
	('f66c2fa3-741b-43ae-9014-30f4d02dd289', 1, 'd06cd9da-ee62-50cb-b723-4be610b92969', 'OrderCreated', 'order-events', '{"eventType":"OrderCreated","schemaVersion":2,"eventId":"d06cd9da-ee62-50cb-b723-4be610b92969","orderId":"f66c2fa3-741b-43ae-9014-30f4d02dd289","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}', 'abc', NULL, '2026-11-27 11:36:59.454364+00', 0, '2026-11-27 11:36:59.454364+00', 0, 0, NULL, 0),
	('fbf4242d-c3f0-49aa-94f7-5b52876210bc', 1, '845ac05b-d2c9-5431-b938-af90d4757cd6', 'OrderCreated', 'order-events', '{"eventType":"OrderCreated","schemaVersion":2,"eventId":"845ac05b-d2c9-5431-b938-af90d4757cd6","orderId":"fbf4242d-c3f0-49aa-94f7-5b52876210bc","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}', 'abc', NULL, '2026-11-27 11:36:59.454364+00', 0, '2026-11-27 11:36:59.454364+00', 0, 0, NULL, 0),
	('f5dbc66a-b9ec-4eda-9d64-81221e65927f', 1, '9fd3cf54-fe35-5fd3-93b5-d1e09f3bfe51', 'OrderCreated', 'order-events', '{"eventType":"OrderCreated","schemaVersion":2,"eventId":"9fd3cf54-fe35-5fd3-93b5-d1e09f3bfe51","orderId":"f5dbc66a-b9ec-4eda-9d64-81221e65927f","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}', 'abc', NULL, '2026-11-27 11:36:59.454364+00', 0, '2026-11-27 11:36:59.454364+00', 0, 0, NULL, 0),
	('f69e9feb-c638-4fcb-881a-861f37cb6d89', 1, 'e2c3bbd5-139d-572a-bf8e-1e715656cc8e', 'OrderCreated', 'order-events', '{"eventType":"OrderCreated","schemaVersion":2,"eventId":"e2c3bbd5-139d-572a-bf8e-1e715656cc8e","orderId":"f69e9feb-c638-4fcb-881a-861f37cb6d89","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}', 'abc', NULL, '2026-11-27 11:36:59.454364+00', 0, '2026-11-27 11:36:59.454364+00', 0, 0, NULL, 0),
	('f3757889-7f50-4bb3-b600-9cf0daae1af0', 1, 'd9c83c4d-a0b6-5a9f-ade3-f4279f0778c3', 'OrderCreated', 'order-events', '{"eventType":"OrderCreated","schemaVersion":2,"eventId":"d9c83c4d-a0b6-5a9f-ade3-f4279f0778c3","orderId":"f3757889-7f50-4bb3-b600-9cf0daae1af0","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}', 'abc', NULL, '2026-11-27 11:36:59.454364+00', 0, '2026-11-27 11:36:59.454364+00', 0, 0, NULL, 0),
	('f78555da-b0b6-4ed7-8377-e602eb4d036e', 1, '05354808-0622-5013-a86b-3cb03540d8c3', 'OrderCreated', 'order-events', '{"eventType":"OrderCreated","schemaVersion":2,"eventId":"05354808-0622-5013-a86b-3cb03540d8c3","orderId":"f78555da-b0b6-4ed7-8377-e602eb4d036e","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}', 'abc', NULL, '2026-11-27 11:36:59.454364+00', 0, '2026-11-27 11:36:59.454364+00', 0, 0, NULL, 0),
	('fac94b13-06ce-4712-813e-9daaf79f8ec4', 1, 'd9bc5a2e-4552-57b2-b739-fb9e32dbad15', 'OrderCreated', 'order-events', '{"eventType":"OrderCreated","schemaVersion":2,"eventId":"d9bc5a2e-4552-57b2-b739-fb9e32dbad15","orderId":"fac94b13-06ce-4712-813e-9daaf79f8ec4","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}', 'abc', NULL, '2026-11-27 11:36:59.454364+00', 0, '2026-11-27 11:36:59.454364+00', 0, 0, NULL, 0),
	('f97a175b-9d08-40d1-a212-f8572664494d', 1, '9a9ecaf4-2496-5279-885c-f00ec1e248a8', 'OrderCreated', 'order-events', '{"eventType":"OrderCreated","schemaVersion":2,"eventId":"9a9ecaf4-2496-5279-885c-f00ec1e248a8","orderId":"f97a175b-9d08-40d1-a212-f8572664494d","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}', 'abc', NULL, '2026-11-27 11:36:59.454364+00', 0, '2026-11-27 11:36:59.454364+00', 0, 0, NULL, 0),
	('fbf89667-ed20-43cf-8034-96c2a5c27d35', 1, '3065f1ba-e854-5f42-960d-2336648d6720', 'OrderCreated', 'order-events', '{"eventType":"OrderCreated","schemaVersion":2,"eventId":"3065f1ba-e854-5f42-960d-2336648d6720","orderId":"fbf89667-ed20-43cf-8034-96c2a5c27d35","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}', 'abc', NULL, '2026-11-27 11:36:59.454364+00', 0, '2026-11-27 11:36:59.454364+00', 0, 0, NULL, 0),
	('f0cc31ef-f02a-4086-b65d-a8500c947a77', 1, 'bc223266-674b-5a4b-8979-c0b7930203b5', 'OrderCreated', 'order-events', '{"eventType":"OrderCreated","schemaVersion":2,"eventId":"bc223266-674b-5a4b-8979-c0b7930203b5","orderId":"f0cc31ef-f02a-4086-b65d-a8500c947a77","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}', 'abc', NULL, '2026-11-27 11:36:59.454364+00', 0, '2026-11-27 11:36:59.454364+00', 0, 0, NULL, 0),
	('ff02b76d-c154-4056-89a9-c387cebefdc2', 1, 'c4adf052-b4a5-5213-9af8-1514ff344a0a', 'OrderCreated', 'order-events', '{"eventType":"OrderCreated","schemaVersion":2,"eventId":"c4adf052-b4a5-5213-9af8-1514ff344a0a","orderId":"ff02b76d-c154-4056-89a9-c387cebefdc2","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}', 'abc', NULL, '2026-11-27 11:36:59.454364+00', 0, '2026-11-27 11:36:59.454364+00', 0, 0, NULL, 0),
	('f62f9c2f-1bc9-4753-b836-ee7fda1ba4f0', 1, '29f3696c-f706-51aa-887d-94ba08de0e28', 'OrderCreated', 'order-events', '{"eventType":"OrderCreated","schemaVersion":2,"eventId":"29f3696c-f706-51aa-887d-94ba08de0e28","orderId":"f62f9c2f-1bc9-4753-b836-ee7fda1ba4f0","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}', 'abc', NULL, '2026-11-27 11:36:59.454364+00', 0, '2026-11-27 11:36:59.454364+00', 0, 0, NULL, 0),
	('fe2dccd8-5edc-4e01-b993-00227e38e569', 1, 'fee99c94-d780-5e7e-b7ee-e6c525dd9510', 'OrderCreated', 'order-events', '{"eventType":"OrderCreated","schemaVersion":2,"eventId":"fee99c94-d780-5e7e-b7ee-e6c525dd9510","orderId":"fe2dccd8-5edc-4e01-b993-00227e38e569","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}', 'abc', NULL, '2026-11-27 11:36:59.454364+00', 0, '2026-11-27 11:36:59.454364+00', 0, 0, NULL, 0),
	('f6f1a082-c668-444a-99b6-d7f14b435e45', 1, '7cae2aaf-837f-5016-aac9-b3091bbcf25a', 'OrderCreated', 'order-events', '{"eventType":"OrderCreated","schemaVersion":2,"eventId":"7cae2aaf-837f-5016-aac9-b3091bbcf25a","orderId":"f6f1a082-c668-444a-99b6-d7f14b435e45","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}', 'abc', NULL, '2026-11-27 11:36:59.454364+00', 0, '2026-11-27 11:36:59.454364+00', 0, 0, NULL, 0),
	('f9c228ac-6d1e-4331-b477-c55741fa9b20', 1, 'b6c34e43-715f-54ce-a85a-1c95870da5e3', 'OrderCreated', 'order-events', '{"eventType":"OrderCreated","schemaVersion":2,"eventId":"b6c34e43-715f-54ce-a85a-1c95870da5e3","orderId":"f9c228ac-6d1e-4331-b477-c55741fa9b20","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}', 'abc', NULL, '2026-11-27 11:36:59.454364+00', 0, '2026-11-27 11:36:59.454364+00', 0, 0, NULL, 0),
	('f306bd86-b26d-4d2f-baf7-c32206ca8a74', 1, 'bd64a169-43b3-5f05-bf94-2a9610eb443c', 'OrderCreated', 'order-events', '{"eventType":"OrderCreated","schemaVersion":2,"eventId":"bd64a169-43b3-5f05-bf94-2a9610eb443c","orderId":"f306bd86-b26d-4d2f-baf7-c32206ca8a74","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}', 'abc', NULL, '2026-11-27 11:36:59.454364+00', 0, '2026-11-27 11:36:59.454364+00', 0, 0, NULL, 0),
	('f6a6c7e6-5053-47f5-8eb8-1725cf099938', 1, '5b0a16d8-6e2f-5d3b-844d-4107db258d60', 'OrderCreated', 'order-events', '{"eventType":"OrderCreated","schemaVersion":2,"eventId":"5b0a16d8-6e2f-5d3b-844d-4107db258d60","orderId":"f6a6c7e6-5053-47f5-8eb8-1725cf099938","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}', 'abc', NULL, '2026-11-27 11:36:59.454364+00', 0, '2026-11-27 11:36:59.454364+00', 0, 0, NULL, 0),
	('f0d927b4-e5bc-4e9c-a086-de1957ad2d97', 1, '255a47c0-78d6-53e7-9adc-53f5f0560ed2', 'OrderCreated', 'order-events', '{"eventType":"OrderCreated","schemaVersion":2,"eventId":"255a47c0-78d6-53e7-9adc-53f5f0560ed2","orderId":"f0d927b4-e5bc-4e9c-a086-de1957ad2d97","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}', 'abc', NULL, '2026-11-27 11:36:59.454364+00', 0, '2026-11-27 11:36:59.454364+00', 0, 0, NULL, 0),
	('f7466b7b-a387-4668-ad3b-ff65b1211e7b', 1, '35f3f112-2884-59ba-b37b-73971d799aca', 'OrderCreated', 'order-events', '{"eventType":"OrderCreated","schemaVersion":2,"eventId":"35f3f112-2884-59ba-b37b-73971d799aca","orderId":"f7466b7b-a387-4668-ad3b-ff65b1211e7b","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}', 'abc', NULL, '2026-11-27 11:36:59.454364+00', 0, '2026-11-27 11:36:59.454364+00', 0, 0, NULL, 0),
	('fa292d9b-02c2-47e5-9d80-31dfc4a86052', 1, 'b99bab39-fd97-5556-9391-87e3194c2bf1', 'OrderCreated', 'order-events', '{"eventType":"OrderCreated","schemaVersion":2,"eventId":"b99bab39-fd97-5556-9391-87e3194c2bf1","orderId":"fa292d9b-02c2-47e5-9d80-31dfc4a86052","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}', 'abc', NULL, '2026-11-27 11:36:59.454364+00', 0, '2026-11-27 11:36:59.454364+00', 0, 0, NULL, 0),
	('fdb04838-6f48-426f-a7d6-00a4e0d6647b', 1, '65df1ad4-7533-5ff9-8998-d70d77402bd4', 'OrderCreated', 'order-events', '{"eventType":"OrderCreated","schemaVersion":2,"eventId":"65df1ad4-7533-5ff9-8998-d70d77402bd4","orderId":"fdb04838-6f48-426f-a7d6-00a4e0d6647b","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}', 'abc', NULL, '2026-11-27 11:36:59.454364+00', 0, '2026-11-27 11:36:59.454364+00', 0, 0, NULL, 0),
	('f41d3406-f2e4-4f34-b7e3-d7fbbefabb38', 1, 'a73b5bfc-8e62-5d91-a0e8-f7615c6d9391', 'OrderCreated', 'order-events', '{"eventType":"OrderCreated","schemaVersion":2,"eventId":"a73b5bfc-8e62-5d91-a0e8-f7615c6d9391","orderId":"f41d3406-f2e4-4f34-b7e3-d7fbbefabb38","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}', 'abc', NULL, '2026-11-27 11:36:59.454364+00', 0, '2026-11-27 11:36:59.454364+00', 0, 0, NULL, 0),
	('fee121be-6e11-485f-af5d-241aaaf66d88', 1, 'c848348c-8c05-5571-b14d-12f6c66e3312', 'OrderCreated', 'order-events', '{"eventType":"OrderCreated","schemaVersion":2,"eventId":"c848348c-8c05-5571-b14d-12f6c66e3312","orderId":"fee121be-6e11-485f-af5d-241aaaf66d88","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}', 'abc', NULL, '2026-11-27 11:36:59.454364+00', 0, '2026-11-27 11:36:59.454364+00', 0, 0, NULL, 0),
	('f61370ee-bccc-44e0-95bc-2ebeb4f17db6', 1, 'e3d31f06-b69e-5b4a-8649-c5b7da6763c5', 'OrderCreated', 'order-events', '{"eventType":"OrderCreated","schemaVersion":2,"eventId":"e3d31f06-b69e-5b4a-8649-c5b7da6763c5","orderId":"f61370ee-bccc-44e0-95bc-2ebeb4f17db6","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}', 'abc', NULL, '2026-11-27 11:36:59.454364+00', 0, '2026-11-27 11:36:59.454364+00', 0, 0, NULL, 0),
	('ff4f6a86-f95f-467a-96b5-14c09d56cb39', 1, 'cba0c9fb-41b2-5241-afef-01601663e14a', 'OrderCreated', 'order-events', '{"eventType":"OrderCreated","schemaVersion":2,"eventId":"cba0c9fb-41b2-5241-afef-01601663e14a","orderId":"ff4f6a86-f95f-467a-96b5-14c09d56cb39","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}', 'abc', NULL, '2026-11-27 11:36:59.454364+00', 0, '2026-11-27 11:36:59.454364+00', 0, 0, NULL, 0),
	('f093ab19-7381-4117-9c9d-a424ce5153e3', 1, '3f2885c2-c48c-5a6f-8bda-0aa1eedc644c', 'OrderCreated', 'order-events', '{"eventType":"OrderCreated","schemaVersion":2,"eventId":"3f2885c2-c48c-5a6f-8bda-0aa1eedc644c","orderId":"f093ab19-7381-4117-9c9d-a424ce5153e3","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}', 'abc', NULL, '2026-11-27 11:36:59.454364+00', 0, '2026-11-27 11:36:59.454364+00', 0, 0, NULL, 0),
	('f2976130-3daa-4cbb-96cf-3c1b14337ab6', 1, '88cdbe27-7c30-57f3-b5b1-880898c141c5', 'OrderCreated', 'order-events', '{"eventType":"OrderCreated","schemaVersion":2,"eventId":"88cdbe27-7c30-57f3-b5b1-880898c141c5","orderId":"f2976130-3daa-4cbb-96cf-3c1b14337ab6","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}', 'abc', NULL, '2026-11-27 11:36:59.454364+00', 0, '2026-11-27 11:36:59.454364+00', 0, 0, NULL, 0),
	('f9e3b8d1-f308-431d-b7bd-6870d980f464', 1, '0355410e-2d60-5bb9-a8ae-dc72a0b780de', 'OrderCreated', 'order-events', '{"eventType":"OrderCreated","schemaVersion":2,"eventId":"0355410e-2d60-5bb9-a8ae-dc72a0b780de","orderId":"f9e3b8d1-f308-431d-b7bd-6870d980f464","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}', 'abc', NULL, '2026-11-27 11:36:59.454364+00', 0, '2026-11-27 11:36:59.454364+00', 0, 0, NULL, 0),
	('fd9f4853-1b09-4cba-b48b-80a018ada5c4', 1, '6ea5b88b-b41d-55ea-9f97-ee2ab5483582', 'OrderCreated', 'order-events', '{"eventType":"OrderCreated","schemaVersion":2,"eventId":"6ea5b88b-b41d-55ea-9f97-ee2ab5483582","orderId":"fd9f4853-1b09-4cba-b48b-80a018ada5c4","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}', 'abc', NULL, '2026-11-27 11:36:59.454364+00', 0, '2026-11-27 11:36:59.454364+00', 0, 0, NULL, 0),
	('f925b254-4b64-47be-82ee-a234fa23610b', 1, '138cd53f-1e94-5689-9fd8-d62279d94d3f', 'OrderCreated', 'order-events', '{"eventType":"OrderCreated","schemaVersion":2,"eventId":"138cd53f-1e94-5689-9fd8-d62279d94d3f","orderId":"f925b254-4b64-47be-82ee-a234fa23610b","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}', 'abc', NULL, '2026-11-27 11:36:59.454364+00', 0, '2026-11-27 11:36:59.454364+00', 0, 0, NULL, 0),
	('fc4de284-2787-44fe-aed1-500cea0ac091', 1, '953d1224-b829-5edf-b147-d16b51286e17', 'OrderCreated', 'order-events', '{"eventType":"OrderCreated","schemaVersion":2,"eventId":"953d1224-b829-5edf-b147-d16b51286e17","orderId":"fc4de284-2787-44fe-aed1-500cea0ac091","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}', 'abc', NULL, '2026-11-27 11:36:59.454364+00', 0, '2026-11-27 11:36:59.454364+00', 0, 0, NULL, 0),
	('f655ff36-f7f6-4b0d-a931-7d0b6b16d34a', 1, '460fcfef-2cf4-5188-be32-1ef4570a13e0', 'OrderCreated', 'order-events', '{"eventType":"OrderCreated","schemaVersion":2,"eventId":"460fcfef-2cf4-5188-be32-1ef4570a13e0","orderId":"f655ff36-f7f6-4b0d-a931-7d0b6b16d34a","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}', 'abc', NULL, '2026-11-27 11:36:59.454364+00', 0, '2026-11-27 11:36:59.454364+00', 0, 0, NULL, 0),
	('f50a0948-2aa8-42f3-acb2-628c412011b1', 1, '64d25cec-3aa3-583c-bdbc-fc803b44ccb0', 'OrderCreated', 'order-events', '{"eventType":"OrderCreated","schemaVersion":2,"eventId":"64d25cec-3aa3-583c-bdbc-fc803b44ccb0","orderId":"f50a0948-2aa8-42f3-acb2-628c412011b1","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}', 'abc', NULL, '2026-11-27 11:36:59.454364+00', 0, '2026-11-27 11:36:59.454364+00', 0, 0, NULL, 0),
	('f2cbb35a-d966-422d-91e8-338451aec5e3', 1, '6a4def86-3440-578d-8b6d-984ca20921e3', 'OrderCreated', 'order-events', '{"eventType":"OrderCreated","schemaVersion":2,"eventId":"6a4def86-3440-578d-8b6d-984ca20921e3","orderId":"f2cbb35a-d966-422d-91e8-338451aec5e3","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}', 'abc', NULL, '2026-11-27 11:36:59.454364+00', 0, '2026-11-27 11:36:59.454364+00', 0, 0, NULL, 0),
	('f854893f-97d8-46b8-bac4-5c5336e171ab', 1, '12dc1f92-7de6-51fc-b039-cac6cbea8865', 'OrderCreated', 'order-events', '{"eventType":"OrderCreated","schemaVersion":2,"eventId":"12dc1f92-7de6-51fc-b039-cac6cbea8865","orderId":"f854893f-97d8-46b8-bac4-5c5336e171ab","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}', 'abc', NULL, '2026-11-27 11:36:59.454364+00', 0, '2026-11-27 11:36:59.454364+00', 0, 0, NULL, 0),
	('f8be3c9b-8eca-4f6c-b3c0-496f5b15def2', 1, '1b479d5f-da0a-577f-893c-030dd9e043b0', 'OrderCreated', 'order-events', '{"eventType":"OrderCreated","schemaVersion":2,"eventId":"1b479d5f-da0a-577f-893c-030dd9e043b0","orderId":"f8be3c9b-8eca-4f6c-b3c0-496f5b15def2","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}', 'abc', NULL, '2026-11-27 11:36:59.454364+00', 0, '2026-11-27 11:36:59.454364+00', 0, 0, NULL, 0),
	('f476c004-0915-4c60-8e69-f8aa443e0522', 1, '5cea1e99-3d14-561a-bb64-bd9fdac52356', 'OrderCreated', 'order-events', '{"eventType":"OrderCreated","schemaVersion":2,"eventId":"5cea1e99-3d14-561a-bb64-bd9fdac52356","orderId":"f476c004-0915-4c60-8e69-f8aa443e0522","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}', 'abc', NULL, '2026-11-27 11:36:59.454364+00', 0, '2026-11-27 11:36:59.454364+00', 0, 0, NULL, 0),
	('fba027f8-c6bf-4580-bcec-6078e48e8dca', 1, '2220334e-cd96-562a-8ea1-8a45a1e14686', 'OrderCreated', 'order-events', '{"eventType":"OrderCreated","schemaVersion":2,"eventId":"2220334e-cd96-562a-8ea1-8a45a1e14686","orderId":"fba027f8-c6bf-4580-bcec-6078e48e8dca","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}', 'abc', NULL, '2026-11-27 11:36:59.454364+00', 0, '2026-11-27 11:36:59.454364+00', 0, 0, NULL, 0),
	('f521d953-e809-419b-98e8-28c4ccc21119', 1, 'b4cc6748-05b9-51f1-86ae-2136ae913a20', 'OrderCreated', 'order-events', '{"eventType":"OrderCreated","schemaVersion":2,"eventId":"b4cc6748-05b9-51f1-86ae-2136ae913a20","orderId":"f521d953-e809-419b-98e8-28c4ccc21119","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}', 'abc', NULL, '2026-11-27 11:36:59.454364+00', 0, '2026-11-27 11:36:59.454364+00', 0, 0, NULL, 0),
	('f035634c-29e0-4c5a-b25f-731995f2bebf', 1, '39c8e5b6-14cc-53a2-95c0-5a46e3fd1185', 'OrderCreated', 'order-events', '{"eventType":"OrderCreated","schemaVersion":2,"eventId":"39c8e5b6-14cc-53a2-95c0-5a46e3fd1185","orderId":"f035634c-29e0-4c5a-b25f-731995f2bebf","orderVersion":1,"customer":{"customerId":"c-1","name":"Ada"},"items":[{"productId":"p-1","quantity":2}],"createdAt":"2026-11-27T11:36:59.454364+00:00","metadata":{"source":"OrderService","correlationId":"abc"}}', 'abc', NULL, '2026-11-27 11:36:59.454364+00', 0, NULL, NULL, NULL, 'too large when it is sent alone', 0);
INSERT INTO public.status_counts VALUES
	(0, 'Created', 12),
	(0, 'OnHold', 1),
	(0, 'Cancelled', 1),
	(0, 'Cancelling', 6),
	(0, 'Processing', 24),
	(0, 'Shipped', 7),
	(0, 'Failed', 2);
INSERT INTO public.stream VALUES
	(1, '2026-11-27 11:36:59.454364+00', '[["f7bcf590-8aab-4bcd-885c-20badae362c9",1,"Created","2026-11-27T11:36:59.454Z","c-1",null,null]]', 1, 1),
	(2, '2026-11-27 11:36:59.454364+00', '[["f7bcf590-8aab-4bcd-885c-20badae362c9",2,"Created","2026-11-27T11:36:59.454Z","c-1",null,null]]', 1, 2),
	(3, '2026-11-27 11:36:59.454364+00', '[["f7bcf590-8aab-4bcd-885c-20badae362c9",3,"Created","2026-11-27T11:36:59.454Z","c-1",null,null]]', 1, NULL);
INSERT INTO public.webhook_messages VALUES
	('d3c410c2-a5de-45a9-bcfb-ec2dda4ffd9e', 1, 'f7bcf590-8aab-4bcd-885c-20badae362c9', 1, '{"type":"order.created"}', 9, '2026-11-27 11:36:59.454364+00', '503', '2026-11-27 11:36:59.454364+00'),
	('d3c410c2-a5de-45a9-bcfb-ec2dda4ffd9e', 2, 'f7bcf590-8aab-4bcd-885c-20badae362c9', 2, '{"type":"order.created"}', 3, '2026-11-27 11:36:59.454364+00', '503', NULL),
	('d3c410c2-a5de-45a9-bcfb-ec2dda4ffd9e', 3, 'f7bcf590-8aab-4bcd-885c-20badae362c9', 3, '{"type":"order.created"}', 0, '2026-11-27 11:36:59.454364+00', NULL, NULL);
INSERT INTO public.webhooks VALUES
	('d3c410c2-a5de-45a9-bcfb-ec2dda4ffd9e', 'https://example.com/hook', 'whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=', 'order.created', '2026-11-27 11:36:59.454364+00', 3, 0, '2026-11-27 11:36:59.454364+00', '503', NULL, 0);
SELECT pg_catalog.setval('public.stream_id_seq', 1, false);
ALTER TABLE ONLY public.alembic_version_orders
    ADD CONSTRAINT alembic_version_orders_pkc PRIMARY KEY (version_num);
ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT api_keys_pkey PRIMARY KEY (prefix);
ALTER TABLE ONLY public.audit_log
    ADD CONSTRAINT audit_log_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.idempotency_keys
    ADD CONSTRAINT idempotency_keys_pkey PRIMARY KEY (key, caller);
ALTER TABLE ONLY public.last_contraction_orders
    ADD CONSTRAINT last_contraction_orders_pkey PRIMARY KEY (revision);
ALTER TABLE ONLY public.order_changes
    ADD CONSTRAINT order_changes_pkey PRIMARY KEY (order_id, version);
ALTER TABLE ONLY public.order_items
    ADD CONSTRAINT order_items_pkey PRIMARY KEY (order_id, line);
ALTER TABLE ONLY public.orders
    ADD CONSTRAINT orders_pkey PRIMARY KEY (order_id);
ALTER TABLE ONLY public.outbox
    ADD CONSTRAINT outbox_pkey PRIMARY KEY (order_id, order_version);
ALTER TABLE ONLY public.status_counts
    ADD CONSTRAINT status_counts_pkey PRIMARY KEY (slot, status);
ALTER TABLE ONLY public.stream
    ADD CONSTRAINT stream_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.webhook_messages
    ADD CONSTRAINT webhook_messages_pkey PRIMARY KEY (endpoint_id, "position");
ALTER TABLE ONLY public.webhooks
    ADD CONSTRAINT webhooks_pkey PRIMARY KEY (endpoint_id);
CREATE INDEX idempotency_keys_by_order ON public.idempotency_keys USING btree (order_id);
CREATE INDEX order_items_by_product ON public.order_items USING btree (product_id, order_id);
CREATE INDEX orders_by_customer ON public.orders USING btree (customer_id, order_id);
CREATE INDEX orders_by_status ON public.orders USING btree (status, order_id);
CREATE INDEX orders_by_tracking_number ON public.orders USING btree (tracking_number, order_id) WHERE (tracking_number IS NOT NULL);
CREATE INDEX orders_with_attention ON public.orders USING btree (order_id) WHERE (attention_kind IS NOT NULL);
CREATE INDEX outbox_parked ON public.outbox USING btree (order_id) WHERE (parked_reason IS NOT NULL);
CREATE INDEX outbox_unpublished ON public.outbox USING btree (order_id, order_version) WHERE (published_at IS NULL);
CREATE UNIQUE INDEX stream_by_position ON public.stream USING btree (first_position) WHERE (first_position IS NOT NULL);
CREATE INDEX stream_waiting ON public.stream USING btree (id) WHERE (first_position IS NULL);
CREATE TRIGGER audit_log_is_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.audit_log FOR EACH STATEMENT EXECUTE FUNCTION public.audit_log_is_append_only();
