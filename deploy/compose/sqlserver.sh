#!/bin/bash
# Asks SQL Server as its administrator: with `databases`, makes a database and a login for each service, which only that
# login may open; otherwise, what the arguments tell sqlcmd. The server's certificate is its own (-C).
set -euo pipefail

SQLCMDPASSWORD="A-$(cat /run/secrets/superuser)"
export SQLCMDPASSWORD

ask() {
    /opt/mssql-tools18/bin/sqlcmd -b -C -S "${SQLSERVER:-localhost}" -U sa "$@"
}

if [ "${1:-}" != databases ]; then
    ask "$@"
    exit
fi
for service in orders fulfillment; do
    name="orderflow_$service" password="A-$(cat "/run/secrets/$service")"
    ask -Q "IF DB_ID('$name') IS NULL CREATE DATABASE $name"
    ask -Q "ALTER DATABASE $name SET READ_COMMITTED_SNAPSHOT ON WITH ROLLBACK IMMEDIATE"
    ask -Q "IF SUSER_ID('$name') IS NULL CREATE LOGIN $name WITH PASSWORD = '$password'"
    ask -d "$name" -Q "IF USER_ID('$name') IS NULL
        BEGIN
            CREATE USER $name FOR LOGIN $name;
            ALTER ROLE db_ddladmin ADD MEMBER $name;
            ALTER ROLE db_datareader ADD MEMBER $name;
            ALTER ROLE db_datawriter ADD MEMBER $name;
        END"
done
