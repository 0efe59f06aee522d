"""One shard of the projector: fold a batch, write it, within the hop's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from motet.chassis.errors import ConfigurationError
from motet.chassis.hop import Hop
from motet.chassis.repairs import REPAIRS
from motet.chassis.service import Inert, Input, Opening, Received, Service
from motet.projector import surface
from motet.projector.fold import fold
from motet.projector.writer import Writer

NAME: Final = "projector"
# What only leads from a cause to its effects: each record is a row of its own.
LINKING: Final = (
    *("motet.results", "motet.results.agents", "motet.timers"),
    *("motet.lease-requests", "motet.lease-grants", "motet.lease-timers", "motet.agent-timers"),
)
TOPICS: Final = (
    *("motet.events", "motet.requests", "motet.grants"),
    *("motet.contracts", "motet.leases", "motet.agents", "motet.dead-letters"),
    *LINKING,
)


def unread(topic: str) -> tuple[str, ...]:
    """What it makes nothing of: a record that only links has its causes beside its calls, and a plan's end tells its results once more."""
    return ("calls",) if topic in LINKING else ("results",)


def declaration() -> Service:
    """What the projector reads and writes."""
    return Service(
        name=NAME,
        # A projection does not depend on the order of its topics, so that nothing is journalled.
        inputs=(
            *(Input(topic, ordered=topic not in LINKING, without=unread(topic)) for topic in TOPICS),
            Input(REPAIRS, rank=1),
        ),
        outputs=("motet.dead-letters",),
        patience_seconds=0.2,
        open=Projector,
        schema=NAME,
    )


class Projector(Inert):
    """Keeps nothing in memory: the tables are its state."""

    def __init__(self, opening: Opening) -> None:
        if not surface.is_ours(opening.connection):
            raise ConfigurationError(
                f"the tables in schema {surface.SCHEMA} were built by another version of Motet while this one ran: end it"
            )
        self.writer = Writer(opening.connection, surface.SCHEMA)

    def handle(self, batch: Sequence[Received], hop: Hop) -> None:  # noqa: ARG002  a projection emits nothing
        """Writes what a batch changes."""
        self.writer.write(fold(batch))
