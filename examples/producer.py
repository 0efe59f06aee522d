"""Submits a plan with a plain Kafka client: nothing of Motet but its Avro schema and the registry.

python examples/producer.py 127.0.0.1:9092 http://127.0.0.1:8081 ada grace
"""

import json
import sys
import uuid
from pathlib import Path

from confluent_kafka import Producer
from confluent_kafka.schema_registry import SchemaRegistryClient, topic_record_subject_name_strategy
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

bootstrap, registry, *names = sys.argv[1:]
schema = Path(__file__).parents[1] / "schemas" / "avro" / "motet.commands.SubmitPlan.v1.avsc"
serialize = AvroSerializer(
    SchemaRegistryClient({"url": registry}),
    schema.read_text(),
    conf={"auto.register.schemas": False, "subject.name.strategy": topic_record_subject_name_strategy},
)
plan = {
    "idempotency_key": str(uuid.uuid4()),  # the same key and content again gets the same answer, and runs nothing
    "tenant": "acme",
    "domain": "greetings",
    "agent": "plain-producer",
    "calls": [{"call_id": name, "tool": "greeting.greet", "arguments": json.dumps({"name": name})} for name in names],
}
producer = Producer({"bootstrap.servers": bootstrap, "partitioner": "murmur2_random"})
value = serialize(plan, SerializationContext("motet.commands", MessageField.VALUE))
producer.produce("motet.commands", value, key=f"{plan['tenant']}/{plan['domain']}")
producer.flush()
print("submitted", plan["idempotency_key"])
