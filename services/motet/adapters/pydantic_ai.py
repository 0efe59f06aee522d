"""Pydantic AI: a toolset whose calls of one model response are one plan.

    agent = Agent(model, toolsets=[MotetToolset(client, offered(client.contracts(), ["bank"]), conversation="case-7")])

Pydantic AI calls tools one by one, at the same time; the calls of a response find each other by the run's messages. The plan's key follows from
`conversation` and from the ids of the calls, so that a run that goes on from its message history, in another process too, is told what happened.

The calls of a response run together, so nothing in between may hold one back, rename it or change it: wrappers are refused. A person's approval is the
contract's (`approval=True`), and which tools are offered is `offered(…, only)`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from pydantic import TypeAdapter
from pydantic_ai import RunContext
from pydantic_ai.messages import ModelResponse, ToolCallPart
from pydantic_ai.tools import ToolDefinition
from pydantic_ai.toolsets import AbstractToolset, ToolsetTool

from motet.adapters.together import Together
from motet.adapters.turn import Asked, Offered, Turns
from motet.chassis.errors import ConfigurationError
from motet.client import Client

# The tool's own contract is what arguments are held to, by Motet.
ANY: Final[Any] = TypeAdapter(dict[str, Any]).validator


class MotetToolset(AbstractToolset[Any]):
    """Tools for Pydantic AI's agents. `options` are those of `Turns`: policy, mode, timeout_seconds, options for `Client.submit`.

    What a model is told of a call is its result, or `{"error": {"code", "message"}}`.
    """

    def __init__(self, client: Client, tools: Sequence[Offered], *, conversation: str, **options: Any) -> None:
        self.tools = tools
        self.conversation = conversation
        self.together = Together(Turns(client, tools, **options))

    @property
    def id(self) -> str:
        """Its name among an agent's toolsets."""
        return "motet"

    async def get_tools(self, ctx: RunContext[Any]) -> dict[str, ToolsetTool[Any]]:
        """The tools as the model is offered them."""
        del ctx
        return {
            one.name: ToolsetTool(
                toolset=self,
                tool_def=ToolDefinition(
                    name=one.name, parameters_json_schema=dict(one.parameters), description=one.description
                ),
                # For arguments that are no JSON at all.
                max_retries=1,
                args_validator=ANY,
            )
            for one in self.tools
        }

    async def call_tool(
        self, name: str, tool_args: dict[str, Any], ctx: RunContext[Any], tool: ToolsetTool[Any]
    ) -> str:
        """One call, run with those that stand beside it in the model's response. Raises PlanTimeout, SubmitFailed."""
        del tool
        mine = Asked(ctx.tool_call_id or "", name, tool_args)
        found = beside(ctx, {one.name for one in self.tools}, mine)
        answer = await self.together.answer(mine.id, found, "pydantic-ai", self.conversation)
        return answer.text

    def refuse_wrapper(self, *_: Any, **__: Any) -> Any:
        """Says why there is none. Raises ConfigurationError."""
        raise ConfigurationError(
            "the calls of a response run together on Motet, so a wrapper cannot hold one back, rename it or change it: say approval=True "
            "in the tool's contract, and pick tools by offered(contracts, only)"
        )

    approval_required = filtered = prefixed = prepared = renamed = defer_loading = refuse_wrapper


def beside(ctx: RunContext[Any], names: set[str], mine: Asked) -> list[Asked]:
    """The calls of the response that a call stands in, in the order written. Raises ConfigurationError if it does not stand there as it is."""
    for message in reversed(ctx.messages):
        if isinstance(message, ModelResponse):
            parts = [one for one in message.parts if isinstance(one, ToolCallPart) and one.tool_name in names]
            asked = [Asked(one.tool_call_id, one.tool_name, one.args_as_dict()) for one in parts]
            if mine in asked:
                return asked
    raise ConfigurationError(
        f"call {mine.id!r} of {mine.name} is in no response of the model as it came here: something in between renamed it or changed its "
        "arguments, and the calls of a response run together on Motet"
    )
