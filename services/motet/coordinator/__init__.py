"""The coordinator: hosts orchestrated plans, and keeps the lines of all resources.

Consumes `motet.commands` (the door), `motet.results`, `motet.timers`, `motet.contracts`, `motet.repairs`, `motet.requests` and
`motet.lease-grants`; produces `motet.events`, `motet.grants`, `motet.lease-requests`, `motet.invocations.<toolset>`, `motet.timers`,
`motet.repairs`, `motet.merges` and `motet.dead-letters`. Its decisions are the pure modules `motet.plan` and `motet.resources`;
`motet.hosting` turns what they decide into
records.
"""

from motet.coordinator.declaration import service

__all__ = ["service"]
