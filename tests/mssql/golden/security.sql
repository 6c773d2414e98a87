-- security.keys.add
INSERT INTO api_keys (prefix, sha256, name, scopes, customer_id, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?)

-- security.keys.add
SELECT api_keys.sha256, api_keys.revoked_at
FROM api_keys
WHERE api_keys.prefix = ?

-- security.keys.add
SELECT count(*) AS count_1
FROM api_keys
WHERE api_keys.revoked_at IS NULL

-- security.keys.listed
SELECT api_keys.prefix, api_keys.name, api_keys.scopes, api_keys.customer_id, api_keys.created_at,
    api_keys.expires_at, api_keys.revoked_at, api_keys.last_used_at
FROM api_keys

-- security.keys.note_use
UPDATE api_keys SET last_used_at=? WHERE api_keys.prefix = ?

-- security.keys.revoke
SELECT api_keys.prefix
FROM api_keys
WHERE api_keys.prefix = ?

-- security.keys.revoke
UPDATE api_keys SET revoked_at=? WHERE api_keys.prefix = ? AND api_keys.revoked_at IS NULL

-- security.keys.unrevoked
SELECT api_keys.prefix, api_keys.sha256, api_keys.name, api_keys.scopes, api_keys.customer_id, api_keys.created_at,
    api_keys.expires_at, api_keys.revoked_at, api_keys.last_used_at
FROM api_keys
WHERE api_keys.revoked_at IS NULL

-- security.keys.version
SELECT count(*) AS count_1, count(api_keys.revoked_at) AS count_2
FROM api_keys
