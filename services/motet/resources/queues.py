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

from motet.records import Claim, ClaimMode
from motet.resources.names import bounded, covers, is_whole, wholes_above

Member = tuple[str, int]
Kinds = dict[str, int]


def strongest(one: Claim, other: Claim) -> Claim:
    """What covers two claims of one call, on the first one's resource: what differs can only be a write."""
    return one if (one.mode, one.operation) == (other.mode, other.operation) else Claim(one.resource, "WRITE")


def kind_of(mode: ClaimMode, operation: str) -> str:
    """What a claim may share with its own kind; nothing if it may not share. A mode of a later version is read as UNKNOWN: alone."""
    if mode == "READ":
        return "READ"
    return f"COMMUTE {operation}" if mode == "COMMUTE" else ""


def count(kinds: Kinds, kind: str) -> None:
    """One more claim of a kind."""
    kinds[kind] = kinds.get(kind, 0) + 1


def uncount(kinds: Kinds, kind: str) -> None:
    """One less. Kinds of which there are none are not kept."""
    left = kinds[kind] - 1
    if left:
        kinds[kind] = left
    else:
        del kinds[kind]


def shares(kind: str, had: Kinds, own: Kinds | None) -> bool:
    """Whether a claim goes together with claims that others have: all but its own plan's are of its kind, and that may share."""
    for other, many in had.items():
        if (other != kind or not kind) and (own is None or many > own.get(other, 0)):
            return False
    return True


class Standing:
    """A call in line."""

    __slots__ = ("index", "missing", "places", "plan_id")

    def __init__(self, plan_id: str, index: int) -> None:
        self.plan_id = plan_id
        self.index = index
        self.places: list[Place] = []
        # How many of them still wait.
        self.missing = 0


class Place:
    """Where a claim stands: in the queue of its resource, or counted in that of a whole above it."""

    __slots__ = ("below", "call", "granted", "held", "kind", "queue")

    def __init__(self, call: Standing, queue: Queue, kind: str, below: bool) -> None:
        self.call = call
        self.queue = queue
        self.kind = kind
        self.below = below
        self.granted = False
        self.held = False


class Queue:
    """One resource, or one whole: the claims granted, and those that wait, in order."""

    __slots__ = ("above", "below", "granted", "held", "held_below", "kinds", "name", "waiting")

    def __init__(self, name: str, above: tuple[Queue, ...]) -> None:
        self.name = name
        # The wholes that cover it.
        self.above = above
        self.granted: dict[Place, None] = {}
        # How many claims are granted, by their kinds: on the name itself, and on what a whole covers. These do not stand in each other's
        # way here.
        self.kinds: Kinds = {}
        self.below: Kinds = {}
        # Per plan, those of them whose calls are done and that are still held.
        self.held: dict[str, Kinds] = {}
        self.held_below: dict[str, Kinds] = {}
        self.waiting: OrderedDict[Place, None] = OrderedDict()

    def admits(self, place: Place) -> bool:
        """Whether a claim is compatible with everything granted, its own plan's finished calls aside."""
        kind, plan_id = place.kind, place.call.plan_id
        if self.kinds and not shares(kind, self.kinds, self.held.get(plan_id)):
            return False
        return place.below or not self.below or shares(kind, self.below, self.held_below.get(plan_id))

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
            count(self.below, place.kind)
        else:
            self.granted[place] = None
            count(self.kinds, place.kind)

    def hold(self, place: Place) -> None:
        """A granted claim's call is done, and its plan keeps what it has."""
        place.held = True
        held = self.held_below if place.below else self.held
        count(held.setdefault(place.call.plan_id, {}), place.kind)

    def leave(self, place: Place) -> None:
        """A claim is gone, whether it was granted or not."""
        if not place.granted:
            del self.waiting[place]
            return
        if place.below:
            uncount(self.below, place.kind)
        else:
            del self.granted[place]
            uncount(self.kinds, place.kind)
        if place.held:
            held, plan_id = self.held_below if place.below else self.held, place.call.plan_id
            uncount(held[plan_id], place.kind)
            if not held[plan_id]:
                del held[plan_id]


class Queues:
    """The queues of one shard. `space` is what tells equal names apart, such as a tenant's domain."""

    def __init__(self) -> None:
        self.queues: dict[str, Queue] = {}
        # The calls in line, by plan and index.
        self.standing: dict[str, dict[int, Standing]] = {}
        self.newly_granted: list[Member] = []

    def add(self, plan_id: str, index: int, claims: Sequence[Claim], space: str = "") -> None:
        """Puts a call at the end of each of its resources' queues. One claim a resource, none below a whole that is claimed too."""
        call = Standing(plan_id, index)
        places = call.places
        for claim in claims:
            queue, kind = self.queue_of(space, claim.resource), kind_of(claim.mode, claim.operation)
            for whole in queue.above:
                place = Place(call, whole, kind, True)  # noqa: FBT003
                places.append(place)
                call.missing += not whole.enter(place)
            place = Place(call, queue, kind, False)  # noqa: FBT003
            places.append(place)
            call.missing += not queue.enter(place)
        self.standing.setdefault(plan_id, {})[index] = call
        if not call.missing:
            self.newly_granted.append((plan_id, index))

    def finish(self, plan_id: str, index: int, hold: bool) -> bool:
        """A call is done: its claims are held for its plan, or released. What was not granted everything holds nothing.

        A call that was let go with its plan is in no queue any more. Whether a call of its plan waited for what is held.
        """
        calls = self.standing.get(plan_id)
        call = None if calls is None else calls.get(index)
        if calls is None or call is None:
            return False
        if hold and not call.missing:
            held_up = False
            # Only a plan's other calls could tell that a claim is held: it is in nobody else's way more or less than before.
            for place in call.places if len(calls) > 1 else ():
                queue = place.queue
                queue.hold(place)
                if queue.waiting:
                    # Its own come right behind it, for they got in line together.
                    held_up = held_up or next(iter(queue.waiting)).call.plan_id == plan_id
                    self.pump(queue)
            return held_up
        del calls[index]
        if not calls:
            del self.standing[plan_id]
        self.let_go(call.places)
        # A call and its places name each other: cleared, they are gone without the garbage collector.
        call.places.clear()
        return False

    def end(self, plan_id: str, keep: Collection[int] = ()) -> list[int]:
        """A plan ended: whatever it still has in queues is gone, in the order of its calls, but for the calls to keep. Returns these."""
        calls = self.standing.pop(plan_id, None)
        if calls is None:
            return []
        places: list[Place] = []
        gone: list[int] = []
        for index in sorted(calls):
            if index in keep:
                self.standing.setdefault(plan_id, {})[index] = calls[index]
            else:
                places += calls[index].places
                calls[index].places.clear()
                gone.append(index)
        self.let_go(places)
        return gone

    def take_granted(self) -> list[Member]:
        """The calls that got all their resources since the last time, in order: plan and index."""
        granted, self.newly_granted = self.newly_granted, []
        return granted

    def holders(self, resource: str) -> list[Member]:
        """The calls that have a resource, by its own name."""
        return [named(place) for place in self.queues[resource].granted] if resource in self.queues else []

    def waiters(self, resource: str) -> list[Member]:
        """The calls that wait for a resource, the next one first."""
        return [named(place) for place in self.queues[resource].waiting] if resource in self.queues else []

    def in_the_way(self, claim: Claim, space: str = "") -> list[Member]:
        """The calls that have something which a claim cannot share with them."""
        kind, name = kind_of(claim.mode, claim.operation), claim.resource
        queues = [self.queues[space + one] for one in (*wholes_above(name), name) if space + one in self.queues]
        found = [place for queue in queues for place in queue.granted]
        if is_whole(name) and space + name in self.queues:
            whole = self.queues[space + name]
            everybody = (call for calls in self.standing.values() for call in calls.values())
            found += [place for one in everybody for place in one.places if place.below and place.queue is whole]
        return [named(one) for one in found if not one.call.missing and (not kind or one.kind != kind)]

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
            elif not (queue.kinds or queue.below):
                self.queues.pop(queue.name, None)

    def pump(self, queue: Queue) -> None:
        """Grants from the head as far as it goes."""
        while queue.waiting:
            place = next(iter(queue.waiting))
            if not queue.admits(place):
                return
            del queue.waiting[place]
            queue.grant(place)
            call = place.call
            call.missing -= 1
            if not call.missing:
                self.newly_granted.append((call.plan_id, call.index))


def named(place: Place) -> Member:
    """The call of a place: its plan and index."""
    return place.call.plan_id, place.call.index


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
