"""Answers to commands: the event whose cause is the command's own place in Kafka."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotInTime
from dataclasses import dataclass

from motet.chassis.errors import MotetError
from motet.records import CommandRefused, CommandRepeated, CommittedEvent, Reason


class CommandNotAnswered(MotetError):
    """No service answered a command in time. It is in Kafka and will be answered; send it again under its key to hear the answer."""


class Refused(MotetError):
    """A command changed nothing. `reasons` say why."""

    def __init__(self, reasons: tuple[Reason, ...]) -> None:
        super().__init__("; ".join(f"{one.code}: {one.message}" for one in reasons) or "it was refused before")
        self.reasons = reasons


@dataclass(frozen=True, slots=True)
class Sent:
    """A command on its way. `host` is the service that answers it."""

    idempotency_key: str
    future: Future[CommittedEvent]
    host: str

    def wait(self, timeout_seconds: float | None = 30.0) -> CommittedEvent:
        """The event that answers the command. Raises Refused, CommandNotAnswered, SubmitFailed."""
        try:
            event = self.future.result(timeout_seconds)
        except NotInTime as error:
            raise CommandNotAnswered(
                f"no answer within {timeout_seconds:g} s; is the service `{self.host}` running? (`motet status`)"
            ) from error
        if isinstance(event, CommandRefused):
            raise Refused(event.reasons)
        if isinstance(event, CommandRepeated) and event.status == "REJECTED":
            raise Refused(())
        return event


class Answers:
    """Matches events and commands, of which either may be heard of first."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.unplaced = 0
        self.waiting: dict[str, Future[CommittedEvent]] = {}
        # Causes of events that came while a command's own place was not known yet.
        self.heard: dict[str, CommittedEvent] = {}

    @property
    def awaited(self) -> bool:
        """Whether any command waits for its answer."""
        return bool(self.waiting) or self.unplaced > 0

    def sending(self) -> None:
        """A command is handed to Kafka."""
        with self.lock:
            self.unplaced += 1

    def placed(self, place: str | None, future: Future[CommittedEvent]) -> None:
        """Kafka has a command at a place, or does not take it."""
        with self.lock:
            self.unplaced -= 1
            event = None if place is None else self.heard.get(place)
            if place is not None and event is None:
                self.waiting[place] = future
            if not self.unplaced:
                self.heard.clear()
        if event is not None:
            future.set_result(event)

    def take(self, event: CommittedEvent) -> None:
        """An event was committed: the first one with a command as its cause is its answer."""
        cause = event.meta.causation_id
        with self.lock:
            future = self.waiting.pop(cause, None)
            if future is None and self.unplaced:
                self.heard.setdefault(cause, event)
        if future is not None:
            future.set_result(event)

    def drop(self) -> list[Future[CommittedEvent]]:
        """Forgets everything; the futures that are still open."""
        with self.lock:
            futures = list(self.waiting.values())
            self.waiting.clear()
        return futures
