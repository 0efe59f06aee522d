"""What a step of a conversation comes to: the agent's decision, its limits, and what others hear of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from motet import Agent, AgentLimits, Ask, Call, Decision, Done, Fail, Message, Plan, PlanDone, Policy, Say, Send
from motet.agency.conversation import Conversation, OpenPlan
from motet.agency.stepping import Step, out_of_time, step
from motet.chassis.errors import ConfigurationError
from motet.client import Budget, Outcome
from motet.plan import plan_id_of
from motet.records import Amounts


@dataclass
class Seen:
    """A state."""

    heard: list[str] = field(default_factory=list)


def agent(decide: Callable[[Seen, Any], Decision], **options: Any) -> Agent[Seen]:
    """An agent with one function for everything."""
    made = Agent("clerk", state=Seen, **options)
    made.on_message(decide)
    made.on_plan()(decide)
    return made


def talk(one: Agent[Any], *, reply_to: str | None = None) -> Conversation:
    """A conversation that ada, or an agent, began."""
    return Conversation("acme", "shop", "c1", one.first, "ada" if reply_to is None else "boss", reply_to, "corr", 9_000)


def told(content: Any = "hello") -> Message:
    """A message."""
    return Message("ada", content, "c1", 1_000)


def ended(label: str) -> PlanDone:
    """A plan's end."""
    return PlanDone(label, Outcome("p", "SUCCEEDED", (), (), None, repeated=False), "c1", 2_000)


def after(decide: Callable[[Seen, Any], Decision], heard: Any = None, **options: Any) -> tuple[Step, Conversation]:
    """One step of a new conversation."""
    one = agent(decide, **options)
    conversation = talk(one)
    return step(one, conversation, heard or told()), conversation


def deciding(*actions: Any) -> Callable[[Seen, Any], Decision]:
    """A function that always decides the same."""
    return lambda case, _: (case, *actions)


def no_text() -> Any:
    """What an author may hand on without looking: a result's error code that is not there."""
    return None


def deciding_nothing(case: Seen, heard: Message) -> Decision:
    """Tells the boss something."""
    return case, Send("boss", heard.content)


def look(label: str = "look", calls: int = 1, **more: Any) -> Plan:
    """A plan."""
    return Plan(label, [Call("desk.find", {"number": str(number)}) for number in range(calls)], **more)


def test_a_decision_is_the_new_state_and_what_is_to_be_done_in_order() -> None:
    """The state is JSON; plans have keys that follow from conversation and step; said is to whoever began it."""
    made, conversation = after(lambda case, heard: (Seen([*case.heard, heard.content]), look(), Say("one moment")))
    assert json.loads(conversation.state) == {"heard": ["hello"]}
    assert (made.outcome, conversation.steps, conversation.calls) == ("GOES_ON", 1, 1)
    assert [(one.to, one.content, one.conversation) for one in made.said] == [("ada", '"one moment"', None)]
    ((label, plan),) = made.plans
    assert (label, plan.agent, plan.tenant, plan.domain, plan.workflow) == ("look", "clerk", "acme", "shop", "clerk@1")
    assert len(plan.idempotency_key) == 64


@given(st.lists(st.text(max_size=5), max_size=6))
def test_a_state_is_a_fold_over_what_was_heard(words: list[str]) -> None:
    """The same words give the same state, the same plans and the same row, however often."""

    def decide(case: Seen, heard: Message) -> Decision:
        return Seen([*case.heard, heard.content]), look(), Ask("bob", heard.content)

    def run() -> tuple[str, list[str]]:
        one = agent(decide)
        conversation, plans = talk(one), []
        for word in words:
            made = step(one, conversation, told(word))
            plans += [plan_id_of(plan) for _, plan in made.plans]
            conversation = Conversation.of_row(*conversation.place, conversation.row())
        return conversation.row(), plans

    (row, plans), again = run(), run()
    assert (row, plans) == again
    assert len(set(plans)) == len(words)
    assert json.loads(json.loads(row)["state"])["heard"] == words


def test_a_row_keeps_everything() -> None:
    """Also what is open, allowed and spent."""
    conversation = talk(agent(lambda case, _: case), reply_to="b7")
    conversation.open = {"p1": OpenPlan("look", Amounts(None, 5, 6, None), Amounts(1, 2, 3, 4))}
    conversation.spent, conversation.outcome, conversation.traceparent = Amounts(1, 2, None, 4), "DONE", "00-a-b-01"
    assert Conversation.of_row(*conversation.place, conversation.row()) == conversation


@pytest.mark.parametrize(
    ("decide", "said"),
    [
        (lambda _case, _heard: 1 / 0, "ZeroDivisionError: division by zero"),
        (lambda case, _heard: (case, "look"), "which is no action"),
        (lambda _case, _heard: {"heard": 7}, "a state that is none"),
        (lambda case, _heard: (case, Done(), Say("more")), "Say stands behind the end"),
        (lambda case, _heard: (case, look("a"), look("a")), "two plans of one step have one label"),
        (lambda case, _heard: (case, Send("boss", "hi")), "it may not tell 'boss'"),
        (lambda case, _heard: (case, Fail(no_text(), "why")), "a code is no text"),
        (lambda case, _heard: (case, Ask("", "what?")), "a person is empty"),
        (lambda case, _heard: (case, Plan(no_text(), [])), "a plan's label is no text"),
        (lambda case, _heard: (case, Say(float("nan"))), "what it says is no JSON"),
        (lambda case, _heard: (case, Plan("x", [Call("a.b", {"n": float("inf")})])), "plan x: call 0 (a.b)"),
    ],
)
def test_what_is_no_decision_ends_the_conversation_and_nothing_of_it_happens(
    decide: Callable[[Seen, Any], Decision], said: str
) -> None:
    """The reason is in the log, the state is as it was, and the process goes on."""
    made, conversation = after(decide)
    assert made.outcome == conversation.outcome == "FAILED"
    assert made.error is not None
    assert made.error.code == "DECISION_FAILED"
    assert said in made.error.message
    assert not made.plans
    assert json.loads(conversation.state) == {"heard": []}


def test_a_plan_that_nobody_has_a_function_for_ends_the_conversation() -> None:
    """It names the label."""
    one = Agent("clerk", state=Seen)
    one.on_message(lambda case, _: case)
    one.on_plan("look")(lambda case, _: case)
    assert step(one, talk(one), ended("look")).outcome == "GOES_ON"
    made = step(one, talk(one), ended("pay"))
    assert made.error is not None
    assert "no function for the plan 'pay'" in made.error.message


@pytest.mark.parametrize(
    ("limits", "actions", "said"),
    [
        ({"calls": 3}, (look(calls=4),), "4 calls in conversation c1; the limit is 3 calls"),
        ({"open_plans": 1}, (look("a"), look("b")), "2 plans at once; the limit is 1"),
        ({"state_bytes": 5}, (), "its state has 12 bytes as JSON; the limit is 5"),
        ({"content_bytes": 5}, (Say("too long"),), "it says 10 bytes; the limit is 5"),
    ],
)
def test_each_limit_ends_the_conversation_and_is_named(limits: dict[str, int], actions: Any, said: str) -> None:
    """With the value and the limit; at the limit itself it goes on."""
    made, _ = after(deciding(*actions), limits=AgentLimits(**limits))
    assert (made.outcome, made.plans) == ("LIMIT_REACHED", [])
    assert made.error is not None
    assert said in made.error.message
    at = {name: {"calls": 4, "open_plans": 2, "state_bytes": 12, "content_bytes": 10}[name] for name in limits}
    assert after(deciding(*actions), limits=AgentLimits(**at))[0].outcome == "GOES_ON"


def test_steps_are_limited() -> None:
    """The step beyond it is the last."""
    one = agent(lambda case, _: case, limits=AgentLimits(steps=2))
    conversation = talk(one)
    ends = [step(one, conversation, told()).outcome for _ in range(3)]
    assert ends == ["GOES_ON", "GOES_ON", "LIMIT_REACHED"]


def test_what_is_left_is_shared_by_the_plans_of_a_step() -> None:
    """What was spent and what open plans may still take counts; a plan's own tighter budget stays."""
    one = agent(
        lambda case, _: (case, look("a"), look("b", policy=Policy(budget=Budget(tokens=7, calls=1)))),
        limits=AgentLimits(tokens=100, cost="0.50"),
    )
    conversation = talk(one)
    conversation.spent = Amounts(None, 100_000, 10, None)
    conversation.open["p"] = OpenPlan("other", Amounts(None, 200_000, 30, None))
    made = step(one, conversation, told())
    budgets = [plan.policy.budget for _, plan in made.plans]
    assert budgets == [Amounts(None, 100_000, 30, None), Amounts(1, 100_000, 7, None)]
    conversation.spent = replace(conversation.spent, tokens=70)
    made = step(one, conversation, told())
    assert made.error is not None
    assert "tokens of conversation c1: 100 of 100 are spent, or may be" in made.error.message


def test_an_agent_that_began_a_conversation_hears_how_it_ends() -> None:
    """The result, or an error; not twice if something was said instead of a result."""
    ends: list[tuple[Decision, list[str]]] = [
        ((Done({"days": 3}),), ['{"days":3}']),
        ((Say("soon"), Done()), ['"soon"']),
        ((Say("soon"), Done("soon")), ['"soon"']),
        ((Say("soon"), Done("late")), ['"soon"', '"late"']),
        ((Done(),), ["null"]),
        ((Fail("NO", "not here"),), ['{"error":{"code":"NO","message":"not here"}}']),
    ]
    for actions, said in ends:
        one = agent(deciding(*actions))
        made = step(one, talk(one, reply_to="b7"), told())
        assert [(found.to, found.conversation) for found in made.said] == [("boss", "b7")] * len(said)
        assert [found.content for found in made.said] == said


def test_several_messages_of_a_step_are_several_conversations() -> None:
    """Unless one is named."""
    made, _ = after(
        lambda case, _: (case, Send("boss", 1), Send("boss", 2), Send("boss", 3, conversation="here")), tells=["boss"]
    )
    first, second, here = (one.conversation for one in made.said)
    assert here == "here"
    assert len({first, second}) == 2
    assert first is not None
    assert len(first) == 32
    # Another agent's conversation of the same name, at the same step, has others.
    other = Agent("other", state=Seen, tells=["boss"])
    other.on_message(deciding_nothing)
    (said,) = step(other, talk(other), told()).said
    assert said.conversation not in (first, second)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Agent("Clerk", state=dict), "is not a lower-case letter"),
        (lambda: Agent("clerk", state=dict, tells=["no good"]), "the agent name 'no good'"),
        (lambda: Agent("clerk", state=object), "cannot begin or be kept as JSON"),
        (lambda: AgentLimits(steps=0), "steps 0 is not an integer from 1"),
        (lambda: AgentLimits(cost=0), "cost 0 is no amount above 0"),
        (lambda: AgentLimits(seconds=0), "seconds 0 is not above 0 and up to 31536000"),
        (lambda: AgentLimits(cost="abc"), "cost 'abc' is no amount above 0"),
        (lambda: AgentLimits(cost="0.0000001"), "of a millionth at least"),
        (lambda: Agent("clerk", state=set[str]), "its state has a set"),
        (lambda: Agent("clerk", state=dict).check(), "has no function for messages"),
        (lambda: agent(lambda case, _: case).on_message(lambda case, _: case), "has a function for messages already"),
    ],
)
def test_a_wrong_declaration_says_what_is_wrong(make: Callable[[], Any], said: str) -> None:
    """Where it is made."""
    with pytest.raises(ConfigurationError, match=said):
        make()


def test_an_agent_decides_and_does_nothing_itself() -> None:
    """A coroutine is refused where it is declared."""

    async def decide(case: Seen, heard: Message) -> Seen:
        del heard
        return case

    with pytest.raises(ConfigurationError, match="decides nothing"):
        Agent("clerk", state=Seen).on_message(decide)


def test_a_conversation_that_lasted_for_too_long_ends_and_whoever_asked_hears_of_it() -> None:
    """Whatever it waits for: a plan, an agent, a person."""
    one = agent(deciding(look()), limits=AgentLimits(seconds=60))
    conversation = talk(one, reply_to="b7")
    step(one, conversation, told())
    made = out_of_time(one, conversation)
    assert (made.outcome, conversation.outcome, conversation.steps) == ("LIMIT_REACHED", "LIMIT_REACHED", 2)
    assert made.error is not None
    assert "has lasted for 60 s, which is its limit" in made.error.message
    assert [said.conversation for said in made.said] == ["b7"]


def test_a_step_that_no_record_could_carry_ends_the_conversation() -> None:
    """By its number of things said, and by their size with what the asker is told at the end."""
    made, _ = after(lambda case, _: (case, *(Say(number) for number in range(501))))
    assert made.error is not None
    assert "one step says 501 things; the limit is 500" in made.error.message
    large = "x" * 400_000
    one = agent(deciding(Say(f"1{large}"), Done(f"2{large}")), limits=AgentLimits(content_bytes=500_000))
    made = step(one, talk(one, reply_to="b7"), told())
    assert made.error is not None
    assert "the limit is 1000000" in made.error.message
    # Whoever asked hears of it all the same.
    assert [said.conversation for said in made.said] == ["b7"]


@given(st.text(min_size=1, max_size=200).filter(str.isprintable))
def test_any_name_that_a_conversation_may_have_makes_plans_that_are_admitted(name: str) -> None:
    """Keys of plans are digests, whatever stands in the name."""
    one = agent(deciding(look()))
    conversation = replace(talk(one), name=name)
    ((_, plan),) = step(one, conversation, told()).plans
    assert len(plan.idempotency_key) == 64
