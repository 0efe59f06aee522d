"""A deterministic simulator: one seed is one world, and the same seed is the same world again.

`scheduler` chooses every step of a run by a seeded chance: what is delivered, in which order, what is repeated, who dies and when, where clocks
jump. `plan_host`, `lease_service` and `host` are the services: the real deciders of plans and leases, hosted by a model of the hop (`shard`).
`world` is what tools change; `judge` and `oracle` say what is wrong; `shrinking` makes a short story of it. Nothing here does I/O.
"""

from motet.simulation.runs import Failure, Total, run, run_many, tell
from motet.simulation.shrinking import shrink
from motet.simulation.violations import Violation

__all__ = ["Failure", "Total", "Violation", "run", "run_many", "shrink", "tell"]
