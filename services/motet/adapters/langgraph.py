"""LangGraph: a node in place of `ToolNode`.

    node = MotetToolNode(client, offered(client.contracts(), ["bank"]))
    model = chat_model.bind_tools(schemas(node.tools))
    builder.add_node("tools", node)

`ToolNode` runs the calls of a message in threads, and runs all of them again when a node is run again. Here they are one plan, whose key follows
from the thread and from the message: what conflicts takes turns, results come in the order of the calls, and a graph that goes on from a
checkpoint after its process died is told what happened instead of doing it once more. A call that a person must approve holds the node for
`timeout_seconds`; then PlanTimeout is raised, and the node run again waits on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage, ToolMessage
from langchain_core.runnables import Runnable, RunnableConfig

from motet.adapters.turn import Answered, Asked, Offered, Turns
from motet.chassis.errors import ConfigurationError
from motet.client import Client


class MotetToolNode(Runnable[Any, Any]):
    """Takes what `ToolNode` takes: a state with messages, or a list of them, of which the last is a model's; returns its ToolMessages.

    `options` are those of `Turns`: policy, mode, timeout_seconds, options for `Client.submit`.
    """

    def __init__(
        self, client: Client, tools: Sequence[Offered], *, messages_key: str = "messages", **options: Any
    ) -> None:
        self.turns = Turns(client, tools, **options)
        self.messages_key = messages_key
        self.name = "tools"

    @property
    def tools(self) -> Sequence[Offered]:
        """What it runs, for `schemas`."""
        return self.turns.tools

    def invoke(self, input: Any, config: RunnableConfig | None = None, **_: Any) -> Any:  # noqa: A002  LangChain's name
        """Runs the calls of the last message. Raises PlanTimeout, SubmitFailed, and ConfigurationError if it is no model's."""
        message = self.last(input)
        return self.output(input, self.turns.run(asked_in(message), *conversation(message, config)))

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **_: Any) -> Any:  # noqa: A002  LangChain's name
        """The same, awaited."""
        message = self.last(input)
        return self.output(input, await self.turns.run_async(asked_in(message), *conversation(message, config)))

    def last(self, state: Any) -> AIMessage:
        """The message whose calls are to be run."""
        found = state if isinstance(state, list) else of_state(state, self.messages_key)
        if not found or not isinstance(found[-1], AIMessage):
            what = "no message" if not found else f"a {type(found[-1]).__name__}"
            raise ConfigurationError(
                f"the last of {self.messages_key!r} is to be an AIMessage with tool calls; it is {what}"
            )
        last: AIMessage = found[-1]
        return last

    def output(self, state: Any, answers: Sequence[Answered]) -> Any:
        """The answers in the form in which the messages came."""
        messages = [
            ToolMessage(one.text, tool_call_id=one.id, name=one.name, status="success" if one.succeeded else "error")
            for one in answers
        ]
        return messages if isinstance(state, list) else {self.messages_key: messages}


def of_state(state: Any, key: str) -> Sequence[AnyMessage]:
    """The messages of a state, which is a mapping or an object."""
    found: Sequence[AnyMessage] = state.get(key, ()) if isinstance(state, dict) else getattr(state, key, ())
    return found


def asked_in(message: AIMessage) -> list[Asked]:
    """The calls of a message, in the order in which the model wrote them."""
    return [
        Asked(one["id"] or f"call-{place}", one["name"], one["args"]) for place, one in enumerate(message.tool_calls)
    ]


def conversation(message: AIMessage, config: RunnableConfig | None) -> tuple[str, ...]:
    """What makes a turn this one: the thread of the checkpoints, and the message."""
    configurable = (config or {}).get("configurable", {})
    return "langgraph", str(configurable.get("thread_id", "")), message.id or ""
