"""LangGraph itself, with Motet in place of its ToolNode: order, mistakes, approvals, budgets, and a process that dies in the middle."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langgraph.graph import START, MessagesState, StateGraph

from motet.adapters import offered, schemas
from motet.adapters.langgraph import MotetToolNode
from motet.adapters.turn import TurnRefused
from motet.chaos.witness import Witness
from motet.chassis.errors import ConfigurationError
from motet.chassis.waiting import wait_until
from motet.client import Budget, Client, PlanTimeout, Policy
from world import World

SECONDS: Final = 40.0
AGENT: Final = Path(__file__).parent / "langgraph_agent.py"
SERVICES: Final = Path(__file__).resolve().parents[2] / "services"


@pytest.fixture(scope="module")
def client(shared_world: World, outside: Witness) -> Iterator[Client]:
    """A client; coordinator, projector and the fault tools run."""
    shared_world.coordinator()
    shared_world.projector()
    shared_world.tools("fault_tools", WITNESS_URL=outside.url)
    with shared_world.client("graph") as made:
        yield made


def node_of(client: Client, **options: Any) -> MotetToolNode:
    """The node under test."""
    return MotetToolNode(client, offered(client.contracts(), ["fault"]), **options)


def answer(*calls: tuple[str, dict[str, Any]], thread: str) -> AIMessage:
    """What a model wrote."""
    wanted = [{"name": name, "args": args, "id": f"{thread}-{place}"} for place, (name, args) in enumerate(calls)]
    return AIMessage("", tool_calls=wanted, id=f"message-{thread}")


def run(node: MotetToolNode, message: AIMessage, thread: str) -> list[ToolMessage]:
    """A graph of this one node."""
    builder = StateGraph(MessagesState)
    builder.add_node("tools", node)
    builder.add_edge(START, "tools")
    state = builder.compile().invoke(
        {"messages": [HumanMessage("go"), message]}, {"configurable": {"thread_id": thread}}
    )
    found: list[ToolMessage] = state["messages"][2:]
    return found


def test_results_come_in_the_order_of_the_calls(client: Client) -> None:
    """The slow one first; what fails and what does not exist says so, and costs the others nothing."""
    message = answer(
        ("fault__charge", {"account": "slow", "query": "?delay=0.7"}),
        ("fault__compute", {"how": "fail"}),
        ("fault__invented", {}),
        ("fault__compute", {}),
        thread=f"order-{client.tenant}",
    )
    node = node_of(client)
    told = run(node, message, "order")
    assert [one.tool_call_id for one in told] == [one["id"] for one in message.tool_calls]
    assert [one.status for one in told] == ["success", "error", "error", "success"]
    assert json.loads(str(told[0].content))["status"] == 200
    assert json.loads(str(told[1].content))["error"] == {"code": "ASKED", "message": "it was asked to fail"}
    assert "there is no function 'fault__invented'" in str(told[2].content)
    assert told[3].content == '"computed"'
    assert {one["function"]["name"] for one in schemas(node.tools)} >= {"fault__charge", "fault__compute"}


def test_the_same_message_again_runs_nothing(client: Client, outside: Witness) -> None:
    """Also awaited: whoever runs the node again is told the first end, byte for byte."""
    message = answer(("fault__charge", {"account": "again"}), thread=f"again-{client.tenant}")
    before, node = len(outside.effects()), node_of(client)
    first = run(node, message, "again")
    config: Any = {"configurable": {"thread_id": "again"}}
    second = asyncio.run(node.ainvoke({"messages": [message]}, config))["messages"]
    listed = node.invoke([message], config)
    assert [one.content for one in first] == [one.content for one in second] == [one.content for one in listed]
    assert len(outside.effects()) == before + 1
    # In another thread it is another turn.
    run(node, message, "another")
    assert len(outside.effects()) == before + 2


def test_arguments_that_break_a_contract_run_nothing_and_say_what_is_wrong(client: Client, outside: Witness) -> None:
    """A model reads it, and asks again."""
    before = len(outside.effects())
    message = answer(("fault__charge", {"account": "good"}), ("fault__wire", {"amount": "much"}), thread="bad")
    told = [json.loads(str(one.content))["error"] for one in run(node_of(client), message, f"bad-{client.tenant}")]
    assert [one["code"] for one in told] == ["NOT_RUN", "ARGUMENTS_INVALID"]
    assert "amount" in told[1]["message"]
    assert len(outside.effects()) == before


def test_a_person_approves_while_the_graph_waits_or_before_it_is_run_again(client: Client, shared_world: World) -> None:
    """A node that gave up waiting raises, and the same turn asked again has the result."""
    message, thread = answer(("fault__wire", {"amount": 3}), thread="wire"), f"wire-{client.tenant}"
    with pytest.raises(PlanTimeout, match="it goes on"):
        run(node_of(client, timeout_seconds=0.5), message, thread)
    told: list[ToolMessage] = []
    waiting = threading.Thread(target=lambda: told.extend(run(node_of(client), message, thread)))
    waiting.start()
    asked = "SELECT plan_id, arguments_sha256 FROM motet.approvals WHERE tenant = %s AND state = 'REQUESTED'"
    wait_until(lambda: bool(shared_world.sql(asked, (client.tenant,))), SECONDS, "somebody is asked")
    ((plan_id, arguments_sha256),) = shared_world.sql(asked, (client.tenant,))
    client.direct.approve(plan_id, "c0", arguments_sha256, "looks right")
    waiting.join(SECONDS)
    assert [(one.content, one.status) for one in told] == [("200", "success")]


def test_a_budget_bounds_what_an_answer_may_do(client: Client) -> None:
    """The first call has its share, the second is told that there is none."""
    message = answer(("fault__compute", {}), ("fault__compute", {}), thread="budget")
    told = run(node_of(client, policy=Policy(budget=Budget(calls=1))), message, f"budget-{client.tenant}")
    assert [one.status for one in told] == ["success", "error"]
    assert "BUDGET_EXCEEDED" in str(told[1].content)


def test_the_same_turn_with_other_options_is_refused_and_no_model_hears_of_it(client: Client) -> None:
    """A model would ask again under new ids: whoever changed the options reads why."""
    message, thread = answer(("fault__compute", {}), thread="options"), f"options-{client.tenant}"
    run(node_of(client), message, thread)
    with pytest.raises(TurnRefused, match=r"KEY_REUSED: .* the agent's name, policy, mode"):
        run(node_of(client, policy=Policy(deadline_seconds=50)), message, thread)


def test_what_is_no_message_of_a_model_is_said(client: Client) -> None:
    """With what was found in its place."""
    with pytest.raises(ConfigurationError, match="AIMessage with tool calls; it is a HumanMessage"):
        node_of(client).invoke({"messages": [HumanMessage("hello")]})
    with pytest.raises(ConfigurationError, match="it is no message"):
        node_of(client).invoke([])


@pytest.mark.parametrize(("kind", "effects"), [("motet", 2), ("alone", 4)])
def test_a_process_that_dies_behind_its_tools_and_goes_on(
    kind: str, effects: int, client: Client, shared_world: World, outside: Witness, tmp_path: Path
) -> None:
    """SIGKILL between the effects and the checkpoint: with Motet each happened once; with ToolNode alone they happen again."""
    before = len(outside.effects())
    environment = {**os.environ, **shared_world.addresses.environment(), "PYTHONPATH": str(SERVICES)}
    command = [sys.executable, str(AGENT), kind, str(tmp_path / "checkpoints"), outside.url, client.tenant]
    died = subprocess.run([*command, "die"], env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert len(outside.effects()) == before + 2
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert [one for one, _ in told] == ["human", "ai", "tool", "tool", "ai"]
    assert told[-1] == ["ai", "done"]
    assert len(outside.effects()) == before + effects
