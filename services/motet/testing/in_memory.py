"""A service's shard without Kafka and PostgreSQL: the real hop and the real handler; topics and rows are this process's memory.

Every service has one shard, and every topic one partition. Records are the bytes that Kafka would carry, on the lanes that it would carry them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Any, Final, cast

import psycopg

from motet.chassis import crashpoints, fencing
from motet.chassis.codec import Codec, newest_schemas
from motet.chassis.errors import MotetError
from motet.chassis.hop import Hop, Tools
from motet.chassis.log_clock import LogClock
from motet.chassis.message import Message
from motet.chassis.outbox import Row
from motet.chassis.repairs import DEAD_LETTERS
from motet.chassis.service import Handler, Opening, Service
from motet.chassis.shard import Shard
from motet.records import DeadLetter

# When a rehearsal begins: any time does, as long as it is the same each time.
BEGINS_AT: Final = 1_800_000_000_000
MILLISECONDS: Final = 1_000


class Unhandled(MotetError):
    """A service could not handle a record: on the real platform it is a dead letter. Nobody tries again."""


class NoRows:
    """Stands for the hop's database: what is written goes nowhere and nothing is found, but for the tokens that were seen."""

    closed = False
    autocommit = False
    rowcount = 0

    def __init__(self) -> None:
        self.tokens: dict[tuple[str, str], int] = {}
        self.found: list[tuple[int]] = []

    def execute(self, query: Any, parameters: Any = ()) -> NoRows:
        """Does nothing, unless it is asked about a token."""
        self.found = []
        if query in (fencing.RAISE, fencing.SEEN):
            self.fence(query, *parameters)
        return self

    def fence(self, query: Any, scope: str, resource: str, token: int = 0) -> None:
        """The highest token that was seen, raised where that is asked for."""
        seen = self.tokens.get((scope, resource), 0)
        if query == fencing.SEEN:
            self.found = [(seen,)]
        elif token >= seen:
            self.tokens[scope, resource] = token
            self.found = [(token,)]

    def fetchall(self) -> list[Any]:
        """What was found."""
        return list(self.found)

    def fetchone(self) -> Any:
        """The first of it."""
        return self.found[0] if self.found else None

    def __iter__(self) -> Iterator[Any]:
        return iter(self.found)

    def pipeline(self) -> AbstractContextManager[None]:
        """Nothing is sent."""
        return nullcontext()

    def transaction(self) -> AbstractContextManager[None]:
        """Nothing is written."""
        return nullcontext()


def no_connection() -> psycopg.Connection[Any]:
    """A database that has nothing, as services ask for one."""
    return cast("psycopg.Connection[Any]", NoRows())


class OwnSchemas:
    """Ids of our newest schemas, as a registry would give them."""

    def __init__(self) -> None:
        self.texts = newest_schemas()
        self.names = sorted(self.texts)

    def schema_id(self, topic: str, full_name: str) -> int:  # noqa: ARG002  the protocol's
        """A record type's place among all."""
        return self.names.index(full_name)

    def schema(self, schema_id: int) -> str | None:
        """The schema of an id."""
        return self.texts[self.names[schema_id]] if schema_id < len(self.names) else None


@cache
def codec() -> Codec:
    """Read once: schemas take longer than a rehearsal."""
    return Codec(OwnSchemas())


class HeldClock(LogClock):
    """The log's time, which stands still until somebody moves it."""

    def __init__(self) -> None:
        super().__init__(BEGINS_AT)
        self.milliseconds = BEGINS_AT

    def heard(self, timestamp_ms: int) -> None:
        """No record moves it."""

    def now(self) -> int:
        """Milliseconds since 1970."""
        return self.milliseconds


class Silent:
    """A log that nobody reads."""

    def info(self, *_: Any, **__: Any) -> None:
        """Says nothing."""

    warning = info


class Topics:
    """All topics. `heard` is told of each record when it is appended, and says how often it is delivered."""

    def __init__(self, clock: HeldClock, heard: Callable[[str, bytes], int]) -> None:
        self.clock = clock
        self.heard = heard
        self.messages: dict[str, list[Message]] = defaultdict(list)

    def append(self, topic: str, key: bytes, value: bytes, row: Row | None = None) -> Message:
        """Puts a record on a topic."""
        found = () if row is None else row.headers()
        headers = tuple((name, content.encode() if isinstance(content, str) else content) for name, content in found)
        messages = self.messages[topic]
        for _ in range(self.heard(topic, value)):
            place = (topic, 0, len(messages), key, value, self.clock.now())
            messages.append(Message(*place, headers))
        return messages[-1]


class MemoryShard:
    """The one shard of a service."""

    def __init__(self, service: Service, topics: Topics) -> None:
        self.service = service
        self.topics = topics
        self.connection = no_connection()
        self.shard = Shard(0, epoch=1, offsets={one.topic: 0 for one in service.inputs}, clock=topics.clock)
        self.tools = Tools(service, 1, codec(), self.connection, crashpoints.nothing, Silent())
        self.handler = self.opened()

    @property
    def opening(self) -> Opening:
        """What a handler gets."""
        place = (self.service.name, 0, 1, self.connection, codec().decode, self.reach)
        return Opening(*place, self.shard.epoch, 0, self.topics.clock)

    def opened(self) -> Handler:
        """The handler of a process that begins."""
        return self.service.open(self.opening)

    def reach(self, label: str) -> None:
        """A labelled point of the handler's."""

    def behind(self) -> list[str]:
        """The topics on which a record waits. What is needed before everything else comes alone."""
        waiting = [
            one for one in self.service.inputs if len(self.topics.messages[one.topic]) > self.shard.offsets[one.topic]
        ]
        return [one.topic for one in waiting if one.needed] or [one.topic for one in waiting]

    def take(self, topic: str) -> None:
        """One hop for the next record of a topic."""
        self.hop([self.topics.messages[topic][self.shard.offsets[topic]]])

    def hop(self, messages: Sequence[Message]) -> None:
        """One hop: take, decide, commit, publish. Raises Unhandled."""
        hop = Hop(self.tools, self.shard)
        taken = hop.take(messages)
        hop.exogenous = not messages
        self.handler.handle(taken, hop)
        for row in hop.finish(self.handler):
            if row.topic == DEAD_LETTERS:
                letter = codec().decode(row.value)
                raise Unhandled(letter.reason if isinstance(letter, DeadLetter) else row.record_type)
            self.topics.append(row.topic, row.key, row.value, row)
