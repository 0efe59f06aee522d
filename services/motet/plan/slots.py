"""How many calls are in flight at once, pure: of a plan, a tenant, a tool, and per resource that a contract limits.

A call in flight has a slot of each of these that has a limit. It asks for them last, when nothing else stands in its way, one after the
other in one order (`demand`): its plan's, its tenant's, its domain's resources', the tool's, which all tenants share. So what it has while
it waits for the next is never waited for by who has that: slots belong to calls that run, and those end, or to calls that wait for a later
one. It holds none while it waits for a queue, a person, a budget or its time.

Where nothing is free, plans take turns: each gets one slot, with its lowest call, and goes to the end of the round. A call that is its
plan's next therefore waits for one start of each plan that is before it in the round at most, however many calls these have.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

from motet.plan.contracts import Contract, Contracts
from motet.plan.limits import Limits
from motet.plan.model import Call, Plan

# What a call waits for that waits no more: it is begun in the same step.
READY: Final = "*"
Demand = tuple[tuple[str, int], ...]
Member = tuple[str, int]


def in_flight(call: Call) -> bool:
    """Whether an attempt of a call runs."""
    return call.status == "STARTED" or call.lingers == "RUNNING"


class Slots:
    """The slots of a shard."""

    def __init__(self, limits: Limits, contracts: Contracts) -> None:
        self.limits = limits
        self.contracts = contracts
        self.used: dict[str, int] = {}
        # By what is waited for, the plans in the order of their turns, each with its calls that wait.
        self.rounds: dict[str, OrderedDict[str, set[int]]] = {}
        self.plans: dict[str, Plan] = {}
        self.next_turn = 1

    def restore(self, plans: Iterable[Plan]) -> None:
        """What is in use and who waits, as the rows say."""
        turns: list[tuple[int, str, Plan]] = []
        for plan in plans:
            turns += [(turn, what, plan) for what, turn in plan.turns.items()]
            for index, call in plan.everything():
                if in_flight(call):
                    self.take(self.demand(plan, index, call, self.contract_of(call)))
                elif call.slot:
                    self.take(self.had(plan, index, call))
        for turn, what, plan in sorted(turns, key=lambda one: one[0]):
            waiting = {index for index, call in plan.everything() if call.slot == what}
            self.rounds.setdefault(what, OrderedDict())[plan.plan_id] = waiting
            self.plans[plan.plan_id] = plan
            self.next_turn = turn + 1

    def contract_of(self, call: Call) -> Contract:
        """The contract that a call was admitted by."""
        return self.contracts.of(call.tool, call.contract_version)

    def demand(self, plan: Plan, index: int, call: Call, contract: Contract) -> Demand:
        """What a call has while it is in flight, in the order of asking, each with how many may have it at once."""
        wanted = plan.demand
        if not wanted:
            limits = self.limits
            wanted = plan.demand = (
                (f"plan {plan.plan_id}", limits.plan_calls_at_once),
                (f"tenant {plan.tenant}", limits.tenant_calls_at_once),
            )
        if index >= len(plan.calls):
            # Compensations come one at a time, and what undoes must not wait for what it undoes.
            wanted = wanted[1:]
        if contract.slot_templates:
            names = contract.slots(json.loads(call.arguments), plan.tenant, plan.domain)
            wanted += tuple((f"resource {plan.tenant}/{plan.domain}/{name}", most) for name, most in names)
        if contract.record.at_once:
            wanted += ((f"tool {call.tool}", contract.record.at_once),)
        return wanted

    def had(self, plan: Plan, index: int, call: Call) -> Demand:
        """What a call has that waits: all that it asks for before."""
        demand = self.demand(plan, index, call, self.contract_of(call))
        if call.slot == READY:
            return demand
        return demand[: [what for what, _ in demand].index(call.slot)]

    # -- before and after an attempt ---------------------------------------------------------------------------------------

    def acquire(self, plan: Plan, index: int, call: Call, contract: Contract) -> bool:
        """Whether a call has everything to be begun; if not, it waits, and is named by `release` when it has."""
        if call.slot:
            if call.slot != READY:
                return False
            call.slot = ""
            return True
        return self.go_on(plan, index, call, self.demand(plan, index, call, contract))

    def release(self, plan: Plan, index: int, call: Call, contract: Contract) -> list[tuple[Plan, int]]:
        """A call that was in flight, or ready to be, is not any more; the calls that can be begun instead, in order."""
        call.slot = ""
        return self.give_back(self.demand(plan, index, call, contract))

    def withdraw(self, plan: Plan, index: int, call: Call) -> list[tuple[Plan, int]]:
        """A call does not wait any more, if it did; the calls that can be begun instead of it."""
        if not call.slot:
            return []
        had, what = self.had(plan, index, call), call.slot
        if what != READY:
            round_ = self.rounds[what]
            round_[plan.plan_id].discard(index)
            if not round_[plan.plan_id]:
                self.drop(plan, what)
        call.slot = ""
        return self.give_back(had)

    # -- turns -------------------------------------------------------------------------------------------------------------

    def go_on(self, plan: Plan, index: int, call: Call, left: Demand) -> bool:
        """Takes slots up to the first that is not free, and waits there."""
        used, rounds = self.used, self.rounds
        for what, most in left:
            many = used.get(what, 0)
            if many >= most or what in rounds:
                call.slot = what
                self.wait(plan, index, what)
                return False
            used[what] = many + 1
        return True

    def wait(self, plan: Plan, index: int, what: str) -> None:
        """A call waits, with its plan's turn; a plan that did not wait there comes last."""
        round_ = self.rounds.setdefault(what, OrderedDict())
        if plan.plan_id in round_:
            round_[plan.plan_id].add(index)
            return
        round_[plan.plan_id] = {index}
        self.plans[plan.plan_id] = plan
        self.last(plan, what)

    def last(self, plan: Plan, what: str) -> None:
        """A plan's turn is the last of the round."""
        self.rounds[what].move_to_end(plan.plan_id)
        plan.turns[what] = self.next_turn
        self.next_turn += 1

    def drop(self, plan: Plan, what: str) -> None:
        """Nothing of a plan waits there any more."""
        del self.rounds[what][plan.plan_id]
        del plan.turns[what]
        if not self.rounds[what]:
            del self.rounds[what]
        if not plan.turns:
            del self.plans[plan.plan_id]

    def give_back(self, had: Demand) -> list[tuple[Plan, int]]:
        """Slots are free; whoever waits for them takes them, in turn."""
        used, ready = self.used, list[tuple[Plan, int]]()
        for what, _ in had:
            left = used[what] - 1
            if left:
                used[what] = left
            else:
                del used[what]
        if not self.rounds:
            return ready
        for what, _ in had:
            while what in self.rounds:
                plan_id = next(iter(self.rounds[what]))
                plan = self.plans[plan_id]
                index = min(self.rounds[what][plan_id])
                call = dict(plan.everything())[index]
                demand = self.demand(plan, index, call, self.contract_of(call))
                place = [name for name, _ in demand].index(what)
                if used.get(what, 0) >= demand[place][1]:
                    break
                used[what] = used.get(what, 0) + 1
                self.rounds[what][plan_id].discard(index)
                if self.rounds[what][plan_id]:
                    self.last(plan, what)
                else:
                    self.drop(plan, what)
                call.slot = ""
                if self.go_on(plan, index, call, demand[place + 1 :]):
                    call.slot = READY
                ready.append((plan, index))
        return ready

    def take(self, demand: Demand) -> None:
        """Counts what is in use."""
        for what, _ in demand:
            self.used[what] = self.used.get(what, 0) + 1
