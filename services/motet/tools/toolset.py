"""A toolset: the tools that one service runs, and the tables that they share."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from motet.chassis.errors import ConfigurationError
from motet.tools.declaration import TOOL_NAME, Declaration, EffectName, check_effect
from motet.tools.tool import Tool

TOOLSET_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")

Function = TypeVar("Function", bound=Callable[..., Any])


class Toolset:
    """A name and its tools.

    `schema` is the toolset's own DDL, which the host runs at each start inside the toolset's own PostgreSQL schema: write
    statements that may run again, such as CREATE TABLE IF NOT EXISTS.
    """

    def __init__(self, name: str, schema: str | None = None) -> None:
        if not isinstance(name, str) or not TOOLSET_NAME.fullmatch(name):
            raise ConfigurationError(
                f"the toolset name {name!r} is not a lower-case letter followed by up to 39 lower-case letters, digits or hyphens"
            )
        if schema is not None and (not isinstance(schema, str) or not schema.strip()):
            raise ConfigurationError(
                f"toolset {name}: schema {schema!r} is not SQL; leave it out if there are no tables"
            )
        self.name = name
        self.schema = schema
        self._tools: dict[tuple[str, int], Tool] = {}

    @property
    def tools(self) -> tuple[Tool, ...]:
        """All tools in all versions, by name and version."""
        return tuple(self._tools[key] for key in sorted(self._tools))

    def find(self, name: str, version: int) -> Tool | None:
        """The tool of that full name and contract version, or None."""
        return self._tools.get((name, version))

    def tool(
        self,
        effect: EffectName,
        *,
        reads: Sequence[str] | str = (),
        writes: Sequence[str] | str = (),
        commutes: Sequence[str] | str = (),
        version: int = 1,
        name: str | None = None,
        timeout_seconds: float = 30.0,
        arguments_schema: Mapping[str, Any] | None = None,
        result_schema: Mapping[str, Any] | bool | None = None,
    ) -> Callable[[Function], Function]:
        """A decorator that adds a typed function, sync or async, and returns it unchanged.

        `effect` says what a crash means: "pure" may run again at will; "transactional" writes through `Context.connection` only and
        happens exactly once; "idempotent" sends `Context.key` on and may be run again with it. `reads`, `writes` and `commutes` name
        the resources a call uses, as templates over its arguments (`account:{source}`, also `{tenant}` and `{domain}`). Change the
        `version` with anything in the contract. The schemas are derived from the type hints unless given.
        """
        check_effect(f"toolset {self.name}", effect)

        def add(function: Function) -> Function:
            return self.add(
                function,
                effect,
                reads=reads,
                writes=writes,
                commutes=commutes,
                version=version,
                name=name,
                timeout_seconds=timeout_seconds,
                arguments_schema=arguments_schema,
                result_schema=result_schema,
            )

        return add

    def add(
        self,
        function: Function,
        effect: EffectName,
        *,
        reads: Sequence[str] | str = (),
        writes: Sequence[str] | str = (),
        commutes: Sequence[str] | str = (),
        version: int = 1,
        name: str | None = None,
        timeout_seconds: float = 30.0,
        arguments_schema: Mapping[str, Any] | None = None,
        result_schema: Mapping[str, Any] | bool | None = None,
    ) -> Function:
        """Adds a function that somebody else wrote; the options are those of `tool`. Returns the function."""
        function_name = self._function_name(function, name)
        declaration = Declaration(
            where=f"tool {self.name}.{function_name}",
            effect=effect,
            reads=reads,
            writes=writes,
            commutes=commutes,
            version=version,
            timeout_seconds=timeout_seconds,
            arguments_schema=arguments_schema,
            result_schema=result_schema,
        )
        tool = Tool(self.name, function_name, function, declaration)
        if (tool.name, tool.version) in self._tools:
            raise ConfigurationError(
                f"{declaration.where}: version {tool.version} exists already in this toolset; give another version or name"
            )
        self._tools[tool.name, tool.version] = tool
        return function

    def _function_name(self, function: object, name: str | None) -> str:
        if not callable(function) or inspect.isclass(function):
            raise ConfigurationError(f"toolset {self.name}: {function!r} is no function")
        chosen = getattr(function, "__name__", None) if name is None else name
        if not isinstance(chosen, str) or not TOOL_NAME.fullmatch(chosen):
            raise ConfigurationError(
                f"toolset {self.name}: the tool name {chosen!r} is not a letter followed by up to 63 letters, digits or underscores; "
                "give another with name=..."
            )
        return chosen

    def __repr__(self) -> str:
        return f"<Toolset {self.name} with {len(self._tools)} tools>"
