"""How a call is undone: another tool, with arguments from the call and its result."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from motet.chassis.canonical import NotCanonical, canonical_json
from motet.chassis.errors import ConfigurationError
from motet.records import Compensation as Record

ARGUMENT: Final = "$argument"
RESULT: Final = "$result"
# Contract versions are Avro ints.
MAXIMUM_VERSION: Final = 2**31 - 1

# A tool's name, alone or behind that of its toolset: `toolset.TOOLSET_NAME` and `declaration.TOOL_NAME`.
TOOL: Final = re.compile(r"([a-z][a-z0-9-]{0,39}\.)?[A-Za-z][A-Za-z0-9_]{0,63}")
# RFC 6901: `~` stands only before 0 and 1.
POINTER: Final = re.compile(r"(/([^~]|~[01])*)?", re.DOTALL)


def argument(name: str) -> dict[str, str]:
    """Stands for an argument of the call that is undone."""
    return {ARGUMENT: name}


def result(pointer: str = "") -> dict[str, str]:
    """Stands for the result of the call that is undone, or the part of it at a JSON Pointer (RFC 6901) such as `/id`."""
    return {RESULT: pointer}


class Compensation:
    """The tool that undoes a call, `function` of the same toolset or `toolset.function`, and its arguments.

        @tools.tool(effect="transactional", compensation=Compensation("refund", account=argument("source"), entry=result("/entry")))

    Arguments are JSON, in which `argument(...)` and `result(...)` may stand anywhere. `version` is that of the tool's contract; without
    one it is the newest when the plan is admitted.
    """

    def __init__(self, tool: str, /, version: int | None = None, **arguments: Any) -> None:
        self.tool = tool
        self.version = version
        self.arguments = arguments

    def record(self, where: str, toolset: str, properties: Mapping[str, Any]) -> Record:
        """As the contract has it; `properties` are the tool's own arguments. Raises ConfigurationError."""
        if not isinstance(self.tool, str) or not TOOL.fullmatch(self.tool):
            raise ConfigurationError(
                f"{where}: its compensation names {self.tool!r}; give a function of the same toolset, or toolset.function"
            )
        if self.version is not None and not _is_version(self.version):
            raise ConfigurationError(
                f"{where}: the version {self.version!r} of its compensation is not an integer from 1 to {MAXIMUM_VERSION}"
            )
        for kind, value in _references(self.arguments):
            if kind == ARGUMENT and value not in properties:
                there_are = ", ".join(properties) or "none"
                raise ConfigurationError(
                    f"{where}: its compensation takes the argument {value!r}, which the tool does not have; it has {there_are}"
                )
            if kind == RESULT and not POINTER.fullmatch(value):
                raise ConfigurationError(
                    f"{where}: its compensation takes the result at {value!r}, which is no JSON Pointer (RFC 6901): "
                    'write "" for all of it, "/id" for a part'
                )
        try:
            text = canonical_json(self.arguments)
        except NotCanonical as error:
            raise ConfigurationError(f"{where}: the arguments of its compensation are no JSON: {error}") from error
        return Record(self.tool if "." in self.tool else f"{toolset}.{self.tool}", self.version, text)

    def __repr__(self) -> str:
        return f"<Compensation {self.tool}>"


def misfit(compensation: Record, arguments_schema: str) -> str | None:
    """Why the tool with that arguments schema can never take a compensation's arguments; None if it can."""
    given = set(json.loads(compensation.arguments))
    schema = json.loads(arguments_schema)
    taken = schema.get("properties", {})
    missing = sorted(set(schema.get("required", ())) - given)
    if missing:
        return f"it needs {', '.join(missing)}, which is not given"
    unknown = sorted(given - set(taken))
    if unknown and schema.get("additionalProperties") is False:
        return f"it does not take {', '.join(unknown)}; it takes {', '.join(taken) or 'nothing'}"
    return None


def _is_version(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MAXIMUM_VERSION


def _references(template: Any) -> Iterator[tuple[str, str]]:
    """What stands for an argument or a result, as the coordinator finds it: an object of that one name, with a text."""
    if isinstance(template, Mapping):
        (name, value), *more = [*template.items()] or [(None, None)]
        if not more and name in (ARGUMENT, RESULT) and isinstance(value, str):
            yield name, value
            return
        for part in template.values():
            yield from _references(part)
    elif isinstance(template, list | tuple):
        for part in template:
            yield from _references(part)
