"""A host of plans: the pure deciders of `motet.plan` on the chassis, with rows, commands by key, and steps told as records.

Two services are such hosts: the coordinator, and the agents' own service. What differs is which plans each takes, which its name says.
"""

from motet.hosting.host import service

__all__ = ["service"]
