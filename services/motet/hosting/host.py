"""One shard of a host of plans: each input changes the schedule, each change becomes facts.

The coordinator and the agents' service are this host, each with the plans of its modes (`motet.modes`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from motet.chassis.canonical import compact
from motet.chassis.hop import Hop
from motet.chassis.repairs import REPAIRS
from motet.chassis.service import Inert, Input, Opening, Received, Service
from motet.chassis.settings import Settings
from motet.hosting import rows, under
from motet.hosting.admitting import Origin, admitted, reservation_of
from motet.hosting.commands import Commands, Known
from motet.hosting.directing import Directing
from motet.hosting.telling import EVENTS, LEASE_GRANTS, LEASE_REQUESTS, Cause, Telling
from motet.modes import COORDINATOR, RESULTS, answers
from motet.plan import (
    Limits,
    Plan,
    Step,
    admit,
    command_digest,
    key_digest,
    plan_id_of,
    valid_correlation,
    valid_traceparent,
)
from motet.plan import rules as plan_rules
from motet.plan.direct import set_budget
from motet.records import (
    CallsFinished,
    CallsProgressed,
    CallsReported,
    Command,
    CommandRefused,
    CommandRepeated,
    LeasesDenied,
    LeasesLost,
    LeasesTaken,
    Meta,
    PlanEnded,
    PlanRejected,
    QuarantineResources,
    Reason,
    ReleaseResources,
    ReserveResources,
    ResourcesGranted,
    ResourcesRefused,
    SetBudget,
    SubmitPlan,
    TimerFired,
    ToolContract,
)

COMMANDS: Final = "motet.commands"
CONTRACTS: Final = "motet.contracts"
TIMERS: Final = "motet.timers"


def service(name: str, settings: Settings, hears: str, says: str) -> Service:
    """A host of plans, and the topics on which it talks with the other one about resources.

    Contracts are taken before results, results before timers, these before new plans, and the door last.
    """
    limits = Limits(
        calls_per_plan=settings.plan_calls,
        command_bytes=settings.command_bytes,
        plan_seconds=settings.plan_seconds,
        unknown_seconds=settings.unknown_seconds,
        answer_seconds=settings.answer_seconds,
        plan_calls_at_once=settings.plan_calls_at_once,
        tenant_calls_at_once=settings.tenant_calls_at_once,
        reservations=settings.open_plans,
        leases_per_scope=settings.lease_resources,
        lease_waiters=max(1, settings.open_plans // 2),
        lease_seconds=settings.lease_seconds,
        lease_wait_seconds=settings.lease_wait_seconds,
        plan_lease_wait_seconds=settings.plan_lease_wait_seconds,
    )
    return Service(
        name=name,
        inputs=(
            Input(CONTRACTS, rank=0, needed=True),
            Input(RESULTS[name], rank=1),
            Input(TIMERS, rank=2),
            Input(COMMANDS, rank=3, door=True),
            Input(REPAIRS, rank=4),
            Input(hears, rank=1),
            Input(LEASE_GRANTS, rank=1),
        ),
        outputs=(EVENTS, COMMANDS, TIMERS, REPAIRS, says, LEASE_REQUESTS, "motet.merges", "motet.dead-letters"),
        open=partial(
            Host, limits=limits, open_plans=settings.open_plans, window_seconds=settings.command_window_seconds
        ),
        schema=name,
        migrations=(Path(__file__).parent / "migrations",),
        journal=True,
        rules=plan_rules.CURRENT,
        owns=partial(is_answered_by, name),
    )


class Host(Inert):
    """The open plans of a shard and the lines of their resources, in memory and in rows alike."""

    def __init__(self, opening: Opening, limits: Limits, open_plans: int, window_seconds: float) -> None:
        self.opening = opening
        self.limits = limits
        self.open_plans = open_plans
        self.commands = Commands(opening.connection, opening.partition, window_seconds)
        self.schedule = rows.load(opening, limits)
        self.directing = Directing(self.schedule, opening.partitions)
        self.due: list[tuple[str, int]] = []

    # -- time --------------------------------------------------------------------------------------------------------------

    def ready(self) -> bool:
        """Whether something that a plan waits for is due."""
        if not self.due and self.schedule.alarms.next() is not None:
            self.due = self.schedule.alarms.take(self.schedule.plans, self.opening.clock.now())
        return bool(self.due)

    def fire(self, hop: Hop) -> None:
        """Timers become records: what follows is decided when they come back, at the time that Kafka gave them."""
        due, self.due = self.due, []
        hop.exogenous = True
        for plan_id, at in due:
            plan = self.schedule.plans.get(plan_id)
            if plan is not None:
                meta = hop.meta(
                    *(plan.admitted_in, hop.wall_ms(), plan.tenant, plan.domain),
                    *(plan.correlation_id or plan.plan_id, plan.traceparent),
                )
                hop.emit(TIMERS, TimerFired(meta, plan_id, at))
        hop.exogenous = False

    # -- inputs ------------------------------------------------------------------------------------------------------------

    def handle(self, batch: Sequence[Received], hop: Hop) -> None:
        """Decides about the records in order, then writes what changed in few statements."""
        self.commands.load(self.keys(batch))
        for received in batch:
            self.schedule.at(received.timestamp_ms)
            self.take(received, hop)
        self.fire(hop)
        with self.opening.connection.pipeline():
            self.commands.save(self.schedule.board.now)
            rows.save(self.opening, self.schedule)

    def take(self, received: Received, hop: Hop) -> None:
        """One record."""
        record = received.record
        telling = Telling(hop, self.limits, Cause(received.cause, received.timestamp_ms), self.plan_ended)
        if not isinstance(record, Command):
            self.hear(received, telling)
        elif not is_answered_by(self.opening.service, record):
            self.leave(record, received.timestamp_ms)
        elif isinstance(record, SubmitPlan):
            if not self.known(record, received, hop):
                self.submit(record, received, hop, telling)
        elif not self.known(record, received, hop):
            self.direct(record, received, hop, telling)

    def hear(self, received: Received, telling: Telling) -> None:
        """One record of a service."""
        schedule = self.schedule
        match received.record:
            case CallsFinished(plan_id=plan_id, calls=calls):
                telling.tell(schedule.finished(plan_id, calls))
            case TimerFired(plan_id=plan_id):
                telling.tell(schedule.ring(plan_id))
            case CallsReported() as report:
                self.progress(report, telling)
            case ToolContract() as contract:
                schedule.board.contracts.add(contract)
                rows.save_contract(self.opening, contract, received.value)
            case ReserveResources() as asked:
                telling.tell(schedule.reserve(reservation_of(asked), asked.quarantine))
            case QuarantineResources(plan_id=plan_id, call_id=call_id):
                telling.tell(schedule.quarantine(plan_id, call_id))
            case ReleaseResources(plan_id=plan_id):
                telling.tell(schedule.release(plan_id))
            case word:
                telling.tell(self.answered(word))

    def answered(self, word: object) -> list[Step]:
        """What follows of the answer to what a plan asked for: resources, or leases."""
        match word:
            case ResourcesGranted(plan_id=plan_id):
                return self.schedule.granted(plan_id)
            case ResourcesRefused(plan_id=plan_id, code=code, message=message):
                return self.schedule.refused(plan_id, code, message)
            case LeasesTaken() | LeasesDenied() | LeasesLost() as answer:
                return self.schedule.leases(answer)
            case _:
                return []

    def keys(self, batch: Sequence[Received]) -> Iterator[str]:
        """The keys that the records of a batch are about: those of commands, and of plans that may end."""
        for one in batch:
            if isinstance(one.record, Command):
                yield key_of(one.record)
            plan = self.schedule.plans.get(getattr(one.record, "plan_id", ""))
            if plan is not None:
                yield key_of(plan)

    # -- commands ----------------------------------------------------------------------------------------------------------

    def known(self, command: Command, received: Received, hop: Hop) -> bool:
        """Whether a command's key was used before: then it is answered here, again or with a refusal."""
        known = self.commands.find(key_of(command), received.timestamp_ms)
        if known is None:
            return False
        if known.command_sha256 == command_digest(command):
            hop.emit(
                EVENTS,
                CommandRepeated(
                    self.command_meta(command, received, hop),
                    known.plan_id,
                    self.short(command.idempotency_key),
                    self.short(getattr(command, "agent", "")),
                    known.status,
                    known.terminal_event_id,
                    known.answer,
                ),
                under=under.of_command(known.plan_id),
            )
            return True
        what = f"plan {known.plan_id}" if known.plan_id else "another command"
        message = (
            f"idempotency key {self.short(command.idempotency_key)!r} was used for {what} with other content; "
            "something new needs a new key"
        )
        self.refuse(command, plan_named(command), (Reason("KEY_REUSED", message, None),), received, hop)
        return True

    def leave(self, command: Command, now: int) -> None:
        """A command that another host answers: its key is taken here as well, and a budget that is counted there is known here."""
        key = key_of(command)
        if isinstance(command, SetBudget) and self.commands.find(key, now) is None:
            set_budget(self.schedule, command)
        self.commands.note(key, now)

    def counted_elsewhere(self, plan: Plan) -> Reason | None:
        """Why a plan cannot be hosted here whose agent has a budget: two hosts that count for themselves would let twice as much pass."""
        ledger = self.schedule.board.guards.ledgers.get((plan.tenant, plan.domain, plan.agent))
        if self.opening.service == COORDINATOR or ledger is None or all(limit is None for limit in ledger.limits):
            return None
        message = f"agent {plan.agent} has a budget here, which only the coordinator counts: submit the plan with mode ORCHESTRATED"
        return Reason("AGENT_HAS_BUDGET", message, None)

    def submit(self, command: SubmitPlan, received: Received, hop: Hop, telling: Telling) -> None:
        """Answers a new plan: rejected or admitted."""
        content = command_digest(command)
        plan_id = plan_id_of(command, content)
        size, now = len(received.value), received.timestamp_ms
        plan = admit(command, plan_id, size, self.schedule.board.contracts, self.limits, now, hop.rules)
        refusal = None
        if isinstance(plan, Plan):
            refusal = self.counted_elsewhere(plan) or self.schedule.quarantined(plan) or self.schedule.crowded(plan)
        if refusal is None and isinstance(plan, Plan) and plan_id in self.schedule.plans:
            message = f"plan {plan_id} was submitted before, and something of it is still open"
            refusal = Reason("PLAN_OPEN", message, None)
        if not isinstance(plan, Plan) or refusal is not None:
            reasons = plan if not isinstance(plan, Plan) else (refusal,) if refusal is not None else ()
            event_id, answer = self.refuse(command, plan_id, reasons, received, hop)
            self.commands.put(key_of(command), Known(plan_id, content, "REJECTED", event_id, answer, now))
            return
        self.commands.put(key_of(command), Known(plan_id, content, "OPEN"))
        meta = telling.meta(plan)
        plan.admitted_in = meta.event_id
        telling.say(plan, admitted(plan, meta, content, Origin(command.caused_by, hop.code)))
        telling.tell(self.schedule.admit(plan))

    def direct(self, command: Command, received: Received, hop: Hop, telling: Telling) -> None:
        """Answers a command about something that is there."""
        # The first fact is what the command led to.
        first = hop.next_event_id()
        answer = self.directing.answer(command, partial(self.command_meta, command, received, hop), hop)
        plan_id, key = getattr(command, "plan_id", ""), key_of(command)
        now, content = received.timestamp_ms, command_digest(command)
        if isinstance(answer, Reason):
            event_id, text = self.refuse(command, plan_id, (answer,), received, hop)
            self.commands.put(key, Known(plan_id, content, "REJECTED", event_id, text, now))
            return
        telling.tell(answer)
        self.commands.put(key, Known(plan_id, content, "ENDED", first, None, now))

    def refuse(
        self, command: Command, plan_id: str, reasons: tuple[Reason, ...], received: Received, hop: Hop
    ) -> tuple[str, str]:
        """Refuses a command with every reason; the event's id and content."""
        meta = self.command_meta(command, received, hop)
        names = self.short(command.idempotency_key), self.short(getattr(command, "agent", ""))
        event: PlanRejected | CommandRefused
        if isinstance(command, SubmitPlan):
            event = PlanRejected(meta, plan_id, *names, reasons)
        else:
            kind = command.FULL_NAME.rpartition(".")[2]
            event = CommandRefused(meta, kind, *names, self.short(plan_id) or None, reasons)
        hop.emit(EVENTS, event, under=under.of_command(plan_id))
        codes = [one.code for one in reasons]
        hop.tools.log.info("command refused", event_id=meta.event_id, plan_id=plan_id, reasons=codes)
        return meta.event_id, answer_of(event)

    def progress(self, report: CallsReported, telling: Telling) -> None:
        """Running calls say how far they are; former attempts and calls that ended say nothing any more."""
        plan = self.schedule.plans.get(report.plan_id)
        if plan is None:
            return
        live = []
        for one in report.calls:
            call = plan.call_at(one.index)
            if call is not None and call.attempt == one.attempt and (call.status == "STARTED" or call.lingers):
                live.append(one)
        if live:
            telling.say(plan, CallsProgressed(telling.meta(plan), plan.plan_id, tuple(live)))

    def plan_ended(self, plan: Plan, ended: PlanEnded) -> None:
        """A plan's terminal event is the answer for whoever asks again."""
        self.commands.answer(key_of(plan), ended.meta.event_id, answer_of(ended), self.schedule.board.now)

    def short(self, name: str) -> str:
        """A name that is too long is a reason by itself, and must not make the answer too long as well."""
        return name[: self.limits.identifier_length]

    def command_meta(self, command: Command, received: Received, hop: Hop) -> Meta:
        """The meta of a fact about a command that became no plan."""
        correlation = valid_correlation(command.correlation_id, self.limits) or received.cause
        wall, trace = received.timestamp_ms, valid_traceparent(command.traceparent)
        return hop.meta(received.cause, wall, command.tenant, command.domain, correlation, trace)

    # -- limits and failures -----------------------------------------------------------------------------------------------

    def holds(self) -> frozenset[str]:
        """The door pauses while too many plans are open."""
        return frozenset({COMMANDS}) if len(self.schedule.plans) >= self.open_plans else frozenset()

    def give_up(self, received: Received, reason: str, hop: Hop) -> bool:
        """A command that cannot be handled is refused; anything else is the chassis's to keep."""
        command = received.record
        if not isinstance(command, Command):
            return False
        if not is_answered_by(self.opening.service, command):
            return True
        self.refuse(command, plan_named(command), (Reason("HANDLING_FAILED", reason[:2_000], None),), received, hop)
        return True


def is_answered_by(service: str, command: Command | None) -> bool:
    """Whether a service is the one that answers a command."""
    return answers(command) == service


def plan_named(command: Command) -> str:
    """The plan that a command is about; empty if it is about none."""
    return plan_id_of(command) if isinstance(command, SubmitPlan) else getattr(command, "plan_id", "")


def key_of(asked: Command | Plan) -> str:
    """The digest of the key under which a command was sent."""
    return key_digest(asked.tenant, asked.domain, asked.idempotency_key)


def answer_of(event: PlanEnded | PlanRejected | CommandRefused) -> str:
    """A terminal event as the JSON that a repeat is answered with."""
    return compact({name: value for name, value in event.to_avro().items() if name != "meta"})
