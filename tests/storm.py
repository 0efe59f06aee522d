"""Everything that can go wrong, at random: plans with all policies, and every input in any order. What always holds is checked at each step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import Any, Final

from conflicts import conflict
from faults import Desk, call, result_of
from motet.plan import Committed, Ended, Fact, Limits, Plan, Started, Step, Stopped, Undoing
from motet.plan.alarms import call_alarm
from motet.plan.model import Call
from motet.plan.slots import in_flight
from motet.records import (
    Amounts,
    AttemptsEnded,
    BarrierRaised,
    CallSettled,
    CompensationEnded,
    CompensationResumed,
    Failure,
    FinishedCall,
    Invocation,
    Policy,
    Reason,
)
from watch import Watch

NAMES: Final = (
    *("look", "move", "pay", "book", "mail", "ask", "rent", "buy", "call", "note"),
    *("close", "survey", "deposit", "deposit", "interest", "ring", "ring", "print"),
)
Place = tuple[str, int]


class Storm:
    """A desk on which everything happens. `chance` decides what."""

    def __init__(self, chance: Random) -> None:
        self.chance = chance
        self.desk = Desk(observe=self.observe, limits=Limits(plan_calls_at_once=3, tenant_calls_at_once=6))
        self.watches: dict[str, Watch] = {}
        # Attempts whose end was not reported yet; every end that was reported, to come again.
        self.running: list[tuple[Plan, Invocation]] = []
        self.reported: list[tuple[Plan, FinishedCall]] = []
        self.seen = 0

    # -- plans -------------------------------------------------------------------------------------------------------------

    def some_calls(self) -> list[Any]:
        """Calls over three accounts, some behind others, some with their results, some that wait for a person."""
        chance, out = self.chance, []
        for index in range(chance.randint(1, 5)):
            after = (
                sorted(chance.sample(range(index), chance.randint(0, min(index, 2)))) if chance.random() < 0.6 else []
            )
            n = result_of(after[0]) if after and chance.random() < 0.3 else None
            key = result_of(after[-1], "/id") if after and chance.random() < 0.2 else chance.choice("abc")
            out.append(call(chance.choice(NAMES), key, after, n, approval=chance.random() < 0.15))
        return out

    def some_policy(self, calls: int) -> Policy:
        """Any policy."""
        chance = self.chance
        batch: Any = chance.choice(["COLLECT_ALL", "COLLECT_ALL", "FAIL_FAST", "QUORUM"])
        budget = None
        if chance.random() < 0.3:
            calls_limit = chance.randint(0, 4)
            cost = chance.choice([None, 50_000, 150_000, 250_000])
            budget = Amounts(calls_limit, cost, None, chance.choice([None, None, 25_000]))
        return Policy(
            batch,
            chance.randint(1, calls) if batch == "QUORUM" else None,
            chance.choice(["STOP", "CONTINUE", "COMPENSATE", "COMPENSATE"]),
            chance.choice(["HOLD", "END"]),
            chance.choice(["WAIT", "WAIT", "WAIT", "REFUSE"]),
            chance.choice([None, 30.0, 300.0]),
            budget,
            chance.choice(["HOLD", "LINE_UP"]),
            chance.choice([None, 10.0, 100.0]),
        )

    def submit(self) -> None:
        """A plan comes."""
        calls: list[Any] = self.some_calls()
        plan = self.desk.submit(
            *calls,
            policy=self.some_policy(len(calls)),
            isolation=self.chance.choice(["PLAN", "PLAN", "CALL"]),
            agent=self.chance.choice(["one", "two"]),
        )
        if isinstance(self.desk.refusal, Reason):
            assert self.desk.refusal.code == "RESOURCE_IN_QUARANTINE"
        else:
            self.watches.setdefault(plan.plan_id, Watch())

    # -- inputs ------------------------------------------------------------------------------------------------------------

    def some_end(self, invocation: Invocation) -> FinishedCall:
        """An end as tool services report it, of an attempt to run a call or to find out about it."""
        chance = self.chance
        asks = invocation.mode == "RECONCILE"
        kind = chance.choice(["done", "done", "done", "failed", "again", "lost", "lost again", "cancelled"])
        head = (invocation.index, invocation.key, invocation.attempt)
        spent = Amounts(None, chance.randint(0, 100_000), None, None) if chance.random() < 0.3 else None
        more: dict[str, Any] = {"spent": spent, "running_milliseconds": chance.randint(0, 10_000)}
        failure = self.failure(asks, kind)
        match kind:
            case "done":
                result = chance.choice(["1", '{"id":"b"}', "null"])
                return FinishedCall(*head, "SUCCEEDED", result, None, **more)
            case "failed" | "again":
                delay = chance.choice([None, None, 5.0])
                return FinishedCall(*head, "FAILED", None, failure, kind == "again" or asks, delay, **more)
            case "cancelled":
                return FinishedCall(*head, "CANCELLED", None, failure, **more)
        return FinishedCall(*head, "IN_DOUBT", None, failure, kind == "lost again", **more)

    def failure(self, asks: bool, kind: str) -> Any:
        """Why."""
        return Failure("DID_NOT_HAPPEN" if asks and kind == "failed" else kind.upper(), "so it is")

    def report(self) -> None:
        """An attempt ends, and its end is reported twice."""
        plan, invocation = self.running.pop(self.chance.randrange(len(self.running)))
        end = self.some_end(invocation)
        if end.outcome == "IN_DOUBT" and self.chance.random() < 0.3:
            # Its host gave it up, and it may bring its result all the same.
            self.running.append((plan, invocation))
        self.tell(plan, end)

    def tell(self, plan: Plan, end: FinishedCall) -> None:
        """Reports an end, and again at once: a repeat changes nothing."""
        self.note(plan, end)
        self.desk.report(plan, end)
        before = dict(self.desk.rows)
        self.desk.report(plan, end)
        assert self.desk.rows == before
        self.reported.append((plan, end))

    def note(self, plan: Plan, end: FinishedCall) -> None:
        """What an end means for another attempt."""
        watch, of = self.watches[plan.plan_id], plan.call_at(end.index)
        if of is None or not of.under_way:
            return
        found = end.error is not None and end.error.code == "DID_NOT_HAPPEN"
        if found and end.attempt == of.attempt:
            watch.unrepeatable.discard(end.index)
        elif end.outcome == "IN_DOUBT" and of.effect in ("RECONCILABLE", "IRREVERSIBLE") and end.attempt == of.attempt:
            watch.unrepeatable.add(end.index)

    def repeat(self) -> None:
        """An old end comes again."""
        plan, end = self.chance.choice(self.reported)
        before = dict(self.desk.rows)
        self.desk.report(plan, end)
        late = end.outcome == "SUCCEEDED"
        assert late or self.desk.rows == before

    def decide(self) -> None:
        """A person decides about a call that is asked about, now and then about other arguments."""
        plan, index = self.chance.choice(self.asked())
        if self.chance.random() < 0.2:
            assert self.desk.approve(plan, index, "0" * 64) == "OTHER_ARGUMENTS"
        elif self.chance.random() < 0.7:
            assert not self.desk.approve(plan, index)
        else:
            assert not self.desk.deny(plan, index)

    def settle(self) -> None:
        """A person finds out about a call in doubt, or about a compensation."""
        plan, index = self.chance.choice(self.in_doubt())
        size = len(plan.calls)
        finding = self.chance.choice(["HAPPENED", "DID_NOT_HAPPEN", "COMPENSATE"])
        if finding == "COMPENSATE" and (
            index >= size
            or plan.calls[index].tool
            in (*("f.buy", "f.call", "f.note", "f.look", "f.survey", "f.interest", "f.ring", "f.print"),)
        ):
            finding = "DID_NOT_HAPPEN"
        result = "1" if finding == "HAPPENED" else None
        assert not self.desk.settle(plan, index % size, finding, result, undo=index >= size)

    def resume(self) -> None:
        """A person goes on with a compensation."""
        plan = self.chance.choice(self.failed())
        skip = [index for index in plan.undo if self.chance.random() < 0.5]
        answer = self.desk.resume(plan, *skip)
        assert answer in ("", "IN_DOUBT")

    def cancel(self) -> None:
        """Somebody cancels a plan."""
        plan = self.chance.choice(list(self.desk.schedule.plans.values()))
        refused = self.desk.cancel(plan)
        assert refused in ("", "ALREADY_STOPPED", "PLAN_ENDED")

    def allow(self) -> None:
        """An agent's budget is set."""
        limits = Amounts(self.chance.choice([None, 2, 5, 20]), self.chance.choice([None, 150_000, 10_000_000]))
        self.desk.allow(limits, self.chance.choice(["one", "two"]), reset=self.chance.random() < 0.5)

    def wait(self) -> None:
        """Time passes, a little or until something is due."""
        due = self.desk.schedule.alarms.next()
        if due is not None and self.chance.random() < 0.6:
            self.desk.wait(max(0, due - self.desk.now) / 1_000)
        else:
            self.desk.wait(self.chance.choice([0.5, 3.0, 20.0, 120.0]))

    def ring(self) -> None:
        """A timer comes back though nothing is due."""
        self.desk.ring(self.chance.choice(list(self.desk.schedule.plans.values())))

    # -- who can do something ----------------------------------------------------------------------------------------------

    def open_calls(self) -> list[tuple[Plan, int, Call]]:
        """Every call and compensation of which something may come."""
        return [
            (plan, index, one)
            for plan in self.desk.schedule.plans.values()
            for index, one in plan.everything()
            if one.open
        ]

    def asked(self) -> list[tuple[Plan, int]]:
        """The calls that wait for a decision."""
        return [(plan, i) for plan, i, one in self.open_calls() if one.status == "WAITING" and one.approval == "ASKED"]

    def in_doubt(self) -> list[tuple[Plan, int]]:
        """The calls that wait to be settled."""
        return [(plan, i) for plan, i, one in self.open_calls() if "IN_DOUBT" in (one.status, one.lingers)]

    def failed(self) -> list[Plan]:
        """The plans whose compensation failed."""
        return [plan for plan in self.desk.schedule.plans.values() if plan.undo_failed and plan.ended]

    # -- the course of things ----------------------------------------------------------------------------------------------

    def happen(self) -> None:
        """Something happens."""
        plans = self.desk.schedule.plans
        can = [self.wait, self.allow]
        can += [self.submit] * 3 if len(plans) < 4 else []
        can += [self.report] * 8 if self.running else []
        can += [self.repeat] * 2 if self.reported else []
        can += [self.decide] * 2 if self.asked() else []
        can += [self.settle] * 2 if self.in_doubt() else []
        can += [self.resume] * 2 if self.failed() else []
        can += [self.cancel, self.ring, self.wait] if plans else []
        self.chance.choice(can)()

    def calm_down(self) -> None:
        """All that can happen happens: attempts end, people decide, time passes. No plan is left then, and nothing of any."""
        while True:
            before = dict(self.desk.rows)
            if self.running:
                self.report()
            elif self.asked():
                self.decide()
            elif self.in_doubt():
                self.settle()
            elif self.failed():
                self.resume()
            elif not self.desk.schedule.plans:
                break
            else:
                self.pass_time()
                assert self.desk.rows != before, "time passes and nothing happens"
        assert all(watch.ended for watch in self.watches.values())
        assert self.desk.nothing_left()

    def pass_time(self) -> None:
        """Some call is due, or a plan waits for what never comes: the end of its own time must not be what frees it."""
        board = self.desk.schedule.board
        due = [alarm for _, _, one in self.open_calls() if (alarm := call_alarm(one, board.contract_of(one)))]
        assert due, "nothing runs, nothing is due, nobody can decide, and plans are left"
        self.desk.wait(max(0, min(due) - self.desk.now) / 1_000)

    # -- what always holds -------------------------------------------------------------------------------------------------

    def observe(self) -> None:
        """Looks at the steps that are new."""
        for step in self.desk.steps[self.seen :]:
            self.look_at(step, self.watches.setdefault(step.plan.plan_id, Watch()))
        self.seen = len(self.desk.steps)
        for plan in self.desk.schedule.plans.values():
            assert plan.ledger is None or min(plan.ledger.reserved) >= 0
        self.check_slots()
        for ledger in self.desk.schedule.board.guards.ledgers.values():
            assert min(ledger.reserved) >= 0

    def check_slots(self) -> None:
        """No more are in flight than may be, and whoever waits for a slot waits for one that is not free."""
        slots, used = self.desk.schedule.board.slots, Counter[str]()
        for plan in self.desk.schedule.plans.values():
            for index, one in plan.everything():
                if in_flight(one) or one.slot:
                    demand = slots.demand(plan, index, one, slots.contract_of(one))
                    had = demand if in_flight(one) else slots.had(plan, index, one)
                    used.update(what for what, _ in had)
        assert slots.used == dict(used)
        for plan, index, one in [place for place in self.open_calls() if in_flight(place[2]) or place[2].slot]:
            most = dict(slots.demand(plan, index, one, slots.contract_of(one)))
            assert all(used[what] <= limit for what, limit in most.items())
            assert not one.slot or used[one.slot] == most[one.slot]

    def look_at(self, step: Step, watch: Watch) -> None:
        """One step."""
        plan = step.plan
        assert isinstance(plan, Plan), "nobody else's plan is here"
        match step:
            case Started(invocations=invocations):
                self.started(plan, watch, invocations)
            case Undoing(index=index, invocation=invocation):
                self.undo(plan, watch, index)
                self.attempt(plan, watch, invocation)
            case Stopped(calls=stopped):
                assert {one.index for _, one in stopped} <= watch.begun, "what never began is told to stop"
            case Committed(calls=committed):
                for one in committed:
                    assert one.index not in watch.committed
                    watch.committed[one.index] = one
            case Ended():
                assert not watch.ended, "a plan ends twice"
                watch.ended = True
            case Fact(record=record):
                self.hear(watch, record.func, record.keywords, len(plan.calls))
        if watch.ended:
            assert len(watch.committed) == len(plan.calls)
            for index, last in watch.committed.items():
                at = plan.calls[index]
                assert (last.outcome, last.result, last.error) == (at.outcome, at.result, at.error), "history changed"

    def started(self, plan: Plan, watch: Watch, invocations: Sequence[Invocation]) -> None:
        """Calls start: not behind a barrier, and no more than the budget has."""
        assert not watch.barrier, "a call starts after the barrier"
        for one in invocations:
            self.attempt(plan, watch, one)
        budget = plan.policy.budget
        if budget is not None and budget.calls is not None:
            assert len([one for one in watch.begun if one < len(plan.calls)]) <= budget.calls

    def attempt(self, plan: Plan, watch: Watch, one: Invocation) -> None:
        """An attempt begins."""
        of = plan.call_at(one.index)
        assert of is not None
        assert one.index not in watch.doubtful, "a call in doubt is sent"
        assert one.deadline_at is not None
        if one.mode == "RUN":
            assert one.index not in watch.unrepeatable, "what may have happened is run again"
            watch.runs[one.index] += 1
            assert watch.runs[one.index] <= self.desk.schedule.board.contract_of(of).record.attempts
        watch.begun.add(one.index)
        self.running.append((plan, one))
        self.check_alone(plan, one.index, of)

    def check_alone(self, plan: Plan, index: int, of: Call) -> None:
        """Nothing that conflicts with a call is under way when it begins, and no other plan holds what it uses."""
        for other in self.desk.schedule.plans.values():
            holds = other.isolation == "PLAN" and not other.in_line and not other.ended and other is not plan
            for at, one in other.everything():
                under_way = one.under_way
                if other is plan:
                    under_way = one.status == "STARTED" or one.lingers == "RUNNING"
                if (other is not plan or at != index) and (under_way or (holds and one.attempt)):
                    assert plan.domain != other.domain or not conflict(of.claims, one.claims), (
                        plan.plan_id,
                        index,
                        other.plan_id,
                        at,
                    )

    def undo(self, plan: Plan, watch: Watch, index: int) -> None:
        """A compensation begins: of what happened, once, in reverse order of commits."""
        of = plan.calls[index]
        happened = of.outcome == "SUCCEEDED" or of.late_result is not None or of.undo
        assert happened, "what did not happen is undone"
        assert index not in watch.undone, "undone twice"
        if index not in watch.undoing:
            order = plan.order
            if of.outcome == "SUCCEEDED":
                before = [one for one in watch.undoing if plan.calls[one].outcome == "SUCCEEDED"]
                assert all(order.index(one) > order.index(index) for one in before), "not the reverse order"
            watch.undoing.append(index)

    def hear(self, watch: Watch, kind: Any, values: dict[str, Any], size: int) -> None:
        """One fact."""
        if kind is BarrierRaised:
            assert not watch.barrier
            watch.barrier = True
        elif kind is AttemptsEnded:
            for one in values["attempts"]:
                if one.next == "IN_DOUBT":
                    watch.doubtful.add(one.index + size * one.compensation)
        elif kind is CallSettled:
            settled = values["index"] + size * values["compensation"]
            watch.doubtful.discard(settled)
            watch.unrepeatable.discard(settled)
        elif kind is CompensationResumed:
            watch.doubtful -= {one for one in watch.doubtful if one >= size}
            watch.undone |= set(values["skipped"])
            for one in values["remaining"]:
                watch.runs[size + one] = 0
        elif kind is CompensationEnded and values["outcome"] == "SUCCEEDED":
            watch.undone.add(values["index"])
