"""One shard of the lease service: each input changes the book, each change becomes a fact."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

from motet.chassis.canonical import compact
from motet.chassis.cleaning import cleaning
from motet.chassis.hop import Hop
from motet.chassis.repairs import REPAIRS
from motet.chassis.service import Inert, Input, Opening, Received, Service
from motet.chassis.settings import Settings
from motet.leases import tables
from motet.leases.commands import Commands, Known
from motet.leases.desk import Desk, Refusal
from motet.leases.lease import Ended, Scope, Step
from motet.leases.limits import LeaseLimits
from motet.leases.plans import PlanRequest, denied, scope_of
from motet.leases.telling import EVENTS, GRANTS, Cause, tell
from motet.plan.admission import valid_correlation, valid_traceparent
from motet.plan.identity import command_digest, key_digest, lease_id_of
from motet.plan.limits import Limits
from motet.records import (
    AcquireLeases,
    AskHolder,
    GiveBackLeases,
    HolderTold,
    LeaseCommand,
    LeaseCommandRepeated,
    LeaseEvent,
    LeaseRefused,
    LeaseState,
    LeaseTimerFired,
    Meta,
    Reason,
    ReleaseLease,
    RenewLease,
    TakeLeases,
)

COMMANDS: Final = "motet.lease-commands"
TIMERS: Final = "motet.lease-timers"
PLAN_REQUESTS: Final = "motet.lease-requests"


def service(settings: Settings) -> Service:
    """The lease service. Time is taken before commands."""
    limits = LeaseLimits(
        resources=settings.lease_resources,
        lease_seconds=settings.lease_seconds,
        wait_seconds=settings.lease_wait_seconds,
        per_holder=settings.leases_per_holder,
        per_tenant=settings.leases_per_tenant,
    )
    return Service(
        name="leases",
        inputs=(
            Input(TIMERS, rank=0),
            Input(COMMANDS, rank=2, door=True),
            Input(REPAIRS, rank=3),
            Input(PLAN_REQUESTS, rank=1),
        ),
        outputs=(EVENTS, COMMANDS, TIMERS, GRANTS, "motet.merges", "motet.dead-letters"),
        open=partial(
            Leases, limits=limits, open_leases=settings.open_leases, window_seconds=settings.command_window_seconds
        ),
        schema="leases",
        migrations=(Path(__file__).parent / "migrations",),
        journal=True,
        jobs=(cleaning("clean-lease-commands", settings.command_window_seconds),),
    )


class Leases(Inert):
    """The leases of a shard, in memory and in rows alike."""

    def __init__(self, opening: Opening, limits: LeaseLimits, open_leases: int, window_seconds: float) -> None:
        self.opening = opening
        self.limits = limits
        self.open_leases = open_leases
        self.book = tables.load(opening)
        self.desk = Desk(self.book, limits)
        self.commands = Commands(opening.connection, opening.partition, window_seconds)
        # Scopes whose timer is on its way.
        self.fired: set[Scope] = set()
        self.due: list[tuple[int, Scope]] = []

    # -- time --------------------------------------------------------------------------------------------------------------

    def ready(self) -> bool:
        """Whether a lease is due whose timer is not on its way."""
        if not self.due:
            found = self.book.next_due()
            if found is not None and found[1] not in self.fired and found[0] <= self.opening.clock.now():
                self.due = [found]
        return bool(self.due)

    def fire(self, hop: Hop) -> None:
        """Timers become records: what follows is decided when they come back, at the time that Kafka gave them."""
        due, self.due = self.due, []
        hop.exogenous = True
        for at, scope in due:
            self.fired.add(scope)
            place = f"{self.opening.service}/{self.opening.partition}"
            hop.emit(TIMERS, LeaseTimerFired(hop.meta(place, hop.wall_ms(), *scope, place, None), at))
        hop.exogenous = False

    # -- inputs ------------------------------------------------------------------------------------------------------------

    def handle(self, batch: Sequence[Received], hop: Hop) -> None:
        """Decides about the records in order, then writes what changed in few statements."""
        self.commands.load(key_of(one.record) for one in batch if isinstance(one.record, LeaseCommand))
        for received in batch:
            self.take(received, hop)
        self.fire(hop)
        with self.opening.connection.pipeline():
            self.commands.save()
            tables.save(self.opening, self.book)

    def take(self, received: Received, hop: Hop) -> None:
        """One record: what is over by its time ends first."""
        record, cause = received.record, Cause(received.cause, received.timestamp_ms)
        if isinstance(record, PlanRequest):
            scope = scope_of(record)
        else:
            owner = record.meta if isinstance(record, LeaseTimerFired) else record
            scope = owner.tenant, owner.domain
        self.tell(self.book.at(scope, received.timestamp_ms), hop, cause)
        match record:
            case LeaseTimerFired():
                self.fired.discard(scope)
            case AskHolder() as question:
                self.answer(question, received, hop)
            case TakeLeases() as request:
                self.plan_asks(request, received, hop, cause)
            case GiveBackLeases() as request:
                self.tell(self.desk.give_back(request, received.timestamp_ms), hop, cause)
            case AcquireLeases() | RenewLease() | ReleaseLease() as command:
                if not self.known(command, received, hop):
                    self.decide(command, received, hop, cause)
            case other:
                raise TypeError(f"a {other.FULL_NAME} is not answered here")

    def tell(self, steps: Sequence[Step], hop: Hop, cause: Cause) -> list[LeaseEvent]:
        """Says what the book decided; the key of a lease that is over is known for its window from now on."""
        for step in steps:
            if isinstance(step, Ended) and not step.lease.plan_id:
                lease = step.lease
                self.commands.ended(key_digest(*lease.scope, lease.idempotency_key), cause.timestamp_ms)
        return tell(hop, cause, steps)

    def plan_asks(self, request: TakeLeases, received: Received, hop: Hop, cause: Cause) -> None:
        """A plan's host asks for leases."""
        answer = self.desk.take(request, received.timestamp_ms)
        if isinstance(answer, tuple):
            self.deny(request, answer, received, hop)
        else:
            self.tell(answer, hop, cause)

    def deny(self, request: TakeLeases, reasons: Refusal, received: Received, hop: Hop) -> None:
        """Tells a plan's host every reason why the plan gets no leases."""
        meta = request.meta
        place = meta.tenant, meta.domain, meta.correlation_id, meta.traceparent
        told_in = hop.meta(received.cause, received.timestamp_ms, *place)
        hop.emit(GRANTS, denied(request, reasons)(meta=told_in))

    # -- commands ----------------------------------------------------------------------------------------------------------

    def decide(self, command: LeaseCommand, received: Received, hop: Hop, cause: Cause) -> None:
        """Answers a command that is new."""
        lease_id = lease_id_named(command)
        answer = self.steps(command, received)
        key, now, content = key_of(command), received.timestamp_ms, command_digest(command)
        if isinstance(answer, tuple):
            refused = self.refuse(command, answer, received, hop)
            self.commands.put(key, Known(lease_id, content, "REFUSED", refused.meta.event_id, told(refused), now))
            return
        # Put first: a release ends what its own key has nothing to do with.
        first = hop.next_event_id()
        open_until = None if isinstance(command, AcquireLeases) else now
        known = Known(lease_id, content, "TAKEN", first, "", open_until)
        self.commands.put(key, known)
        known.answer = told(self.tell(answer, hop, cause)[0])

    def steps(self, command: LeaseCommand, received: Received) -> list[Step] | Refusal:
        """What the desk says."""
        now = received.timestamp_ms
        match command:
            case AcquireLeases():
                traceparent = valid_traceparent(command.traceparent)
                return self.desk.acquire(command, correlation_of(command) or lease_id_of(command), traceparent, now)
            case RenewLease():
                return self.desk.renew(command, now)
            case ReleaseLease():
                return self.desk.release(command, now)
            case _:
                raise TypeError(f"a {command.FULL_NAME} changes nothing")

    def known(self, command: LeaseCommand, received: Received, hop: Hop) -> bool:
        """Whether a command's key was used before: then it is answered here, again or with a refusal."""
        known = self.commands.find(key_of(command), received.timestamp_ms)
        if known is None:
            return False
        if known.command_sha256 != command_digest(command):
            message = (
                f"idempotency key {self.short(command.idempotency_key)!r} was used with other content; "
                "something new needs a new key"
            )
            self.refuse(command, (Reason("KEY_REUSED", message, None),), received, hop)
            return True
        lease = self.book.leases.get(known.lease_id)
        state: LeaseState = (
            "REFUSED"
            if known.status == "REFUSED"
            else "ENDED"
            if lease is None
            else "HELD"
            if lease.token
            else "WAITING"
        )
        meta = self.command_meta(command, received, hop)
        names = kind_of(command), self.short(command.idempotency_key), self.short(command.agent)
        token, due_at = (0, None) if lease is None else (lease.token, lease.due_at)
        hop.emit(
            EVENTS,
            LeaseCommandRepeated(meta, *names, known.lease_id, state, token, due_at, known.event_id, known.answer),
        )
        return True

    def answer(self, question: AskHolder, received: Received, hop: Hop) -> None:
        """Who holds a resource at this place of the log. A question asked twice is answered twice."""
        scope = question.tenant, question.domain
        first = self.book.first(scope, question.resource)
        held = first if first is not None and first.token else None
        meta = self.command_meta(question, received, hop)
        resource = question.resource[: self.limits.resource_length]
        waiting = self.book.waiting(scope, question.resource)
        told = HolderTold(meta, resource, None, None, 0, None, waiting)
        if held is not None:
            who = held.lease_id, held.holder
            told = HolderTold(meta, resource, *who, held.token, held.expires_at, waiting)
        hop.emit(EVENTS, told)

    def refuse(self, command: LeaseCommand, reasons: Refusal, received: Received, hop: Hop) -> LeaseRefused:
        """Refuses a command with every reason."""
        meta = self.command_meta(command, received, hop)
        names = kind_of(command), self.short(command.idempotency_key), self.short(command.agent)
        refused = LeaseRefused(meta, *names, self.short(lease_id_named(command)) or None, reasons)
        hop.emit(EVENTS, refused)
        return refused

    def short(self, name: str) -> str:
        """A name that is too long is a reason by itself, and must not make the answer too long as well."""
        return name[: self.limits.identifier_length]

    def command_meta(self, command: LeaseCommand, received: Received, hop: Hop) -> Meta:
        """The meta of a fact about a command."""
        correlation, trace = correlation_of(command) or received.cause, valid_traceparent(command.traceparent)
        place = received.cause, received.timestamp_ms, command.tenant, command.domain
        return hop.meta(*place, correlation, trace)

    # -- limits and failures -----------------------------------------------------------------------------------------------

    def holds(self) -> frozenset[str]:
        """The door pauses while too many leases are open; time goes on ending them."""
        return frozenset({COMMANDS}) if len(self.book.leases) >= self.open_leases else frozenset()

    def give_up(self, received: Received, reason: str, hop: Hop) -> bool:
        """A command that cannot be handled is refused; anything else is the chassis's to keep."""
        command, why = received.record, (Reason("HANDLING_FAILED", reason[:2_000], None),)
        if isinstance(command, TakeLeases):
            self.deny(command, why, received, hop)
            return True
        if not isinstance(command, LeaseCommand):
            return False
        self.refuse(command, why, received, hop)
        return True


def key_of(command: LeaseCommand) -> str:
    """The digest of the key under which a command was sent."""
    return key_digest(command.tenant, command.domain, command.idempotency_key)


def kind_of(command: LeaseCommand) -> str:
    """A command's record type, without its namespace."""
    return command.FULL_NAME.rpartition(".")[2]


def lease_id_named(command: LeaseCommand) -> str:
    """The lease that a command is about; empty if it is about none."""
    match command:
        case AcquireLeases():
            return lease_id_of(command)
        case RenewLease(lease_id=lease_id) | ReleaseLease(lease_id=lease_id):
            return lease_id
        case _:
            return ""


def correlation_of(command: LeaseCommand) -> str | None:
    """The client's own correlation id, if a fact may carry it."""
    return valid_correlation(command.correlation_id, Limits())


def told(event: LeaseEvent) -> str:
    """An answer as the JSON that a repeat gets."""
    return compact({name: value for name, value in event.to_avro().items() if name != "meta"})
