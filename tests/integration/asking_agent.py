"""An agent without a framework, or on the OpenAI Agents SDK, that is run again from its beginning; told to, it dies once its tools have run.

python asking_agent.py gather|openai motet|alone WITNESS_URL TENANT [die]
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import urllib.request
from typing import Any

from agents import Agent, FunctionTool, Runner
from agents.run import RunConfig

import motet
from motet import Call, Client
from motet.adapters import offered
from motet.adapters.openai_agents import MotetTools
from scripted_models import OpenAIModel

FRAMEWORK, KIND, WITNESS, TENANT = sys.argv[1:5]
ACCOUNTS = ("x", "y")


def charge(account: str) -> str:
    """Charges an account, as a tool does that nobody keeps from being run again."""
    asked = urllib.request.Request(f"{WITNESS}/nokey", json.dumps({"account": account}).encode(), method="POST")  # noqa: S310
    with urllib.request.urlopen(asked) as answer:  # noqa: S310
        return str(answer.status)


def die() -> None:
    """The machine loses its power, if it was told to."""
    if "die" in sys.argv:
        os.kill(os.getpid(), signal.SIGKILL)


async def gathered(client: Client) -> int:
    """Plain async Python."""
    if KIND == "motet":
        calls = [Call("fault.charge", {"account": account}) for account in ACCOUNTS]
        results = await motet.gather(client, *calls, key=f"gathered-{TENANT}")
    else:
        results = list(await asyncio.gather(*(asyncio.to_thread(charge, account) for account in ACCOUNTS)))
    die()
    return len(results)


async def openai(client: Client) -> int:
    """The OpenAI Agents SDK. The model gives the same answer to the same question, as a recorded one does, ids and all."""
    model = OpenAIModel([("fault__charge", {"account": account}) for account in ACCOUNTS], "call", heard=die)
    hooks: Any = None
    if KIND == "motet":
        hooks = MotetTools(client, offered(client.contracts(), ["fault"]), conversation=f"openai-{TENANT}")
        tools = hooks.function_tools
    else:

        async def invoke(context: Any, arguments: str) -> str:
            del context
            return await asyncio.to_thread(charge, json.loads(arguments)["account"])

        schema = {"type": "object", "properties": {"account": {"type": "string"}}, "required": ["account"]}
        tools = [FunctionTool("fault__charge", "Charges.", schema, invoke, strict_json_schema=False)]
    agent = Agent("teller", tools=tools, model=model)
    await Runner.run(agent, "charge x and y", hooks=hooks, run_config=RunConfig(tracing_disabled=True))
    return len(model.told)


def main() -> None:
    """Prints how many results there were."""
    with Client(tenant=TENANT, domain="asking") as client:
        work = gathered if FRAMEWORK == "gather" else openai
        sys.stdout.write(f"done: {asyncio.run(work(client))}")


if __name__ == "__main__":
    main()
