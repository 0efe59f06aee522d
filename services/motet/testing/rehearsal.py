"""Plans in memory: the services' own deciders and your own functions in one thread, with a held clock and faults on purpose.

What may happen next is chosen by `seed`: which service takes its next record, which call runs, so in which order results come back. Another
seed is another order, and the committed history of a plan that collects all results is the same in each. Nothing waits for real time: the
clock stands still but for `advance`, and for retries that `run` and `finish` wait for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any, Final, Literal, cast

import psycopg

from motet import agents, coordinator, leases
from motet.chassis.canonical import canonical_json
from motet.chassis.errors import ConfigurationError, MotetError, Undecodable
from motet.chassis.identity import domain_key
from motet.chassis.message import Message
from motet.chassis.settings import Settings
from motet.chassis.subject_keys import SubjectKeys
from motet.client.answers import Refused
from motet.client.disclosure import Contracts, Disclosure
from motet.client.outcome import Outcome, outcome_of
from motet.client.plans import Call, Mode, PlanLeases, command
from motet.client.policy import Budget, Policy
from motet.hosting.host import COMMANDS
from motet.hosting.telling import EVENTS
from motet.modes import AGENTS, COORDINATOR, answers, host_of
from motet.plan import Plan
from motet.plan.identity import plan_id_of
from motet.records import (
    ApproveCall,
    CallsFinished,
    CancelPlan,
    Command,
    CommandRefused,
    CommandRepeated,
    CommittedEvent,
    DenyCall,
    Finding,
    InvokeCalls,
    PlanEnded,
    PlanRejected,
    Record,
    ResumeCompensation,
    SetBudget,
    SettleCall,
)
from motet.testing import telling
from motet.testing.effects import Effects
from motet.testing.faults import Fault, Faults
from motet.testing.in_memory import BEGINS_AT, MILLISECONDS, HeldClock, MemoryShard, Topics, codec
from motet.testing.plan_shard import PlanShard
from motet.testing.subjects import KeysInMemory
from motet.testing.tool_shard import ToolShard
from motet.tools.toolset import Toolset

# A plan whose calls repeat without end is a mistake, and is to be told.
STEPS: Final = 100_000
TERMINAL: Final = (PlanEnded, PlanRejected, CommandRepeated)


class StillOpen(MotetError):
    """A plan waits for something that no rehearsal does by itself: a person, or time that the test is to let pass. The message says what."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan that was submitted."""

    plan_id: str
    idempotency_key: str
    place: str


def settings() -> Settings:
    """Every setting as it is by default, whatever the environment says."""
    return Settings.model_construct(kafka_bootstrap="", postgres_url="", schema_registry_url="")


class Rehearsal:
    """The coordinator, the agents' service, the lease service, and one tool service a toolset, all of them in memory.

    Transactional tools get `connection`, a psycopg connection whose search path has the toolset's tables: each call runs under a savepoint of
    it, which is rolled back when the call fails. A plan's records are `history`; what was committed of it is `committed(plan)`.
    """

    def __init__(
        self,
        *toolsets: Toolset,
        seed: int = 0,
        connection: psycopg.Connection[Any] | None = None,
        faults: Sequence[Fault] = (),
        tenant: str = "test",
        domain: str = "test",
        agent: str = "test-agent",
    ) -> None:
        if not toolsets:
            raise ConfigurationError("a rehearsal needs a toolset: Rehearsal(tools)")
        self.seed, self.tenant, self.domain, self.agent = seed, tenant, domain, agent
        self.chance = Random(seed)  # noqa: S311  no secret
        self.faults = Faults(faults)
        self.clock = HeldClock()
        self.topics = Topics(self.clock, self._delivered)
        # Attempts whose records come twice, by key and attempt.
        self.twice: set[tuple[str, int]] = set()
        self.keys = KeysInMemory()
        found = settings()
        window = found.command_window_seconds
        self.coordinator = PlanShard(coordinator.service(found), self.topics, window)
        self.agents = PlanShard(agents.service(found), self.topics, window)
        self.leases = MemoryShard(leases.service(found), self.topics)
        self.tools = {
            one.name: ToolShard(one, found, self.topics, self.keys, self.faults, connection) for one in toolsets
        }
        self.shards: tuple[MemoryShard, ...] = (self.coordinator, self.agents, self.leases, *self.tools.values())
        self.disclosure = Disclosure(cast("SubjectKeys", self.keys), self._contracts)
        self.asked = 0
        self._begin(toolsets)

    def _begin(self, toolsets: Sequence[Toolset]) -> None:
        """Contracts are known before anybody asks for a plan."""
        if len(self.tools) < len(toolsets):
            raise ConfigurationError(f"two toolsets have one name: {', '.join(one.name for one in toolsets)}")
        for one in toolsets:
            one.check()
        while self.step():
            pass

    # -- plans -------------------------------------------------------------------------------------------------------------

    def run(
        self,
        calls: Sequence[Call],
        *,
        policy: Policy | None = None,
        key: str | None = None,
        domain: str | None = None,
        agent: str | None = None,
        isolation: Literal["plan", "call"] = "plan",
        mode: Mode = "orchestrated",
        leases: PlanLeases | None = None,
    ) -> Outcome:
        """Submits calls as a plan, and lets everything happen until it has ended. Raises StillOpen, ConfigurationError."""
        return self.finish(
            self.submit(
                calls, policy=policy, key=key, domain=domain, agent=agent, isolation=isolation, mode=mode, leases=leases
            )
        )

    def submit(
        self,
        calls: Sequence[Call],
        *,
        policy: Policy | None = None,
        key: str | None = None,
        domain: str | None = None,
        agent: str | None = None,
        isolation: Literal["plan", "call"] = "plan",
        mode: Mode = "orchestrated",
        leases: PlanLeases | None = None,
    ) -> Planned:
        """Puts a plan before the door, and nothing else happens yet. Without a `key` its key is plan-1, or plan-2, and so on."""
        self.asked += 1
        asked = command(
            calls,
            tenant=self.tenant,
            domain=domain or self.domain,
            agent=agent or self.agent,
            idempotency_key=key or f"plan-{self.asked}",
            isolation=isolation,
            policy=policy,
            mode=mode,
            leases=leases,
        )
        sealed = self.disclosure.plan(asked)
        message = self._ask(sealed)
        return Planned(plan_id_of(sealed), sealed.idempotency_key, message.where)

    def finish(self, plan: Planned) -> Outcome:
        """Lets everything happen until a plan has ended; retries come due meanwhile. Raises StillOpen."""
        self.settle_down()
        while (ended := self.outcome(plan)) is None:
            if not self._retries() or not self._next_due():
                raise StillOpen(telling.why_open(self._plan(plan.plan_id), self.now))
            self.settle_down()
        return ended

    def outcome(self, plan: Planned) -> Outcome | None:
        """How a plan ended; None while it is open."""
        found = None
        for record in self.history:
            if isinstance(record, TERMINAL) and record.plan_id == plan.plan_id:
                # A repeat is answered to whoever asked again; the others are the plan's own.
                if isinstance(record, CommandRepeated) and record.meta.causation_id != plan.place:
                    continue
                found = outcome_of(record) or found
        return None if found is None else self.disclosure.outcome(self.tenant, found)

    # -- what happens next -------------------------------------------------------------------------------------------------

    def step(self) -> str:
        """One thing that can happen now, chosen by the seed; what it was, and nothing if nothing can."""
        can = [*self._can()]
        if not can:
            return ""
        what, act = can[self.chance.randrange(len(can))]
        act()
        return what

    def _can(self) -> Iterator[tuple[str, Callable[[], None]]]:
        """Everything that can happen now."""
        for shard in self.shards:
            name = shard.service.name
            for topic in shard.behind():
                yield f"{name} takes a record of {topic}", partial(shard.take, topic)
            if shard.handler.ready():
                yield f"{name} goes on", partial(shard.hop, [])
            if isinstance(shard, ToolShard):
                for number in range(len(shard.turns.waiting)):
                    yield f"{name} runs {shard.name_of(number)}", partial(shard.perform, number)

    def settle_down(self) -> None:
        """Everything happens that can without the clock."""
        for _ in range(STEPS):
            if not self.step():
                return
        raise MotetError(
            f"after {STEPS:,} steps something can still happen: does a tool or a fault repeat without end?"
        )

    @property
    def now(self) -> float:
        """Seconds since the rehearsal began."""
        return (self.clock.now() - BEGINS_AT) / MILLISECONDS

    def advance(self, seconds: float) -> None:
        """Everything that can happen does, then time passes, and what comes due meanwhile happens when it does."""
        if not seconds >= 0:
            raise ConfigurationError(f"time passes by 0 seconds or more, not by {seconds:g}")
        until = self.clock.now() + round(seconds * MILLISECONDS)
        self.settle_down()
        while self._next_due(until):
            self.settle_down()
        self.clock.milliseconds = until

    def _next_due(self, until: int | None = None) -> bool:
        """The clock goes on to what is due next, if that is not later than `until`."""
        alarms = [one.schedule.alarms.next() for one in (self.coordinator, self.agents)]
        lease = cast("Any", self.leases.handler).book.next_due()
        due = min((one for one in (*alarms, lease and lease[0]) if one is not None), default=None)
        if due is None or (until is not None and due > until):
            return False
        self.clock.milliseconds = max(due, self.clock.now())
        return True

    def _retries(self) -> bool:
        """Whether some call's next attempt is a matter of time alone."""
        plans = [*self.coordinator.schedule.plans.values(), *self.agents.schedule.plans.values()]
        return any(call.status == "RETRYING" for plan in plans for _, call in plan.everything())

    # -- people ------------------------------------------------------------------------------------------------------------

    def approve(self, plan: Planned, call_id: str, reason: str = "") -> None:
        """Once everything else has happened, a person lets a call run. Raises Refused."""
        self.settle_down()
        self.order(ApproveCall(*self._head(), plan.plan_id, call_id, self._digest_of(plan, call_id), reason))

    def deny(self, plan: Planned, call_id: str, reason: str = "") -> None:
        """Once everything else has happened, a person does not let it run. Raises Refused."""
        self.settle_down()
        self.order(DenyCall(*self._head(), plan.plan_id, call_id, self._digest_of(plan, call_id), reason))

    def cancel(self, plan: Planned, reason: str = "") -> None:
        """Nothing more of a plan starts, from here on. Raises Refused."""
        self.order(CancelPlan(*self._head(), plan.plan_id, reason))

    def settle(
        self,
        plan: Planned,
        call_id: str,
        finding: Literal["happened", "did_not_happen", "compensate"],
        result: Any = None,
        reason: str = "",
        *,
        compensation: bool = False,
    ) -> None:
        """Once everything else has happened, a person found out about a call in doubt; `result` is a JSON value, if it happened.

        Raises Refused.
        """
        self.settle_down()
        text = canonical_json(result) if finding == "happened" else None
        word = cast("Finding", finding.upper())
        self.order(SettleCall(*self._head(), plan.plan_id, call_id, compensation, word, text, reason))

    def resume(self, plan: Planned, skip: Sequence[str] = (), reason: str = "") -> None:
        """Once everything else has happened, goes on with a compensation that failed. Raises Refused."""
        self.settle_down()
        self.order(ResumeCompensation(*self._head(), plan.plan_id, tuple(skip), reason))

    def set_budget(self, agent: str, limits: Budget, reason: str = "", *, reset: bool = False) -> None:
        """Sets what an agent may spend. Raises Refused."""
        self.order(SetBudget(*self._head(), agent, limits.record(), reset, reason))

    def order(self, asked: Command) -> CommittedEvent | None:
        """Any command, decided about at once; the event that answers it. Nothing else happens yet. Raises Refused."""
        message = self._ask(asked)
        host = self.agents if answers(asked) == AGENTS else self.coordinator
        while host.shard.offsets[COMMANDS] <= message.offset:
            host.take(COMMANDS)
        for event in reversed(self.history):
            if event.meta.causation_id == message.where:
                if isinstance(event, CommandRefused):
                    raise Refused(event.reasons)
                return event
        return None

    def _head(self) -> tuple[str, str, str, str]:
        """What every command begins with."""
        self.asked += 1
        return f"order-{self.asked}", self.tenant, self.domain, "person"

    def _ask(self, asked: Command) -> Message:
        """Puts a command before the door."""
        try:
            value = codec().encode(COMMANDS, asked)
        except (UnicodeEncodeError, ValueError, TypeError) as error:
            raise ConfigurationError(f"the command cannot be written as Avro: {error}") from error
        return self.topics.append(COMMANDS, domain_key(asked.tenant, asked.domain), value)

    def _digest_of(self, plan: Planned, call_id: str) -> str:
        """The digest of a call's arguments, which whoever decides has looked at."""
        open_plan = self._plan(plan.plan_id)
        return (
            next((call.arguments_sha256 for call in open_plan.calls if call.call_id == call_id), "")
            if open_plan
            else ""
        )

    # -- what happened -----------------------------------------------------------------------------------------------------

    @property
    def history(self) -> tuple[CommittedEvent, ...]:
        """Every event so far, as `motet.events` has it."""
        return tuple(cast("CommittedEvent", codec().decode(one.value)) for one in self.topics.messages[EVENTS])

    def events(self, plan: Planned | Outcome) -> tuple[CommittedEvent, ...]:
        """The events of one plan."""
        return tuple(one for one in self.history if getattr(one, "plan_id", "") == plan.plan_id)

    def records(self, topic: str) -> tuple[Record, ...]:
        """Every record of a topic, such as `motet.invocations.bank`."""
        return tuple(codec().decode(one.value) for one in self.topics.messages[topic])

    def committed(self, plan: Planned | Outcome) -> str:
        """What was committed of a plan, a line a call in the plan's order, and its digest: the same for every seed."""
        return telling.committed(self.events(plan))

    def effects(self, tool: str) -> Effects:
        """How often the function of each call of a tool ran to its end. Raises ConfigurationError for a tool that is not there."""
        shard = self.tools.get(tool.partition(".")[0])
        if shard is None or tool not in {one.name for one in shard.toolset.tools}:
            have = ", ".join(sorted({one.name for found in self.tools.values() for one in found.toolset.tools}))
            raise ConfigurationError(f"there is no tool {tool!r} here; there are: {have}")
        return Effects(tool, dict(shard.watch.ended.get(tool, {})), dict(shard.watch.names))

    @property
    def unused_faults(self) -> tuple[Fault, ...]:
        """Faults that have hit no call: a test that injects one should see that it did."""
        return self.faults.unused

    def __repr__(self) -> str:
        plans = len(self.coordinator.schedule.plans) + len(self.agents.schedule.plans)
        told = f"seed {self.seed}, {self.now:g} s, {len(self.topics.messages[EVENTS])} events, {plans} plans open"
        return f"<Rehearsal of {', '.join(self.tools)}: {told}>"

    # -- inside ------------------------------------------------------------------------------------------------------------

    def _plan(self, plan_id: str) -> Plan | None:
        """An open plan."""
        host = self.coordinator if host_of(plan_id) == COORDINATOR else self.agents
        return host.schedule.plans.get(plan_id)

    def _contracts(self) -> Contracts:
        """Every contract by tool and version, the newest under None as well."""
        found: dict[tuple[str, int | None], Any] = {}
        for name, versions in self.coordinator.schedule.board.contracts.versions.items():
            for version, contract in versions.items():
                found[name, version] = found[name, None] = contract.record
        return found

    def _delivered(self, topic: str, value: bytes) -> int:
        """How often a record comes."""
        if topic == EVENTS or not any(one.what == "twice" for one in self.faults.faults):
            return 1
        with suppress(Undecodable):
            record = codec().decode(value)
            if isinstance(record, InvokeCalls):
                hit = {(call.key, call.attempt) for call in record.calls if self.faults.due(call, "twice")}
                self.twice |= hit
                return 2 if hit else 1
            if isinstance(record, CallsFinished):
                return 2 if self.twice & {(call.key, call.attempt) for call in record.calls} else 1
        return 1
