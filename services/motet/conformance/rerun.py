"""A service's shards run again: each takes what it took, in the order that it wrote down, beside what it published then.

Its rows are in a schema of their own, empty at first. What nothing but time or the world caused is taken from the log, at the positions that it
had; everything else must come out again, byte for byte. A record that was written in a former version of its schema is written in that version:
what came into the schema since must have its default, else it differs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import psycopg
import structlog

from motet.chassis import code_version, crashpoints, database, decided_by, endings, guard, lanes, shard
from motet.chassis.codec import PREFIX, Codec, Schemas
from motet.chassis.errors import ConfigurationError, Undecodable
from motet.chassis.hop import MERGES, Hop, Tools
from motet.chassis.identity import derived_id
from motet.chassis.message import Message
from motet.chassis.outbox import Row
from motet.chassis.repairs import REPAIRS
from motet.chassis.service import Handler, Opening, Received, Service, as_decided
from motet.chassis.settings import Settings
from motet.conformance.differing import Difference, difference
from motet.conformance.history import History, RecordedSchemas
from motet.conformance.one_by_one import one_by_one
from motet.conformance.shard_log import Place, Said, ShardLog, logs_of
from motet.records import Command, Merged, Meta, Record

# What says something about the database and not about a record.
DATABASE: Final = (psycopg.OperationalError, psycopg.InterfaceError)
# What is decided again is nobody's news.
SILENT: Final = structlog.wrap_logger(None, processors=[lambda *_: drop()])


def drop() -> Any:
    """Says nothing."""
    raise structlog.DropEvent


@dataclass(frozen=True, slots=True)
class Compared:
    """How far a shard is the same: `records` were compared; `unpublished` were decided, and the log does not have them yet.

    `later` are published behind the last batch whose merge is in the history. None of both is a difference.
    """

    shard: int
    records: int
    unpublished: int
    later: int
    difference: Difference | None

    @property
    def equal(self) -> bool:
        """Whether everything that was compared is the same."""
        return self.difference is None


class Rerun:
    """A service's shards, in a schema that is theirs."""

    def __init__(
        self, settings: Settings, service: Service, history: History, schema: str, registry: Schemas | None = None
    ) -> None:
        self.settings, self.service, self.history, self.schema = settings, service, history, schema
        self.codec = Codec(RecordedSchemas(history, registry))
        self.logs = logs_of(history.messages, service, self.codec, history.partitions)
        database.migrate(settings.postgres_url, schema, service.migrations)
        self.connection = database.connect(settings.postgres_url, schema, "motet-replay")
        code = code_version.of_process(settings.code_version, service.code)
        self.tools = Tools(service, history.partitions, self.codec, self.connection, crashpoints.nothing, SILENT, code)
        self.replica = settings.replica

    def shard(self, number: int) -> Compared:
        """One shard, up to the first record that differs."""
        return ShardAgain(self, number, self.logs[number]).compare()

    def close(self) -> None:
        """Ends it; the rows stay."""
        self.connection.close()


@contextmanager
def run_again(settings: Settings, service: Service, history: History) -> Iterator[Rerun]:
    """A service to run again beside its history; its rows are there until the block ends."""
    schema = f"{service.schema}_replay"
    drop_schema(settings, schema)
    rerun = Rerun(settings, service, history, schema)
    try:
        for statement in ("SET synchronous_commit = off", *service.options):
            rerun.connection.execute(statement.encode())
        yield rerun
    finally:
        rerun.close()
        drop_schema(settings, schema)


def drop_schema(settings: Settings, schema: str) -> None:
    """Removes a schema of ours."""
    with psycopg.connect(settings.postgres_url) as connection:
        connection.execute(f'DROP SCHEMA IF EXISTS "{schema}" CASCADE'.encode())


class ShardAgain:
    """One shard, run again."""

    def __init__(self, rerun: Rerun, number: int, log: ShardLog) -> None:
        self.rerun, self.number, self.log = rerun, number, log
        self.topics = tuple(one.topic for one in rerun.service.inputs)
        self.shard = shard.claim(rerun.connection, number, self.topics)
        self.handler = self.open()
        self.rules, self.code = rerun.service.rules, rerun.tools.code
        self.decided: dict[str, list[Record]] | None = None
        self.seen: set[Place] = set()
        self.unpublished = 0

    def open(self) -> Handler:
        """The handler, as the rows say."""
        rerun = self.rerun
        place = (rerun.service.name, self.number, rerun.history.partitions)
        owner = (self.shard.epoch, rerun.replica, self.shard.clock)
        opening = Opening(*place, rerun.connection, rerun.codec.decode, crashpoints.nothing, *owner)
        return WithTime(rerun.service.open(opening), self.log, self.facts_of, one_by_one=len(self.ordered) == 1)

    def compare(self) -> Compared:
        """Everything that the log has of it, up to the first record that differs."""
        return self.compared(self.rows())

    def go_on(self) -> Compared:
        """Takes what the records published behind the last known batch name as their causes.

        A process can die when some of a batch's facts are in Kafka, and how it was merged is not. Any order is right that gives these facts.
        They say themselves which code decided them.
        """
        left = (said.decided_by for place, said in self.log.published.items() if place not in self.seen)
        self.code = next(filter(None, map(decided_by.code_of, left)), self.code)
        return self.compared(self.hop(self.causes()))

    def compared(self, rows: Iterable[Row]) -> Compared:
        """What is published today, beside what was."""
        log, codec = self.log, self.rerun.codec
        covered = self.rerun.history.covered
        for row in rows:
            today = Said.of(row)
            published = log.published.get(today.place)
            if published is None and covered is not None and row.position >= covered.get(self.place, 0):
                self.unpublished += 1
            elif published != today:
                return self.done(0, difference(codec, today.place, published, today))
            else:
                self.seen.add(today.place)
        left = log.published.keys() - self.seen
        later = self.later(left) if covered is not None else set()
        parted = None
        if left - later:
            first = min(left - later, key=lambda one: (one[0] != MERGES, one[2], one))
            parted = difference(codec, first, log.published[first], None)
        return self.done(len(later), parted)

    @property
    def ordered(self) -> list[str]:
        """The topics whose records it takes, but for repairs of its own dead letters."""
        return [topic for topic in self.topics if topic != REPAIRS]

    def facts_of(self, cause: str) -> list[Record]:
        """What the log has that follows from an input, of a service that leaves something to time."""
        if len(self.ordered) > 1:
            return []
        if self.decided is None:
            self.decided = {}
            for said in self.log.published.values():
                if not said.stamp.exogenous and said.topic != MERGES:
                    record = self.rerun.codec.decode(said.value)
                    if not isinstance(record, Command):
                        self.decided.setdefault(record.meta.causation_id, []).append(record)
        return self.decided.get(cause, [])

    @property
    def place(self) -> tuple[str, int]:
        """Service and number."""
        return self.rerun.service.name, self.number

    def done(self, later: int, parted: Difference | None) -> Compared:
        """What came of it."""
        return Compared(self.number, len(self.seen), self.unpublished, later, parted)

    def causes(self) -> list[Message]:
        """What was not taken yet, up to the last input of each topic that a record published later names, as the loop would take it."""
        named = {self.cause(said) for place, said in self.log.published.items() if place not in self.seen}
        waiting = [one for one in self.log.inputs.values() if one.offset >= self.shard.offsets[one.topic]]
        last: dict[str, int] = {}
        for message in waiting:
            if message.where in named or self.event_id(message.value) in named:
                last[message.topic] = max(last.get(message.topic, 0), message.offset)
        ranks = {one.topic: one.rank for one in self.rerun.service.inputs}
        taken = [one for one in waiting if one.offset <= last.get(one.topic, -1)]
        return sorted(taken, key=lambda one: (ranks[one.topic], one.topic, one.offset))

    def later(self, left: set[Place]) -> set[Place]:
        """Those of some places whose records were published behind everything that was run again."""
        ids = (
            {derived_id(*self.place, self.shard.next_position + ahead) for ahead in range(LOOK_AHEAD)}
            if left
            else set()
        )
        return {place for place in left if self.event_id(self.log.published[place].value) in ids}

    def event_id(self, value: bytes | None) -> str:
        """The id of what a service published; empty for a command."""
        return "" if (meta := self.meta(value)) is None else meta.event_id

    def cause(self, said: Said) -> str:
        """What led to what was published; empty for a command that was forwarded."""
        return "" if (meta := self.meta(said.value)) is None else meta.causation_id

    def meta(self, value: bytes | None) -> Meta | None:
        """The meta of a record, if it has one."""
        try:
            record = self.rerun.codec.decode(value)
        except Undecodable:
            return None
        return None if isinstance(record, Command) else record.meta

    # -- running -----------------------------------------------------------------------------------------------------------

    def rows(self) -> Iterator[Row]:
        """What it publishes, in order."""
        yield from one_by_one(self) if len(self.ordered) == 1 else self.merged_rows()

    def merged_rows(self) -> Iterator[Row]:
        """The same of a service that wrote down how it merged its topics."""
        for merged in self.log.merges:
            yield from self.in_time()
            yield from self.merge(merged)
        yield from self.in_time()

    def merge(self, merged: Merged) -> list[Row]:
        """A batch as it was taken."""
        self.decide_by(merged.rules)
        self.code = merged.code_version
        return self.hop(
            [
                self.log.inputs[one.topic, offset]
                for one in merged.ranges
                for offset in range(one.from_offset, one.to_offset)
                if (one.topic, offset) in self.log.inputs
            ]
        )

    def decide_by(self, version: int) -> None:
        """What is decided anew is decided by the rules of then. Raises ConfigurationError for rules that this code does not know."""
        if version > self.rerun.service.rules:
            raise ConfigurationError(
                f"{self.rerun.service.name}, shard {self.number}, decided by rules {version}, and this code knows them up to "
                f"{self.rerun.service.rules}: use a newer version"
            )
        self.rules = version

    def in_time(self) -> list[Row]:
        """A hop without an input, if what comes next had none."""
        due = derived_id(*self.place, self.shard.next_position) in self.log.exogenous
        return self.hop([]) if due else []

    def hop(self, messages: Sequence[Message]) -> list[Row]:
        """One hop, committed. A record over which it fails is led to its end, as the loop does it."""
        hop = HopAgain(self.rerun.tools, self.shard, self.log, self.rules, self.code)
        end = guard.attempt(partial(hop.run, messages, self.handler), DATABASE)
        if isinstance(end, guard.Done):
            return end.value
        if not messages:
            raise end.error
        return [row for message in messages for row in endings.lead_to_an_end(message, self.anew, SILENT)]

    def anew(self, *, careful: bool, faults: Mapping[int, str]) -> tuple[Hop, Handler]:
        """A hop that begins from the rows."""
        self.handler.close()
        self.shard = shard.load(self.rerun.connection, self.number, self.topics)
        self.handler = self.open()
        return HopAgain(
            self.rerun.tools, self.shard, self.log, self.rules, self.code, careful=careful, faults=faults
        ), self.handler


# So many positions behind the last one are looked at for what a service published since: more than it may have on its way.
LOOK_AHEAD: Final = 100_000


class HopAgain(Hop):
    """A hop that writes each record in the version of its schema in which the log has it."""

    def __init__(
        self,
        tools: Tools,
        owned: shard.Shard,
        log: ShardLog,
        rules: int,
        code: str,
        *,
        careful: bool = False,
        faults: Mapping[int, str] | None = None,
    ) -> None:
        super().__init__(tools, owned, careful=careful, faults=faults)
        self.log, self.rules, self.code = log, rules, code

    def append(
        self,
        topic: str,
        destination: int,
        key: bytes,
        value: bytes,
        kind: str,
        event_id: str,
        trace: str | None = None,
        decided: str | None = None,
    ) -> None:
        """Gives a fact its position and its number on its lane."""
        number = self.shard.lanes_out.get((topic, destination), lanes.BEFORE).number + 1
        said = self.log.published.get((topic, destination, number))
        if said is not None and said.value != value:
            value = self.as_measured(topic, value, said.value)
            if said.value[: PREFIX.size] != value[: PREFIX.size]:
                value = self.tools.codec.as_in(value, said.value)
        if said is not None and said.decided_by is None:
            # From before facts said it.
            decided = None
        super().append(topic, destination, key, value, kind, event_id, trace, decided)

    def as_measured(self, topic: str, value: bytes, was: bytes) -> bytes:
        """A fact that says of time what was said then; as it is where that says something else."""
        codec, measured = self.tools.codec, self.tools.service.measured
        if measured is as_decided:
            return value
        try:
            today, then = codec.decode(value), codec.decode(was)
        except Undecodable:
            return value
        return codec.encode(topic, measured(today, then)) if type(today) is type(then) else value


class WithTime:
    """A service's handler, whose timers come from the log: no clock of today decides what is due."""

    def __init__(
        self, handler: Handler, log: ShardLog, facts_of: Callable[[str], list[Record]], *, one_by_one: bool
    ) -> None:
        self.handler, self.log, self.facts_of, self.one_by_one = handler, log, facts_of, one_by_one
        self.give_up: Callable[[Received, str, Hop], bool] = handler.give_up
        self.committed, self.close, self.holds = handler.committed, handler.close, handler.holds
        self.foretold, self.told = handler.foretold, handler.told

    @property
    def open_effects(self) -> int:
        """Nothing runs."""
        return 0

    def ready(self) -> bool:
        """The log says when."""
        return False

    def handle(self, batch: Sequence[Received], hop: Hop) -> None:
        """Decides about a batch, and says what the log has behind it that no input caused."""
        self.handler.foretold([fact for received in batch for fact in self.facts_of(received.cause)])
        self.handler.handle(batch, hop)
        while (found := self.log.exogenous.get(hop.next_event_id())) is not None:
            if self.one_by_one and batch:
                # Its own cause may not be taken yet; whoever takes one record after the other asks for it.
                return
            said, record = found
            was: Any = self.handler.told(record)
            hop.exogenous = True
            meta = hop.meta(
                *(was.meta.causation_id, was.meta.recorded_at, was.meta.tenant, was.meta.domain),
                *(was.meta.correlation_id, was.meta.traceparent),
            )
            hop.emit(said.topic, replace(was, meta=meta), said.key, said.destination)
            hop.exogenous = False
            if self.one_by_one:
                return
