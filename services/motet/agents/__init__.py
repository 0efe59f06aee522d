"""The agents' own service: hosts the plans whose agents coordinate them, with no coordinator on the path.

Consumes `motet.commands` (the door that it shares with the coordinator), `motet.results.agents`, `motet.timers`,
`motet.contracts`, `motet.repairs`, `motet.lease-grants` and `motet.grants`; produces what the
coordinator does, and `motet.requests` instead of `motet.grants`.
It is the same host (`motet.hosting`). The calls of a CHOREOGRAPHED plan conflict with nobody, so nobody else needs to be asked; a HYBRID
plan asks the coordinator for all its resources at once, and begins when it has them.
"""

from motet.agents.declaration import service

__all__ = ["service"]
