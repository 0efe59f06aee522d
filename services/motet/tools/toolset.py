"""A toolset: the tools that one service runs, and the tables that they share."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, Unpack

from motet.chassis.errors import ConfigurationError
from motet.tools.compensation import misfit
from motet.tools.declaration import TOOL_NAME, Declaration, EffectName, Options, check_effect
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

    def sources(self) -> set[Path]:
        """The files in which its tools are written."""
        found = (inspect.getsourcefile(inspect.unwrap(tool.function)) for tool in self.tools)
        return {Path(file) for file in found if file is not None}

    def find(self, name: str, version: int) -> Tool | None:
        """The tool of that full name and contract version, or None."""
        return self._tools.get((name, version))

    def tool(
        self, effect: EffectName, *, name: str | None = None, **options: Unpack[Options]
    ) -> Callable[[Function], Function]:
        """A decorator that adds a typed function, sync or async, and returns it unchanged.

        `effect` says what a crash means: "pure" may run again at will; "transactional" writes through `Context.connection` only and
        happens exactly once; "idempotent" sends `Context.key` on and may be run again with it; "reconcilable" can be asked whether it
        happened; "irreversible" is never run again by itself. `reads`, `writes` and `commutes` name the resources a call uses, as
        templates over its arguments (`account:{source}`, also `{tenant}`, `{domain}` and `{tool}`). Change the `version` with anything in the
        contract. The schemas are derived from the type hints unless given. `Declaration` tells all other options.
        """
        check_effect(f"toolset {self.name}", effect)

        def add(function: Function) -> Function:
            return self.add(function, effect, name=name, **options)

        return add

    def add(
        self, function: Function, effect: EffectName, *, name: str | None = None, **options: Unpack[Options]
    ) -> Function:
        """Adds a function that somebody else wrote; the options are those of `tool`. Returns the function."""
        function_name = self._function_name(function, name)
        unknown = sorted(set(options) - Options.__optional_keys__)
        if unknown:
            raise ConfigurationError(
                f"tool {self.name}.{function_name}: there is no option {', '.join(unknown)}; there are "
                f"{', '.join(sorted(Options.__optional_keys__))}"
            )
        declaration = Declaration(where=f"tool {self.name}.{function_name}", effect=effect, **options)
        tool = Tool(self.name, function_name, function, declaration)
        if (tool.name, tool.version) in self._tools:
            raise ConfigurationError(
                f"{declaration.where}: version {tool.version} exists already in this toolset; give another version or name"
            )
        self._tools[tool.name, tool.version] = tool
        return function

    def check(self) -> None:
        """What only shows once all tools are there. Raises ConfigurationError for a compensation that could never be called."""
        for tool in self.tools:
            contract = tool.contract_fields()
            how = contract.compensation
            # Other toolsets are other services' code.
            if how is None or not how.tool.startswith(f"{self.name}."):
                continue
            undoing = [
                one for one in self.tools if one.name == how.tool and how.contract_version in (None, one.version)
            ]
            what = how.tool if how.contract_version is None else f"{how.tool} version {how.contract_version}"
            if not undoing:
                raise ConfigurationError(
                    f"tool {tool.name}: it is undone by {what}, which this toolset does not have; it has "
                    f"{', '.join(f'{one.name} version {one.version}' for one in self.tools)}"
                )
            reason = misfit(how, undoing[-1].contract_fields().arguments_schema)
            if reason is not None:
                raise ConfigurationError(f"tool {tool.name}: it is undone by {what}, and {reason}")

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
