"""One shard of the coordinator: each input changes the schedule, each change becomes facts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from motet.chassis.canonical import compact
from motet.chassis.hop import Hop
from motet.chassis.service import Inert, Input, Opening, Received, Service
from motet.chassis.settings import Settings
from motet.coordinator.commands import Commands, Known
from motet.plan import (
    Committed,
    Contracts,
    Ended,
    Limits,
    Plan,
    Schedule,
    Started,
    Step,
    admit,
    command_digest,
    key_digest,
    plan_id_of,
    valid_correlation,
    valid_traceparent,
)
from motet.records import (
    AdmittedCall,
    CallsCommitted,
    CallsFinished,
    CallsStarted,
    Claim,
    CommandRepeated,
    CommittedCall,
    Invocation,
    InvokeCalls,
    Meta,
    PlanAdmitted,
    PlanEnded,
    PlanRejected,
    Reason,
    SubmitPlan,
    ToolContract,
)

COMMANDS: Final = "motet.commands"
FORWARDED: Final = "motet.forwarded"
RESULTS: Final = "motet.results"
CONTRACTS: Final = "motet.contracts"
EVENTS: Final = "motet.events"
# A record stays well below its topic's limit; what is larger goes out in several.
CHUNK_CHARACTERS: Final = 400_000
T = TypeVar("T")


def service(settings: Settings) -> Service:
    """The coordinator. Contracts are taken before results, results before new plans, and the door last."""
    limits = Limits(calls_per_plan=settings.plan_calls, command_bytes=settings.command_bytes)
    return Service(
        name="coordinator",
        inputs=(
            Input(CONTRACTS, rank=0),
            Input(RESULTS, rank=1),
            Input(FORWARDED, rank=2),
            Input(COMMANDS, rank=3, door=True),
        ),
        outputs=(EVENTS, FORWARDED, "motet.merges", "motet.dead-letters"),
        open=partial(Coordinator, limits=limits, open_plans=settings.open_plans),
        schema="coordinator",
        migrations=(Path(__file__).parent / "migrations",),
        journal=True,
    )


class Coordinator(Inert):
    """The open plans of a shard and the queues of their resources, in memory and in rows alike."""

    def __init__(self, opening: Opening, limits: Limits, open_plans: int) -> None:
        self.opening = opening
        self.limits = limits
        self.open_plans = open_plans
        self.contracts = Contracts()
        self.commands = Commands(opening.connection)
        for (record,) in opening.connection.execute(
            "SELECT record FROM contract WHERE partition = %s ORDER BY name, version", (opening.partition,)
        ):
            self.contracts.add(opening.decode(record))
        rows = opening.connection.execute(
            "SELECT state FROM open_plan WHERE partition = %s ORDER BY sequence", (opening.partition,)
        )
        self.schedule = Schedule.restore([Plan.from_state(state) for (state,) in rows], limits, self.contracts)

    def handle(self, batch: Sequence[Received], hop: Hop) -> None:
        """Decides about the records in order, then writes what changed in few statements."""
        keys = [key_of(one.record) for one in batch if isinstance(one.record, SubmitPlan)]
        finishing = (one.record.plan_id for one in batch if isinstance(one.record, CallsFinished))
        open_plans = (self.schedule.plans.get(plan_id) for plan_id in finishing)
        keys += [key_of(plan) for plan in open_plans if plan is not None]
        self.commands.load(keys)
        for received in batch:
            match received.record:
                case SubmitPlan():
                    self.submit(received, hop)
                case CallsFinished():
                    self.advance(self.schedule.finished(received.record.plan_id, received.record.calls), received, hop)
                case ToolContract():
                    self.learn(received)
        self.save()

    # -- decisions ---------------------------------------------------------------------------------------------------------

    def submit(self, received: Received, hop: Hop) -> None:
        """Answers a command: again, refused, rejected or admitted."""
        command: SubmitPlan = received.record
        key, content = key_of(command), command_digest(command)
        known = self.commands.known.get(key)
        if known is not None and known.command_sha256 == content:
            self.repeat(received, known, hop)
            return
        plan_id = plan_id_of(command)
        if known is not None:
            message = (
                f"idempotency key {self.short(command.idempotency_key)!r} was used for plan {known.plan_id} with other content; "
                "a new plan needs a new key"
            )
            self.reject(received, plan_id, (Reason("KEY_REUSED", message, None),), hop)
            return
        admitted = admit(command, plan_id, len(received.value), self.contracts, self.limits)
        if not isinstance(admitted, Plan):
            rejected = self.reject(received, plan_id, admitted, hop)
            self.commands.put(key, Known(plan_id, content, "REJECTED", rejected.meta.event_id, answer_of(rejected)))
            return
        self.commands.put(key, Known(plan_id, content, "OPEN"))
        calls = tuple(
            AdmittedCall(
                call.call_id,
                call.tool,
                call.contract_version,
                call.arguments,
                call.arguments_sha256,
                tuple(call.after),
                tuple(Claim(claim.resource, claim.mode) for claim in call.claims),
                call.effect,
            )
            for call in admitted.calls
        )
        meta = self.meta(admitted, received, hop)
        hop.emit(
            EVENTS,
            PlanAdmitted(meta, plan_id, admitted.idempotency_key, admitted.agent, admitted.isolation, content, calls),
        )
        self.advance(self.schedule.admit(admitted), received, hop)

    def repeat(self, received: Received, known: Known, hop: Hop) -> None:
        """Gives the first answer again."""
        command: SubmitPlan = received.record
        meta = self.command_meta(received, hop)
        hop.emit(
            EVENTS,
            CommandRepeated(
                meta,
                known.plan_id,
                self.short(command.idempotency_key),
                self.short(command.agent),
                known.status,
                known.terminal_event_id,
                known.answer,
            ),
        )

    def reject(self, received: Received, plan_id: str, reasons: tuple[Reason, ...], hop: Hop) -> PlanRejected:
        """Refuses a command with every reason."""
        command: SubmitPlan = received.record
        meta = self.command_meta(received, hop)
        rejected = PlanRejected(meta, plan_id, self.short(command.idempotency_key), self.short(command.agent), reasons)
        hop.emit(EVENTS, rejected)
        hop.tools.log.info(
            "plan rejected", event_id=meta.event_id, plan_id=plan_id, reasons=[one.code for one in reasons]
        )
        return rejected

    def short(self, name: str) -> str:
        """A name that is too long is a reason by itself, and must not make the answer too long as well."""
        return name[: self.limits.identifier_length]

    def learn(self, received: Received) -> None:
        """Takes a contract; a version once known never changes."""
        contract: ToolContract = received.record
        self.contracts.add(contract)
        self.opening.connection.execute(
            "INSERT INTO contract (partition, name, version, record) VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",
            (self.opening.partition, contract.name, contract.version, received.value),
        )

    def advance(self, steps: Sequence[Step], received: Received, hop: Hop) -> None:
        """Turns the schedule's steps into facts."""
        for step in steps:
            plan = step.plan
            match step:
                case Started(invocations=invocations):
                    self.start(plan, invocations, received, hop)
                case Committed(calls=calls):
                    self.commit(plan, calls, received, hop)
                case Ended():
                    self.end(plan, received, hop)

    def start(self, plan: Plan, invocations: Sequence[Invocation], received: Received, hop: Hop) -> None:
        """Calls got their resources: says so, and sends each toolset its part."""
        indexes = tuple(call.index for call in invocations)
        hop.emit(EVENTS, CallsStarted(self.meta(plan, received, hop), plan.plan_id, indexes))
        by_toolset: dict[str, list[Invocation]] = {}
        for call in invocations:
            by_toolset.setdefault(call.tool.partition(".")[0], []).append(call)
        for toolset, calls in by_toolset.items():
            for chunk in chunks(calls, lambda call: len(call.arguments)):
                meta = self.meta(plan, received, hop)
                hop.emit(f"motet.invocations.{toolset}", InvokeCalls(meta, plan.plan_id, plan.agent, tuple(chunk)))

    def commit(self, plan: Plan, calls: Sequence[CommittedCall], received: Received, hop: Hop) -> None:
        """Calls took their place in the plan's history."""
        for chunk in chunks(list(calls), lambda call: len(call.result or "")):
            meta = self.meta(plan, received, hop)
            hop.emit(EVENTS, CallsCommitted(meta, plan.plan_id, tuple(chunk)))
            plan.committed_in.update({call.index: meta.event_id for call in chunk})

    def end(self, plan: Plan, received: Received, hop: Hop) -> None:
        """The plan's terminal event, and the answer for whoever asks again."""
        outcome, results, history = plan.terminal(self.limits)
        meta = self.meta(plan, received, hop)
        ended = PlanEnded(meta, plan.plan_id, plan.idempotency_key, plan.agent, outcome, results, history)
        hop.emit(EVENTS, ended)
        if outcome != "SUCCEEDED":
            hop.tools.log.info("plan failed", event_id=meta.event_id, plan_id=plan.plan_id)
        key = key_of(plan)
        known = self.commands.known[key]
        known.status, known.terminal_event_id, known.answer = "ENDED", meta.event_id, answer_of(ended)
        self.commands.changed.add(key)

    # -- rows --------------------------------------------------------------------------------------------------------------

    def save(self) -> None:
        """Writes plans that changed, deletes those that ended."""
        connection, partition = self.opening.connection, self.opening.partition
        changed = self.schedule.take_changed()
        open_plans = [plan for plan in changed if not plan.ended]
        ended = sorted(plan.plan_id for plan in changed if plan.ended)
        with connection.pipeline():
            self.commands.save()
            if open_plans:
                connection.execute(
                    "INSERT INTO open_plan (partition, plan_id, sequence, state) "
                    "SELECT %s, r ->> 0, (r ->> 1)::bigint, r ->> 2 FROM json_array_elements(%s::json) AS r "
                    "ON CONFLICT (partition, plan_id) DO UPDATE SET state = excluded.state",
                    (partition, compact([[plan.plan_id, plan.sequence, plan.to_state()] for plan in open_plans])),
                )
            if ended:
                connection.execute(
                    "DELETE FROM open_plan WHERE partition = %s AND plan_id = ANY(%s)", (partition, ended)
                )

    def meta(self, plan: Plan, received: Received, hop: Hop) -> Meta:
        """The meta of a fact about a plan."""
        trace, correlation = plan.traceparent, plan.correlation_id
        return hop.meta(
            received.cause, received.timestamp_ms, plan.tenant, plan.domain, correlation or plan.plan_id, trace
        )

    def command_meta(self, received: Received, hop: Hop) -> Meta:
        """The meta of a fact about a command that became no plan."""
        command: SubmitPlan = received.record
        correlation = valid_correlation(command.correlation_id, self.limits) or received.cause
        wall, trace = received.timestamp_ms, valid_traceparent(command.traceparent)
        return hop.meta(received.cause, wall, command.tenant, command.domain, correlation, trace)

    # -- limits and failures -----------------------------------------------------------------------------------------------

    def holds(self) -> frozenset[str]:
        """The door pauses while too many plans are open."""
        return frozenset({COMMANDS}) if len(self.schedule.plans) >= self.open_plans else frozenset()

    def give_up(self, received: Received, reason: str, hop: Hop) -> bool:
        """A command that cannot be handled is rejected; anything else is the chassis's to keep."""
        if not isinstance(received.record, SubmitPlan):
            return False
        command = received.record
        plan_id = plan_id_of(command)
        self.reject(received, plan_id, (Reason("HANDLING_FAILED", reason[:2_000], None),), hop)
        return True


def key_of(asked: SubmitPlan | Plan) -> str:
    """The digest of the key under which a plan is or was submitted."""
    return key_digest(asked.tenant, asked.domain, asked.idempotency_key)


def answer_of(event: PlanEnded | PlanRejected) -> str:
    """A terminal event as the JSON that a repeat is answered with."""
    return compact({name: value for name, value in event.to_avro().items() if name != "meta"})


def chunks(items: list[T], size_of: Callable[[T], int]) -> Iterator[list[T]]:
    """Items in parts of a limited size, in order."""
    part: list[T] = []
    total = 0
    for item in items:
        size = size_of(item)
        if part and total + size > CHUNK_CHARACTERS:
            yield part
            part, total = [], 0
        part.append(item)
        total += size
    if part:
        yield part
