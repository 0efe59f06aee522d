"""A checkpoint: what was in every partition of every topic at one moment, as roots of Merkle trees, in a text that is signed as it stands.

motet checkpoint 1
cluster 5L6g3nShT-eMCtK--X86sw
number 42
epoch 3
time 2026-11-25T04:30:00.123Z
previous 0f3c…            SHA-256 of the text of the checkpoint before, or - for the first
tree motet.events 0 118 131 mB0…=     topic, partition, records, the offset up to which, root
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from motet.proofs.merkle import HASH_BYTES
from motet.proofs.note import NotANote, decoded

TITLE: Final = "motet checkpoint 1"
NONE: Final = "-"
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,18}")
WORD: Final = re.compile(r"[!-~]{1,255}")
HEX: Final = re.compile(r"[0-9a-f]{64}")
HEAD: Final = ("cluster", "number", "epoch", "time", "previous")

Place = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Head:
    """A tree at a moment: how many records it has, the offset before which all of them stand, and its root."""

    topic: str
    partition: int
    size: int
    next_offset: int
    root: bytes

    @property
    def place(self) -> Place:
        """The partition that it is of."""
        return self.topic, self.partition

    def line(self) -> str:
        """The tree as the text has it."""
        root = base64.b64encode(self.root).decode()
        return f"tree {self.topic} {self.partition} {self.size} {self.next_offset} {root}"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What is signed. Numbers go up by one; the epoch is the token of the leader that made it, 0 where a person did."""

    cluster: str
    number: int
    epoch: int
    time_ms: int
    previous: str | None
    heads: tuple[Head, ...]

    @property
    def digest(self) -> str:
        """SHA-256 of the text, in hex: what the next checkpoint says of this one."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def text(self) -> str:
        """What is signed."""
        lines = [
            TITLE,
            f"cluster {self.cluster}",
            f"number {self.number}",
            f"epoch {self.epoch}",
            f"time {written_time(self.time_ms)}",
            f"previous {self.previous or NONE}",
            *(head.line() for head in self.heads),
        ]
        return "\n".join(lines) + "\n"

    @property
    def records(self) -> int:
        """Records in all trees."""
        return sum(head.size for head in self.heads)

    def by_place(self) -> dict[Place, Head]:
        """Trees by topic and partition."""
        return {head.place: head for head in self.heads}

    @staticmethod
    def parse(text: str) -> Checkpoint:
        """A checkpoint from its text, of which there is one right form. Raises NotANote."""
        lines = text.removesuffix("\n").split("\n")
        if lines[0] != TITLE:
            raise NotANote(f"a checkpoint begins with {TITLE!r}, not {lines[0][:80]!r}")
        fields = dict(zip(HEAD, values(lines[1 : len(HEAD) + 1]), strict=True))
        heads = tuple(read_head(line) for line in lines[len(HEAD) + 1 :])
        if not WORD.fullmatch(fields["cluster"]) or not TIME.fullmatch(fields["time"]):
            raise NotANote("a checkpoint names a cluster, and its time as 2026-11-25T04:30:00.123Z")
        previous = fields["previous"]
        if previous != NONE and not HEX.fullmatch(previous):
            raise NotANote(f"`previous` is 64 hex digits or {NONE}, not {previous[:80]!r}")
        found = Checkpoint(
            fields["cluster"],
            number(fields["number"]),
            number(fields["epoch"]),
            read_time(fields["time"]),
            None if previous == NONE else previous,
            heads,
        )
        if found.text != text or [head.place for head in heads] != sorted({head.place for head in heads}):
            raise NotANote("a checkpoint has its trees in order, each once, and nothing else")
        return found


def values(lines: Sequence[str]) -> Iterator[str]:
    """The values of the lines above the trees."""
    for at, name in enumerate(HEAD):
        word, _, value = lines[at].partition(" ") if at < len(lines) else ("", "", "")
        if word != name:
            raise NotANote(f"line {at + 2} of a checkpoint begins with {name!r}")
        yield value


def read_head(line: str) -> Head:
    """A tree from its line."""
    words = line.split(" ")
    if len(words) != 6 or words[0] != "tree" or not WORD.fullmatch(words[1]):  # noqa: PLR2004  `tree`, topic, three numbers, root
        raise NotANote(f"{line[:80]!r} is no tree: topic, partition, records, next offset, root")
    root = decoded(words[5], HASH_BYTES)
    if root is None:
        raise NotANote(f"{words[5][:80]!r} is no root of {HASH_BYTES} bytes")
    return Head(words[1], number(words[2]), number(words[3]), number(words[4]), root)


def number(text: str) -> int:
    """A number in its one right form."""
    if not NUMBER.fullmatch(text):
        raise NotANote(f"{text[:80]!r} is no number")
    return int(text)


def written_time(time_ms: int) -> str:
    """Milliseconds since 1970 as people and programs read them."""
    return (EPOCH + timedelta(milliseconds=time_ms)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def read_time(text: str) -> int:
    """The same, back. Raises NotANote."""
    try:
        return (datetime.fromisoformat(text) - EPOCH) // timedelta(milliseconds=1)
    except ValueError as error:
        raise NotANote(f"{text[:80]!r} is no time") from error
