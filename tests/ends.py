"""The table *fault, effect class, policy*: what is to come of a call, written down first, and then tested with real processes.

`docs/ends.md` is made from here (`python tests/ends.py`), and a test holds the two equal. A row's test is named by its words.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

DOCUMENT: Final = Path(__file__).parents[1] / "docs" / "ends.md"

PURE, TRANSACTIONAL, IDEMPOTENT = "pure", "transactional", "idempotent"
RECONCILABLE, IRREVERSIBLE = "reconcilable", "irreversible"
COLLECT, COMPENSATE, END, HOLD = "collect_all", "compensate", "in_doubt: end", "in_doubt: hold"
UNDO_OR_END = "compensate, in_doubt: end"


@dataclass(frozen=True, slots=True)
class Row:
    """A fault and its end. `effects` is what the outside witness counts; `call` is outcome, or outcome and code."""

    fault: str
    effect: str
    policy: str
    call: str
    plan: str
    effects: int


# -- the host is killed --------------------------------------------------------------------------------------------------------

BEFORE, AFTER, DURING = "host killed before the intent", "host killed after the intent", "host killed during the effect"
DONE, ANSWERED = "host killed after the effect", "host killed after the result"


def survived(fault: str, effect: str) -> tuple[Row, ...]:
    """A call that ends as if nothing had been; if its plan fails for another reason, what it did is undone once."""
    times = 0 if effect == PURE else 1
    rows = (
        Row(fault, effect, COLLECT, "SUCCEEDED", "SUCCEEDED", times),
        Row(fault, effect, "quorum(2)", "SUCCEEDED", "SUCCEEDED", times),
        Row(fault, effect, COMPENSATE, "SUCCEEDED", "COMPENSATED", 2 * times),
    )
    return rows if effect in (IDEMPOTENT, TRANSACTIONAL) else rows[::2]


def in_doubt(fault: str, held: tuple[str, str, int], effects: int) -> tuple[Row, ...]:
    """A call of which nobody knows: it ends so, waits for somebody who finds out, or stops its siblings."""
    call = "IN_DOUBT CRASHED"
    return (
        Row(fault, IRREVERSIBLE, END, call, "IN_DOUBT", effects),
        Row(fault, IRREVERSIBLE, HOLD, *held),
        Row(fault, IRREVERSIBLE, "fail_fast, in_doubt: end", call, "IN_DOUBT", effects),
        Row(fault, IRREVERSIBLE, UNDO_OR_END, call, "IN_DOUBT", effects),
    )


CRASHES: Final = (
    *(row for effect in (PURE, TRANSACTIONAL, IDEMPOTENT, RECONCILABLE) for row in survived(BEFORE, effect)),
    Row(BEFORE, IRREVERSIBLE, END, "SUCCEEDED", "SUCCEEDED", 1),
    Row(BEFORE, IRREVERSIBLE, UNDO_OR_END, "SUCCEEDED", "COMPENSATED", 2),
    *(row for effect in (PURE, TRANSACTIONAL, IDEMPOTENT, RECONCILABLE) for row in survived(AFTER, effect)),
    *in_doubt(AFTER, ("FAILED DID_NOT_HAPPEN", "FAILED", 0), effects=0),
    *(row for effect in (IDEMPOTENT, RECONCILABLE) for row in survived(DURING, effect)),
    *in_doubt(DURING, ("SUCCEEDED", "SUCCEEDED", 1), effects=1),
    *(row for effect in (IDEMPOTENT, RECONCILABLE) for row in survived(DONE, effect)[::2]),
    *in_doubt(DONE, ("FAILED TO_BE_UNDONE", "FAILED", 2), effects=1),
    *(row for effect in (PURE, TRANSACTIONAL, IDEMPOTENT, RECONCILABLE) for row in survived(ANSWERED, effect)[:1]),
    Row(ANSWERED, IRREVERSIBLE, END, "SUCCEEDED", "SUCCEEDED", 1),
    Row(ANSWERED, IDEMPOTENT, COMPENSATE, "SUCCEEDED", "COMPENSATED", 2),
)

# -- attempts that fail --------------------------------------------------------------------------------------------------------

SLOW, TOO_LATE, DROPPED = (
    "the first attempt times out",
    "the answer comes too late",
    "the connection drops after the effect",
)
ALWAYS_DROPPED, SILENT = "the connection drops at each attempt", "no heartbeat"
TWICE_503, ALWAYS_503, NOT_FOUND = "503 twice, with Retry-After", "503 always", "404"
AGAIN = "another attempt is asked for twice"
ATTEMPTS: Final = (
    Row(SLOW, PURE, COLLECT, "SUCCEEDED", "SUCCEEDED", 0),
    Row(SLOW, TRANSACTIONAL, COLLECT, "SUCCEEDED", "SUCCEEDED", 1),
    Row(TOO_LATE, IDEMPOTENT, COLLECT, "SUCCEEDED", "SUCCEEDED", 1),
    Row(TOO_LATE, RECONCILABLE, COLLECT, "SUCCEEDED", "SUCCEEDED", 1),
    Row(TOO_LATE, IRREVERSIBLE, END, "IN_DOUBT", "IN_DOUBT", 1),
    Row(DROPPED, IDEMPOTENT, COLLECT, "SUCCEEDED", "SUCCEEDED", 1),
    Row(DROPPED, RECONCILABLE, COLLECT, "SUCCEEDED", "SUCCEEDED", 1),
    Row(DROPPED, IRREVERSIBLE, END, "IN_DOUBT RAISED", "IN_DOUBT", 1),
    Row(DROPPED, IRREVERSIBLE, "fail_fast, in_doubt: end", "IN_DOUBT RAISED", "IN_DOUBT", 1),
    Row(ALWAYS_DROPPED, IDEMPOTENT, END, "IN_DOUBT RAISED", "IN_DOUBT", 0),
    Row(TWICE_503, IDEMPOTENT, COLLECT, "SUCCEEDED", "SUCCEEDED", 1),
    Row(TWICE_503, RECONCILABLE, COLLECT, "SUCCEEDED", "SUCCEEDED", 1),
    Row(TWICE_503, IRREVERSIBLE, COLLECT, "SUCCEEDED", "SUCCEEDED", 1),
    Row(ALWAYS_503, IDEMPOTENT, COLLECT, "FAILED HTTP_503", "FAILED", 0),
    Row(NOT_FOUND, IDEMPOTENT, COLLECT, "FAILED HTTP_404", "FAILED", 0),
    Row(NOT_FOUND, RECONCILABLE, COLLECT, "FAILED HTTP_404", "FAILED", 0),
    Row(NOT_FOUND, IRREVERSIBLE, COLLECT, "FAILED HTTP_404", "FAILED", 0),
    Row(AGAIN, TRANSACTIONAL, COLLECT, "SUCCEEDED", "SUCCEEDED", 1),
    Row(SILENT, IDEMPOTENT, COLLECT, "SUCCEEDED", "SUCCEEDED", 1),
)

# -- siblings, and ends that come too late -------------------------------------------------------------------------------------

FAILS_BESIDE, FAILS_BEFORE = "a sibling fails", "the call before it fails"
LATE_SUCCESS, ENOUGH = "a sibling fails, late success", "enough siblings succeed, late success"
NOT_ENOUGH, OUT_OF_TIME = "too many siblings fail, late success", "the plan's deadline, late success"
SIBLINGS: Final = (
    *(
        Row(LATE_SUCCESS, effect, policy, "CANCELLED SIBLING_FAILED", plan, effects)
        for effect in (IDEMPOTENT, RECONCILABLE, IRREVERSIBLE)
        for policy, plan, effects in (("fail_fast", "FAILED", 1), ("fail_fast, compensate", "COMPENSATED", 2))
    ),
    Row(FAILS_BESIDE, IDEMPOTENT, COLLECT, "SUCCEEDED", "FAILED", 1),
    Row(FAILS_BESIDE, IDEMPOTENT, COMPENSATE, "SUCCEEDED", "COMPENSATED", 2),
    Row(FAILS_BESIDE, TRANSACTIONAL, COMPENSATE, "SUCCEEDED", "COMPENSATED", 2),
    Row(FAILS_BEFORE, IDEMPOTENT, COLLECT, "SKIPPED DEPENDENCY_FAILED", "FAILED", 0),
    Row(FAILS_BEFORE, IDEMPOTENT, "continue", "SUCCEEDED", "FAILED", 1),
    Row(ENOUGH, IDEMPOTENT, "quorum(1)", "CANCELLED QUORUM_DECIDED", "SUCCEEDED", 1),
    Row(ENOUGH, IRREVERSIBLE, "quorum(1)", "CANCELLED QUORUM_DECIDED", "SUCCEEDED", 1),
    Row(NOT_ENOUGH, IDEMPOTENT, "quorum(2)", "CANCELLED QUORUM_DECIDED", "FAILED", 1),
    Row(NOT_ENOUGH, IDEMPOTENT, "quorum(2), compensate", "CANCELLED QUORUM_DECIDED", "COMPENSATED", 2),
    Row(OUT_OF_TIME, IDEMPOTENT, "deadline", "CANCELLED DEADLINE_EXCEEDED", "FAILED", 1),
)

# -- cancelled at each moment --------------------------------------------------------------------------------------------------

BEFORE_TAKEN, WAITING = "cancelled before its host has it", "cancelled while it waits for a resource"
RUNNING, BETWEEN = "cancelled while it runs", "cancelled between attempts"
ASKED, DOUBTFUL = (
    "cancelled while it waits for a person",
    "cancelled while it is in doubt, then found to have happened",
)
UNDOING, ENDED = "cancelled while it is undone", "cancelled after its end"
CANCELS: Final = (
    *(
        Row(BEFORE_TAKEN, effect, COLLECT, "CANCELLED CANCELLED", "CANCELLED", 0)
        for effect in (PURE, TRANSACTIONAL, IDEMPOTENT, RECONCILABLE, IRREVERSIBLE)
    ),
    Row(WAITING, IDEMPOTENT, COLLECT, "CANCELLED CANCELLED", "CANCELLED", 0),
    Row(RUNNING, IDEMPOTENT, COLLECT, "CANCELLED CANCELLED", "CANCELLED", 1),
    Row(RUNNING, RECONCILABLE, COLLECT, "CANCELLED CANCELLED", "CANCELLED", 1),
    Row(RUNNING, IRREVERSIBLE, COLLECT, "CANCELLED CANCELLED", "CANCELLED", 1),
    Row(RUNNING, IRREVERSIBLE, COMPENSATE, "CANCELLED CANCELLED", "COMPENSATED", 2),
    Row(BETWEEN, IDEMPOTENT, COLLECT, "CANCELLED CANCELLED", "CANCELLED", 0),
    Row(ASKED, IDEMPOTENT, COLLECT, "CANCELLED CANCELLED", "CANCELLED", 0),
    Row(DOUBTFUL, IRREVERSIBLE, HOLD, "SUCCEEDED", "SUCCEEDED", 1),
    Row(UNDOING, IDEMPOTENT, COMPENSATE, "SUCCEEDED", "COMPENSATED", 2),
    Row(ENDED, PURE, COLLECT, "SUCCEEDED", "SUCCEEDED", 0),
)

# -- people --------------------------------------------------------------------------------------------------------------------

APPROVED, DENIED, EXPIRED = "approved", "denied", "approval expired"
HAPPENED, DID_NOT, TO_BE_UNDONE = (
    "in doubt, found to have happened",
    "in doubt, found not to have happened",
    "in doubt, undone",
)
PEOPLE: Final = (
    Row(APPROVED, IDEMPOTENT, COLLECT, "SUCCEEDED", "SUCCEEDED", 1),
    Row(DENIED, IDEMPOTENT, COLLECT, "FAILED DENIED", "FAILED", 0),
    Row(EXPIRED, IDEMPOTENT, COLLECT, "FAILED APPROVAL_EXPIRED", "FAILED", 0),
    Row(EXPIRED, IDEMPOTENT, "fail_fast, compensate", "FAILED APPROVAL_EXPIRED", "COMPENSATED", 2),
    Row(HAPPENED, IRREVERSIBLE, HOLD, "SUCCEEDED", "SUCCEEDED", 1),
    Row(DID_NOT, IRREVERSIBLE, HOLD, "FAILED DID_NOT_HAPPEN", "FAILED", 0),
    Row(TO_BE_UNDONE, IRREVERSIBLE, HOLD, "FAILED TO_BE_UNDONE", "FAILED", 2),
)

# -- budgets and breakers ------------------------------------------------------------------------------------------------------

CALLS, COST = "budget of 10 calls reached in a fan-out of 20", "budget of 0.50 reached in a fan-out of 20 at 0.10"
TOKENS, TIME = (
    "budget of 1,000 tokens reached in a fan-out of 20 at 100",
    "budget of 10 s, fan-out of 20 at 1 s at most",
)
AGENT, DEAD = "an agent's budget of 10 calls reached by two plans of 10 and 5", "a dead dependency"
LIMITS: Final = (
    Row(CALLS, IDEMPOTENT, "budget", "FAILED BUDGET_EXCEEDED", "FAILED", 10),
    Row(CALLS, IDEMPOTENT, "budget, compensate", "FAILED BUDGET_EXCEEDED", "COMPENSATED", 20),
    Row(COST, IDEMPOTENT, "budget", "FAILED BUDGET_EXCEEDED", "FAILED", 11),
    Row(TOKENS, IDEMPOTENT, "budget", "FAILED BUDGET_EXCEEDED", "FAILED", 10),
    Row(TIME, IDEMPOTENT, "budget", "SUCCEEDED", "SUCCEEDED", 20),
    Row(AGENT, IDEMPOTENT, "agent's budget", "FAILED BUDGET_EXCEEDED", "FAILED", 0),
    Row(DEAD, IDEMPOTENT, "continue", "FAILED CIRCUIT_OPEN", "FAILED", 0),
)

# -- compensation --------------------------------------------------------------------------------------------------------------

TWICE, FOR_GOOD = "the compensation fails twice", "the compensation fails for good, is done by hand"
LATER, UNDO_DOUBT = (
    "the compensation fails for good, goes on later",
    "the compensation is in doubt, found to have happened",
)
UNDO_KILLED, REVERSE = "host killed during the compensation", "three calls are undone"
COMPENSATIONS: Final = (
    Row(TWICE, IDEMPOTENT, COMPENSATE, "SUCCEEDED", "COMPENSATED", 2),
    Row(FOR_GOOD, IDEMPOTENT, COMPENSATE, "SUCCEEDED", "COMPENSATION_FAILED", 1),
    Row(LATER, IDEMPOTENT, COMPENSATE, "SUCCEEDED", "COMPENSATION_FAILED", 2),
    Row(UNDO_DOUBT, IDEMPOTENT, COMPENSATE, "SUCCEEDED", "COMPENSATION_FAILED", 2),
    Row(UNDO_KILLED, IDEMPOTENT, COMPENSATE, "SUCCEEDED", "COMPENSATED", 2),
    Row(REVERSE, IDEMPOTENT, COMPENSATE, "SUCCEEDED", "COMPENSATED", 6),
)

# -- the coordinator is killed -------------------------------------------------------------------------------------------------

KILLED_BETWEEN, KILLED_ASKED = (
    "coordinator killed between attempts",
    "coordinator killed while a person decides",
)
KILLED_DOUBT, KILLED_UNDO = "coordinator killed while a call is in doubt", "coordinator killed during the compensation"
KILLED_BUDGET, KILLED_CANCEL = (
    "coordinator killed in a fan-out of 20, budget of 10",
    "coordinator killed after a cancel",
)
COORDINATOR: Final = (
    Row(KILLED_BETWEEN, IDEMPOTENT, COLLECT, "SUCCEEDED", "SUCCEEDED", 1),
    Row(KILLED_ASKED, IDEMPOTENT, COLLECT, "SUCCEEDED", "SUCCEEDED", 1),
    Row(KILLED_DOUBT, IRREVERSIBLE, HOLD, "SUCCEEDED", "SUCCEEDED", 1),
    Row(KILLED_UNDO, IDEMPOTENT, COMPENSATE, "SUCCEEDED", "COMPENSATED", 2),
    Row(KILLED_BUDGET, IDEMPOTENT, "budget", "FAILED BUDGET_EXCEEDED", "FAILED", 10),
    Row(KILLED_CANCEL, IDEMPOTENT, COLLECT, "CANCELLED CANCELLED", "CANCELLED", 1),
)

PARTS: Final = {
    "The tool's host is killed": CRASHES,
    "Attempts fail": ATTEMPTS,
    "Siblings, and ends that come too late": SIBLINGS,
    "Cancelled at each moment": CANCELS,
    "People": PEOPLE,
    "Budgets and breakers": LIMITS,
    "Compensation": COMPENSATIONS,
    "The coordinator is killed": COORDINATOR,
}
ROWS: Final = tuple(row for part in PARTS.values() for row in part)

HEAD: Final = """# Every fault and its end

Made by `python tests/ends.py` from the table in `tests/ends.py`. Each row was written down first and is a test in
`tests/integration/test_ends.py`: real Kafka and PostgreSQL, real service processes, real kills, and an HTTP service in a process of its own whose
append-only log is the witness. *Effects* is what that log, or for transactional tools their own table, counts; compensations count as well.

A call that is in doubt is never tried again by itself; `motet calls in-doubt` lists it and says how to settle it. A result that comes after its
call has its place in the history is recorded as late, and not merged.
"""
COLUMNS: Final = """
| fault | effect class | policy | call | plan | effects |
|---|---|---|---|---|---|
"""


def document() -> str:
    """The table for people."""
    out = HEAD
    for title, rows in PARTS.items():
        out += f"\n## {title}\n{COLUMNS}"
        for row in rows:
            out += f"| {row.fault} | {row.effect} | {row.policy} | {row.call} | {row.plan} | {row.effects} |\n"
    return out


if __name__ == "__main__":
    DOCUMENT.parent.mkdir(exist_ok=True)
    DOCUMENT.write_text(document())
    sys.stdout.write(f"wrote {DOCUMENT}\n")
