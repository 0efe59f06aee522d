"""Finds a record that nobody could read, and gives it up. `motet up` first; it takes PostgreSQL's address, which `motet status` prints."""

import sys
import threading
import uuid

import psycopg
from confluent_kafka import Producer

from motet import Client

OPEN = (
    "SELECT event_id, service, partition, code, reason FROM motet.dead_letters WHERE state = 'OPEN' AND key_text = %s"
)
key = f"acme/broken-{uuid.uuid4().hex[:8]}"

with Client(tenant="acme", agent="example") as client, psycopg.connect(sys.argv[1], autocommit=True) as sql:
    # A plain producer with a bug: this is no Avro.
    producer = Producer({"bootstrap.servers": client.bootstrap, "partitioner": "murmur2_random"})
    producer.produce("motet.commands", b'{"calls": []}', key)
    producer.flush()

    # Nobody was delayed; the record is a dead letter, whole, with its reason.
    pause = threading.Event()
    while not (found := sql.execute(OPEN, (key,)).fetchone()):
        pause.wait(0.1)
    letter, service, shard, code, reason = found
    print(letter, service, code, reason)

    # Handed over once more it fails once more: nothing was mended. So it is given up.
    again = client.direct.repair(letter, service, shard, "redrive")
    print(again.outcome, again.failure)
    print(client.direct.repair(letter, service, shard, "discard", "our producer had a bug").outcome)
