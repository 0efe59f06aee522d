"""What happens to calls while they run: the host dies, attempts fail, siblings end, somebody cancels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import pytest

from causes.stage import (
    FAILING,
    SECONDS,
    SLOWLY,
    Stage,
    ended,
    in_doubt,
    late,
    submit_row,
    tool_of,
    undone,
)
from ends import AFTER, ANSWERED, BEFORE, DONE, DURING, HOLD, ROWS, Row
from motet.client import Call, Outcome, Policy, Refused, Submitted

CRASH_AT: Final = {
    BEFORE: "rows-moved:1",
    AFTER: "committed:1",
    DONE: "effect-done:1",
    ANSWERED: "produced:2",
}

# -- the host is killed --------------------------------------------------------------------------------------------------------


def crash_all(stage: Stage, fault: str) -> dict[Row, Submitted]:
    """All rows of a fault die together: their invocations wait for the host, and are one batch of one shard."""
    rows = [row for row in ROWS if row.fault == fault]
    stage.await_quiet()
    if fault == DURING:
        before = len(stage.witness.effects())
        submitted = {row: submit_row(stage, row, query="?delay=3") for row in rows}
        stage.witness.await_effects(before + len(rows))
        stage.host.kill()
    else:
        assert stage.host.stop() == 0
        submitted = {row: submit_row(stage, row) for row in rows}
        stage.world.await_no_lag("coordinator")
        victim = stage.tools(MOTET_CRASH_AT=CRASH_AT[fault])
        assert victim.await_end(SECONDS) == -9, victim.said()[-2000:]
    stage.tools()
    return submitted


def crash_together(stage: Stage, row: Row) -> Outcome:
    """Killed at a labelled point, with all rows of the fault in it."""
    if row.fault not in stage.crashed:
        stage.crashed[row.fault] = crash_all(stage, row.fault)
    return found_out(stage, row, stage.crashed[row.fault][row])


def crash_alone(stage: Stage, row: Row) -> Outcome:
    """Killed at a labelled point that one call reaches, and started again."""
    stage.await_quiet()
    assert stage.host.stop() == 0
    point = "produced:1" if (row.fault, row.effect) == (ANSWERED, "transactional") else CRASH_AT[row.fault]
    victim = stage.tools(MOTET_CRASH_AT=point)
    submitted = submit_row(stage, row)
    assert victim.await_end(SECONDS) == -9, victim.said()[-2000:]
    stage.tools()
    return found_out(stage, row, submitted)


def found_out(stage: Stage, row: Row, submitted: Submitted) -> Outcome:
    """The end of a row; where the plan waits to be told whether its call happened, somebody finds out."""
    if row.policy == HOLD:
        stage.await_call(submitted.plan_id, "in doubt", lambda call: bool(call.get("in_doubt")))
        finding: Any = {AFTER: "did_not_happen", DURING: "happened", DONE: "compensate"}[row.fault]
        stage.client.direct.settle(submitted.plan_id, "c0", finding, "sent", "looked it up")
    return ended(submitted)


# -- attempts that fail --------------------------------------------------------------------------------------------------------


def with_query(query: str) -> Callable[[Stage, Row], Outcome]:
    """The witness misbehaves as a query asks it to."""
    return lambda stage, row: ended(submit_row(stage, row, query=query))


def how(word: str) -> Callable[[Stage, Row], Outcome]:
    """The tool misbehaves as an argument asks it to."""
    return lambda stage, row: ended(submit_row(stage, row, how=word))


def silent(stage: Stage, row: Row) -> Outcome:  # noqa: ARG001  one signature for all
    """A tool that stops saying that it is alive."""
    return ended(stage.submit(Call("fault.long_work", {"silent": True})))


# -- siblings, and ends that come too late -------------------------------------------------------------------------------------


def sibling(stage: Stage, row: Row) -> Outcome:
    """A call beside one that fails, or succeeds, while it runs; its late end is recorded."""
    words = row.policy.split(", ")
    quorum = {"quorum(1)": 1, "quorum(2)": 2}.get(words[0])
    policy = Policy(
        batch="quorum" if quorum else "fail_fast" if "fail_fast" in words else "collect_all",
        quorum=quorum,
        on_failure="compensate" if "compensate" in words else "stop",
    )
    beside = "fault.compute" if row.effect == "transactional" else "fault.compute_beside"
    other = Call(beside, {}, id="quick") if quorum == 1 else replace(FAILING, tool=beside)
    call = tool_of(row) if row.effect == "transactional" else tool_of(row, query="?delay=0.7")
    outcome = ended(stage.submit(call, other, policy=policy))
    return late(stage, outcome) if "late" in row.fault else outcome


def behind(stage: Stage, row: Row) -> Outcome:
    """A call behind one that fails."""
    policy = Policy(on_failure="continue") if row.policy == "continue" else Policy()
    return ended(stage.submit(Call("fault.charge", {"account": "b"}, after=("failing",)), FAILING, policy=policy))


def deadline(stage: Stage, row: Row) -> Outcome:  # noqa: ARG001  one signature for all
    """The plan's time is over while its call runs."""
    return late(stage, ended(stage.submit(Call("fault.hold", {}), policy=Policy(deadline_seconds=1))))


# -- cancelled -----------------------------------------------------------------------------------------------------------------


def cancelled_when(call: Call, moment: Callable[[dict[str, Any]], bool]) -> Callable[[Stage, Row], Outcome]:
    """Cancelled at a moment that SQL shows."""

    def doing(stage: Stage, row: Row) -> Outcome:
        submitted = stage.submit(call)
        stage.await_call(submitted.plan_id, row.fault, moment)
        stage.client.direct.cancel(submitted.plan_id, "the customer called")
        return ended(submitted)

    return doing


def cancelled_before(stage: Stage, row: Row) -> Outcome:
    """Its host is down while it is sent and cancelled: both come to it in one batch."""
    if row.fault not in stage.crashed:
        assert stage.host.stop() == 0
        rows = [one for one in ROWS if one.fault == row.fault]
        stage.crashed[row.fault] = {one: stage.submit(tool_of(one)) for one in rows}
        for submitted in stage.crashed[row.fault].values():
            stage.client.direct.cancel(submitted.plan_id, "a change of mind")
        stage.tools()
    outcome = ended(stage.crashed[row.fault][row])
    stage.await_call(outcome.plan_id, "its end is recorded", lambda call: call.get("late_outcome") == "CANCELLED")
    return outcome


def cancelled_waiting(stage: Stage, row: Row) -> Outcome:
    """Another plan holds the resource."""
    holder = stage.submit(Call("fault.charge", {"account": "w", "query": "?status=503&retry_after=3&times=1"}))
    outcome = cancelled_when(Call("fault.charge", {"account": "w"}), lambda one: one.get("status") == "WAITING")(
        stage, row
    )
    assert ended(holder).status == "SUCCEEDED"
    return outcome


def cancelled_running(stage: Stage, row: Row) -> Outcome:
    """It runs; it is told, and its end is recorded."""
    call = Call("fault.hold", {}) if row.effect == "idempotent" else tool_of(row, query="?delay=1.5")
    submitted = stage.submit(call, policy=Policy(on_failure="compensate" if row.policy == "compensate" else "stop"))
    stage.await_call(submitted.plan_id, row.fault, lambda one: one.get("status") == "STARTED")
    stage.client.direct.cancel(submitted.plan_id, "the customer called")
    return late(stage, ended(submitted))


def cancelled_in_doubt(stage: Stage, row: Row) -> Outcome:  # noqa: ARG001  one signature for all
    """Nobody knows; what is found out afterwards still counts."""
    submitted = in_doubt(stage, "?apply_then_drop=1")
    stage.client.direct.cancel(submitted.plan_id)
    stage.client.direct.settle(submitted.plan_id, "c0", "happened", "sent")
    return ended(submitted)


def cancelled_undoing(stage: Stage, row: Row) -> Outcome:  # noqa: ARG001  one signature for all
    """A plan that is being undone is undone to its end."""
    submitted = undone(stage, SLOWLY)
    stage.await_undoing(submitted.plan_id)
    with pytest.raises(Refused, match="PLAN_ENDED"):
        stage.client.direct.cancel(submitted.plan_id)
    return ended(submitted)


def cancelled_late(stage: Stage, row: Row) -> Outcome:  # noqa: ARG001  one signature for all
    """A plan that has ended cannot be cancelled."""
    outcome = ended(stage.submit(Call("fault.compute", {})))
    with pytest.raises(Refused, match="UNKNOWN_PLAN"):
        stage.client.direct.cancel(outcome.plan_id)
    return outcome
