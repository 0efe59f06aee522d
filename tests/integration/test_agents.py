"""Agents as services: they talk with each other, ask people, survive SIGKILL, and are decided again from the log alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import pytest

from guide import typed
from motet.chassis.errors import ConfigurationError
from motet.chassis.waiting import wait_until
from motet.client import Client
from motet.client.conversations import Answer, NotHeard, tell
from motet.models.recorded import RecordedModel, read
from motet.records import SendMessage
from terminal import said, terminal
from world import World

EXAMPLES: Final = Path(__file__).resolve().parents[2] / "examples"
SECONDS: Final = 60.0


def desk(world: World, **environment: str) -> None:
    """The help desk: its tools, its agent and the specialist that this one asks."""
    world.coordinator()
    world.projector()
    world.tools(str(EXAMPLES / "desk_tools.py"))
    world.start("desk", "agents", "serve", str(EXAMPLES / "desk_agent.py"), **environment)
    world.start("estimator", "agents", "serve", str(EXAMPLES / "estimator_agent.py"))


def asked(client: Client, name: str, content: Any, **more: Any) -> Answer:
    """Tells the desk something."""
    return tell(client, "desk", content, conversation=name, timeout_seconds=SECONDS, **more)


def refunds(world: World) -> list[Any]:
    """What was paid back, by the tool's own table."""
    return world.sql("SELECT number, amount FROM tools_desk.refund WHERE tenant = %s ORDER BY number", (world.tenant,))


@pytest.mark.timeout(240)
def test_agents_fan_out_join_ask_a_person_and_stop_at_what_is_wrong(world: World) -> None:
    """Each end is in the events and in SQL; the log holds what led to it across agents and plans, and replays byte for byte."""
    desk(world)
    client = world.client()
    small = asked(client, "small", {"refund": ["1001", "1002"]}, key="s1")
    assert small == Answer(
        "small",
        ({"text": "Your money is on its way."},),
        "DONE",
        {"days": {"1001": 4, "1002": 2}, "refunded": {"1001": 30, "1002": 45}},
    )
    # The same key again: what came of it the first time, and nothing happens; without a conversation its name follows from the key.
    hello = [tell(client, "desk", "hello", key="h1", timeout_seconds=SECONDS) for _ in range(2)]
    assert hello[0] == hello[1]
    assert asked(client, "small", {"refund": ["1001", "1002"]}, key="s1") == small
    with pytest.raises(NotHeard, match="KEY_REUSED"):
        asked(client, "small", {"refund": ["1001"]}, key="s1")
    with pytest.raises(NotHeard, match="CONVERSATION_ENDED"):
        asked(client, "small", {"refund": ["1001"]})

    # Whoever began the conversation is told; the person who is asked is asked by name, in the events.
    wanted = tell(client, "desk", {"refund": ["1003"]}, conversation="large", timeout_seconds=None)
    assert wanted.outcome == "GOES_ON"
    question = (
        "SELECT content FROM motet.conversation_events WHERE tenant = %s AND conversation = 'large' AND who = 'ada'"
    )
    wait_until(lambda: bool(world.sql(question, (world.tenant,))), SECONDS, "ada is asked")
    assert world.sql(question, (world.tenant,)) == [({"approve": 900, "orders": ["1003"]},)]
    denied = asked(client, "large", {"approved": False}, sender="ada")
    assert (denied.outcome, denied.error) == ("FAILED", "DENIED: ada did not approve")

    missing = asked(client, "missing", {"refund": ["1001", "9"]})
    assert (missing.outcome, missing.error) == ("FAILED", "NO_SUCH_ORDER: there is no order 9")
    assert refunds(world) == [("1001", 30), ("1002", 45)]

    world.await_no_lag("projector")
    counted = (
        "SELECT agent, conversations, done, failed, steps, calls FROM motet.agents WHERE tenant = %s ORDER BY agent"
    )
    assert world.sql(counted, (world.tenant,)) == [("desk", 4, 1, 2, 12, 7), ("estimator", 3, 3, 0, 6, 3)]
    end = (
        "SELECT event_id FROM motet.conversation_events WHERE tenant = %s AND conversation = 'small' AND kind = 'ENDED'"
    )
    ((event_id,),) = world.sql(end, (world.tenant,))
    kinds = [kind for (kind,) in world.sql("SELECT type FROM motet.causes_of(%s)", (event_id,))]
    assert kinds.count("SubmitPlan") == kinds.count("PlanEnded") == 3
    assert kinds.count("SendMessage") == 2
    shell = terminal(world)
    try:
        story = shell.run(f"motet agents show desk small --tenant {world.tenant}")
        assert "PLAN_SUCCEEDED" in story
        assert "Your money is on its way." in story
        for module in ("desk_agent.py", "estimator_agent.py"):
            assert json.loads(shell.run(f"motet replay {EXAMPLES / module} --json"))["equal"], module
    finally:
        shell.close()


@pytest.mark.timeout(280)
@pytest.mark.parametrize("label", ["decided", "committed", "produced", "acknowledged"])
def test_an_agent_that_is_killed_goes_on_where_it_was(world: World, tmp_path: Path, label: str) -> None:
    """SIGKILL at a labelled point in the middle of eight conversations: each has one end, each effect is there once."""
    report = tmp_path / "report"
    desk(world, MOTET_CRASH_AT=f"{label}:6", MOTET_CRASH_REPORT=str(report), MOTET_BATCH_RECORDS="1")
    clients = [world.client(domain=f"d{number}") for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        going_on = [pool.submit(asked, client, "c", {"refund": ["1001", "1002"]}) for client in clients]
        assert world.running["desk"].await_end() < 0
        assert report.read_text().startswith(label)
        world.start("desk", "agents", "serve", str(EXAMPLES / "desk_agent.py"))
        ends = [one.result() for one in going_on]
    # The first of them was faster, the others were told that it was paid before: one refund for each order of the tenant.
    done = [one for one in ends if one.outcome == "DONE"]
    assert len(done) == 1
    assert all(one.outcome == "FAILED" and "REFUNDED_BEFORE" in (one.error or "") for one in ends if one not in done)
    assert refunds(world) == [("1001", 30), ("1002", 45)]
    world.await_no_lag("coordinator", "agent-desk", "agent-estimator", "projector")
    steps = world.sql(
        "SELECT agent, conversation, domain, count(*), max(step) FROM motet.conversation_events "
        "WHERE tenant = %s AND kind = 'ENDED' GROUP BY 1, 2, 3",
        (world.tenant,),
    )
    assert len(steps) == 24
    assert all(count == 1 for *_, count, _ in steps)


def test_what_is_no_message_is_answered_and_hurts_nobody(world: World) -> None:
    """Refusals with reasons, a dead letter for garbage, and the next message is taken."""
    desk(world)
    client = world.client()
    told: list[tuple[str, dict[str, Any]]] = [
        ("MISADDRESSED", {"to": "somebody"}),
        ("BAD_IDENTIFIER", {"conversation": ""}),
        ("BAD_IDENTIFIER", {"sender": "a\nb"}),
        ("NOT_JSON", {"content": "{"}),
        ("NOT_JSON", {"content": "NaN"}),
        ("TOO_LARGE", {"content": json.dumps("x" * 300_000)}),
        # Whose door may not be there, and what no table can hold.
        ("UNKNOWN_AGENT", {"sender": "nobody-x", "reply_to": "c"}),
        ("BAD_IDENTIFIER", {"caused_by": "x" * 9_000}),
        ("BAD_IDENTIFIER", {"sender": "estimator", "reply_to": "x" * 500_000}),
    ]
    fields: dict[str, Any] = {"to": "desk", "conversation": "c", "sender": "ada", "content": "1"}
    for number, (_, changed) in enumerate(told):
        message = SendMessage(idempotency_key=f"k{number}", tenant=world.tenant, domain="main", **{**fields, **changed})
        client.put("motet.messages.desk", message)
    producer = world.producer()
    producer.produce("motet.messages.desk", key=f"{world.tenant}/main", value=b"garbage")
    producer.flush(SECONDS)
    assert asked(client, "after", "hello").said == ({"text": 'write {"refund": ["1001"]}'},)
    world.await_no_lag("agent-desk", "projector")
    refused = world.sql(
        "SELECT what FROM motet.conversation_events WHERE tenant = %s AND kind = 'REFUSED' ORDER BY hlc",
        (world.tenant,),
    )
    assert [what.partition(":")[0] for (what,) in refused] == [code for code, _ in told]
    with pytest.raises(ConfigurationError, match="there is no agent 'nobody-x'"):
        tell(client, "nobody-x", 1)
    letters = world.sql(
        "SELECT code FROM motet.dead_letters WHERE tenant = %s AND service = 'agent-desk'", (world.tenant,)
    )
    assert len(letters) == 1


# -- agents that a model leads ---------------------------------------------------------------------------------------------------


@pytest.fixture
def model() -> Iterator[RecordedModel]:
    """The examples' recorded model, over real HTTP."""
    with RecordedModel(read(EXAMPLES / "model_recording.yaml").answer_to).running() as made:
        yield made


def led(world: World, model: RecordedModel, **environment: str) -> None:
    """Two agents that a model leads, and their tools."""
    world.coordinator()
    world.projector()
    world.tools(str(EXAMPLES / "desk_tools.py"))
    asking_model(world, model, **environment)
    for name in ("clerk", "estimator"):
        world.start(name, "agents", "serve", f"{EXAMPLES / 'model_agents.py'}:{name}")


def asking_model(world: World, model: RecordedModel, **environment: str) -> None:
    """The service that asks the model."""
    world.start(
        *("model", "tools", "serve", "motet.models.serving"),
        **{"OPENAI_BASE_URL": model.url, "OPENAI_API_KEY": "recorded", **environment},
    )


@pytest.mark.timeout(240)
def test_a_model_leads_an_agent_over_http_and_back(world: World, model: RecordedModel) -> None:
    """Agent, model, plan, tools, a colleague with a model of its own, model, answer: each request once, and a replay asks nobody."""
    led(world, model)
    client = world.client()
    answer = tell(client, "clerk-llm", "Refund 1001 and 1002.", sender="ada", conversation="c", timeout_seconds=SECONDS)
    text = "Both orders are refunded, 75 in all. Sending 1001 again would take about four days."
    assert (answer.said, answer.outcome, answer.result) == (({"text": text},), "DONE", {"text": text})
    assert refunds(world) == [("1001", 30), ("1002", 45)]
    last = next(one.body["messages"] for one in reversed(model.requests) if one.body["messages"][0]["role"] == "system")
    told = [(one["role"], one.get("content")) for one in last]
    assert ("tool", '{"number":"1001","paid":30}') in told
    assert ("tool", '{"text":"About 4 days."}') in told
    # A colleague's answer is heard once, as that, and is nobody's question.
    assert [one for one in last if one["role"] == "user"] == [
        {"role": "user", "name": "ada", "content": "Refund 1001 and 1002."}
    ]
    assert len(model.requests) == 5

    # A model that makes mistakes, behind an endpoint that is busy twice: attempts are events, answers are told.
    sorry = tell(client, "clerk-llm", "Refund it.", sender="bob", conversation="d", timeout_seconds=SECONDS)
    assert sorry.said == ({"text": "I could not do that."},)
    world.await_no_lag("projector")
    tried = "SELECT max(attempt) FROM motet.calls WHERE tenant = %s AND tool = 'model.answer'"
    assert world.sql(tried, (world.tenant,)) == [(3,)]
    spent = "SELECT tokens > 0 FROM motet.conversations WHERE tenant = %s AND agent = 'clerk-llm'"
    assert world.sql(spent, (world.tenant,)) == [(True,), (True,)]
    requests = len(model.requests)
    shell = terminal(world)
    try:
        for name in ("clerk", "estimator"):
            assert json.loads(shell.run(f"motet replay {EXAMPLES / 'model_agents.py'}:{name} --json"))["equal"], name
    finally:
        shell.close()
    assert len(model.requests) == requests


@pytest.mark.timeout(240)
@pytest.mark.parametrize("label", ["effect-started", "effect-done"])
def test_a_model_that_was_asked_when_its_host_died_is_asked_again_and_one_answer_counts(
    world: World, model: RecordedModel, tmp_path: Path, label: str
) -> None:
    """SIGKILL before and behind the request: the same key, one answer in the log, each refund once."""
    report = tmp_path / "report"
    led(world, model, MOTET_CRASH_AT=f"{label}:2", MOTET_CRASH_REPORT=str(report))
    client = world.client()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(
            tell, client, "clerk-llm", "Refund both.", sender="ada", conversation="c", timeout_seconds=SECONDS
        )
        assert world.running["model"].await_end() < 0
        assert report.read_text().startswith(label)
        asking_model(world, model)
        assert waiting.result().outcome == "DONE"
    assert refunds(world) == [("1001", 30), ("1002", 45)]
    keys = [one.key for one in model.requests]
    assert len(set(keys)) == 5
    assert len(keys) == (5 if label == "effect-started" else 6)


@pytest.mark.timeout(240)
def test_the_page_says_what_the_screen_says(world: World) -> None:
    """`docs/agent-services.md` as a newcomer follows it."""
    desk(world)
    shell = terminal(world)
    page = (EXAMPLES.parent / "docs" / "agent-services.md").read_text()
    commands = list(typed(page))
    assert len(commands) == 7
    try:
        for one in commands:
            printed = said(shell, one)
            assert one.says(printed), f"$ {one.command}\n{printed}\nthe page says:\n{one.output}"
    finally:
        shell.close()


@pytest.mark.timeout(200)
def test_a_conversation_whose_time_is_over_ends_whoever_it_waits_for(world: World) -> None:
    """Time is a record that comes back, so a replay sees the same end; also of one whose agent did not run when it was due."""
    agent = str(EXAMPLES.parent / "tests" / "integration" / "waiting_agent.py")
    world.projector()
    world.start("waiter", "agents", "serve", agent)
    client = world.client()
    assert tell(client, "waiter", "hello?", conversation="one", timeout_seconds=SECONDS).said == ("hello?",)
    ends = "SELECT conversation, outcome, steps FROM motet.conversations WHERE tenant = %s AND outcome <> 'GOES_ON' ORDER BY 1"
    wait_until(lambda: len(world.sql(ends, (world.tenant,))) == 1, SECONDS, "the conversation is over")
    assert tell(client, "waiter", "hello?", conversation="two", timeout_seconds=SECONDS).outcome == "GOES_ON"
    world.running["waiter"].kill()
    world.start("waiter", "agents", "serve", agent)
    wait_until(lambda: len(world.sql(ends, (world.tenant,))) == 2, SECONDS, "the other one is over")
    assert world.sql(ends, (world.tenant,)) == [("one", "LIMIT_REACHED", 2), ("two", "LIMIT_REACHED", 2)]
    with pytest.raises(NotHeard, match="CONVERSATION_ENDED"):
        tell(client, "waiter", "still there?", conversation="one", timeout_seconds=SECONDS)
    world.await_no_lag("agent-waiter", "projector")
    shell = terminal(world)
    try:
        assert json.loads(shell.run(f"motet replay {agent} --json"))["equal"]
    finally:
        shell.close()
