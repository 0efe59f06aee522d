"""Plans in memory: one history for every seed, and of each fault the end that was written down for the real platform."""

from __future__ import annotations

from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ends
from motet import Budget, Call, Outcome, Policy, ToolFailed, Toolset
from motet.chassis.errors import ConfigurationError
from motet.client import Mode, PlanLeases, Refused
from motet.records import CallsStarted, CommandRepeated, PlanAdmitted, PlanEnded
from motet.testing import Effects, Fault, Rehearsal, StillOpen, call
from motet.testing.faults import What
from motet.testing.in_memory import Unhandled
from rehearsed import CLASSES, POLICIES, ROWS, Ledger, begin, tools

NAMES: Final = ("a", "b", "c")


@st.composite
def plans(draw: st.DrawFn) -> list[list[Call]]:
    """Plans that want the same few accounts: writes, copies, reads, failures, results that become arguments, orders."""
    out = []
    for _ in range(draw(st.integers(1, 3))):
        calls: list[Call] = []
        for number in range(draw(st.integers(1, 5))):
            account, target = draw(st.sampled_from(NAMES)), draw(st.sampled_from(NAMES))
            earlier = draw(st.sampled_from([None, *range(number)]))
            amount: Any = draw(st.integers(0, 4))
            if earlier is not None and draw(st.booleans()):
                amount = {"$result": {"call": f"c{earlier}", "pointer": ""}}
            arguments: dict[str, Any]
            tool, arguments = draw(
                st.sampled_from(
                    [
                        ("put", {"account": account, "amount": amount}),
                        ("copy", {"account": account, "target": target}),
                        ("read", {"account": account}),
                        ("refuse", {}),
                    ]
                )
            )
            after = [] if earlier is None else [f"c{earlier}"]
            calls.append(Call(f"stage.{tool}", arguments, after=after))
        out.append(calls)
    return out


def played(submitted: list[list[Call]], seed: int, *faults: Fault) -> tuple[list[str], dict[str, int]]:
    """The committed histories of plans under a seed, and the accounts behind them."""
    world = begin()
    rehearsal = Rehearsal(tools, seed=seed, faults=faults)
    asked = [rehearsal.submit(calls) for calls in submitted]
    for plan in asked:
        rehearsal.finish(plan)
    return [rehearsal.committed(plan) for plan in asked], dict(world.accounts)


@settings(max_examples=60)
@given(plans(), st.integers(0, 2**32))
def test_every_seed_commits_the_same(submitted: list[list[Call]], seed: int) -> None:
    """The order in which results come back is another one; histories and accounts are equal."""
    assert played(submitted, seed) == played(submitted, seed + 1)


@settings(max_examples=40)
@given(plans(), st.integers(0, 2**32), st.sampled_from(["crash_before", "crash_after", "fails", "twice"]))
def test_faults_that_tools_survive_change_nothing(submitted: list[list[Call]], seed: int, what: What) -> None:
    """A crash before or behind the effect, another attempt, a record that comes twice: the committed history is as without."""
    faults = (Fault("stage.put", what=what), Fault("stage.read", what=what))
    assert played(submitted, seed, *faults) == played(submitted, 0)


def test_a_tool_that_hides_what_it_writes_is_found() -> None:
    """The law above would see it: without `writes` the history is another one under another seed."""
    hidden = [[Call("stage.sneak", {"account": "a", "amount": amount}) for amount in (1, 2, 3)]]
    told = [[Call("stage.put", {"account": "a", "amount": amount}) for amount in (1, 2, 3)]]
    assert len({played(hidden, seed)[0][0] for seed in range(10)}) > 1
    assert len({played(told, seed)[0][0] for seed in range(10)}) == 1


# -- faults --------------------------------------------------------------------------------------------------------------------


def compare(row: ends.Row, what: What, seed: int) -> None:
    """One row of the table, in memory."""
    world, ledger = begin(), Ledger()
    tool = f"stage.{CLASSES[row.effect]}"
    rehearsal = Rehearsal(tools, seed=seed, connection=ledger.connection, faults=[Fault(tool, what=what)])
    calls = [Call(tool, {"account": "a"})]
    if "compensate" in row.policy and row.plan == "COMPENSATED":
        calls.append(Call("stage.refuse", after=["c0"]))
    plan = rehearsal.submit(calls, policy=POLICIES[row.policy])
    if row.policy == ends.HOLD:
        with pytest.raises(StillOpen, match=r"c0 .stage\.mail. is in doubt"):
            rehearsal.finish(plan)
        rehearsal.settle(plan, "c0", found_in(row), "a")
    outcome = rehearsal.finish(plan)
    assert rehearsal.unused_faults == ()
    ended = outcome.results[0]
    assert f"{ended.status} {ended.error_code or ''}".strip().startswith(row.call)
    assert outcome.status == row.plan
    assert sum(world.effects.values()) + len(ledger.rows) == row.effects


def found_in(row: ends.Row) -> Any:
    """What somebody finds out about a row's call in doubt."""
    findings = {"FAILED DID_NOT_HAPPEN": "did_not_happen", "FAILED TO_BE_UNDONE": "compensate"}
    return findings.get(row.call, "happened")


@pytest.mark.parametrize(
    ("row", "what"), ROWS, ids=[f"{what}, {row.fault}, {row.effect}, {row.policy}" for row, what in ROWS]
)
def test_a_fault_has_the_end_that_docs_ends_has(row: ends.Row, what: What) -> None:
    """The table of the real platform, row by row, under several seeds."""
    for seed in range(3):
        compare(row, what, seed)


@pytest.mark.parametrize("effect", [ends.PURE, ends.TRANSACTIONAL])
def test_what_is_lost_of_a_harmless_call_failed(effect: str) -> None:
    """As any exception does: nothing happened, and nobody tries again."""
    ledger = Ledger()
    tool = f"stage.{CLASSES[effect]}"
    rehearsal = Rehearsal(tools, connection=ledger.connection, faults=[Fault(tool, what="lost_answer")])
    outcome = rehearsal.run([Call(tool, {"account": "a"})])
    assert (outcome.status, outcome.results[0].error_code, ledger.rows) == ("FAILED", "RAISED", [])
    # A run that was taken back is no effect.
    assert rehearsal.effects(tool).total == (1 if effect == ends.PURE else 0)


def test_a_crash_takes_a_transaction_back() -> None:
    """The row of the process that died is gone, and that of the next one is there; so the effect counts once."""
    ledger = Ledger()
    for what in ("crash_before", "crash_after", "times_out"):
        ledger.rows.clear()
        rehearsal = Rehearsal(tools, connection=ledger.connection, faults=[Fault("stage.enter", what=what)])
        assert rehearsal.run([Call("stage.enter", {"account": "a"})]).status == "SUCCEEDED"
        assert ledger.rows == ["a"]
        assert rehearsal.effects("stage.enter").total == 1
        # One that took too long is another attempt, which has to wait.
        assert (rehearsal.now > 0) == (what == "times_out")


def test_a_record_that_comes_twice_is_taken_once() -> None:
    """Both topics have it twice, and lanes drop the second one."""
    rehearsal = Rehearsal(tools, faults=[Fault("stage.mail", what="twice")])
    assert rehearsal.run([Call("stage.mail", {"account": "a"})]).status == "SUCCEEDED"
    for topic in ("motet.invocations.stage", "motet.results"):
        first, second = rehearsal.records(topic)
        assert first == second
    assert rehearsal.effects("stage.mail").total == 1


def test_a_tool_that_ignores_its_key_is_seen() -> None:
    """The function of an honest tool and of a dishonest one run twice with one key; the world tells them apart."""
    world = begin()
    for tool, times in (("pay", 1), ("careless", 2)):
        rehearsal = Rehearsal(tools, faults=[Fault(f"stage.{tool}", what="crash_after")])
        assert rehearsal.run([Call(f"stage.{tool}", {"account": "a"})]).status == "SUCCEEDED"
        ((key, runs),) = rehearsal.effects(f"stage.{tool}").items()
        assert (runs, world.effects[key]) == (2, times)
        assert rehearsal.effects(f"stage.{tool}").repeated == {key: 2}


def test_a_fault_hits_the_call_and_the_attempt_that_it_names() -> None:
    """Of two calls of one tool one; and the second attempt, which only a first one that fails has."""
    faults = [
        Fault(call_id="second", what="fails"),
        Fault("stage.pay", call_id="second", attempt=2, what="crash_after"),
        Fault("stage.pay", attempt=3, what="fails"),
    ]
    rehearsal = Rehearsal(tools, faults=faults)
    calls = [Call("stage.pay", {"account": "a"}, id=name) for name in ("first", "second")]
    assert rehearsal.run(calls).status == "SUCCEEDED"
    assert rehearsal.effects("stage.pay").by_call == {"first": 1, "second": 2}
    assert rehearsal.unused_faults == (faults[2],)


def test_a_crash_is_a_crash_of_the_whole_service() -> None:
    """A letter whose intent was there may have been sent as well: its neighbour's crash leaves it in doubt, under some seeds."""
    ends_of_letters = set()
    for seed in range(20):
        rehearsal = Rehearsal(tools, seed=seed, faults=[Fault("stage.pay", what="crash_before")])
        plan = rehearsal.submit([Call("stage.pay", {"account": "a"})])
        letter = rehearsal.submit([Call("stage.mail", {"account": "b"})], policy=Policy(in_doubt="end"))
        assert rehearsal.finish(plan).status == "SUCCEEDED"
        ends_of_letters.add(rehearsal.finish(letter).status)
    assert ends_of_letters == {"SUCCEEDED", "IN_DOUBT"}


# -- time and people -----------------------------------------------------------------------------------------------------------


def test_the_clock_stands_still_and_retries_come_due() -> None:
    """Nothing passes by itself; `run` lets as much pass as the next attempt needs, and no more."""
    rehearsal = Rehearsal(tools, faults=[Fault("stage.pay", what="fails")])
    plan = rehearsal.submit([Call("stage.pay", {"account": "a"})])
    rehearsal.settle_down()
    assert (rehearsal.now, rehearsal.outcome(plan)) == (0.0, None)
    rehearsal.advance(0.01)
    assert rehearsal.outcome(plan) is None
    assert rehearsal.now == 0.01
    rehearsal.advance(10)
    assert rehearsal.now == 10.01
    ended = rehearsal.outcome(plan)
    assert ended is not None
    assert ended.status == "SUCCEEDED"


def test_people_decide() -> None:
    """Approved, denied, and expired when its time is over; a decision about nothing is refused."""
    rehearsal = Rehearsal(tools)
    gift = [Call("stage.gift", {"account": "a"}, approval_seconds=60)]
    with pytest.raises(StillOpen, match=r"c0 .stage\.gift. waits for a person"):
        rehearsal.run(gift)
    yes, no, nobody = (rehearsal.submit(gift) for _ in range(3))
    rehearsal.approve(yes, "c0")
    rehearsal.deny(no, "c0", "too much")
    assert rehearsal.finish(yes).status == "SUCCEEDED"
    assert rehearsal.finish(no).results[0].error_message == "person denied it: too much"
    with pytest.raises(Refused, match="UNKNOWN_PLAN"):
        rehearsal.approve(yes, "c0")
    rehearsal.advance(61)
    assert rehearsal.finish(nobody).results[0].error_code == "APPROVAL_EXPIRED"


def test_a_plan_is_cancelled_between_two_steps() -> None:
    """Before its host has the call: nothing runs."""
    begin()
    rehearsal = Rehearsal(tools)
    plan = rehearsal.submit([Call("stage.pay", {"account": "a"})])
    while not any(isinstance(one, CallsStarted) for one in rehearsal.history):
        assert rehearsal.step()
    rehearsal.cancel(plan, "enough")
    outcome = rehearsal.finish(plan)
    assert (outcome.status, outcome.results[0].error_code) == ("CANCELLED", "CANCELLED")


def test_a_budget_is_kept() -> None:
    """An agent's, set by a person."""
    rehearsal = Rehearsal(tools)
    rehearsal.set_budget("test-agent", Budget(calls=1))
    outcome = rehearsal.run([Call("stage.look", {"account": "a"}) for _ in range(2)])
    assert sorted(str(one.error_code) for one in outcome.results) == ["BUDGET_EXCEEDED", "None"]


MODES: Final[list[tuple[Mode, Call]]] = [
    ("orchestrated", Call("stage.put", {"account": "a", "amount": 1})),
    ("hybrid", Call("stage.put", {"account": "a", "amount": 1})),
    ("choreographed", Call("stage.pay", {"account": "a"})),
]


@pytest.mark.parametrize(("mode", "asked"), MODES)
def test_a_plan_has_any_host(mode: Mode, asked: Call) -> None:
    """The agents' service hosts plans, too, and asks the coordinator for what they use."""
    begin()
    assert Rehearsal(tools).run([asked], mode=mode).status == "SUCCEEDED"


def test_versions_are_kept() -> None:
    """From plan to plan; what expects another one does nothing, and is told who wrote it."""
    rehearsal = Rehearsal(tools)
    edits = [Call("stage.edit", {"page": "7"}, expected=expected) for expected in ({}, {"page:7": 0}, {"page:7": 1})]
    first, second, third = (rehearsal.run([edit]).results[0] for edit in edits)
    assert (first.value, second.error_code, third.value) == (1, "VERSION_CONFLICT", 2)


def test_a_stale_token_is_refused() -> None:
    """Once a higher one was seen."""
    rehearsal = Rehearsal(tools)
    tokens = [Call("stage.guard", {"resource": {"resource": "printer", "token": token}}) for token in (3, 2, 3)]
    found = [rehearsal.run([one]).results[0] for one in tokens]
    assert [one.value or one.error_code for one in found] == [3, "STALE_TOKEN", 3]


def test_what_is_personal_is_sealed() -> None:
    """The tool reads it, the outcome has it, and no record says it."""
    rehearsal = Rehearsal(tools)
    ended = rehearsal.run([Call("stage.greet", {"person": "1", "name": "Ada Lovelace"})])
    assert ended.results[0].value == "Hello Ada Lovelace"
    everything = [message.value or b"" for messages in rehearsal.topics.messages.values() for message in messages]
    assert not any(b"Lovelace" in value for value in everything)


def test_a_plan_has_leases() -> None:
    """The lease service is there, and its time is the rehearsal's."""
    rehearsal = Rehearsal(tools)
    leases = PlanLeases(["shared/printer"], seconds=5)
    assert rehearsal.run([Call("stage.look", {"account": "a"})], leases=leases).status == "SUCCEEDED"
    kept = rehearsal.submit([Call("stage.gift", {"account": "a"})], leases=leases)
    with pytest.raises(StillOpen):
        rehearsal.finish(kept)
    rehearsal.advance(6)
    assert rehearsal.records("motet.leases")


# -- what a test reads ---------------------------------------------------------------------------------------------------------


def test_what_was_committed_is_readable() -> None:
    """A line a call in the plan's order, and the end's digest."""
    rehearsal = Rehearsal(tools, seed=4)
    ended = rehearsal.run(
        [Call("stage.look", {"account": "abc"}), Call("stage.refuse"), Call("stage.later", {"account": "x"})]
    )
    assert rehearsal.committed(ended).splitlines() == [
        'c0 stage.look@1 {"account":"abc"} SUCCEEDED 3',
        "c1 stage.refuse@1 {} FAILED NO: no",
        'c2 stage.later@1 {"account":"x"} SUCCEEDED "x"',
        f"FAILED {ended.history_sha256}",
    ]
    kinds = [type(one) for one in rehearsal.events(ended)]
    assert (kinds[0], kinds[-1]) == (PlanAdmitted, PlanEnded)


def test_reprs_say_what_happened() -> None:
    """A failing assertion shows them."""
    rehearsal = Rehearsal(tools, seed=3)
    rehearsal.run([Call("stage.pay", {"account": "a"}, id="first")])
    assert repr(rehearsal) == "<Rehearsal of stage: seed 3, 0 s, 4 events, 0 plans open>"
    key = next(iter(rehearsal.effects("stage.pay")))
    assert repr(rehearsal.effects("stage.pay")) == f"<effects of stage.pay: first ({key[:8]}…) 1x>"
    assert repr(Effects("stage.mail")) == "<effects of stage.mail: none>"


def test_the_same_key_is_the_same_plan() -> None:
    """Asked again it is answered again; other content under the key is refused."""
    rehearsal = Rehearsal(tools)
    asked = [Call("stage.pay", {"account": "a"})]
    first: Outcome = rehearsal.run(asked, key="k")
    again = rehearsal.run(asked, key="k")
    assert (again.status, again.repeated, again.history_sha256) == ("SUCCEEDED", True, first.history_sha256)
    assert any(isinstance(one, CommandRepeated) for one in rehearsal.history)
    assert rehearsal.run([Call("stage.pay", {"account": "b"})], key="k").reasons[0].code == "KEY_REUSED"
    assert rehearsal.effects("stage.pay").total == 1


def test_a_plan_that_is_wrong_is_rejected() -> None:
    """With every reason, as on the real platform."""
    outcome = Rehearsal(tools).run([Call("stage.nobody"), Call("stage.pay", {"account": 5})])
    assert [one.code for one in outcome.reasons] == ["UNKNOWN_TOOL", "ARGUMENTS_INVALID"]


def test_a_transactional_tool_without_a_connection_says_so() -> None:
    """It is told what to give."""
    outcome = Rehearsal(tools).run([Call("stage.enter", {"account": "a"})])
    assert "this call has no database connection" in (outcome.results[0].error_message or "")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (Rehearsal, "a rehearsal needs a toolset"),
        (lambda: Rehearsal(tools, tools), "two toolsets have one name"),
        (lambda: Fault(what="fails"), "names a tool"),
        (lambda: Fault("stage.pay", what="burns"), "a fault is crash_before"),  # type: ignore[arg-type]
        (lambda: Fault("stage.pay", attempt=0), "counted from 1"),
        (lambda: Rehearsal(tools).effects("stage.nobody"), "there is no tool 'stage.nobody' here"),
        (lambda: Rehearsal(tools).advance(-1), "time passes by 0 seconds or more"),
    ],
)
def test_a_mistake_is_told(wrong: Any, message: str) -> None:
    """In one sentence, with what to do."""
    with pytest.raises(ConfigurationError, match=message):
        wrong()


def test_what_no_service_can_handle_is_told() -> None:
    """On the real platform it would be a dead letter."""
    rehearsal = Rehearsal(tools, tenant="No tenant")
    with pytest.raises(Unhandled, match="tenant 'No tenant'"):
        rehearsal.run([Call("stage.look", {"account": "a"})])


# -- one tool ------------------------------------------------------------------------------------------------------------------


def test_a_tool_is_called_as_a_function() -> None:
    """By its name or its full name; what it returns is what a plan's caller reads, what it raises passes."""
    ledger = Ledger()
    assert call(tools, "look", {"account": "abc"}) == 3
    assert call(tools, "stage.later", {"account": "x"}) == "x"
    assert call(tools, "enter", {"account": "a"}, connection=ledger.connection, key="k") == 1
    assert ledger.rows == ["a"]
    with pytest.raises(ToolFailed, match="account"):
        call(tools, "look", {"account": 5})
    with pytest.raises(ConfigurationError, match="no database connection"):
        call(tools, "enter", {"account": "a"})
    with pytest.raises(ConfigurationError, match=r"toolset empty has no tool empty\.look; it has: none"):
        call(Toolset("empty"), "look")
