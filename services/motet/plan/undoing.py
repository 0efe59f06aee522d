"""The course of a compensation, pure: one call at a time, the last one committed first, each with its own key and retries."""

from __future__ import annotations

from functools import partial

from motet.plan.attempts import begin as begin_attempt
from motet.plan.board import TELLS_WHO_WAITS, Board
from motet.plan.lines import NOT_IN_LINE
from motet.plan.model import Call, Plan
from motet.plan.steps import Undoing
from motet.plan.undo import compensation_of, in_order, is_undone, to_undo
from motet.records import CallOutcome, CompensationEnded, Failure, LinedUpCall


def begin(board: Board, plan: Plan) -> None:
    """Every call has its end: what is to be undone, if anything is."""
    undone = is_undone(plan)
    plan.undo = to_undo(plan, undone=undone)
    plan.undoing = undone or bool(plan.undo)
    if plan.undoing and plan.in_line:
        board.let_go(plan, board.lines.release_all(plan))


def also(board: Board, plan: Plan, index: int) -> None:
    """One more is to be undone, in its place; the one that is being undone stays first."""
    plan.undoing = True
    if index not in plan.undo:
        begun = [one for one in plan.undo[:1] if one in plan.compensations]
        plan.undo = [*begun, *in_order(plan, [index, *plan.undo[len(begun) :]])]
    board.touch(plan)


def go_on(board: Board, plan: Plan) -> None:
    """Begins what may begin of the next compensation. A call that was told to stop and still runs is waited for: it may use the same."""
    if not plan.undo or plan.undo_failed or plan.stopping:
        return
    index = plan.undo[0]
    call = plan.compensations.get(index)
    if call is None:
        made = compensation_of(plan, index, board.contracts)
        if isinstance(made, Failure):
            failed(board, plan, index, "FAILED", made, 0)
            return
        call = plan.compensations[index] = made
    number = len(plan.calls) + index
    if call.status == "WAITING" and not plan.in_line:
        # The plan holds the resources of its compensations from its admission on.
        call.part, call.granted = 0, True
    elif call.status == "WAITING" and call.part == NOT_IN_LINE:
        board.lines.enter_compensation(plan, number, call)
        if call.claims and plan.rules >= TELLS_WHO_WAITS:
            board.lined_up(plan, (LinedUpCall(index, call.claims, compensation=True),))
        board.note_grants()
    if (call.status == "WAITING" and call.granted) or (call.status == "RETRYING" and call.due <= board.now):
        waited, contract = call.slot, board.contract_of(call)
        if not board.slots.acquire(plan, number, call, contract):
            if not waited:
                board.waits(plan, number, "SLOT", call.slot)
            call.due = 0
            board.changed[plan.plan_id] = plan
            return
        invocation = begin_attempt(plan, number, call, contract, board.now)
        board.out.append(Undoing(plan, index, call.arguments_sha256, invocation))
        board.touch(plan)


def ended(
    board: Board, plan: Plan, index: int, outcome: CallOutcome, result: str | None, error: Failure | None
) -> None:
    """A compensation ended."""
    call = plan.compensations[index]
    board.pass_on(board.slots.withdraw(plan, len(plan.calls) + index, call))
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
    if happened:
        plan.undo_failed = False
        ended(board, plan, index, "SUCCEEDED", result, None)
    else:
        call.status, call.outcome, call.uncertain = "DONE", "FAILED", False
        board.lines.forget_compensation(plan, len(plan.calls) + index)
    board.touch(plan)


def resume(board: Board, plan: Plan, skipped: list[int]) -> None:
    """Goes on: what was undone by other means is not undone again, the rest is tried from the beginning."""
    for index in plan.undo:
        call = plan.compensations.get(index)
        if call is not None:
            board.lines.forget_compensation(plan, len(plan.calls) + index)
            from_the_beginning(call)
    for index in skipped:
        plan.compensations.pop(index, None)
    plan.undo = [index for index in plan.undo if index not in skipped]
    plan.undo_failed = False
    board.touch(plan)


def from_the_beginning(call: Call) -> None:
    """A compensation is tried again. Its key stays, and with it what the tool may have done: it is asked about that, if it can be."""
    call.uncertain = call.uncertain or call.in_doubt
    call.asks = call.uncertain and call.effect == "RECONCILABLE"
    call.status, call.outcome, call.part, call.granted = "WAITING", "UNKNOWN", NOT_IN_LINE, False
    call.began, call.due, call.told, call.uncounted, call.asked = 0, 0, False, call.attempt, 0


def idle(plan: Plan) -> bool:
    """Whether nothing of a plan's undoing is to be waited for. What still runs may yet have to be undone."""
    if not plan.undoing:
        return True
    if plan.policy.on_failure == "COMPENSATE" and plan.stopping:
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
