"""Chaos: real servers and services are broken on purpose, and nothing may be lost.

faults/        what can be done to a running Motet, by name
proxy.py       a network that does as it is told
witness.py     the outside world, with a log of its own
load.py        agents, and what they saw
facts.py       the final read
judging.py     what must hold of a run: safety
settling.py    whether it comes to rest: liveness
whole.py       what must hold of the whole log
run.py         all of it, by a profile and a seed
"""

from motet.chaos.profile import PROFILES, Profile
from motet.chaos.run import Result, RunResult, run

__all__ = ["PROFILES", "Profile", "Result", "RunResult", "run"]
