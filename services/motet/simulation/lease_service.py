"""A shard of the lease service: the real desk and book, hosted by a model of the hop."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import Any, Final

from motet.leases.book import Book, Counters
from motet.leases.desk import Desk
from motet.leases.lease import Ended, Granted, Lease, Scope, Step
from motet.leases.limits import LeaseLimits
from motet.leases.plans import denied, scope_of, word
from motet.modes import host_of
from motet.records import Meta, TakeLeases
from motet.simulation.inputs import TENANT
from motet.simulation.judge import Judge
from motet.simulation.lanes import Lane
from motet.simulation.plan_host import PlanHost
from motet.simulation.shard import Shard

LIMITS: Final = LeaseLimits()
META: Final = {domain: Meta("e", "c", "", TENANT, domain, 0, 0) for domain in ("d", "e")}
Rows = tuple[list[Lease], dict[Scope, Counters]]


class LeaseService(Shard):
    """One shard. What it is asked and what it answers are lanes of the hosts of plans."""

    def __init__(self, judge: Judge, hosts: Sequence[PlanHost]) -> None:
        super().__init__()
        self.judge = judge
        self.timers = Lane("timers of leases")
        self.hosts = {host.name: host for host in hosts}
        for host in hosts:
            host.takes_leases()
        self.grants = {host.name: host.granted for host in hosts}
        self.inputs = (self.timers, *(host.asks for host in hosts))
        self.outputs = (self.timers, *self.grants.values())
        self.desk = Desk(Book(), LIMITS)
        # Scopes whose timer is on its way: memory, as in the real one.
        self.fired: set[Scope] = set()

    # -- the hop -----------------------------------------------------------------------------------------------------------

    def decide(self, lane: Lane, records: list[Any], now: int) -> None:
        """Gives records to the desk, one after the other; what is over by their time ends first."""
        for record in records:
            if lane is self.timers:
                self.fired.discard(record)
                self.say(self.desk.book.at(record, now))
            else:
                domain, asked = record
                self.ask(asked(meta=META[domain]), now)

    def ask(self, request: Any, now: int) -> None:
        """A plan's host takes leases, or gives them back."""
        self.say(self.desk.book.at(scope_of(request), now))
        if not isinstance(request, TakeLeases):
            self.say(self.desk.give_back(request, now))
            return
        answer = self.desk.take(request, now)
        if isinstance(answer, tuple):
            self.out.append((self.grants[host_of(request.plan_id)], denied(request, answer)(meta=request.meta)))
        else:
            self.say(answer)

    def say(self, steps: Sequence[Step]) -> None:
        """What the book decided goes to the plan's host, and the judge sees it."""
        for step in steps:
            lease = step.lease
            if not self.doomed:
                if isinstance(step, Granted):
                    self.judge.leased(lease)
                elif isinstance(step, Ended):
                    over = lease.plan_id not in self.hosts[host_of(lease.plan_id)].schedule.plans
                    self.judge.lease_over(lease, forgotten=over and step.end == "EXPIRED")
            told = word(step)
            if told is not None:
                self.out.append((self.grants[host_of(lease.plan_id)], told(meta=META[lease.plan_domain])))

    # -- rows --------------------------------------------------------------------------------------------------------------

    def written(self) -> Rows:
        """Every row, as the last commit left them."""
        book = self.desk.book
        return list(book.leases.values()), {scope: copy(one) for scope, one in book.counters.items()}

    def restore(self, rows: Rows) -> None:
        """A new process has what the rows say."""
        self.crashes += 1
        self.fired.clear()
        self.desk = Desk(Book.restore(*rows), LIMITS)

    # -- time --------------------------------------------------------------------------------------------------------------

    def next_due(self) -> int | None:
        """When something is over by itself."""
        found = self.desk.book.next_due()
        return None if found is None else found[0]

    def fire(self, clock: int) -> int:
        """Timers that are due by this machine's clock become records. How many."""
        found = self.desk.book.next_due()
        if found is None or found[1] in self.fired or found[0] > clock:
            return 0
        self.fired.add(found[1])
        self.timers.records.append(found[1])
        self.timers.publish()
        return 1
