"""What is left once every plan has ended: nothing of any, in no line, slot, reservation or lease."""

from __future__ import annotations

from collections.abc import Iterable

from motet.simulation.lease_service import LeaseService
from motet.simulation.plan_host import PlanHost
from motet.simulation.violations import Violation


def nothing_left(plan_hosts: Iterable[PlanHost], leases: LeaseService | None) -> None:
    """Looks at every service. Raises Violation (P8)."""
    for host in plan_hosts:
        lines, slots = host.schedule.board.lines, host.schedule.board.slots
        if lines.queues.queues or lines.queues.standing or lines.reservations:
            left = [*lines.queues.standing, *lines.reservations]
            raise Violation("P8", f"every plan ended, and these are still in line: {left[:5]}")
        if any(slots.used.values()) or slots.rounds:
            raise Violation(
                "P8", f"every plan ended, and slots are still in use: {slots.used} {list(slots.rounds)[:5]}"
            )
    if leases is not None and leases.desk.book.leases:
        left = list(leases.desk.book.leases)
        raise Violation("P8", f"every plan ended, and leases are still held: {left[:5]}")
