"""The lines that plans stand in: which calls got in line when, what they hold, what they let go. Pure.

A plan gets in line as a whole, but for the calls that wait for a person and those behind them: nothing in a line waits for a person. They
get in line once they are approved, as a part of the plan of their own, at that place in the log; until then the plan holds nothing for
longer than its other calls take. Compensations of a plan that no longer holds its resources get in line one at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from motet.plan.model import Call, Plan, Reservation
from motet.resources import Queues

NOT_IN_LINE: Final = -1
Owner = Plan | Reservation


class Lines:
    """The queues of a shard as plans use them."""

    def __init__(self) -> None:
        self.queues = Queues()
        self.next_entry = 0
        # What plans of other hosts use, and what of it differs from the rows: None for what is gone.
        self.reservations: dict[str, Reservation] = {}
        self.reservations_changed: dict[str, Reservation | None] = {}

    def restore(self, plans: Sequence[Plan], reservations: Sequence[Reservation] = ()) -> None:
        """Everybody gets in line again as they did, and lets go what they let go before the next one gets in line.

        Whoever had something in hand must not find those in its way who left before it.
        """
        entries = sorted((number, name, plan.plan_id) for plan in plans for name, number in plan.entered.items())
        by_id = {plan.plan_id: plan for plan in plans}
        self.reservations = {one.plan_id: one for one in reservations}
        entries = sorted([*entries, *((one.entered, one.plan_id, one.plan_id) for one in reservations)])
        for number, name, plan_id in entries:
            self.next_entry = number + 1
            if plan_id in self.reservations:
                self.stand(self.reservations[plan_id])
                continue
            plan = by_id[plan_id]
            members = [
                (index, call)
                for index, call in in_order(plan)
                if plan.line_of(index) == name and call.part != NOT_IN_LINE
            ]
            for index, call in members:
                self.queues.add(name, index, call.claims, space_of(plan))
            for index, call in members:
                if not call.open:
                    self.queues.finish(name, index, hold=self.holds(plan, call))
            if name in plan.released:
                self.queues.end(name, self.kept(plan, name))
        for name, index in self.queues.take_granted():
            if not self.grant(name):
                by_id[name.partition("#")[0]].granted_at(index)

    def reserve(self, reservation: Reservation) -> None:
        """A plan of another host gets in line, as one member."""
        reservation.entered = self.next_entry
        self.next_entry += 1
        self.reservations[reservation.plan_id] = self.reservations_changed[reservation.plan_id] = reservation
        self.stand(reservation)

    def stand(self, reservation: Reservation) -> None:
        """A reservation's claims."""
        self.queues.add(reservation.plan_id, 0, reservation.claims, space_of(reservation))

    def grant(self, name: str) -> Reservation | None:
        """Notes that a reservation has everything, if the name is one's."""
        reservation = self.reservations.get(name)
        if reservation is not None:
            reservation.granted = True
        return reservation

    def give_back(self, plan_id: str) -> None:
        """A plan of another host leaves the lines."""
        if self.reservations.pop(plan_id, None) is not None:
            self.reservations_changed[plan_id] = None
            self.queues.end(plan_id)

    def enter(self, plan: Plan) -> None:
        """Everything of a plan that waits for no person, and for no result to know what it uses, gets in line."""
        if not plan.in_parts:
            self.line_up(plan, plan.plan_id, plan.order)
            return
        for index in plan.order:
            call = plan.calls[index]
            waits = waits_outside(plan, call) or any(plan.calls[before].part == NOT_IN_LINE for before in call.after)
            call.part = NOT_IN_LINE if waits else 0
        self.line_up(plan, plan.plan_id, [index for index in plan.order if plan.calls[index].part == 0])

    def enter_approved(self, plan: Plan) -> list[int]:
        """What waited for a person, or to know what it uses, and waits no more gets in line, as a part of its own."""
        part = 1 + max((call.part for call in plan.calls), default=0)
        ready: list[int] = []
        for index in plan.order:
            call = plan.calls[index]
            if call.part != NOT_IN_LINE or call.status == "DONE" or waits_outside(plan, call):
                continue
            if all(
                one.part != NOT_IN_LINE or one.status == "DONE" for one in (plan.calls[before] for before in call.after)
            ):
                call.part = part
                ready.append(index)
        if ready:
            self.line_up(plan, plan.line_of(ready[0]), ready)
        return ready

    def enter_compensation(self, plan: Plan, index: int, call: Call) -> None:
        """A compensation gets in line by itself."""
        call.part = 0
        self.line_up(plan, plan.line_of(index), [index])

    def line_up(self, plan: Plan, name: str, indexes: Iterable[int]) -> None:
        """Calls get in line together."""
        plan.entered[name] = self.next_entry
        self.next_entry += 1
        space = space_of(plan)
        for index in indexes:
            call = plan.call_at(index)
            if call is not None:
                self.queues.add(name, index, call.claims, space)

    def leave(self, plan: Plan, index: int, call: Call) -> bool:
        """A call is done with its resources. Whether one that got in line together with it waited for what its plan keeps."""
        if call.part == NOT_IN_LINE:
            return False
        name = plan.line_of(index)
        return self.queues.finish(name, index, hold=self.holds(plan, call) and name not in plan.released)

    def holds(self, plan: Plan, call: Call) -> bool:
        """Whether a plan keeps what a call had in hand, until its line is released.

        A call that never ran touched nothing. Whether its claims were granted by then must not matter, or a restored schedule would
        hold what this one never had.
        """
        return plan.isolation == "PLAN" and call.attempt > 0

    def release(self, plan: Plan, name: str) -> list[int]:
        """What a line of a plan holds is let go, but for the calls of which something is still open. Returns the calls that held something."""
        if name in plan.released:
            return []
        plan.released.append(name)
        return self.queues.end(name, self.kept(plan, name))

    def kept(self, plan: Plan, name: str) -> list[int]:
        """The calls of a line of which something is still open."""
        if plan.finished:
            return []
        return [index for index, _ in plan.everything() if self.keeps(plan, index) and plan.line_of(index) == name]

    def keeps(self, plan: Plan, index: int) -> bool:
        """Whether what a call uses stays as it is: it is under way, or what undoes it in its place."""
        call, undoing = plan.call_at(index), plan.compensations.get(index)
        if undoing is not None and plan.line_of(len(plan.calls) + index) in plan.entered:
            undoing = None
        return any(one is not None and one.under_way for one in (call, undoing))

    def release_done_part(self, plan: Plan, part: int) -> list[int]:
        """A part holds nothing for longer than its calls take, or a later part of the plan would wait for it until the plan ends."""
        if part == NOT_IN_LINE or all(call.part == 0 for call in plan.calls):
            return []
        members = [index for index, call in enumerate(plan.calls) if call.part == part]
        if all(plan.calls[index].status == "DONE" for index in members):
            return self.release(plan, plan.line_of(members[0]))
        return []

    def release_all(self, plan: Plan) -> list[int]:
        """Everything that a plan holds is let go, but for the calls of which something is still open."""
        if len(plan.released) == len(plan.entered):
            return []
        return [index for name in plan.entered for index in self.release(plan, name)]

    def in_line(self, plan: Plan, index: int) -> bool:
        """Whether a call has a place in the lines, waiting or holding."""
        return index in self.queues.standing.get(plan.line_of(index), ())

    def forget_compensation(self, plan: Plan, index: int) -> None:
        """A compensation ended: it is in no line any more, and what was kept for it in its call's is let go."""
        name, undone = plan.line_of(index), index - len(plan.calls)
        if plan.entered.pop(name, None) is not None:
            self.queues.end(name)
            plan.released = [one for one in plan.released if one != name]
        if plan.line_of(undone) in plan.released:
            self.leave(plan, undone, plan.calls[undone])


def waits_outside(plan: Plan, call: Call) -> bool:
    """Whether a call waits outside of the lines: for leases, a person, or until it is known what it uses, if its plan does not hold all of that."""
    if plan.leases and plan.outside:
        return True
    return call.approval in ("NEEDED", "ASKED") or (call.unknown and plan.policy.unknown_resources != "HOLD")


def space_of(plan: Owner) -> str:
    """A resource is a domain's own: the same name elsewhere is another thing, and nobody waits for a stranger."""
    return f"{plan.tenant}/{plan.domain}/"


def in_order(plan: Plan) -> Iterable[tuple[int, Call]]:
    """Calls in topological order, then compensations."""
    for index in plan.order:
        yield index, plan.calls[index]
    for index, call in plan.compensations.items():
        yield len(plan.calls) + index, call
