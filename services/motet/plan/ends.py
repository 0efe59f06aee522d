"""How calls end, pure: what follows an attempt, what a call's end means for those behind it and beside it, and calls of which nobody knows."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from typing import Final, Literal

from motet.plan import undoing
from motet.plan.approvals import withdraw
from motet.plan.arguments import references
from motet.plan.attempts import HARMLESS, doubtful, verdict
from motet.plan.board import Board
from motet.plan.lines import NOT_IN_LINE
from motet.plan.model import Call, Plan
from motet.plan.steps import Stopped
from motet.plan.text import carriable
from motet.plan.undo import is_undone, to_be_undone
from motet.records import (
    BarrierCause,
    BarrierRaised,
    CallOutcome,
    CallSettled,
    Failure,
    Finding,
    FinishedCall,
    NextStep,
    StoppedCall,
    VersionConflict,
)

BARRIER_CODES: Final[dict[BarrierCause, str]] = {
    "CANCEL": "CANCELLED",
    "FAIL_FAST": "SIBLING_FAILED",
    "QUORUM": "QUORUM_DECIDED",
    "DEADLINE": "DEADLINE_EXCEEDED",
}

# What the barrier means for a call: it never starts (again), it is told to stop, nobody knows whether a former attempt happened, it is
# in doubt already, or it has its end.
Fate = Literal["NOT_STARTED", "TOLD", "UNKNOWN", "IN_DOUBT", "ENDED"]


def heard(board: Board, plan: Plan, index: int, call: Call, end: FinishedCall) -> None:
    """A tool service says how an attempt ended: the present one, or one that was given up. A repeat changes nothing."""
    present, happened = end.attempt == call.attempt, end.outcome == "SUCCEEDED"
    if present and call.status == "STARTED":
        attempt_ended(board, plan, index, call, end)
    elif present and call.lingers == "RUNNING":
        stopped_ended(board, plan, index, call, end)
    elif call.in_doubt and (happened or (present and not doubtful(call, end))):
        finding: Finding = "HAPPENED" if happened else "DID_NOT_HAPPEN"
        toolset = board.contract_of(call).toolset
        settle_doubt(board, plan, index, call, finding, end.result, f"tools-{toolset}", "the tool service answered")
    elif happened and call.status in ("WAITING", "RETRYING"):
        # Its host had given it up, and it brings its result before another attempt begins.
        conclude(board, plan, index, "SUCCEEDED", end.result, None)
    elif not present:
        board.note(plan, index, end.attempt, end, "NONE", late=True, still_open=call.open)


def attempt_ended(board: Board, plan: Plan, index: int, call: Call, end: FinishedCall) -> None:
    """The attempt that was waited for ended."""
    contract = board.contract_of(call)
    count(board, plan, index, call, end)
    what = verdict(call, contract, end, board.now)
    if end.conflicts:
        conflicted(board, plan, index, call, end, "RETRY" if what.follows == "RETRY" else "NONE")
    match what.follows:
        case "END":
            conclude(board, plan, index, what.outcome, end.result, what.error)
        case "IN_DOUBT":
            doubt(board, plan, index, call, what.error, end)
        case follows:
            board.note(plan, index, call.attempt, end, follows, at=what.at)
            call.uncertain = what.outcome == "IN_DOUBT" or (call.uncertain and not call.asks)
            call.status, call.due, call.asks, call.told = "RETRYING", what.at, follows == "RECONCILE", False
            board.touch(plan, index)


def stopped_ended(board: Board, plan: Plan, index: int, call: Call, end: FinishedCall) -> None:
    """A call that was told to stop ended; its place in the history it has already."""
    count(board, plan, index, call, end)
    if end.conflicts:
        conflicted(board, plan, index, call, end, "NONE")
    if doubtful(call, end):
        doubt(board, plan, index, call, end.error, end)
        return
    board.note(plan, index, call.attempt, end, "NONE", late=True)
    closed(board, plan, index, call, end.result if end.outcome == "SUCCEEDED" else None, undo=False)


def conflicted(board: Board, plan: Plan, index: int, call: Call, end: FinishedCall, follows: NextStep) -> None:
    """Something was written meanwhile: both sides are named, and another attempt expects what was found."""
    mismatches = end.conflicts[: board.limits.resources_per_call]
    limit = board.limits.resource_length
    told = tuple(replace(one, resource=carriable(one.resource, limit)) for one in mismatches)
    board.fact(
        plan,
        partial(
            VersionConflict,
            plan_id=plan.plan_id,
            index=index % len(plan.calls),
            compensation=index >= len(plan.calls),
            tool=call.tool,
            key=call.key,
            attempt=call.attempt,
            conflicts=told,
            next=follows,
        ),
    )
    call.expected.update({one.resource: one.found for one in mismatches})


def count(board: Board, plan: Plan, index: int, call: Call, end: FinishedCall) -> None:
    """What an attempt cost, and what it says about the tool."""
    contract = board.contract_of(call)
    board.out += board.guards.ended(plan, index, call, contract, end, board.now)
    if board.guards.woken:
        board.wake()
    board.pass_on(board.slots.release(plan, index, call, contract))


def doubt(board: Board, plan: Plan, index: int, call: Call, error: Failure | None, end: FinishedCall | None) -> None:
    """Nobody knows whether a call happened. It waits to be settled; with what it may have changed in quarantine."""
    why = error or Failure("IN_DOUBT", "nobody knows whether it happened")
    board.pass_on(board.slots.withdraw(plan, index, call))
    board.note(plan, index, call.attempt, end, "IN_DOUBT", late=call.lingers != "", error=why)
    call.due = 0
    if index >= len(plan.calls):
        undoing.ended(board, plan, index - len(plan.calls), "IN_DOUBT", None, why)
    elif call.lingers:
        call.lingers = "IN_DOUBT"
    elif plan.policy.in_doubt == "END" or plan.barrier == "DEADLINE":
        call.lingers = "IN_DOUBT"
        conclude(board, plan, index, "IN_DOUBT", None, why)
    else:
        call.status, call.error = "IN_DOUBT", why
    board.touch(plan)


def settle_doubt(
    board: Board, plan: Plan, index: int, call: Call, finding: Finding, result: str | None, agent: str, reason: str
) -> None:
    """Somebody found out whether a call in doubt happened."""
    compensation, place = index >= len(plan.calls), index % len(plan.calls)
    given = result if finding == "HAPPENED" else None
    board.fact(
        plan,
        partial(
            CallSettled,
            plan_id=plan.plan_id,
            index=place,
            compensation=compensation,
            finding=finding,
            agent=agent,
            result=given,
            reason=reason,
        ),
    )
    if compensation:
        undoing.settled(board, plan, place, call, happened=finding == "HAPPENED", result=given)
    elif call.lingers:
        closed(board, plan, index, call, given, undo=finding == "COMPENSATE")
    elif finding == "HAPPENED":
        conclude(board, plan, index, "SUCCEEDED", result, None)
    elif finding == "DID_NOT_HAPPEN":
        conclude(board, plan, index, "FAILED", None, Failure("DID_NOT_HAPPEN", f"{agent} found that it did not happen"))
    else:
        call.undo = True
        conclude(board, plan, index, "FAILED", None, Failure("TO_BE_UNDONE", f"{agent} had it undone"))
    board.touch(plan)


def closed(board: Board, plan: Plan, index: int, call: Call, result: str | None, *, undo: bool) -> None:
    """Nothing more comes of a call that lingered. If it happened and the plan is undone, it is undone too."""
    call.lingers, call.late_result, call.due = "", result, 0
    board.lines.leave(plan, index, call)
    board.let_go(plan, (index,))
    call.undo = call.undo or undo
    if (plan.undoing or plan.ended) and to_be_undone(call, undone=is_undone(plan)):
        undoing.also(board, plan, index)
    board.touch(plan)


def conclude(
    board: Board, plan: Plan, index: int, outcome: CallOutcome, result: str | None, error: Failure | None
) -> None:
    """Ends a call, or a compensation."""
    if index >= len(plan.calls):
        undoing.ended(board, plan, index - len(plan.calls), outcome, result, error)
    else:
        settle(board, plan, index, outcome, result, error)
        if plan.policy.batch != "COLLECT_ALL":
            look_at_batch(board, plan, index, outcome)


def fail_waiting(board: Board, plan: Plan, why: Failure) -> None:
    """None of a plan's calls can run: those that wait fail, in the plan's order."""
    for index in plan.order:
        if plan.calls[index].status == "WAITING":
            conclude(board, plan, index, "FAILED", None, why)
    board.touch(plan)


def settle(
    board: Board, plan: Plan, index: int, outcome: CallOutcome, result: str | None, error: Failure | None
) -> None:
    """Gives a call its end, and skips what can no longer run because of it."""
    ends: list[tuple[int, CallOutcome, str | None, Failure | None]] = [(index, outcome, result, error)]
    touched, waited = board.touch(plan), False
    while ends:
        at, how, value, why = ends.pop()
        call = plan.calls[at]
        began = call.status == "STARTED"
        call.due = 0
        if call.slot:
            board.pass_on(board.slots.withdraw(plan, at, call))
        if why is not None:
            why = board.bounded(why.code, why.message)
        followers = plan.settle(at, how, value, why)
        board.call_ended(plan, at, call, began=began)
        if plan.in_parts:
            board.let_go(plan, board.lines.release_done_part(plan, call.part))
        waited = waited or call.part == NOT_IN_LINE
        for follower in followers:
            behind = plan.calls[follower]
            if how == "SUCCEEDED" or (plan.lets_pass(call) and not takes_result(behind, call)):
                touched.append(follower)
            elif behind.status == "WAITING":
                withdraw(board, plan, follower, behind)
                behind.status = "DONE"
                ends.append((follower, "SKIPPED", None, skipped(plan, follower)))
    if waited and not plan.barrier:
        # What was not in line because of a call that waited for a person need not wait for it any more.
        board.line_up(plan)


def takes_result(call: Call, before: Call) -> bool:
    """Whether a call's arguments take another's result."""
    return call.refers and any(one.call_id == before.call_id for one in references(json.loads(call.arguments)))


def skipped(plan: Plan, index: int) -> Failure:
    """Why a call is skipped. Which of several failed first is chance, and the history must not tell."""
    names = [plan.calls[before].call_id for before in plan.calls[index].after]
    which = names[0] if len(names) == 1 else f"one of {', '.join(names)}"
    return Failure("DEPENDENCY_FAILED", f"{which} did not succeed, and this call comes after it")


def look_at_batch(board: Board, plan: Plan, index: int, outcome: CallOutcome) -> None:
    """What a call's end means for its siblings, if its plan does not collect all results."""
    going_on = sum(call.status != "DONE" for call in plan.calls)
    if plan.barrier or not going_on:
        return
    wanted = plan.policy.quorum or 0
    if plan.policy.batch == "FAIL_FAST" and outcome != "SUCCEEDED":
        stop(board, plan, "FAIL_FAST", None, f"{plan.calls[index].call_id} did not succeed")
    elif plan.policy.batch == "QUORUM" and plan.successes >= wanted:
        stop(board, plan, "QUORUM", None, f"{wanted} calls succeeded, which is enough")
    elif plan.policy.batch == "QUORUM" and plan.successes + going_on < wanted:
        stop(board, plan, "QUORUM", None, f"{wanted} calls cannot succeed any more")


def stop(board: Board, plan: Plan, cause: BarrierCause, agent: str | None, reason: str) -> None:
    """Raises the barrier: nothing of the plan starts any more, what runs is told, its end is recorded."""
    again, plan.barrier = plan.barrier != "", cause
    fates = {index: fate_of(plan.calls[index]) for index in plan.order}
    running = [index for index in plan.order if fates[index] == "TOLD"]
    if not again:
        board.fact(
            plan,
            partial(
                BarrierRaised,
                plan_id=plan.plan_id,
                cause=cause,
                agent=agent,
                reason=reason,
                not_started=tuple(index for index in plan.order if fates[index] == "NOT_STARTED"),
                running=tuple(running),
            ),
        )
    if running:
        calls = [(index, plan.calls[index]) for index in running]
        told = tuple((board.contract_of(call).toolset, StoppedCall(i, call.key, call.attempt)) for i, call in calls)
        board.out.append(Stopped(plan, told, f"{cause}: {reason}"))
    for index in plan.order:
        give_up(board, plan, index, fates[index], Failure(BARRIER_CODES[cause], reason))
    board.touch(plan)


def fate_of(call: Call) -> Fate:
    """What the barrier means for a call."""
    if call.status == "STARTED":
        return "TOLD"
    if call.status == "WAITING":
        return "NOT_STARTED"
    if call.status == "RETRYING":
        return "UNKNOWN" if call.uncertain and call.effect not in HARMLESS else "NOT_STARTED"
    return "IN_DOUBT" if call.status == "IN_DOUBT" else "ENDED"


def give_up(board: Board, plan: Plan, index: int, fate: Fate, error: Failure) -> None:
    """Ends a call at the barrier."""
    call = plan.calls[index]
    # One that waited behind another may have been skipped with it by now.
    if call.status == "DONE":
        return
    if fate == "TOLD":
        call.lingers, call.told = "RUNNING", True
        settle(board, plan, index, "CANCELLED", None, error)
        call.due = max(board.now, call.began + board.contract_of(call).deadline_ms) + board.answer_ms
    elif fate == "NOT_STARTED":
        withdraw(board, plan, index, call)
        settle(board, plan, index, "CANCELLED", None, error)
    elif fate == "UNKNOWN":
        doubt(board, plan, index, call, call.error, None)
    elif plan.barrier == "DEADLINE":
        call.lingers = "IN_DOUBT"
        settle(board, plan, index, "IN_DOUBT", None, call.error)
