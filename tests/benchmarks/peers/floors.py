"""What the servers themselves can do here: one bare exactly-once hop through Motet's chassis, and kafka-producer-perf-test.

It runs in a process of its own, as each peer does, and prints one JSON document.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import Final

from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from benchmarks.peers import machine
from benchmarks.peers.one import own_directory
from benchmarks.peers.peer import PeerFailed
from motet.bench import bare_hop
from motet.bench.run import settings_of
from motet.platform import Platform, servers

TOPIC: Final = "peers-floor"
PARTITIONS: Final = 8
# About as large as a record of Motet's.
RECORD_BYTES: Final = 300
HOP_RECORDS_PER_SECOND: Final = 6_000
PERF_RECORDS_PER_SECOND: Final = 60_000
FIGURE: Final = re.compile(r"([\d.]+) records/sec")


def producer_records_per_second(bootstrap: str, records: int) -> float:
    """Kafka's own load generator, idempotent, acknowledged by all replicas."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([NewTopic(TOPIC, PARTITIONS)])[TOPIC].result(30)
    command = [
        servers.java(),
        "-cp",
        f"{servers.libraries() / 'kafka'}/*",
        "org.apache.kafka.tools.ProducerPerformance",
    ]
    command += ["--topic", TOPIC, "--num-records", str(records), "--record-size", str(RECORD_BYTES)]
    command += ["--throughput", "-1", "--command-property", f"bootstrap.servers={bootstrap}"]
    command += ["acks=all", "enable.idempotence=true"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = FIGURE.findall(done.stdout)
    if not found:
        raise PeerFailed(f"kafka-producer-perf-test says no figure: {done.stdout[-300:]}{done.stderr[-300:]}")
    return float(found[-1])


def main() -> None:
    """Takes SECONDS, about which each floor is measured, and QUIET_SECONDS."""
    seconds, quiet_seconds = map(float, sys.argv[1:])
    with own_directory("floors") as directory:
        platform = Platform.up(directory / "motet", [], lifetime="caller", environment=servers.TO_STAY)
        try:
            machine.await_quiet(quiet_seconds)
            sys.stderr.write("floors: the bare hop\n")
            hop = bare_hop.records_per_second(settings_of(platform), int(HOP_RECORDS_PER_SECOND * seconds))
            sys.stderr.write("floors: kafka-producer-perf-test\n")
            produced = producer_records_per_second(platform.addresses.kafka, int(PERF_RECORDS_PER_SECOND * seconds))
        finally:
            platform.down()
    figures = {"hop_records_per_second": round(hop), "producer_records_per_second": round(produced)}
    sys.stdout.write(json.dumps(figures) + "\n")


if __name__ == "__main__":
    main()
