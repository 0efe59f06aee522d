"""Proofs about the log that need nobody's word: Merkle trees, signed checkpoints, and what a difference between two readings means.

Pure: `merkle` and `paths` (RFC 9162), `entry` (what a record is in a tree), `note` and `keyring` (who signed), `checkpoint` (what was signed),
`chain` (one checkpoint after the other), `reading` (a log beside what was signed of it). Who reads Kafka or a disk is outside.
"""
