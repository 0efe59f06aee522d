"""Histories in files, what is said of two records that differ, and records in a former version of their schema."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from motet.chassis import lanes
from motet.chassis.codec import Codec, every_schema
from motet.chassis.errors import ConfigurationError
from motet.chassis.identity import derived_id
from motet.chassis.message import Message
from motet.chassis.service import Input, Service
from motet.conformance import archive, frontier
from motet.conformance.differing import difference, differing
from motet.conformance.history import History, RecordedSchemas
from motet.conformance.shard_log import Said, ShardLog
from motet.records import CallsFinished, Merged, Meta, OffsetRange

META: Final = Meta("e", "c", "cause", "acme", "main", 5, 6, None)
MERGED: Final = Merged(META, "coordinator", 0, (OffsetRange("motet.commands", 0, 2),))
FIRST, SECOND, *_ = every_schema()["motet.journal.Merged"]
JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=2), inner, max_size=3),
    max_leaves=8,
)
MESSAGES: Final = st.lists(
    st.builds(
        Message,
        *(st.sampled_from(["motet.events", "motet.commands"]), st.integers(0, 3), st.integers(0, 2**60)),
        *(st.none() | st.binary(max_size=9), st.none() | st.binary(max_size=9), st.integers(0, 2**50)),
        st.lists(st.tuples(st.text(max_size=5), st.none() | st.binary(max_size=5)), max_size=2).map(tuple),
    ),
    max_size=5,
)


def history_in(schema: str) -> History:
    """A history that has one record type, in one version, on one topic."""
    value = b"\0\0\0\0\x07rest"
    return History([Message("motet.merges", 0, 0, b"", value, 0, ())], {7: schema}, 4)


@settings(max_examples=50)
@given(MESSAGES, st.none() | st.just({("coordinator", 1): 17}))
def test_a_file_is_the_history(messages: list[Message], covered: dict[tuple[str, int], int] | None) -> None:
    """Written and read again: every message, the schemas, the settings, and how far the groups were."""
    kept = History(messages, {3: json.dumps(json.loads(FIRST))}, 4, {"plan_seconds": 60.0}, covered)
    with TemporaryDirectory() as directory:
        file = Path(directory) / "h.avro"
        archive.write(kept, file)
        assert archive.read(file) == kept


def test_another_file_is_no_history(tmp_path: Path) -> None:
    """The message says what writes one."""
    other = tmp_path / "other.txt"
    other.write_text("no history")
    for file in (other, tmp_path / "absent"):
        with pytest.raises(ConfigurationError, match="`motet record` writes one"):
            archive.read(file)


@settings(max_examples=200)
@given(JSON, JSON)
def test_two_values_differ_exactly_where_they_do(one: Any, other: Any) -> None:
    """No place is named for equal values, and one at least for others."""
    assert not list(differing(one, one))
    assert bool(list(differing(one, other))) == (one != other)


def test_a_difference_names_the_record_and_its_fields() -> None:
    """Topic, partition, number, type, and both sides of each field."""
    codec = Codec(RecordedSchemas(history_in(SECOND)))
    was, now = (
        Said("motet.merges", 0, lanes.Stamp("coordinator", 0, 4, lanes.START, exogenous=False), b"k", value)
        for value in (
            codec.encode("motet.merges", MERGED),
            codec.encode("motet.merges", Merged(META, "coordinator", 0, (OffsetRange("motet.commands", 0, 3),))),
        )
    )
    parted = difference(codec, was.place, was, now)
    assert str(parted) == (
        "motet.journal.Merged at motet.merges, partition 0, number 4 on the lane differs in record.ranges[0].to_offset"
    )
    assert [(one.published, one.today) for one in parted.fields] == [(2, 3)]
    assert str(difference(codec, was.place, was, None)).endswith("was published, and is not today")
    assert str(difference(codec, was.place, None, now)).endswith("is published today, and was not then")


def test_a_record_is_written_as_it_was_in_a_former_schema() -> None:
    """What came into the schema since is left out if it has its default, and kept if not: then it differs, as it must."""
    then = Codec(RecordedSchemas(history_in(FIRST)))
    old = b"\0\0\0\0\x07"
    written = then.encode("motet.merges", MERGED)
    assert written[:5] != old
    assert then.as_in(written, old)[:5] == old
    assert then.decode(then.as_in(written, old)) == MERGED
    ruled = then.encode("motet.merges", Merged(META, "coordinator", 0, (), 2))
    assert then.as_in(ruled, old) == ruled
    # Another type, or no schema at all: as it is.
    assert then.as_in(written, b"\0\0\0\0\x63") == written
    assert then.as_in(written, b"") == written


def test_a_frontier_passes_over_what_was_lost() -> None:
    """Positions of which nothing reached Kafka are skipped; the outbox behind the group's position has no gap, and lanes go on."""
    codec = Codec(RecordedSchemas(History([], {}, 4)))
    service = Service(
        "tools-x", (Input("motet.invocations.x"), Input("motet.repairs")), (), cast("Any", None), "tools_x_hop"
    )
    log = ShardLog()
    places: dict[str, lanes.Place] = {}
    for position, topic in ((0, "motet.results"), (1, "motet.results.agents"), (3, "motet.results")):
        meta = Meta(derived_id("tools-x", 0, position), "c", "cause", "acme", "main", 100 + position, 6, None)
        value = codec.encode(topic, CallsFinished(meta, "plan", ()))
        before = places.get(topic, lanes.Place())
        stamp = lanes.Stamp("tools-x", 0, before.number + 1, before.digest, exogenous=False)
        places[topic] = lanes.follow(before, b"acme/main", value)
        said = Said(topic, 2, stamp, b"acme/main", value, f"code={position}")
        log.published[said.place] = said
    found = frontier.frontier_of(service, 0, log, codec, {"motet.invocations.x": 7, "motet.repairs": 0})
    assert (found.next_position, found.hlc) == (4, 103)
    assert found.lanes_out == {(topic, 2): place for topic, place in places.items()}
    rows = {row.position: row for row in frontier.uncovered(found, 1)}
    assert list(rows) == [3, 2, 1]
    assert replace(rows[2], position=3) == rows[3]
    assert (rows[1].topic, rows[1].decided_by, rows[3].decided_by) == ("motet.results.agents", "code=1", "code=3")
