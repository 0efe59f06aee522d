"""One tool: a function, what its author declared, and the contract derived from both."""

from __future__ import annotations

import asyncio
import functools
import inspect
import json
from collections.abc import Callable, Mapping
from typing import Any, cast

from motet.chassis.canonical import NotCanonical, canonical_json
from motet.chassis.errors import ConfigurationError
from motet.records import EffectClass
from motet.tools.arguments import Arguments, DerivedArguments, GivenArguments, arguments_text
from motet.tools.claims import claims
from motet.tools.context import Context
from motet.tools.contract import Contract
from motet.tools.declaration import Declaration
from motet.tools.event_loop import EventLoopThread, within
from motet.tools.failure import exited
from motet.tools.results import DerivedResults, GivenResults, Results
from motet.tools.signature import read_signature

MAXIMUM_DESCRIPTION_CHARACTERS = 10_000


class Tool:
    """A function ready to be called with JSON. Raises ConfigurationError for a function that no contract can describe."""

    def __init__(
        self, toolset: str, function_name: str, function: Callable[..., Any], declaration: Declaration
    ) -> None:
        where = declaration.where
        signature = read_signature(where, function, schema_given=declaration.arguments_schema is not None)
        self.function = function
        self._wants_context = signature.wants_context
        self._arguments: Arguments = (
            DerivedArguments(where, signature)
            if declaration.arguments_schema is None
            else GivenArguments(where, signature, declaration.arguments_schema)
        )
        self._results: Results = (
            DerivedResults(where, signature.returns)
            if declaration.result_schema is None
            else GivenResults(where, declaration.result_schema)
        )
        self._contract = Contract(
            name=f"{toolset}.{function_name}",
            version=declaration.version,
            toolset=toolset,
            description=_description(where, function),
            effect=cast("EffectClass", declaration.effect.upper()),
            arguments_schema=self._arguments.schema_text,
            result_schema=self._results.schema_text,
            claims=claims(declaration, self._arguments.schema),
            timeout_seconds=float(declaration.timeout_seconds),
        )

    @property
    def name(self) -> str:
        """The full name, `toolset.function`."""
        return self._contract.name

    @property
    def version(self) -> int:
        """The contract's version."""
        return self._contract.version

    @property
    def effect(self) -> EffectClass:
        """The effect class as records write it, such as TRANSACTIONAL."""
        return self._contract.effect

    @property
    def timeout_seconds(self) -> float:
        """Limit of one attempt. For async tools `run` holds it; a sync function cannot be stopped from outside."""
        return self._contract.timeout_seconds

    def contract_fields(self) -> Contract:
        """The contract, equal in every process that has the same code and the same version of pydantic."""
        return self._contract

    def run(self, arguments: str, context: Context, loop: EventLoopThread | None = None) -> str:
        """Calls the function with a JSON text and returns its result as canonical JSON: what a host needs.

        Raises ToolFailed for arguments or results that break the contract and for an async tool beyond its limit, and whatever the
        function raises. Without a `loop` an async function gets one of its own for this call.
        """
        keywords = self._arguments.read(arguments)
        positional = (context,) if self._wants_context else ()
        try:
            answer = self.function(*positional, **keywords)
            # Asked of the answer, not of the function: a decorator may stand between the two.
            if inspect.iscoroutine(answer):
                seconds = self.timeout_seconds
                answer = asyncio.run(within(answer, seconds)) if loop is None else loop.run(answer, seconds)
        except SystemExit as error:
            # Code written for a command line ends its process; here it ends its call.
            raise exited(error) from error
        return self._results.write(answer)

    def call(self, arguments: Mapping[str, Any], context: Context, loop: EventLoopThread | None = None) -> Any:
        """As `run`, from a mapping to a JSON value: exactly what the caller of a plan would read."""
        return json.loads(self.run(arguments_text(arguments), context, loop))

    def __repr__(self) -> str:
        return f"<Tool {self.name} version {self.version}, {self.effect.lower()}>"


def _description(where: str, function: Callable[..., Any]) -> str:
    while isinstance(function, functools.partial):
        function = function.func
    text = inspect.getdoc(function) or ""
    try:
        canonical_json(text)
    except NotCanonical as error:
        raise ConfigurationError(f"{where}: its docstring cannot be published: {error}") from error
    if len(text) > MAXIMUM_DESCRIPTION_CHARACTERS:
        raise ConfigurationError(
            f"{where}: its docstring has {len(text)} characters; the limit is {MAXIMUM_DESCRIPTION_CHARACTERS}"
        )
    return text
