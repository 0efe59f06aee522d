"""A plan's life, pure: admission against contracts, order among its calls, and what happens next.

`Schedule` is the decider: each input changes its board and returns the steps that follow. No I/O, no clock, no randomness.
"""

from motet.plan.admission import admit, valid_correlation, valid_traceparent
from motet.plan.contracts import Contracts
from motet.plan.direct import direct
from motet.plan.identity import command_digest, key_digest, plan_id_of
from motet.plan.limits import Limits
from motet.plan.model import Call, Plan, Reservation
from motet.plan.rows import from_state, to_state
from motet.plan.schedule import Schedule
from motet.plan.steps import Committed, Ended, Fact, Started, Step, Stopped, Undoing, Word

__all__ = [
    "Call",
    "Committed",
    "Contracts",
    "Ended",
    "Fact",
    "Limits",
    "Plan",
    "Reservation",
    "Schedule",
    "Started",
    "Step",
    "Stopped",
    "Undoing",
    "Word",
    "admit",
    "command_digest",
    "direct",
    "from_state",
    "key_digest",
    "plan_id_of",
    "to_state",
    "valid_correlation",
    "valid_traceparent",
]
