"""Pydantic AI and the OpenAI Agents SDK themselves, with Motet's tools: a response is one plan, in its order, once."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from agents import Agent as OpenAIAgent
from agents import Runner
from agents.exceptions import UserError
from agents.run import RunConfig
from pydantic_ai import Agent
from pydantic_ai.toolsets import PrefixedToolset

from motet.adapters import Offered, offered
from motet.adapters.openai_agents import MotetTools
from motet.adapters.pydantic_ai import MotetToolset
from motet.chaos.witness import Witness
from motet.chassis.errors import ConfigurationError
from motet.client import Budget, Client, Policy
from scripted_models import OpenAIModel, pydantic_model
from world import World

AGENT: Final = Path(__file__).parent / "pydantic_agent.py"
SERVICES: Final = Path(__file__).resolve().parents[2] / "services"
# The slow one first, one that fails, and one that is quick.
CALLS: Final[tuple[tuple[str, dict[str, Any]], ...]] = (
    ("fault__charge", {"account": "slow", "query": "?delay=0.7"}),
    ("fault__compute", {"how": "fail"}),
    ("fault__compute", {}),
)


@pytest.fixture(scope="module")
def client(shared_world: World, outside: Witness) -> Iterator[Client]:
    """A client; coordinator, projector and the fault tools run."""
    shared_world.coordinator()
    shared_world.projector()
    shared_world.tools("fault_tools", WITNESS_URL=outside.url)
    with shared_world.client("frameworks") as made:
        yield made


@pytest.fixture(scope="module")
def tools(client: Client) -> list[Offered]:
    """The fault tools as models see them."""
    return offered(client.contracts(), ["fault"])


def plans(world: World, agent_calls: int) -> int:
    """How many plans of so many calls the tenant has in this domain."""
    world.await_no_lag("coordinator", "projector")
    query = "SELECT count(*) FROM motet.plans WHERE tenant = %s AND domain = 'frameworks' AND calls = %s"
    ((count,),) = world.sql(query, (world.tenant, agent_calls))
    return int(count)


# -- Pydantic AI -----------------------------------------------------------------------------------------------------------------


def pydantic_run(tools: MotetToolset, name: str, prefix: str = "") -> list[str]:
    """An agent whose model writes CALLS once; what it was told, in its order."""
    told: list[str] = []
    agent = Agent(pydantic_model(CALLS, name, told, prefix), toolsets=[tools])
    assert asyncio.run(agent.run("go")).output == "done"
    return told


def test_pydantic_ai_runs_a_response_as_one_plan(
    client: Client, tools: list[Offered], shared_world: World, outside: Witness
) -> None:
    """In the order of the calls, whoever ended first; the same response again runs nothing; a budget bounds it."""
    before, effects = plans(shared_world, len(CALLS)), len(outside.effects())
    conversation = f"pydantic-{client.tenant}"
    first = pydantic_run(MotetToolset(client, tools, conversation=conversation), "p")
    assert json.loads(first[0])["status"] == 200
    assert json.loads(first[1])["error"]["code"] == "ASKED"
    assert first[2] == '"computed"'
    assert pydantic_run(MotetToolset(client, tools, conversation=conversation), "p") == first
    assert (plans(shared_world, len(CALLS)), len(outside.effects())) == (before + 1, effects + 1)
    little = MotetToolset(client, tools, conversation="little", policy=Policy(budget=Budget(calls=1)))
    assert "BUDGET_EXCEEDED" in pydantic_run(little, f"b-{client.tenant}")[2]


def test_pydantic_ai_may_put_nothing_in_between(client: Client, tools: list[Offered]) -> None:
    """A wrapper that holds a call back would hold back nothing: its siblings run with it."""
    toolset = MotetToolset(client, tools, conversation="between")
    for wrap in (toolset.approval_required, toolset.filtered, toolset.prefixed, toolset.renamed, toolset.prepared):
        with pytest.raises(ConfigurationError, match="say approval=True in the tool's contract"):
            wrap()
    with pytest.raises(ConfigurationError, match="renamed it or changed its arguments"):
        pydantic_run(PrefixedToolset(toolset, "x"), "prefixed", "x_")  # type: ignore[arg-type]


@pytest.mark.parametrize(("kind", "effects"), [("motet", 2), ("alone", 4)])
def test_a_pydantic_ai_process_that_dies_behind_its_tools_and_goes_on(
    kind: str, effects: int, client: Client, shared_world: World, outside: Witness, tmp_path: Path
) -> None:
    """SIGKILL before what the tools brought is written down: with Motet each effect happened once, alone they happen again."""
    before = len(outside.effects())
    environment = {**os.environ, **shared_world.addresses.environment(), "PYTHONPATH": str(SERVICES)}
    command = [sys.executable, str(AGENT), kind, str(tmp_path / "messages"), outside.url, client.tenant]
    died = subprocess.run([*command, "die"], env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert len(outside.effects()) == before + 2
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "done: 2"
    assert len(outside.effects()) == before + effects


# -- OpenAI Agents SDK -----------------------------------------------------------------------------------------------------------


def openai_run(tools: MotetTools, name: str, *, hooked: bool = True) -> list[str]:
    """An agent of the SDK whose model writes CALLS once; what it was told."""
    model = OpenAIModel(CALLS, name)
    agent = OpenAIAgent("teller", tools=tools.function_tools, model=model)
    config = RunConfig(tracing_disabled=True)
    result = asyncio.run(Runner.run(agent, "go", hooks=tools if hooked else None, run_config=config))
    assert result.final_output == "done"
    return model.told


def test_the_openai_agents_sdk_runs_a_response_as_one_plan(
    client: Client, tools: list[Offered], shared_world: World, outside: Witness
) -> None:
    """As above; what was not heard of, or might be held back, is refused."""
    before, effects = plans(shared_world, len(CALLS)), len(outside.effects())
    conversation = f"openai-{client.tenant}"
    first = openai_run(MotetTools(client, tools, conversation=conversation), "o")
    assert json.loads(first[0])["status"] == 200
    assert json.loads(first[1])["error"]["code"] == "ASKED"
    assert first[2] == '"computed"'
    assert openai_run(MotetTools(client, tools, conversation=conversation), "o") == first
    assert (plans(shared_world, len(CALLS)), len(outside.effects())) == (before + 1, effects + 1)
    with pytest.raises(UserError) as refused:
        openai_run(MotetTools(client, tools, conversation=conversation), "alone", hooked=False)
    assert isinstance(refused.value.__cause__, ConfigurationError)
    assert "pass these tools as `hooks`" in str(refused.value.__cause__)
    holding = MotetTools(client, tools, conversation="holding")
    holding.function_tools[0].tool_input_guardrails = [object()]
    with pytest.raises(UserError, match="Error running tool"):
        openai_run(holding, "holding")
    assert len(outside.effects()) == effects + 1
