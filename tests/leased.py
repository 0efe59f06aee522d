"""Hosts of plans in several domains and the lease service between them, without servers: what the laws of leased plans are tried on.

Words and answers keep their order between two services, as lanes do, and nothing else does. Each host is given its input twice, to the schedule
that lives on and to one from its rows (`faults.Desk`); so is the book of leases.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, Final

from faults import META, START, Desk, call, tool
from leasing import Rows
from motet.leases.book import Book
from motet.leases.desk import Desk as LeaseDesk
from motet.leases.lease import Ended, Granted, Step
from motet.leases.limits import LeaseLimits
from motet.leases.plans import denied, word
from motet.plan import Plan, Started, Undoing, Word
from motet.records import FinishedCall, GiveBackLeases, Invocation, LeasesTaken, PlannedCall, Policy, TakeLeases

DOMAINS: Final = ("one", "two")
SCOPES: Final = ("here", "there")
LEASING: Final = (
    tool("f.print", claims=[("account:{key}", "WRITE")], leases=("here/printer:{key}",), lease_seconds=30.0),
    tool("f.scan", "TRANSACTIONAL", [], undone_by="f.shred", leases=("there/scanner:{key}",), lease_seconds=60.0),
    tool("f.shred", claims=[("account:{key}", "WRITE")], leases=("here/shredder:{key}",)),
    tool("f.sign", claims=[], approval=True, approval_seconds=50.0, leases=("here/pen",)),
    tool("f.post", "IRREVERSIBLE", [], leases=("here/printer:{key}", "there/stamp")),
)
TOOLS: Final = ("print", "scan", "post", "pay", "note", "sign")


@dataclass
class Town:
    """Two domains, one lease service, and calls that run. `held` is what an outside witness sees: who uses a lease now."""

    random: Random
    limits: LeaseLimits = field(default_factory=LeaseLimits)
    desks: dict[str, Desk] = field(default_factory=dict)
    book: Book = field(default_factory=Book)
    rows: Rows = field(default_factory=Rows)
    now: int = START
    words: dict[str, deque[Any]] = field(default_factory=lambda: {name: deque() for name in DOMAINS})
    answers: dict[str, deque[Any]] = field(default_factory=lambda: {name: deque() for name in DOMAINS})
    running: list[tuple[str, Plan, Invocation]] = field(default_factory=list)
    tokens: dict[str, int] = field(default_factory=dict)
    fence: dict[str, int] = field(default_factory=dict)
    refused: int = 0

    def __post_init__(self) -> None:
        for name in DOMAINS:
            self.desks[name] = Desk(*LEASING, observe=self.check, name=f"{name}-")
        self.heard = dict.fromkeys(DOMAINS, 0)

    # -- what happens ------------------------------------------------------------------------------------------------------

    def submit(self, domain: str, *calls: Callable[[int], PlannedCall], **more: Any) -> Plan:
        """A plan comes in."""
        plan = self.desks[domain].submit(*calls, **more)
        self.listen(domain)
        return plan

    def some_plan(self) -> None:
        """A plan of a few calls, with leases and without."""
        count = self.random.randint(1, 3)
        calls = [call(self.random.choice(TOOLS), self.random.choice("ab")) for _ in range(count)]
        policy = Policy(on_failure=self.random.choice(["STOP", "COMPENSATE", "CONTINUE"]), in_doubt="END")
        own = self.random.sample(["here/key", "there/stamp"], self.random.randint(0, 1))
        self.submit(self.random.choice(DOMAINS), *calls, policy=policy, leases=tuple(own))

    def listen(self, domain: str) -> None:
        """What a host said since this was called last goes on its way."""
        desk = self.desks[domain]
        said, self.heard[domain] = desk.steps[self.heard[domain] :], len(desk.steps)
        for step in said:
            if isinstance(step, Word):
                self.words[domain].append(step.record(meta=replace(META, tenant="acme", domain=domain)))
            elif isinstance(step, Started):
                self.running += [(domain, step.plan, one) for one in step.invocations]
            elif isinstance(step, Undoing):
                self.running.append((domain, step.plan, step.invocation))

    def serve(self, domain: str) -> None:
        """The lease service takes the next word of a host."""
        request = self.words[domain].popleft()
        self.decide(lambda desk: self.answer(desk, request))

    def answer(self, desk: LeaseDesk, request: TakeLeases | GiveBackLeases) -> list[Step]:
        """What the desk says to a request; a refusal goes to the host."""
        over = desk.book.at((request.meta.tenant, request.scope), self.now)
        if isinstance(request, GiveBackLeases):
            return [*over, *desk.give_back(request, self.now)]
        steps = desk.take(request, self.now)
        if isinstance(steps, tuple):
            if desk.book is self.book:
                self.answers[request.meta.domain].append(denied(request, steps)(meta=META))
            return over
        return [*over, *steps]

    def decide(self, act: Callable[[LeaseDesk], list[Step]]) -> None:
        """An input of the lease service: its book and one from its rows say the same."""
        twin = self.rows.restored()
        steps = act(LeaseDesk(self.book, self.limits))
        assert act(LeaseDesk(twin, self.limits)) == steps
        self.rows.save(self.book)
        for step in steps:
            lease = step.lease
            if isinstance(step, Granted):
                assert lease.token > self.tokens.get(lease.domain, 0)
                self.tokens[lease.domain] = lease.token
            told = word(step)
            if told is not None:
                self.answers[lease.plan_domain].append(told(meta=META))
            assert not isinstance(step, Ended) or lease.plan_id

    def hear(self, domain: str) -> None:
        """A host takes the next answer."""
        answer = self.answers[domain].popleft()
        self.desks[domain].steps_of(lambda schedule: schedule.leases(answer))
        self.listen(domain)

    def run(self, place: int, outcome: Any = None) -> None:
        """A call ends; its tool looks at the tokens that it was shown before."""
        domain, plan, one = self.running.pop(place)
        for lease in one.leases:
            name = f"{lease.scope}/{lease.resource}"
            if self.fence.get(name, 0) > lease.token:
                self.refused += 1
                outcome = "FAILED"
            self.fence[name] = max(self.fence.get(name, 0), lease.token)
        outcome = outcome or self.random.choice(["SUCCEEDED"] * 4 + ["FAILED", "IN_DOUBT"])
        result = "1" if outcome == "SUCCEEDED" else None
        end = FinishedCall(one.index, one.key, one.attempt, outcome, result, None)
        self.desks[domain].report(plan, end)
        self.listen(domain)

    def wait(self, seconds: float) -> None:
        """Time passes everywhere, and what is due ends."""
        self.now += round(seconds * 1_000)
        for name, desk in self.desks.items():
            desk.wait((self.now - desk.now) / 1_000)
            self.listen(name)
        while (due := self.book.next_due()) is not None and due[0] <= self.now:
            _, scope = due
            self.decide(lambda desk, scope=scope: desk.book.at(scope, self.now))  # type: ignore[misc]

    def step(self) -> bool:
        """One thing happens; False if nothing is left but time."""
        ways: list[Callable[[], None]] = []
        for domain in DOMAINS:
            if self.words[domain]:
                ways.append(lambda domain=domain: self.serve(domain))  # type: ignore[misc]
            if self.answers[domain]:
                ways.append(lambda domain=domain: self.hear(domain))  # type: ignore[misc]
            ways += [lambda one=one: self.decide_about(*one) for one in self.asked(domain)]  # type: ignore[misc]
        ways += [lambda place=place: self.run(place) for place in range(len(self.running))]  # type: ignore[misc]
        if ways:
            self.random.choice(ways)()
        return bool(ways)

    def asked(self, domain: str) -> list[tuple[str, Plan, int]]:
        """What people are asked in a domain."""
        plans = self.desks[domain].schedule.plans.values()
        return [
            (domain, plan, index)
            for plan in plans
            for index, one in enumerate(plan.calls)
            if one.approval == "ASKED" and one.status == "WAITING"
        ]

    def decide_about(self, domain: str, plan: Plan, index: int) -> None:
        """A person says yes, mostly."""
        desk = self.desks[domain]
        (desk.deny if self.random.random() < 0.2 else desk.approve)(plan, index)
        self.listen(domain)

    def settle_all(self) -> None:
        """Somebody finds out about every doubt, and undoing that failed goes on without what it could not undo."""
        for name, desk in self.desks.items():
            for plan in [one for one in desk.plans.values() if one.plan_id in desk.schedule.plans]:
                for index, one in enumerate(plan.calls):
                    if one.in_doubt:
                        desk.settle(plan, index, "DID_NOT_HAPPEN")
                for index, undoing in list(plan.compensations.items()):
                    if undoing.in_doubt:
                        desk.settle(plan, index, "HAPPENED", "1", undo=True)
                if plan.undo_failed and plan.plan_id in desk.schedule.plans:
                    desk.resume(plan, *plan.undo)
            self.listen(name)

    def finish(self, seconds: float) -> None:
        """Everything that is under way happens, time passes where nothing is, and people settle what nobody knows."""
        for _ in range(200):
            while self.step():
                pass
            if not any(desk.schedule.plans for desk in self.desks.values()):
                break
            self.settle_all()
            self.wait(seconds)

    # -- what holds --------------------------------------------------------------------------------------------------------

    def check(self) -> None:
        """Whoever waits for a lease is in no line, and has nothing that runs."""
        for desk in self.desks.values():
            for plan in desk.schedule.plans.values():
                if plan.outside:
                    assert not plan.entered
                    assert not any(one.attempt for one in plan.calls)
        using: dict[str, int] = {}
        for _, _, one in self.running:
            for lease in one.leases:
                name = f"{lease.scope}/{lease.resource}"
                assert using.setdefault(name, lease.token) == lease.token or self.late, f"{name} is used by two"

    late: bool = False

    def over(self) -> None:
        """At the end nothing is left of anybody."""
        for name, desk in self.desks.items():
            assert not desk.schedule.plans, name
            assert all(plan.ended for plan in desk.plans.values())
            assert not desk.rows
            assert not self.words[name]
        assert not self.book.leases
        assert not self.rows.leases


def taken(plan: Plan, scope: str, token: int) -> LeasesTaken:
    """The answer that a plan has its leases of a scope."""
    return LeasesTaken(META, plan.plan_id, scope, token, 0)
