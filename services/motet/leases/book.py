"""Who holds what, and who waits: the decider of leases. Pure: the same inputs in the same order give the same steps.

A request enters the lines of all its resources at once, at its place in the log, and is granted when it is the first of all of them.
Waiting follows one total order, the log's, so no cycle can form: of those that wait, the first one to have come waits for holders only.

A grant draws its token from the scope's counter, which only rises: whoever holds a resource later has a higher token, whatever became of
those before. Time is the log's: what is over by a record's own time is over before that record is decided about.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from typing import TypeVar

from motet.leases.lease import Ended, Granted, Lease, Queued, Renewed, Scope, Step
from motet.records import LeaseEnd

K = TypeVar("K")


@dataclass(slots=True)
class Counters:
    """What a scope has given out: places in line, and tokens. It outlives every lease."""

    arrivals: int = 0
    tokens: int = 0


class Book:
    """The leases of a shard."""

    def __init__(self) -> None:
        self.leases: dict[str, Lease] = {}
        self.counters: dict[Scope, Counters] = {}
        self.lines: dict[tuple[Scope, str], list[str]] = {}
        self.holders: Counter[tuple[str, str]] = Counter()
        self.tenants: Counter[str] = Counter()
        # When leases of a scope are due, and scopes: an entry counts while it is its lease's own time still.
        self.due: dict[Scope, list[tuple[int, int, str]]] = defaultdict(list)
        self.alarms: list[tuple[int, Scope]] = []
        self.changed: set[str] = set()
        self.scopes_changed: set[Scope] = set()

    @staticmethod
    def restore(leases: Iterable[Lease], counters: dict[Scope, Counters]) -> Book:
        """The book that decides on as the one did whose rows these are."""
        book = Book()
        book.counters = counters
        for lease in sorted(leases, key=lambda one: (one.scope, one.arrival)):
            book.enter(lease)
            book.keep(lease)
        book.changed.clear()
        return book

    # -- looking -----------------------------------------------------------------------------------------------------------

    def first(self, scope: Scope, resource: str) -> Lease | None:
        """Who is first in a resource's line: it holds the resource, or waits for other ones."""
        line = self.lines.get((scope, resource))
        return self.leases[line[0]] if line else None

    def ahead(self, lease: Lease) -> list[Lease]:
        """Who is first where this lease is not."""
        firsts = (self.first(lease.scope, resource) for resource in lease.resources)
        return [one for one in firsts if one is not None and one.lease_id != lease.lease_id]

    def waiting(self, scope: Scope, resource: str) -> int:
        """How many wait for a resource."""
        line = self.lines.get((scope, resource), ())
        return sum(1 for lease_id in line if not self.leases[lease_id].token)

    # -- deciding ----------------------------------------------------------------------------------------------------------

    def at(self, scope: Scope, now: int) -> list[Step]:
        """It is that time in a scope: what is due ends, the earliest first, and those behind it move up."""
        steps: list[Step] = []
        due = self.due[scope]
        while due and due[0][0] <= now:
            at, _, lease_id = heappop(due)
            lease = self.leases.get(lease_id)
            if lease is not None and lease.due_at == at:
                steps += self.end(lease, "EXPIRED" if lease.token else "NOT_IN_TIME", now)
        if not due:
            del self.due[scope]
        return steps

    def acquire(self, asked: Lease, now: int) -> list[Step]:
        """A request gets in line, and is granted if nobody is before it."""
        counters = self.counters.setdefault(asked.scope, Counters())
        counters.arrivals += 1
        self.scopes_changed.add(asked.scope)
        lease = replace(asked, arrival=counters.arrivals)
        self.enter(lease)
        self.keep(lease)
        return [Queued(lease)] if self.ahead(lease) else [self.grant(lease, now, at_once=True)]

    def renew(self, lease: Lease, duration: int, now: int) -> list[Step]:
        """A held lease is held from now on for so long."""
        renewed = replace(lease, expires_at=now + duration)
        self.keep(renewed)
        return [Renewed(renewed)]

    def release(self, lease: Lease, now: int) -> list[Step]:
        """A lease is given back, or waits no longer."""
        return self.end(lease, "RELEASED" if lease.token else "WITHDRAWN", now)

    def grant(self, lease: Lease, now: int, *, at_once: bool = False) -> Step:
        """The first of all its lines gets what it asked for."""
        counters = self.counters[lease.scope]
        counters.tokens += 1
        self.scopes_changed.add(lease.scope)
        granted = replace(lease, token=counters.tokens, expires_at=now + lease.duration)
        self.keep(granted)
        return Granted(granted, now, at_once)

    def end(self, lease: Lease, end: LeaseEnd, now: int) -> list[Step]:
        """A lease leaves its lines. Whoever is first everywhere now is granted, in the order of arrival."""
        del self.leases[lease.lease_id]
        self.changed.add(lease.lease_id)
        less(self.holders, (lease.tenant, lease.holder))
        less(self.tenants, lease.tenant)
        moved: dict[str, Lease] = {}
        for resource in lease.resources:
            line = self.lines[lease.scope, resource]
            line.remove(lease.lease_id)
            if not line:
                del self.lines[lease.scope, resource]
                continue
            first = self.leases[line[0]]
            if not first.token:
                moved[first.lease_id] = first
        ready = [one for one in moved.values() if not self.ahead(one)]
        return [Ended(lease, end), *(self.grant(one, now) for one in sorted(ready, key=lambda one: one.arrival))]

    # -- keeping -----------------------------------------------------------------------------------------------------------

    def enter(self, lease: Lease) -> None:
        """A lease gets into the lines of all its resources."""
        for resource in lease.resources:
            self.lines.setdefault((lease.scope, resource), []).append(lease.lease_id)
        self.holders[lease.tenant, lease.holder] += 1
        self.tenants[lease.tenant] += 1

    def keep(self, lease: Lease) -> None:
        """A lease is as given, and due when it says."""
        self.leases[lease.lease_id] = lease
        self.changed.add(lease.lease_id)
        heappush(self.due[lease.scope], (lease.due_at, lease.arrival, lease.lease_id))
        heappush(self.alarms, (lease.due_at, lease.scope))

    def next_due(self) -> tuple[int, Scope] | None:
        """When the first lease of any scope is due, and where; None if nothing is."""
        while self.alarms:
            at, scope = self.alarms[0]
            line = self.due.get(scope)
            if line is None or line[0][0] > at:
                heappop(self.alarms)
                continue
            _, _, lease_id = line[0]
            lease = self.leases.get(lease_id)
            if lease is not None and lease.due_at == line[0][0]:
                return at, scope
            heappop(line)
            if not line:
                del self.due[scope]
        return None

    def take_changed(self) -> tuple[list[str], list[Scope]]:
        """What changed since this was asked last: leases, of which some are gone, and scopes' counters."""
        changed, scopes = sorted(self.changed), sorted(self.scopes_changed)
        self.changed.clear()
        self.scopes_changed.clear()
        return changed, scopes


def less(counts: Counter[K], key: K) -> None:
    """One less; what is 0 is not kept."""
    counts[key] -= 1
    if not counts[key]:
        del counts[key]
