#!/bin/bash
# Run by PostgreSQL's image when it makes its data directory: a database and a role for each service, which only that
# role may open.
set -euo pipefail

for service in orders fulfillment; do
    psql -v ON_ERROR_STOP=1 --no-psqlrc --quiet --username postgres --dbname postgres \
        -v name="orderflow_$service" -v password="$(cat "/run/secrets/$service")" <<'SQL'
CREATE ROLE :"name" LOGIN PASSWORD :'password';
CREATE DATABASE :"name" OWNER :"name";
REVOKE CONNECT ON DATABASE :"name" FROM PUBLIC;
SQL
done
