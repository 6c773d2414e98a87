#!/bin/bash
# Makes the base images that the Dockerfile and compose.yaml name, from Debian packages and Kafka's jars, on a
# Debian machine that can pull no image. README.md says what for. As root: debootstrap needs it.
set -euo pipefail
cd "$(dirname "$0")"

export LC_ALL=C
CA_BUNDLE=/etc/ssl/certs/ca-certificates.crt
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The names, from where they are used: another version there is another stand-in here, or none.
python_image=$(sed -n 's/^ARG PYTHON_IMAGE=//p' ../../Dockerfile)
postgres_image=$(sed -n 's/^ *image: \(postgres:.*\)/\1/p' ../../compose.yaml)
kafka_image=$(sed -n 's/^ *image: \(apache\/kafka:.*\)/\1/p' ../../compose.yaml)

wanted() { # image
    if docker image inspect "$1" >/dev/null 2>&1; then
        echo "$1 is here already"
        return 1
    fi
    echo "Making a stand-in for $1"
}

debian() { # suite, packages separated by commas; leaves the root file system in $work/root
    rm -rf "$work/root"
    debootstrap --variant=minbase --include="$2" "$1" "$work/root" ${MIRROR:+"$MIRROR"} >"$work/log" 2>&1 ||
        { tail -20 "$work/log" "$work/root/debootstrap/debootstrap.log" >&2; exit 1; }
    (cd "$work/root" && rm -rf var/cache/apt/* var/lib/apt/lists/* var/log/*.log var/log/apt \
        usr/share/doc/* usr/share/man/* usr/share/info/* usr/share/locale/*)
    # So that a package registry behind this machine's own certificate authority is trusted.
    install -D -m 644 "$CA_BUNDLE" "$work/root$CA_BUNDLE"
}

imported() { # image, then lines of a Dockerfile
    local image=$1
    shift
    tar -C "$work/root" -c --numeric-owner . | docker import - orderflow-stand-in >/dev/null
    printf '%s\n' 'FROM orderflow-stand-in' 'LABEL orderflow.stand-in=true' "$@" |
        DOCKER_BUILDKIT=0 docker build --quiet --tag "$image" - >/dev/null
    docker image rm --no-prune orderflow-stand-in >/dev/null
}

python() {
    [ "$1" = python:3.11-slim-bookworm ] || { echo "no stand-in for $1" >&2; exit 1; }
    debian bookworm python3,python3-venv,ca-certificates,tzdata
    ln -s /usr/bin/python3 "$work/root/usr/local/bin/python"
    imported "$1" "ENV PIP_CERT=$CA_BUNDLE" 'CMD ["python3"]'
}

postgres() {
    [ "$1" = postgres:17-trixie ] || { echo "no stand-in for $1" >&2; exit 1; }
    debian trixie postgresql-17,ca-certificates,tzdata
    rm -rf "$work"/root/var/lib/postgresql/* "$work/root/etc/postgresql"
    install -m 755 postgres-entrypoint.sh "$work/root/usr/local/bin/docker-entrypoint.sh"
    mkdir -p "$work/root/docker-entrypoint-initdb.d"
    chroot "$work/root" install -d -o postgres -g postgres /var/lib/postgresql /var/lib/postgresql/data /run/postgresql
    imported "$1" 'ENV PGDATA=/var/lib/postgresql/data' 'ENV LANG=C.UTF-8' \
        'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/lib/postgresql/17/bin' \
        'VOLUME /var/lib/postgresql/data' 'EXPOSE 5432' 'STOPSIGNAL SIGINT' \
        'ENTRYPOINT ["docker-entrypoint.sh"]' 'CMD ["postgres"]'
}

kafka() {
    local pom=../services/kafka-pom.xml
    [ "$1" = "apache/kafka:$(grep -A1 '>kafka_2.13<' "$pom" | sed -n 's/.*<version>\(.*\)<.*/\1/p')" ] ||
        { echo "no stand-in for $1: $pom has another version" >&2; exit 1; }
    debian bookworm openjdk-17-jre-headless,ca-certificates
    mvn -B -q -f "$pom" -DincludeScope=runtime -DoutputDirectory="$work/root/opt/kafka/libs" \
        org.apache.maven.plugins:maven-dependency-plugin:2.8:copy-dependencies >"$work/log" 2>&1 ||
        { tail -20 "$work/log" >&2; exit 1; }
    mkdir -p "$work"/root/{etc/kafka/docker,etc/kafka/secrets,opt/kafka/config,var/lib/kafka/data,mnt/shared/config}
    install -m 755 kafka-run.sh "$work/root/etc/kafka/docker/run"
    install -m 644 log4j2.properties "$work/root/etc/kafka/docker/"
    touch "$work/root/etc/kafka/docker/server.properties"
    chroot "$work/root" useradd --create-home --uid 1000 --shell /bin/bash appuser
    chroot "$work/root" chown -R appuser:appuser /opt/kafka/config /etc/kafka /var/lib/kafka /mnt/shared/config
    imported "$1" 'USER appuser' 'EXPOSE 9092' 'VOLUME /var/lib/kafka/data' 'CMD ["/etc/kafka/docker/run"]'
}

if wanted "$python_image"; then python "$python_image"; fi
if wanted "$postgres_image"; then postgres "$postgres_image"; fi
if wanted "$kafka_image"; then kafka "$kafka_image"; fi
