"""Optimistic concurrency, pure: what a call may expect, what a conflict says, and when it is tried again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from faults import Desk, call, outcomes
from motet.plan import Limits, admit, command_digest
from motet.records import (
    ExpectedVersion,
    PlannedCall,
    Reason,
    SubmitPlan,
    VersionMismatch,
)
from motet.records import (
    VersionConflict as Told,
)
from motet.tools import Context, VersionConflict
from motet.tools.versions import InMemory, Versions, Writer

THREE = (ExpectedVersion("account:a", 3),)
FOUND = VersionMismatch("account:a", 3, 5, "other-plan", 2, "other-key", 1_000)


def command(*expected: ExpectedVersion, tool: str = "f.move") -> SubmitPlan:
    """A plan of one call that expects versions."""
    one = PlannedCall("c0", tool, None, '{"key":"a"}', (), expected_versions=expected)
    return SubmitPlan("k", "acme", "d", "agent", "PLAN", (one,), None, None)


# -- admission -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("refused", "said"),
    [
        (command(*THREE, tool="f.pay"), "f.pay is IDEMPOTENT: only what a transactional tool writes has versions"),
        (command(ExpectedVersion("", 1)), "1 to 300 printable characters"),
        (command(ExpectedVersion("x" * 301, 1)), "1 to 300 printable characters"),
        (command(ExpectedVersion("a\nb", 1)), "1 to 300 printable characters"),
        (command(ExpectedVersion("account:a", -1)), "it expects version -1 of 'account:a'; a version is 0 or more"),
        (command(*THREE, *THREE), "it expects a version of account:a twice"),
        (command(*(ExpectedVersion(f"r{n}", 0) for n in range(17))), "it expects 17 versions; the limit is 16"),
    ],
)
def test_what_nobody_could_look_at_is_refused(refused: SubmitPlan, said: str) -> None:
    """With what is wrong and the limit."""
    reasons = admit(refused, "p", 100, Desk().contracts, Limits(), 0)
    assert isinstance(reasons, tuple)
    assert all(isinstance(one, Reason) and one.code == "BAD_EXPECTED_VERSION" for one in reasons)
    assert any(said in one.message for one in reasons)


def test_what_a_call_expects_is_part_of_what_a_command_asks_for() -> None:
    """Another version is another command; without any a plan keeps the name that it had."""
    assert (
        len({command_digest(one) for one in (command(), command(*THREE), command(ExpectedVersion("account:a", 4)))})
        == 3
    )


# -- the decider ---------------------------------------------------------------------------------------------------------------


def test_a_conflict_names_both_sides_and_ends_the_call() -> None:
    """The agent reads again and decides again: nobody else could."""
    desk = Desk()
    plan = desk.submit(call("move", expected_versions=THREE))
    desk.fail(plan, 0, "VERSION_CONFLICT", conflicts=(FOUND,))
    assert (plan.outcome, outcomes(plan)) == ("FAILED", ["FAILED VERSION_CONFLICT"])
    (told,) = desk.facts(Told)
    assert (told["conflicts"], told["next"], told["key"], told["attempt"]) == ((FOUND,), "NONE", plan.calls[0].key, 1)


def test_a_tool_that_rereads_is_tried_again_at_the_version_found() -> None:
    """As often as its contract says, and no more."""
    desk = Desk()
    plan = desk.submit(call("move", expected_versions=THREE))
    found = 3
    for attempt in (1, 2, 3):
        assert plan.calls[0].expected == {"account:a": found}
        found += 1
        desk.fail(plan, 0, "VERSION_CONFLICT", retry=True, conflicts=(replace(FOUND, expected=found - 1, found=found),))
        assert desk.facts(Told)[-1]["next"] == ("RETRY" if attempt < 3 else "NONE")
        desk.wait(10)
    assert outcomes(plan) == ["FAILED VERSION_CONFLICT"]
    assert desk.sent() == [(0, 1, "RUN"), (0, 2, "RUN"), (0, 3, "RUN")]


def test_conflicts_do_not_open_a_breaker() -> None:
    """Somebody else was faster; the tool works."""
    desk = Desk()
    for number in range(3):
        plan = desk.submit(call("call", key=f"k{number}"))
        desk.fail(plan, 0, "VERSION_CONFLICT", conflicts=(FOUND,))
    assert {one.state for one in desk.schedule.board.guards.breakers.values()} == {"CLOSED"}


def test_a_tool_service_that_says_too_much_is_cut_short() -> None:
    """An event holds so many conflicts, and names of so many characters."""
    desk = Desk()
    plan = desk.submit(call("move"))
    desk.fail(plan, 0, "VERSION_CONFLICT", conflicts=(replace(FOUND, resource="x" * 1_000),) * 100)
    (told,) = desk.facts(Told)
    assert (len(told["conflicts"]), {len(one.resource) for one in told["conflicts"]}) == (16, {300})


# -- a tool's author -------------------------------------------------------------------------------------------------------------


def edit(context: Context, version: int) -> int:
    """A tool."""
    return context.expect("page:7", version)


def test_a_tool_is_tested_by_calling_it() -> None:
    """Versions are in memory, and calls that share them see each other's."""
    kept = InMemory()
    first = Context.for_testing(versions=kept, plan_id="first", call_index=4, key="k1")
    assert (first.version("page:7"), edit(first, 0), edit(first, 0), first.version("page:7")) == (0, 1, 1, 1)
    second = Context.for_testing(versions=kept, plan_id="second")
    with pytest.raises(
        VersionConflict, match="page:7 has version 1, written by call 4 of plan first, and the call expects version 0"
    ) as met:
        edit(second, 0)
    assert met.value.mismatch == VersionMismatch("page:7", 0, 1, "first", 4, "k1", 0)
    # Caught, it may read and try once more.
    assert edit(second, met.value.mismatch.found) == 2
    assert Context.for_testing(versions=kept, tenant="other").version("page:7") == 0


def test_what_a_call_carries_counts_before_what_its_tool_says() -> None:
    """After a conflict it is what was found, and the argument is the old one still."""
    kept = InMemory()
    writer = Writer("acme", "p", 0, "k", 0)
    Versions(kept, writer).expect("page:7")
    carrying = Versions(kept, writer, {"page:7": 1})
    carrying.check_carried()
    assert carrying.expect("page:7", 0) == 2
    with pytest.raises(VersionConflict):
        Versions(kept, writer, {"page:7": 1}).check_carried()
