"""The model that judges a run: what is known of each plan from what was published and done alone, never from a service's memory.

P1: each command has one end. P2: an effect happens once, and what may have happened is never run again. P3: see `oracle.py` and `world.py`.
P4: histories are committed in the plan's own order; `runs.py` compares whole runs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from motet.leases.lease import Lease
from motet.plan import Plan
from motet.records import (
    ApprovalRequested,
    AttemptsEnded,
    BarrierRaised,
    CallSettled,
    CommittedCall,
    CompensationEnded,
    CompensationResumed,
    FinishedCall,
    Invocation,
)
from motet.simulation.inputs import Template
from motet.simulation.tools import ATTEMPTS, EFFECTS, LIMITS
from motet.simulation.violations import Violation
from motet.simulation.world import REFUSED, World

# Ranks of one input lie so far apart; compensations of a plan that holds its resources come behind its calls.
STRIDE: Final = 1 << 12
BEHIND: Final = 1 << 11


class Watch:
    """What is known of a plan."""

    __slots__ = (
        *(
            "accounted",
            "barrier",
            "base",
            "committed",
            "domain",
            "doubts",
            "ended",
            "entries",
            "keeps",
            "name",
            "outcome",
        ),
        *("placed", "plan_id", "resumed", "runs", "template", "terminal", "undone", "undoing", "unrepeatable"),
    )

    def __init__(self, template: Template, position: int) -> None:
        self.template = template
        self.plan_id = template.plan_id
        self.name = f"plan {template.plan_id}"
        self.domain = template.command.domain
        self.base = position * STRIDE
        self.keeps = template.keeps
        self.ended = False
        self.barrier = False
        self.committed: list[CommittedCall] = []
        self.outcome = ""
        # Terminal events that an outsider read.
        self.terminal = 0
        # -- what few plans need: None until they do ---------------------------------------------------------------------------
        # The places of calls that got in line by themselves, and of compensations by the name of their line.
        self.placed: dict[int, int] | None = None
        self.entries: dict[str, int] = {}
        self.doubts: set[int] | None = None
        self.unrepeatable: set[int] | None = None
        self.runs: dict[int, int] | None = None
        # Calls that happened though their place in the history does not say so, and of which that was said.
        self.accounted: set[int] | None = None
        self.undoing: dict[int, int] | None = None
        self.undone: set[int] | None = None
        self.resumed = 0


class Judge:
    """Watches a run, and says what is wrong with it by raising Violation."""

    silent = False

    def __init__(self, world: World) -> None:
        self.world = world
        self.watches: dict[str, Watch] = {}
        # Plans of which some calls get in line later.
        self.special: set[str] = set()
        # By scope the highest token; who has what; by toolset, scope and resource the token that acted last.
        self.tokens: dict[Any, int] = {}
        self.holders: dict[Any, str] = {}
        # By plan and scope, every token that it was granted.
        self.granted: dict[tuple[str, str], set[int]] = {}
        self.given_back: set[tuple[str, str]] = set()
        self.seen: dict[tuple[str, str, str], int] = {}
        # What people are asked: kind, plan, index.
        self.matters: list[tuple[str, str, int]] = []

    # -- what was decided --------------------------------------------------------------------------------------------------

    def admitted(self, template: Template, position: int) -> None:
        """A plan is admitted at a place in the log."""
        self.watches[template.plan_id] = Watch(template, position)
        if template.parts:
            self.special.add(template.plan_id)

    def reserved(self, plan_id: str, position: int) -> None:
        """A hybrid plan asks for all that it uses: that is its place in the order."""
        self.watches[plan_id].base = position * STRIDE

    # -- leases ------------------------------------------------------------------------------------------------------------

    def leased(self, lease: Lease) -> None:
        """Leases are granted: nobody else has one of them, and the token is above all before."""
        if lease.token <= self.tokens.get(lease.scope, 0):
            raise Violation("P2", f"token {lease.token} of scope {lease.domain} is not above all before it")
        self.tokens[lease.scope] = lease.token
        self.granted.setdefault((lease.plan_id, lease.domain), set()).add(lease.token)
        for resource in lease.resources:
            other = self.holders.setdefault((lease.scope, resource), lease.lease_id)
            if other != lease.lease_id:
                raise Violation(
                    "P3", f"lease {lease.domain}/{resource} is granted to {lease.holder}, and {other} has it"
                )

    def lease_over(self, lease: Lease, *, forgotten: bool) -> None:
        """Leases are given back, or their time is over; `forgotten` if it is over and nothing of the plan is open any more."""
        if forgotten and (lease.plan_id, lease.domain) not in self.given_back:
            raise Violation(
                "P8", f"plan {lease.plan_id} is over, and kept its leases in {lease.domain} to the end of their time"
            )
        for resource in lease.resources:
            if lease.token:
                del self.holders[lease.scope, resource]

    def acts_under(self, toolset: str, call: Invocation) -> None:
        """A call acts under its leases: whoever had them later has not acted before."""
        for one in call.leases:
            place = (toolset, one.scope, one.resource)
            seen = self.seen.get(place, 0)
            if one.token < seen:
                lease = f"{one.scope}/{one.resource}"
                raise Violation(
                    "P2", f"{call.tool} acts under {lease} with token {one.token}, and token {seen} has acted"
                )
            self.seen[place] = one.token

    # -- what follows ------------------------------------------------------------------------------------------------------

    def started(self, plan: Plan, invocations: Sequence[Invocation]) -> None:
        """Attempts begin."""
        watch = self.watches[plan.plan_id]
        if watch.barrier:
            raise Violation("P1", f"{invocations[0].call_id} of {watch.name} starts after its barrier")
        if len(plan.calls) > LIMITS.plan_calls_at_once:
            flying = sum(call.status == "STARTED" or call.lingers == "RUNNING" for call in plan.calls)
            if flying > LIMITS.plan_calls_at_once:
                raise Violation(
                    "P8", f"{flying} calls of {watch.name} are in flight; the limit is {LIMITS.plan_calls_at_once}"
                )
        for one in invocations:
            for lease in one.leases:
                if lease.token not in self.granted.get((plan.plan_id, lease.scope), ()):
                    what = f"{one.call_id} of {watch.name} is sent under {lease.scope}/{lease.resource}"
                    raise Violation("P2", f"{what} with token {lease.token}, which its plan was never granted")
            if one.attempt > 1 or watch.doubts:
                self.again(watch, one)

    def again(self, watch: Watch, one: Invocation) -> None:
        """An attempt that is not the first, or of a plan of which something is in doubt."""
        index = one.index
        if watch.doubts and index in watch.doubts:
            raise Violation("P2", f"{one.call_id} of {watch.name} is sent though it is in doubt")
        if one.mode == "RUN":
            if watch.unrepeatable and index in watch.unrepeatable:
                raise Violation("P2", f"{one.call_id} of {watch.name} may have happened and is run again")
            if one.attempt == 1:
                return
            if watch.runs is None:
                watch.runs = {}
            runs = watch.runs[index] = watch.runs.get(index, 1) + 1
            if runs > ATTEMPTS:
                raise Violation("P8", f"{one.call_id} of {watch.name} is run {runs} times; the limit is {ATTEMPTS}")

    def undo(self, plan: Plan, index: int, invocation: Invocation) -> None:
        """A compensation begins: of what happened, once, in reverse order."""
        watch = self.watches[plan.plan_id]
        if watch.undone and index in watch.undone:
            raise Violation("P2", f"call {index} of {watch.name} is undone twice")
        if watch.undoing is None:
            watch.undoing = {}
        if index not in watch.undoing:
            watch.undoing[index] = watch.base + BEHIND + len(watch.undoing)
        if invocation.attempt > 1:
            self.again(watch, invocation)

    def commit(self, plan: Plan, calls: Sequence[CommittedCall]) -> None:
        """Calls take their place in the history: in the plan's order, each once."""
        watch = self.watches[plan.plan_id]
        places = watch.template.places
        for one in calls:
            if places[one.index] != len(watch.committed):
                due = places.index(len(watch.committed)) if len(watch.committed) < len(places) else None
                raise Violation("P4", f"call {one.index} of {watch.name} is committed where call {due} is due")
            watch.committed.append(one)

    def end(self, plan: Plan) -> None:
        """A plan ends, every call of it has its place, and that is what the terminal event says."""
        watch = self.watches[plan.plan_id]
        if watch.ended:
            raise Violation("P1", f"{watch.name} ends twice")
        watch.ended, watch.outcome = True, plan.outcome
        if len(watch.committed) != len(plan.calls):
            raise Violation("P1", f"{watch.name} ends with {len(watch.committed)} of {len(plan.calls)} calls committed")
        for one in watch.committed:
            call = plan.calls[one.index]
            if (call.outcome, call.result) != (one.outcome, one.result):
                what = f"{one.outcome} {one.result}, and its terminal event says {call.outcome} {call.result}"
                raise Violation("P4", f"{call.call_id} of {watch.name} was committed as {what}")

    def fact(self, plan: Plan, kind: Any, values: dict[str, Any]) -> None:
        """An event of another kind."""
        hear = HEARS.get(kind)
        if hear is not None:
            hear(self, self.watches[plan.plan_id], len(plan.calls), values)

    def barrier(self, watch: Watch, _: int, __: dict[str, Any]) -> None:
        """Nothing of a plan starts any more."""
        if watch.barrier:
            raise Violation("P1", f"{watch.name} has two barriers")
        watch.barrier = True

    def asked(self, watch: Watch, _: int, values: dict[str, Any]) -> None:
        """A person is asked."""
        self.matters.append(("ask", watch.plan_id, values["index"]))

    def attempts(self, watch: Watch, size: int, values: dict[str, Any]) -> None:
        """Attempts ended, and their calls did not."""
        for one in values["attempts"]:
            index = one.index + size * one.compensation
            if one.next == "IN_DOUBT":
                watch.doubts = (watch.doubts or set()) | {index}
                self.account(watch, index)
                self.matters.append(("doubt", watch.plan_id, index))
            elif one.late and one.outcome == "SUCCEEDED":
                self.account(watch, index)

    def settled(self, watch: Watch, size: int, values: dict[str, Any]) -> None:
        """Somebody found out whether a call happened."""
        index = values["index"] + size * values["compensation"]
        for known in (watch.doubts, watch.unrepeatable):
            if known:
                known.discard(index)

    def compensated(self, watch: Watch, _: int, values: dict[str, Any]) -> None:
        """A compensation ended."""
        if values["outcome"] == "SUCCEEDED":
            watch.undone = (watch.undone or set()) | {values["index"]}
        else:
            self.matters.append(("failed", watch.plan_id, 0))

    def resumed(self, watch: Watch, size: int, values: dict[str, Any]) -> None:
        """A compensation goes on: what remains is tried from the beginning."""
        watch.resumed += 1
        watch.undone = (watch.undone or set()) | set(values["skipped"])
        watch.doubts = {one for one in watch.doubts or () if one < size}
        for one in values["remaining"]:
            if watch.runs:
                watch.runs.pop(size + one, None)
                watch.runs[size + one] = 0
            watch.entries.pop(f"{watch.plan_id}#u{one}", None)

    def account(self, watch: Watch, index: int) -> None:
        """That a call may have happened, or happened late, was said."""
        if watch.accounted is None:
            watch.accounted = set()
        watch.accounted.add(index)

    def entered(self, plan: Plan, position: int) -> None:
        """Some of a plan got in line by itself: calls that were approved, and compensations. Their place is that of the input that let them."""
        watch = self.watches[plan.plan_id]
        if watch.template.parts:
            if watch.placed is None:
                watch.placed = {}
            for index, call in enumerate(plan.calls):
                if call.part >= 0 and index not in watch.placed:
                    if watch.template.leases and not watch.placed:
                        # With the last of its leases it gets in line, whole.
                        watch.base = position * STRIDE
                    watch.placed[index] = position * STRIDE + watch.template.places[index]
        known = watch.entries
        names = [name for name in plan.entered if "#u" in name]
        if names or known:
            fresh = sorted((plan.entered[name], name) for name in names if name not in known)
            watch.entries = {name: known[name] for name in names if name in known}
            for _, name in fresh:
                watch.entries[name] = position * STRIDE + BEHIND + self.places(position)

    # Several lines may be entered at one place in the log.
    last_position = -1
    taken_there = 0

    def places(self, position: int) -> int:
        """How many lines were entered at a place in the log before."""
        if position != self.last_position:
            self.last_position, self.taken_there = position, 0
        self.taken_there += 1
        return self.taken_there

    # -- what was done -----------------------------------------------------------------------------------------------------

    def rank(self, watch: Watch, index: int, plan: Plan | None) -> int:
        """The place of a call in the serial order of everything."""
        places = watch.template.places
        size = len(places)
        if index < size:
            return watch.base + places[index] if watch.placed is None else watch.placed[index]
        if watch.entries and plan is not None:
            found = watch.entries.get(plan.line_of(index))
            if found is not None:
                return found
        return (watch.undoing or {}).get(index - size, watch.base + BEHIND)

    def reported(self, plan_id: str, end: FinishedCall, tool: str) -> None:
        """A tool service says how an attempt ended; what may have happened must not be run again."""
        if end.outcome == "IN_DOUBT" and EFFECTS[tool] in ("RECONCILABLE", "IRREVERSIBLE"):
            watch = self.watches[plan_id]
            watch.unrepeatable = (watch.unrepeatable or set()) | {end.index}
        elif end.error is not None and end.error.code == "DID_NOT_HAPPEN":
            known = self.watches[plan_id].unrepeatable
            if known:
                known.discard(end.index)

    # -- at the end --------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Every plan has one end, and the ledger of effects is what their histories say."""
        for watch in self.watches.values():
            if watch.terminal != 1:
                raise Violation("P1", f"{watch.name} has {watch.terminal} terminal events; there is one a plan")
            for one in watch.committed:
                if one.outcome == "SUCCEEDED":
                    self.close_success(watch, one)
        for key, (_, _, tool, _, result, plan_id, index) in self.world.effects.items():
            watch = self.watches[plan_id]
            if result != REFUSED and not self.is_told(watch, key, index):
                size = len(watch.committed)
                said = (
                    "was not undone" if index >= size else f"is {watch.committed[watch.template.places[index]].outcome}"
                )
                raise Violation("P2", f"{tool}, call {index} of {watch.name}, happened; its plan says that it {said}")

    def close_success(self, watch: Watch, one: CommittedCall) -> None:
        """What succeeded has an effect, if it is to have one, and brought what that returned."""
        effect = self.world.effects.get(one.key)
        if effect is None:
            if EFFECTS[watch.template.heads[one.index][1]] != "PURE":
                raise Violation("P2", f"call {one.index} of {watch.name} succeeded, and no effect of it is there")
        elif effect[4] != one.result:
            what = f"succeeded with {one.result}, and its effect brought {effect[4]}"
            raise Violation("P2", f"call {one.index} of {watch.name} {what}")

    def is_told(self, watch: Watch, key: str, index: int) -> bool:
        """Whether a plan's events say that an effect happened, or that nobody knew."""
        if index < len(watch.committed):
            committed = watch.committed[watch.template.places[index]]
            if committed.outcome == "SUCCEEDED":
                return committed.key == key
        elif watch.undone and index - len(watch.committed) in watch.undone:
            return True
        return watch.accounted is not None and index in watch.accounted


# What is heard of the events that need nothing but their meta.
HEARS: Final[dict[Any, Callable[[Judge, Watch, int, dict[str, Any]], None]]] = {
    BarrierRaised: Judge.barrier,
    ApprovalRequested: Judge.asked,
    AttemptsEnded: Judge.attempts,
    CallSettled: Judge.settled,
    CompensationResumed: Judge.resumed,
    CompensationEnded: Judge.compensated,
}
