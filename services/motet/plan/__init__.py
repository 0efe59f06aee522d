"""A plan's life, pure: admission against contracts, order among its calls, and what happens next.

`decide` and `evolve` meet in `Schedule`: each input changes it and returns the steps that follow. No I/O, no clock, no randomness.
"""

from motet.plan.admission import admit, valid_correlation, valid_traceparent
from motet.plan.contracts import Contracts
from motet.plan.identity import command_digest, key_digest, plan_id_of
from motet.plan.limits import Limits
from motet.plan.model import Call, Plan
from motet.plan.schedule import Committed, Ended, Schedule, Started, Step

__all__ = [
    "Call",
    "Committed",
    "Contracts",
    "Ended",
    "Limits",
    "Plan",
    "Schedule",
    "Started",
    "Step",
    "admit",
    "command_digest",
    "key_digest",
    "plan_id_of",
    "valid_correlation",
    "valid_traceparent",
]
