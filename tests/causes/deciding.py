"""What people and limits decide, what is undone, and a coordinator that dies over it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from causes.stage import (
    FAILING,
    SLOWLY,
    Stage,
    accounts,
    decide,
    ended,
    fan_out,
    in_doubt,
    last_first,
    late,
    tool_of,
    undone,
)
from ends import Row
from motet.client import Budget, Call, Outcome, Policy, Refused, Submitted

# -- people --------------------------------------------------------------------------------------------------------------------


def settled(query: str, finding: Any, result: Any = None) -> Callable[[Stage, Row], Outcome]:
    """A person finds out, and says so."""

    def doing(stage: Stage, row: Row) -> Outcome:  # noqa: ARG001  one signature for all
        submitted = in_doubt(stage, query)
        stage.client.direct.settle(submitted.plan_id, "c0", finding, result, "looked it up")
        outcome = ended(submitted)
        with pytest.raises(Refused, match="UNKNOWN_PLAN"):
            stage.client.direct.settle(submitted.plan_id, "c0", "did_not_happen")
        return outcome

    return doing


def decided(decision: str) -> Callable[[Stage, Row], Outcome]:
    """A person decides about exactly these arguments; a decision about others is refused, and the sibling runs on."""

    def doing(stage: Stage, row: Row) -> Outcome:  # noqa: ARG001  one signature for all
        submitted = stage.submit(Call("fault.wire", {"amount": 5}), Call("fault.compute", {}, id="beside"))
        stage.await_call(submitted.plan_id, "the sibling runs on", lambda one: one.get("attempt") == 1, 1)
        with pytest.raises(Refused, match="OTHER_ARGUMENTS"):
            stage.client.direct.approve(submitted.plan_id, "c0", "0" * 64)
        decide(stage, submitted, decision)
        return ended(submitted)

    return doing


def expired(stage: Stage, row: Row) -> Outcome:
    """Nobody decides in time."""
    undoing = "compensate" in row.policy
    policy = Policy(batch="fail_fast", on_failure="compensate") if undoing else Policy()
    beside = Call("fault.charge", {"account": next(accounts)}) if undoing else Call("fault.compute", {})
    return ended(stage.submit(Call("fault.wire", {"amount": 5}, approval_seconds=1), beside, policy=policy))


# -- budgets and breakers ------------------------------------------------------------------------------------------------------


def budget(limits: Budget, allowed: int) -> Callable[[Stage, Row], Outcome]:
    """Twenty calls at once, of which so many may run."""

    def doing(stage: Stage, row: Row) -> Outcome:
        policy = Policy(budget=limits, on_failure="compensate" if "compensate" in row.policy else "stop")
        outcome = ended(stage.submit(*fan_out(20), policy=policy))
        assert sum(one.status == "SUCCEEDED" for one in outcome.results) == allowed
        return last_first(outcome)

    return doing


def agents_budget(stage: Stage, row: Row) -> Outcome:  # noqa: ARG001  one signature for all
    """Two plans of one agent share what it may spend; the first in the log has it."""
    stage.client.direct.set_budget("spender", Budget(calls=10), "a trial")
    first, second = (stage.client.submit(fan_out(number), agent="spender") for number in (10, 5))
    assert ended(first).status == "SUCCEEDED"
    return last_first(ended(second))


def dead_dependency(stage: Stage, row: Row) -> Outcome:  # noqa: ARG001  one signature for all
    """Two failures open the breaker; the third call fails at once, without a request."""
    calls = [
        Call("fault.fragile", {"query": "?status=503"}, id=f"f{n}", after=(f"f{n + 1}",) if n < 2 else ())
        for n in range(3)
    ]
    outcome = ended(stage.submit(*calls, policy=Policy(on_failure="continue")))
    assert stage.requests(outcome.plan_id) == 2
    return outcome


# -- compensation --------------------------------------------------------------------------------------------------------------


def compensated(refund: str) -> Callable[[Stage, Row], Outcome]:
    """It is undone, however often that is tried."""
    return lambda stage, row: ended(undone(stage, refund))  # noqa: ARG005  one signature for all


def taken_up(refund: str, skip: tuple[str, ...] = ()) -> Callable[[Stage, Row], Outcome]:
    """It cannot be undone; what remains is told, and somebody has it go on."""

    def doing(stage: Stage, row: Row) -> Outcome:  # noqa: ARG001  one signature for all
        outcome = ended(undone(stage, refund))
        assert outcome.remaining == (0,)
        stage.client.direct.resume_compensation(outcome.plan_id, skip, "looked at it")
        stage.await_plan(outcome.plan_id, "COMPENSATED")
        return outcome

    return doing


def undone_in_doubt(stage: Stage, row: Row) -> Outcome:  # noqa: ARG001  one signature for all
    """Whether it was undone, somebody finds out."""
    outcome = ended(stage.submit(Call("fault.ship"), FAILING, policy=Policy(on_failure="compensate")))
    stage.client.direct.settle(outcome.plan_id, "c0", "happened", "called back", compensation=True)
    stage.await_plan(outcome.plan_id, "COMPENSATED")
    return outcome


def killed_undoing(stage: Stage, row: Row) -> Outcome:  # noqa: ARG001  one signature for all
    """The host dies while the witness has the compensation and has not answered."""
    before = len(stage.witness.effects())
    submitted = undone(stage, "?delay=3")
    stage.witness.await_effects(before + 2)
    stage.host.kill()
    stage.tools()
    return ended(submitted)


def in_reverse(stage: Stage, row: Row) -> Outcome:  # noqa: ARG001  one signature for all
    """Three charges, of which the first ends last: undone in reverse order of the history."""
    calls = fan_out(3)
    calls[0] = Call("fault.charge", {**calls[0].arguments, "query": "?delay=0.4"})
    before = len(stage.witness.effects())
    failing = Call("fault.compute", {"how": "fail"}, after=("c0", "c1", "c2"))
    outcome = ended(stage.submit(*calls, failing, policy=Policy(on_failure="compensate")))
    refunded = [one["body"]["account"] for one in stage.witness.effects()[before:] if one["path"] == "/refund"]
    assert refunded == [call.arguments["account"] for call in reversed(calls)]
    return outcome


# -- the coordinator is killed -------------------------------------------------------------------------------------------------


def killed(stage: Stage, submitted: Submitted) -> Outcome:
    """The coordinator dies, comes back, and leads the plan to its end."""
    stage.kill_coordinator()
    return ended(submitted)


def killed_between(stage: Stage, row: Row) -> Outcome:
    """It waits for the next attempt's time."""
    submitted = stage.submit(tool_of(row, query="?status=503&retry_after=3&times=1"))
    stage.await_call(submitted.plan_id, "between attempts", lambda one: one.get("status") == "RETRYING")
    return killed(stage, submitted)


def killed_asked(stage: Stage, row: Row) -> Outcome:  # noqa: ARG001  one signature for all
    """It waits for a person."""
    submitted = stage.submit(Call("fault.wire", {"amount": 5}))
    stage.await_call(submitted.plan_id, "it asks", lambda one: one.get("status") == "AWAITING_APPROVAL")
    stage.kill_coordinator()
    decide(stage, submitted, "approve")
    return ended(submitted)


def killed_in_doubt(stage: Stage, row: Row) -> Outcome:  # noqa: ARG001  one signature for all
    """It waits to be told what happened."""
    submitted = in_doubt(stage, "?apply_then_drop=1")
    stage.kill_coordinator()
    stage.client.direct.settle(submitted.plan_id, "c0", "happened", "sent")
    return ended(submitted)


def killed_compensating(stage: Stage, row: Row) -> Outcome:  # noqa: ARG001  one signature for all
    """It waits for the compensation's next attempt."""
    submitted = undone(stage, SLOWLY)
    stage.await_undoing(submitted.plan_id)
    return killed(stage, submitted)


def killed_fanning_out(stage: Stage, row: Row) -> Outcome:  # noqa: ARG001  one signature for all
    """Ten run, and ten wait for what these leave of the budget."""
    before = len(stage.witness.effects())
    submitted = stage.submit(*fan_out(20, "?delay=0.8"), policy=Policy(budget=Budget(calls=10)))
    stage.witness.await_effects(before + 10)
    return last_first(killed(stage, submitted))


def killed_cancelled(stage: Stage, row: Row) -> Outcome:  # noqa: ARG001  one signature for all
    """The plan has its end, and its call still runs."""
    submitted = stage.submit(Call("fault.hold", {}))
    stage.await_call(submitted.plan_id, "it runs", lambda one: one.get("status") == "STARTED")
    stage.client.direct.cancel(submitted.plan_id)
    return late(stage, killed(stage, submitted))
