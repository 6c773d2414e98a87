"""Publishing to Kafka."""

import time
from collections.abc import Callable, Sequence
from functools import partial

import structlog
from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka import Message as KafkaMessage

from orderflow.messaging import MESSAGE_BYTES_MAX, BusMisconfigured, Message, Position, PublishFailed
from orderflow.messaging.kafka.cluster import Settings, client_settings

DELIVERY_TIMEOUT_S = 10.0
DELIVERY_GRACE_S = 1.5
"""Added to the delivery time-out, because librdkafka looks for timed-out messages only once a second."""

LINGER_MS = 1
QUEUE_MESSAGES_MAX = 20_000
QUEUE_KIB_MAX = 64 * 1024

BATCHES_OF_ONE_S = 60.0
"""How long messages are sent one by one after a batch was refused for its size."""

_TOO_LARGE = (KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE)
"""A broker also gives these answers for a batch of messages, each of which alone is small enough."""

_logger: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class _Call:
    """The outcomes of one call of `publish`. A callback that comes after the call changes only this
    object."""

    def __init__(self, size: int) -> None:
        self.outcomes: list[Position | PublishFailed | None] = [None] * size
        self.open = size

    def settle(self, index: int, outcome: Position | PublishFailed) -> None:
        self.outcomes[index] = outcome
        self.open -= 1

    def delivered(self, index: int, error: KafkaError | None, message: KafkaMessage) -> None:
        if error is None:
            self.settle(index, Position(message.partition() or 0, message.offset() or 0))
        else:
            self.settle(index, _failed(error))


def _failed(error: KafkaError) -> PublishFailed:
    return PublishFailed(f"{error.name()}: {error.str()}", too_large=error.code() in _TOO_LARGE)


class KafkaPublisher:
    """`Publisher` on Kafka: acks=all, idempotent, and the key is the message's key.

    The partitioner is `consistent_random`, librdkafka's own default, so keys are on the partitions where
    other librdkafka clients put them. `message_bytes_max` counts key, value and headers; for dead letters it
    must be DEAD_LETTER_BYTES_MAX. `delivery_timeout_s` must be shorter than the lease of what is published.
    `settings` are librdkafka's, for TLS and SASL. `monotonic` gives seconds. Raises BusMisconfigured if the
    settings are wrong.
    """

    def __init__(
        self,
        bootstrap: str,
        *,
        message_bytes_max: int = MESSAGE_BYTES_MAX,
        delivery_timeout_s: float = DELIVERY_TIMEOUT_S,
        queue_messages_max: int = QUEUE_MESSAGES_MAX,
        settings: Settings | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._monotonic = monotonic
        self._delivery_timeout_s = delivery_timeout_s
        self._fatal: str | None = None
        self._batches_of_one_until_s: float | None = None
        delivery_timeout_ms = int(delivery_timeout_s * 1000)
        self._settings = client_settings(bootstrap, settings) | {
            "acks": "all",
            "enable.idempotence": True,
            "partitioner": "consistent_random",
            "compression.type": "lz4",
            "linger.ms": LINGER_MS,
            "delivery.timeout.ms": delivery_timeout_ms,
            # So a missing topic is named as the reason before the general time-out hides it.
            "topic.metadata.propagation.max.ms": delivery_timeout_ms // 2,
            "message.max.bytes": message_bytes_max,
            "queue.buffering.max.messages": queue_messages_max,
            "queue.buffering.max.kbytes": QUEUE_KIB_MAX,
            "error_cb": self.on_error,
        }
        self._producer = self._new_producer()

    def _new_producer(self) -> Producer:
        alone = self._batches_of_one_until_s is not None
        try:
            return Producer(self._settings | ({"batch.num.messages": 1} if alone else {}))
        except KafkaException as error:
            raise BusMisconfigured(f"Kafka producer settings: {error.args[0].str()}") from error

    def publish(self, messages: Sequence[Message]) -> list[Position | PublishFailed]:
        """As the port says. It takes at most the delivery time-out plus DELIVERY_GRACE_S."""
        deadline_s = self._monotonic() + self._delivery_timeout_s + DELIVERY_GRACE_S
        if self._batches_of_one_until_s is not None and self._monotonic() >= self._batches_of_one_until_s:
            self._batches_of_one_until_s = None
            self._replace_producer("batches may be large again")
        were_alone = len(messages) == 1 or self._batches_of_one_until_s is not None
        outcomes = self._send(messages, deadline_s)
        refused = [i for i, o in enumerate(outcomes) if isinstance(o, PublishFailed) and o.too_large]
        if refused and not were_alone:
            # The broker has refused a batch. This says nothing about the single messages, so send each one
            # alone.
            self._batches_of_one_until_s = self._monotonic() + BATCHES_OF_ONE_S
            self._replace_producer("a batch was refused for its size")
            again = self._send([messages[i] for i in refused], deadline_s)
            for index, outcome in zip(refused, again, strict=True):
                outcomes[index] = outcome
        return outcomes

    def _send(self, messages: Sequence[Message], deadline_s: float) -> list[Position | PublishFailed]:
        if self._fatal is not None:
            self._replace_producer(self._fatal)
        call = _Call(len(messages))
        for index, message in enumerate(messages):
            self._enqueue(call, index, message, deadline_s)
        while call.open and self._fatal is None and (left_s := deadline_s - self._monotonic()) > 0:
            self._producer.poll(left_s)
        unanswered = PublishFailed(self._fatal or "no acknowledgement in time")
        outcomes = [unanswered if outcome is None else outcome for outcome in call.outcomes]
        if call.open or self._fatal is not None:
            self._replace_producer(unanswered.reason)
        return outcomes

    def _enqueue(self, call: _Call, index: int, message: Message, deadline_s: float) -> None:
        while self._fatal is None and self._monotonic() < deadline_s:
            try:
                self._producer.produce(
                    message.topic,
                    message.value,
                    message.encoded_key,
                    on_delivery=partial(call.delivered, index),
                    headers=list(message.headers),
                )
            except BufferError:
                self._producer.poll(0.1)
            except KafkaException as error:
                reason: KafkaError = error.args[0]
                if reason.fatal() or reason.code() == KafkaError._FATAL:
                    self.on_error(reason)
                call.settle(index, _failed(reason))
                return
            except UnicodeEncodeError:
                call.settle(index, PublishFailed("key or topic is not encodable as UTF-8"))
                return
            else:
                return

    def on_error(self, error: KafkaError) -> None:
        """librdkafka calls this. Only a fatal error matters here: every other one shows in the outcomes."""
        if error.fatal() or error.code() == KafkaError._FATAL:
            self._fatal = f"{error.name()}: {error.str()}"

    def _replace_producer(self, why: str) -> None:
        """Make a new producer. The old one is of no use after a fatal error, or while it holds messages that
        nobody waits for any more. And the number of messages in a batch is fixed when a producer is made."""
        _logger.warning("kafka.producer_replaced", reason=why)
        self._producer.purge()
        self._producer.close()
        self._fatal = None
        self._producer = self._new_producer()

    def close(self) -> None:
        """Close the producer. `publish` leaves no messages behind, so there is nothing to wait for."""
        self._producer.purge()
        self._producer.close()
