"""The tool `model.answer`: one request to an OpenAI-compatible endpoint, streamed, and its answer with digest, tokens and cost.

It is idempotent in Motet's sense: an intent first, and after a crash the model is asked again under the same key. Only one answer is ever
recorded, and that is the one that an agent acts on; what a second request cost is the provider's to say. While it streams, what came so far
is its progress (`motet.calls.progress`).
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic import BaseModel, ConfigDict

from motet.chassis.canonical import canonical_json, sha256_text
from motet.chassis.errors import ConfigurationError
from motet.tools import Context, ToolFailed, Toolset, TryAgain
from motet.tools.cost import Cost
from motet.tools.retry_after import retry_after

if TYPE_CHECKING:
    from openai import OpenAI

MILLION: Final = 1_000_000
# Of what came so far the end is told while it streams.
SHOWN_CHARACTERS: Final = 500
SERVER_ERROR: Final = 500
# Too slow, in each other's way, too many: what another attempt may mend.
PASSING: Final = (408, 409, 429)


@dataclass(frozen=True, slots=True)
class Price:
    """What a million tokens cost, in the tenant's currency."""

    prompt: Decimal | float | str
    completion: Decimal | float | str

    def of(self, prompt_tokens: int, completion_tokens: int) -> Decimal:
        """The cost of one answer."""
        return (Decimal(str(self.prompt)) * prompt_tokens + Decimal(str(self.completion)) * completion_tokens) / MILLION


class AskedCall(BaseModel):
    """A call that a model asked for; `arguments` is the text that it wrote, whether that is JSON or not."""

    model_config = ConfigDict(extra="forbid")

    id: str
    name: str
    arguments: str


class ModelAnswer(BaseModel):
    """A model's answer. `prompt_sha256` is the digest of the request: of two equal ones it is equal."""

    model_config = ConfigDict(extra="forbid")

    content: str | None
    tool_calls: list[AskedCall]
    finish_reason: str
    model: str
    prompt_sha256: str
    prompt_tokens: int
    completion_tokens: int


@dataclass(slots=True)
class Streamed:
    """What came of an answer up to here."""

    content: list[str] = field(default_factory=list)
    calls: dict[int, dict[str, str]] = field(default_factory=dict)
    finish_reason: str = ""
    model: str = ""
    # Those of the prompt and of the answer; None from an endpoint that does not say.
    tokens: tuple[int, int] | None = None

    def take(self, chunk: Any) -> bool:
        """The next part; whether something to read came."""
        self.model = chunk.model or self.model
        if chunk.usage is not None:
            self.tokens = chunk.usage.prompt_tokens, chunk.usage.completion_tokens
        for choice in chunk.choices[:1]:
            self.finish_reason = choice.finish_reason or self.finish_reason
            if choice.delta.content:
                self.content.append(choice.delta.content)
            for part in choice.delta.tool_calls or ():
                self.part_of_call(part)
        return bool(chunk.choices)

    def part_of_call(self, part: Any) -> None:
        """A part of a call: its id and name come first, its arguments piece by piece."""
        call = self.calls.setdefault(part.index, {"id": "", "name": "", "arguments": ""})
        call["id"] = part.id or call["id"]
        if part.function is not None:
            call["name"] += part.function.name or ""
            call["arguments"] += part.function.arguments or ""

    def answer(self, prompt_sha256: str) -> ModelAnswer:
        """The whole."""
        return ModelAnswer(
            content="".join(self.content) or None,
            tool_calls=[AskedCall(**call) for _, call in sorted(self.calls.items())],
            finish_reason=self.finish_reason,
            model=self.model,
            prompt_sha256=prompt_sha256,
            prompt_tokens=(self.tokens or (0, 0))[0],
            completion_tokens=(self.tokens or (0, 0))[1],
        )


class Endpoint:
    """An OpenAI-compatible endpoint, connected to when the first request comes. Without an address, OPENAI_BASE_URL and OPENAI_API_KEY say which."""

    def __init__(self, base_url: str | None, api_key: str | None, client: OpenAI | None) -> None:
        self.base_url, self.api_key = base_url, api_key
        self.lock = threading.Lock()
        self.made = client

    def client(self) -> OpenAI:
        """The connection. Retries are Motet's, which are events, and never the library's."""
        try:
            from openai import OpenAI, OpenAIError  # noqa: PLC0415  only where models are served
        except ModuleNotFoundError as error:
            raise ConfigurationError("openai is not installed: pip install motet[models]") from error
        with self.lock:
            if self.made is None:
                try:
                    self.made = OpenAI(base_url=self.base_url, api_key=self.api_key, max_retries=0)
                except OpenAIError as error:
                    raise ToolFailed(f"no model can be asked: {error}", code="NOT_CONFIGURED") from error
            return self.made

    def stream(self, context: Context, request: Mapping[str, Any]) -> Streamed:
        """One request, to its end. Raises TryAgain for what another attempt may mend, ToolFailed for what none will."""
        import openai  # noqa: PLC0415  as above

        out = Streamed()
        try:
            chunks = self.client().chat.completions.create(
                **request,
                stream=True,
                stream_options={"include_usage": True},
                timeout=context.running.seconds_left(),
                extra_headers={"Idempotency-Key": context.key},
            )
            for chunk in chunks:
                if out.take(chunk):
                    context.heartbeat({"text": shown(out.content)})
                if context.cancelled:
                    raise ToolFailed("nobody wants the answer any more", code="STOPPED")
                if context.running.seconds_left() == 0:
                    raise TryAgain("the answer did not end within its time", code="MODEL_AWAY")
        except openai.APIStatusError as error:
            said = f"the endpoint answered {error.status_code}: {error.message}"
            if error.status_code in PASSING or error.status_code >= SERVER_ERROR:
                delay = retry_after(error.response.headers)
                raise TryAgain(said, code="MODEL_BUSY", delay_seconds=delay) from error
            raise ToolFailed(said, code="MODEL_REFUSED") from error
        except openai.APIError as error:
            # No connection, a time-out, or an error in the middle of the stream.
            raise TryAgain(f"the endpoint did not answer: {error}", code="MODEL_AWAY") from error
        if not out.finish_reason:
            raise TryAgain("the answer broke off before its end", code="MODEL_AWAY")
        return out


def model_toolset(
    name: str = "model",
    *,
    base_url: str | None = None,
    api_key: str | None = None,
    client: OpenAI | None = None,
    prices: Mapping[str, Price] | None = None,
    timeout_seconds: float = 300.0,
    attempts: int = 5,
    at_once: int = 0,
    most_tokens: int = 0,
    most_cost: Cost = 0,
) -> Toolset:
    """A toolset with the one tool `answer`, for agents (`motet.agency.assistant`) and for plans of your own.

    `prices` by model say what an answer cost; tokens are said in any case, so that budgets count both. `at_once` answers are awaited at most.
    `most_tokens` and `most_cost` are reserved from budgets for each answer, so that a budget stops the one that might go beyond; without, it is
    noticed behind it. An endpoint that does not say its tokens takes what is reserved.
    A `client` of your own, in place of an address, should have max_retries=0.
    """
    tools = Toolset(name)
    endpoint = Endpoint(base_url, api_key, client)
    known = dict(prices or {})

    @tools.tool(
        effect="idempotent",
        timeout_seconds=timeout_seconds,
        attempts=attempts,
        at_once=at_once,
        tokens=most_tokens,
        cost=most_cost,
    )
    def answer(
        context: Context,
        model: str,
        messages: list[dict[str, Any]],
        tools: list[dict[str, Any]] | None = None,
        tool_choice: Literal["auto", "none", "required"] | None = None,
        temperature: float | None = None,
        seed: int | None = None,
        max_tokens: int | None = None,
    ) -> ModelAnswer:
        """Asks a model. `messages` and `tools` are as OpenAI's chat completions have them."""
        given = {
            "model": model,
            "messages": messages,
            "tools": tools or None,
            "tool_choice": tool_choice if tools else None,
            "temperature": temperature,
            "seed": seed,
            "max_tokens": max_tokens,
            "parallel_tool_calls": True if tools else None,
        }
        request = {key: value for key, value in given.items() if value is not None}
        streamed = endpoint.stream(context, request)
        price = known.get(streamed.model) or known.get(model)
        used = streamed.tokens
        if used is not None:
            context.spend(cost=None if price is None else rounded(price.of(*used)), tokens=sum(used))
        return streamed.answer(sha256_text(canonical_json(request)))

    return tools


def shown(content: list[str]) -> str:
    """The end of what came so far, as progress carries it."""
    return "".join(content)[-SHOWN_CHARACTERS:].encode("utf-8", "replace").decode()


def rounded(cost: Decimal) -> Decimal:
    """A cost in millionths, the smallest amount that is counted, rounded up: nothing is free."""
    return (cost * MILLION).to_integral_value(rounding="ROUND_CEILING") / MILLION
