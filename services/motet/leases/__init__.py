"""The lease service: who may use which resources alone, for how long, and with which fencing token.

Consumes `motet.lease-commands` (the door), `motet.lease-requests` (what plans take) and `motet.lease-timers`; produces `motet.leases`,
`motet.lease-grants`, `motet.lease-timers`, `motet.merges` and `motet.dead-letters`, and puts misplaced commands into their own partition of the
door. Its decisions are pure: `book` (lines, grants, tokens, ends), `desk` (what a command leads to) and `plans`; `handler` turns what they
decide into records.

`fence` checks a token in the transaction that writes what the lease protects; `prepare` makes the table that it needs.
"""

from motet.chassis.fencing import StaleToken, fence, prepare
from motet.leases.handler import service

__all__ = ["StaleToken", "fence", "prepare", "service"]
