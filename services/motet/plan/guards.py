"""What may keep an attempt from being sent, pure: the budgets of its plan and its agent, and its tool's circuit breaker."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Final

from motet.plan.attempts import unknown
from motet.plan.breaker import Breaker, Sign
from motet.plan.contracts import Contract
from motet.plan.model import Call, Plan
from motet.plan.spending import NOTHING, Ledger, Limit, Member, Vector, record_of
from motet.plan.steps import Fact
from motet.records import BreakerChanged, BudgetChanged, Failure, FinishedCall

# Tenant, domain, agent.
Owner = tuple[str, str, str]
UNLIMITED: Final[Limit] = (None, None, None, None)


@dataclass(slots=True)
class Hindrance:
    """What stands in an attempt's way: nothing, a failure, or calls that must be settled first. `facts` tell what changed."""

    failure: Failure | None = None
    waits: bool = False
    facts: list[Fact] = field(default_factory=list)


class Guards:
    """The agents' budgets and the tools' breakers of a shard; a plan's own budget is with the plan."""

    def __init__(self) -> None:
        self.ledgers: dict[Owner, Ledger] = {}
        self.breakers: dict[str, Breaker] = {}
        self.ledgers_changed: set[Owner] = set()
        self.breakers_changed: set[str] = set()
        self.woken: list[Member] = []

    # -- before an attempt -------------------------------------------------------------------------------------------------

    def hinder(self, plan: Plan, index: int, call: Call, contract: Contract, now: int) -> Hindrance | None:
        """Reserves what an attempt may cost and lets it pass, or says why not; None if there is nothing that it is held to."""
        ledgers = self.ledgers_of(plan)
        if not ledgers and not contract.record.breaker_failures:
            return None
        wanted = reservation(call, contract)
        for whose, ledger in ledgers:
            place = ledger.beyond(wanted, counting_reserved=True)
            if place is None:
                continue
            if ledger.beyond(wanted, counting_reserved=False) is None:
                ledger.waiting.append((plan.plan_id, index))
                self.mark(plan, whose)
                return Hindrance(waits=True)
            return Hindrance(Failure("BUDGET_EXCEEDED", f"the {whose}'s budget: {ledger.said(place, wanted)}"))
        hindrance = self.pass_breaker(plan, index, call, contract, now)
        if hindrance.failure is None:
            for whose, ledger in ledgers:
                ledger.reserve(wanted)
                hindrance.facts.append(self.said(plan, whose, ledger))
        return hindrance

    def pass_breaker(self, plan: Plan, index: int, call: Call, contract: Contract, now: int) -> Hindrance:
        """Asks the tool's breaker."""
        if not contract.record.breaker_failures:
            return Hindrance()
        breaker = self.breakers.setdefault(call.tool, Breaker())
        before = breaker.state
        if not breaker.lets_pass(f"{plan.plan_id}/{index}", now):
            wait = max(0, breaker.until - now) / 1_000
            message = f"{call.tool} failed {breaker.failures} times in a row; it is tried again in {wait:g} s"
            return Hindrance(Failure("CIRCUIT_OPEN", message))
        return Hindrance(facts=self.breaker_facts(plan, call.tool, breaker, before))

    # -- after an attempt --------------------------------------------------------------------------------------------------

    def ended(self, plan: Plan, index: int, call: Call, contract: Contract, end: FinishedCall, now: int) -> list[Fact]:
        """Settles what an attempt cost, and tells the breaker how it went."""
        facts: list[Fact] = []
        ledgers = self.ledgers_of(plan)
        if not ledgers and not contract.record.breaker_failures:
            return facts
        happened = end.outcome not in ("FAILED", "CANCELLED")
        if ledgers and not call.asks:
            reserved, spent = reservation(call, contract, sent=True), spending(call, contract, end, happened=happened)
            # What undoes was not reserved: it must run. It counts all the same.
            held = reserved if index < len(plan.calls) else NOTHING
            for whose, ledger in ledgers:
                ledger.settle(held, spent)
                self.woken += ledger.waiting
                ledger.waiting = []
                facts.append(self.said(plan, whose, ledger))
        if contract.record.breaker_failures:
            breaker = self.breakers.setdefault(call.tool, Breaker())
            before = breaker.state
            breaker.ended(contract.record, f"{plan.plan_id}/{index}", now, sign_of(call, end))
            facts += self.breaker_facts(plan, call.tool, breaker, before)
        return facts

    def take_woken(self) -> list[Member]:
        """The calls that may fit now."""
        woken, self.woken = self.woken, []
        return woken

    # -- budgets -----------------------------------------------------------------------------------------------------------

    def ledgers_of(self, plan: Plan) -> list[tuple[str, Ledger]]:
        """The budgets that a plan's calls are held to."""
        agents = self.ledgers.get((plan.tenant, plan.domain, plan.agent)) if self.ledgers else None
        found = [] if plan.ledger is None else [("plan", plan.ledger)]
        return found if agents is None else [*found, ("agent", agents)]

    def mark(self, plan: Plan, whose: str) -> None:
        """Notes that an agent's row must be written; a plan's is written with the plan."""
        if whose == "agent":
            self.ledgers_changed.add((plan.tenant, plan.domain, plan.agent))

    def said(self, plan: Plan, whose: str, ledger: Ledger) -> Fact:
        """What a budget is now."""
        self.mark(plan, whose)
        return Fact(
            plan,
            partial(
                BudgetChanged,
                plan_id=plan.plan_id if whose == "plan" else None,
                agent=plan.agent,
                limits=record_of(ledger.limits),
                reserved=record_of(ledger.reserved),
                spent=record_of(ledger.spent),
            ),
        )

    # -- breakers ----------------------------------------------------------------------------------------------------------

    def breaker_facts(self, plan: Plan, tool: str, breaker: Breaker, before: str) -> list[Fact]:
        """What a breaker is now, if that is something else."""
        self.breakers_changed.add(tool)
        if breaker.state == before:
            return []
        until = breaker.until if breaker.state == "OPEN" else None
        record = partial(
            BreakerChanged, plan_id=plan.plan_id, tool=tool, state=breaker.state, failures=breaker.failures, until=until
        )
        return [Fact(plan, record)]


def sign_of(call: Call, end: FinishedCall) -> Sign:
    """What an attempt's end says about its tool. One that was asked and answers is alive, also if another attempt is to follow."""
    if end.outcome == "CANCELLED":
        return ""
    if end.conflicts:
        # Somebody else was faster; the tool works.
        return "ALIVE"
    return "DEAD" if unknown(call, end) or (end.retry and not call.asks) else "ALIVE"


def reservation(call: Call, contract: Contract, *, sent: bool = False) -> Vector:
    """What an attempt may cost at most. A call counts once, whatever its attempts."""
    first = call.runs == (1 if sent else 0)
    return (1 if first else 0, *contract.estimate[1:])


def spending(call: Call, contract: Contract, end: FinishedCall, *, happened: bool) -> Vector:
    """What an attempt cost: as the tool says; else as its contract does, if it may have happened."""
    _, cost, tokens, _ = contract.estimate if happened else (0, 0, 0, 0)
    if end.spent is not None:
        cost = end.spent.cost_micros if end.spent.cost_micros is not None else cost
        tokens = end.spent.tokens if end.spent.tokens is not None else tokens
    return (1 if call.runs == 1 else 0, cost, tokens, end.running_milliseconds)
