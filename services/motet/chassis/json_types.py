"""Which JSON types a schema lets through, as far as it says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping


def kinds_of(schema: object, definitions: Mapping[str, object], seen: frozenset[str] = frozenset()) -> Iterator[str]:
    """The JSON types that a schema lets through, `definitions` being its $defs; `anything` where it does not say."""
    if not isinstance(schema, Mapping):
        yield "anything"
    elif "type" in schema:
        yield from [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
    elif "const" in schema:
        yield kind_of_value(schema["const"])
    elif "enum" in schema:
        yield from map(kind_of_value, schema["enum"])
    elif "$ref" in schema:
        name = str(schema["$ref"]).rpartition("/")[2]
        if name in seen or name not in definitions:
            yield "anything"
        else:
            yield from kinds_of(definitions[name], definitions, seen | {name})
    else:
        yield from kinds_of_parts(schema, definitions, seen)


def kinds_of_parts(
    schema: Mapping[str, object], definitions: Mapping[str, object], seen: frozenset[str]
) -> Iterator[str]:
    """Those of the branches of a schema."""
    found = schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf")
    parts: Iterable[object] = found if isinstance(found, list) else (None,)
    for part in parts:
        yield from kinds_of(part, definitions, seen)


def kind_of_value(value: object) -> str:
    """The JSON type of a value."""
    if value is None:
        return "null"
    names = {bool: "boolean", int: "integer", str: "string", float: "number", dict: "object", list: "array"}
    return names.get(type(value), "anything")
