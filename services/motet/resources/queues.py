"""Queues of claims, one a resource, in the order of the log (Calvin, SIGMOD 2012).

Everything before the first waiting claim is granted; the first waiting one is granted when it is compatible with all granted ones:
readers share, commuting calls share, a writer is alone. A plan's own finished calls never stand in its own way; under plan isolation
they stand in the way of other plans until the plan ends. Since a plan enters all its queues at once, waiting follows one total order
and cannot form a cycle. Every operation takes constant time a claim, however long the queue.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from motet.records import Claim, ClaimMode

Member = tuple[str, int]
# Anything else is alone, a mode of a later version among it, which is read as UNKNOWN.
SHARED: Final = frozenset({"READ", "COMMUTE"})


def strongest(one: ClaimMode, other: ClaimMode) -> ClaimMode:
    """The mode that covers two claims of one call on one resource: what differs can only be a write."""
    return one if one == other else "WRITE"


@dataclass(slots=True)
class Queue:
    """One resource: the claims granted, and those that wait, in order."""

    granted: dict[Member, ClaimMode] = field(default_factory=dict)
    modes: Counter[ClaimMode] = field(default_factory=Counter)
    # Per plan, the granted claims of its calls that are done and still held.
    held: dict[str, Counter[ClaimMode]] = field(default_factory=dict)
    waiting: OrderedDict[Member, ClaimMode] = field(default_factory=OrderedDict)

    def admits(self, member: Member, mode: ClaimMode) -> bool:
        """Whether the first waiting claim is compatible with everything granted, its own plan's finished calls aside."""
        others = len(self.granted)
        same = self.modes[mode]
        own = self.held.get(member[0])
        if own is not None:
            others -= own.total()
            same -= own[mode]
        return others == 0 or (mode in SHARED and same == others)


class Queues:
    """The queues of one shard."""

    def __init__(self) -> None:
        self.queues: dict[str, Queue] = {}
        self.claims: dict[Member, tuple[Claim, ...]] = {}
        self.plans: dict[str, set[int]] = {}
        self.missing: dict[Member, int] = {}
        self.newly_granted: list[Member] = []

    def add(self, plan_id: str, index: int, claims: Sequence[Claim]) -> None:
        """Puts a call at the end of each of its resources' queues. One claim a resource."""
        member = (plan_id, index)
        self.claims[member] = tuple(claims)
        self.plans.setdefault(plan_id, set()).add(index)
        self.missing[member] = len(claims)
        if not claims:
            self.grant(member)
        for claim in claims:
            queue = self.queues.get(claim.resource)
            if queue is None:
                queue = self.queues[claim.resource] = Queue()
            queue.waiting[member] = claim.mode
            if len(queue.waiting) == 1:
                self.pump(claim.resource, queue)

    def finish(self, plan_id: str, index: int, hold: bool) -> None:
        """A call is done: its claims are held for its plan, or released. A claim that still waited is simply gone.

        A call that was let go with its plan is in no queue any more.
        """
        member = (plan_id, index)
        for claim in self.claims.get(member, ()):
            queue = self.queues[claim.resource]
            if member in queue.waiting:
                del queue.waiting[member]
            elif hold:
                queue.held.setdefault(plan_id, Counter())[claim.mode] += 1
            else:
                self.release(queue, member)
            self.pump(claim.resource, queue)
        self.missing.pop(member, None)
        if not hold:
            self.forget(member)

    def end(self, plan_id: str, keep: Collection[int] = ()) -> None:
        """A plan ended: whatever it still has in queues is gone, in the order of its calls, but for the calls to keep."""
        touched: dict[str, Queue] = {}
        for index in sorted(self.plans.get(plan_id, ())):
            if index in keep:
                continue
            member = (plan_id, index)
            for claim in self.claims[member]:
                queue = self.queues.get(claim.resource)
                # A claim that was let go while it waited may have been the last of its queue.
                if queue is None:
                    continue
                touched[claim.resource] = queue
                if queue.waiting.pop(member, None) is None and member in queue.granted:
                    self.release(queue, member)
                queue.held.pop(plan_id, None)
            self.missing.pop(member, None)
            del self.claims[member]
        kept = self.plans.pop(plan_id, set()) & set(keep)
        if kept:
            self.plans[plan_id] = kept
        for resource, queue in touched.items():
            self.pump(resource, queue)

    def take_granted(self) -> list[Member]:
        """The calls that got all their resources since the last time, in order."""
        granted, self.newly_granted = self.newly_granted, []
        return granted

    def holders(self, resource: str) -> list[Member]:
        """The calls that have a resource."""
        return list(self.queues[resource].granted) if resource in self.queues else []

    def in_the_way(self, resource: str, mode: ClaimMode) -> list[Member]:
        """The calls that have a resource which a claim of that mode cannot share with them."""
        granted = self.queues[resource].granted if resource in self.queues else {}
        return [member for member, other in granted.items() if mode != other or mode not in SHARED]

    def waiters(self, resource: str) -> list[Member]:
        """The calls that wait for a resource, the next one first."""
        return list(self.queues[resource].waiting) if resource in self.queues else []

    def pump(self, resource: str, queue: Queue) -> None:
        """Grants from the head as far as it goes; drops a queue that is empty."""
        while queue.waiting:
            member, mode = next(iter(queue.waiting.items()))
            if not queue.admits(member, mode):
                return
            del queue.waiting[member]
            queue.granted[member] = mode
            queue.modes[mode] += 1
            self.missing[member] -= 1
            if self.missing[member] == 0:
                self.grant(member)
        if not queue.granted:
            self.queues.pop(resource, None)

    def release(self, queue: Queue, member: Member) -> None:
        """Takes a granted claim out of its queue."""
        queue.modes[queue.granted.pop(member)] -= 1

    def forget(self, member: Member) -> None:
        """Nothing of a call is in any queue any more."""
        self.claims.pop(member, None)
        indexes = self.plans.get(member[0])
        if indexes is not None:
            indexes.discard(member[1])
            if not indexes:
                del self.plans[member[0]]

    def grant(self, member: Member) -> None:
        """A call has everything that it claims."""
        del self.missing[member]
        self.newly_granted.append(member)


def merged(claims: Iterable[Claim]) -> tuple[Claim, ...]:
    """One claim a resource, in order of first mention."""
    modes: dict[str, ClaimMode] = {}
    for claim in claims:
        modes[claim.resource] = strongest(modes.get(claim.resource, claim.mode), claim.mode)
    return tuple(Claim(resource, mode) for resource, mode in modes.items())
