"""A JSON Schema as an Avro schema, for people who want a tool's arguments and results typed on topics of their own.

Motet's own records carry both as canonical JSON. What has no counterpart in Avro (open objects without a schema, several kinds of values that Avro
cannot tell apart, names that Avro refuses) is a string there, with `"motet.json": true`: the value's canonical JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from motet.tools.contract import Contract
from motet.tools.narrowing import REFERENCE, resolved

NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
JSON_TEXT: Final[dict[str, Any]] = {"type": "string", "motet.json": True}
# JSON has one kind of integer and one of number.
PLAIN: Final = {"null": "null", "boolean": "boolean", "integer": "long", "number": "double", "string": "string"}
DEEPEST: Final = 20


def avro_of(contract: Contract) -> dict[str, Any]:
    """Avro schemas of a contract's arguments and result, by these names; full names are `toolset.tool_vN.Arguments` and `….Result`."""
    space = f"{contract.toolset.replace('-', '_')}.{contract.name.partition('.')[2]}_v{contract.version}"
    made = {"arguments": contract.arguments_schema, "result": contract.result_schema}
    return {
        name: Form(json.loads(text), space).written(json.loads(text), name.capitalize(), 0)
        for name, text in made.items()
    }


class Form:
    """One schema, with the names that its records have."""

    def __init__(self, root: Any, space: str) -> None:
        self.root = root
        self.space = space
        self.names: set[str] = set()
        # References that are being written: what refers to itself has no end.
        self.open: set[str] = set()

    def written(self, schema: Any, name: str, depth: int) -> Any:
        """The Avro schema of a JSON Schema that stands at a place called `name`. What refers to itself is JSON text within itself."""
        reference = schema.get(REFERENCE) if isinstance(schema, Mapping) else None
        if reference is None:
            return self.form(schema, name, depth)
        if reference in self.open:
            return JSON_TEXT
        self.open.add(reference)
        try:
            return self.form(resolved(schema, self.root), name, depth)
        finally:
            self.open.discard(reference)

    def form(self, schema: Any, name: str, depth: int) -> Any:
        """The same for a schema that is no reference."""
        if not isinstance(schema, Mapping) or depth > DEEPEST:
            return JSON_TEXT
        choices = alternatives(schema)
        if choices:
            return self.union([self.written(one, name, depth + 1) for one in choices])
        if "enum" in schema:
            return self.enumeration(schema["enum"], name)
        match schema.get("type"):
            case "object":
                return self.record(schema, name, depth)
            case "array":
                return {"type": "array", "items": self.written(schema.get("items", True), f"{name}Item", depth + 1)}
            case kind:
                return PLAIN.get(str(kind), JSON_TEXT)

    def union(self, members: list[Any]) -> Any:
        """A union, if Avro can tell its members apart."""
        kinds = [one["type"] if isinstance(one, dict) else one for one in members]
        if len(set(kinds)) < len(kinds) or any(isinstance(one, list) for one in members):
            return JSON_TEXT
        # Null first, where a default of null has to stand.
        return sorted(members, key=lambda one: one != "null")

    def enumeration(self, values: list[Any], name: str) -> Any:
        """An enum of symbols that Avro takes, else a string."""
        if not all(isinstance(one, str) for one in values):
            return JSON_TEXT
        if len(set(values)) == len(values) and all(NAME.fullmatch(one) for one in values):
            return {"type": "enum", "name": self.unique(name), "symbols": values}
        return "string"

    def record(self, schema: Mapping[str, Any], name: str, depth: int) -> Any:
        """A record, a map, or JSON text for what may have any members."""
        members = schema.get("properties", {})
        others = schema.get("additionalProperties", True)
        if not members and isinstance(others, Mapping):
            return {"type": "map", "values": self.written(others, f"{name}Value", depth + 1)}
        if (not members and others is not False) or not all(NAME.fullmatch(one) for one in members):
            return JSON_TEXT
        head = {"type": "record", "name": self.unique(name), "namespace": self.space}
        fields = [self.field(schema, member, one, f"{name}_{member}", depth) for member, one in members.items()]
        return {**head, "fields": fields}

    def field(self, schema: Mapping[str, Any], member: str, one: Any, name: str, depth: int) -> dict[str, Any]:
        """A member; one that may be left out is null then."""
        written = self.written(one, name, depth + 1)
        said = resolved(one, self.root)
        made: dict[str, Any] = {"name": member}
        if isinstance(said, Mapping) and said.get("description"):
            made["doc"] = said["description"]
        if member in schema.get("required", ()):
            return {**made, "type": written}
        listed = written if isinstance(written, list) else [written]
        return {**made, "type": ["null", *(kind for kind in listed if kind != "null")], "default": None}

    def unique(self, name: str) -> str:
        """A name that no other of the schema has."""
        found, number = name, 2
        while found in self.names:
            found, number = f"{name}{number}", number + 1
        self.names.add(found)
        return found


def alternatives(schema: Mapping[str, Any]) -> list[Any]:
    """What a value may be one of, if a schema says so."""
    kinds = schema.get("type")
    if isinstance(kinds, list):
        return [{**schema, "type": kind} for kind in kinds]
    return list(schema.get("anyOf", schema.get("oneOf", ())))
