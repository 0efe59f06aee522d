"""Resources of plans that another service hosts, pure. A reservation stands in the lines as one member with everything that its plan uses.

The coordinator keeps the lines: `reserve` and `release` are what a host asks of it. The host's part is `granted` and `refused`. A plan asks
once, before anything of it runs, and gives back once, when nothing of it is open: a call in doubt keeps everything that its plan reserved.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from motet.plan.board import Board
from motet.plan.ends import fail_waiting
from motet.plan.model import Plan, Reservation
from motet.plan.quarantine import hindrance
from motet.plan.steps import Word
from motet.records import (
    Failure,
    OnQuarantine,
    QuarantineResources,
    Reason,
    ReleaseResources,
    ReserveResources,
    ResourcesRefused,
)

TOO_MANY: Final = "TOO_MANY_RESERVATIONS"


def reserve(board: Board, reservation: Reservation, quarantine: OnQuarantine) -> None:
    """A hosted plan gets in line with everything that it uses, or is refused. A repeat changes nothing."""
    if reservation.plan_id in board.lines.reservations:
        return
    count, limit = len(board.lines.reservations), board.limits.reservations
    reason = None
    if count >= limit:
        message = f"{count} plans of other hosts have resources or wait for them; the limit is {limit}: try again later"
        reason = Reason(TOO_MANY, message, None)
    elif quarantine == "REFUSE":
        reason = hindrance(board, reservation, reservation.claims, None)
    if reason is None:
        board.lines.reserve(reservation)
    else:
        refusal = partial(ResourcesRefused, plan_id=reservation.plan_id, code=reason.code, message=reason.message)
        board.out.append(Word(reservation, refusal))


def quarantine(board: Board, plan_id: str, call_id: str) -> None:
    """A call of a hosted plan is in doubt, which keeps everything that its plan reserved; or, without a name, none is any more."""
    reservation = board.lines.reservations.get(plan_id)
    if reservation is not None and reservation.doubt != call_id:
        reservation.doubt = call_id
        board.lines.reservations_changed[plan_id] = reservation


def release(board: Board, plan_id: str) -> None:
    """A hosted plan gives back what it has, or waits no more."""
    board.lines.give_back(plan_id)


def ask(board: Board, plan: Plan) -> None:
    """Asks for everything that a hosted plan uses."""
    plan.reservation = "ASKED"
    asked = partial(
        ReserveResources,
        plan_id=plan.plan_id,
        claims=plan.reserves,
        quarantine=plan.policy.quarantine,
        deadline_at=plan.deadline,
    )
    board.out.append(Word(plan, asked))


def say_doubt(board: Board, plan: Plan) -> None:
    """Says of a hosted plan which call of it is in doubt, or that none is any more."""
    if plan.finished:
        return
    doubtful = (index for index, call in plan.everything() if call.in_doubt)
    first = next(doubtful, None)
    call_id = "" if first is None else plan.calls[first % len(plan.calls)].call_id
    if call_id != plan.doubt_told:
        plan.doubt_told = call_id
        board.out.append(Word(plan, partial(QuarantineResources, plan_id=plan.plan_id, call_id=call_id)))


def give_back(board: Board, plan: Plan) -> None:
    """Gives back what a hosted plan has or waits for."""
    if plan.reservation:
        board.out.append(Word(plan, partial(ReleaseResources, plan_id=plan.plan_id)))


def granted(board: Board, plan: Plan) -> None:
    """A hosted plan has what it asked for: now its calls get in line here, which keeps their order among themselves."""
    if plan.reservation == "ASKED":
        plan.reservation = "HELD"
        if plan.leases:
            # It took its leases first, and some calls may have their end since.
            board.lines.line_up(plan, plan.plan_id, [at for at in plan.order if plan.calls[at].status != "DONE"])
        elif not plan.ended:
            board.lines.enter(plan)
        board.touch(plan)


def refused(board: Board, plan: Plan, code: str, message: str) -> None:
    """A hosted plan does not get what it asked for: none of its calls can run, and it has nothing to give back."""
    if plan.reservation != "ASKED":
        return
    plan.reservation = ""
    fail_waiting(board, plan, Failure(code, message))
