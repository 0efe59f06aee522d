"""The table *fault, effect class, policy*: what is to come of a call, written down first, and then tested with real processes.

`docs/ends.md` is made from here (`python tests/ends.py`), and a test holds the two equal. A row's test is named by its number.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

DOCUMENT: Final = Path(__file__).parents[1] / "docs" / "ends.md"


@dataclass(frozen=True, slots=True)
class Row:
    """A fault and its end. `effects` is what the outside witness counts; `call` is outcome, or outcome and code."""

    fault: str
    effect: str
    policy: str
    call: str
    plan: str
    effects: int


BEFORE, AFTER, DURING = "host killed before the intent", "host killed after the intent", "host killed during the effect"
DONE, ANSWERED = "host killed after the effect", "host killed after the result"
CRASHES: Final = tuple(
    Row(fault, effect, "in_doubt: end" if plan == "IN_DOUBT" else "collect_all", call, plan, effects)
    for fault, by_class in {
        BEFORE: dict.fromkeys(("idempotent", "reconcilable", "irreversible"), ("SUCCEEDED", "SUCCEEDED", 1)),
        AFTER: {
            "idempotent": ("SUCCEEDED", "SUCCEEDED", 1),
            "reconcilable": ("SUCCEEDED", "SUCCEEDED", 1),
            "irreversible": ("IN_DOUBT CRASHED", "IN_DOUBT", 0),
        },
        DURING: {
            "idempotent": ("SUCCEEDED", "SUCCEEDED", 1),
            "reconcilable": ("SUCCEEDED", "SUCCEEDED", 1),
            "irreversible": ("IN_DOUBT CRASHED", "IN_DOUBT", 1),
        },
        DONE: {
            "idempotent": ("SUCCEEDED", "SUCCEEDED", 1),
            "reconcilable": ("SUCCEEDED", "SUCCEEDED", 1),
            "irreversible": ("IN_DOUBT CRASHED", "IN_DOUBT", 1),
        },
        ANSWERED: dict.fromkeys(("idempotent", "reconcilable", "irreversible"), ("SUCCEEDED", "SUCCEEDED", 1)),
    }.items()
    for effect, (call, plan, effects) in by_class.items()
) + tuple(
    Row(fault, effect, "collect_all", "SUCCEEDED", "SUCCEEDED", effects)
    for fault in (BEFORE, AFTER, ANSWERED)
    for effect, effects in (("pure", 0), ("transactional", 1))
)
TIMEOUTS: Final = (
    Row("the first attempt times out", "pure", "collect_all", "SUCCEEDED", "SUCCEEDED", 0),
    Row("the first attempt times out", "transactional", "collect_all", "SUCCEEDED", "SUCCEEDED", 1),
    Row("the answer comes too late", "idempotent", "collect_all", "SUCCEEDED", "SUCCEEDED", 1),
    Row("the answer comes too late", "reconcilable", "collect_all", "SUCCEEDED", "SUCCEEDED", 1),
    Row("the answer comes too late", "irreversible", "in_doubt: end", "IN_DOUBT", "IN_DOUBT", 1),
    Row("the connection drops after the effect", "idempotent", "collect_all", "SUCCEEDED", "SUCCEEDED", 1),
    Row("the connection drops after the effect", "reconcilable", "collect_all", "SUCCEEDED", "SUCCEEDED", 1),
    Row("the connection drops after the effect", "irreversible", "in_doubt: end", "IN_DOUBT RAISED", "IN_DOUBT", 1),
    Row("the connection drops at each attempt", "idempotent", "in_doubt: end", "IN_DOUBT RAISED", "IN_DOUBT", 0),
    Row("503 twice, with Retry-After", "idempotent", "collect_all", "SUCCEEDED", "SUCCEEDED", 1),
    Row("503 always", "idempotent", "collect_all", "FAILED HTTP_503", "FAILED", 0),
    Row("404", "irreversible", "collect_all", "FAILED HTTP_404", "FAILED", 0),
    Row("another attempt is asked for twice", "transactional", "collect_all", "SUCCEEDED", "SUCCEEDED", 1),
    Row("no heartbeat", "idempotent", "collect_all", "SUCCEEDED", "SUCCEEDED", 1),
)
SIBLINGS: Final = (
    Row("a sibling fails, late success", "idempotent", "fail_fast", "CANCELLED SIBLING_FAILED", "FAILED", 1),
    Row(
        "a sibling fails, late success",
        "idempotent",
        "fail_fast, compensate",
        "CANCELLED SIBLING_FAILED",
        "COMPENSATED",
        2,
    ),
    Row("a sibling fails", "idempotent", "collect_all", "SUCCEEDED", "FAILED", 1),
    Row("the call before it fails", "idempotent", "collect_all", "SKIPPED DEPENDENCY_FAILED", "FAILED", 0),
    Row("the call before it fails", "idempotent", "continue", "SUCCEEDED", "FAILED", 1),
    Row("enough siblings succeed, late success", "idempotent", "quorum(1)", "CANCELLED QUORUM_DECIDED", "SUCCEEDED", 1),
    Row("the plan's deadline, late success", "idempotent", "deadline", "CANCELLED DEADLINE_EXCEEDED", "FAILED", 1),
)
CANCELS: Final = (
    Row("cancelled while it waits for a resource", "idempotent", "collect_all", "CANCELLED CANCELLED", "CANCELLED", 0),
    Row("cancelled while it runs", "idempotent", "collect_all", "CANCELLED CANCELLED", "CANCELLED", 1),
    Row("cancelled between attempts", "idempotent", "collect_all", "CANCELLED CANCELLED", "CANCELLED", 0),
    Row("cancelled while it waits for a person", "idempotent", "collect_all", "CANCELLED CANCELLED", "CANCELLED", 0),
    Row(
        "cancelled while it is in doubt, then found to have happened",
        "irreversible",
        "hold",
        "SUCCEEDED",
        "SUCCEEDED",
        1,
    ),
    Row("cancelled after its end", "pure", "collect_all", "SUCCEEDED", "SUCCEEDED", 0),
)
PEOPLE: Final = (
    Row("approved", "idempotent", "collect_all", "SUCCEEDED", "SUCCEEDED", 1),
    Row("denied", "idempotent", "collect_all", "FAILED DENIED", "FAILED", 0),
    Row("approval expired", "idempotent", "collect_all", "FAILED APPROVAL_EXPIRED", "FAILED", 0),
    Row("in doubt, found to have happened", "irreversible", "hold", "SUCCEEDED", "SUCCEEDED", 1),
    Row("in doubt, found not to have happened", "irreversible", "hold", "FAILED DID_NOT_HAPPEN", "FAILED", 0),
    Row("in doubt, undone", "irreversible", "hold", "FAILED TO_BE_UNDONE", "FAILED", 2),
)
LIMITS: Final = (
    Row(
        "budget of 10 calls reached in a fan-out of 20", "idempotent", "budget", "FAILED BUDGET_EXCEEDED", "FAILED", 10
    ),
    Row(
        "budget of 0.50 reached in a fan-out of 20 at 0.10",
        "idempotent",
        "budget",
        "FAILED BUDGET_EXCEEDED",
        "FAILED",
        11,
    ),
    Row("a dead dependency", "idempotent", "continue", "FAILED CIRCUIT_OPEN", "FAILED", 0),
    Row("the compensation fails twice", "idempotent", "compensate", "SUCCEEDED", "COMPENSATED", 2),
    Row(
        "the compensation fails for good, is done by hand",
        "idempotent",
        "compensate",
        "SUCCEEDED",
        "COMPENSATION_FAILED",
        1,
    ),
)
ROWS: Final = (*CRASHES, *TIMEOUTS, *SIBLINGS, *CANCELS, *PEOPLE, *LIMITS)

HEAD: Final = """# Every fault and its end

Made by `python tests/ends.py` from the table in `tests/ends.py`. Each row was written down first and is a test in
`tests/integration/test_ends.py`: real Kafka and PostgreSQL, real service processes, real kills, and an HTTP service in a process of its own whose
append-only log is the witness. *Effects* is what that log, or for transactional tools their own table, counts; compensations count as well.

A call that is in doubt is never tried again by itself; `motet calls in-doubt` lists it and says how to settle it. A result that comes after its
call has its place in the history is recorded as late, and not merged.

| fault | effect class | policy | call | plan | effects |
|---|---|---|---|---|---|
"""


def document() -> str:
    """The table for people."""
    return HEAD + "".join(
        f"| {row.fault} | {row.effect} | {row.policy} | {row.call} | {row.plan} | {row.effects} |\n" for row in ROWS
    )


if __name__ == "__main__":
    DOCUMENT.parent.mkdir(exist_ok=True)
    DOCUMENT.write_text(document())
    sys.stdout.write(f"wrote {DOCUMENT}\n")
