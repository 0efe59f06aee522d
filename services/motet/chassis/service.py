"""What a service implements: a name, the topics it reads, and a handler that turns records into facts.

The chassis calls the handler inside the hop (`hop.py`). A handler keeps its shard's state in memory as it likes: after any failure
the transaction is rolled back, the handler is thrown away and opened again from the rows, so that memory and rows never differ.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from motet.chassis.job import Job
from motet.chassis.log_clock import LogClock
from motet.records import Command, Meta, Record
from motet.records.record import record

if TYPE_CHECKING:
    import psycopg

    from motet.chassis.hop import Hop
    from motet.chassis.settings import Settings


@record
class Received:
    """A decoded record and where it stood.

    `timestamp_ms` is when the broker appended it; `cause` is its event id, or `topic:partition:offset` for a command.
    """

    topic: str
    partition: int
    offset: int
    key: bytes
    value: bytes
    timestamp_ms: int
    record: Any
    cause: str
    # Of a record that a service wrote.
    headers: tuple[tuple[str, bytes | None], ...] = ()

    @property
    def meta(self) -> Meta | None:
        """The record's own meta; None for a command, which a client wrote."""
        return None if isinstance(self.record, Command) else self.record.meta


class Handler(Protocol):
    """One shard's part of a service. All methods run on the loop's thread."""

    @property
    def open_effects(self) -> int:
        """Effects outside the transaction whose end will need a turn: while there are any, the loop looks often."""

    def handle(self, batch: Sequence[Received], hop: Hop) -> None:
        """Decide about the records in the order given, and emit facts through the hop. Also takes what `ready` announced."""

    def give_up(self, received: Received, reason: str, hop: Hop) -> bool:
        """Answer a record whose handling failed for good. False: the chassis dead-letters it and parks its key."""

    def ready(self) -> bool:
        """Whether work that no input starts, such as a finished effect, waits to be taken by `handle`."""

    def committed(self) -> None:
        """The hop's transaction is durable: now effects outside it may start."""

    def holds(self) -> frozenset[str]:
        """Input topics to pause because a limit is reached: back-pressure."""

    def close(self) -> None:
        """The shard is given up or the process stops."""

    def foretold(self, facts: Sequence[Record]) -> None:
        """In a replay, before a batch: what the log has that follows from it, for what time alone decided."""

    def told(self, fact: Record) -> Record:
        """In a replay: something that no input caused, as it was published. The handler goes on from it, and says what it is today."""


class Inert:
    """Answers for handlers that need no effects outside the transaction: inherit it and write `handle`."""

    @property
    def open_effects(self) -> int:
        """Nothing runs outside."""
        return 0

    def give_up(self, received: Received, reason: str, hop: Hop) -> bool:  # noqa: ARG002  the protocol's
        """Leave the record to the chassis."""
        return False

    def ready(self) -> bool:
        """Nothing starts by itself."""
        return False

    def committed(self) -> None:
        """Nothing waits for the commit."""

    def holds(self) -> frozenset[str]:
        """Nothing is held."""
        return frozenset()

    def close(self) -> None:
        """Nothing is open."""

    def foretold(self, facts: Sequence[Record]) -> None:
        """Time decides nothing here."""

    def told(self, fact: Record) -> Record:
        """What comes back as an input is decided about then."""
        return fact


def everything(command: Command | None) -> bool:  # noqa: ARG001  whatever it is
    """For a service that shares its door with no other."""
    return True


@dataclass(frozen=True, slots=True)
class Input:
    """A topic that a service reads. Lower `rank` goes first within a batch.

    What is `needed` is read up to where it ends when a shard is claimed before anything else is: Kafka keeps no order between topics, and a
    service that is new, or was away, would decide about commands without the contracts that were there long before.

    Where order matters (`ordered`), what comes later on a key waits behind what could not be handled. A service that follows other topics
    with the same keys besides says so of the one it must follow in order: in which order it reads the two nobody can say.

    Lists of which a service makes nothing (`without`) are read, and no records are made of them, of which there are many.
    """

    topic: str
    rank: int = 0
    door: bool = False
    needed: bool = False
    ordered: bool = True
    without: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Opening:
    """What a handler gets when its shard is claimed."""

    service: str
    partition: int
    partitions: int
    connection: psycopg.Connection[Any]
    decode: Callable[[bytes], Any]
    reach: Callable[[str], None]
    # How often the shard has changed its owner, and which replica this one is.
    epoch: int = 0
    replica: int = 0
    # The log's time, as the shard hears it.
    clock: LogClock = field(default_factory=LogClock)


def as_decided(today: Record, was: Record) -> Record:
    """Most records say of no time how long it was."""
    _ = was
    return today


def alone(settings: Settings) -> AbstractContextManager[None]:
    """Beside most services nothing runs."""
    _ = settings
    return nullcontext()


@dataclass(frozen=True, slots=True)
class Service:
    """A service's declaration, checked against `schemas/topics.yaml` by a test."""

    name: str
    inputs: tuple[Input, ...]
    outputs: tuple[str, ...]
    open: Callable[[Opening], Handler]
    schema: str
    migrations: tuple[Path, ...] = ()
    # A service that reads several topics journals the order in which it took them (ARCHITECTURE.md, "The merge").
    journal: bool = False
    # Several services read one door. Each command is forwarded, answered or buried by the one that owns it; the others see it and leave it
    # alone. None stands for a record that cannot be read.
    owns: Callable[[Command | None], bool] = everything
    # What one process of the service does at a time, now and then (`singleton.py`).
    jobs: tuple[Job, ...] = ()
    # So long others' commands at a shared door may gather: each hop has a price, and where nobody waits for it it buys nothing.
    gather_seconds: float = 0.0
    # So long the broker lets records gather for a service for whose next record nobody ever waits; it fetches that much less often.
    patience_seconds: float = 0.0
    # The newest version of the rules that it decides by. The journal says which one a batch was decided by.
    rules: int = 1
    # The version of code that is no part of the package, such as a toolset's.
    code: str = ""
    # What a process of the service does beside its shards, from its start to its end.
    beside: Callable[[Settings], AbstractContextManager[None]] = alone

    def answers(self, source: Input, record: Record | None) -> bool:
        """Whether this service is the one to answer for a record: at a door that others read as well, one of them is."""
        return not source.door or self.owns(record if isinstance(record, Command) else None)

    # What a record says of time that was measured when it was made is taken, in a replay, from the one that was published.
    measured: Callable[[Record, Record], Record] = as_decided
    # Statements that every new connection runs, such as a tool's own search path.
    options: tuple[str, ...] = field(default=())
