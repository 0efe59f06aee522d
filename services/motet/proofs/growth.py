"""How a checkpoint follows from the one before it and from what the log has since then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from motet.proofs.checkpoint import Checkpoint, Head, Place
from motet.proofs.entry import Entry
from motet.proofs.leaves import Grown
from motet.proofs.merkle import Tree


class DoesNotFit(ValueError):
    """What was kept beside a checkpoint does not come to its roots."""


@dataclass(slots=True)
class Growth:
    """All trees since a checkpoint; without one, from nothing."""

    before: Checkpoint | None = None
    trees: dict[Place, Tree] = field(default_factory=dict)
    next_offsets: dict[Place, int] = field(default_factory=dict)
    added: dict[Place, list[Entry]] = field(default_factory=dict)
    count: int = 0

    @staticmethod
    def after(before: Checkpoint | None, leaves: Mapping[Place, Grown]) -> Growth:
        """Goes on behind a checkpoint. Raises DoesNotFit that names the partition."""
        growth = Growth(before)
        for head in before.heads if before is not None else ():
            kept = leaves.get(head.place)
            if kept is None or len(kept.frontier) != head.size.bit_count():
                raise DoesNotFit(f"the roots of {head.topic}:{head.partition} are not there")
            growth.trees[head.place] = Tree(head.size, list(kept.frontier))
            if growth.trees[head.place].root != head.root:
                raise DoesNotFit(f"the roots of {head.topic}:{head.partition} do not come to the signed one")
            growth.next_offsets[head.place] = head.next_offset
        return growth

    def take(self, place: Place, entry: Entry) -> None:
        """The next record of a partition."""
        self.trees.setdefault(place, Tree()).append(entry.leaf)
        self.next_offsets[place] = entry.offset + 1
        self.added.setdefault(place, []).append(entry)
        self.count += 1

    def reach(self, place: Place, offset: int) -> None:
        """Everything before this offset was read. What comes behind the last record, such as markers of transactions, is none."""
        self.trees.setdefault(place, Tree())
        self.next_offsets[place] = offset

    def checkpoint(self, cluster: str, epoch: int, time_ms: int) -> Checkpoint:
        """What is to be signed next. Its time does not go back."""
        before = self.before
        heads = tuple(
            Head(*place, tree.size, self.next_offsets[place], tree.root) for place, tree in sorted(self.trees.items())
        )
        if before is None:
            return Checkpoint(cluster, 1, epoch, time_ms, None, heads)
        return Checkpoint(cluster, before.number + 1, epoch, max(time_ms, before.time_ms), before.digest, heads)

    def leaves(self) -> dict[Place, Grown]:
        """What is to be kept beside it."""
        return {
            place: Grown(tuple(tree.frontier), tuple(self.added.get(place, ()))) for place, tree in self.trees.items()
        }
