"""A conversation of an agent as it is kept: its state, what it waits for, how far it has come."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Literal

from motet.chassis.canonical import compact
from motet.records import Amounts

Ending = Literal["GOES_ON", "DONE", "FAILED", "LIMIT_REACHED"]


@dataclass(slots=True)
class OpenPlan:
    """A plan that has not ended: its label, what it may take, what it has taken, and what its running calls may."""

    label: str
    allowed: Amounts = field(default_factory=Amounts)
    spent: Amounts = field(default_factory=Amounts)
    reserved: Amounts = field(default_factory=Amounts)


@dataclass(slots=True)
class Conversation:
    """One conversation. `asker` began it, and `reply_to` is the asker's own conversation where that is an agent."""

    tenant: str
    domain: str
    name: str
    state: str
    asker: str
    reply_to: str | None
    correlation_id: str
    # When its time is over, in milliseconds since 1970 by Kafka's clock.
    due_at: int
    traceparent: str | None = None
    steps: int = 0
    calls: int = 0
    spent: Amounts = field(default_factory=Amounts)
    open: dict[str, OpenPlan] = field(default_factory=dict)
    outcome: Ending = "GOES_ON"

    @property
    def place(self) -> tuple[str, str, str]:
        """What it is found by."""
        return self.tenant, self.domain, self.name

    def end(self) -> None:
        """It is over: nobody reads its state again, and nothing of it is waited for."""
        self.state = ""
        self.open.clear()

    def row(self) -> str:
        """What its row keeps beside its place: one JSON text."""
        kept = asdict(self)
        for name in ("tenant", "domain", "name"):
            del kept[name]
        return compact(kept)

    @classmethod
    def of_row(cls, tenant: str, domain: str, name: str, row: str) -> Conversation:
        """The conversation of a row."""
        kept = json.loads(row)
        kept["spent"] = Amounts(**kept["spent"])
        kept["open"] = {
            plan_id: OpenPlan(one["label"], *(Amounts(**one[name]) for name in ("allowed", "spent", "reserved")))
            for plan_id, one in kept["open"].items()
        }
        return cls(tenant, domain, name, **kept)
