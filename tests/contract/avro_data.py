"""Data that a schema allows, drawn from the schema."""

from __future__ import annotations

from typing import Any, Final

from hypothesis import strategies as st

PRIMITIVES: Final[dict[str, st.SearchStrategy[Any]]] = {
    "null": st.none(),
    "boolean": st.booleans(),
    "int": st.integers(-(2**31), 2**31 - 1),
    "long": st.integers(-(2**63), 2**63 - 1),
    "double": st.floats(allow_nan=False),
    "bytes": st.binary(max_size=8),
    "string": st.text(max_size=8),
}


def data_of(schema: Any) -> st.SearchStrategy[Any]:
    """Any datum of a parsed schema (nested types are written out; a name stands for one that came before)."""
    return Drawing().of(schema)


class Drawing:
    """Knows the named types that it met."""

    def __init__(self) -> None:
        self.named: dict[str, st.SearchStrategy[Any]] = {}

    def of(self, schema: Any) -> st.SearchStrategy[Any]:
        """Data of one type."""
        if isinstance(schema, list):
            return st.one_of([self.of(branch) for branch in schema])
        kind = schema["type"] if isinstance(schema, dict) else schema
        if kind in PRIMITIVES:
            return PRIMITIVES[kind]
        if kind == "array":
            return st.lists(self.of(schema["items"]), max_size=3)
        if kind == "enum":
            return self.keep(schema, st.sampled_from(schema["symbols"]))
        if kind == "record":
            fields = {field["name"]: self.of(field["type"]) for field in schema["fields"]}
            return self.keep(schema, st.fixed_dictionaries(fields))
        return self.named[kind]

    def keep(self, schema: Any, strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        """Remembers a named type."""
        self.named[schema["name"]] = strategy
        return strategy
