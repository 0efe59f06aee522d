"""The schedule of a shard: open plans and resource queues. Each input returns the steps that follow, in order.

`Schedule` is the decider: `admit` and `finished` are its commands, steps are its events. It is a pure function of the plans admitted
and the results in the order given; the committed history of a plan does not depend on the order of results at all.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from motet.chassis.canonical import canonical_json, sha256_text
from motet.plan.arguments import deeper, resolve
from motet.plan.contracts import Contracts
from motet.plan.limits import Limits
from motet.plan.model import Plan
from motet.plan.text import carriable, carriable_bytes
from motet.records import Claim, CommittedCall, Failure, FinishedCall, Invocation
from motet.resources import Queues

CODE_LENGTH: Final = 64
FAULTS_SHOWN: Final = 5


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
                self.settle(plan, end.index, "FAILED", None, self.bounded(error.code, error.message))
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
            # A resource is a domain's own: the same name elsewhere is another thing, and nobody waits for a stranger.
            claims = [
                Claim(f"{plan.tenant}/{plan.domain}/{one.resource}", one.mode) for one in plan.calls[index].claims
            ]
            self.queues.add(plan.plan_id, index, claims)

    def leave(self, plan: Plan, index: int) -> None:
        """A call is done with its resources; under plan isolation the plan keeps those that the call had in hand.

        A call that never ran touched nothing. Whether its claims were granted by then must not matter, or a restored schedule would
        hold what this one never had.
        """
        self.queues.finish(plan.plan_id, index, hold=plan.isolation == "PLAN" and plan.calls[index].attempt > 0)

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
                    plan.calls[follower].status = "DONE"
                    ends.append((follower, "SKIPPED", None, self.skipped(plan, follower)))

    def skipped(self, plan: Plan, index: int) -> Failure:
        """Why a call is skipped. Which of several failed first is chance, and the history must not tell."""
        names = [plan.calls[before].call_id for before in plan.calls[index].after]
        which = names[0] if len(names) == 1 else f"one of {', '.join(names)}"
        return self.bounded("DEPENDENCY_FAILED", f"{which} did not succeed, and this call comes after it")

    def bounded(self, code: str, message: str) -> Failure:
        """An error as an event can carry it: every call of a plan may have one."""
        return Failure(carriable(code, CODE_LENGTH), carriable_bytes(message, self.limits.error_bytes))

    def note_grants(self) -> None:
        """Tells calls that the queues gave them everything."""
        for plan_id, index in self.queues.take_granted():
            plan = self.plans.get(plan_id)
            # A call may be granted and skipped in one step, the last of its plan.
            if plan is not None:
                plan.calls[index].granted = True
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
        # A tool service of another make may have sent what is no JSON, or what is nested without end.
        except (ValueError, RecursionError) as error:
            return self.bounded("BAD_REFERENCE", str(error))
        if deeper(arguments, self.limits.argument_depth):
            message = f"with results the arguments are nested deeper than {self.limits.argument_depth} levels"
            return Failure("TOO_LARGE", message)
        if len(text.encode()) > self.limits.argument_bytes:
            message = (
                f"with results the arguments have {len(text.encode())} bytes; the limit is {self.limits.argument_bytes}"
            )
            return Failure("TOO_LARGE", message)
        contract = self.contracts.get(call.tool, call.contract_version)
        if contract is None:
            return Failure("ARGUMENTS_INVALID", f"{call.tool} has no contract any more")
        faults = list(islice(contract.faults(arguments), FAULTS_SHOWN))
        if faults:
            return self.bounded("ARGUMENTS_INVALID", "; ".join(faults))
        call.arguments, call.arguments_sha256, call.refers = text, sha256_text(text), False
        return None
