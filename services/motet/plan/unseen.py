"""What no other event tells in time, pure: calls that ended behind one that runs on, and calls that let go before their plan did.

Nothing is said of a call that is committed in the same step, or of which nobody has to know: who waits for it, or may seem to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

from motet.plan.board import Board
from motet.plan.model import Plan
from motet.records import CallsEnded, EarlyEnd


def say_who_ended(board: Board) -> None:
    """Says it of the calls that ended, or let go, since this input: once a plan."""
    noted, board.ended = board.ended, {}
    for plan_id, ends in noted.items():
        plan = board.plans.get(plan_id)
        # The end of a plan says that nothing is held any more.
        if plan is not None and not plan.ended:
            calls = tuple(early_ends(board, plan, ends))
            if calls:
                board.fact(plan, partial(CallsEnded, plan_id=plan_id, calls=calls))


def early_ends(board: Board, plan: Plan, ends: Mapping[int, bool]) -> Iterator[EarlyEnd]:
    """The calls of which must be told, in the plan's numbering."""
    by_call = plan.isolation == "CALL"
    for index in sorted(ends):
        call = plan.calls[index]
        lets_go = call.claims != () and not call.lingers
        # What is committed and keeps nothing is told by its place in the history.
        if call.placed and (by_call or call.attempt == 0):
            continue
        if ends[index] or (not call.placed and ((by_call and lets_go) or awaited(plan, index))):
            released = lets_go and not board.lines.in_line(plan, index)
            if released or not call.placed:
                yield EarlyEnd(index, call.placed, released)


def awaited(plan: Plan, index: int) -> bool:
    """Whether a call behind another has not begun."""
    return any(plan.calls[follower].status == "WAITING" for follower in plan.followers[index])
