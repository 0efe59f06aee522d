"""Everything that can be done to a running Motet, by name."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from motet.chaos.faults import crowds, machine, network, processes, records
from motet.chaos.faults.fault import Fault

FAULTS: Final = MappingProxyType(
    {one.name: one for one in (*processes.FAULTS, *network.FAULTS, *records.FAULTS, *crowds.FAULTS, *machine.FAULTS)}
)

__all__ = ["FAULTS", "Fault"]
