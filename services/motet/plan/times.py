"""What is due, pure: timers come back as records, and the log's time decides."""

from __future__ import annotations

from functools import partial

from motet.plan.alarms import call_due
from motet.plan.board import Board
from motet.plan.ends import closed, conclude, count, doubt
from motet.plan.model import Call, Plan
from motet.plan.steps import Stopped
from motet.plan.waits import MILLISECONDS
from motet.records import ApprovalDecided, CallOutcome, Decision, Failure, FinishedCall, StoppedCall


def ring_call(board: Board, plan: Plan, index: int, call: Call) -> None:
    """What is due of one call."""
    if not call_due(call, board.contract_of(call), board.now):
        return
    if call.status == "WAITING":
        decided(board, plan, index, "EXPIRED", None, "")
    elif call.status == "RETRYING":
        board.touch(plan, index)
    elif not call.told:
        seconds = board.contract_of(call).deadline_ms / MILLISECONDS
        call.told, call.due = True, board.now + board.answer_ms
        stopped = (board.contract_of(call).toolset, StoppedCall(index, call.key, call.attempt))
        board.out.append(Stopped(plan, (stopped,), f"DEADLINE: the call's time of {seconds:g} s is over"))
    else:
        no_answer(board, plan, index, call)


def no_answer(board: Board, plan: Plan, index: int, call: Call) -> None:
    """A tool service does not say what became of a call. Only what is pure certainly did nothing."""
    seconds = board.contract_of(call).deadline_ms / MILLISECONDS
    message = f"its tool service did not answer within {seconds:g} s and {board.limits.answer_seconds:g} s more"
    outcome: CallOutcome = "FAILED" if call.effect == "PURE" else "IN_DOUBT"
    end = FinishedCall(index, call.key, call.attempt, outcome, None, Failure("NO_ANSWER", message), retry=True)
    count(board, plan, index, call, end)
    if outcome == "IN_DOUBT":
        doubt(board, plan, index, call, end.error, end)
    elif call.lingers:
        board.note(plan, index, call.attempt, end, "NONE", late=True)
        closed(board, plan, index, call, None, undo=False)
    else:
        conclude(board, plan, index, "FAILED", None, end.error)


def decided(board: Board, plan: Plan, index: int, decision: Decision, agent: str | None, reason: str) -> None:
    """A person decided, or nobody did in time."""
    call = plan.calls[index]
    call.due = 0
    board.fact(
        plan,
        partial(
            ApprovalDecided,
            plan_id=plan.plan_id,
            index=index,
            decision=decision,
            agent=agent,
            reason=reason,
            arguments_sha256=call.arguments_sha256,
        ),
    )
    if decision == "APPROVED":
        call.approval = "GRANTED"
        board.line_up(plan)
    elif decision == "DENIED":
        conclude(
            board, plan, index, "FAILED", None, Failure("DENIED", f"{agent} denied it{': ' + reason if reason else ''}")
        )
    elif decision == "EXPIRED":
        message = f"nobody approved it within {call.approval_seconds:g} s"
        conclude(board, plan, index, "FAILED", None, Failure("APPROVAL_EXPIRED", message))
    board.touch(plan, index)
