"""Reads from the log what there is of one plan, with the proofs that it is in a signed checkpoint."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from motet.chassis.codec import Codec, Schemas, schema_id_of, shipped
from motet.chassis.errors import ConfigurationError, Undecodable
from motet.chassis.log_reader import Log
from motet.chassis.message import Message
from motet.checkpoints.proving import Proved, include
from motet.evidence.bundle import Bundle, Item
from motet.evidence.container import pack
from motet.evidence.reading import Told, contract_of, contracts_named, plan_of
from motet.evidence.writing import files_of
from motet.proofs.checkpoint import Checkpoint
from motet.records import PlanAdmitted, PlanRejected

CONTRACTS: Final = "motet.contracts"
EVENTS: Final = "motet.events"
# Its records may be in another partition than the plan's: a client's own partitioner put them there.
DOOR: Final = "motet.commands"


@dataclass(slots=True)
class Search:
    """What of a plan was met in the log. Contracts come before the plans that name them, so they are all kept until it is known which."""

    codec: Codec
    plan_id: str
    told: list[tuple[Message, Any]] = field(default_factory=list)

    def wanted(self, message: Message) -> bool:
        """Whether a record is about the plan, or a contract."""
        try:
            record = self.codec.decode(message.value)
        except Undecodable:
            return False
        if plan_of(record) != self.plan_id and contract_of(record) is None:
            return False
        self.told.append((message, record))
        return True


def gather(reader: Log, schemas: Schemas, checkpoint: Checkpoint, note: str, keys: str, plan_id: str) -> bytes:
    """The bundle of a plan, as bytes. Raises ConfigurationError if the checkpoint has nothing of it, Refused if the log was changed."""
    codec = Codec(schemas)
    number = partition_with(reader, codec, checkpoint, plan_id)
    places = {head.place for head in checkpoint.heads if head.partition == number or head.topic == DOOR}
    search = Search(codec, plan_id)
    proved = include(reader, checkpoint, places, search.wanted)
    records = {message.where: record for message, record in search.told}
    contracts = contracts_named(list(records.values()))
    told = [
        Told(item_of(one), records[one.message.where])
        for one in proved
        if (contract := contract_of(records[one.message.where])) is None or contract in contracts
    ]
    texts = dict(schemas_of(schemas, told))
    bundle = Bundle(plan_id, tuple(one.item for one in told), texts, note, keys)
    return pack(files_of(bundle, sorted(told, key=lambda one: one.item.name)))


def partition_with(reader: Log, codec: Codec, checkpoint: Checkpoint, plan_id: str) -> int:
    """The partition in which a plan began. Raises ConfigurationError if it began in none, as far as it is signed."""
    bounds = reader.bounds([head.place for head in checkpoint.heads if head.topic == EVENTS])
    ends = {
        head.place: min(head.next_offset, bounds[head.place].end) for head in checkpoint.heads if head.place in bounds
    }
    for batch in reader.read({place: (bounds[place].begin, end) for place, end in ends.items()}):
        for message in batch:
            if begins(codec, message, plan_id):
                return message.partition
    raise ConfigurationError(
        f"checkpoint {checkpoint.number} has no event of plan {plan_id}: it is later, and `motet checkpoint create` or the service makes "
        "the next; or there is no such plan (`motet plan`)"
    )


def begins(codec: Codec, message: Message, plan_id: str) -> bool:
    """Whether a record is the one with which a plan begins."""
    try:
        record = codec.decode(message.value)
    except Undecodable:
        return False
    return isinstance(record, PlanAdmitted | PlanRejected) and record.plan_id == plan_id


def item_of(one: Proved) -> Item:
    """A proved record as the bundle has it."""
    return Item(one.message, one.index, one.size, one.proof)


def schemas_of(schemas: Schemas, told: list[Told]) -> Iterator[tuple[int, str]]:
    """The schemas that records were written in, as this Motet brings them: a registry may give them back in another form."""
    ids = {schema_id_of(one.item.message.value or b"") for one in told}
    for schema_id in sorted(one for one in ids if one is not None):
        content = schemas.schema(schema_id)
        if content is not None:
            yield schema_id, shipped(content) or content
