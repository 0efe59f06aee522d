"""The projector: turns the committed events into SQL tables for people, schema `motet`.

Consumes `motet.events`, `motet.contracts`, `motet.leases`, `motet.dead-letters`, and whatever leads from a cause to its effects; produces `motet.dead-letters`, for what it cannot read. The
tables change in the hop's own transaction, so that they are exactly as far as the shard's row says. Each row follows from the records
of one partition, or from operations that commute; how topics were merged does not matter, and a rebuild gives the same rows.
"""

from motet.projector.opening import service

__all__ = ["service"]
