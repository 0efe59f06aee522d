"""What the simulated agents ask for: plans of every kind, made once, admitted by the real admission, and dealt to many runs.

Making a plan costs more than running it, so a pool of them is made from one seed, and each run is dealt its own from the pool that its seed
names. `fresh` is the plan as admission returned it; nothing of one run is seen by another.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache
from random import Random
from typing import Any, Final

from motet.modes import MARKS, host_of
from motet.plan import Call, Plan, admit
from motet.plan.model import Leased
from motet.plan.spending import Ledger
from motet.records import Amounts, Isolation, Mode, PlannedCall, Policy, Reason, SubmitPlan
from motet.simulation.tools import ACCOUNTS, CONTRACTS, FAILS, FAILS_ONCE, LIMITS, ODD, UNCLEAR_AFTER

TENANT: Final = "acme"
POOL: Final = 800
# Of plans that another service hosts, and of those that take leases, so many.
SPECIAL: Final = 400
# So many seeds share a pool.
SEEDS: Final = 4_096
# Tools by how often they are called, and those whose end depends on nothing but the call.
OFTEN: Final = ("bank.put", "bank.put", "bank.draw", "bank.look", "bank.add", "bank.move", "post.pay", "post.note")
USUAL: Final = (*OFTEN, *OFTEN, "bank.add", "bank.flip", "bank.flip", "bank.audit", "bank.sweep")
DOUBTFUL: Final = ("post.pay", "post.book", "post.mail", "post.send", "post.ask", "post.buy", "post.call", "post.call")
ANY: Final = (*OFTEN, "bank.flip", "bank.audit", "bank.sweep", *DOUBTFUL, *DOUBTFUL)
HYBRID: Final = (
    *OFTEN,
    *OFTEN,
    "bank.flip",
    "bank.sweep",
    "post.book",
    "post.mail",
    "post.send",
    "post.buy",
    "post.call",
)
UNSHARED: Final = ("post.send", "post.note", "bank.pick")
LEASED: Final = ("bank.safe", "bank.safe", "post.print", "post.print", "bank.put", "bank.look", "post.pay", "post.send")
UNDOABLE: Final = ("bank.put", "bank.draw", "bank.look", "post.pay", "post.note")
CALLS: Final = (*(1,) * 15, 2, 2, 2, 3, 4)
# Of plans whose resources are somebody else's to grant.
SEVERAL: Final = (1, 1, 2, 2, 3, 3, 4)
# Rejected for its tool, its edges, its policy.
BAD: Final = ("tool", "edge", "policy")


# What differs between a plan that was just made and one that was admitted, field by field: of its calls, by index, and of itself.
Rest = tuple[tuple[int, str, Any], ...]
DERIVED: Final = (
    "granted",
    "waits",
    "followers",
    "order",
    "calls",
    "admitted",
    "deadline",
    "known_by",
    "ledger",
)


@dataclass(frozen=True, slots=True)
class Template:
    """A command, and what admission made of it: a plan in pieces, or reasons."""

    command: SubmitPlan
    plan_id: str
    plan: Plan | None
    reasons: tuple[Reason, ...] = ()
    # The pieces of its calls: what the constructor takes by place, and whatever else admission set.
    heads: tuple[tuple[Any, ...], ...] = ()
    rest: Rest = ()
    # Whether some calls get in line after the plan does: those that wait for a person, or for what they use to be known.
    parts: bool = False
    # The place of each call in the plan's order.
    places: tuple[int, ...] = ()
    seconds: int = 0
    keeps: bool = False
    wild: bool = False
    # What it asks for of each scope of leases: scope, resources, duration.
    leases: tuple[tuple[str, tuple[str, ...], int], ...] = ()

    @property
    def host(self) -> str:
        """Who hosts it."""
        return host_of(self.plan_id)

    def fresh(self, now: int) -> Plan:
        """The plan, as admission returns it at a time."""
        model = self.plan
        assert model is not None  # noqa: S101  a template without a plan has reasons
        ledger = None if model.ledger is None else Ledger(model.ledger.limits)
        plan = made(self.command, self.plan_id, self.heads, now, now + self.seconds, ledger)
        plan.known_by = now + model.known_by if model.known_by else 0
        calls = plan.calls
        for index, name, value in self.rest:
            setattr(plan if index < 0 else calls[index], name, value)
        if self.leases:
            plan.leases = [Leased(*one) for one in self.leases]
        return plan


def made(
    of: SubmitPlan, plan_id: str, heads: Iterable[tuple[Any, ...]], now: int, deadline: int, ledger: Ledger | None
) -> Plan:
    """A plan of its pieces."""
    return Plan(
        plan_id,
        of.idempotency_key,
        TENANT,
        of.domain,
        of.agent,
        of.isolation,
        None,
        None,
        [Call(*head) for head in heads],
        policy=of.policy,
        admitted=now,
        deadline=deadline,
        ledger=ledger,
    )


def template(command: SubmitPlan, plan_id: str, *, wild: bool) -> Template:
    """Has a command admitted."""
    plan = admit(command, plan_id, 100, CONTRACTS, LIMITS, 0)
    if not isinstance(plan, Plan):
        return Template(command, plan_id, None, plan, wild=wild)
    heads = []
    for index, call in enumerate(plan.calls):
        # With references in its arguments a call has no key yet.
        key = "" if call.refers else plan.key_of(index, call)
        heads.append(
            (
                *(call.call_id, call.tool, call.contract_version, call.arguments, call.arguments_sha256),
                *(call.after, call.claims, call.effect, call.refers, key),
            )
        )
    bare = made(command, plan_id, heads, 0, plan.deadline, None)
    rest = [(-1, name, value) for name, value in differences(bare, plan)]
    for index, (one, other) in enumerate(zip(bare.calls, plan.calls, strict=True)):
        rest += [(index, name, value) for name, value in differences(one, other) if name != "key"]
    return Template(
        command,
        plan_id,
        plan,
        heads=tuple(heads),
        rest=tuple(rest),
        parts=bool(plan.leases) or any(call.part < 0 or call.approval or call.unknown for call in plan.calls),
        leases=tuple((one.scope, one.resources, one.duration) for one in plan.leases),
        places=tuple(plan.order.index(index) for index in range(len(plan.calls))),
        seconds=plan.deadline,
        keeps=plan.isolation == "PLAN" and not plan.in_line and plan.policy.unknown_resources == "HOLD",
        wild=wild,
    )


def differences(bare: Plan | Call, admitted: Plan | Call) -> Iterator[tuple[str, Any]]:
    """The fields that admission set and the constructor did not."""
    for one in fields(admitted):
        value = getattr(admitted, one.name)
        # A call's leases are names, a plan's are what it asks for: these are made anew.
        anew = one.name in DERIVED or (one.name == "leases" and isinstance(admitted, Plan))
        if not anew and value != getattr(bare, one.name):
            # What plans share must be nothing that one of them changes.
            hash(value)
            yield one.name, value


class Author:
    """Writes commands by chance."""

    def __init__(self, chance: Random) -> None:
        self.chance = chance

    def command(
        self, name: str, *, wild: bool, mode: Mode = "ORCHESTRATED", tools: Sequence[str] | None = None
    ) -> SubmitPlan:
        """A plan: a tame one has one end only, whatever happens around it; of a wild one all sorts of things may become."""
        chance = self.chance
        size = chance.choice(SEVERAL if mode == "HYBRID" else CALLS)
        policy = self.policy(size) if wild else Policy(on_failure=chance.choice(["STOP", "CONTINUE", "COMPENSATE"]))
        asks = tools is None
        tools = tools or (ANY if wild else USUAL)
        isolation: Isolation = "PLAN" if self.rarely(2) else "CALL"
        if not wild and policy.on_failure == "COMPENSATE":
            # Where what undoes a call gets in line would be chance.
            tools, isolation = UNDOABLE, "PLAN"
        calls = tuple(self.call(index, tools, wild=wild, asks=asks) for index in range(size))
        if asks and size > 1 and self.rarely(3) and (wild or policy.on_failure != "COMPENSATE"):
            calls = self.follow(calls)
        domain = "e" if self.rarely(4) else "d"
        agent = chance.choice(["ann", "bob", "cyd"])
        return SubmitPlan(name, TENANT, domain, agent, isolation, calls, None, None, policy=policy, mode=mode)

    def hosted(self, name: str, mode: Mode) -> SubmitPlan:
        """A plan of the agents' service."""
        return self.command(name, wild=True, mode=mode, tools=HYBRID if mode == "HYBRID" else UNSHARED)

    def leased(self, name: str, mode: Mode) -> SubmitPlan:
        """A plan that takes leases, now and then of its own as well; some wait for them for a short time only."""
        command, chance = self.command(name, wild=True, mode=mode, tools=LEASED), self.chance
        own = ("near/key",) if self.rarely(4) else ()
        return replace(command, leases=own, lease_wait_seconds=chance.choice([None, None, 5.0, 30.0]))

    def call(self, index: int, tools: Sequence[str], *, wild: bool, asks: bool) -> PlannedCall:
        """A call: some come behind others, some take their results, some do not do what they should."""
        chance = self.chance
        name = chance.choice(tools)
        after = (
            sorted(chance.sample(range(index), chance.randint(1, min(index, 2)))) if index and self.rarely(3) else []
        )
        n: Any = chance.randint(0, 9)
        if after and self.rarely(3):
            n = {"$result": {"call": f"c{after[0]}", "pointer": "/0" if self.rarely(8) else ""}}
        elif self.rarely(10):
            n = chance.choice(ODD if wild else (FAILS, FAILS_ONCE, UNCLEAR_AFTER if name == "post.pay" else FAILS))
        arguments = {"key": chance.choice(ACCOUNTS), "n": n}
        if name == "bank.move":
            arguments["to"] = chance.choice(ACCOUNTS)
        text = json.dumps(arguments)
        approval = wild and asks and self.rarely(12)
        return PlannedCall(f"c{index}", name, None, text, tuple(f"c{one}" for one in after), approval=approval)

    def follow(self, calls: tuple[PlannedCall, ...]) -> tuple[PlannedCall, ...]:
        """The first call picks an account, and the last one uses it: what it uses follows from a result."""
        pick = PlannedCall("c0", "bank.pick", None, json.dumps({"key": "a", "n": self.chance.randint(0, 9)}), ())
        arguments = json.dumps({"key": {"$result": {"call": "c0"}}, "n": self.chance.randint(0, 9)})
        name = self.chance.choice(["bank.put", "bank.look", "bank.add", "post.pay"])
        return (pick, *calls[1:-1], PlannedCall(calls[-1].call_id, name, None, arguments, ("c0",)))

    def policy(self, size: int) -> Policy:
        """Any policy."""
        chance = self.chance
        batch: Any = chance.choice(["COLLECT_ALL", "COLLECT_ALL", "FAIL_FAST", "QUORUM"])
        budget = None
        if self.rarely(4):
            budget = Amounts(chance.randint(0, 4), chance.choice([None, 150_000]), None, chance.choice([None, 25_000]))
        return Policy(
            batch,
            chance.randint(1, size) if batch == "QUORUM" else None,
            chance.choice(["STOP", "CONTINUE", "COMPENSATE", "COMPENSATE"]),
            chance.choice(["HOLD", "END"]),
            chance.choice(["WAIT", "WAIT", "WAIT", "REFUSE"]),
            chance.choice([None, None, 30.0, 300.0]),
            budget,
            chance.choice(["HOLD", "HOLD", "LINE_UP"]),
        )

    def bad(self, name: str, kind: str) -> SubmitPlan:
        """A command that admission refuses."""
        call = PlannedCall("c0", "bank.look", None, '{"key":"a"}', ())
        policy = Policy()
        if kind == "tool":
            call = PlannedCall("c0", "bank.lok", None, '{"key":"a"}', ())
        elif kind == "edge":
            call = PlannedCall("c0", "bank.look", None, '{"key":"a"}', ("c9",))
        else:
            policy = Policy("QUORUM", 5)
        return SubmitPlan(name, TENANT, "d", "ann", "PLAN", (call,), None, None, policy=policy)

    def rarely(self, one_in: int) -> bool:
        """One time in so many."""
        return self.chance.random() * one_in < 1


@dataclass(slots=True)
class Pool:
    """Templates to deal from."""

    tame: list[Template] = field(default_factory=list)
    wild: list[Template] = field(default_factory=list)
    bad: list[Template] = field(default_factory=list)
    hosted: list[Template] = field(default_factory=list)
    leased: list[Template] = field(default_factory=list)

    def special(self, mix: Mix) -> list[Template]:
        """What a mix has beside tame and wild plans."""
        return self.leased if mix.leases else self.hosted


@lru_cache(maxsize=2)
def pool(number: int) -> Pool:
    """The pool of a number, always the same one."""
    author, out = Author(Random(number)), Pool()  # noqa: S311  no secret
    for kind, into in (("tame", out.tame), ("wild", out.wild)):
        wild = kind == "wild"
        for index in range(POOL):
            name = f"{kind}-{number}-{index}"
            plan_id = f"{kind[0]}{index}"
            into.append(template(author.command(name, wild=wild), plan_id, wild=wild))
    for index in range(SPECIAL):
        mode: Mode = ("HYBRID", "CHOREOGRAPHED", "HYBRID")[index % 3]
        command = author.hosted(f"hosted-{number}-{index}", mode)
        out.hosted.append(template(command, f"h{index}{MARKS[mode]}", wild=True))
        mode = ("ORCHESTRATED", "HYBRID", "ORCHESTRATED")[index % 3]
        command = author.leased(f"leased-{number}-{index}", mode)
        out.leased.append(template(command, f"l{index}{MARKS.get(mode, '')}", wild=True))
    for index, kind in enumerate(BAD):
        out.bad.append(template(author.bad(f"bad-{number}-{index}", kind), f"b{index}", wild=False))
    return out


# What comes to the door, in order: a plan; the same command again, or its key with other content (the number of an earlier plan);
# somebody who cancels an earlier plan; a budget for an agent.
@dataclass(frozen=True, slots=True)
class Asked:
    """One command."""

    kind: str
    template: Template | None = None
    command: Any = None


@dataclass(frozen=True, slots=True)
class Mix:
    """What kind of run a seed gives: how many of its plans are wild, and how many faults happen to it."""

    name: str
    wild: float
    faults: int
    people: bool
    jumps: bool
    # How many of its plans are hosted by the agents' service, or take leases; the lease service is there for these alone.
    special: float = 0.0
    leases: bool = False


# Three of eight runs are tame: whatever overtakes, repeats or crashes in them, they end in one way only.
MIXES: Final = (
    Mix("tame", 0.0, 6, people=False, jumps=False),
    Mix("tame", 0.0, 2, people=False, jumps=False),
    Mix("mixed", 0.3, 4, people=True, jumps=False),
    Mix("wild", 0.8, 8, people=True, jumps=True),
    Mix("tame", 0.0, 6, people=False, jumps=False),
    Mix("hosted", 0.2, 6, people=True, jumps=False, special=0.5),
    Mix("wild", 0.8, 8, people=True, jumps=True),
    Mix("leased", 0.2, 8, people=True, jumps=True, special=0.4, leases=True),
)


def mix_of(seed: int) -> Mix:
    """The kind of a seed's run."""
    return MIXES[seed % len(MIXES)]
