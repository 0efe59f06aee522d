"""The hop: what every service does with a batch, in one transaction.

    1. Take: skip what the shard took before, check lanes, decode; what cannot be read becomes a dead letter.
    2. Decide: the service's handler turns records into facts, in memory, one after the other.
    3. Write: move the shard's rows from the values expected, save lanes, copy the facts into the outbox.
    4. Commit. Only then may the facts be produced, straight from memory (`publisher.py`).

The fence is step 3: if another process moved the rows, their count differs, everything is rolled back and the shard is let go. The
rows are moved last, since within a transaction order does not matter and the hop saves a round trip.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import psycopg

from motet.chassis import clock, decided_by, door, lanes, outbox, repairs
from motet.chassis import shard as shards
from motet.chassis.codec import Codec
from motet.chassis.errors import Fenced, MotetError, Undecodable
from motet.chassis.identity import derived_id, domain_key, partition_of
from motet.chassis.message import Message
from motet.chassis.outbox import Row
from motet.chassis.repairs import DEAD_LETTERS, UNORDERED
from motet.chassis.service import Handler, Input, Received, Service
from motet.chassis.shard import Shard
from motet.chassis.text import printable
from motet.records import Command, DeadLetter, Header, Merged, Meta, OffsetRange, Record

RECORD_BYTES: Final = 2_000_000
DEAD_LETTER_BYTES: Final = 8_000_000
MERGES: Final = "motet.merges"


class RecordTooLarge(MotetError):
    """A fact would not fit into its topic."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What hops of one process share."""

    service: Service
    partitions: int
    codec: Codec
    connection: psycopg.Connection[Any]
    reach: Callable[[str], None]
    log: Any
    # What facts say of the code that made them.
    code: str = ""


class Hop:
    """One hop of one shard. Handlers emit through it; `run` is the whole of it."""

    def __init__(
        self, tools: Tools, shard: Shard, *, careful: bool = False, faults: Mapping[int, str] | None = None
    ) -> None:
        self.tools = tools
        self.shard = shard
        # What a repair needs to find the parked record that fails: `careful` hands them over one by one, `over` is the number of the one
        # that the handler has, `faults` are those that failed in former hops.
        self.careful, self.faults = careful, faults or {}
        self.over: int | None = None
        self.connection = tools.connection
        self.inputs = {one.topic: one for one in tools.service.inputs}
        self.several = len(self.inputs.keys() - {repairs.REPAIRS}) > 1
        self.repairs: list[Received] = []
        self.rows: list[Row] = []
        self.position = shard.next_position
        self.moved: dict[str, tuple[int, int]] = {}
        self.touched_in: set[tuple[str, str, int]] = set()
        self.touched_out: set[tuple[str, int]] = set()
        self.meta_due: Meta | None = None
        self.exogenous = False
        # By which version of the service's rules this batch is decided, where a decision is a new one; and by which code.
        self.rules, self.code = tools.service.rules, tools.code

    # -- 1. take ---------------------------------------------------------------------------------------------------------

    def take(self, messages: Sequence[Message]) -> list[Received]:
        """The records to decide about, in order."""
        fresh = [message for message in messages if message.offset >= self.shard.offsets[message.topic]]
        if self.journals(fresh):
            self.journal(fresh)
        taken: list[Received] = []
        for message in fresh:
            topic, offset = message.topic, message.offset
            self.shard.clock.heard(message.timestamp_ms)
            before = self.moved.get(topic, (self.shard.offsets[topic], 0))[0]
            self.moved[topic] = (before, offset + 1)
            received = self.read(message, self.inputs[topic])
            if received is not None:
                (self.repairs if topic == repairs.REPAIRS else taken).append(received)
        return taken

    def journals(self, messages: Sequence[Message]) -> bool:
        """Whether the order of a batch says more than its topics' own: beside repairs some services read one topic only."""
        if not self.tools.service.journal or not messages:
            return False
        return self.several or any(message.topic == repairs.REPAIRS for message in messages)

    def journal(self, messages: Sequence[Message]) -> None:
        """Writes down in which order a batch of several topics was merged."""
        ranges: list[OffsetRange] = []
        for message in messages:
            topic, offset = message.topic, message.offset
            if ranges and ranges[-1].topic == topic:
                ranges[-1] = OffsetRange(topic, ranges[-1].from_offset, offset + 1)
            else:
                ranges.append(OffsetRange(topic, offset, offset + 1))
        cause = messages[-1].where
        meta = self.meta(cause, max(message.timestamp_ms for message in messages), "", "", cause, None)
        service, shard = self.tools.service.name, self.shard.partition
        key = f"{service}/{shard}".encode()
        self.emit(MERGES, Merged(meta, service, shard, tuple(ranges), self.rules, self.code), key, shard)

    def read(self, message: Message, source: Input) -> Received | None:
        """A message as a record; None if it was taken before or is answered by a dead letter, by forwarding or by parking."""
        key, value = message.key, message.value or b""
        if not source.door and not self.follows_lane(message):
            return None
        if key is not None and key in self.shard.parked and not repairs.goes_ahead(self, message):
            self.park(message)
            return None
        record = None
        try:
            record = self.tools.codec.decode(message.value, source.without)
            key = door.present(key)
            if source.door:
                door.check(message.topic, key, record)
        except Undecodable as error:
            if self.tools.service.answers(source, record):
                self.dead_letter(message, error.code, str(error), park=self.ordered(source))
            return None
        if source.door and partition_of(key, self.tools.partitions) != message.partition:
            if self.tools.service.answers(source, record):
                self.forward(message.topic, key, value, record.FULL_NAME)
            return None
        return self.received(message, key, record, message.timestamp_ms)

    def received(self, message: Message, key: bytes, record: Any, at_ms: int) -> Received:
        """A record as the handler gets it. What this shard says from here on is later than the record by their hybrid clocks."""
        place = (message.topic, message.partition, message.offset, key, message.value or b"", at_ms, record)
        if isinstance(record, Command):
            return Received(*place, message.where)
        shard, hlc = self.shard, record.meta.hlc
        shard.hlc = clock.receive(shard.hlc, hlc, at_ms)
        ahead = clock.ahead_ms(hlc, at_ms)
        if ahead > clock.NOTED_MS and at_ms - shard.noted_at > clock.NOTED_MS:
            shard.noted_at = at_ms
            merged = ahead <= clock.BOUND_MS
            self.tools.log.warning("clock ahead", at=message.where, ahead_seconds=ahead // 1_000, merged=merged)
        return Received(*place, record.meta.event_id, message.headers)

    @staticmethod
    def ordered(source: Input) -> bool:
        """Whether a key's later records wait behind one that could not be handled."""
        return source.ordered and not source.door and source.topic not in UNORDERED

    def follows_lane(self, message: Message) -> bool:
        """Whether a message is the next of its lane. A message that is on no lane is no record of ours: a dead letter."""
        topic, key = message.topic, message.key
        try:
            stamp = lanes.Stamp.unpack(lanes.packed(message.headers) or b"")
        except ValueError as error:
            self.dead_letter(message, "NOT_ON_A_LANE", f"only Motet's services write to {topic}: {error}", park=False)
            return False
        source = (topic, stamp.service, stamp.shard)
        place = self.shard.lanes_in.get(source, lanes.BEFORE)
        after = lanes.receive(place, stamp, key or b"", message.value or b"", message.where)
        if after == "repeat":
            return False
        self.shard.lanes_in[source] = after
        self.touched_in.add(source)
        return True

    # -- 2. decide: what a handler may do ---------------------------------------------------------------------------------

    def meta(
        self, cause: str, wall_ms: int, tenant: str, domain: str, correlation_id: str, traceparent: str | None
    ) -> Meta:
        """The meta of the fact that is emitted next: its id is derived from the position that it will have."""
        self.shard.hlc = clock.tick(self.shard.hlc, wall_ms)
        event_id = derived_id(self.tools.service.name, self.shard.partition, self.position)
        self.meta_due = Meta(event_id, correlation_id, cause, tenant, domain, self.shard.hlc, wall_ms, traceparent)
        return self.meta_due

    def next_event_id(self) -> str:
        """The id of the fact that is emitted next."""
        return derived_id(self.tools.service.name, self.shard.partition, self.position)

    def emit(
        self, topic: str, record: Record, key: bytes | None = None, destination: int | None = None, *, under: str = ""
    ) -> None:
        """Puts a fact into the outbox. Key and partition follow from the meta's tenant and domain, unless given.

        `under` is what a fact that others read says of its plan's strategy, workflow and contracts (`decided_by.told`), beside the code.
        """
        if isinstance(record, Command):
            raise TypeError("a service emits facts, and a command is none")
        meta = record.meta
        if meta is not self.meta_due:
            raise RuntimeError(f"{record.FULL_NAME} was emitted with a meta that is not the last one made")
        self.meta_due = None
        value = self.tools.codec.encode(topic, record)
        limit = DEAD_LETTER_BYTES if topic == DEAD_LETTERS else RECORD_BYTES
        if len(value) > limit:
            raise RecordTooLarge(f"a {record.FULL_NAME} of {len(value)} bytes for {topic}: the limit is {limit}")
        key = domain_key(meta.tenant, meta.domain) if key is None else key
        target = partition_of(key, self.tools.partitions) if destination is None else destination
        decided = decided_by.whole(self.code, under) if topic in decided_by.FACTS else None
        self.append(topic, target, key, value, record.FULL_NAME, meta.event_id, meta.traceparent, decided)

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
        lane = (topic, destination)
        place = self.shard.lanes_out.get(lane, lanes.BEFORE)
        stamp = lanes.Stamp(
            self.tools.service.name, self.shard.partition, place.number + 1, place.digest, self.exogenous
        )
        self.shard.lanes_out[lane] = lanes.follow(place, key, value)
        self.touched_out.add(lane)
        self.rows.append(
            Row(self.position, event_id, topic, destination, key, value, kind, stamp.pack(), trace, decided)
        )
        self.position += 1

    def forward(self, topic: str, key: bytes, value: bytes, kind: str) -> None:
        """Sends a command to its own partition of its door, byte for byte: there it gets its place in the one order that all see."""
        event_id = derived_id(self.tools.service.name, self.shard.partition, self.position)
        target = partition_of(key, self.tools.partitions)
        self.append(topic, target, key, value, kind, event_id)

    def dead_letter(self, message: Message, code: str, reason: str, *, park: bool) -> None:
        """Keeps a record that cannot be handled, whole and with its reason; parks its key where order matters."""
        key, wall = message.key, message.timestamp_ms
        meta = self.meta(message.where, wall, *door.owner(key), message.where, None)
        headers = tuple(Header(name, value) for name, value in message.headers)
        place = (message.topic, message.partition, message.offset)
        kept = (self.shard.partition, meta.event_id, message.topic, message.offset)
        letter = DeadLetter(
            meta, self.tools.service.name, *place, wall, key, message.value, headers, code, reason, park
        )
        self.emit(DEAD_LETTERS, letter, key or b"", self.shard.partition)
        self.tools.log.warning(
            "dead letter", event_id=meta.event_id, code=code, reason=reason, at=message.where, parked=park
        )
        self.connection.execute(
            repairs.KEEP_LETTER,
            (*kept, key, message.value, wall, code, park, decided_by.found(message.headers)),
        )
        if park and key is not None:
            self.shard.parked[key] = reason
            self.connection.execute(
                "INSERT INTO parked_key (partition, key, reason) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
                (self.shard.partition, key, printable(reason)),
            )

    def park(self, message: Message) -> None:
        """Keeps a later record of a parked key, in order."""
        self.connection.execute(repairs.KEEP_PARKED, repairs.parked_row(self.shard.partition, message))

    def wall_ms(self) -> int:
        """The time for a fact that no input caused. It is in the log with the fact; a replay takes it from there."""
        return self.shard.clock.now()

    # -- 3. write --------------------------------------------------------------------------------------------------------

    def write(self) -> None:
        """Moves the shard's rows and saves the facts. Raises Fenced if the rows are not where this owner left them."""
        if not shards.move(self.connection, self.shard, self.position, self.moved, self.touched_in, self.touched_out):
            raise Fenced(f"shard {self.shard.partition} of {self.tools.service.name} was moved by another owner")
        self.tools.reach("rows-moved")
        if self.rows:
            outbox.copy(self.connection, self.shard.partition, self.rows)
        self.tools.reach("decided")

    # -- the whole -------------------------------------------------------------------------------------------------------

    def run(self, messages: Sequence[Message], handler: Handler) -> list[Row]:
        """One hop: take, decide, write, commit. Returns the facts to produce."""
        with self.connection.transaction():
            taken = self.take(messages)
            self.exogenous = not messages
            handler.handle(taken, self)
            for repair in self.repairs:
                repairs.apply(self, repair, handler)
            self.write()
        return self.finish(handler)

    def give_up(self, message: Message, handler: Handler, reason: str) -> list[Row]:
        """A hop for one record whose handling failed for good: the handler answers it, or it is buried."""
        with self.connection.transaction():
            for received in self.take([message]):
                if not handler.give_up(received, reason, self):
                    self.dead_letter(message, "HANDLING_FAILED", reason, park=self.ordered(self.inputs[message.topic]))
            for repair in self.repairs:
                repairs.failed(self, repair, reason)
            self.write()
        return self.finish(handler)

    def bury(self, message: Message, handler: Handler, reason: str) -> list[Row]:
        """A hop for one record that the handler could not even answer: a dead letter, and on lanes its key is parked."""
        with self.connection.transaction():
            for _ in self.take([message]):
                self.dead_letter(message, "HANDLING_FAILED", reason, park=self.ordered(self.inputs[message.topic]))
            for repair in self.repairs:
                repairs.failed(self, repair, reason)
            self.write()
        return self.finish(handler)

    def finish(self, handler: Handler) -> list[Row]:
        """After the commit: memory follows the rows."""
        self.tools.reach("committed")
        self.shard.next_position = self.position
        self.shard.offsets.update({topic: after for topic, (_, after) in self.moved.items()})
        self.shard.starts, self.shard.suspect = 0, None
        handler.committed()
        return self.rows
