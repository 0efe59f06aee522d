"""A plan's story as W3C PROV and OpenLineage: on every plan of the recorded histories, read by the libraries of these standards."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st
from openlineage.client import event_v2
from prov.model import ProvActivity, ProvDocument, ProvRelation

from motet import provenance
from motet.chassis.codec import Codec
from motet.cli.lineage import NEAR, passes
from motet.conformance import archive
from motet.conformance.history import RecordedSchemas
from motet.records import AdmittedCall, CallsStarted, Meta, PlanAdmitted

HISTORIES: Final = sorted((Path(__file__).parents[1] / "golden").glob("*.avro"))
PRODUCER: Final = "urn:motet:test"
Plans = dict[str, list[Any]]


@cache
def plans_of(path: Path) -> Plans:
    """The records of each admitted plan of a history."""
    history = archive.read(path)
    codec = Codec(RecordedSchemas(history))
    plans: Plans = {}
    for message in history.messages:
        record: Any = codec.decode(message.value)
        if hasattr(record, "meta") and getattr(record, "plan_id", None):
            plans.setdefault(record.plan_id, []).append(record)
    return {name: told for name, told in plans.items() if any(isinstance(one, PlanAdmitted) for one in told)}


def plans() -> Iterator[tuple[str, list[Any]]]:
    """All of them."""
    for path in HISTORIES:
        yield from plans_of(path).items()


def test_a_prov_document_is_read_and_says_who_did_what() -> None:
    """Each relation is between things that the document has, and each call that ran is an activity with its times."""
    seen: Counter[str] = Counter()
    for plan_id, records in plans():
        told = provenance.story(records)
        assert told is not None
        document = provenance.prov.document(told, records)
        read = ProvDocument.deserialize(content=json.dumps(document))
        have = {str(one.identifier) for one in read.get_records() if not isinstance(one, ProvRelation)}
        for one in read.get_records(ProvRelation):
            for _, value in one.formal_attributes[:2]:
                assert str(value) in have, f"{plan_id}: {one} names {value}"
        ran = [run for run in told.in_order() if run.started is not None]
        activities: dict[str, Any] = {str(one.identifier): one for one in read.get_records(ProvActivity)}
        assert len(activities) == len(ran) + 1
        assert all(one.get_startTime() is not None for one in activities.values())
        seen.update(str(kind) for kind in document)
        seen["undone"] += sum(run.undoes for run in ran)
        seen["people"] += len(told.people)
    # A law over histories that lack these would say little.
    assert not {"specializationOf", "wasDerivedFrom", "wasAttributedTo", "wasInformedBy"} - set(seen)
    assert seen["undone"] > 5
    assert seen["people"] > 2


def test_openlineage_events_are_read_and_each_run_begins_and_ends_once() -> None:
    """START first, one end at most; a call's run is within its plan's; ids are UUIDs that no two runs share."""
    ends: Counter[str] = Counter()
    for _, records in plans():
        told = provenance.story(records)
        assert told is not None
        events = provenance.openlineage.events(told, PRODUCER)
        assert events == provenance.openlineage.events(told, PRODUCER)
        kinds: dict[str, list[str]] = {}
        for one in events:
            event_v2.RunEvent(
                eventTime=one["eventTime"],
                producer=one["producer"],
                run=event_v2.Run(runId=one["run"]["runId"]),
                job=event_v2.Job(**one["job"]),
                eventType=event_v2.RunState[one["eventType"]],
                inputs=[event_v2.InputDataset(**data) for data in one["inputs"]],
                outputs=[event_v2.OutputDataset(**data) for data in one["outputs"]],
            )
            UUID(one["run"]["runId"])
            for facet in one["run"]["facets"].values():
                assert {"_producer", "_schemaURL"} <= facet.keys()
            kinds.setdefault(one["run"]["runId"], []).append(one["eventType"])
        times = [one["eventTime"] for one in events]
        assert times == sorted(times)
        assert len(kinds) == 1 + sum(run.started is not None for run in told.in_order())
        for run in kinds.values():
            assert run[0] == "START"
            assert len(run) <= 2
            ends.update(run[1:])
        assert events[0]["job"]["name"].startswith("agent.")
    assert set(ends) == {"COMPLETE", "FAIL", "ABORT"}


def test_records_of_no_admitted_plan_tell_no_story() -> None:
    """There is nothing to put together."""
    assert provenance.story([]) is None


def test_what_a_call_waited_for_is_told() -> None:
    """A result in its arguments is what it takes; an edge that is no result's is what it came after."""
    meta = Meta("e1", "p", "motet.commands:0:1", "acme", "d", 1, 1, None)
    taking = '{"of":{"$result":{"call":"a","pointer":"/id"}}}'
    calls = [
        AdmittedCall(name, "t.f", 1, arguments, f"sha-{name}", after, (), "PURE")
        for name, arguments, after in (("a", "{}", ()), ("b", "{}", ()), ("c", taking, (0, 1)))
    ]
    admitted = PlanAdmitted(meta, "p", "k", "ada", "PLAN", "sha", tuple(calls))
    told = provenance.story([admitted, CallsStarted(replace(meta, hlc=2), "p", (0, 1, 2))])
    assert told is not None
    last = told.runs[2, False]
    assert (last.takes, last.after) == ((0,), (1,))
    document = provenance.prov.document(told, [admitted])
    derived = {(one["prov:generatedEntity"], one["prov:usedEntity"]) for one in document["wasDerivedFrom"].values()}
    assert ("motet:arguments/sha-c", "motet:result/p/a") in derived


places = st.sets(st.tuples(st.sampled_from("ab"), st.integers(0, 1), st.integers(0, 5 * NEAR)), max_size=40)


@given(places)
def test_every_record_is_read_once_and_little_else(wanted: set[tuple[str, int, int]]) -> None:
    """The passes cover each place once, and between two that are far apart nothing is read."""
    ranges = [(place, begin, end) for one in passes(wanted) for place, (begin, end) in one.items()]
    for topic, partition, offset in wanted:
        assert sum(place == (topic, partition) and begin <= offset < end for place, begin, end in ranges) == 1
    for place, begin, end in ranges:
        assert (*place, begin) in wanted
        assert (*place, end - 1) in wanted
    assert sum(end - begin for _, begin, end in ranges) <= len(wanted) * (NEAR + 1)
