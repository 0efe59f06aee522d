"""A recorded history in memory, and what somebody might do to it who wants nobody to notice.

`tests/golden` has what the topics held after a run of the fault table, with kills, hybrid and choreographed plans, and leases; `motet record`
wrote it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, cast

import fastavro

from motet.audit.ledger import Ledgers
from motet.audit.reading import Audit, audit
from motet.chassis import lanes
from motet.chassis.codec import PREFIX, Codec
from motet.chassis.log_reader import Bounds
from motet.chassis.message import Message
from motet.chassis.offsets import Place
from motet.conformance import archive

FILE: Final = Path(__file__).parent / "golden" / "2026-11-decisions.avro"
# Two agents and a third one that waits, with kills.
AGENTS: Final = Path(__file__).parent / "golden" / "agents" / "2026-11-agents.avro"


class Schemas:
    """The schemas that a history was written in."""

    def __init__(self, texts: Mapping[int, str]) -> None:
        self.texts = texts
        self.parsed: dict[int, Any] = {}

    def schema_id(self, topic: str, full_name: str) -> int:
        """Nothing is registered here."""
        raise LookupError(f"{full_name} on {topic}")

    def schema(self, schema_id: int) -> str | None:
        """The schema of an id."""
        return self.texts.get(schema_id)

    def parse(self, schema_id: int) -> Any:
        """The same, parsed, with times as they are written."""
        if schema_id not in self.parsed:
            self.parsed[schema_id] = fastavro.parse_schema(json.loads(self.texts[schema_id]), named_schemas={})
        return self.parsed[schema_id]


class Recorded:
    """Messages by place, to be read as a log is, and to be tampered with. What is changed is told in `at`, the place of the last change."""

    def __init__(self, messages: Iterable[Message], schemas: Schemas) -> None:
        self.by: dict[Place, list[Message]] = {}
        self.schemas = schemas
        for one in messages:
            self.by.setdefault((one.topic, one.partition), []).append(one)

    # -- as a log ----------------------------------------------------------------------------------------------------------

    def places(self) -> tuple[str, list[Place]]:
        """All of them."""
        return "recorded", sorted(self.by)

    def bounds(self, places: Iterable[Place]) -> dict[Place, Bounds]:
        """From the first record to the last."""
        return {place: Bounds(0, self.by[place][-1].offset + 1) for place in places}

    def read(self, ranges: Mapping[Place, tuple[int, int]]) -> Iterator[list[Message]]:
        """What is there."""
        for place, (start, end) in ranges.items():
            yield [one for one in self.by[place] if start <= one.offset < end]

    def behind(self, places: Iterable[Place], at_ms: int) -> dict[Place, int | None]:
        """The first offset that came after a time."""
        return {
            place: next((one.offset for one in self.by[place] if one.timestamp_ms > at_ms), None) for place in places
        }

    def close(self) -> None:
        """Nothing is open."""

    def audit(self, starts: Mapping[Place, int] = MappingProxyType({}), ledgers: Ledgers | None = None) -> Audit:
        """What an audit finds, from given offsets on, and beside the ledgers of tool services."""
        return audit(self, Codec(self.schemas), lambda _done, _all: None, starts, ledgers)

    # -- as somebody who changes it ----------------------------------------------------------------------------------------

    def data(self, message: Message) -> tuple[str, dict[str, Any]]:
        """A record's type and content."""
        schema = self.schemas.parse(PREFIX.unpack_from(message.value or b"")[1])
        datum = fastavro.schemaless_reader(BytesIO((message.value or b"")[PREFIX.size :]), schema, None)
        return schema["name"].rpartition(".")[2], cast("dict[str, Any]", datum)

    def find(self, kind: str, wanted: Callable[[dict[str, Any]], bool] = lambda _: True, nth: int = 0) -> Message:
        """A record of a type, the first of its repeats."""
        found: dict[bytes, Message] = {}
        for one in sorted(
            (one for many in self.by.values() for one in many), key=lambda one: (one.timestamp_ms, one.offset)
        ):
            name, datum = self.data(one)
            if name == kind and wanted(datum):
                found.setdefault(one.value or b"", one)
        return list(found.values())[nth]

    def put(self, message: Message, changed: Message | None) -> None:
        """Another record, or none, in the place of one."""
        many = self.by[message.topic, message.partition]
        index = many.index(message)
        many[index : index + 1] = [] if changed is None else [changed]

    def rewrite(self, message: Message, change: Callable[[dict[str, Any]], None]) -> Message:
        """A record with another content, in its place. Its repeats are gone."""
        _, datum = self.data(message)
        change(datum)
        changed = replace(message, value=self.encoded(message, datum))
        for one in [one for one in self.by[message.topic, message.partition] if same(one, message) and one != message]:
            self.put(one, None)
        self.put(message, changed)
        return changed

    def forge(self, like: Message, change: Callable[[dict[str, Any]], None]) -> Message:
        """One more record at the end of a place, on the lane of another one, with an id and a time of its own."""
        _, datum = self.data(like)
        if "meta" in datum:
            datum["meta"]["event_id"] = "f" * 32
            datum["meta"]["hlc"] += 1 << 36
        change(datum)
        many = self.by[like.topic, like.partition]
        forged = replace(
            like,
            offset=many[-1].offset + 1,
            timestamp_ms=many[-1].timestamp_ms + 60_000,
            value=self.encoded(like, datum),
        )
        many.append(forged)
        return forged

    def encoded(self, message: Message, datum: dict[str, Any]) -> bytes:
        """Content in the schema of a message."""
        prefix = (message.value or b"")[: PREFIX.size]
        buffer = BytesIO(prefix)
        buffer.seek(PREFIX.size)
        fastavro.schemaless_writer(buffer, self.schemas.parse(PREFIX.unpack(prefix)[1]), datum)
        return buffer.getvalue()

    def chained(self) -> Recorded:
        """Every number and every digest made anew, as one would who can write to all of the topic."""
        for place, many in self.by.items():
            known: dict[tuple[str, int], dict[bytes, bytes]] = {}
            ends: dict[tuple[str, int], lanes.Place] = {}
            for index, one in enumerate(many):
                packed = stamp_of(one)
                if not packed:
                    continue
                stamp = lanes.Stamp.unpack(packed)
                lane = (stamp.service, stamp.shard)
                seen = known.setdefault(lane, {})
                content = (one.key or b"") + (one.value or b"")
                if content not in seen:
                    before = ends.get(lane, lanes.Place())
                    seen[content] = replace(stamp, number=before.number + 1, previous=before.digest).pack()
                    ends[lane] = lanes.follow(before, one.key or b"", one.value or b"")
                self.by[place][index] = stamped(one, seen[content])
        return self


def recorded(file: Path = FILE) -> Recorded:
    """The history."""
    history = archive.read(file)
    return Recorded(history.messages, Schemas(history.schemas))


def stamp_of(message: Message) -> bytes:
    """A message's lane header; empty at a door."""
    return lanes.packed(message.headers) or b""


def stamped(message: Message, packed: bytes) -> Message:
    """A message with another lane header."""
    headers = tuple((name, packed if name == lanes.HEADER else value) for name, value in message.headers)
    return replace(message, headers=headers)


def same(one: Message, other: Message) -> bool:
    """Whether a message is another one, again."""
    return (stamp_of(one), one.value) == (stamp_of(other), other.value)


def unknown_contract(log: Recorded) -> Message:
    """A plan is admitted by a version of a contract that nobody published."""
    return log.rewrite(log.find("PlanAdmitted"), lambda datum: datum["calls"][0].update(contract_version=99))


def another_contract(log: Recorded) -> Message:
    """A version of a contract has another content than it had."""
    like = log.find("ToolContract")
    return log.forge(like, lambda datum: datum.update(sha256="0" * 64))
