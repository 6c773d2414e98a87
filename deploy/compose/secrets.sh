#!/bin/sh
# Makes what is missing of the secrets, and changes nothing that is there: PostgreSQL keeps the passwords it was made
# with. /secrets holds one directory for each reader.
set -eu

# A file is whole or not there, and only its volume decides who reads it.
write() { # file, content
    (umask 022 && printf '%s\n' "$2" >"$1.new" && mv "$1.new" "$1")
}

for name in superuser orders fulfillment; do
    file=/secrets/postgres/$name
    [ -s "$file" ] || write "$file" "$(head -c 24 /dev/urandom | od -A n -t x1 | tr -d ' \n')"
done

# The key with which the workers report to the Order Service; `keys create` stores it in the databases.
key=/secrets/migrate/orderflow_api_key
[ -s "$key" ] || write "$key" "$(python -c 'import secrets; print(f"of_{secrets.token_hex(5)}_{secrets.token_urlsafe(32)}")')"
write /secrets/fulfillment/orderflow_api_key "$(cat "$key")"

url() { # service
    echo "postgresql://orderflow_$1:$(cat "/secrets/postgres/$1")@postgres:5432/orderflow_$1"
}

for directory in orders migrate; do
    write /secrets/$directory/orderflow_database_url "$(url orders)"
done
for directory in fulfillment migrate; do
    write /secrets/$directory/orderflow_fulfillment_database_url "$(url fulfillment)"
done
