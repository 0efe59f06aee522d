"""The chassis: everything between a service's pure function and Kafka, PostgreSQL and the schema registry.

Read `hop.py` first: it is the one hard idea. Around it: `lanes` (numbered, chained records between two shards), `shard` (the rows
that say how far a shard is), `loop` (assignment, polling, publishing), `codec` and `registry` (Avro), `service` (what a service
implements). No service opens a connection, a transaction or a producer.
"""
