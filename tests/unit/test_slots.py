"""Slots: how many calls are in flight at once, and whose turn it is where more want to be."""

from __future__ import annotations

from collections import Counter
from functools import partial
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import faults
from faults import Desk, call, sent_by, tool
from motet.plan import Fact, Limits, Plan, Started, admit, rules
from motet.plan.slots import in_flight
from motet.records import Amounts, CallsWaiting, Policy, SlotTemplate, WaitingCall

WIDE = Limits(plan_calls_at_once=1_000)


def starts(desk: Desk) -> list[tuple[str, int]]:
    """Every call that was begun, in order, with its plan."""
    return [(step.plan.plan_id, one.index) for step in desk.steps if isinstance(step, Started) for one in sent_by(step)]


def running(desk: Desk) -> list[tuple[Plan, int]]:
    """The calls in flight."""
    return [
        (plan, index) for plan in desk.schedule.plans.values() for index, one in plan.everything() if in_flight(one)
    ]


def test_a_long_plan_does_not_keep_short_ones_waiting() -> None:
    """256 calls of a tool that runs four at a time: a plan of one call waits for one start of each plan before it, no more."""
    desk = Desk(tool("f.slow", "PURE", claims=(), at_once=4), limits=WIDE)
    chance = Random(7)  # noqa: S311  no secret
    desk.submit(*(call("slow") for _ in range(256)))
    waited: list[int] = []
    for number in range(60):
        before, ahead = len(starts(desk)), sum(len(one) for one in desk.schedule.board.slots.rounds.values())
        short = desk.submit(call("slow"))
        while not short.calls[0].attempt:
            desk.succeed(*chance.choice([(plan, index) for plan, index in running(desk)]))
            assert len(running(desk)) == 4
        waited.append(starts(desk).index((short.plan_id, 0)) - before)
        assert waited[-1] <= ahead, number
    assert max(waited) <= 1
    # And the long plan went on all the time.
    assert len([one for one in starts(desk) if one[0] == "p0"]) >= 60


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=2, max_size=8), st.integers(1, 3), st.integers(0, 2**32))
def test_plans_take_turns(sizes: list[int], at_once: int, seed: int) -> None:
    """While a plan waits, each other plan starts once at most before it is its turn; and everything runs in the end."""
    desk = Desk(tool("f.slow", "PURE", claims=(), at_once=at_once), limits=WIDE)
    chance, seen, since = Random(seed), 0, dict[str, Counter[str]]()  # noqa: S311  no secret
    left = list(sizes)
    while left or desk.schedule.plans:
        if left and (not desk.schedule.plans or chance.random() < 0.3):
            desk.submit(*(call("slow") for _ in range(left.pop())))
        else:
            desk.succeed(*chance.choice(running(desk)))
        assert len(running(desk)) <= at_once
        for plan_id, _ in starts(desk)[seen:]:
            since.pop(plan_id, None)
            for others in since.values():
                others[plan_id] += 1
                assert others[plan_id] == 1
        seen = len(starts(desk))
        waiting = {plan_id for one in desk.schedule.board.slots.rounds.values() for plan_id in one}
        since = {plan_id: since.get(plan_id, Counter()) for plan_id in waiting}
    assert len(starts(desk)) == sum(sizes)
    assert desk.nothing_left()


def test_a_plan_has_so_many_in_flight() -> None:
    """The others of its calls wait, and hold nobody up: they are in line for their resources, and have no other slot."""
    desk = Desk(limits=Limits(plan_calls_at_once=2))
    plan = desk.submit(*(call("note") for _ in range(5)))
    assert desk.sent() == [(0, 1, "RUN"), (1, 1, "RUN")]
    assert [one.slot for one in plan.calls[2:]] == [f"plan {plan.plan_id}"] * 3
    desk.succeed(plan, 1, 0, 2, 3, 4)
    assert desk.nothing_left()


def test_who_waits_is_said_once_and_only_of_who_waits() -> None:
    """With the reason; one event an input and plan, and none where nobody waits."""
    desk = Desk(tool("f.slow", claims=(), at_once=1, cost_micros=10))
    plan = desk.submit(*(call("slow") for _ in range(3)), call("buy"), policy=Policy(budget=Amounts(None, 100_005)))
    assert [[(one.index, one.reason, one.what) for one in fact["calls"]] for fact in desk.facts(CallsWaiting)] == [
        [(1, "SLOT", "tool f.slow"), (2, "SLOT", "tool f.slow"), (3, "BUDGET", "agent")]
    ]
    desk.end(plan, 0, spent=Amounts(None, 0))
    assert len(desk.facts(CallsWaiting)) == 2
    desk.submit(call("note"))
    assert len(desk.facts(CallsWaiting)) == 2


def test_a_tenant_has_so_many_in_flight() -> None:
    """Whatever its plans; and a call that waits for its tenant has no slot of the tool, which others may use."""
    desk = Desk(tool("f.slow", "PURE", claims=(), at_once=5), limits=Limits(tenant_calls_at_once=2))
    first, second = desk.submit(call("slow"), call("slow"), call("slow")), desk.submit(call("note"))
    assert desk.sent(second) == []
    assert desk.schedule.board.slots.used["tool f.slow"] == 2
    desk.succeed(first, 0)
    assert desk.sent(first)[-1] == (2, 1, "RUN")
    desk.succeed(first, 1)
    assert desk.sent(second) == [(0, 1, "RUN")]


def test_so_many_per_name() -> None:
    """Two tools that name one printer share its slots; another printer is another's."""
    desk = Desk(
        tool("f.draft", claims=(), at_once_per=(SlotTemplate("printer:{key}", 1),)),
        tool("f.print", claims=(), at_once_per=(SlotTemplate("printer:{key}", 1),)),
    )
    one, other = desk.submit(call("draft", "a"), call("print", "b")), desk.submit(call("print", "a"))
    assert (len(desk.sent(one)), desk.sent(other)) == (2, [])
    assert desk.submit(call("print", "a"), domain="e").calls[0].attempt == 1
    desk.succeed(one, 0)
    assert desk.sent(other) == [(0, 1, "RUN")]


@pytest.mark.parametrize("how", ["cancel", "settle"])
def test_who_waits_no_more_is_in_nobodys_way(how: str) -> None:
    """A plan that is stopped gives back what it had and its turn; a call in doubt gives its slot back, for nobody knows for how long."""
    desk = Desk(tool("f.slow", claims=(), at_once=1))
    plans = [desk.submit(call("slow")) for _ in range(3)]
    if how == "cancel":
        desk.cancel(plans[1])
        desk.succeed(plans[0], 0)
    else:
        desk.lose(plans[0], 0)
        assert plans[1].calls[0].attempt == 1
        desk.succeed(plans[1], 0)
    assert plans[2].calls[0].attempt == 1


def test_an_attempt_has_a_slot_and_a_wait_has_none() -> None:
    """A call that is tried again takes its turn like everybody."""
    desk = Desk(tool("f.slow", claims=(), at_once=1))
    first, second = desk.submit(call("slow")), desk.submit(call("slow"))
    desk.fail(first, 0, retry=True)
    assert second.calls[0].attempt == 1
    desk.wait(5)
    assert (first.calls[0].status, first.calls[0].slot) == ("RETRYING", "tool f.slow")
    desk.succeed(second, 0)
    assert first.calls[0].attempt == 2


def test_who_waits_for_a_budget_has_no_slot() -> None:
    """Else what must be settled first could wait for it."""
    desk = Desk(tool("f.slow", claims=(), at_once=1, cost_micros=10))
    poor = desk.submit(call("buy"), call("slow"), policy=Policy(budget=Amounts(None, 100_005, None, None)))
    rich = desk.submit(call("slow"))
    assert (poor.calls[1].attempt, poor.calls[1].slot, rich.calls[0].attempt) == (0, "", 1)
    desk.end(poor, 0, spent=Amounts(None, 5, None, None))
    assert poor.calls[1].slot == "tool f.slow"
    desk.succeed(rich, 0)
    assert poor.calls[1].attempt == 1


@pytest.mark.parametrize(
    ("version", "told"),
    [
        (rules.CURRENT, WaitingCall(0, "SLOT", "tool f.give", compensation=True)),
        (2, WaitingCall(2, "SLOT", "tool f.give")),
    ],
)
def test_what_undoes_waits_for_a_slot_too(version: int, told: WaitingCall, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tool that takes one call at a time takes one call at a time; which one waits is said in the words of the plan's rules."""
    monkeypatch.setattr(faults, "admit", partial(admit, version=version))
    desk = Desk(
        tool("f.take", claims=(), undone_by="f.give"),
        tool("f.give", claims=(), at_once=1),
    )
    busy = desk.submit(call("give"))
    plan = desk.submit(call("take"), call("mail", after=[0]), policy=Policy(on_failure="COMPENSATE"))
    desk.succeed(plan, 0)
    desk.fail(plan, 1)
    assert plan.compensations[0].attempt == 0
    facts = [step.record for step in desk.steps if isinstance(step, Fact) and step.record.func is CallsWaiting]
    assert [fact.keywords["calls"] for fact in facts] == [(told,)]
    desk.succeed(busy, 0)
    assert plan.compensations[0].attempt == 1
    desk.succeed(plan, 2)
    assert plan.outcome == "COMPENSATED"
    assert desk.nothing_left()
