"""The laws of hybrid plans: lines elsewhere, the same meaning; and what they cannot be."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from motet.modes import AGENTS, COORDINATOR
from motet.plan import Limits, Plan, Reservation, Schedule, Word, admit, direct
from motet.records import (
    CancelPlan,
    Claim,
    Compensation,
    FinishedCall,
    Mode,
    OnDoubt,
    PlannedCall,
    Policy,
    QuarantineResources,
    Reason,
    ResourcesGranted,
    ResourcesRefused,
    SubmitPlan,
    ToolContract,
)
from pair import MARKS, Pair, plan_of
from registers import CONTRACTS, LIMITS, commands, contract, contracts, one_after_another

CHANCES: Final = st.randoms(use_true_random=False)
ASKED: Final = "ReserveResources"
GRANTED: Final = "ResourcesGranted"
RELEASED: Final = "ReleaseResources"


def submit(*calls: PlannedCall, **more: Any) -> SubmitPlan:
    """A hybrid plan."""
    return SubmitPlan("k", "acme", "d", "agent", "PLAN", calls, None, None, **{"mode": "HYBRID", **more})


def call(index: int, tool: str = "r.put", key: str = "a", **more: Any) -> PlannedCall:
    """A planned call on a register."""
    return PlannedCall(f"c{index}", tool, None, f'{{"key":"{key}","n":1}}', (), **more)


@settings(max_examples=250, deadline=None)
@given(commands(), CHANCES, CHANCES, st.lists(st.sampled_from(["ORCHESTRATED", "HYBRID"]), min_size=4, max_size=4))
def test_both_hosts_together_are_one_serial_run(
    submitted: list[SubmitPlan], chance: Random, deaths: Random, modes: list[Mode]
) -> None:
    """P3, P4: orchestrated and hybrid plans on the same registers, processes that die: as one after another in the order of the lines."""
    plans = [plan_of(one, number, mode) for number, (one, mode) in enumerate(zip(submitted, modes, strict=False))]
    run = Pair(chance.randrange, lambda: deaths.random() < 0.1).run(plans)
    numbers = [int(plan_id.removesuffix("-h")[1:]) for plan_id in run.order]
    assert sorted(numbers) == list(range(len(submitted)))
    serial = one_after_another([submitted[number] for number in numbers])
    assert run.world == serial.world
    for place, plan_id in enumerate(run.order):
        assert run.histories[plan_id] == serial.histories[f"p{place}"]


@settings(max_examples=150, deadline=None)
@given(commands(), CHANCES, st.lists(st.sampled_from([*MARKS]), min_size=4, max_size=4))
def test_plans_that_use_nothing_have_one_history_in_every_mode(
    submitted: list[SubmitPlan], chance: Random, modes: list[Mode]
) -> None:
    """P4: edges, references and failures among calls without claims; no host says a word to the other."""
    free = [replace(one, calls=tuple(replace(call, tool="r.free") for call in one.calls)) for one in submitted]
    known = contracts(contract("r.free"))
    runs = []
    orchestrated: list[Mode] = ["ORCHESTRATED"] * len(modes)
    for chosen in (modes, orchestrated):
        pairs = enumerate(zip(free, chosen, strict=False))
        run = Pair(chance.randrange, known=known).run(
            [plan_of(one, number, mode, known) for number, (one, mode) in pairs]
        )
        assert run.said == []
        histories = {plan_id.partition("-")[0]: history for plan_id, history in run.histories.items()}
        runs.append((histories, run.world))
    assert runs[0] == runs[1]


@settings(max_examples=100, deadline=None)
@given(commands(), CHANCES)
def test_a_plan_asks_once_and_gives_back_once(submitted: list[SubmitPlan], chance: Random) -> None:
    """Three words a plan, in this order, whatever its calls do."""
    plans = [plan_of(one, number, "HYBRID") for number, one in enumerate(submitted)]
    run = Pair(chance.randrange).run(plans)
    for plan in plans:
        assert [word for plan_id, word in run.said if plan_id == plan.plan_id] == [ASKED, GRANTED, RELEASED]


def test_everything_is_asked_for_as_one() -> None:
    """Each resource once, in the strongest mode that the plan needs."""
    plan = plan_of(
        submit(call(0, "r.get"), call(1, "r.add", "b"), call(2, "r.put"), call(3, "r.add", "b")), 0, "HYBRID"
    )
    assert plan.reserves == (Claim("register:a", "WRITE"), Claim("register:b", "COMMUTE"))
    schedule = Schedule(LIMITS, CONTRACTS)
    (word,) = schedule.admit(plan)
    assert isinstance(word, Word)
    assert word.record.keywords["claims"] == plan.reserves
    # Nothing begins before it has everything; once it has, the calls that touch nothing common begin together.
    (started,) = schedule.granted(plan.plan_id)
    assert [one.index for one in started.invocations] == [0, 1, 3]  # type: ignore[union-attr]
    assert schedule.granted(plan.plan_id) == []


def test_a_plan_that_uses_nothing_asks_for_nothing() -> None:
    """It begins at once, as a choreographed one does."""
    free = contracts(contract("r.free"))
    plan = admit(submit(call(0, "r.free")), "p0-h", 100, free, LIMITS, 0)
    assert isinstance(plan, Plan)
    schedule = Schedule(LIMITS, free)
    assert [type(step).__name__ for step in schedule.admit(plan)] == ["Started"]
    end = FinishedCall(0, plan.calls[0].key, 1, "SUCCEEDED", "1", None)
    assert [type(step).__name__ for step in schedule.finished("p0-h", [end])] == ["Committed", "Ended"]


def test_a_cancelled_plan_gives_back_what_it_waits_for() -> None:
    """Its place in the lines is gone, and the grant that crossed its cancel begins nothing."""
    pair = Pair(lambda size: size - 1)
    first, second = (plan_of(submit(call(0)), number, "HYBRID") for number in range(2))
    pair.admit(first)
    pair.admit(second)
    coordinator, agents = pair.hosts[COORDINATOR], pair.hosts[AGENTS]
    pair.hear(coordinator)
    pair.hear(coordinator)
    assert not coordinator.words
    answer = direct(agents.schedule, CancelPlan("x", "acme", "d", "agent", first.plan_id, ""))
    assert not isinstance(answer, Reason)
    pair.take(agents, answer)
    # The grant of the first is on its way while its release goes the other.
    pair.hear(agents)
    assert pair.to_run == []
    pair.hear(coordinator)
    pair.hear(agents)
    assert [plan.plan_id for plan, _ in pair.to_run] == [second.plan_id]


def test_a_deadline_ends_a_plan_that_waits_for_its_resources() -> None:
    """Its calls never began, and its place in the lines is given back: nothing that is reserved outlives its plan's time."""
    plan = plan_of(submit(call(0), policy=Policy(deadline_seconds=5)), 0, "HYBRID")
    schedule = Schedule(LIMITS, CONTRACTS)
    schedule.admit(plan)
    schedule.at(5_000)
    steps = schedule.ring(plan.plan_id)
    assert [type(step).__name__ for step in steps] == ["Fact", "Committed", "Ended", "Word"]
    assert [(one.outcome, one.attempt) for one in plan.calls] == [("CANCELLED", 0)]
    assert schedule.granted(plan.plan_id) == []


def doubt(pair: Pair, plan: Plan) -> None:
    """Nobody knows whether the plan's first call happened."""
    host = pair.hosts[AGENTS]
    end = FinishedCall(0, plan.calls[0].key, 1, "IN_DOUBT", None, None)
    pair.take(host, host.schedule.finished(plan.plan_id, [end]))


def test_a_call_in_doubt_keeps_what_its_plan_reserved() -> None:
    """Also after its plan has ended: the next one gets the register when the doubt is settled."""
    known = contracts(replace(contract("r.pay", [("register:{key}", "WRITE")]), effect="IRREVERSIBLE"))
    plan = admit(submit(call(0, "r.pay"), policy=Policy(in_doubt="END")), "p0-h", 100, known, LIMITS, 0)
    assert isinstance(plan, Plan)
    pair = Pair(lambda size: size - 1, known=known)
    pair.admit(plan)
    pair.hear(pair.hosts[COORDINATOR])
    pair.hear(pair.hosts[AGENTS])
    pair.to_run.clear()
    doubt(pair, plan)
    assert plan.outcome == "IN_DOUBT"
    pair.admit(plan_of(submit(call(0), mode="ORCHESTRATED"), 1, "ORCHESTRATED"))
    assert pair.to_run == []
    assert [word.func for _, word in pair.hosts[COORDINATOR].words] == [QuarantineResources]
    pair.hear(pair.hosts[COORDINATOR])
    end = FinishedCall(0, plan.calls[0].key, 1, "SUCCEEDED", "1", None)
    pair.take(pair.hosts[AGENTS], pair.hosts[AGENTS].schedule.finished(plan.plan_id, [end]))
    pair.hear(pair.hosts[COORDINATOR])
    assert [one.plan_id for one, _ in pair.to_run] == ["p1"]


def reservation(number: int, key: str = "a") -> Reservation:
    """A request."""
    return Reservation(f"p{number}-h", "acme", "d", (Claim(f"register:{key}", "WRITE"),), "e", "c", None, 0)


def test_a_request_that_comes_again_changes_nothing() -> None:
    """And what is given back twice is given back once."""
    schedule = Schedule(LIMITS, CONTRACTS)
    assert len(schedule.reserve(reservation(0))) == 1
    assert schedule.reserve(reservation(0)) == []
    assert schedule.release("p0-h") == []
    assert schedule.release("p0-h") == []
    assert len(schedule.reserve(reservation(1))) == 1


def test_too_many_reservations_are_refused() -> None:
    """P8: with the limit, and what to do."""
    schedule = Schedule(replace(Limits(), reservations=2), CONTRACTS)
    answers = [schedule.reserve(reservation(number, f"k{number}"))[0] for number in range(3)]
    assert [one.record.func for one in answers] == [ResourcesGranted, ResourcesGranted, ResourcesRefused]  # type: ignore[union-attr]
    refused = answers[2].record.keywords  # type: ignore[union-attr]
    assert (refused["code"], "the limit is 2" in refused["message"]) == ("TOO_MANY_RESERVATIONS", True)


def test_a_refused_plan_ends_with_the_reason() -> None:
    """None of its calls ran, and it has nothing to give back."""
    plan = plan_of(submit(call(0), PlannedCall("c1", "r.get", None, '{"key":"b"}', ("c0",))), 0, "HYBRID")
    schedule = Schedule(LIMITS, CONTRACTS)
    schedule.admit(plan)
    steps = schedule.refused(plan.plan_id, "TOO_MANY_RESERVATIONS", "later")
    assert [type(step).__name__ for step in steps] == ["Committed", "Ended"]
    assert [(one.outcome, one.attempt) for one in plan.calls] == [("FAILED", 0), ("SKIPPED", 0)]
    assert plan.calls[0].error is not None
    assert plan.calls[0].error.code == "TOO_MANY_RESERVATIONS"
    assert not schedule.plans


def test_who_will_not_wait_for_a_quarantine_is_refused() -> None:
    """A call of the coordinator's own plan is in doubt, and the request says REFUSE."""
    known = contracts(replace(contract("r.pay", [("register:{key}", "WRITE")]), effect="IRREVERSIBLE"))
    plan = admit(submit(call(0, "r.pay"), mode="ORCHESTRATED"), "p0", 100, known, LIMITS, 0)
    assert isinstance(plan, Plan)
    schedule = Schedule(LIMITS, known)
    schedule.admit(plan)
    schedule.finished("p0", [FinishedCall(0, plan.calls[0].key, 1, "IN_DOUBT", None, None)])
    assert schedule.reserve(reservation(1)) == []
    (refused,) = schedule.reserve(reservation(2), "REFUSE")
    assert isinstance(refused, Word)
    assert refused.record.keywords["code"] == "RESOURCE_IN_QUARANTINE"


@pytest.mark.parametrize("in_doubt", ["HOLD", "END"])
@pytest.mark.parametrize("dies", [False, True])
def test_the_host_of_the_lines_knows_what_is_in_doubt_elsewhere(in_doubt: OnDoubt, *, dies: bool) -> None:
    """Who will not wait behind a hybrid plan's doubt is refused, and told whose it is; once it is settled, nobody is."""
    known = contracts(replace(contract("r.pay", [("register:{key}", "WRITE")]), effect="IRREVERSIBLE"))
    calls = (call(0, "r.pay", "b"), call(1, "r.pay"))
    plan = admit(submit(*calls, policy=Policy(in_doubt=in_doubt)), "p0-h", 100, known, LIMITS, 0)
    assert isinstance(plan, Plan)
    pair = Pair(lambda size: size - 1, known=known)
    host, lines = pair.hosts[AGENTS], pair.hosts[COORDINATOR]
    pair.admit(plan)
    pair.hear(lines)
    pair.hear(host)
    unwilling = submit(call(0, "r.pay"), mode="ORCHESTRATED", policy=Policy(quarantine="REFUSE"))
    other = admit(unwilling, "p1", 100, known, LIMITS, 0)
    assert isinstance(other, Plan)
    assert lines.schedule.quarantined(other) is None, "it is only in use"
    pair.take(host, host.schedule.finished("p0-h", [FinishedCall(1, plan.calls[1].key, 1, "IN_DOUBT", None, None)]))
    pair.hear(lines)
    for one in (host, lines):
        if dies:
            one.die()
    refusal = lines.schedule.quarantined(other)
    assert refusal is not None
    assert (refusal.code, "c1 of plan p0-h is in doubt" in refusal.message) == ("RESOURCE_IN_QUARANTINE", True)
    assert lines.schedule.reserve(reservation(2), "REFUSE")[0].record.func is ResourcesRefused  # type: ignore[union-attr]
    pair.take(host, host.schedule.finished("p0-h", [FinishedCall(1, plan.calls[1].key, 1, "SUCCEEDED", "1", None)]))
    while lines.words:
        pair.hear(lines)
    assert lines.schedule.quarantined(other) is None
    pair.take(host, host.schedule.finished("p0-h", [FinishedCall(0, plan.calls[0].key, 1, "SUCCEEDED", "1", None)]))
    while lines.words:
        pair.hear(lines)
    assert host.idle
    assert lines.idle


@pytest.mark.parametrize(
    ("tools", "changes", "said"),
    [
        ([], {"approval": True}, "waits for a person"),
        ([contract("r.undo", [("register:{n}", "WRITE")])], {}, "resources that follow from a result"),
        ([], {}, "of which is not known what it uses"),
    ],
)
def test_what_must_be_known_before_it_begins(tools: list[ToolContract], changes: dict[str, Any], said: str) -> None:
    """Everything is asked for at once, so nothing may follow later, and nothing that has it waits for a person."""
    undone = replace(
        contract("r.do", [("register:{key}", "WRITE")]),
        compensation=None if changes else Compensation("r.undo", 1, '{"key":"a","n":{"$result":"/id"}}'),
    )
    answer = admit(submit(call(0, "r.do", **changes)), "p0-h", 100, contracts(undone, *tools), LIMITS, 0)
    assert not isinstance(answer, Plan)
    assert [(one.code, said in one.message, one.call_id) for one in answer] == [("NOT_HYBRID", True, "c0")]


def test_what_undoes_a_call_is_reserved_with_it() -> None:
    """Whatever the policy: who settles a doubt may have it undone."""
    undone = replace(
        contract("r.do", [("register:{key}", "WRITE")]),
        compensation=Compensation("r.undo", 1, '{"key":{"$argument":"key"}}'),
    )
    known = contracts(undone, contract("r.undo", [("undone:{key}", "WRITE")]))
    plan = admit(submit(call(0, "r.do")), "p0-h", 100, known, LIMITS, 0)
    assert isinstance(plan, Plan)
    assert [one.resource for one in plan.reserves] == ["register:a", "undone:a"]
