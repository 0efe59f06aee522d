"""A host of plans in memory: the real one, that of the coordinator or of the agents' service."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from motet.chassis.service import Opening, Service
from motet.hosting.commands import Commands
from motet.hosting.host import Host
from motet.plan import Schedule
from motet.testing.in_memory import MemoryShard, Topics


class CommandsInMemory(Commands):
    """What commands were answered, all of it in memory."""

    def __init__(self, opening: Opening, window_seconds: float) -> None:
        super().__init__(opening.connection, opening.partition, window_seconds)

    def load(self, keys: Iterable[str]) -> None:
        """They are there."""

    def read(self, wanted: list[str]) -> None:
        """They are there."""

    def save(self, now: int) -> None:
        """They stay."""


class PlanShard(MemoryShard):
    """A host of plans. Its process never dies: faults are those of tools."""

    def __init__(self, service: Service, topics: Topics, window_seconds: float) -> None:
        self.window_seconds = window_seconds
        super().__init__(service, topics)

    def opened(self) -> Host:
        """The host."""
        host = self.service.open(self.opening)
        if not isinstance(host, Host):
            raise TypeError(f"{self.service.name} hosts no plans")
        host.commands = CommandsInMemory(self.opening, self.window_seconds)
        return host

    @property
    def schedule(self) -> Schedule:
        """The open plans."""
        return cast("Host", self.handler).schedule
