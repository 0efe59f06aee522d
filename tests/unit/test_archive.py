"""Segments and manifests: what is written is read, the same records are the same bytes, and what was changed is named."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Final

import fastavro
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from motet import archive
from motet.archive import manifest as manifests
from motet.archive import segment as segments
from motet.archive.manifest import Manifest, Segment
from motet.archive.retention import readers_of
from motet.archive.stored import Archive, Joined
from motet.archive.writing import write
from motet.audit.reading import audit
from motet.chassis.codec import Codec
from motet.chassis.errors import ConfigurationError
from motet.chassis.log_reader import Bounds
from motet.chassis.message import Message
from motet.chassis.offsets import Place
from recorded import Recorded, recorded

PLACE: Final = ("motet.events", 3)
FOR_EVER: Final = 1 << 62

texts = st.binary(max_size=20)
offsets = st.lists(st.integers(0, 200), unique=True, max_size=30).map(sorted)


def message(offset: int, key: bytes | None, value: bytes | None, header: bytes | None) -> Message:
    """A record of the place."""
    return Message(*PLACE, offset, key, value, 1_000 + offset, (("motet-lane", header),))


@given(st.lists(st.tuples(st.none() | texts, st.none() | texts, st.none() | texts), max_size=30), offsets)
def test_a_segment_is_read_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory,
    contents: list[tuple[bytes | None, bytes | None, bytes | None]],
    at: list[int],
) -> None:
    """Every field of every record; and a second writing gives the same bytes."""
    messages = [message(offset, *content) for offset, content in zip(at, contents, strict=False)]
    directory = tmp_path_factory.mktemp("segment")
    found = segments.write(directory, PLACE, 0, 201, messages)
    assert list(segments.read(directory, found)) == messages
    assert (found.records, found.first, found.next) == (len(messages), 0, 201)
    assert segments.write(directory, PLACE, 0, 201, messages) == found


def whole(tmp_path: Path, log: Recorded, name: str = "archive", until_ms: int = FOR_EVER, size: int = 40) -> Path:
    """An archive of a recorded history."""
    write(log, log.schemas, tmp_path / name, until_ms, lambda *_: None, size)
    return tmp_path / name


def content(directory: Path) -> dict[str, bytes]:
    """Every file of an archive but its lock."""
    return {
        str(one.relative_to(directory)): one.read_bytes()
        for one in directory.rglob("*")
        if one.is_file() and one.name != "lock"
    }


def findings(log: Archive | Joined) -> set[tuple[str, str]]:
    """What an audit says of it."""
    found = audit(log, Codec(log if isinstance(log, Archive) else log.archive), lambda *_: None)
    return {(one.rule, one.where) for one in found.findings}


def test_an_audit_of_the_files_is_an_audit_of_the_log(tmp_path: Path) -> None:
    """The same records, the same verdict, and no registry."""
    log = recorded()
    kept = Archive(whole(tmp_path, log))
    found = audit(kept, Codec(kept), lambda *_: None)
    assert (found.events, found.findings) == (log.audit().events, [])
    assert list(archive.verify(kept)) == []


def test_a_killed_run_that_is_run_again_ends_with_the_same_bytes(tmp_path: Path) -> None:
    """Whatever segment it was killed in, before and after the file had its name."""
    log = recorded()
    expected = content(whole(tmp_path, log, "expected"))
    for killed_at in (1, 5, 9):
        for place in ("write", "put"):
            directory = tmp_path / f"{place}-{killed_at}"
            with pytest.MonkeyPatch.context() as patch:
                calls = 0
                usual = getattr(segments, place)

                def once(*args: object, usual: object = usual, killed_at: int = killed_at) -> object:
                    nonlocal calls
                    calls += 1
                    if calls == killed_at:
                        raise KeyboardInterrupt
                    return usual(*args)  # type: ignore[operator]

                patch.setattr(segments, place, once)
                with pytest.raises(KeyboardInterrupt):
                    write(log, log.schemas, directory, FOR_EVER, lambda *_: None, 40)
            assert content(whole(tmp_path, log, directory.name)) == expected


def test_it_goes_on_where_it_ended(tmp_path: Path) -> None:
    """What Kafka had by a time, and then the rest: no record twice, none left out."""
    log = recorded()
    times = sorted(one.timestamp_ms for many in log.by.values() for one in many)
    for until in (times[len(times) // 3], times[len(times) // 2], FOR_EVER):
        directory = whole(tmp_path, log, until_ms=until)
        kept = Archive(directory)
        records = [one for place in kept.places()[1] for batch in kept.read({place: (0, FOR_EVER)}) for one in batch]
        assert records == [one for place in sorted(log.by) for one in log.by[place] if one.timestamp_ms <= until]
    assert findings(Archive(directory)) == set()


@settings(max_examples=10)
@given(st.integers(0, 2_000_000_000_000))
def test_a_cut_has_every_cause_of_what_it_has(tmp_path_factory: pytest.TempPathFactory, ahead: int) -> None:
    """Whatever the moment, an audit of the archive misses nothing: a cause was appended before its effect."""
    log = recorded()
    times = sorted(one.timestamp_ms for many in log.by.values() for one in many)
    until = times[ahead % len(times)]
    directory = whole(tmp_path_factory.mktemp("cut"), log, until_ms=until, size=1_000)
    assert {rule for rule, _ in findings(Archive(directory))} <= {"answered"}


def changed(directory: Path, where: Message) -> str:
    """Changes one byte of a record in its file, as somebody would who can write the file; the file's path."""
    kept = Archive(directory)
    segment = next(
        one for one in kept.manifest.segments[where.topic, where.partition] if one.first <= where.offset < one.next
    )
    messages = [
        replace(one, value=(one.value or b"")[:-1] + bytes([(one.value or b"\0")[-1] ^ 1]))
        if one.offset == where.offset
        else one
        for one in segments.read(directory, segment)
    ]
    segments.write(directory, segment.place, segment.first, segment.next, messages)
    return segment.path


def test_a_changed_record_is_named(tmp_path: Path) -> None:
    """The file by its SHA-256, the record by an audit."""
    log = recorded()
    directory = whole(tmp_path, log)
    one = log.find("PlanAdmitted", nth=2)
    path = changed(directory, one)
    assert [fault.path for fault in archive.verify(Archive(directory))] == [path]
    assert any(rule == "hash chain" for rule, _ in findings(Archive(directory)))


@pytest.mark.parametrize("how", ["gone", "cut", "garbage"])
def test_a_broken_file_is_named(tmp_path: Path, how: str) -> None:
    """By its path, with what is wrong; and nobody reads on as if nothing were."""
    log = recorded()
    directory = whole(tmp_path, log)
    kept = Archive(directory)
    segment = kept.manifest.segments[PLACE][0]
    path = directory / segment.path
    if how == "gone":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[: segment.size // 2] if how == "cut" else b"hello")
    (fault,) = archive.verify(kept)
    assert fault.path == segment.path
    with pytest.raises(ConfigurationError, match=re_escape(segment.path)):
        list(kept.read({PLACE: (0, FOR_EVER)}))


def re_escape(text: str) -> str:
    """A path as a pattern."""
    return text.replace(".", r"\.")


def test_a_manifest_with_a_gap_is_refused(tmp_path: Path) -> None:
    """What lies between two files is missing, and nobody is to think that nothing was there."""
    manifest = Manifest("here")
    for first, upto in ((0, 10), (20, 30)):
        manifest.add(Segment(*PLACE, first, upto, 1, 0, 0, 1, ""))
    manifest.write(tmp_path)
    with pytest.raises(ConfigurationError, match="up to offset 10 and on from 20"):
        manifests.read(tmp_path)


def test_two_writers_and_two_clusters_are_refused(tmp_path: Path) -> None:
    """Each with a sentence."""
    log = recorded()
    directory = whole(tmp_path, log)
    with manifests.alone(directory), pytest.raises(ConfigurationError, match="somebody else is writing"):
        whole(tmp_path, log)
    manifest = manifests.read(directory)
    assert manifest is not None
    manifest.cluster = "another"
    manifest.write(directory)
    with pytest.raises(ConfigurationError, match="archive of cluster another"):
        whole(tmp_path, log)
    with pytest.raises(ConfigurationError, match="has no manifest"):
        Archive(tmp_path / "nowhere")


class Trimmed(Recorded):
    """A log that has forgotten what stood before its first records."""

    def bounds(self, places: Iterable[Place]) -> dict[Place, Bounds]:
        """From where it begins."""
        return {place: Bounds(self.by[place][0].offset, found.end) for place, found in super().bounds(places).items()}


def trimmed(log: Recorded, keep: int) -> Trimmed:
    """Only the last records of each place."""
    return Trimmed([one for many in log.by.values() for one in many[-keep:]], log.schemas)


def test_files_and_the_log_behind_them_are_one_log(tmp_path: Path) -> None:
    """Whatever the log has forgotten, up to where the files end; beyond is a gap."""
    log = recorded()
    directory = whole(tmp_path, log)
    joined = Joined(Archive(directory), trimmed(log, 3))
    assert audit(joined, Codec(joined.archive), lambda *_: None).events == log.audit().events
    assert findings(joined) == set()
    times = sorted(one.timestamp_ms for many in log.by.values() for one in many)
    for at_ms in (0, times[0], times[len(times) // 2], times[-1]):
        assert joined.behind(sorted(log.by), at_ms) == log.behind(sorted(log.by), at_ms)
    shutil.rmtree(directory)
    early = Joined(Archive(whole(tmp_path, log, until_ms=times[len(times) // 4])), trimmed(log, 1))
    with pytest.raises(ConfigurationError, match="what lies between is in neither"):
        early.bounds(sorted(log.by))


def test_files_of_others_are_never_touched(tmp_path: Path) -> None:
    """A directory that has something in it and no manifest is refused; beside an archive's segments only their own leftovers go."""
    log = recorded()
    full = tmp_path / "mine"
    full.mkdir()
    (full / "thesis.avro").write_bytes(b"years of work")
    with pytest.raises(ConfigurationError, match=r"mine has thesis\.avro and no manifest\.json"):
        whole(tmp_path, log, "mine")
    assert (full / "thesis.avro").read_bytes() == b"years of work"
    directory = whole(tmp_path, log)
    kept = Archive(directory).manifest
    foreign = [directory / "thesis.avro", directory / PLACE[0] / "3" / "notes.avro", directory / PLACE[0] / "x.part"]
    left = [directory / PLACE[0] / "3" / f"{1:020}-{9:020}.{end}" for end in ("avro", "part")]
    for one in (*foreign, *left):
        one.write_bytes(b"here")
    assert content(whole(tmp_path, log)).keys() >= {str(one.relative_to(directory)) for one in foreign}
    assert not any(one.exists() for one in left)
    # The manifest is lost: what it named is not taken for leftovers.
    (directory / manifests.MANIFEST).unlink()
    with pytest.raises(ConfigurationError, match=r"put its manifest\.json back"):
        whole(tmp_path, log)
    assert all((directory / one.path).exists() for one in kept.all())


def test_a_run_that_was_killed_before_its_first_manifest_is_run_again(tmp_path: Path) -> None:
    """What it left is its own."""
    log = recorded()
    directory = tmp_path / "archive"
    directory.mkdir()
    (directory / "lock").touch()
    (directory / "manifest.json.part").write_text("{")
    whole(tmp_path, log)
    assert findings(Archive(directory)) == set()


def test_what_was_lost_before_it_was_archived_is_named_and_the_rest_is_archived(tmp_path: Path) -> None:
    """Every other partition is whole afterwards; the next run says it again."""
    log = recorded()
    times = sorted(one.timestamp_ms for many in log.by.values() for one in many)
    directory = whole(tmp_path, log, until_ms=times[len(times) // 4])
    before = {place: Archive(directory).manifest.bounds(place) for place in log.by}
    shorter = trimmed(log, 1)
    for _ in range(2):
        with pytest.raises(
            ConfigurationError, match=r"everything else is archived, but .* deleted without being archived"
        ):
            write(shorter, log.schemas, directory, None, lambda *_: None)
    kept = Archive(directory).manifest
    for place, many in shorter.by.items():
        had, has = before[place], kept.bounds(place)
        assert has is not None
        gap = had is not None and had.end < many[0].offset
        assert has == had if gap else has.end == many[-1].offset + 1


def test_a_schema_that_nobody_knows_ends_the_run(tmp_path: Path) -> None:
    """Records that nobody could read are no archive; at a door anybody may write them."""
    log = recorded()

    class Forgetful:
        """A registry whose content is lost."""

        def schema(self, schema_id: int) -> str | None:  # noqa: ARG002  it knows none
            return None

        def schema_id(self, topic: str, full_name: str) -> int:
            return log.schemas.schema_id(topic, full_name)

    with pytest.raises(ConfigurationError, match="which the registry does not know"):
        write(log, Forgetful(), tmp_path / "a", None, lambda *_: None)
    door = Recorded([one for one in log.by[("motet.commands", 3)] if one], log.schemas)
    write(door, Forgetful(), tmp_path / "b", None, lambda *_: None)
    assert Archive(tmp_path / "b").manifest.schemas == {}


def test_a_partition_is_read_on_where_it_was_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In steps of any size, back and forth, the same records; and who reads on opens each file once."""
    log = recorded()
    kept = Archive(whole(tmp_path, log))
    many = log.by[PLACE]
    opened = 0
    usual = segments.read

    def counted(*args: object) -> object:
        nonlocal opened
        opened += 1
        return usual(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(segments, "read", counted)
    end = many[-1].offset + 1
    found = []
    for begin in range(0, end, 7):
        upto = min(begin + 7, end)
        found += [one for batch in kept.read({PLACE: (begin, upto)}) for one in batch]
    assert found == many
    assert opened == len(kept.manifest.segments[PLACE])
    # Left in the middle, and asked for once more.
    next(kept.read({PLACE: (3, end)}))
    assert [one for batch in kept.read({PLACE: (3, 9)}) for one in batch] == [
        one for one in many if 3 <= one.offset < 9
    ]


def test_who_only_reads_is_held_to_cluster_and_gaps_as_well(tmp_path: Path) -> None:
    """A reading that never asked for bounds passes over nothing in silence."""
    log = recorded()
    times = sorted(one.timestamp_ms for many in log.by.values() for one in many)
    short = Archive(whole(tmp_path, log, until_ms=times[len(times) // 4]))
    end = log.by[PLACE][-1].offset + 1
    with pytest.raises(ConfigurationError, match="what lies between is in neither"):
        list(Joined(short, trimmed(log, 1)).read({PLACE: (0, end)}))
    del short.manifest.segments[PLACE]
    with pytest.raises(ConfigurationError, match="offset 0 is in neither"):
        list(Joined(short, trimmed(log, 1)).read({PLACE: (0, end)}))
    short.manifest.cluster = "another"
    with pytest.raises(ConfigurationError, match="archive of cluster another"):
        list(Joined(short, trimmed(log, 1)).read({PLACE: (end - 1, end)}))


def test_nothing_goes_that_a_reader_has_not_read() -> None:
    """The last of the groups, and every service that is there by its own rows: Kafka forgets the commits of a group that was away."""
    groups = {PLACE: (9, "reports"), ("motet.results", 3): (5, "motet.coordinator")}
    services: dict[str, dict[Place, int]] = {
        "projector": {PLACE: 7},
        "coordinator": {("motet.results", 3): 6},
        "tools_bank_hop": {("motet.invocations.bank", 3): 4},
        "tools_gorilla_file_hop": {},
    }
    assert {said: offset for offset, said in readers_of(PLACE, groups, services)} == {
        "group reports has not read it": 9,
        "service projector has not taken it": 7,
    }
    # The projector reads results as well, and has no row of them.
    assert min(readers_of(("motet.results", 3), groups, services)) == (0, "service projector has not taken it")
    assert [*readers_of(("motet.invocations.bank", 3), {}, services)] == [
        (4, "service tools_bank_hop has not taken it")
    ]
    assert [*readers_of(("motet.invocations.gorilla-file", 3), {}, services)] == [
        (0, "service tools_gorilla_file_hop has not taken it")
    ]
    assert {said for _, said in readers_of(("motet.repairs", 3), {}, services)} == {
        f"service {name} has not taken it" for name in services
    }


def test_any_avro_tool_reads_a_segment(tmp_path: Path) -> None:
    """It is an object container with its schema."""
    directory = whole(tmp_path, recorded())
    segment = Archive(directory).manifest.segments[PLACE][0]
    with (directory / segment.path).open("rb") as file:
        rows = list(fastavro.reader(file))
    assert len(rows) == segment.records
