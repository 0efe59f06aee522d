"""The coordinator: admits plans, puts their calls in line for their resources, commits results in plan order.

Consumes `motet.commands` (the door), `motet.forwarded`, `motet.results` and `motet.contracts`; produces `motet.events`,
`motet.invocations.<toolset>`, `motet.forwarded`, `motet.merges` and `motet.dead-letters`. Its decisions are the pure modules
`motet.plan` and `motet.resources`; `handler` turns what they decide into records.
"""

from motet.coordinator.handler import service

__all__ = ["service"]
