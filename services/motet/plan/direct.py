"""Commands about plans, calls and budgets, pure: each changes the board, or is refused with every reason."""

from __future__ import annotations

import json
from functools import partial

from motet.chassis.canonical import NotCanonical, canonical_json
from motet.plan import undoing
from motet.plan.attempts import REPEATABLE
from motet.plan.board import Board
from motet.plan.ends import settle_doubt, stop
from motet.plan.model import Call, Plan
from motet.plan.schedule import Schedule
from motet.plan.spending import Ledger, limit_of
from motet.plan.steps import Step
from motet.plan.text import carriable
from motet.plan.times import decided
from motet.records import (
    ApproveCall,
    CancelPlan,
    CompensationResumed,
    Decision,
    DenyCall,
    Reason,
    ResumeCompensation,
    SetBudget,
    SettleCall,
)

AboutPlan = CancelPlan | ApproveCall | DenyCall | SettleCall | ResumeCompensation
SHOWN = 100
# Effect classes whose tools tell by a call's key, or can be asked, whether it happened.
TOLD_APART = (*REPEATABLE, "RECONCILABLE")


class Refused(Exception):
    """A command that changes nothing, and why."""

    def __init__(self, code: str, message: str, call_id: str | None = None) -> None:
        super().__init__(message)
        self.reason = Reason(code, carriable(message, 500), None if call_id is None else carriable(call_id, SHOWN))


def direct(schedule: Schedule, command: AboutPlan) -> list[Step] | Reason:
    """What a command leads to, or why it is refused."""
    try:
        plan = plan_of(schedule, command)
        match command:
            case CancelPlan():
                cancel(schedule.board, plan, command)
            case ApproveCall() | DenyCall():
                decide(schedule.board, plan, command)
            case SettleCall():
                settle(schedule.board, plan, command)
            case ResumeCompensation():
                resume(schedule.board, plan, command)
    except Refused as refused:
        return refused.reason
    return schedule.steps()


def plan_of(schedule: Schedule, command: AboutPlan) -> Plan:
    """The plan that a command is about, if it is the command's tenant's."""
    plan = schedule.plans.get(command.plan_id)
    if plan is None or (plan.tenant, plan.domain) != (command.tenant, command.domain):
        message = f"{command.tenant}/{command.domain} has no plan {command.plan_id[:SHOWN]!r} of which anything is open"
        raise Refused("UNKNOWN_PLAN", message)
    return plan


def call_of(plan: Plan, call_id: str) -> tuple[int, Call]:
    """A call by its name."""
    for index, call in enumerate(plan.calls):
        if call.call_id == call_id:
            return index, call
    names = ", ".join(call.call_id for call in plan.calls[:10])
    raise Refused("UNKNOWN_CALL", f"the plan has no call {call_id[:SHOWN]!r}; it has {names}", call_id)


def cancel(board: Board, plan: Plan, command: CancelPlan) -> None:
    """Stops a plan."""
    if plan.ended:
        raise Refused("PLAN_ENDED", f"the plan has ended: {plan.outcome}")
    if plan.barrier:
        raise Refused("ALREADY_STOPPED", f"nothing more of the plan starts since its barrier, {plan.barrier}")
    if plan.undoing:
        raise Refused("PLAN_ENDED", "every call of the plan has ended, and what succeeded is being undone")
    stop(board, plan, "CANCEL", command.agent, command.reason)


def decide(board: Board, plan: Plan, command: ApproveCall | DenyCall) -> None:
    """Takes a person's decision, if it is about what is asked."""
    index, call = call_of(plan, command.call_id)
    if call.approval != "ASKED" or call.status != "WAITING":
        state = {"NEEDED": "its arguments are not known yet", "GRANTED": "it was approved"}.get(
            call.approval, "it needs none"
        )
        message = (
            f"{call.call_id} waits for no decision: {state if call.status == 'WAITING' else f'it is {call.status}'}"
        )
        raise Refused("NOT_ASKED", message, call.call_id)
    if command.arguments_sha256 != call.arguments_sha256:
        message = (
            f"the decision is about arguments with SHA-256 {command.arguments_sha256[:64]!r}, and those of {call.call_id} have "
            f"{call.arguments_sha256}: look at them again"
        )
        raise Refused("OTHER_ARGUMENTS", message, call.call_id)
    decision: Decision = "APPROVED" if isinstance(command, ApproveCall) else "DENIED"
    decided(board, plan, index, decision, command.agent, command.reason)


def settle(board: Board, plan: Plan, command: SettleCall) -> None:
    """Takes what somebody found out about a call in doubt."""
    index, call = call_of(plan, command.call_id)
    of = plan.compensations.get(index) if command.compensation else call
    what = f"the compensation of {call.call_id}" if command.compensation else call.call_id
    if of is None or not of.in_doubt:
        state = "was not begun" if of is None else f"is {of.outcome if of.status == 'DONE' else of.status}"
        raise Refused("NOT_IN_DOUBT", f"{what} is not in doubt: it {state}", call.call_id)
    if command.finding not in ("HAPPENED", "DID_NOT_HAPPEN", "COMPENSATE"):
        raise Refused("UNKNOWN_FINDING", "the finding is HAPPENED, DID_NOT_HAPPEN or COMPENSATE", call.call_id)
    if command.compensation and command.finding == "COMPENSATE":
        raise Refused("UNKNOWN_FINDING", "a compensation is not undone: it happened, or it did not", call.call_id)
    contract = board.contract_of(call)
    if command.finding == "COMPENSATE" and contract.record.compensation is None:
        raise Refused("NO_COMPENSATION", f"the contract of {call.tool} names no tool that undoes it", call.call_id)
    result = None
    if command.finding == "HAPPENED":
        result = result_of(board, of, command)
    number = index + len(plan.calls) if command.compensation else index
    settle_doubt(board, plan, number, of, command.finding, result, command.agent, command.reason)


def result_of(board: Board, call: Call, command: SettleCall) -> str:
    """The result that somebody gives for a call, held to the tool's own schema."""
    try:
        value = json.loads("null" if command.result is None else command.result)
        text = canonical_json(value)
    except (ValueError, RecursionError, NotCanonical) as error:
        raise Refused("RESULT_NOT_JSON", f"the result is no JSON: {error}", command.call_id) from error
    size = len(text.encode())
    if size > board.limits.result_bytes:
        raise Refused(
            "TOO_LARGE", f"the result has {size} bytes; the limit is {board.limits.result_bytes}", command.call_id
        )
    fault = next(board.contract_of(call).result_faults(value), None)
    if fault is not None:
        raise Refused("RESULT_INVALID", f"the result is not what {call.tool} returns: {fault}", command.call_id)
    return text


def resume(board: Board, plan: Plan, command: ResumeCompensation) -> None:
    """Goes on with a compensation that failed."""
    if not plan.undo_failed:
        state = "is going on" if plan.undoing and plan.undo else "was not begun"
        raise Refused("NOTHING_TO_RESUME", f"no compensation of the plan failed: it {state}")
    skipped = [call_of(plan, name)[0] for name in command.skip]
    for index in skipped:
        if index not in plan.undo:
            name = plan.calls[index].call_id
            raise Refused("NOTHING_TO_UNDO", f"{name} is not among the calls that remain to be undone", name)
    for index in plan.undo:
        call = plan.compensations.get(index)
        if index not in skipped and call is not None and call.in_doubt and call.effect not in TOLD_APART:
            name = plan.calls[index].call_id
            raise Refused("IN_DOUBT", f"whether the compensation of {name} happened is in doubt: settle it first", name)
    undoing.resume(board, plan, skipped)
    board.fact(
        plan,
        partial(
            CompensationResumed,
            plan_id=plan.plan_id,
            agent=command.agent,
            skipped=tuple(skipped),
            remaining=tuple(plan.undo),
            reason=command.reason,
        ),
    )


def set_budget(schedule: Schedule, command: SetBudget) -> Ledger | Reason:
    """Sets an agent's budget. What its calls have reserved stays reserved; what was spent counts on, unless it is reset."""
    if not command.subject or len(command.subject) > schedule.board.limits.identifier_length:
        return Reason("BAD_IDENTIFIER", f"subject {carriable(command.subject, SHOWN)!r} is no agent's name", None)
    limits = limit_of(command.limits)
    if any(limit is not None and limit < 0 for limit in limits):
        return Reason("BAD_LIMIT", f"a limit is 0 or more, not {min(one for one in limits if one is not None)}", None)
    return schedule.set_budget((command.tenant, command.domain, command.subject), limits, reset=command.reset)
