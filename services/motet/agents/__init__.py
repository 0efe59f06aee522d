"""The agents' own service: hosts the plans whose agents coordinate them, with no coordinator on the path.

Consumes `motet.commands` (the door that it shares with the coordinator), `motet.forwarded`, `motet.results.agents`, `motet.timers`,
`motet.contracts` and `motet.repairs`; produces what the coordinator does. It is the same host (`motet.hosting`), for plans of the mode
CHOREOGRAPHED: their calls conflict with nobody, so nobody else needs to be asked.
"""

from motet.agents.declaration import service

__all__ = ["service"]
