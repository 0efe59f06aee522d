"""Follows the committed events with a plain Kafka client: nothing of Motet but the registry.

python examples/consumer.py 127.0.0.1:9092 http://127.0.0.1:8081
"""

import sys
from typing import Any

from confluent_kafka import Consumer
from confluent_kafka.schema_registry import SchemaRegistryClient, topic_record_subject_name_strategy
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

bootstrap, registry = sys.argv[1:]
deserialize: Any = AvroDeserializer(
    SchemaRegistryClient({"url": registry}), conf={"subject.name.strategy": topic_record_subject_name_strategy}
)
consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "example", "auto.offset.reset": "earliest"})
consumer.subscribe(["motet.events"])
try:
    while True:
        message: Any = consumer.poll(1.0)
        if message is None or message.error():
            continue
        event = deserialize(message.value(), SerializationContext("motet.events", MessageField.VALUE))
        kind = next(value for name, value in message.headers() if name == "ce_type").decode()
        print(message.key().decode(), kind, event["plan_id"], event.get("outcome", ""))
except KeyboardInterrupt:
    consumer.close()
