"""What rules have in common: a name, a fact, how often it was looked at, and what broke it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

from motet.audit.finding import Finding
from motet.audit.stored import Stored

Found = Callable[[Finding], None]
Hears = Mapping[str, Callable[[Stored], None]]


class Rule:
    """A fact about the log. Its docstring states it, `advice` says what to do about a record that breaks it."""

    name: ClassVar[str]
    advice: ClassVar[str]
    # By Kafka's time in milliseconds: what is not later than this may have its other half in what was not read.
    since: int = 0

    def __init__(self, found: Found) -> None:
        self.found = found
        self.checked = 0

    def hears(self) -> Hears:
        """Which records it looks at, by the last name of their type."""
        return {}

    def end(self) -> None:
        """There are no more records of this partition number."""

    def wrong(self, record: Stored, said: str) -> None:
        """A record breaks the rule."""
        place = (record.topic, record.partition, record.offset)
        self.found(
            Finding(self.name, *place, said, self.advice, record.timestamp_ms, record.plan_id, record.cause),
        )
