"""How each fault of `tests/ends.py` is brought about."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import ends
from causes import deciding, running
from causes.stage import Stage
from ends import AFTER, ANSWERED, BEFORE, DONE, DURING, Row
from motet.client import Budget, Call, Outcome

CAUSES: Final[dict[str, Callable[[Stage, Row], Outcome]]] = {
    **dict.fromkeys((BEFORE, AFTER, DURING), running.crash_together),
    **dict.fromkeys((DONE, ANSWERED), running.crash_alone),
    ends.SLOW: running.how("slow"),
    ends.TOO_LATE: running.with_query("?delay=2.5"),
    ends.DROPPED: running.with_query("?apply_then_drop=1"),
    ends.ALWAYS_DROPPED: running.with_query("?drop=1"),
    ends.TWICE_503: running.with_query("?status=503&retry_after=1&times=2"),
    ends.ALWAYS_503: running.with_query("?status=503"),
    ends.NOT_FOUND: running.with_query("?status=404"),
    ends.AGAIN: running.how("again"),
    ends.SILENT: running.silent,
    **dict.fromkeys((ends.LATE_SUCCESS, ends.FAILS_BESIDE, ends.ENOUGH, ends.NOT_ENOUGH), running.sibling),
    ends.FAILS_BEFORE: running.behind,
    ends.OUT_OF_TIME: running.deadline,
    ends.BEFORE_TAKEN: running.cancelled_before,
    ends.WAITING: running.cancelled_waiting,
    ends.RUNNING: running.cancelled_running,
    ends.BETWEEN: running.cancelled_when(
        Call("fault.charge", {"account": "r", "query": "?status=503&retry_after=20"}),
        lambda one: one.get("status") == "RETRYING",
    ),
    ends.ASKED: running.cancelled_when(
        Call("fault.wire", {"amount": 1}), lambda one: one.get("status") == "AWAITING_APPROVAL"
    ),
    ends.DOUBTFUL: running.cancelled_in_doubt,
    ends.UNDOING: running.cancelled_undoing,
    ends.ENDED: running.cancelled_late,
    ends.APPROVED: deciding.decided("approve"),
    ends.DENIED: deciding.decided("deny"),
    ends.EXPIRED: deciding.expired,
    ends.HAPPENED: deciding.settled("?apply_then_drop=1", "happened", "sent"),
    ends.DID_NOT: deciding.settled("?drop=1", "did_not_happen"),
    ends.TO_BE_UNDONE: deciding.settled("?apply_then_drop=1", "compensate"),
    ends.CALLS: deciding.budget(Budget(calls=10), 10),
    ends.COST: deciding.budget(Budget(cost="0.50"), 11),
    ends.TOKENS: deciding.budget(Budget(tokens=1_000), 10),
    ends.TIME: deciding.budget(Budget(seconds=10), 20),
    ends.AGENT: deciding.agents_budget,
    ends.DEAD: deciding.dead_dependency,
    ends.TWICE: deciding.compensated("?status=503&times=2"),
    ends.FOR_GOOD: deciding.taken_up("?status=404", ("c0",)),
    ends.LATER: deciding.taken_up("?status=404&times=1"),
    ends.UNDO_DOUBT: deciding.undone_in_doubt,
    ends.UNDO_KILLED: deciding.killed_undoing,
    ends.REVERSE: deciding.in_reverse,
    ends.KILLED_BETWEEN: deciding.killed_between,
    ends.KILLED_ASKED: deciding.killed_asked,
    ends.KILLED_DOUBT: deciding.killed_in_doubt,
    ends.KILLED_UNDO: deciding.killed_compensating,
    ends.KILLED_BUDGET: deciding.killed_fanning_out,
    ends.KILLED_CANCEL: deciding.killed_cancelled,
}
