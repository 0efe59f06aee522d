"""The schedule of a shard: open plans and the lines they stand in. Each input returns the steps that follow, in order.

`Schedule` is the decider: `admit`, `finished`, `ring` and the commands of `direct.py` are its commands, steps are its events. It is a pure
function of its inputs in the order given and of their times in the log (`now`). The committed history of a plan that collects all results
does not depend on the order of results at all; fail-fast, quorum, cancelling and deadlines decide by the log's order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from motet.plan import leasing, reservations, undoing
from motet.plan.alarms import Alarms, plan_due, why_over
from motet.plan.approvals import ask
from motet.plan.board import Board
from motet.plan.contracts import Contracts
from motet.plan.ends import heard, stop
from motet.plan.guards import Owner, reservation
from motet.plan.limits import Limits
from motet.plan.lines import NOT_IN_LINE
from motet.plan.model import Plan, Reservation
from motet.plan.quarantine import hindrance
from motet.plan.spending import NOTHING, Ledger, Limit
from motet.plan.starts import start
from motet.plan.steps import Committed, Ended, Step
from motet.plan.times import ring_call
from motet.plan.unseen import say_who_ended
from motet.records import FinishedCall, OnQuarantine, Reason

# The rules since which a hosted plan's doubts are told.
SAYS_DOUBT: Final = 2


class Schedule:
    """The board and its inputs. Set `now`, the input's time in the log in milliseconds since 1970, before each."""

    def __init__(self, limits: Limits, contracts: Contracts) -> None:
        self.board = Board(limits, contracts)
        # The plans of which something is open.
        self.plans = self.board.plans
        self.alarms = Alarms()

    @staticmethod
    def restore(
        plans: Sequence[Plan], limits: Limits, contracts: Contracts, reserved: Sequence[Reservation] = ()
    ) -> Schedule:
        """The schedule as it was, from the rows."""
        schedule = Schedule(limits, contracts)
        schedule.board.plans.update((plan.plan_id, plan) for plan in plans)
        schedule.board.lines.restore(plans, reserved)
        schedule.board.slots.restore(plans)
        for plan in plans:
            schedule.alarms.set(plan, schedule.board)
        return schedule

    @property
    def running(self) -> int:
        """How many of them have not ended."""
        return sum(not plan.ended for plan in self.board.plans.values())

    def at(self, now: int) -> Board:
        """The board at the time of an input."""
        self.board.now = now
        return self.board

    # -- inputs ------------------------------------------------------------------------------------------------------------

    def admit(self, plan: Plan) -> list[Step]:
        """A plan gets in line, and people are asked about calls that need them."""
        board = self.board
        board.plans[plan.plan_id] = plan
        if plan.leases:
            for call in plan.calls:
                call.part = NOT_IN_LINE
        elif plan.reserves:
            reservations.ask(board, plan)
        else:
            board.lines.enter(plan)
        board.touch(plan)
        for index in plan.order:
            call = plan.calls[index]
            if call.approval == "NEEDED" and not call.refers:
                ask(board, plan, index, call)
        return self.steps()

    def quarantined(self, plan: Plan) -> Reason | None:
        """Why a plan that does not wait for calls in doubt is rejected, if it would have to."""
        board = self.board
        if plan.policy.quarantine != "REFUSE":
            return None
        found = (hindrance(board, plan, call.claims, call.call_id) for call in plan.calls)
        return next((reason for reason in found if reason is not None), None)

    def crowded(self, plan: Plan) -> Reason | None:
        """Why a plan with leases is rejected: so many wait for some that there would be no room for plans that need none."""
        waiting = sum(one.outside for one in self.board.plans.values() if one.leases) if plan.leases else 0
        limit = self.board.limits.lease_waiters
        if waiting < limit:
            return None
        message = f"{waiting} plans of the shard wait for leases; the limit is {limit}: try again later"
        return Reason("TOO_MANY_LEASE_WAITS", message, None)

    def finished(self, plan_id: str, calls: Sequence[FinishedCall]) -> list[Step]:
        """Attempts ended. Those of unknown plans and repeats change nothing."""
        board, plan = self.board, self.plans.get(plan_id)
        if plan is None:
            return []
        for one in calls:
            call = plan.call_at(one.index)
            if call is not None and call.key == one.key and 0 < one.attempt <= call.attempt:
                heard(board, plan, one.index, call, board.bounded_end(one))
        return self.steps()

    def granted(self, plan_id: str) -> list[Step]:
        """A hosted plan has everything that it asked for."""
        plan = self.board.plans.get(plan_id)
        if plan is not None:
            reservations.granted(self.board, plan)
        return self.steps()

    def refused(self, plan_id: str, code: str, message: str) -> list[Step]:
        """A hosted plan does not get what it asked for."""
        plan = self.board.plans.get(plan_id)
        if plan is not None:
            reservations.refused(self.board, plan, code, message)
        return self.steps()

    def leases(self, answer: leasing.Answer) -> list[Step]:
        """The lease service answers a plan of this host."""
        plan = self.board.plans.get(answer.plan_id)
        if plan is not None:
            leasing.hear(self.board, plan, answer)
        return self.steps()

    def reserve(self, reservation: Reservation, quarantine: OnQuarantine = "WAIT") -> list[Step]:
        """Another host asks for everything that a plan of its own uses."""
        reservations.reserve(self.board, reservation, quarantine)
        return self.steps()

    def quarantine(self, plan_id: str, call_id: str) -> list[Step]:
        """A call of another host's plan is in doubt, or none is any more."""
        reservations.quarantine(self.board, plan_id, call_id)
        return self.steps()

    def release(self, plan_id: str) -> list[Step]:
        """Another host's plan gives back what it has or waits for."""
        reservations.release(self.board, plan_id)
        return self.steps()

    def ring(self, plan_id: str) -> list[Step]:
        """Something that a plan waits for may be due."""
        board, plan = self.board, self.board.plans.get(plan_id)
        if plan is None:
            return []
        plan.alarm = 0
        board.touch(plan)
        if plan_due(plan, board.now):
            stop(board, plan, "DEADLINE", None, why_over(plan, board.now))
        for index, call in list(plan.everything()):
            ring_call(board, plan, index, call)
        return self.steps()

    def set_budget(self, owner: Owner, limits: Limit, *, reset: bool) -> Ledger:
        """An agent's budget. Calls that run already have their share of it reserved from here on."""
        guards = self.board.guards
        ledger = guards.ledgers.get(owner)
        if ledger is None:
            ledger = guards.ledgers[owner] = Ledger(limits)
            for plan in self.board.plans.values():
                if (plan.tenant, plan.domain, plan.agent) == owner:
                    for call in plan.calls:
                        running = call.status == "STARTED" or call.lingers == "RUNNING"
                        if running and not call.asks:
                            ledger.reserve(reservation(call, self.board.contract_of(call), sent=True))
        ledger.limits = limits
        if reset:
            ledger.spent = NOTHING
        guards.ledgers_changed.add(owner)
        guards.woken += ledger.waiting
        ledger.waiting = []
        self.board.wake()
        return ledger

    def take_changed(self) -> list[Plan]:
        """The plans whose state changed since this was asked last, finished ones among them."""
        board = self.board
        changed, board.changed = list(board.changed.values()), {}
        for plan in changed:
            self.alarms.set(plan, board)
        self.alarms.tidy(board.plans)
        return changed

    # -- what follows ------------------------------------------------------------------------------------------------------

    def steps(self) -> list[Step]:
        """Everything that follows, until nothing does."""
        board, dirty, queues = self.board, self.board.dirty, self.board.lines.queues
        board.note_grants()
        while dirty:
            plan_id = next(iter(dirty))
            plan = self.plans.get(plan_id)
            if plan is None:
                del dirty[plan_id]
                continue
            start(board, plan, dirty[plan_id])
            del dirty[plan_id]
            self.move(plan)
            if queues.newly_granted:
                board.note_grants()
        if board.ended:
            say_who_ended(board)
        if board.waiting:
            board.say_who_waits()
        out, board.out = board.out, []
        return out

    def move(self, plan: Plan) -> None:
        """Commits what ended, undoes what is to be undone, ends the plan, forgets it once nothing of it is open."""
        board = self.board
        if plan.leases:
            leasing.go_on(board, plan)
        committed = plan.commit()
        if committed:
            board.out.append(Committed(plan, tuple(committed)))
        if plan.reservation and plan.rules >= SAYS_DOUBT:
            reservations.say_doubt(board, plan)
        if plan.complete and plan.outcome == "UNKNOWN":
            self.end(plan)
        elif plan.undoing:
            undoing.go_on(board, plan)
        if plan.finished:
            board.lines.release_all(plan)
            reservations.give_back(board, plan)
            leasing.give_back(board, plan)
            del board.plans[plan.plan_id]

    def end(self, plan: Plan) -> None:
        """Every call of a plan has its place: it is undone, if it is to be, and ends once nothing of that is to be waited for."""
        board = self.board
        if not plan.undoing:
            undoing.begin(board, plan)
        if plan.undoing:
            undoing.go_on(board, plan)
        if undoing.idle(plan):
            plan.outcome = plan.verdict()
            board.out.append(Ended(plan))
            # What is undone from here on gets in line: the plan holds nothing any more.
            plan.in_line = True
            board.lines.release_all(plan)
