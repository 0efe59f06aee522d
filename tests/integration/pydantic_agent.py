"""An agent on Pydantic AI that keeps its messages in a file and goes on from them; told to, it dies once its tools have run.

python pydantic_agent.py motet|alone MESSAGES WITNESS_URL TENANT [die]
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import urllib.request
from pathlib import Path
from typing import Any

from pydantic_ai import Agent, CallToolsNode
from pydantic_ai.messages import ModelMessage, ModelMessagesTypeAdapter, ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.toolsets import AbstractToolset, FunctionToolset

from motet import Client
from motet.adapters import offered
from motet.adapters.pydantic_ai import MotetToolset

KIND, FILE, WITNESS, TENANT = sys.argv[1], Path(sys.argv[2]), *sys.argv[3:5]


def charge(account: str) -> str:
    """Charges an account, as a tool does that nobody keeps from being run again."""
    asked = urllib.request.Request(f"{WITNESS}/nokey", json.dumps({"account": account}).encode(), method="POST")  # noqa: S310
    with urllib.request.urlopen(asked) as answer:  # noqa: S310
        return str(answer.status)


def model(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    """What a model would say: two calls at once, and then what it heard."""
    del info
    heard = [str(part.content) for part in messages[-1].parts if part.part_kind == "tool-return"]
    if heard:
        return ModelResponse([TextPart(f"done: {len(heard)}")])
    return ModelResponse([ToolCallPart("fault__charge", {"account": name}, f"call_{name}") for name in ("x", "y")])


def keep(messages: list[ModelMessage]) -> None:
    """Writes down what was said so far."""
    FILE.write_bytes(ModelMessagesTypeAdapter.dump_json(messages))


async def work(tools: AbstractToolset[Any], history: list[ModelMessage] | None) -> str:
    """Begins, or goes on; what was said is in the file as soon as it is known."""
    agent = Agent(FunctionModel(model), toolsets=[tools])
    async with agent.iter(None if history else "charge x and y", message_history=history) as run:
        async for node in run:
            if not isinstance(node, CallToolsNode) and len(run.all_messages()) > 1 and "die" in sys.argv:
                os.kill(os.getpid(), signal.SIGKILL)
            keep(run.all_messages())
    assert run.result is not None
    return str(run.result.output)


def main() -> None:
    """Prints what the model said in the end."""
    with Client(tenant=TENANT, domain="pydantic") as client:
        tools: AbstractToolset[Any] = FunctionToolset()
        if KIND == "motet":
            tools = MotetToolset(client, offered(client.contracts(), ["fault"]), conversation=TENANT)
        else:
            tools.tool_plain(charge, name="fault__charge")  # type: ignore[attr-defined]
        history = ModelMessagesTypeAdapter.validate_json(FILE.read_bytes()) if FILE.exists() else None
        sys.stdout.write(asyncio.run(work(tools, history)))


if __name__ == "__main__":
    main()
