#!/bin/bash
# Starts PostgreSQL's image with the certificate that the service `secrets` has made. The server takes a key only from
# a file that nobody else can read, and which user it runs as is up to the image.
set -euo pipefail
install -o postgres -g postgres -m 600 /run/secrets/tls.pem /run/postgresql/tls.pem
exec docker-entrypoint.sh "$@"
