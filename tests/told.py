"""What the events of a schedule tell: the projector's tables, made in memory from each input's events, one batch an input."""

from __future__ import annotations

from random import Random
from typing import Any, Final, cast

import structlog

from motet.chassis.hop import Hop
from motet.chassis.service import Received
from motet.hosting.admitting import Origin, admitted
from motet.hosting.telling import EVENTS, Cause, Telling
from motet.plan import Limits, Plan, Step
from motet.projector.fold import fold
from motet.records import Meta
from storm import Storm
from tables import Tables

PARTITION: Final = 2


class Journal:
    """Where a host's facts go, as they would go into the outbox: in one order, with one clock."""

    def __init__(self) -> None:
        self.clock = 0
        self.events: list[Any] = []
        self.tools = self
        self.log = structlog.get_logger()

    def meta(self, cause: str, wall_ms: int, tenant: str, domain: str, correlation_id: str, trace: str | None) -> Meta:
        """The meta of the fact that is next."""
        self.clock += 1
        return Meta(f"e{self.clock}", correlation_id, cause, tenant, domain, self.clock, wall_ms, trace)

    def emit(self, topic: str, record: Any, key: bytes | None = None, *, under: str = "") -> None:
        """A fact; what is no committed event goes to other services."""
        _ = key, under
        if topic == EVENTS:
            self.events.append(record)


class Told:
    """The tables that follow from a host's steps. `offset` counts the events."""

    def __init__(self) -> None:
        self.journal = Journal()
        self.tables = Tables()
        self.offset = 0

    def admit(self, plan: Plan) -> None:
        """A plan is admitted."""
        self.journal.events.append(admitted(plan, self.telling(plan.admitted).meta(plan), "sha", Origin()))

    def follow(self, steps: list[Step], now: int) -> list[Received]:
        """What follows from an input, as a batch of its own; its events as the projector reads them."""
        self.telling(now).tell(steps)
        for step in steps:
            # Of the host's making, and not in the rows of a desk, which has no events.
            if isinstance(step.plan, Plan):
                step.plan.committed_in.clear()
        events, self.journal.events = self.journal.events, []
        batch = [Received(EVENTS, PARTITION, self.offset + at, b"k", b"", 0, one, "") for at, one in enumerate(events)]
        self.offset += len(batch)
        self.tables.apply(fold(batch))
        return batch

    def telling(self, now: int) -> Telling:
        """Turns steps into facts, as a host of plans does."""
        return Telling(cast("Hop", self.journal), Limits(), Cause("cause", now), lambda *_: None)


class ToldStorm(Storm):
    """A storm of which everything is projected. `batches` are its events, input by input."""

    def __init__(self, chance: Random) -> None:
        self.told = Told()
        self.batches: list[list[Received]] = []
        self.followed = 0
        super().__init__(chance)
        self.desk.admitting = self.told.admit

    def observe(self) -> None:
        """Follows the new steps."""
        super().observe()
        steps, self.followed = self.desk.steps[self.followed :], len(self.desk.steps)
        self.batches.append(self.told.follow(steps, self.desk.now))
