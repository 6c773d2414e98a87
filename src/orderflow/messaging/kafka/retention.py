"""How long Kafka keeps a topic's messages."""

from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigResource as Resource

from orderflow.messaging import Kept
from orderflow.messaging.kafka.cluster import Settings, client_settings

ASK_TIMEOUT_S = 5.0

_RETENTION, _SEGMENT, _POLICY = "retention.ms", "segment.ms", "cleanup.policy"


def kept(bootstrap: str, topic: str, *, settings: Settings | None = None) -> Kept:
    """As the broker says; an answer without a bound if it says nothing within 5 s."""
    place = f"topic {topic}"
    resource = Resource(Resource.Type.TOPIC, topic)
    try:
        admin: Any = AdminClient(client_settings(bootstrap, settings))
        asked = admin.describe_configs([resource], request_timeout=ASK_TIMEOUT_S)
        found: dict[str, Any] = asked[resource].result(timeout=ASK_TIMEOUT_S)
        values = {name: str(found[name].value) for name in (_RETENTION, _SEGMENT, _POLICY)}
    except (KafkaException, TimeoutError) as error:
        return Kept(place, None, f"the broker does not say how long: {error}")
    told = ", ".join(f"{name}={value}" for name, value in values.items())
    retention_ms = int(values[_RETENTION])
    if retention_ms < 0 or values[_POLICY] != "delete":
        return Kept(place, None, f"{told}: such a topic is not emptied by time alone")
    # A segment is deleted as a whole, once its last message is old enough.
    return Kept(place, (retention_ms + int(values[_SEGMENT])) / 1000, told)
