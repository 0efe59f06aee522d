"""Queues of claims, one a resource, in the order of the log (Calvin, SIGMOD 2012), with wholes above them (Gray et al., 1976).

Everything before the first waiting claim is granted; the first waiting one is granted when it is compatible with all granted ones:
readers share, calls of one commuting operation share, a writer is alone. A plan's own finished calls never stand in its own way; under
plan isolation they stand in the way of other plans until the plan ends. Since a plan enters all its queues at once, waiting follows one
total order and cannot form a cycle.

A claim also passes the whole of each level above it: there it is counted, and waits only behind claims on the whole itself, as these wait
for what is counted. Every operation takes constant time a claim and level, however long the queue.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from motet.records import Claim, ClaimMode
from motet.resources.names import bounded, covers, is_whole, wholes_above

Member = tuple[str, int]


def strongest(one: Claim, other: Claim) -> Claim:
    """What covers two claims of one call, on the first one's resource: what differs can only be a write."""
    return one if (one.mode, one.operation) == (other.mode, other.operation) else Claim(one.resource, "WRITE")


def kind_of(mode: ClaimMode, operation: str) -> str:
    """What a claim may share with its own kind; nothing if it may not share. A mode of a later version is read as UNKNOWN: alone."""
    if mode == "READ":
        return "READ"
    return f"COMMUTE {operation}" if mode == "COMMUTE" else ""


class Tally:
    """How many claims there are, and of which kinds."""

    __slots__ = ("kinds", "total")

    def __init__(self) -> None:
        self.total = 0
        self.kinds: dict[str, int] = {}

    def add(self, kind: str, count: int) -> None:
        """Counts."""
        self.total += count
        self.kinds[kind] = self.kinds.get(kind, 0) + count


@dataclass(slots=True, eq=False)
class Queue:
    """One resource, or one whole: the claims granted, and those that wait, in order."""

    name: str
    # The wholes that cover it.
    above: tuple[Queue, ...]
    granted: dict[Place, None] = field(default_factory=dict)
    counts: Tally = field(default_factory=Tally)
    # Granted claims on what a whole covers: they do not stand in each other's way here.
    below: Tally = field(default_factory=Tally)
    # Per plan, the granted claims of its calls that are done and still held: on the name itself, and below it.
    held: dict[str, Tally] = field(default_factory=dict)
    held_below: dict[str, Tally] = field(default_factory=dict)
    waiting: OrderedDict[Place, None] = field(default_factory=OrderedDict)

    def admits(self, place: Place) -> bool:
        """Whether a claim is compatible with everything granted, its own plan's finished calls aside."""
        kind, plan_id = place.kind, place.member[0]
        others, same = self.counts.total, self.counts.kinds.get(kind, 0)
        own = self.held.get(plan_id)
        if own is not None:
            others -= own.total
            same -= own.kinds.get(kind, 0)
        if not place.below and self.below.total:
            others += self.below.total
            same += self.below.kinds.get(kind, 0)
            own = self.held_below.get(plan_id)
            if own is not None:
                others -= own.total
                same -= own.kinds.get(kind, 0)
        return others == 0 or (kind != "" and same == others)

    def enter(self, place: Place) -> bool:
        """A claim gets in line; whether it is granted at once."""
        if self.waiting or not self.admits(place):
            self.waiting[place] = None
            return False
        self.grant(place)
        return True

    def grant(self, place: Place) -> None:
        """A claim is granted."""
        place.granted = True
        if place.below:
            self.below.add(place.kind, 1)
        else:
            self.granted[place] = None
            self.counts.add(place.kind, 1)

    def hold(self, place: Place) -> None:
        """A granted claim's call is done, and its plan keeps what it has."""
        place.held = True
        held = self.held_below if place.below else self.held
        plan_id = place.member[0]
        tally = held.get(plan_id)
        if tally is None:
            tally = held[plan_id] = Tally()
        tally.add(place.kind, 1)

    def leave(self, place: Place) -> None:
        """A claim is gone, whether it was granted or not."""
        if not place.granted:
            del self.waiting[place]
            return
        if place.below:
            self.below.add(place.kind, -1)
        else:
            del self.granted[place]
            self.counts.add(place.kind, -1)
        if place.held:
            held, plan_id = self.held_below if place.below else self.held, place.member[0]
            held[plan_id].add(place.kind, -1)
            if not held[plan_id].total:
                del held[plan_id]

    @property
    def empty(self) -> bool:
        """Whether nobody is in it."""
        return not (self.counts.total or self.below.total or self.waiting)


class Place:
    """Where a claim stands: in the queue of its resource, or counted in that of a whole above it."""

    __slots__ = ("below", "granted", "held", "kind", "member", "queue")

    def __init__(self, member: Member, queue: Queue, kind: str, *, below: bool) -> None:
        self.member = member
        self.queue = queue
        self.kind = kind
        self.below = below
        self.granted = False
        self.held = False


class Queues:
    """The queues of one shard. `space` is what tells equal names apart, such as a tenant's domain."""

    def __init__(self) -> None:
        self.queues: dict[str, Queue] = {}
        self.claims: dict[Member, list[Place]] = {}
        self.plans: dict[str, set[int]] = {}
        # How many places of a call still wait.
        self.missing: dict[Member, int] = {}
        self.newly_granted: list[Member] = []

    def add(self, plan_id: str, index: int, claims: Sequence[Claim], space: str = "") -> None:
        """Puts a call at the end of each of its resources' queues. One claim a resource, none below a whole that is claimed too."""
        member = (plan_id, index)
        places: list[Place] = []
        waits = 0
        for claim in claims:
            queue, kind = self.queue_of(space, claim.resource), kind_of(claim.mode, claim.operation)
            for whole in queue.above:
                place = Place(member, whole, kind, below=True)
                places.append(place)
                waits += not whole.enter(place)
            place = Place(member, queue, kind, below=False)
            places.append(place)
            waits += not queue.enter(place)
        self.claims[member] = places
        self.plans.setdefault(plan_id, set()).add(index)
        if waits:
            self.missing[member] = waits
        else:
            self.newly_granted.append(member)

    def finish(self, plan_id: str, index: int, hold: bool) -> None:
        """A call is done: its claims are held for its plan, or released. What was not granted everything holds nothing.

        A call that was let go with its plan is in no queue any more.
        """
        member = (plan_id, index)
        places = self.claims.get(member)
        if places is None:
            return
        if hold and member not in self.missing:
            for place in places:
                place.queue.hold(place)
                if place.queue.waiting:
                    self.pump(place.queue)
            return
        self.forget(member)
        self.let_go(places)

    def end(self, plan_id: str, keep: Collection[int] = ()) -> None:
        """A plan ended: whatever it still has in queues is gone, in the order of its calls, but for the calls to keep."""
        places: list[Place] = []
        for index in sorted(self.plans.get(plan_id, ())):
            if index not in keep:
                places += self.claims[plan_id, index]
                self.forget((plan_id, index))
        self.let_go(places)

    def take_granted(self) -> list[Member]:
        """The calls that got all their resources since the last time, in order."""
        granted, self.newly_granted = self.newly_granted, []
        return granted

    def holders(self, resource: str) -> list[Member]:
        """The calls that have a resource, by its own name."""
        return [place.member for place in self.queues[resource].granted] if resource in self.queues else []

    def waiters(self, resource: str) -> list[Member]:
        """The calls that wait for a resource, the next one first."""
        return [place.member for place in self.queues[resource].waiting] if resource in self.queues else []

    def in_the_way(self, claim: Claim, space: str = "") -> list[Member]:
        """The calls that have something which a claim cannot share with them."""
        kind, name = kind_of(claim.mode, claim.operation), claim.resource
        queues = [self.queues[space + one] for one in (*wholes_above(name), name) if space + one in self.queues]
        found = [place for queue in queues for place in queue.granted]
        if is_whole(name) and space + name in self.queues:
            whole = self.queues[space + name]
            found += [one for places in self.claims.values() for one in places if one.below and one.queue is whole]
        return [one.member for one in found if one.member not in self.missing and (not kind or one.kind != kind)]

    def queue_of(self, space: str, resource: str) -> Queue:
        """A resource's queue; made, with the wholes above it, when it is needed."""
        name = space + resource
        queue = self.queues.get(name)
        if queue is None:
            above = tuple([self.queue_of(space, whole) for whole in wholes_above(resource)])
            queue = self.queues[name] = Queue(name, above)
        return queue

    def let_go(self, places: Sequence[Place]) -> None:
        """Claims are gone: whoever waited for them may be granted."""
        for place in places:
            place.queue.leave(place)
        for place in places:
            queue = place.queue
            if queue.waiting:
                self.pump(queue)
            elif queue.empty:
                self.queues.pop(queue.name, None)

    def pump(self, queue: Queue) -> None:
        """Grants from the head as far as it goes."""
        while queue.waiting:
            place = next(iter(queue.waiting))
            if not queue.admits(place):
                return
            del queue.waiting[place]
            queue.grant(place)
            self.missing[place.member] -= 1
            if self.missing[place.member] == 0:
                del self.missing[place.member]
                self.newly_granted.append(place.member)

    def forget(self, member: Member) -> None:
        """Nothing of a call is to be kept."""
        del self.claims[member]
        self.missing.pop(member, None)
        indexes = self.plans[member[0]]
        indexes.discard(member[1])
        if not indexes:
            del self.plans[member[0]]


def merged(claims: Iterable[Claim]) -> tuple[Claim, ...]:
    """One claim a resource, in order of first mention, and none below a whole that is claimed too."""
    found: dict[str, Claim] = {}
    for claim in claims:
        name = bounded(claim.resource)
        before = found.get(name, claim)
        found[name] = strongest(Claim(name, before.mode, before.operation), claim)
    for whole in sorted(filter(is_whole, found), key=len):
        for name in [one for one in found if one != whole and covers(whole, one)]:
            if whole in found:
                found[whole] = strongest(found[whole], found.pop(name))
    return tuple(found.values())
