"""Leases by Motet's lease service: commands to `motet.lease-commands`, answers from `motet.leases`."""

from __future__ import annotations

import queue
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final, NoReturn, Protocol

from motet.chassis.codec import Codec
from motet.chassis.errors import Undecodable
from motet.chassis.message import Message
from motet.client.answers import CommandNotAnswered
from motet.client.events import Listener
from motet.client.leases.interface import BadRequest, Holding, Lease, LeaseError, LeaseLost, NotGranted
from motet.plan.identity import lease_id_of
from motet.records import (
    AcquireLeases,
    AskHolder,
    HolderTold,
    LeaseCommand,
    LeaseCommandRepeated,
    LeaseEvent,
    LeaseRefused,
    LeasesExpired,
    LeasesGranted,
    LeasesQueued,
    LeasesReleased,
    LeasesRenewed,
    ReleaseLease,
    RenewLease,
)

COMMANDS: Final = "motet.lease-commands"
EVENTS: Final = "motet.leases"
MILLISECONDS: Final = 1_000
LOST: Final = frozenset({"NOT_HELD", "OTHER_HOLDER", "STALE_TOKEN"})
Heard = queue.SimpleQueue[LeaseEvent]


class Sender(Protocol):
    """What sends: the client."""

    bootstrap: str
    codec: Codec
    tenant: str
    domain: str
    agent: str

    def put(self, topic: str, asked: LeaseCommand) -> str:
        """Sends a command and returns its place, `topic:partition:offset`, once Kafka has it."""


class Ear:
    """Hands each event about leases to whoever waits for some. It listens from the first question on."""

    def __init__(self, sender: Sender) -> None:
        self.sender = sender
        self.lock = threading.Lock()
        self.listener: Listener | None = None
        self.waiting: list[Heard] = []

    @contextmanager
    def open(self) -> Iterator[Heard]:
        """Everything that is said from now on."""
        heard: Heard = queue.SimpleQueue()
        with self.lock:
            if self.listener is None:
                self.listener = Listener(self.sender.bootstrap, self.take, EVENTS)
            self.waiting.append(heard)
        try:
            yield heard
        finally:
            with self.lock:
                self.waiting.remove(heard)

    def take(self, message: Message) -> None:
        """On the listener's thread."""
        with self.lock:
            waiting = list(self.waiting)
        if not waiting:
            return
        try:
            record = self.sender.codec.decode(message.value)
        except Undecodable:
            return
        if isinstance(record, LeaseEvent):
            for heard in waiting:
                heard.put(record)

    def close(self) -> None:
        """Ends the listener."""
        if self.listener is not None:
            self.listener.close()


class MotetLeases:
    """Leases of the client's tenant. Scope and holder are the client's domain and agent unless `of` names others."""

    def __init__(self, sender: Sender, ear: Ear, scope: str, holder: str, timeout_seconds: float = 30.0) -> None:
        self.sender, self.ear = sender, ear
        self.scope, self.who = scope, holder
        self.timeout_seconds = timeout_seconds

    def of(self, *, scope: str | None = None, holder: str | None = None) -> MotetLeases:
        """Leases of another scope, or for another holder."""
        return MotetLeases(self.sender, self.ear, scope or self.scope, holder or self.who, self.timeout_seconds)

    # -- the interface -----------------------------------------------------------------------------------------------------

    def acquire(
        self,
        resources: Sequence[str],
        *,
        duration_seconds: float,
        wait_seconds: float = 0.0,
        idempotency_key: str | None = None,
    ) -> Lease:
        """All resources or none, in the order of the log. The same key again is the same lease, if it is still there.

        Raises NotGranted, BadRequest, LeaseLost for a repeated key whose lease is over, CommandNotAnswered.
        """
        key = idempotency_key or uuid.uuid4().hex
        command = AcquireLeases(*self.head(key), tuple(resources), duration_seconds, wait_seconds)
        lease_id = lease_id_of(command)
        until = time.monotonic() + wait_seconds + self.timeout_seconds
        with self.ear.open() as heard:
            event = self.answer(command, heard)
            while isinstance(event, LeasesQueued) or (
                isinstance(event, LeaseCommandRepeated) and event.state == "WAITING"
            ):
                event = self.next(heard, until, lease_id=lease_id)
        match event:
            case LeasesGranted():
                return granted(event)
            case LeaseCommandRepeated(state="HELD"):
                resources = tuple(sorted(set(resources)))
                return Lease(lease_id, resources, self.who, event.token, (event.expires_at or 0) / MILLISECONDS)
            case LeaseCommandRepeated():
                raise LeaseLost(f"the lease that key {key!r} asked for is over: something new needs a new key")
            case LeasesExpired() | LeasesReleased():
                raise NotGranted(f"{', '.join(resources)}: not within {wait_seconds:g} s")
            case other:
                raise CommandNotAnswered(f"a request for a lease was answered by {other.FULL_NAME}")

    def renew(self, lease: Lease, duration_seconds: float) -> Lease:
        """The lease, held from now on for so long. Raises LeaseLost, BadRequest, CommandNotAnswered."""
        head = self.head(uuid.uuid4().hex)
        event = self.ask(RenewLease(*head, lease.lease_id, lease.token, duration_seconds))
        if not isinstance(event, LeasesRenewed):
            raise CommandNotAnswered(f"a renewal was answered by {event.FULL_NAME}")
        return Lease(lease.lease_id, event.resources, event.holder, event.token, event.expires_at / MILLISECONDS)

    def release(self, lease: Lease) -> None:
        """Gives a lease back. Raises LeaseLost, CommandNotAnswered."""
        self.ask(ReleaseLease(*self.head(uuid.uuid4().hex), lease.lease_id, lease.token))

    def holder(self, resource: str) -> Holding | None:
        """Who holds a resource at this place of the log. Raises CommandNotAnswered."""
        event = self.told(resource)
        if event.holder is None:
            return None
        return Holding(resource, event.holder, event.token, (event.expires_at or 0) / MILLISECONDS)

    def waiting(self, resource: str) -> int:
        """How many wait for a resource at this place of the log. Raises CommandNotAnswered."""
        return self.told(resource).waiting

    # -- asking ------------------------------------------------------------------------------------------------------------

    def head(self, key: str) -> tuple[str, str, str, str]:
        """What every command begins with."""
        return key, self.sender.tenant, self.scope, self.who

    def told(self, resource: str) -> HolderTold:
        """The answer about a resource."""
        event = self.ask(AskHolder(*self.head(uuid.uuid4().hex), resource))
        if not isinstance(event, HolderTold):
            raise CommandNotAnswered(f"a question was answered by {event.FULL_NAME}")
        return event

    def ask(self, command: LeaseCommand) -> LeaseEvent:
        """Sends a command and waits for its answer."""
        with self.ear.open() as heard:
            return self.answer(command, heard)

    def answer(self, command: LeaseCommand, heard: Heard) -> LeaseEvent:
        """The event that a command causes."""
        place = self.sender.put(COMMANDS, command)
        event = self.next(heard, time.monotonic() + self.timeout_seconds, cause=place)
        if isinstance(event, LeaseRefused):
            refuse(event)
        if isinstance(event, LeaseCommandRepeated) and event.state == "REFUSED":
            raise BadRequest("it was refused before")
        return event

    def next(self, heard: Heard, until: float, *, cause: str = "", lease_id: str = "") -> LeaseEvent:
        """The next event with that cause, or about that lease."""
        while True:
            try:
                event = heard.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty as error:
                raise CommandNotAnswered(
                    f"no answer within {self.timeout_seconds:g} s; is the lease service running? (`motet status`)"
                ) from error
            if event.meta.causation_id == cause or (lease_id and getattr(event, "lease_id", "") == lease_id):
                return event


def granted(event: LeasesGranted) -> Lease:
    """A lease from the event that says so."""
    return Lease(event.lease_id, event.resources, event.holder, event.token, event.expires_at / MILLISECONDS)


def refuse(event: LeaseRefused) -> NoReturn:
    """Raises what a refusal means."""
    codes = {one.code for one in event.reasons}
    kind: type[LeaseError] = LeaseLost if codes & LOST else NotGranted if codes == {"HELD"} else BadRequest
    raise kind("; ".join(f"{one.code}: {one.message}" for one in event.reasons))
