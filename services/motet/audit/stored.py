"""A stored record as the rules see it: where it stands, who wrote it, and its content as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from motet.chassis.message import Message

if TYPE_CHECKING:
    from motet.audit.course import Course


NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


class Stored:
    """One record. `kind` is its type's last name, empty for what cannot be decoded; `meta` is empty for a command."""

    # Of most records only some of this is set: that is quicker than setting all of it for each.
    service = ""
    shard = 0
    number = 0
    exogenous = False
    kind = ""
    data: Mapping[str, Any] = NOTHING
    meta: Mapping[str, Any] = NOTHING
    hlc = 0
    cause = ""
    plan_id = ""
    course: Course | None = None

    def __init__(self, message: Message) -> None:
        self.topic = message.topic
        self.partition = message.partition
        self.offset = message.offset
        self.timestamp_ms = message.timestamp_ms
        self.key: bytes = message.key or b""
        self.value: bytes = message.value or b""

    def forget(self) -> None:
        """What is kept of a record is its place. Without its content it holds no plan, and reference counts alone free both."""
        self.course, self.data, self.meta, self.value = None, NOTHING, NOTHING, b""

    @property
    def where(self) -> str:
        """`topic:partition:offset`."""
        return f"{self.topic}:{self.partition}:{self.offset}"

    @property
    def name(self) -> str:
        """For people: its type and its place on its lane."""
        return f"{self.kind or 'a record'} {self.number} of {self.service}/{self.shard}" if self.service else self.kind
