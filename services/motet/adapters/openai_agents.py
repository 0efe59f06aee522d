"""OpenAI Agents SDK: function tools whose calls of one response are one plan, and the hooks that see the response.

    bank = MotetTools(client, offered(client.contracts(), ["bank"]), conversation="case-7")
    agent = Agent("teller", tools=bank.function_tools)
    await Runner.run(agent, "…", hooks=bank)

The SDK calls tools one by one, at the same time; as hooks of the run this hears of each response first, and so knows which calls belong together. A call
of which it did not hear is refused: run without the hooks, or gone on from a RunState, it would be another plan than the one that may have run.

The calls of a response run together, so nothing in between may hold one back: `needs_approval` and guardrails on these tools are refused. A person's
approval is the contract's (`approval=True`). What is raised reaches the caller of `Runner.run` as the cause of the SDK's own error.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from typing import Any

from agents import Agent, FunctionTool, ModelResponse, RunContextWrapper, RunHooks
from agents.tool_context import ToolContext
from openai.types.responses import ResponseFunctionToolCall

from motet.adapters.together import Together
from motet.adapters.turn import Asked, Offered, Turns
from motet.chassis.errors import ConfigurationError
from motet.client import Client


class MotetTools(RunHooks[Any]):
    """Tools for the SDK's agents. `options` are those of `Turns`: policy, mode, timeout_seconds, options for `Client.submit`."""

    def __init__(self, client: Client, tools: Sequence[Offered], *, conversation: str, **options: Any) -> None:
        self.tools = tools
        self.conversation = conversation
        self.together = Together(Turns(client, tools, **options))
        # By the id of a call, the calls of its response.
        self.turn_of: dict[str, list[Asked]] = {}
        # The tools of an agent.
        self.function_tools: list[Any] = [
            FunctionTool(
                one.name,
                one.description,
                dict(one.parameters),
                partial(self.invoke, one.name),
                # Strict schemas may have no optional arguments, and a contract's may.
                strict_json_schema=False,
            )
            for one in tools
        ]

    async def on_llm_end(self, context: RunContextWrapper[Any], agent: Agent[Any], response: ModelResponse) -> None:
        """A response came: these calls belong together."""
        del context, agent
        names = {one.name for one in self.tools}
        asked = [
            Asked(one.call_id, one.name, arguments_of(one.arguments))
            for one in response.output
            if isinstance(one, ResponseFunctionToolCall) and one.name in names
        ]
        self.turn_of.update((one.id, asked) for one in asked)

    async def invoke(self, name: str, context: ToolContext[Any], arguments: str) -> str:
        """One call, run with those that stand beside it. Raises PlanTimeout, SubmitFailed."""
        mine = Asked(context.tool_call_id, name, arguments_of(arguments))
        asked = self.turn_of.get(mine.id, [])
        if mine not in asked:
            raise ConfigurationError(
                f"call {mine.id!r} of {name} was not heard of as it came here: pass these tools as `hooks` to Runner.run, begin the run anew in "
                "place of going on from a RunState, and let nothing change arguments in between"
            )
        if any(one.needs_approval or one.tool_input_guardrails for one in self.function_tools):
            raise ConfigurationError(
                "the calls of a response run together on Motet, so needs_approval and guardrails cannot hold one back: say approval=True in "
                "the tool's contract"
            )
        answer = await self.together.answer(mine.id, asked, "openai-agents", self.conversation)
        return answer.text


def arguments_of(text: str) -> dict[str, Any]:
    """What a model wrote as arguments; what is no JSON object the contract refuses, with the text."""
    try:
        found = json.loads(text or "{}")
    except json.JSONDecodeError:
        found = None
    return found if isinstance(found, dict) else {"not_a_json_object": text}
