"""Tools of every effect class, and a desk from which a test feeds a schedule: what the deciders of faults are tried on.

Each input is given to two schedules: the one that lives on, and one that is restored from the rows at that moment, as a new process would.
Both must say the same and write the same, so each test is a test of crashes too.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, Final

from fault_rows import changes, comparable, said
from motet.plan import (
    Contracts,
    Fact,
    Limits,
    Plan,
    Schedule,
    Started,
    Step,
    Stopped,
    Undoing,
    admit,
    direct,
    from_state,
    to_state,
)
from motet.plan.breaker import Breaker
from motet.plan.direct import AboutPlan, set_budget
from motet.plan.model import Call
from motet.plan.rows import ledger_from
from motet.records import (
    Amounts,
    ApproveCall,
    CallOutcome,
    CancelPlan,
    ClaimMode,
    ClaimTemplate,
    Compensation,
    DenyCall,
    EffectClass,
    Failure,
    FinishedCall,
    Invocation,
    Isolation,
    Meta,
    PlannedCall,
    Policy,
    Reason,
    ResumeCompensation,
    SetBudget,
    SettleCall,
    SlotTemplate,
    SubmitPlan,
    ToolContract,
)

META: Final = Meta("e", "c", "", "", "", 0, 0, None)
SCHEMA: Final = '{"type":"object","properties":{"key":{"type":"string"},"n":{}},"required":["key"]}'
START: Final = 1_000_000


def tool(
    name: str,
    effect: EffectClass = "IDEMPOTENT",
    claims: Sequence[tuple[str, ClaimMode] | tuple[str, ClaimMode, str]] = (("account:{key}", "WRITE"),),
    undone_by: str | None = None,
    undo_arguments: str = '{"key":{"$argument":"key"}}',
    **more: Any,
) -> ToolContract:
    """A published contract. Waits between attempts are 1, 2, 4 … s at most, attempts take 10 s at most, a call 100 s."""
    fields: dict[str, Any] = {
        "timeout_seconds": 10.0,
        "backoff_seconds": 1.0,
        "deadline_seconds": 100.0,
        "compensation": None if undone_by is None else Compensation(undone_by, None, undo_arguments),
    }
    templates = tuple(ClaimTemplate(*one) for one in claims)
    head = (
        META,
        name,
        1,
        name.partition(".")[0],
        "",
        effect,
        SCHEMA,
        '{"type":["integer","null","object"]}',
        templates,
    )
    return ToolContract(*head, sha256="sha", **{**fields, **more})


TOOLS: Final = (
    tool("f.look", "PURE", [("account:{key}", "READ")]),
    tool("f.move", "TRANSACTIONAL", undone_by="f.refund"),
    tool("f.pay", undone_by="f.refund"),
    tool("f.refund"),
    tool("f.book", "RECONCILABLE", undone_by="f.unbook"),
    tool("f.unbook", "RECONCILABLE"),
    tool("f.mail", "IRREVERSIBLE", undone_by="f.retract"),
    tool("f.retract", "IRREVERSIBLE"),
    tool("f.ask", approval=True, approval_seconds=50.0, undone_by="f.refund"),
    # Its compensation needs what it returned.
    tool("f.rent", undone_by="f.return", undo_arguments='{"key":{"$result":"/id"}}'),
    tool("f.return"),
    tool("f.buy", cost_micros=100_000, tokens=1_000),
    tool("f.call", breaker_failures=2, breaker_reset_seconds=20.0, attempts=2),
    tool("f.note", claims=()),
    # One in flight at a time; two at a time of each account.
    tool("f.ring", "PURE", claims=(), at_once=1),
    tool(
        "f.print",
        claims=(),
        at_once_per=(SlotTemplate("printer:{key}", 2), SlotTemplate("room:{domain}", 3)),
        at_once=4,
    ),
    # Wholes, and two operations that commute each with itself.
    tool("f.close", "TRANSACTIONAL", [("account:*", "WRITE")], undone_by="f.reopen"),
    tool("f.reopen", "TRANSACTIONAL", [("account:*", "WRITE")]),
    tool("f.survey", "PURE", [("{domain}", "READ")]),
    tool("f.deposit", claims=[("account:{key}", "COMMUTE", "deposit")], undone_by="f.refund"),
    tool("f.interest", claims=[("account:{key}", "COMMUTE", "interest")]),
)


def call(
    name: str, key: object = "a", after: Sequence[int] = (), n: object = None, **more: Any
) -> Callable[[int], PlannedCall]:
    """A call of a tool on an account; its id follows from its place in the plan."""
    arguments = json.dumps({"key": key} if n is None else {"key": key, "n": n})
    return lambda index: PlannedCall(
        f"c{index}", f"f.{name}", None, arguments, tuple(f"c{one}" for one in after), **more
    )


def result_of(index: int, pointer: str = "") -> dict[str, Any]:
    """A reference to the result of another call, or to a place in it."""
    return {"$result": {"call": f"c{index}", "pointer": pointer}}


class Desk:
    """A schedule, its rows and a clock. `observe` is called when the steps of an input are known."""

    def __init__(
        self,
        *more: ToolContract,
        limits: Limits | None = None,
        observe: Callable[[], None] = lambda: None,
        name: str = "",
    ) -> None:
        self.observe = observe
        # Of its plans, where there are several desks.
        self.name = name
        # Told of each plan when it is admitted, before anything follows.
        self.admitting: Callable[[Plan], None] = lambda _: None
        self.limits = limits or Limits()
        self.contracts = Contracts()
        for one in (*more, *TOOLS):
            self.contracts.add(one)
        self.schedule = Schedule(self.limits, self.contracts)
        self.now = START
        self.plans: dict[str, Plan] = {}
        self.steps: list[Step] = []
        self.rows: dict[str, str] = {}
        self.budgets: dict[tuple[str, str, str], str] = {}
        self.breakers: dict[str, tuple[int, int, str]] = {}
        self.commands = 0
        self.refusal: list[Step] | Reason = []

    # -- both schedules ----------------------------------------------------------------------------------------------------

    def restored(self) -> Schedule:
        """What a new process would have, as the coordinator reads it."""
        schedule = Schedule.restore([from_state(row) for row in self.rows.values()], self.limits, self.contracts)
        guards = schedule.board.guards
        guards.ledgers.update((owner, ledger_from(*json.loads(row))) for owner, row in self.budgets.items())
        guards.breakers.update((name, Breaker(*columns)) for name, columns in self.breakers.items())
        return schedule

    def feed(self, act: Callable[[Schedule], list[Step] | Reason]) -> list[Step] | Reason:
        """Gives an input to the schedule and to a restored one."""
        twin = self.restored()
        self.schedule.at(self.now)
        twin.at(self.now)
        answer, other = act(self.schedule), act(twin)
        assert said(other) == said(answer)
        if not isinstance(answer, Reason):
            self.steps += answer
        written = changes(self.schedule)
        assert [comparable(one) for one in changes(twin)] == [comparable(one) for one in written]
        plans, budgets, breakers = written
        self.rows.update(plans)
        self.budgets.update(budgets)
        self.breakers.update(breakers)
        self.rows = {plan_id: row for plan_id, row in self.rows.items() if row}
        assert self.rows == {plan_id: to_state(plan) for plan_id, plan in self.schedule.plans.items()}
        self.observe()
        return answer

    def steps_of(self, act: Callable[[Schedule], list[Step] | Reason]) -> list[Step]:
        """As `feed`, for what is not refused."""
        answer = self.feed(act)
        assert not isinstance(answer, Reason), answer
        return answer

    def direct(self, command: AboutPlan) -> str:
        """A command about a plan; the code with which it is refused, or nothing."""
        answer = self.feed(lambda schedule: direct(schedule, command))
        return answer.code if isinstance(answer, Reason) else ""

    # -- inputs ------------------------------------------------------------------------------------------------------------

    def submit(
        self,
        *calls: Callable[[int], PlannedCall],
        policy: Policy | None = None,
        isolation: Isolation = "PLAN",
        agent: str = "agent",
        domain: str = "d",
        **more: Any,
    ) -> Plan:
        """A plan that is admitted."""
        planned = tuple(one(index) for index, one in enumerate(calls))
        plan_id = f"p{self.name}{len(self.plans)}"
        command = SubmitPlan(
            *(plan_id, "acme", domain, agent, isolation, planned, None, None), policy=policy or Policy(), **more
        )
        admitted: list[Plan] = []

        def act(schedule: Schedule) -> list[Step] | Reason:
            plan = admit(command, plan_id, 100, self.contracts, self.limits, self.now)
            assert isinstance(plan, Plan), plan
            admitted.append(plan)
            refused = schedule.quarantined(plan)
            if refused is None and schedule is self.schedule:
                self.admitting(plan)
            return refused or schedule.admit(plan)

        self.refusal = self.feed(act)
        plan = self.plans[plan_id] = admitted[0]
        return plan

    def end(
        self,
        plan: Plan,
        index: int,
        outcome: CallOutcome = "SUCCEEDED",
        code: str | None = None,
        *,
        attempt: int | None = None,
        result: str | None = "1",
        **more: Any,
    ) -> FinishedCall:
        """An attempt ends, the last one that was sent unless another is named."""
        at = plan.call_at(index)
        assert at is not None
        error = None if code is None else Failure(code, "so it is")
        value = result if outcome == "SUCCEEDED" else None
        end = FinishedCall(index, at.key, attempt or at.attempt, outcome, value, error, **more)
        self.report(plan, end)
        return end

    def report(self, plan: Plan, end: FinishedCall) -> list[Step]:
        """A tool service reports an end."""
        return self.steps_of(lambda schedule: schedule.finished(plan.plan_id, [end]))

    def succeed(self, plan: Plan, *indexes: int) -> None:
        """Attempts succeed."""
        for index in indexes:
            self.end(plan, index)

    def fail(self, plan: Plan, index: int, code: str = "NO", **more: Any) -> None:
        """An attempt fails: it did not happen."""
        self.end(plan, index, "FAILED", code, **more)

    def lose(self, plan: Plan, index: int, **more: Any) -> None:
        """An attempt ends, and its tool service does not know whether it happened."""
        self.end(plan, index, "IN_DOUBT", "TIMED_OUT", **more)

    def ring(self, plan: Plan) -> None:
        """A timer of a plan comes back, due or not."""
        self.steps_of(lambda schedule: schedule.ring(plan.plan_id))

    def wait(self, seconds: float) -> None:
        """Time passes, and every timer rings when it is due."""
        until = self.now + round(seconds * 1_000)
        while (due := self.schedule.alarms.next()) is not None and due <= until:
            self.now = max(self.now, due)
            for plan_id, _ in self.schedule.alarms.take(self.schedule.plans, self.now):
                self.ring(self.plans[plan_id])
        self.now = until

    def head(self, agent: str = "boss") -> tuple[str, str, str, str]:
        """What every command begins with."""
        self.commands += 1
        return (f"k{self.commands}", "acme", "d", agent)

    def cancel(self, plan: Plan) -> str:
        """Cancels a plan."""
        return self.direct(CancelPlan(*self.head(), plan.plan_id, "no longer wanted"))

    def approve(self, plan: Plan, index: int, sha256: str | None = None) -> str:
        """Approves a call, with the arguments that it has unless others are named."""
        of = plan.calls[index]
        return self.direct(ApproveCall(*self.head(), plan.plan_id, of.call_id, sha256 or of.arguments_sha256))

    def deny(self, plan: Plan, index: int, sha256: str | None = None) -> str:
        """Denies a call."""
        of = plan.calls[index]
        return self.direct(DenyCall(*self.head(), plan.plan_id, of.call_id, sha256 or of.arguments_sha256, "too much"))

    def settle(self, plan: Plan, index: int, finding: Any, result: str | None = None, *, undo: bool = False) -> str:
        """Says what somebody found out about a call, or about its compensation."""
        name = plan.calls[index].call_id
        return self.direct(SettleCall(*self.head(), plan.plan_id, name, undo, finding, result))

    def resume(self, plan: Plan, *skip: int) -> str:
        """Goes on with a compensation."""
        names = tuple(plan.calls[index].call_id for index in skip)
        return self.direct(ResumeCompensation(*self.head(), plan.plan_id, names))

    def allow(self, limits: Amounts, agent: str = "agent", *, reset: bool = False) -> None:
        """Sets an agent's budget."""
        command = SetBudget(*self.head(), agent, limits, reset=reset)

        def act(schedule: Schedule) -> list[Step] | Reason:
            ledger = set_budget(schedule, command)
            return ledger if isinstance(ledger, Reason) else schedule.steps()

        self.steps_of(act)

    # -- what was said -----------------------------------------------------------------------------------------------------

    def facts(self, record: type[Any]) -> list[dict[str, Any]]:
        """The facts of a kind, in order."""
        return [one.record.keywords for one in self.steps if isinstance(one, Fact) and one.record.func is record]

    def sent(self, plan: Plan | None = None) -> list[tuple[int, int, str]]:
        """Every attempt that was sent: index, number, mode."""
        return [
            (one.index, one.attempt, one.mode)
            for step in self.steps
            if plan is None or step.plan.plan_id == plan.plan_id
            for one in sent_by(step)
        ]

    def stopped(self, plan: Plan) -> list[int]:
        """The calls that were told to stop."""
        return [
            one.index for step in self.steps if isinstance(step, Stopped) and step.plan is plan for _, one in step.calls
        ]

    def nothing_left(self) -> bool:
        """Whether nothing is kept once every plan is finished."""
        queues, guards = self.schedule.board.lines.queues, self.schedule.board.guards
        kept = (queues.queues, queues.standing, self.schedule.plans, self.rows)
        ledgers, slots = guards.ledgers.values(), self.schedule.board.slots
        return (
            not any(kept)
            and not self.schedule.alarms.take(self.schedule.plans, 10**15)
            and all(not any(one.reserved) and not one.waiting for one in ledgers)
            and not any(one.probe for one in guards.breakers.values())
            and not any((slots.used, slots.rounds, slots.plans))
        )


def sent_by(step: Step) -> Sequence[Invocation]:
    """The attempts that a step begins."""
    match step:
        case Started(invocations=invocations):
            return invocations
        case Undoing(invocation=invocation):
            return (invocation,)
    return ()


def outcomes(plan: Plan) -> list[str]:
    """How the calls ended, with the code if there is one."""
    return [shown(one) for one in plan.calls]


def shown(one: Call) -> str:
    """How a call ended."""
    return one.outcome if one.error is None else f"{one.outcome} {one.error.code}"
