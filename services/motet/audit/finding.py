"""What an audit finds: the record, the rule that it breaks, what is wrong with values, and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Finding:
    """A record that breaks a rule. `partition` is -1 for what stands in no topic."""

    rule: str
    topic: str
    partition: int
    offset: int
    said: str
    advice: str
    timestamp_ms: int = 0
    plan_id: str = ""
    cause: str = ""

    @property
    def where(self) -> str:
        """The record's name."""
        return f"{self.topic}:{self.partition}:{self.offset}"

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "rule": self.rule,
            "topic": self.topic,
            "partition": self.partition,
            "offset": self.offset,
            "said": self.said,
            "advice": self.advice,
            "plan_id": self.plan_id or None,
        }
