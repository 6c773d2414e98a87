#!/bin/bash
# As the official image: its own wrapper, which is in Kafka's jar, turns KAFKA_ variables into server.properties and
# formats the storage with CLUSTER_ID; then the broker runs.
set -euo pipefail
export CLUSTER_ID=${CLUSTER_ID:-5L6g3nShT-eMCtK--X86sw}
export KAFKA_LOG4J_OPTS=-Dlog4j2.configurationFile=/etc/kafka/docker/log4j2.properties
jars='/opt/kafka/libs/*'

# shellcheck disable=SC2086 # the options are a list
said=$(java $KAFKA_LOG4J_OPTS -cp "$jars" kafka.docker.KafkaDockerWrapper setup \
    --default-configs-dir /etc/kafka/docker \
    --mounted-configs-dir /mnt/shared/config \
    --final-configs-dir /opt/kafka/config 2>&1) ||
    [[ $said == *"already formatted"* ]] || { echo "$said" && exit 1; }
# shellcheck disable=SC2086
exec java ${KAFKA_HEAP_OPTS:--Xmx1G -Xms1G} -XX:+ExitOnOutOfMemoryError $KAFKA_LOG4J_OPTS \
    -cp "$jars" kafka.Kafka /opt/kafka/config/server.properties
