"""The course of a compensation, pure: one call at a time, the last one committed first, each with its own key and retries."""

from __future__ import annotations

from functools import partial

from motet.plan.attempts import begin as begin_attempt
from motet.plan.board import Board
from motet.plan.lines import NOT_IN_LINE
from motet.plan.model import Call, Plan
from motet.plan.steps import Undoing
from motet.plan.undo import compensation_of, to_undo
from motet.records import CallOutcome, CompensationEnded, Failure


def begin(board: Board, plan: Plan) -> None:
    """Every call has its end: what is to be undone, if anything is."""
    plan.undo = to_undo(plan)
    plan.undoing = bool(plan.undo) or (plan.policy.on_failure == "COMPENSATE" and not plan.succeeded)
    if plan.undoing and plan.in_line:
        board.lines.release_all(plan)


def also(board: Board, plan: Plan, index: int) -> None:
    """One more is to be undone, before all others: it ended last."""
    plan.undoing = True
    if index not in plan.undo:
        # The one that is being undone stays first.
        running = plan.undo[:1] if plan.undo and plan.undo[0] in plan.compensations else []
        plan.undo[len(running) : len(running)] = [index]
    board.touch(plan)


def go_on(board: Board, plan: Plan) -> None:
    """Begins what may begin of the next compensation."""
    while plan.undo and not plan.undo_failed:
        index = plan.undo[0]
        call = plan.compensations.get(index)
        if call is None:
            made = compensation_of(plan, index, board.contracts)
            if isinstance(made, Failure):
                failed(board, plan, index, "FAILED", made, 0)
                return
            call = plan.compensations[index] = made
        number = len(plan.calls) + index
        if call.status == "WAITING" and call.part == NOT_IN_LINE:
            if plan.in_line:
                board.lines.enter_compensation(plan, number, call)
                board.note_grants()
            else:
                # The plan holds the resources of its compensations from its admission on.
                call.part, call.granted = 0, True
        if (call.status == "WAITING" and call.granted) or (call.status == "RETRYING" and call.due <= board.now):
            invocation = begin_attempt(plan, number, call, board.contract_of(call), board.now)
            board.out.append(Undoing(plan, index, call.arguments_sha256, invocation))
            board.touch(plan)
        return


def ended(
    board: Board, plan: Plan, index: int, outcome: CallOutcome, result: str | None, error: Failure | None
) -> None:
    """A compensation ended."""
    call = plan.compensations[index]
    call.outcome, call.result = outcome, result
    call.status = "IN_DOUBT" if outcome == "IN_DOUBT" else "DONE"
    if outcome != "IN_DOUBT":
        board.lines.forget_compensation(plan, len(plan.calls) + index)
    if outcome == "SUCCEEDED":
        plan.undo.remove(index)
        say(board, plan, index, outcome, result, None, call.attempt)
    else:
        failed(board, plan, index, outcome, error or Failure("FAILED", "the tool gave no reason"), call.attempt)
    board.touch(plan)


def failed(board: Board, plan: Plan, index: int, outcome: CallOutcome, error: Failure, attempt: int) -> None:
    """A compensation cannot be done: the others wait for somebody's decision."""
    plan.undo_failed = True
    say(board, plan, index, outcome, None, board.bounded(error.code, error.message), attempt)


def settled(board: Board, plan: Plan, index: int, call: Call, *, happened: bool, result: str | None) -> None:
    """Somebody found out whether a compensation in doubt happened. If it did, the others go on."""
    board.lines.leave(plan, index)
    if happened:
        plan.undo_failed = False
        ended(board, plan, index, "SUCCEEDED", result, None)
    else:
        call.status, call.outcome = "DONE", "FAILED"
        board.lines.forget_compensation(plan, len(plan.calls) + index)
    board.touch(plan)


def resume(board: Board, plan: Plan, skipped: list[int]) -> None:
    """Goes on: what was undone by other means is not undone again, the rest is tried from the beginning."""
    plan.undo = [index for index in plan.undo if index not in skipped]
    plan.undo_failed = False
    for index in plan.undo:
        call = plan.compensations.get(index)
        if call is not None:
            board.lines.forget_compensation(plan, len(plan.calls) + index)
            call.status, call.outcome, call.part, call.granted = "WAITING", "UNKNOWN", NOT_IN_LINE, False
            # The key stays, and with it what the tool may have done; the attempts count from the beginning.
            call.began, call.due, call.told, call.asks, call.uncounted, call.asked = 0, 0, False, False, call.attempt, 0
    for index in skipped:
        plan.compensations.pop(index, None)
    board.touch(plan)


def idle(plan: Plan) -> bool:
    """Whether nothing of a plan's undoing is to be waited for. What still runs may yet have to be undone."""
    if not plan.undoing:
        return True
    if plan.policy.on_failure == "COMPENSATE" and any(call.lingers == "RUNNING" for call in plan.calls):
        return False
    return not plan.undo or plan.undo_failed


def say(
    board: Board, plan: Plan, index: int, outcome: CallOutcome, result: str | None, error: Failure | None, attempt: int
) -> None:
    """How a compensation ended, and what remains."""
    board.fact(
        plan,
        partial(
            CompensationEnded,
            plan_id=plan.plan_id,
            index=index,
            outcome=outcome,
            result=result,
            error=error,
            attempt=attempt,
            remaining=tuple(plan.undo),
        ),
    )
