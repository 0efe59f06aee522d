"""The board of a shard: open plans, the lines they stand in, what was said, and what is to be looked at. Pure.

Everything that decides works on it; nothing but decisions changes it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from typing import Any, Final

from motet.plan.contracts import Contract, Contracts
from motet.plan.guards import Guards
from motet.plan.limits import Limits
from motet.plan.lines import Lines
from motet.plan.model import Call, Plan
from motet.plan.slots import READY, Slots, in_flight
from motet.plan.steps import Fact, Step, Word
from motet.plan.text import carriable, carriable_bytes
from motet.plan.waits import MILLISECONDS
from motet.records import (
    AttemptsEnded,
    CallsLinedUp,
    CallsWaiting,
    EndedAttempt,
    Failure,
    FinishedCall,
    LinedUpCall,
    NextStep,
    ResourcesGranted,
    WaitingCall,
    WaitReason,
)

CODE_LENGTH: Final = 64
# The rules since which it is told who holds and who waits where no other event says so.
TELLS_WHO_WAITS: Final = 3


class Board:
    """`now` is the time of the input in the log, in milliseconds since 1970."""

    def __init__(self, limits: Limits, contracts: Contracts) -> None:
        self.limits = limits
        self.contracts = contracts
        self.now = 0
        self.plans: dict[str, Plan] = {}
        self.lines = Lines()
        self.guards = Guards()
        self.slots = Slots(limits, contracts)
        # Plans to look at, in order of first mention, and the calls of each that may start.
        self.dirty: dict[str, list[int]] = {}
        # What differs from the rows: plans whose state moved, with or without a step to show for it.
        self.changed: dict[str, Plan] = {}
        self.out: list[Step] = []
        # Calls that wait for a slot or a budget since this input, by plan.
        self.waiting: dict[str, dict[int, WaitingCall]] = {}
        # Calls that ended, or let go of what they used, since this input, by plan; with each whether somebody has to know in any case: it
        # let go, a call of its own line waited for what it used, or events said that it waits.
        self.ended: dict[str, dict[int, bool]] = {}

    @property
    def answer_ms(self) -> int:
        """How long a call that was told to stop may take to answer."""
        return int(self.limits.answer_seconds * MILLISECONDS)

    def touch(self, plan: Plan, index: int | None = None) -> list[int]:
        """Notes that a plan changed, and which call of it may start; the calls of it that may."""
        plan_id = plan.plan_id
        self.changed[plan_id] = plan
        candidates = self.dirty.get(plan_id)
        if candidates is None:
            candidates = self.dirty[plan_id] = []
        if index is not None:
            candidates.append(index)
        return candidates

    def note_grants(self) -> None:
        """Tells calls that the queues gave them everything."""
        for name, index in self.lines.queues.take_granted():
            reservation = self.lines.grant(name)
            if reservation is not None:
                self.out.append(Word(reservation, partial(ResourcesGranted, plan_id=name)))
                continue
            plan = self.plans.get(name.partition("#")[0])
            # A call may be granted and skipped in one step, the last of its plan.
            if plan is not None:
                plan.granted_at(index)
                self.dirty.setdefault(plan.plan_id, []).append(index)

    def wake(self) -> None:
        """Calls that waited for a budget may fit now."""
        for plan_id, index in self.guards.take_woken():
            plan = self.plans.get(plan_id)
            if plan is not None:
                self.touch(plan, index)

    def pass_on(self, ready: Iterable[tuple[Plan, int]]) -> None:
        """Calls that waited for a slot have one, or wait for the next."""
        for plan, index in ready:
            self.touch(plan, index)
            call = plan.call_at(index)
            if call is not None and call.slot not in ("", READY):
                self.waits(plan, index, "SLOT", call.slot)

    def line_up(self, plan: Plan) -> None:
        """What waits outside of the lines no longer gets in line."""
        ready = self.lines.enter_approved(plan)
        if ready:
            self.lined_up(plan, (LinedUpCall(index, plan.calls[index].claims) for index in ready))

    def lined_up(self, plan: Plan, calls: Iterable[LinedUpCall]) -> None:
        """Says which calls got in line."""
        self.fact(plan, partial(CallsLinedUp, plan_id=plan.plan_id, isolation=plan.isolation, calls=tuple(calls)))

    def waits(self, plan: Plan, index: int, reason: WaitReason, what: str) -> None:
        """Notes that a call waits, to be said once nothing more follows: it may yet begin."""
        size = len(plan.calls)
        if index < size or plan.rules < TELLS_WHO_WAITS:
            noted = WaitingCall(index, reason, what)
        else:
            noted = WaitingCall(index - size, reason, what, compensation=True)
        self.waiting.setdefault(plan.plan_id, {})[index] = noted

    def say_who_waits(self) -> None:
        """Says which calls wait for what others have."""
        for plan_id, noted in self.waiting.items():
            plan = self.plans.get(plan_id)
            calls = [] if plan is None else [(one, plan.call_at(index)) for index, one in noted.items()]
            still = tuple(one for one, call in calls if call is not None and call.open and not in_flight(call))
            if plan is not None and still:
                self.fact(plan, partial(CallsWaiting, plan_id=plan_id, calls=still))
        self.waiting.clear()

    def call_ended(self, plan: Plan, index: int, call: Call, *, began: bool) -> None:
        """A call ended, and is done with what it used unless it runs on."""
        held_up = False if call.lingers else self.lines.leave(plan, index, call)
        # The next one in the plan's order is committed now, which says everything.
        if plan.order[plan.committed] != index and plan.rules >= TELLS_WHO_WAITS:
            tell = held_up or not began
            if tell or plan.isolation == "CALL" or plan.followers[index]:
                self.ended.setdefault(plan.plan_id, {})[index] = tell

    def let_go(self, plan: Plan, indexes: Iterable[int]) -> None:
        """Notes calls that hold nothing any more, to be said unless other events say so."""
        if plan.rules >= TELLS_WHO_WAITS:
            size = len(plan.calls)
            self.ended.setdefault(plan.plan_id, {}).update((index, True) for index in indexes if index < size)

    def fact(self, plan: Plan, record: partial[Any]) -> None:
        """Says something that needs nothing but its meta."""
        self.out.append(Fact(plan, record))

    def note(
        self,
        plan: Plan,
        index: int,
        attempt: int,
        end: FinishedCall | None,
        follows: NextStep,
        *,
        at: int | None = None,
        late: bool = False,
        still_open: bool = False,
        error: Failure | None = None,
    ) -> None:
        """Says how an attempt ended that is not its call's end."""
        why, call = error or (None if end is None else end.error), plan.call_at(index)
        noted = EndedAttempt(
            index % len(plan.calls),
            attempt,
            "IN_DOUBT" if end is None else end.outcome,
            end.result if end is not None and late else None,
            None if why is None else self.bounded(why.code, why.message),
            follows,
            at,
            late,
            index >= len(plan.calls),
            "" if call is None else call.key,
            still_open and plan.rules >= TELLS_WHO_WAITS,
        )
        self.fact(plan, partial(AttemptsEnded, plan_id=plan.plan_id, attempts=(noted,)))

    def contract_of(self, call: Call) -> Contract:
        """The contract that a call was admitted by; a version once known stays known."""
        return self.contracts.of(call.tool, call.contract_version)

    def bounded(self, code: str, message: str) -> Failure:
        """An error as an event can carry it: every call of a plan may have one."""
        return Failure(carriable(code, CODE_LENGTH), carriable_bytes(message, self.limits.error_bytes))

    def bounded_end(self, end: FinishedCall) -> FinishedCall:
        """An end as the history can hold it: a success has a result, and one that is too large leaves open what the call did."""
        if end.outcome != "SUCCEEDED":
            return end
        result = "null" if end.result is None else end.result
        size = len(result.encode())
        if size <= self.limits.result_bytes:
            return end if end.result is not None else replace(end, result=result)
        error = Failure("RESULT_TOO_LARGE", f"the result has {size} bytes; the limit is {self.limits.result_bytes}")
        return replace(end, outcome="IN_DOUBT", result=None, error=error, retry=False)
