"""Conformance: what a service took, fed to today's code once more, and what it publishes beside what it published then.

`history` is what topics hold, read from Kafka (`reading`) or from a file (`archive`); `shard_log` is one shard's part of it; `rerun` is the shard,
run again; `differing` says where the two part. `recovery` makes a service's lost rows from its topics in the same way. It knows the chassis,
and no service: who calls it brings the service's declaration.
"""
