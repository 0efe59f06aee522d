"""The schedule of a shard: open plans and resource queues. Each input returns the steps that follow, in order.

`Schedule` is the decider: `admit` and `finished` are its commands, steps are its events. It is a pure function of the plans admitted
and the results in the order given; the committed history of a plan does not depend on the order of results at all.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from motet.chassis.canonical import NotCanonical, canonical_json, sha256_text
from motet.plan.arguments import BadArguments, resolve
from motet.plan.contracts import Contracts
from motet.plan.limits import Limits
from motet.plan.model import Plan
from motet.records import CommittedCall, Failure, FinishedCall, Invocation
from motet.resources import Queues


@dataclass(frozen=True, slots=True)
class Started:
    """Calls of a plan got their resources."""

    plan: Plan
    invocations: tuple[Invocation, ...]


@dataclass(frozen=True, slots=True)
class Committed:
    """Calls of a plan took their place in its history."""

    plan: Plan
    calls: tuple[CommittedCall, ...]


@dataclass(frozen=True, slots=True)
class Ended:
    """A plan ended."""

    plan: Plan


Step = Started | Committed | Ended


class Schedule:
    """Open plans by id, in the order in which they were admitted."""

    def __init__(self, limits: Limits, contracts: Contracts) -> None:
        self.limits = limits
        self.contracts = contracts
        self.plans: dict[str, Plan] = {}
        self.queues = Queues()
        self.next_sequence = 0
        # Plans to look at, in order of first mention, and the calls of each that may start.
        self.dirty: dict[str, list[int]] = {}
        # What differs from the rows since `take_changed`: plans whose state moved, with or without a step to show for it.
        self.changed: dict[str, Plan] = {}

    @staticmethod
    def restore(plans: Sequence[Plan], limits: Limits, contracts: Contracts) -> Schedule:
        """The schedule as it was, from the open plans in the order of their sequence."""
        schedule = Schedule(limits, contracts)
        for plan in plans:
            schedule.enter(plan)
            schedule.next_sequence = plan.sequence + 1
            for index, call in enumerate(plan.calls):
                if call.status == "DONE":
                    schedule.leave(plan, index)
        schedule.note_grants()
        schedule.dirty.clear()
        return schedule

    def admit(self, plan: Plan) -> list[Step]:
        """A plan enters all its queues at once."""
        plan.sequence = self.next_sequence
        self.next_sequence += 1
        self.changed[plan.plan_id] = plan
        self.enter(plan)
        return self.steps()

    def finished(self, plan_id: str, calls: Sequence[FinishedCall]) -> list[Step]:
        """Results came. Those of unknown plans, of other attempts and repeats change nothing."""
        plan = self.plans.get(plan_id)
        if plan is None:
            return []
        for end in calls:
            if not 0 <= end.index < len(plan.calls):
                continue
            call = plan.calls[end.index]
            if call.status != "STARTED" or call.attempt != end.attempt or call.key != end.key:
                continue
            size = len(end.result.encode()) if end.result is not None else 0
            if size > self.limits.result_bytes:
                message = f"the result has {size} bytes; the limit is {self.limits.result_bytes}"
                self.settle(plan, end.index, "FAILED", None, Failure("RESULT_TOO_LARGE", message))
            elif end.outcome == "SUCCEEDED":
                self.settle(plan, end.index, "SUCCEEDED", end.result, None)
            else:
                error = end.error or Failure("FAILED", "the tool gave no reason")
                self.settle(plan, end.index, "FAILED", None, error)
        return self.steps()

    def take_changed(self) -> list[Plan]:
        """The plans whose state changed since this was asked last, ended ones among them."""
        changed, self.changed = list(self.changed.values()), {}
        return changed

    # -- inside ------------------------------------------------------------------------------------------------------------

    def enter(self, plan: Plan) -> None:
        """Puts a plan's calls in line, in its topological order."""
        self.plans[plan.plan_id] = plan
        for index in plan.order:
            self.queues.add(plan.plan_id, index, plan.calls[index].claims)

    def leave(self, plan: Plan, index: int) -> None:
        """A call is done with its resources; under plan isolation the plan keeps them."""
        self.queues.finish(plan.plan_id, index, hold=plan.isolation == "PLAN")

    def settle(self, plan: Plan, index: int, outcome: Any, result: str | None, error: Failure | None) -> None:
        """Ends a call, and skips what can no longer run because of it."""
        ends: list[tuple[int, Any, str | None, Failure | None]] = [(index, outcome, result, error)]
        touched = self.dirty.setdefault(plan.plan_id, [])
        self.changed[plan.plan_id] = plan
        while ends:
            at, how, value, why = ends.pop()
            followers = plan.settle(at, how, value, why)
            self.leave(plan, at)
            for follower in followers:
                if how == "SUCCEEDED":
                    touched.append(follower)
                elif plan.calls[follower].status == "WAITING":
                    message = f"{plan.calls[at].call_id} did not succeed, and this call comes after it"
                    plan.calls[follower].status = "DONE"
                    ends.append((follower, "SKIPPED", None, Failure("DEPENDENCY_FAILED", message)))

    def note_grants(self) -> None:
        """Tells calls that the queues gave them everything."""
        for plan_id, index in self.queues.take_granted():
            self.plans[plan_id].calls[index].granted = True
            self.dirty.setdefault(plan_id, []).append(index)

    def steps(self) -> list[Step]:
        """Everything that follows, until nothing does."""
        out: list[Step] = []
        self.note_grants()
        while self.dirty:
            plan_id = next(iter(self.dirty))
            plan = self.plans[plan_id]
            invocations = self.start(plan, self.dirty[plan_id])
            if invocations:
                self.changed[plan_id] = plan
                out.append(Started(plan, tuple(invocations)))
            del self.dirty[plan_id]
            committed = plan.commit()
            if committed:
                out.append(Committed(plan, tuple(committed)))
            if plan.ended:
                del self.plans[plan_id]
                self.queues.end(plan_id)
                out.append(Ended(plan))
            self.note_grants()
        return out

    def start(self, plan: Plan, candidates: list[int]) -> list[Invocation]:
        """Starts what may start. A call whose resolved arguments are wrong fails here, which may add candidates."""
        out: list[Invocation] = []
        while candidates:
            ready = sorted({index for index in candidates if plan.may_start(index)})
            candidates.clear()
            for index in ready:
                call = plan.calls[index]
                fault = self.resolve(plan, index) if call.refers else None
                if fault is not None:
                    self.settle(plan, index, "FAILED", None, fault)
                    continue
                call.status, call.attempt, call.key = "STARTED", 1, plan.key_of(index)
                out.append(
                    Invocation(
                        index, call.call_id, call.tool, call.contract_version, call.arguments, call.key, call.attempt
                    )
                )
        return out

    def resolve(self, plan: Plan, index: int) -> Failure | None:
        """Puts earlier results into a call's arguments and checks them against the contract; the failure, if they do not fit."""
        call = plan.calls[index]
        results = {plan.calls[before].call_id: plan.calls[before].result for before in call.after}
        try:
            arguments = resolve(json.loads(call.arguments), lambda call_id: json.loads(results[call_id] or "null"))
            text = canonical_json(arguments)
        except (BadArguments, NotCanonical) as error:
            return Failure("BAD_REFERENCE", str(error))
        if len(text.encode()) > self.limits.argument_bytes:
            message = (
                f"with results the arguments have {len(text.encode())} bytes; the limit is {self.limits.argument_bytes}"
            )
            return Failure("TOO_LARGE", message)
        contract = self.contracts.get(call.tool, call.contract_version)
        faults = list(contract.faults(arguments)) if contract is not None else [f"{call.tool} has no contract any more"]
        if faults:
            return Failure("ARGUMENTS_INVALID", "; ".join(faults[:5]))
        call.arguments, call.arguments_sha256, call.refers = text, sha256_text(text), False
        return None
