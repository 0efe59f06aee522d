"""A foreign producer whose transaction hangs: `python hung_producer.py BOOTSTRAP TOPIC PARTITIONS KEY VALUE`.

It begins a transaction, puts a record into each partition, says so, and does nothing any more until it is killed. A process of its own, as it
would be elsewhere: what a client does that is thrown away in the midst of a transaction is nobody else's trouble.
"""

from __future__ import annotations

import sys
import uuid
from typing import Final

from confluent_kafka import Producer

SECONDS: Final = 20.0


def main(bootstrap: str, topic: str, partitions: str, key: str, value: str) -> None:
    """Until it is killed, or its parent ends."""
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "transactional.id": f"hung-{uuid.uuid4().hex}",
            "transaction.timeout.ms": 10_000,
            "log_level": 0,
        }
    )
    producer.init_transactions(SECONDS)
    producer.begin_transaction()
    for partition in range(int(partitions)):
        producer.produce(topic, value, key, partition)
    producer.flush(SECONDS)
    print("hung", flush=True)  # noqa: T201  its parent reads it
    sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
