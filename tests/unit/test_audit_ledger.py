"""Ledgers of tool services beside a recorded history: they agree, and each way in which they can part is named by its record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from motet.audit.ledger import Kept, digest_of
from motet.audit.reading import Audit
from motet.chassis import lanes
from motet.chassis.message import Message
from recorded import Recorded, recorded, stamp_of

OTHER = digest_of('"another"')


@dataclass
class InMemory:
    """Ledgers by partition number and service."""

    kept: dict[int, dict[str, dict[str, bytes]]]
    read_at_ms: int
    waiting: dict[int, list[bytes]] = field(default_factory=dict)

    def rows(self, number: int) -> tuple[Mapping[str, Kept], int]:
        """As tables have them."""
        return self.kept.get(number, {}), self.read_at_ms

    def outboxes(self, number: int) -> Iterator[bytes]:
        """What is in them."""
        yield from self.waiting.get(number, [])


def reports(log: Recorded) -> list[tuple[Message, dict[str, Any]]]:
    """Every call of every report that says that it succeeded, with its record, in order."""
    return [
        (message, call)
        for (topic, _), messages in sorted(log.by.items())
        if topic.startswith("motet.results")
        for message in messages
        if (found := log.data(message))[0] == "CallsFinished"
        for call in found[1]["calls"]
        if call["outcome"] == "SUCCEEDED"
    ]


def service_of(message: Message) -> str:
    """Who published a record, as its schema is named."""
    return lanes.Stamp.unpack(stamp_of(message)).service.replace("-", "_")


def ledgers(log: Recorded) -> InMemory:
    """What the tool services kept: the first result of each key, read when the last record was there."""
    kept: dict[int, dict[str, dict[str, bytes]]] = {}
    for message, call in reports(log):
        kept.setdefault(message.partition, {}).setdefault(service_of(message), {}).setdefault(
            call["key"], digest_of(call["result"])
        )
    return InMemory(kept, max(one.timestamp_ms for many in log.by.values() for one in many))


def said(found: Audit) -> list[tuple[str, str]]:
    """Rules that were broken, and where."""
    return [(one.rule, one.where) for one in found.findings]


def not_pure(log: Recorded) -> list[tuple[Message, dict[str, Any]]]:
    """Reports of plans' own calls whose results are kept."""
    effects = {
        call["arguments_sha256"]: call["effect"]
        for many in log.by.values()
        for message in many
        if (found := log.data(message))[0] == "PlanAdmitted"
        for call in found[1]["calls"]
    }
    plans = {
        found[1]["plan_id"]: [call["effect"] for call in found[1]["calls"]]
        for many in log.by.values()
        for message in many
        if (found := log.data(message))[0] == "PlanAdmitted"
    }
    assert effects
    return [
        (message, call)
        for message, call in reports(log)
        if call["index"] < len(plans[log.data(message)[1]["plan_id"]])
        and plans[log.data(message)[1]["plan_id"]][call["index"]] != "PURE"
    ]


def test_ledgers_that_agree_are_right() -> None:
    """Each report was looked for, and each row."""
    log = recorded()
    found = log.audit(ledgers=ledgers(log))
    assert found.findings == []
    assert found.rules["ledgers"].checked >= len(reports(log)) > 20
    assert not any("ledgers" in one for one in found.left_out)
    assert any("ledgers" in one for one in log.audit().left_out)


@given(st.data())
def test_each_difference_is_named(data: st.DataObject) -> None:
    """A result that was changed, a row that was deleted, one that nobody reported."""
    log = recorded()
    beside = ledgers(log)
    message, call = data.draw(st.sampled_from(not_pure(log)))
    own = beside.kept[message.partition][service_of(message)]
    change = data.draw(st.sampled_from(["changed", "deleted", "added"]))
    if change == "changed":
        own[call["key"]] = OTHER
    elif change == "deleted":
        del own[call["key"]]
    else:
        own["f" * 64] = OTHER
    found = log.audit(ledgers=beside)
    assert {rule for rule, _ in said(found)} == {"ledgers"}
    places = {
        one.where for one, other in reports(log) if other["key"] == call["key"] and one.partition == message.partition
    }
    if change == "added":
        assert len(found.findings) == 1
        assert found.findings[0].partition == message.partition
        assert "f" * 64 in found.findings[0].said
    else:
        assert {where for _, where in said(found)} <= places


def test_what_is_reported_behind_what_was_read_is_no_difference() -> None:
    """A row came into a ledger while the audit read; and one near the end of its window may be gone."""
    log = recorded()
    beside = ledgers(log)
    message, call = not_pure(log)[-1]
    whole = list(log.by[message.topic, message.partition])
    began = {place: bounds.end for place, bounds in log.bounds(log.by).items()}
    later = log.forge(message, lambda datum: datum["calls"][0].update(key="e" * 64))
    result = log.data(later)[1]["calls"][0]["result"]
    beside.kept[message.partition][service_of(message)]["e" * 64] = digest_of(result)
    bounds, asked = log.bounds, [0]

    def growing(places: Any) -> Any:
        asked[0] += 1
        found = bounds(places)
        # The first two questions are those about what is judged and what is read.
        return {place: type(one)(one.begin, began[place]) if asked[0] <= 2 else one for place, one in found.items()}

    log.bounds = growing  # type: ignore[method-assign]
    assert log.audit(ledgers=beside).findings == []
    assert asked[0] > 2
    log.bounds = bounds  # type: ignore[method-assign]
    # Nor one that its service has not published: it died, or is about to.
    log.by[message.topic, message.partition] = list(whole)
    assert {rule for rule, _ in said(log.audit(ledgers=beside))} == {"ledgers"}
    beside.waiting[message.partition] = [later.value or b""]
    assert log.audit(ledgers=beside).findings == []
    log.by[message.topic, message.partition] = whole
    beside = ledgers(log)
    del beside.kept[message.partition][service_of(message)][call["key"]]
    beside.read_at_ms += 86_400_000 * 40
    assert log.audit(ledgers=beside).findings == []
