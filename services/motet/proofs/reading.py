"""A partition as it is read now, beside what was signed of it: which roots still fit, and where they do not, which record is another one.

Roots say that something in a range is another, and nothing more. So beside each checkpoint its entries are kept, 48 bytes a record: with these
the record is named. They need no trust, for they must come to the signed root themselves; without them only the range can be named.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from motet.proofs.checkpoint import Checkpoint, Head, Place
from motet.proofs.entry import Entry
from motet.proofs.finding import Finding, Kind
from motet.proofs.merkle import Tree

# Of each range so many findings are spelt out.
NAMED: Final = 10
# One partition that ends too soon was cut; several at once are rather those of an older log.
SEVERAL: Final = 2

# The entries that a checkpoint added to a partition, as they were kept; None if they are not there.
Kept = Callable[[int, Place], Sequence[Entry] | None]


@dataclass(frozen=True, slots=True)
class Mark:
    """A checkpoint's word on a partition."""

    number: int
    head: Head


def marks_of(checkpoints: Sequence[Checkpoint]) -> dict[Place, list[Mark]]:
    """What checkpoints say of each partition, in order, and only where it is news."""
    out: dict[Place, list[Mark]] = {}
    for one in checkpoints:
        for head in one.heads:
            marks = out.setdefault(head.place, [])
            if not marks or marks[-1].head != head:
                marks.append(Mark(one.number, head))
    return out


@dataclass(slots=True)
class Reading:
    """One partition while it is read from its beginning. `begin` is the first offset that the log still has."""

    place: Place
    marks: Sequence[Mark]
    kept: Kept
    begin: int = 0
    tree: Tree = field(default_factory=Tree)
    # Entries that were read and are not compared yet.
    open: list[Entry] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    # Records that are not at their offset any more, by content. A copy that comes later takes one away: that is what compaction leaves of a
    # record that was published twice, and no lane takes the second one for another.
    missing: dict[bytes, tuple[int, int]] = field(default_factory=dict)
    at: int = 0
    # The number of the last checkpoint of which the log has everything, as it was.
    holds: int = 0
    # That of the first of which it has not.
    failed: int | None = None
    lost: bool = False

    @property
    def done(self) -> bool:
        """Whether nothing more was signed: what comes now nobody has promised yet."""
        return self.lost or self.at == len(self.marks)

    def take(self, entry: Entry) -> None:
        """The next record."""
        while not self.done and entry.offset >= self.marks[self.at].head.next_offset:
            self.reach()
        if self.missing:
            self.missing.pop(entry.content, None)
        if not self.done:
            self.open.append(entry)

    def end(self, offset: int) -> None:
        """There are no more records: the log ends before this offset."""
        last = self.marks[-1] if self.marks else None
        cut = last is not None and offset < last.head.next_offset
        if cut and last is not None:
            self.say(
                "TAIL_DELETED",
                offset,
                f"ends at offset {offset}, and checkpoint {last.number} goes up to offset {last.head.next_offset - 1}: the end of it "
                "was deleted",
            )
        while not self.done:
            self.reach(ends=offset if cut else None)
        gone = sorted((where, number) for where, number in self.missing.values())
        self.name(
            [
                ("REMOVED", where, f"offset {where} holds nothing, and checkpoint {number} has a record there")
                for where, number in gone
            ]
        )

    def reach(self, ends: int | None = None) -> None:
        """Compares what was read since the last mark with the next one."""
        mark, found, self.open = self.marks[self.at], self.open, []
        before = self.marks[self.at - 1] if self.at else None
        self.at += 1
        whole = self.grown(found)
        if whole.size == mark.head.size and whole.root == mark.head.root:
            self.tree = whole
            self.holds = mark.number if self.failed is None else self.holds
            return
        self.failed = self.failed or mark.number
        signed = self.signed(0 if before is None else before.number, mark)
        if signed is None:
            self.lose(0 if before is None else before.head.next_offset, mark, ends)
            return
        gone = sum(entry.offset < self.begin for entry in signed)
        if gone:
            self.say(
                "TRUNCATED",
                self.begin,
                f"begins at offset {self.begin}, and checkpoint {mark.number} has {gone} records before it, from offset {signed[0].offset} on: "
                "the beginning of it was deleted",
            )
        self.compare(signed, found, mark, ends)

    def grown(self, entries: Sequence[Entry]) -> Tree:
        """The tree with more entries."""
        whole = Tree(self.tree.size, list(self.tree.frontier))
        for entry in entries:
            whole.append(entry.leaf)
        return whole

    def lose(self, since: int, mark: Mark, ends: int | None) -> None:
        """Nothing can be said of single records any more."""
        self.lost = True
        last = mark.head.next_offset - 1
        reason = "what was kept beside it is not there, or was changed as well, so nothing after it can be compared"
        if since < self.begin:
            self.say(
                "TRUNCATED",
                self.begin,
                f"begins at offset {self.begin}, and checkpoint {mark.number} has records from offset {since} to {last}; {reason}",
            )
        elif ends is None:
            self.say(
                "CHANGED",
                since,
                f"a record at offsets {since} to {last} is not what checkpoint {mark.number} has: which one cannot be said; {reason}",
            )

    def signed(self, before: int, mark: Mark) -> list[Entry] | None:
        """What was added up to a checkpoint, as it was kept, if it comes to the signed root; the tree goes on with it."""
        entries: list[Entry] = []
        for number in range(before + 1, mark.number + 1):
            added = self.kept(number, self.place)
            if added is None:
                return None
            entries += added
        whole = self.grown(entries)
        if whole.size != mark.head.size or whole.root != mark.head.root:
            return None
        self.tree = whole
        return entries

    def compare(self, signed: Sequence[Entry], found: Sequence[Entry], mark: Mark, ends: int | None) -> None:
        """Names the records of a range that are not what they were. What was cut off at an end was said already."""
        then = {entry.offset: entry for entry in signed}
        now = {entry.offset: entry for entry in found}
        stood = {entry.content: entry.offset for entry in signed}
        here = {entry.content for entry in found}
        named: list[tuple[Kind, int, str]] = []
        for offset in sorted(then.keys() | now.keys()):
            before, after = then.get(offset), now.get(offset)
            if before == after or offset < self.begin or (ends is not None and offset >= ends):
                continue
            if before is not None and after is None:
                if before.content not in here:
                    self.missing[before.content] = (offset, mark.number)
            elif after is None:
                continue
            elif before is not None and before.content == after.content:
                message = f"the record at offset {offset} came at {before.timestamp_ms} by checkpoint {mark.number}, and has {after.timestamp_ms} now"
                named.append(("RETIMED", offset, message))
            elif after.content in stood:
                message = f"the record at offset {offset} is the one that stood at offset {stood[after.content]} by checkpoint {mark.number}"
                named.append(("REORDERED", offset, message))
            elif before is None:
                named.append(
                    ("INSERTED", offset, f"the record at offset {offset} was not there by checkpoint {mark.number}")
                )
            else:
                named.append(
                    (
                        "REWRITTEN",
                        offset,
                        f"the record at offset {offset} is not the one that checkpoint {mark.number} has",
                    )
                )
        self.name(named)

    def name(self, named: Sequence[tuple[Kind, int, str]]) -> None:
        """Spells out the first few, and counts the rest."""
        for kind, offset, message in named[:NAMED]:
            self.say(kind, offset, message)
        if named[NAMED:]:
            kind, offset, _ = named[NAMED]
            self.say(kind, offset, f"and {len(named) - NAMED} more records up to offset {named[-1][1]}")

    def say(self, kind: Kind, offset: int, message: str) -> None:
        """Notes what is not as it was signed."""
        topic, partition = self.place
        self.findings.append(
            Finding(kind, f"{topic}:{partition}:{offset}", f"{topic}, partition {partition}: {message}")
        )


def older_as_a_whole(readings: Sequence[Reading]) -> Finding | None:
    """Whether the log is that of an earlier moment: several partitions end too soon, and nothing else is changed in them."""
    behind = [one for one in readings if one.failed is not None]
    if len(behind) < SEVERAL or any({found.kind for found in one.findings} != {"TAIL_DELETED"} for one in behind):
        return None
    first = min(one.failed or 0 for one in behind)
    newest = max(one.marks[-1].number for one in behind)
    message = (
        f"{len(behind)} partitions end too soon, and nothing else is changed in them: the log is that of a backup from before checkpoint "
        f"{first}" + (f", and {newest} was the last" if newest > first else "")
    )
    return Finding("OLD_BACKUP", f"checkpoint {first}", message)
