"""How an audit reads: in the order of times, a bounded part at a time, twice where a cause is old, and no further than it may judge."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from motet.audit import causes, merging
from motet.audit.merging import Merge
from motet.chassis.log_reader import Bounds
from motet.chassis.message import Message
from motet.chassis.offsets import Place
from recorded import Recorded, Schemas, recorded

LOGS = st.dictionaries(st.sampled_from("abcd"), st.lists(st.tuples(st.integers(1, 3), st.integers(0, 30)), max_size=30))


@given(LOGS, st.integers(1, 9))
def test_records_are_merged_by_time_and_none_is_lost(gaps: dict[str, list[tuple[int, int]]], ahead: int) -> None:
    """Each topic in its own order, the topics by their times, whatever offsets are empty and however little is read ahead."""
    messages: list[Message] = []
    for topic, steps in gaps.items():
        offset = time = 0
        for gap, later in steps:
            offset, time = offset + gap, time + later
            messages.append(Message(topic, 0, offset, b"", b"", time, ()))
    log = Recorded(messages, Schemas({}))
    ranges = {place: (0, one.end) for place, one in log.bounds(log.by).items()}
    merged = list(Merge(log, ranges, ord, ahead))
    assert sorted(merged, key=lambda one: (one.topic, one.offset)) == sorted(
        messages, key=lambda one: (one.topic, one.offset)
    )
    for topic in gaps:
        own = [one.offset for one in merged if one.topic == topic]
        assert own == sorted(own)
    assert [one.timestamp_ms for one in merged] == sorted(one.timestamp_ms for one in messages)


def test_little_is_in_memory_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """However much there is of a topic, so many records of it are read ahead."""
    monkeypatch.setattr(merging, "AHEAD", 3)
    log = recorded()
    merge = Merge(log, {place: (0, one.end) for place, one in log.bounds(log.by).items()}, lambda _: 0, 3)
    most = [max(map(len, merge.waiting.values())) for _ in merge]
    assert max(most) <= 4


def test_an_old_cause_is_found_in_a_second_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    """With next to no memory for names the same history is as right as it was, and a cause that is not there is still missed."""
    monkeypatch.setattr(causes, "KNOWN", 1)
    assert recorded().audit().findings == []
    log = recorded()
    changed = log.rewrite(log.find("AttemptsEnded"), lambda datum: datum["meta"].update(causation_id="0" * 32))
    assert [(one.rule, one.where) for one in log.chained().audit().findings] == [("causes", changed.where)]


class Growing(Recorded):
    """A log to which more is written while it is asked where it ends: of each topic another part is seen."""

    asked = 0

    def bounds(self, places: Iterable[Place]) -> dict[Place, Bounds]:
        """The first time without the last records."""
        self.asked += 1
        found = super().bounds(places)
        if self.asked == 1:
            return {place: replace(one, end=max(0, one.end - 40)) for place, one in found.items()}
        return found


def test_what_came_while_it_read_is_not_missed() -> None:
    """The last input is not there yet, and what follows from it is: nothing is wrong with that."""
    whole = recorded()
    log = Growing([one for many in whole.by.values() for one in many], whole.schemas)
    results = [many[-1] for place, many in log.by.items() if place[0].startswith("motet.results")]
    log.put(max(results, key=lambda one: one.timestamp_ms), None)
    assert log.audit().findings == []
    # Nothing else hid it: where all of it is judged, what follows from the missing record is named.
    log.asked = 1
    assert "causes" in {one.rule for one in log.audit().findings}


def test_what_a_hop_told_elsewhere_may_stand_before_its_admission() -> None:
    """A hop's records reach their partitions one by one: calls may be invoked, and have results, before the log has their plan's admission."""
    log = recorded()
    for place, many in log.by.items():
        if place[0] == "motet.events":
            log.by[place] = [replace(one, timestamp_ms=one.timestamp_ms + 1_000) for one in many]
    assert log.audit().findings == []


WHOLE = recorded()


@settings(max_examples=150, deadline=None)
@given(st.fixed_dictionaries({place: st.integers(0, len(many)) for place, many in WHOLE.by.items()}))
def test_a_good_history_is_good_from_wherever_it_is_read(cuts: dict[Place, int]) -> None:
    """However partitions are cut, each at a place of its own: what was not read is not missed, and there is nothing to compare it with."""
    starts = {place: WHOLE.by[place][at].offset for place, at in cuts.items() if at < len(WHOLE.by[place])}
    assert WHOLE.audit(starts).findings == []


def test_what_is_wrong_behind_a_checkpoint_is_found() -> None:
    """From the middle of the history on: a plan's end that is written once more, and a result that is gone."""
    log = recorded()
    times = sorted(one.timestamp_ms for many in log.by.values() for one in many)
    middle = times[len(times) // 2]
    starts = {place: sum(one.timestamp_ms <= middle for one in many) for place, many in log.by.items()}
    starts = {place: log.by[place][at].offset for place, at in starts.items() if at < len(log.by[place])}
    assert log.audit(starts).findings == []
    again = log.forge(log.find("PlanEnded", nth=-1), lambda _: None)
    gone = log.find("CallsFinished", lambda one: one["calls"][0]["outcome"] == "SUCCEEDED", nth=-1)
    assert gone.timestamp_ms > middle
    log.put(gone, None)
    found = {(one.rule, one.where) for one in log.audit(starts).findings}
    assert ("lanes", again.where) in found
    assert "results" in {rule for rule, _ in found}
