"""The Python client: submit, wait, iterate events."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, InvalidStateError
from concurrent.futures import TimeoutError as NotInTime
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any, Final, Literal, Self

from motet.chassis import settings as configuration
from motet.chassis.codec import Codec
from motet.chassis.contracts import every, newest
from motet.chassis.decided_by import found, read
from motet.chassis.errors import ConfigurationError, MotetError, RegistryUnavailable, Undecodable
from motet.chassis.identity import domain_key
from motet.chassis.message import Message
from motet.chassis.subject_keys import SubjectKeys
from motet.client.answers import Answers, Sent
from motet.client.directing import Directing
from motet.client.disclosure import Disclosure
from motet.client.events import Event, Listener, Tail, event_type
from motet.client.leases.on_motet import Ear, MotetLeases
from motet.client.outcome import Outcome, outcome_of
from motet.client.plans import Call, Mode, PlanLeases, command
from motet.client.policy import Policy
from motet.client.sending import FLUSH_SECONDS, Sending, SubmitFailed
from motet.modes import answers, host_of
from motet.plan.identity import plan_id_of
from motet.platform.finding import found_addresses
from motet.records import Command, CommandRepeated, CommittedEvent, PlanEnded, PlanRejected, SubmitPlan, ToolContract

COMMANDS: Final = "motet.commands"
AGAIN_SECONDS: Final = 0.5
# Also where the addresses are given: a client that has no keys would send what is personal as it is.
KEYS_URL: Final = "MOTET_SUBJECT_KEYS_URL"
TERMINAL: Final = {kind.FULL_NAME for kind in (PlanEnded, PlanRejected, CommandRepeated)}


class PlanTimeout(MotetError):
    """The plan had not ended in time. It goes on; waiting again or submitting it again under its key tells how it ends."""


@dataclass(frozen=True, slots=True)
class Submitted:
    """A plan on its way. Its id is known before anyone answered: it follows from the command."""

    plan_id: str
    idempotency_key: str
    future: Future[Outcome]

    def wait(self, timeout_seconds: float | None = 60.0) -> Outcome:
        """The plan's end. Raises PlanTimeout, SubmitFailed."""
        try:
            return self.future.result(timeout_seconds)
        except NotInTime as error:
            raise timed_out(self.plan_id, timeout_seconds) from error


def timed_out(plan_id: str, timeout_seconds: float | None) -> PlanTimeout:
    """What whoever gave up waiting is told."""
    return PlanTimeout(
        f"plan {plan_id} did not end within {timeout_seconds or 0:g} s; it goes on: `motet plan {plan_id}` shows how it is, "
        f"`motet status` whether its host, the service `{host_of(plan_id)}`, runs"
    )


def disclosure(url: str, bootstrap: str, codec: Codec) -> Disclosure:
    """What seals and opens, with the keys of a database."""
    return Disclosure(SubjectKeys(url), partial(every, bootstrap, codec))


class Client:
    """A connection to Kafka and the registry; a context manager, usable from several threads.

    Addresses come from the arguments, else from MOTET_KAFKA_BOOTSTRAP and MOTET_SCHEMA_REGISTRY_URL, else from the platform that runs
    under `.motet`. With `subject_keys_url` (or MOTET_SUBJECT_KEYS_URL), a PostgreSQL, it seals personal arguments and opens personal results
    (docs/personal.md). Tenant, domain and agent are defaults for `submit`; `direct` has the commands about what is there (cancel, approve, settle
    and others), `leases` those about leases.
    """

    def __init__(
        self,
        bootstrap: str | None = None,
        registry_url: str | None = None,
        *,
        tenant: str = "default",
        domain: str = "default",
        agent: str = "python",
        subject_keys_url: str | None = None,
    ) -> None:
        if bootstrap is None or registry_url is None:
            settings = configuration.load(**found_addresses())
            bootstrap = bootstrap or settings.kafka_bootstrap
            registry_url = registry_url or settings.schema_registry_url
        subject_keys_url = subject_keys_url or os.environ.get(KEYS_URL)
        self.bootstrap = bootstrap
        self.tenant, self.domain, self.agent = tenant, domain, agent
        from motet.chassis.registry import Registry  # noqa: PLC0415  commands that only read SQL need no client of the registry

        self.registry = Registry(registry_url)
        self.codec = Codec(self.registry)
        self.disclosure = None if subject_keys_url is None else disclosure(subject_keys_url, bootstrap, self.codec)
        self.lock = threading.Lock()
        self.closing = threading.Event()
        self.waiting: dict[str, list[Future[Outcome]]] = {}
        self.answers = Answers()
        self.direct = Directing(self)
        self.ear = Ear(self)
        self.leases = MotetLeases(self, self.ear, domain, agent)
        self.sending = Sending(bootstrap)
        self.listener = Listener(bootstrap, self.take)

    # -- submit and wait ---------------------------------------------------------------------------------------------------

    def submit(
        self,
        calls: Sequence[Call],
        *,
        tenant: str | None = None,
        domain: str | None = None,
        agent: str | None = None,
        idempotency_key: str | None = None,
        isolation: Literal["plan", "call"] = "plan",
        correlation_id: str | None = None,
        traceparent: str | None = None,
        policy: Policy | None = None,
        mode: Mode = "orchestrated",
        leases: PlanLeases | None = None,
        caused_by: str | None = None,
        workflow: str | None = None,
    ) -> Submitted:
        """Submits calls as a plan; `caused_by` is the id of the event that it answers to (`Outcome.event_id`), `workflow` the name of the
        definition that it is an instance of, such as "refund@3". Raises ConfigurationError for arguments that JSON cannot carry.
        """
        return self.submit_command(
            command(
                calls,
                tenant=tenant or self.tenant,
                domain=domain or self.domain,
                agent=agent or self.agent,
                idempotency_key=idempotency_key,
                isolation=isolation,
                correlation_id=correlation_id,
                traceparent=traceparent,
                policy=policy,
                mode=mode,
                leases=leases,
                caused_by=caused_by,
                workflow=workflow,
            )
        )

    def submit_command(self, plan: SubmitPlan) -> Submitted:
        """Submits a command that is ready; its personal arguments are sealed, where this client has keys."""
        if self.disclosure is not None:
            plan = self.disclosure.plan(plan)
        try:
            plan_id = plan_id_of(plan)
            value = self.codec.encode(COMMANDS, plan)
        except (UnicodeEncodeError, ValueError, TypeError) as error:
            raise ConfigurationError(f"the plan cannot be written as Avro: {error}") from error
        future: Future[Outcome] = Future()
        with self.lock:
            self.waiting.setdefault(plan_id, []).append(future)

        def told(_: str | None, reason: str | None) -> None:
            if reason is not None:
                self.fail(plan_id, SubmitFailed(f"Kafka did not take plan {plan_id}: {reason}"))

        self.sending.give(COMMANDS, domain_key(plan.tenant, plan.domain), value, told)
        self.sending.poll()
        return Submitted(plan_id, plan.idempotency_key, future)

    def send(self, asked: Command) -> Sent:
        """Sends any command; its answer is the event that it causes."""
        try:
            value = self.codec.encode(COMMANDS, asked)
        except (UnicodeEncodeError, ValueError, TypeError) as error:
            raise ConfigurationError(f"the command cannot be written as Avro: {error}") from error
        future: Future[CommittedEvent] = Future()
        self.answers.sending()

        def told(place: str | None, reason: str | None) -> None:
            self.answers.placed(place, future)
            if reason is not None:
                future.set_exception(SubmitFailed(f"Kafka did not take the command: {reason}"))

        self.sending.give(COMMANDS, domain_key(asked.tenant, asked.domain), value, told)
        self.flush()
        return Sent(asked.idempotency_key, future, answers(asked))

    def put(self, topic: str, asked: Command) -> str:
        """Puts a command on a topic; its place there, `topic:partition:offset`. Raises SubmitFailed."""
        try:
            value = self.codec.encode(topic, asked)
        except (UnicodeEncodeError, ValueError, TypeError) as error:
            raise ConfigurationError(f"the command cannot be written as Avro: {error}") from error
        place: Future[str] = Future()

        def told(found: str | None, reason: str | None) -> None:
            if found is not None:
                place.set_result(found)
            else:
                place.set_exception(SubmitFailed(f"Kafka did not take the command: {reason}"))

        self.sending.give(topic, domain_key(asked.tenant, asked.domain), value, told)
        self.flush()
        return place.result(FLUSH_SECONDS)

    def run(self, calls: Sequence[Call], *, timeout_seconds: float | None = 60.0, **options: Any) -> Outcome:
        """Submits calls and waits for their end; the options are those of `submit`."""
        return self.submit(calls, **options).wait(timeout_seconds)

    def flush(self) -> None:
        """Waits until Kafka has everything that was submitted."""
        self.sending.flush()

    def contracts(self) -> list[ToolContract]:
        """The newest contract of every tool, by name, as Kafka has them. Raises LogUnreadable, RegistryUnavailable."""
        return newest(self.bootstrap, self.codec)

    # -- events ------------------------------------------------------------------------------------------------------------

    def events(
        self,
        *,
        tenant: str | None = None,
        domain: str | None = None,
        plan_id: str | None = None,
        from_beginning: bool = False,
        follow: bool = True,
    ) -> Iterator[Event]:
        """Events of the committed log, in order within a domain: from now on, or from the beginning.

        Without `follow` it ends at the log's end. The other arguments pick events.
        """
        # Here and not in the generator: from now on means from this call on.
        tail = Tail(self.bootstrap, from_beginning=from_beginning or not follow)
        return self.picked(tail, follow=follow, tenant=tenant, domain=domain, plan_id=plan_id)

    def picked(
        self, tail: Tail, *, follow: bool, tenant: str | None, domain: str | None, plan_id: str | None
    ) -> Iterator[Event]:
        """The events of a tail that are asked for."""
        try:
            for batch in tail.batches(lambda: False, follow=follow):
                for message in batch:
                    record = self.codec.decode(message.value)
                    if not isinstance(record, CommittedEvent):
                        continue
                    meta = record.meta
                    if meta.tenant != (tenant or meta.tenant) or meta.domain != (domain or meta.domain):
                        continue
                    if plan_id is None or record.plan_id == plan_id:
                        place = (message.topic, message.partition, message.offset, message.timestamp_ms)
                        yield Event(*place, record.FULL_NAME, record, read(found(message.headers)))
        finally:
            tail.close()

    # -- inside ------------------------------------------------------------------------------------------------------------

    def take(self, message: Message) -> None:
        """On the listener's thread: ends the futures that a terminal event answers."""
        self.sending.poll()
        terminal = self.waiting and event_type(message) in TERMINAL
        if not terminal and not self.answers.awaited:
            return
        record = self.read(message)
        if isinstance(record, CommittedEvent):
            self.answers.take(record)
        if not isinstance(record, (PlanEnded, PlanRejected, CommandRepeated)):
            return
        outcome = outcome_of(record)
        if outcome is None:
            return
        if self.disclosure is not None:
            outcome = self.disclosure.outcome(record.meta.tenant, outcome)
        with self.lock:
            futures = self.waiting.pop(record.plan_id, [])
        for future in futures:
            # One that whoever waited for it has cancelled takes nothing from the others.
            with suppress(InvalidStateError):
                future.set_result(outcome)

    def read(self, message: Message) -> Any:
        """A message's record; None if nobody can read it. A registry that is away is waited for: the thread that listens must not end."""
        while not self.closing.is_set():
            try:
                return self.codec.decode(message.value)
            except Undecodable:
                return None
            except RegistryUnavailable:
                self.closing.wait(AGAIN_SECONDS)
        return None

    def fail(self, plan_id: str, error: MotetError) -> None:
        """Ends the futures of a plan that Kafka did not take."""
        with self.lock:
            futures = self.waiting.pop(plan_id, [])
        for future in futures:
            with suppress(InvalidStateError):
                future.set_exception(error)

    def close(self) -> None:
        """Hands over what was submitted, and ends the threads. Futures that are still open are cancelled."""
        with suppress(SubmitFailed):
            self.sending.flush()
        self.closing.set()
        self.listener.close()
        self.ear.close()
        self.registry.close()
        if self.disclosure is not None:
            self.disclosure.close()
        with self.lock:
            futures = [future for group in self.waiting.values() for future in group]
            self.waiting.clear()
        for future in futures:
            future.cancel()
        for answer in self.answers.drop():
            answer.cancel()

    def __enter__(self) -> Self:
        """Opens nothing: the constructor did."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Closes."""
        self.close()
