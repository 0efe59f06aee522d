"""What a topology costs: by the hour, and for a million calls. In whatever currency its prices are in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from motet.capacity.model import Topology

HOURS_A_MONTH: Final = 730.0
SECONDS_AN_HOUR: Final = 3_600
MILLION: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Prices:
    """Of a core for an hour, with its memory, and of a gigabyte of disk for a month. Round figures of no provider in particular."""

    core_hour: float = 0.04
    gigabyte_month: float = 0.10


@dataclass(frozen=True, slots=True)
class Bill:
    """What is paid for an hour, with the disk that is full at the end of its retention; and for a million calls of that hour."""

    cores_an_hour: float
    disk_an_hour: float
    million_calls: float

    @property
    def an_hour(self) -> float:
        """All of it."""
        return self.cores_an_hour + self.disk_an_hour


def bill(topology: Topology, prices: Prices) -> Bill:
    """What a topology costs while its calls come."""
    cores = topology.machines * topology.terms.cores * prices.core_hour
    disk = topology.disk_gigabytes * prices.gigabyte_month / HOURS_A_MONTH
    calls = topology.demand.calls_per_second * SECONDS_AN_HOUR
    return Bill(cores, disk, (cores + disk) / calls * MILLION)
