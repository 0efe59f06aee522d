"""What holds wherever an agent was built: a person approves, a budget bounds, and a process that dies and is run again has no second effect."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import pytest
from agents import Agent as OpenAIAgent
from agents import Runner
from agents.run import RunConfig
from mcp import Client as McpClient
from pydantic_ai import Agent

import motet
from motet import Budget, Call, PlanFailed, Policy
from motet.adapters import Offered, offered
from motet.adapters.mcp import server
from motet.adapters.openai_agents import MotetTools
from motet.adapters.pydantic_ai import MotetToolset
from motet.chaos.witness import Witness
from motet.chassis.waiting import wait_until
from motet.client import Client
from scripted_models import Asked, OpenAIModel, pydantic_model
from world import World

SECONDS: Final = 60.0
HERE: Final = Path(__file__).resolve().parent
# Runs calls on a framework: client, tools, a name for ids and keys, the calls, a policy; what the model is told of each.
Run = Callable[[Client, list[Offered], str, Asked, Policy | None], list[str]]


@pytest.fixture(scope="module")
def client(shared_world: World, outside: Witness) -> Iterator[Client]:
    """A client; coordinator, projector and the fault tools run."""
    shared_world.coordinator()
    shared_world.projector()
    shared_world.tools("fault_tools", WITNESS_URL=outside.url)
    with shared_world.client("each") as made:
        yield made


@pytest.fixture(scope="module")
def tools(client: Client) -> list[Offered]:
    """The fault tools as models see them."""
    return offered(client.contracts(), ["fault"])


def on_pydantic_ai(client: Client, tools: list[Offered], name: str, calls: Asked, policy: Policy | None) -> list[str]:
    """Pydantic AI."""
    told: list[str] = []
    toolset = MotetToolset(client, tools, conversation=name, policy=policy)
    asyncio.run(Agent(pydantic_model(calls, name, told), toolsets=[toolset]).run("go"))
    return told


def on_openai_agents(client: Client, tools: list[Offered], name: str, calls: Asked, policy: Policy | None) -> list[str]:
    """The OpenAI Agents SDK."""
    model = OpenAIModel(calls, name)
    hooks = MotetTools(client, tools, conversation=name, policy=policy)
    agent = OpenAIAgent("teller", tools=hooks.function_tools, model=model)
    asyncio.run(Runner.run(agent, "go", hooks=hooks, run_config=RunConfig(tracing_disabled=True)))
    return model.told


def on_mcp(client: Client, tools: list[Offered], name: str, calls: Asked, policy: Policy | None) -> list[str]:
    """An MCP client beside the server of this process; each call is a plan of its own, so the budget is the agent's there."""

    async def work() -> list[Any]:
        async with McpClient(server(client, tools, conversation=name, policy=policy)) as asking:
            answers = [
                await asking.call_tool(tool, given, meta={"motet/key": f"{name}-{place}"})  # type: ignore[arg-type]
                for place, (tool, given) in enumerate(calls)
            ]
            return [one.content[0] for one in answers]

    return [one.text for one in asyncio.run(work())]


def on_nothing(client: Client, tools: list[Offered], name: str, calls: Asked, policy: Policy | None) -> list[str]:
    """Plain async Python."""
    tool_of = {one.name: one.tool for one in tools}
    asked = [Call(tool_of[tool], given) for tool, given in calls]
    try:
        results = asyncio.run(motet.gather(client, *asked, key=name, policy=policy))
    except PlanFailed as failed:
        return [json.dumps(one.as_read()) for one in failed.outcome.results]
    return [json.dumps(one) for one in results]


EACH: Final[tuple[Run, ...]] = (on_pydantic_ai, on_openai_agents, on_mcp, on_nothing)


@pytest.mark.parametrize("run", EACH, ids=lambda run: run.__name__)
def test_a_person_approves_while_the_agent_waits(
    run: Run, client: Client, tools: list[Offered], shared_world: World, outside: Witness
) -> None:
    """The call runs once a person said so, about these arguments, and the agent is told its result."""
    before = len(outside.effects())
    asked = "SELECT plan_id, call_id, arguments_sha256 FROM motet.approvals WHERE tenant = %s AND state = 'REQUESTED'"
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(
            run, client, tools, f"{run.__name__}-{client.tenant}", [("fault__wire", {"amount": 3})], None
        )
        wait_until(lambda: bool(shared_world.sql(asked, (client.tenant,))), SECONDS, "somebody is asked")
        assert len(outside.effects()) == before
        ((plan_id, call_id, digest),) = shared_world.sql(asked, (client.tenant,))
        client.direct.approve(plan_id, call_id, digest, "looks right")
        assert waiting.result(SECONDS) == ["200"]
    shared_world.await_no_lag("coordinator", "projector")
    assert len(outside.effects()) == before + 1


@pytest.mark.parametrize("run", [one for one in EACH if one is not on_mcp], ids=lambda run: run.__name__)
def test_a_budget_bounds_what_an_answer_may_do(run: Run, client: Client, tools: list[Offered]) -> None:
    """The first call has its share, the second is told that there is none."""
    name = f"little-{run.__name__}-{client.tenant}"
    told = run(client, tools, name, [("fault__compute", {})] * 2, Policy(budget=Budget(calls=1)))
    assert "computed" in told[0]
    assert "BUDGET_EXCEEDED" in told[1]


def test_an_agents_budget_bounds_what_an_mcp_client_may_do(
    shared_world: World, client: Client, tools: list[Offered]
) -> None:
    """Each of its calls is a plan, so the budget is that of the agent that asks, over all of them."""
    del client
    with shared_world.client("mcp-budget") as mine:
        mine.direct.set_budget(mine.agent, Budget(calls=2))
        told = on_mcp(mine, tools, f"mcp-budget-{mine.tenant}", [("fault__compute", {})] * 3, None)
    assert [("computed" in one, "BUDGET_EXCEEDED" in one) for one in told] == [
        (True, False),
        (True, False),
        (False, True),
    ]


@pytest.mark.parametrize(("kind", "effects"), [("motet", 2), ("alone", 4)])
@pytest.mark.parametrize("framework", ["gather", "openai"])
def test_a_process_that_dies_behind_its_tools_and_is_run_again(
    framework: str, kind: str, effects: int, client: Client, shared_world: World, outside: Witness
) -> None:
    """SIGKILL once the tools have run: with Motet each effect happened once, alone they happen again."""
    before = len(outside.effects())
    environment = {
        **os.environ,
        **shared_world.addresses.environment(),
        "PYTHONPATH": os.pathsep.join([str(HERE.parents[1] / "services"), str(HERE.parent)]),
    }
    command = [sys.executable, str(HERE / "asking_agent.py"), framework, kind, outside.url, client.tenant]
    died = subprocess.run([*command, "die"], env=environment, capture_output=True, text=True, check=False, timeout=90)
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert len(outside.effects()) == before + 2
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=90)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "done: 2"
    assert len(outside.effects()) == before + effects
