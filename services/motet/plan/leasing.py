"""How a plan takes its leases, pure: before it gets in line, scope after scope in canonical order, those of a scope at once.

Who has leases of a scope waits for later ones only, and nothing that is in a line waits for a lease: no cycle can form. What people must
approve is asked before, so that nobody holds a lease while a person decides. A plan gives its leases back when nothing of it is open.
"""

from __future__ import annotations

from functools import partial

from motet.plan import reservations
from motet.plan.board import Board
from motet.plan.ends import fail_waiting
from motet.plan.model import Leased, Plan
from motet.plan.steps import Word
from motet.plan.waits import MILLISECONDS
from motet.records import (
    CallsLinedUp,
    Failure,
    GiveBackLeases,
    LeasesDenied,
    LeasesLost,
    LeasesTaken,
    LinedUpCall,
    TakeLeases,
)

Answer = LeasesTaken | LeasesDenied | LeasesLost


def go_on(board: Board, plan: Plan) -> None:
    """Asks for the leases of the next scope, or gets in line if the plan has them all."""
    if plan.barrier or any(call.approval in ("NEEDED", "ASKED") and call.status != "DONE" for call in plan.calls):
        return
    for one in plan.leases:
        if one.state in ("ASKED", "DENIED"):
            return
        if not one.state:
            ask(board, plan, one)
            return


def ask(board: Board, plan: Plan, leased: Leased) -> None:
    """Asks for all that the plan needs of a scope. Those before the last are held while the plan waits for the others."""
    if not plan.lease_by:
        plan.lease_by = min(board.now + plan.lease_wait, plan.deadline)
    leased.state = "ASKED"
    if leased is not plan.leases[-1]:
        leased.duration += max(0, plan.lease_by - board.now)
    asked = partial(
        TakeLeases,
        plan_id=plan.plan_id,
        scope=leased.scope,
        resources=leased.resources,
        duration_seconds=leased.duration / MILLISECONDS,
        wait_until=plan.lease_by,
    )
    board.changed[plan.plan_id] = plan
    board.out.append(Word(plan, asked, leased.scope))


def asked_of(plan: Plan, scope: str) -> Leased | None:
    """What a plan asked for in a scope, if it waits for that."""
    return next((one for one in plan.leases if one.scope == scope and one.state == "ASKED"), None)


def hear(board: Board, plan: Plan, answer: Answer) -> None:
    """What the lease service says of a plan's leases. A repeat changes nothing."""
    match answer:
        case LeasesTaken(scope=scope, token=token):
            granted(board, plan, scope, token)
        case LeasesDenied(scope=scope, code=code, message=message):
            refused(board, plan, scope, code, message)
        case LeasesLost(scope=scope, token=token):
            lost(board, plan, scope, token)


def granted(board: Board, plan: Plan, scope: str, token: int) -> None:
    """A plan has its leases of a scope. With the last of them it gets in line, at this place of the log."""
    leased = asked_of(plan, scope)
    if leased is None:
        return
    leased.state, leased.token = "HELD", token
    board.touch(plan)
    if not plan.outside and not plan.barrier:
        enter(board, plan)


def enter(board: Board, plan: Plan) -> None:
    """Gets in line; a hybrid plan asks for its resources first, in whose line it then is."""
    if not plan.reserves:
        board.line_up(plan)
        return
    ready = [index for index in plan.order if plan.calls[index].status != "DONE"]
    for index in ready:
        plan.calls[index].part = 0
    calls = tuple(LinedUpCall(index, plan.calls[index].claims) for index in ready)
    board.fact(plan, partial(CallsLinedUp, plan_id=plan.plan_id, isolation=plan.isolation, calls=calls))
    reservations.ask(board, plan)


def refused(board: Board, plan: Plan, scope: str, code: str, message: str) -> None:
    """A plan does not get its leases of a scope: none of its calls can run."""
    leased = asked_of(plan, scope)
    if leased is None:
        return
    leased.state = "DENIED"
    fail_waiting(board, plan, Failure(code, message))


def lost(board: Board, plan: Plan, scope: str, token: int) -> None:
    """The time of leases is over. What runs under them the fence refuses, once somebody else has written; the rest does not begin any more."""
    for one in plan.leases:
        if one.scope == scope and one.state == "HELD" and one.token == token:
            one.state = "LOST"
            board.touch(plan).extend(index for index, call in enumerate(plan.calls) if call.leases)


def give_back(board: Board, plan: Plan) -> None:
    """Gives back what a plan has or waits for."""
    for one in plan.leases:
        if one.state in ("ASKED", "HELD"):
            word = partial(GiveBackLeases, plan_id=plan.plan_id, scope=one.scope)
            board.out.append(Word(plan, word, one.scope))
