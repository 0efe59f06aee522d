"""Leases in plain terms: a decider under random commands and times, and the laws that its steps must keep."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Final

from motet.leases.book import Book, Counters
from motet.leases.desk import Desk
from motet.leases.lease import Ended, Granted, Lease, Queued, Renewed, Scope, Step
from motet.leases.limits import LeaseLimits
from motet.leases.rows import from_state, to_state
from motet.records import AcquireLeases, ReleaseLease, RenewLease

LIMITS: Final = LeaseLimits(resources=3, lease_seconds=20.0, wait_seconds=20.0, per_holder=6, per_tenant=12)
SCOPES: Final[tuple[Scope, ...]] = (("acme", "one"), ("acme", "two"), ("other", "one"))
RESOURCES: Final = ("a", "b", "c", "d")
HOLDERS: Final = ("ann", "bob", "eve")


@dataclass
class Rows:
    """What a database has of a book: changed rows only, as the service writes them."""

    leases: dict[str, str] = field(default_factory=dict)
    counters: dict[Scope, tuple[int, int]] = field(default_factory=dict)

    def save(self, book: Book) -> None:
        """Writes what changed."""
        changed, scopes = book.take_changed()
        for lease_id in changed:
            self.leases.pop(lease_id, None)
            if lease_id in book.leases:
                self.leases[lease_id] = to_state(book.leases[lease_id])
        self.counters.update({one: (book.counters[one].arrivals, book.counters[one].tokens) for one in scopes})

    def restored(self) -> Book:
        """The book of these rows."""
        counters = {scope: Counters(*counted) for scope, counted in self.counters.items()}
        return Book.restore(map(from_state, self.leases.values()), counters)


@dataclass
class Office:
    """A desk at work, and everything that it ever said."""

    random: Random
    book: Book = field(default_factory=Book)
    rows: Rows = field(default_factory=Rows)
    now: int = 1_000_000
    # The latest time that a record had: the next one may have an earlier one.
    latest: int = 0
    held: dict[tuple[Scope, str], Lease] = field(default_factory=dict)
    waits: dict[str, Lease] = field(default_factory=dict)
    ended: dict[str, Lease] = field(default_factory=dict)
    tokens: dict[Scope, int] = field(default_factory=dict)
    told: list[Step] = field(default_factory=list)

    # -- what happens ------------------------------------------------------------------------------------------------------

    def happen(self) -> None:
        """A record comes: most often a while later, now and then at an earlier time than the one before."""
        self.now += self.random.choice((0, 1, 500, 3_000, 9_000, 9_000, -2_000))
        scope = self.random.choice(SCOPES)
        twin = self.rows.restored()
        steps = self.decide(self.book, scope)
        # The twin was made from rows, and is given the same.
        self.random.setstate(self.before)
        assert self.decide(twin, scope) == steps
        self.rows.save(self.book)
        assert twin.next_due() == self.book.next_due()
        self.take(steps)
        self.check()

    def decide(self, book: Book, scope: Scope) -> list[Step]:
        """One record's steps, the same for the same random numbers."""
        self.before = self.random.getstate()
        desk = Desk(book, LIMITS)
        steps = book.at(scope, self.now)
        mine = sorted((one for one in book.leases.values() if one.scope == scope), key=lambda one: one.arrival)
        what = self.random.random()
        answer: object = ()
        if what < 0.5:
            answer = desk.acquire(self.request(scope), "c", None, self.now)
        elif mine and what < 0.9:
            lease = self.random.choice(mine)
            head = (
                "k",
                *scope,
                self.random.choice((lease.holder, lease.holder, lease.holder, "mallory")),
                lease.lease_id,
            )
            token = self.random.choice((lease.token, lease.token, lease.token, lease.token - 1))
            right = head[3] == lease.holder and token == lease.token
            if what < 0.7:
                answer = desk.renew(RenewLease(*head, token, self.random.uniform(0.5, 20.0)), self.now)
                assert isinstance(answer, list) == (right and lease.token > 0)
            else:
                answer = desk.release(ReleaseLease(*head, token), self.now)
                assert isinstance(answer, list) == right
        return [*steps, *answer] if isinstance(answer, list) else steps

    def request(self, scope: Scope) -> AcquireLeases:
        """A request for some resources, which as often as not may wait."""
        resources = tuple(self.random.sample(RESOURCES, self.random.randint(1, 3)))
        wait = self.random.choice((0.0, self.random.uniform(0.5, 20.0)))
        holder = self.random.choice(HOLDERS)
        return AcquireLeases(
            f"k{self.random.getrandbits(60)}", *scope, holder, resources, self.random.uniform(0.5, 20.0), wait
        )

    # -- what was said -----------------------------------------------------------------------------------------------------

    def take(self, steps: list[Step]) -> None:
        """What the steps say, step by step."""
        self.told += steps
        for step in steps:
            lease = step.lease
            match step:
                case Queued():
                    self.waits[lease.lease_id] = lease
                case Granted():
                    self.grant(lease)
                case Renewed():
                    assert all(self.held[lease.scope, name].token == lease.token for name in lease.resources)
                    self.held.update({(lease.scope, name): lease for name in lease.resources})
                case Ended():
                    self.end(lease)

    def grant(self, lease: Lease) -> None:
        """Mutual exclusion, rising tokens, and nobody overtakes."""
        assert lease.token > self.tokens.get(lease.scope, 0)
        self.tokens[lease.scope] = lease.token
        self.waits.pop(lease.lease_id, None)
        for name in lease.resources:
            assert (lease.scope, name) not in self.held, f"{name} has two holders"
            self.held[lease.scope, name] = lease
        for one in self.waits.values():
            if one.scope == lease.scope and set(one.resources) & set(lease.resources):
                assert one.arrival > lease.arrival, "overtaken"

    def end(self, lease: Lease) -> None:
        """Everything has one end."""
        assert lease.lease_id not in self.ended
        self.ended[lease.lease_id] = lease
        self.waits.pop(lease.lease_id, None)
        if lease.token:
            for name in lease.resources:
                assert self.held.pop((lease.scope, name)).token == lease.token

    def check(self) -> None:
        """What holds between records: the first that waits, waits for a holder; no limit is passed; memory is what was said."""
        self.latest = max(self.latest, self.now)
        for scope in SCOPES:
            waiting = sorted((one for one in self.waits.values() if one.scope == scope), key=lambda one: one.arrival)
            if waiting:
                assert any((scope, name) in self.held for name in waiting[0].resources), "a deadlock"
        said = {one.lease_id for one in self.held.values()} | set(self.waits)
        assert said == set(self.book.leases)
        assert all(count <= LIMITS.per_holder for count in self.book.holders.values())
        assert all(count <= LIMITS.per_tenant for count in self.book.tenants.values())
        for one in self.held.values():
            assert one.expires_at <= self.latest + LIMITS.lease_seconds * 1_000

    def close(self) -> None:
        """Time alone ends everything, by the timers that the book asks for."""
        while (due := self.book.next_due()) is not None:
            at, scope = due
            self.now = max(self.now, at)
            steps = self.book.at(scope, self.now)
            assert steps, "a timer for nothing"
            self.take(steps)
            self.rows.save(self.book)
            self.check()
        assert not self.held
        assert not self.waits
        assert not self.rows.leases
        assert not self.book.lines
        assert not self.book.holders
        assert not self.book.due
