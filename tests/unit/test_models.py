"""A model that leads an agent: what it reads, what is done of what it asks for, and its answer as an effect."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

import pytest
from openai import OpenAI

from motet import (
    Agent,
    AgentLimits,
    Context,
    Done,
    Fail,
    Message,
    Plan,
    PlanDone,
    Say,
    Send,
    ToolFailed,
    Toolset,
    TryAgain,
)
from motet.agency.actions import Action
from motet.chassis.canonical import canonical_json
from motet.chassis.errors import ConfigurationError
from motet.client import CallOutcome, Outcome
from motet.models import Price, assistant, model_toolset
from motet.models.assistant import Transcript
from motet.models.recorded import RecordedAnswer, RecordedModel, Recording, read
from motet.records import Amounts, Reason
from motet.tools.running import Running

tools: Final = Toolset("bank")


@tools.tool(effect="pure")
def look(account: str) -> int:
    """Looks an account up."""
    return len(account)


CLERK: Final = assistant("clerk", model="m", instructions="Be brief.", tools=[tools], colleagues={"boss": "Decides."})


def told(content: Any, sender: str = "ada", reply_to: str | None = None) -> Message:
    """A message."""
    return Message(sender, content, "c1", 0, reply_to)


def ended(label: str, *values: Any, status: Any = "SUCCEEDED", reasons: tuple[Reason, ...] = ()) -> PlanDone:
    """A plan's end with the results of its calls."""
    results = tuple(
        CallOutcome(f"c{place}", "t", "SUCCEEDED", canonical_json(value), None, None, None)
        for place, value in enumerate(values)
    )
    return PlanDone(label, Outcome("p", status, results, reasons, None, repeated=False), "c1", 0)


def answer(content: str | None, *calls: tuple[str, str, str]) -> PlanDone:
    """A model's answer."""
    asked = [{"id": one, "name": name, "arguments": arguments} for one, name, arguments in calls]
    return ended("model", {"content": content, "tool_calls": asked})


def fold(agent: Agent[Transcript], *heard: Any) -> tuple[dict[str, Any], tuple[Action, ...]]:
    """The state behind all that was heard, and what the last of it led to."""
    state = agent.first
    actions: tuple[Action, ...] = ()
    for one in heard:
        state, actions = agent.decide(state, one)
    return json.loads(state), actions


def read_by_model(actions: tuple[Action, ...]) -> list[dict[str, Any]]:
    """What the model is asked next."""
    (plan,) = actions
    assert isinstance(plan, Plan)
    assert (plan.label, plan.calls[0].tool) == ("model", "model.answer")
    messages: list[dict[str, Any]] = plan.calls[0].arguments["messages"]
    return messages


def test_a_message_goes_to_the_model_with_who_said_it_and_what_it_may_do() -> None:
    """Instructions first; functions are tools and colleagues."""
    _, actions = fold(CLERK, told({"text": "How much?"}, sender="ada w."))
    assert read_by_model(actions) == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "How much?", "name": "ada_w_"},
    ]
    (plan,) = actions
    assert isinstance(plan, Plan)
    names = [one["function"]["name"] for one in plan.calls[0].arguments["tools"]]
    assert names == ["bank__look", "ask__boss"]


def test_the_calls_of_an_answer_are_one_plan_in_the_order_written_and_colleagues_are_asked_beside_it() -> None:
    """The model hears every answer in its order once all are there, whoever answered first."""
    calls = (
        ("a", "bank__look", '{"account":"x"}'),
        ("b", "ask__boss", '{"text":"May I?"}'),
        ("c", "bank__look", '{"account":"yy"}'),
    )
    heard = [told("How much?"), answer(None, *calls)]
    _, (plan, send) = fold(CLERK, *heard)
    assert isinstance(plan, Plan)
    assert [(one.tool, one.arguments) for one in plan.calls] == [
        ("bank.look", {"account": "x"}),
        ("bank.look", {"account": "yy"}),
    ]
    assert isinstance(send, Send)
    assert (send.to, send.content) == ("boss", {"text": "May I?"})
    answers = [ended("tools", 1, 2), told({"text": "yes"}, "boss", reply_to=send.conversation)]
    for order in (answers, answers[::-1]):
        assert fold(CLERK, *heard, order[0])[1] == ()
        _, actions = fold(CLERK, *heard, *order)
        assert read_by_model(actions)[-3:] == [
            {"role": "tool", "tool_call_id": "a", "content": "1"},
            {"role": "tool", "tool_call_id": "b", "content": '{"text":"yes"}'},
            {"role": "tool", "tool_call_id": "c", "content": "2"},
        ]
    _, end = fold(CLERK, *heard, *answers, answer("Three."))
    assert end == (Say({"text": "Three."}), Done({"text": "Three."}))


def test_a_models_mistakes_cost_it_an_answer_and_nobody_else_anything() -> None:
    """A function that is not there, and arguments that are no JSON: told so beside the result of the good call."""
    calls = (("a", "bank__steal", "{}"), ("b", "bank__look", '{"account":'), ("c", "bank__look", '{"account":"x"}'))
    _, (plan,) = fold(CLERK, told("?"), answer(None, *calls))
    assert isinstance(plan, Plan)
    # What is no JSON the contract refuses, with the text.
    assert [one.arguments for one in plan.calls] == [{"not_a_json_object": '{"account":'}, {"account": "x"}]
    reasons = (Reason("ARGUMENTS_INVALID", "account is missing", "c0"),)
    _, actions = fold(CLERK, told("?"), answer(None, *calls), ended("tools", status="REJECTED", reasons=reasons))
    said = [json.loads(one["content"])["error"]["code"] for one in read_by_model(actions)[-3:]]
    assert said == ["UNKNOWN_TOOL", "ARGUMENTS_INVALID", "NOT_RUN"]
    _, actions = fold(CLERK, told("?"), answer(None, calls[0]))
    assert json.loads(read_by_model(actions)[-1]["content"])["error"]["code"] == "UNKNOWN_TOOL"


def test_calls_without_ids_of_their_own_get_some_and_each_has_its_result() -> None:
    """An endpoint that gives none, or one twice; in another turn they are others, and so are colleagues' conversations."""
    twice = answer(
        None, ("", "bank__look", '{"account":"x"}'), ("", "bank__look", '{"account":"yy"}'), ("", "ask__boss", "{}")
    )
    state, (_, first) = fold(CLERK, told("?"), twice)
    ids = [one["id"] for one in state["asked"]]
    assert len(set(ids)) == 3
    assert isinstance(first, Send)
    heard = [told("?"), twice, ended("tools", 1, 2), told("no", "boss", reply_to=first.conversation)]
    _, actions = fold(CLERK, *heard)
    assert [one["content"] for one in read_by_model(actions)[-3:]] == ["1", "2", '"no"']
    state, (_, second) = fold(CLERK, *heard, twice)
    assert isinstance(second, Send)
    assert not set(ids) & {one["id"] for one in state["asked"]}
    assert first.conversation != second.conversation


def test_a_tool_that_is_gone_when_the_plan_ends_shifts_no_result() -> None:
    """What was a mistake was decided when the calls were asked for."""
    calls = (("a", "bank__look", '{"account":"x"}'), ("b", "bank__steal", "{}"))
    state, _ = CLERK.decide(CLERK.first, told("?"))
    state, _ = CLERK.decide(state, answer(None, *calls))
    later = assistant("clerk", model="m", tools=[], colleagues={"boss": "Decides."})
    _, actions = later.decide(state, ended("tools", 7))
    messages = read_by_model(actions)
    assert messages[-2]["content"] == "7"
    assert json.loads(messages[-1]["content"])["error"]["code"] == "UNKNOWN_TOOL"


def test_an_answer_of_nothing_is_an_answer() -> None:
    """Endpoints take no message without a content, so a chat could not go on."""
    chat = assistant("chat", model="m", chat=True)
    _, (plan,) = fold(chat, told("hi"), answer(None), told("and?"))
    assert [one["content"] for one in read_by_model((plan,))] == ["hi", "", "and?"]


def test_another_instruction_is_another_code() -> None:
    """What leads an agent stands in no file of functions."""
    one, other = (assistant("clerk", model="m", instructions=said) for said in ("be brief", "be long"))
    assert one.fingerprint != other.fingerprint
    assert one.fingerprint == assistant("clerk", model="m", instructions="be brief").fingerprint


def test_what_no_model_can_mend_ends_the_conversation() -> None:
    """A plan that is refused for something else, and a model that gives no answer."""
    calls = (("a", "bank__look", '{"account":"x"}'),)
    refusal = ended("tools", status="REJECTED", reasons=(Reason("KEY_REUSED", "so it is", None),))
    _, (end,) = fold(CLERK, told("?"), answer(None, *calls), refusal)
    assert isinstance(end, Fail)
    assert end.code == "PLAN_REFUSED"
    failed = ended("model", status="REJECTED", reasons=(Reason("UNKNOWN_TOOL", "no model.answer", "c0"),))
    _, (end,) = fold(CLERK, told("?"), failed)
    assert end == Fail("MODEL_FAILED", "UNKNOWN_TOOL: no model.answer")


def test_what_is_said_meanwhile_is_read_next() -> None:
    """While an answer or calls are awaited; and an answer that came before it is no end."""
    state, actions = fold(CLERK, told("one"), told("two"))
    assert (actions, [one["content"] for one in state["later"]]) == ((), ["two"])
    _, (said, plan) = fold(CLERK, told("one"), told("two"), answer("first"))
    assert said == Say({"text": "first"})
    assert [one["content"] for one in read_by_model((plan,))[1:]] == ["one", "first", "two"]


def test_a_chat_goes_on_after_an_answer() -> None:
    """Until somebody ends it."""
    chat = assistant("chat", model="m", chat=True, temperature=0)
    _, actions = fold(chat, told("hi"), answer("hello"))
    assert actions == (Say({"text": "hello"}),)
    _, (plan,) = fold(chat, told("hi"), answer("hello"), told("and?"))
    assert isinstance(plan, Plan)
    assert plan.calls[0].arguments == {
        "model": "m",
        "temperature": 0,
        "messages": [
            {"role": "user", "content": "hi", "name": "ada"},
            {"role": "assistant", "content": "hello"},
            {"role": "user", "content": "and?", "name": "ada"},
        ],
    }


# -- the model's answer as an effect, over HTTP ----------------------------------------------------------------------------------

RECORDING: Final = Recording.model_validate(
    {
        "answers": {
            "*": [
                {
                    "content": "Let me see what there is.",
                    "tool_calls": [{"name": "f", "arguments": {"x": "é"}}, {"name": "g"}],
                },
                {"content": "busy", "status": 503, "times": 1},
                {"content": "no", "status": 400, "times": 9},
            ]
        }
    }
)


@pytest.fixture
def endpoint() -> Iterator[RecordedModel]:
    """A recorded model."""
    with RecordedModel(RECORDING.answer_to).running() as made:
        yield made


def asked(endpoint: RecordedModel, before: int, running: Running | None = None) -> Any:
    """Asks it, with so many answers before."""
    messages = [{"role": "user", "content": "?"}, *[{"role": "assistant", "content": "x"}] * before]
    arguments = {"model": "m", "messages": messages, "tools": [{"type": "function", "function": {"name": "f"}}]}
    with OpenAI(base_url=endpoint.url, api_key="k", max_retries=0) as client:
        (tool,) = model_toolset(client=client, prices={"m": Price("2.50", 10)}).tools
        return tool.call(arguments, Context.for_testing(key="7" * 64, running=running or Running(30.0)))


def test_an_answer_is_streamed_and_recorded_whole_with_digest_tokens_and_cost(endpoint: RecordedModel) -> None:
    """What came so far is progress; the key goes along; what it cost is rounded up to a millionth."""
    said: list[str] = []
    running = Running(30.0, heard=said.append)
    found = asked(endpoint, 0, running)
    assert found["content"] == "Let me see what there is."
    assert [(one["name"], json.loads(one["arguments"])) for one in found["tool_calls"]] == [
        ("f", {"x": "é"}),
        ("g", {}),
    ]
    assert found["finish_reason"] == "tool_calls"
    assert json.loads(said[-1]) == {"text": "Let me see what there is."}
    assert len({*said}) > 1
    tokens = found["prompt_tokens"], found["completion_tokens"]
    cost = -(-(tokens[0] * 250 + tokens[1] * 1_000) // 100)
    assert running.spent == Amounts(None, cost, sum(tokens), None)
    assert [one.key for one in endpoint.requests] == ["7" * 64]
    assert asked(endpoint, 0) == found


def test_a_busy_endpoint_is_asked_again_and_one_that_refuses_is_not(endpoint: RecordedModel) -> None:
    """By the tool's contract, as attempts that are events: the library itself tries nothing again."""
    with pytest.raises(TryAgain, match="503"):
        asked(endpoint, 1)
    assert asked(endpoint, 1)["content"] == "busy"
    assert len(endpoint.requests) == 2
    with pytest.raises(ToolFailed, match="400"):
        asked(endpoint, 2)
    with pytest.raises(ToolFailed, match="no answer 4"):
        asked(endpoint, 3)


def test_an_endpoint_that_is_away_is_asked_again(endpoint: RecordedModel) -> None:
    """Nothing listens there."""
    with OpenAI(base_url="http://127.0.0.1:9/v1", api_key="k", max_retries=0) as client:
        (tool,) = model_toolset(client=client).tools
        with pytest.raises(TryAgain, match="did not answer"):
            tool.call({"model": "m", "messages": []}, Context.for_testing(running=Running(5.0)))
    assert not endpoint.requests


def test_a_recording_that_is_none_says_where(tmp_path: Any) -> None:
    """A misspelt key, no YAML, no file."""
    path = tmp_path / "r.yaml"
    for text, said in (
        ("answers: {a: [{contents: x}]}", "contents"),
        ("answers: [", "is no recording"),
        (None, "cannot be read"),
    ):
        path.unlink(missing_ok=True)
        if text is not None:
            path.write_text(text)
        with pytest.raises(ConfigurationError, match=said):
            read(path)
    assert RecordedAnswer(content="x").status == 200


def test_a_tool_may_not_look_like_a_colleague() -> None:
    """And limits are the agent's."""
    other = Toolset("ask")
    other.add(look, "pure")
    with pytest.raises(ConfigurationError, match="begins with ask__"):
        assistant("clerk", model="m", tools=[other])
    assert assistant("clerk", model="m", limits=AgentLimits(steps=3)).limits.steps == 3
