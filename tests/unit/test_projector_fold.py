"""The laws of the projection: how a sequence is cut into batches makes no difference to the tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from motet.chassis.service import Received
from motet.projector.changes import Changes
from motet.projector.fold import fold
from motet.projector.surface import statements
from motet.projector.tables import TABLES
from motet.records import (
    AdmittedCall,
    Amounts,
    ApprovalDecided,
    ApprovalRequested,
    AttemptsEnded,
    BarrierRaised,
    BreakerChanged,
    BudgetChanged,
    CallOutcome,
    CallsCommitted,
    CallsEnded,
    CallSettled,
    CallsLinedUp,
    CallsProgressed,
    CallsStarted,
    CallsWaiting,
    Claim,
    CommandRefused,
    CommandRepeated,
    CommittedCall,
    CompensationEnded,
    CompensationResumed,
    CompensationStarted,
    DeadLetter,
    EarlyEnd,
    EndedAttempt,
    Failure,
    Header,
    Isolation,
    LinedUpCall,
    Meta,
    NextStep,
    PlanAdmitted,
    PlanEnded,
    PlanRejected,
    Policy,
    Progress,
    QuarantineResources,
    Reason,
    Record,
    ReleaseResources,
    ReserveResources,
    ResourcesGranted,
    ResourcesRefused,
    WaitingCall,
)
from tables import Tables

HOUR_MS = 3_600_000


def meta(number: int, tenant: str) -> Meta:
    """A meta with a number of its own."""
    return Meta(f"e{number}", "c", f"cause{number}", tenant, "d", number, number * HOUR_MS, None)


def ended(follows: NextStep, *, late: bool = False, still_open: bool = False) -> Callable[[Meta, str, int], Record]:
    """An attempt's end."""

    def made(stamp: Meta, plan_id: str, index: int) -> Record:
        one = EndedAttempt(index, 1, "FAILED", None, Failure("E", "m\0"), follows, 5, late, key="k", open=still_open)
        return AttemptsEnded(stamp, plan_id, (one,))

    return made


LATER: Final = (Claim("later", "COMMUTE", "add"),)
SOME: Final = Amounts(1, 2, None, 4)
# What may come at any time of a plan, of which some never comes in that order: the tables must not care.
FAULTS: Final[dict[str, Callable[[Meta, str, int], Record]]] = {
    "again": lambda stamp, plan, index: CallsStarted(stamp, plan, (index,), (2,)),
    "asked": lambda stamp, plan, index: ApprovalRequested(stamp, plan, index, "c", "t.f", 1, "{}", "sha", 9),
    "approved": lambda stamp, plan, index: ApprovalDecided(stamp, plan, index, "APPROVED", "ann\0", "ok", "sha"),
    "barrier": lambda stamp, plan, index: BarrierRaised(stamp, plan, "CANCEL", "ann", "why\0", (), (index,)),
    "breaker": lambda stamp, plan, _: BreakerChanged(stamp, plan, "t.f", "OPEN", 5, 9),
    "budget": lambda stamp, plan, _: BudgetChanged(stamp, plan, "a", SOME, SOME, SOME),
    "doubt": ended("IN_DOUBT"),
    "late": ended("NONE", late=True),
    "ended": lambda stamp, plan, index: CallsEnded(
        stamp, plan, (EarlyEnd(index, committed=index == 2, released=index > 0),)
    ),
    "undone in line": lambda stamp, plan, index: CallsLinedUp(
        stamp, plan, "PLAN", (LinedUpCall(index, LATER, compensation=True),)
    ),
    "undone waits": lambda stamp, plan, index: CallsWaiting(
        stamp, plan, (WaitingCall(index, "SLOT", "tool t.f\0", compensation=True),)
    ),
    "still open": ended("NONE", late=True, still_open=True),
    "lined up": lambda stamp, plan, index: CallsLinedUp(stamp, plan, "CALL", (LinedUpCall(index, LATER),)),
    "waits": lambda stamp, plan, index: CallsWaiting(stamp, plan, (WaitingCall(index, "SLOT", "tool t.f\0"),)),
    "progress": lambda stamp, plan, index: CallsProgressed(stamp, plan, (Progress(index, 1, "{}"),)),
    "refused": lambda stamp, plan, _: CommandRefused(
        stamp, "CancelPlan", "k", "a\0", plan, (Reason("R", "no\0", None),)
    ),
    "resumed": lambda stamp, plan, index: CompensationResumed(stamp, plan, "ann", (index,), (), "by hand"),
    "reserve": lambda stamp, plan, _: ReserveResources(stamp, plan, LATER, "WAIT", 9),
    "reserved": lambda stamp, plan, _: ResourcesGranted(stamp, plan),
    "not reserved": lambda stamp, plan, _: ResourcesRefused(stamp, plan, "R", "no\0"),
    "quarantine": lambda stamp, plan, _: QuarantineResources(stamp, plan, "c\0"),
    "given back": lambda stamp, plan, _: ReleaseResources(stamp, plan),
    "retry": ended("RETRY"),
    "settled": lambda stamp, plan, index: CallSettled(stamp, plan, index, False, "HAPPENED", "ann", "1", "seen"),  # noqa: FBT003
    "undoing": lambda stamp, plan, index: CompensationStarted(stamp, plan, index, "t.u", 1, "{}", "sha", "key", 1),
    "undone": lambda stamp, plan, index: CompensationEnded(stamp, plan, index, "SUCCEEDED", "1", None, 1, ()),
}


# What may still come of a plan that has ended: nothing that begins.
AFTERWARDS: Final = (
    *("breaker", "budget", "late", "refused", "resumed", "settled", "still open"),
    *("undoing", "undone", "undone in line", "undone waits"),
)


def faults(
    draw: st.DrawFn, out: list[Any], tenant: str, plan_id: str, index: int, kinds: Sequence[str] = tuple(sorted(FAULTS))
) -> Iterable[None]:
    """Up to three events of what goes otherwise."""
    for kind in draw(st.lists(st.sampled_from(kinds), max_size=3)):
        out.append(FAULTS[kind](meta(len(out), tenant), plan_id, index))
        yield


def run(draw: st.DrawFn, out: list[Any], tenant: str, plan_id: str) -> Iterable[None]:
    """A plan from its admission to what comes after its end."""
    isolation: Isolation = draw(st.sampled_from(["PLAN", "CALL"]))
    calls = tuple(
        AdmittedCall(f"c{i}", "t.f", 1, "{}", "sha", (), (Claim(f"r{i}", "WRITE"), Claim("all", "READ")), "PURE")
        for i in range(draw(st.integers(1, 3)))
    )
    out.append(PlanAdmitted(meta(len(out), tenant), plan_id, "k", "a", isolation, "sha", calls))
    yield
    for index in range(len(calls)):
        out.append(CallsStarted(meta(len(out), tenant), plan_id, (index,)))
        yield
        yield from faults(draw, out, tenant, plan_id, index)
        if draw(st.booleans()):
            out.append(CommandRepeated(meta(len(out), tenant), plan_id, "k", "a", "OPEN", None, None))
            yield
        end: CallOutcome = draw(st.sampled_from(["SUCCEEDED", "FAILED"]))
        error = Failure("E", "m\0") if end == "FAILED" else None
        done = CommittedCall(index, end, None if error else "1", None if error else "s", error, "key", 1, "sha2")
        out.append(CallsCommitted(meta(len(out), tenant), plan_id, (done,)))
        yield
    out.append(PlanEnded(meta(len(out), tenant), plan_id, "k", "a", "SUCCEEDED", (), "history"))
    yield
    yield from faults(draw, out, tenant, plan_id, 0, AFTERWARDS)


@st.composite
def histories(draw: st.DrawFn) -> list[Record]:
    """Events of a few plans as the coordinator emits them, cut off anywhere."""
    out: list[Any] = []

    def stamp(tenant: str) -> Meta:
        return meta(len(out), tenant)

    def plan(number: int) -> Iterable[None]:
        tenant, plan_id = draw(st.sampled_from(["acme", "bits"])), f"p{number}"
        if draw(st.booleans()):
            out.append(PlanRejected(stamp(tenant), plan_id, "k\0", "a", (Reason("R", "no\0", None),)))
            yield
            if draw(st.booleans()):
                out.append(PlanRejected(stamp(tenant), plan_id, "k\0", "a", (Reason("R", "no\0", None),)))
                yield
                return
        yield from run(draw, out, tenant, plan_id)
        # Once its host has forgotten it, the same command is another run.
        while draw(st.integers(0, 3)) == 0:
            yield from run(draw, out, tenant, plan_id)

    plans = [iter(plan(number)) for number in range(draw(st.integers(1, 4)))]
    while plans and len(out) < draw(st.integers(1, 60)):
        chosen = draw(st.sampled_from(plans))
        if next(chosen, out) is out:
            plans.remove(chosen)
    return out


def received(records: list[Record]) -> list[Received]:
    """Records as they stand in one partition."""
    return [Received("motet.events", 2, at, b"k", b"", at, record, "") for at, record in enumerate(records)]


@given(histories(), st.lists(st.integers(1, 6), max_size=60))
def test_how_events_are_cut_into_batches_makes_no_difference(history: list[Record], sizes: list[int]) -> None:
    """One batch, or many: the same rows."""
    events = received(history)
    whole, cut = Tables(), Tables()
    whole.apply(fold(events))
    while events:
        size = sizes.pop() if sizes else 1
        cut.apply(fold(events[:size]))
        events = events[size:]
    assert cut == whole


@given(histories(), st.lists(st.integers(1, 6), max_size=60), st.integers(0, 3))
def test_what_is_kept_back_until_its_plan_has_ended_makes_no_difference(
    history: list[Record], sizes: list[int], held: int
) -> None:
    """Whatever batches cut in the middle, and however many open plans are held: the same rows, once nothing is held any more."""
    events = received(history)
    whole, cut, kept = Tables(), Tables(), Changes()
    whole.apply(fold(events))
    while events:
        size = sizes.pop() if sizes else 1
        due, kept = fold(events[:size], kept).parted(held)
        assert len(kept.plans) <= held
        assert not [row for row in kept.plans.values() if row["status"] in ("SUCCEEDED", "REJECTED")]
        cut.apply(due)
        events = events[size:]
    cut.apply(kept.parted(0)[0])
    assert cut == whole


@pytest.mark.parametrize("held", [0, 9])
@pytest.mark.parametrize("size", range(1, 10))
def test_a_second_run_keeps_what_is_its_own_and_nothing_of_the_first(size: int, held: int) -> None:
    """Wherever batches cut: attempts that failed, what undid a call, what was reserved, who let go."""
    calls = (AdmittedCall("c", "t.f", 1, "{}", "s", (), (Claim("r", "WRITE"),), "PURE"),)

    def once(first: int, *kinds: str) -> Iterable[Record]:
        yield PlanAdmitted(meta(first, "acme"), "p", "k", "a", "PLAN", "sha", calls)
        for number, kind in enumerate(kinds):
            yield FAULTS[kind](meta(first + 1 + number, "acme"), "p", 0)
        yield PlanEnded(meta(first + 9, "acme"), "p", "k", "a", "FAILED", (), f"h{first}")

    afterwards = [FAULTS[kind](meta(15, "acme"), "p", 0) for kind in ("late", "undone in line", "budget")]
    events = received(
        [*once(1, "retry", "asked", "undoing", "budget"), *afterwards, *once(20, "retry", "doubt", "ended")]
    )
    for at in range(len(events)):
        whole, cut, kept = Tables(), Tables(), Changes()
        for one in events[: at + 1]:
            whole.apply(fold([one]))
        for start in range(0, at + 1, size):
            due, kept = fold(events[start : min(start + size, at + 1)], kept).parted(held)
            cut.apply(due)
        cut.apply(kept.parted(0)[0])
        assert cut == whole


def test_a_plan_that_begins_and_ends_in_two_batches_is_written_once() -> None:
    """Its rows are kept back, and inserted as they ended."""
    calls = (AdmittedCall("c", "t.f", 1, "{}", "s", (), (Claim("r", "WRITE"),), "PURE"),)
    first, kept = fold(received([PlanAdmitted(meta(1, "acme"), "p", "k", "a", "PLAN", "sha", calls)])).parted(1)
    assert (first.plans, first.calls, first.claims.rows(), len(first.lineage)) == ({}, {}, [], 1)
    rest: list[Record] = [
        CallsStarted(meta(2, "acme"), "p", (0,)),
        PlanEnded(meta(3, "acme"), "p", "k", "a", "FAILED", (), "h"),
    ]
    second, kept = fold(received(rest), kept).parted(1)
    assert (second.plans["p"]["status"], second.calls["p"][0]["status"]) == ("FAILED", "STARTED")
    assert (second.plans_changed, second.calls_changed, second.claims.rows(), kept.plans) == ({}, {}, [], {})


@given(histories())
def test_no_text_of_a_row_holds_nul(history: list[Record]) -> None:
    """PostgreSQL's text cannot."""
    tables = Tables()
    tables.apply(fold(received(history)))
    others = (row for rows in tables.others.values() for row in rows.values())
    rows = [*tables.plans.values(), *tables.calls.values(), *others]
    assert not [value for row in rows for value in row.values() if isinstance(value, str) and "\0" in value]


def test_a_call_that_gets_in_line_later_is_in_line_for_what_it_uses_then() -> None:
    """Until then for nothing; its place is where it got there, and what it never ran it never holds."""
    policy = Policy(unknown_resources="LINE_UP")
    calls = tuple(
        AdmittedCall(f"c{i}", "t.f", 1, "{}", "s", (), (Claim("item:*", "WRITE"),), "PURE", unknown=i == 1)
        for i in range(2)
    )
    tables = Tables()
    tables.apply(fold(received([PlanAdmitted(meta(1, "acme"), "p", "k", "a", "PLAN", "sha", calls, policy)])))
    assert [(row["outside"], row["place"]) for row in tables.claims.values()] == [(None, 1), ("RESULT", None)]
    lined = CallsLinedUp(meta(2, "acme"), "p", "PLAN", (LinedUpCall(1, (Claim("item:7", "WRITE"),)),))
    waits = CallsWaiting(meta(3, "acme"), "p", (WaitingCall(1, "SLOT", "tool t.f"),))
    tables.apply(fold(received([lined, waits])))
    row = tables.claims["p", 1, False, "item:7"]
    assert (len(tables.claims), row["outside"], row["place"]) == (2, None, 2)
    assert tables.calls["p", 1]["waits_for"] == "SLOT tool t.f"
    skipped = CommittedCall(1, "SKIPPED", None, None, None, "", 0, None)
    tables.apply(fold(received([CallsCommitted(meta(4, "acme"), "p", (skipped,))])))
    assert list(tables.claims) == [("p", 0, False, "item:*")]
    assert tables.calls["p", 1]["waits_for"] is None


def test_a_dead_letter_keeps_everything() -> None:
    """Bytes as they are, and a text for people."""
    letter = DeadLetter(
        meta(1, ""),
        "coordinator",
        "motet.commands",
        1,
        5,
        7,
        b"\xff/\0",
        None,
        (Header("h", b"\1"),),
        "C",
        "r\0",
        parked=True,
    )
    (row,) = fold([Received("motet.dead-letters", 0, 0, b"", b"", 0, letter, "")]).dead_letters.values()
    assert (row["key"], row["key_text"], row["value"]) == (b"\xff/\0", "\\xff/\\0", None)
    assert row["headers"] == '[{"name": "h", "value": "AQ=="}]'


def test_every_table_and_column_has_a_comment() -> None:
    """The surface explains itself."""
    ddl = "\n".join(statements("motet"))
    for table in TABLES:
        assert f"COMMENT ON TABLE motet.{table.name} IS" in ddl
        assert all(column.comment.endswith(".") for column in table.columns)
        assert all(f'COMMENT ON COLUMN motet.{table.name}."{name}" IS' in ddl for name in table.names)
