"""What verification says of a log that is not what was signed: each way to change it has its name and its place."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from motet.chassis.message import Message
from motet.proofs import leaves
from motet.proofs.chain import Chain, compare, read_chain
from motet.proofs.checkpoint import Checkpoint, Place
from motet.proofs.entry import Entry, content_digest
from motet.proofs.growth import DoesNotFit, Growth
from motet.proofs.keyring import Keyring, Trusted
from motet.proofs.note import PrivateKey
from motet.proofs.reading import Reading, marks_of, older_as_a_whole

KEY: Final = PrivateKey.generate("motet.example")
KEYRING: Final = Keyring([Trusted(KEY.public)])
PLACE: Final[Place] = ("motet.events", 2)
OTHER: Final[Place] = ("motet.results", 2)


def entry(offset: int, said: str = "") -> Entry:
    """A record's entry."""
    return Entry(offset, 1_000 + offset, hashlib.sha256(f"{offset}{said}".encode()).digest())


@dataclass
class Kept:
    """Checkpoints as somebody keeps them."""

    notes: dict[int, str] = field(default_factory=dict)
    beside: dict[int, bytes] = field(default_factory=dict)
    before: Checkpoint | None = None

    def add(self, logs: Mapping[Place, Sequence[Entry]], key: PrivateKey = KEY, epoch: int = 1) -> None:
        """One more, of everything that logs have."""
        beside = leaves.read(self.beside[self.before.number]) if self.before else {}
        growth = Growth.after(self.before, beside)
        for place, log in logs.items():
            for one in log:
                if one.offset >= growth.next_offsets.get(place, 0):
                    growth.take(place, one)
        made = growth.checkpoint("cluster", epoch, 0)
        self.notes[made.number], self.beside[made.number] = key.sign(made.text), leaves.pack(growth.leaves())
        self.before = made

    def entries(self, number: int, place: Place) -> Sequence[Entry] | None:
        """What a checkpoint added."""
        if number not in self.beside:
            return None
        grown = leaves.read(self.beside[number]).get(place)
        return grown.added if grown else ()

    def chain(self) -> Chain:
        """The chain, read again."""
        return read_chain(sorted(self.notes.items()), KEYRING)

    def reading(self, log: Sequence[Entry], end: int, begin: int = 0, place: Place = PLACE) -> Reading:
        """A partition read again."""
        marks = marks_of(list(self.chain().checkpoints.values()))
        reading = Reading(place, marks.get(place, []), self.entries, begin)
        for one in log:
            reading.take(one)
        reading.end(end)
        return reading


def said(reading: Reading) -> list[tuple[str, str]]:
    """Kinds and places of what was found."""
    return [(found.kind, found.where) for found in reading.findings]


def kept(sizes: Sequence[int], gap: int = 0, *, beside: bool = True) -> tuple[Kept, list[Entry]]:
    """A log with checkpoints at some of its sizes; every `gap`-th offset is none of a record."""
    log = [entry(offset) for offset in range(max(sizes) * 2) if not gap or offset % gap]
    made = Kept()
    for size in sizes:
        made.add({PLACE: log[:size]})
    if not beside:
        made.beside.clear()
    return made, log[: max(sizes)]


def end_of(log: Sequence[Entry]) -> int:
    """The offset after the last record."""
    return log[-1].offset + 1


@given(st.lists(st.integers(0, 40), min_size=1, max_size=5).map(sorted), st.integers(0, 4), st.integers(0, 5))
def test_a_log_that_is_as_it_was_has_no_findings(sizes: list[int], gap: int, more: int) -> None:
    """With gaps, with records that came since, with checkpoints that added nothing, and without what is kept beside."""
    assume(max(sizes) > 0 and gap != 1)
    made, log = kept(sizes, gap)
    grown = [*log, *(entry(end_of(log) + one) for one in range(more))]
    reading = made.reading(grown, end_of(grown))
    assert (said(reading), reading.holds > 0 or not sizes[-1]) == ([], True)
    assert made.chain().findings == []
    made.beside.clear()
    assert said(made.reading(grown, end_of(grown))) == []


@given(st.lists(st.integers(1, 40), min_size=1, max_size=5).map(sorted), st.data())
def test_a_changed_record_is_named(sizes: list[int], data: st.DataObject) -> None:
    """Its bytes, its time, its place, or that it is gone: by its offset; the records after it are compared all the same."""
    made, log = kept(sizes)
    at = data.draw(st.integers(0, len(log) - 1))
    assert said(made.reading([*log[:at], entry(at, "other"), *log[at + 1 :]], end_of(log))) == [
        ("REWRITTEN", f"motet.events:2:{at}")
    ]
    late = Entry(at, 99, log[at].content)
    assert said(made.reading([*log[:at], late, *log[at + 1 :]], end_of(log))) == [("RETIMED", f"motet.events:2:{at}")]
    assert said(made.reading([*log[:at], *log[at + 1 :]], end_of(log))) == [("REMOVED", f"motet.events:2:{at}")]
    both = data.draw(st.integers(0, len(log) - 1))
    twice = {place: entry(place, "other") for place in (at, both)}
    changed = [twice.get(one.offset, one) for one in log]
    assert said(made.reading(changed, end_of(log))) == [
        ("REWRITTEN", f"motet.events:2:{one}") for one in sorted({at, both})
    ]


@given(st.integers(2, 40), st.data())
def test_two_records_that_changed_places_are_named(size: int, data: st.DataObject) -> None:
    """Reordered is not rewritten: each is said to have stood where the other is."""
    made, log = kept([size])
    one, other = sorted(data.draw(st.lists(st.integers(0, size - 1), min_size=2, max_size=2, unique=True)))
    moved = list(log)
    moved[one] = Entry(one, log[one].timestamp_ms, log[other].content)
    moved[other] = Entry(other, log[other].timestamp_ms, log[one].content)
    reading = made.reading(moved, end_of(log))
    assert said(reading) == [("REORDERED", f"motet.events:2:{one}"), ("REORDERED", f"motet.events:2:{other}")]
    assert f"the record at offset {one} is the one that stood at offset {other}" in reading.findings[0].message


def test_a_record_where_none_was_is_named() -> None:
    """An offset that held nothing for readers, such as a transaction's marker, holds nothing for ever."""
    made, log = kept([4], gap=3)
    assert [one.offset for one in log] == [1, 2, 4, 5]
    more = sorted([*log, entry(3)], key=lambda one: one.offset)
    assert said(made.reading(more, end_of(log))) == [("INSERTED", "motet.events:2:3")]


@given(st.lists(st.integers(1, 40), min_size=1, max_size=5).map(sorted), st.data())
def test_a_tail_that_was_deleted_is_named(sizes: list[int], data: st.DataObject) -> None:
    """By the offset where the partition ends now; what was changed before that is named too, and once."""
    made, log = kept(sizes)
    end = data.draw(st.integers(0, len(log) - 1))
    reading = made.reading(log[:end], end)
    assert said(reading) == [("TAIL_DELETED", f"motet.events:2:{end}")]
    assert f"goes up to offset {len(log) - 1}" in reading.findings[0].message
    if end:
        changed = [*log[: end - 1], entry(end - 1, "other")]
        kinds = {("TAIL_DELETED", f"motet.events:2:{end}"), ("REWRITTEN", f"motet.events:2:{end - 1}")}
        assert set(said(made.reading(changed, end))) == kinds


@given(st.lists(st.integers(1, 40), min_size=1, max_size=5).map(sorted), st.data())
def test_a_beginning_that_was_deleted_is_named(sizes: list[int], data: st.DataObject) -> None:
    """Each range that lost records says so, and what is left is compared."""
    made, log = kept(sizes)
    begin = data.draw(st.integers(1, len(log)))
    reading = made.reading(log[begin:], end_of(log), begin)
    assert {found.kind for found in reading.findings} == {"TRUNCATED"}
    assert {found.where for found in reading.findings} == {f"motet.events:2:{begin}"}
    if begin < len(log):
        changed = [entry(begin, "other"), *log[begin + 1 :]]
        assert ("REWRITTEN", f"motet.events:2:{begin}") in said(made.reading(changed, end_of(log), begin))


def test_without_what_is_kept_beside_the_range_is_named() -> None:
    """The roots alone show that something is another, between which offsets, and no more; also if what is kept was changed as well."""
    for beside in (None, "changed"):
        made, log = kept([3, 6, 9], beside=False)
        if beside:
            other, _ = kept([3, 6, 9])
            made.beside = {
                number: data.replace(entry(4).pack(), entry(4, "other").pack()) for number, data in other.beside.items()
            }
        changed = [*log[:4], entry(4, "other"), *log[5:]]
        reading = made.reading(changed, 9)
        assert said(reading) == [("CHANGED", "motet.events:2:3")]
        assert "at offsets 3 to 5" in reading.findings[0].message
        assert said(made.reading(log[2:], 9, 2)) == [("TRUNCATED", "motet.events:2:2")] or beside
        assert reading.holds == 1


def test_what_was_never_there_was_not_deleted() -> None:
    """A log whose beginning was gone before its first checkpoint is as it was."""
    log = [entry(offset) for offset in range(5, 9)]
    made = Kept()
    made.add({PLACE: log})
    assert said(made.reading(log, 9, 5)) == []


def test_a_copy_that_compaction_left_is_the_record() -> None:
    """A record that was published twice loses the first of the two; whether the second was signed with it or later."""
    log = [entry(offset) for offset in range(8)]
    for copy in (3, 6):
        log[copy] = Entry(copy, log[copy].timestamp_ms, log[1].content)
        made = Kept()
        for size in (4, 8):
            made.add({PLACE: log[:size]})
        assert said(made.reading([log[0], *log[2:]], 8)) == []
        assert said(made.reading([log[0], *log[3:]], 8)) == [("REMOVED", "motet.events:2:2")]
        log = [entry(offset) for offset in range(8)]


def test_many_changes_are_counted() -> None:
    """Ten are spelt out, the rest is a number."""
    made, log = kept([40])
    reading = made.reading([entry(one.offset, "other") for one in log], 40)
    assert len(reading.findings) == 11
    assert reading.findings[-1].message.endswith("and 30 more records up to offset 39")


def test_an_old_backup_is_told_from_a_tail_that_was_cut() -> None:
    """Several partitions that end too soon, and nothing else: the log is an older one. One alone was cut."""
    log = [entry(offset) for offset in range(9)]
    made = Kept()
    for size in (3, 6, 9):
        made.add({PLACE: log[:size], OTHER: log[:size]})
    behind = [made.reading(log[:4], 4, place=place) for place in (PLACE, OTHER)]
    found = older_as_a_whole(behind)
    assert found is not None
    assert (found.kind, found.where) == ("OLD_BACKUP", "checkpoint 2")
    assert "before checkpoint 2, and 3 was the last" in found.message
    whole = made.reading(log, 9, place=OTHER)
    assert older_as_a_whole([behind[0], whole]) is None
    rewritten = made.reading([entry(0, "other"), *log[1:4]], 4, place=OTHER)
    assert older_as_a_whole([behind[0], rewritten]) is None


# -- the chain -----------------------------------------------------------------------------------------------------------------


def test_a_chain_says_what_is_wrong_with_it() -> None:
    """A number that is missing, a file under another's name, a signature of nobody, a broken one, and one that names another before it."""
    made, log = kept([1, 2, 3, 4])
    assert [(one.kind, one.where) for one in made.chain().findings] == []
    stranger = PrivateKey.generate("motet.example")
    third = Checkpoint.parse(made.notes[3].partition("\n\n")[0] + "\n")
    fork = Kept()
    fork.add({PLACE: [entry(0, "other")]})
    fork.add({PLACE: [entry(0, "other"), log[1]]})
    for notes, expected in (
        ({2: None}, [("MISSING_CHECKPOINT", "checkpoint 2")]),
        ({1: None}, [("MISSING_CHECKPOINT", "checkpoint 1")]),
        ({2: "nothing"}, [("UNREADABLE", "checkpoint 2")]),
        ({2: made.notes[3]}, [("UNREADABLE", "checkpoint 2")]),
        ({3: stranger.sign(third.text)}, [("NOT_SIGNED", "checkpoint 3")]),
        ({3: made.notes[3].replace("epoch 1", "epoch 2")}, [("NOT_SIGNED", "checkpoint 3")]),
        ({2: fork.notes[2]}, [("BROKEN_CHAIN", "checkpoint 2"), ("BROKEN_CHAIN", "checkpoint 3")]),
    ):
        altered = {number: note for number, note in (made.notes | notes).items() if note is not None}
        assert [(one.kind, one.where) for one in read_chain(sorted(altered.items()), KEYRING).findings] == expected


def test_a_number_that_comes_twice_is_one_checkpoint() -> None:
    """What is published again is the same; another one of that number is a second history. A run of numbers is missing as one."""
    made, log = kept([1, 2, 3])
    other = Kept()
    other.add({PLACE: [entry(0, "other")]})
    pairs = sorted(made.notes.items())
    assert read_chain([pairs[0], *pairs], KEYRING).findings == []
    assert [one.kind for one in read_chain([*pairs, (1, other.notes[1])], KEYRING).findings] == ["FORK"]
    (found,) = read_chain([pairs[2]], KEYRING).findings
    assert (found.kind, found.where) == ("MISSING_CHECKPOINT", "checkpoint 1")
    assert "it and those up to 2 are not there; checkpoint 3 is" in found.message
    assert len(log) == 3


def test_a_chain_does_not_go_back() -> None:
    """A signed checkpoint that has less than the one before it, or is about another cluster, says so of itself."""
    made, log = kept([4])
    first = made.chain().checkpoints[1]
    less = Growth()
    for one in log[:2]:
        less.take(PLACE, one)
    less.before = first
    made.notes[2] = KEY.sign(less.checkpoint("elsewhere", 1, 0).text)
    assert [one.kind for one in made.chain().findings] == ["OTHER_CLUSTER", "WENT_BACK"]
    less.trees.clear()
    made.notes[2] = KEY.sign(less.checkpoint("cluster", 1, 0).text)
    assert [one.kind for one in made.chain().findings] == ["WENT_BACK"]


def test_what_is_kept_is_compared_with_what_is_in_the_log() -> None:
    """The log's own checkpoints end too soon, went another way, or are more than those that are kept."""
    long, log = kept([1, 2, 3, 4])
    short, _ = kept([1, 2])
    other = Kept()
    other.add({PLACE: log[:1]})
    other.add({PLACE: [log[0], entry(1, "other")]})
    pairs: tuple[tuple[Kept, Kept, list[str]], ...] = (
        (long, long, []),
        (long, short, ["OLD_BACKUP"]),
        (short, long, ["NOT_KEPT"]),
        (short, other, ["FORK"]),
    )
    for here, there, expected in pairs:
        assert [one.kind for one in compare(here.chain(), there.chain())] == expected
    own = Kept()
    own.add({PLACE: log}, epoch=0)
    assert compare(own.chain(), Kept().chain()) == []


def test_a_checkpoint_goes_on_only_with_what_comes_to_its_roots() -> None:
    """Roots that were changed, or are not there, are refused; and so are bytes that are no leaves."""
    made, _ = kept([5])
    beside = leaves.read(made.beside[1])
    assert Growth.after(made.before, beside).checkpoint("cluster", 1, 0).number == 2
    for altered in ({}, {PLACE: leaves.Grown(beside[PLACE].frontier[::-1], ())}):
        with pytest.raises(DoesNotFit, match=r"motet.events:2"):
            Growth.after(made.before, altered)
    assert leaves.read(leaves.pack(beside)) == beside
    for data in (b"", made.beside[1][:-1], made.beside[1] + b"x", b"x" + made.beside[1]):
        with pytest.raises(leaves.NoLeaves):
            leaves.read(data)


# -- records -------------------------------------------------------------------------------------------------------------------


def test_everything_of_a_record_counts() -> None:
    """Topic, partition, offset, time, key, value, and each header's name, value and place; null is not empty."""
    whole = ("t", 1, 7, b"k", b"v", 5, (("a", b"1"), ("b", None)))
    others = [
        ("u", *whole[1:]),
        ("t", 2, *whole[2:]),
        ("t", 1, 8, *whole[3:]),
        (*whole[:3], None, *whole[4:]),
        (*whole[:3], b"", *whole[4:]),
        (*whole[:4], None, *whole[5:]),
        (*whole[:3], None, b"k", *whole[5:]),
        (*whole[:4], b"w", *whole[5:]),
        (*whole[:5], 6, whole[6]),
        (*whole[:6], ()),
        (*whole[:6], (("b", None), ("a", b"1"))),
        (*whole[:6], (("a", b"1"), ("b", b""))),
        (*whole[:6], (("a", b"1b"), ("", None))),
    ]
    packed = {Entry.of(Message(*one)).pack() for one in (whole, *others)}
    assert len(packed) == len(others) + 1


@given(st.lists(st.tuples(st.text(max_size=3), st.none() | st.binary(max_size=3)), max_size=3), st.binary(max_size=9))
def test_two_records_never_share_their_bytes(headers: list[tuple[str, bytes | None]], value: bytes) -> None:
    """Bytes that move from one part to the next are another record."""
    for at in range(len(value) + 1):
        moved = content_digest("t", 0, value[:at], value[at:], headers)
        assert (moved == content_digest("t", 0, b"", value, headers)) == (at == 0)
