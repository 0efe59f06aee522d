"""A tool's result: its schema, and the step from what the function returned to JSON.

Derived from the return annotation, or given by the author as JSON Schema, against which each result is then checked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Protocol

import jsonschema_rs
from pydantic import TypeAdapter
from pydantic_core import PydanticSerializationError

from motet.chassis.canonical import NotCanonical, canonical_json
from motet.chassis.errors import ConfigurationError
from motet.tools.failure import INVALID_RESULT, ToolFailed
from motet.tools.json_schema import NO_SCHEMA, ContractSchema, canonical_schema
from motet.tools.signature import ABSENT


class Results(Protocol):
    """What both kinds offer: the schema as canonical JSON, and results as canonical JSON."""

    schema_text: str

    def write(self, result: object) -> str:
        """A result's canonical JSON. Raises ToolFailed INVALID_RESULT."""


class DerivedResults:
    """Results by the return annotation: models, dates and dataclasses become JSON as pydantic writes them."""

    def __init__(self, where: str, returns: Any) -> None:
        if returns is ABSENT:
            raise ConfigurationError(f"{where} has no return type; annotate it, with `-> None` if it returns nothing")
        try:
            self._adapter: TypeAdapter[Any] = TypeAdapter(returns)
            schema = self._adapter.json_schema(mode="serialization", schema_generator=ContractSchema)
        except NO_SCHEMA as error:
            raise ConfigurationError(
                f"{where}: its return type has no JSON Schema: {str(error).splitlines()[0]}"
            ) from error
        self.schema_text = canonical_schema(f"{where}: the schema of its result", schema)

    def write(self, result: object) -> str:
        """Refuses a result that is not of the type which the contract promises."""
        try:
            value = self._adapter.dump_python(result, mode="json", by_alias=True, warnings="error")
        except PydanticSerializationError as error:
            raise ToolFailed(f"the tool did not return what it declares: {_sentence(error)}", INVALID_RESULT) from error
        return _canonical(value)


class GivenResults:
    """Results by a schema that the author wrote."""

    def __init__(self, where: str, schema: Mapping[str, Any] | bool) -> None:
        self.schema_text = canonical_schema(f"{where}: result_schema", schema)
        self._validator = jsonschema_rs.Draft202012Validator(json.loads(self.schema_text))

    def write(self, result: object) -> str:
        """Refuses a result that breaks the schema."""
        text = _canonical(result)
        try:
            self._validator.validate(json.loads(text))
        except jsonschema_rs.ValidationError as error:
            raise ToolFailed(f"the result breaks the tool's result_schema: {error.message}", INVALID_RESULT) from error
        return text


def _canonical(value: object) -> str:
    try:
        return canonical_json(value)
    except NotCanonical as error:
        raise ToolFailed(f"the tool's result cannot be carried: {error}", INVALID_RESULT) from error


def _sentence(error: PydanticSerializationError) -> str:
    return " ".join(str(error).split())
