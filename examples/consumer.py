"""Follows the committed events with a plain Kafka client: nothing of Motet but the registry.

python examples/consumer.py 127.0.0.1:9092 http://127.0.0.1:8081
"""

import sys

from confluent_kafka import Consumer
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

bootstrap, registry = sys.argv[1:]
deserialize = AvroDeserializer(SchemaRegistryClient({"url": registry}))
consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "example", "auto.offset.reset": "earliest"})
consumer.subscribe(["motet.events"])
try:
    while True:
        message = consumer.poll(1.0)
        if message is None or message.error():
            continue
        event = deserialize(message.value(), SerializationContext(message.topic(), MessageField.VALUE))
        kind = dict(message.headers())["ce_type"].decode()
        print(message.key().decode(), kind, event["plan_id"], event.get("outcome", ""))
except KeyboardInterrupt:
    consumer.close()
