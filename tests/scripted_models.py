"""Models that write the calls that they are given into one answer, and then say that they are done: in the words of each framework."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from agents import Model, ModelResponse, Usage
from openai.types.responses import ResponseFunctionToolCall, ResponseOutputMessage, ResponseOutputText
from pydantic_ai.messages import ModelMessage, TextPart, ToolCallPart
from pydantic_ai.messages import ModelResponse as PydanticResponse
from pydantic_ai.models.function import AgentInfo, FunctionModel

Asked = Sequence[tuple[str, dict[str, Any]]]


def pydantic_model(calls: Asked, name: str, told: list[str], prefix: str = "") -> FunctionModel:
    """One for Pydantic AI; what it is told goes into `told`. Ids of calls begin with its name."""

    def answer(messages: list[ModelMessage], info: AgentInfo) -> PydanticResponse:
        del info
        heard = [str(part.content) for part in messages[-1].parts if part.part_kind == "tool-return"]
        if heard:
            told.extend(heard)
            return PydanticResponse([TextPart("done")])
        return PydanticResponse(
            [ToolCallPart(f"{prefix}{tool}", args, f"{name}-{place}") for place, (tool, args) in enumerate(calls)]
        )

    return FunctionModel(answer)


class OpenAIModel(Model):
    """One for the OpenAI Agents SDK; `told` is what it was told, and `heard` is called before it answers to that."""

    def __init__(self, calls: Asked, name: str, heard: Callable[[], None] = lambda: None) -> None:
        self.calls = calls
        self.name = name
        self.heard = heard
        self.told: list[str] = []

    async def get_response(self, system_instructions: Any, input: Any, *_: Any, **__: Any) -> ModelResponse:  # noqa: A002
        """What it says to what it heard."""
        del system_instructions
        heard = [one for one in input if isinstance(one, dict) and one.get("type") == "function_call_output"]
        if heard:
            self.heard()
            self.told = [str(one["output"]) for one in heard]
            text = ResponseOutputText(annotations=[], text="done", type="output_text")
            message = ResponseOutputMessage(
                id="m", content=[text], role="assistant", status="completed", type="message"
            )
            return ModelResponse([message], Usage(), None)
        calls = [
            ResponseFunctionToolCall(
                arguments=json.dumps(args), call_id=f"{self.name}-{place}", name=tool, type="function_call"
            )
            for place, (tool, args) in enumerate(self.calls)
        ]
        return ModelResponse([*calls], Usage(), None)

    def stream_response(self, *_: Any, **__: Any) -> Any:
        """Nobody streams here."""
        raise NotImplementedError
