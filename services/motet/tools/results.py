"""A tool's result: its schema, and the step from what the function returned to JSON.

Derived from the return annotation, or given by the author as JSON Schema, against which each result is then checked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, Protocol

import jsonschema_rs
from pydantic import TypeAdapter

from motet.chassis.canonical import NotCanonical, canonical_json
from motet.chassis.errors import ConfigurationError
from motet.personal.marks import NotAsDeclared, Seal, marks, sealed
from motet.tools.failure import INVALID_RESULT, Unclear
from motet.tools.json_schema import NO_SCHEMA, ContractSchema, canonical_schema, no_schema, refuse_reference
from motet.tools.signature import ABSENT

# An error's text has the value in it, which may be personal before anybody sealed it.
UNSAID: Final = "what it returned has personal values, and is not shown"


class Results(Protocol):
    """What both kinds offer: the schema as canonical JSON, and results as canonical JSON."""

    schema_text: str

    @property
    def subjects(self) -> tuple[str, ...]:
        """Whose personal values a result may have, as templates."""

    def write(self, result: object, seal: Seal) -> str:
        """A result's canonical JSON, personal values sealed. Raises ToolFailed INVALID_RESULT."""


class DerivedResults:
    """Results by the return annotation: models, dates and dataclasses become JSON as pydantic writes them."""

    def __init__(self, where: str, returns: Any) -> None:
        if returns is ABSENT:
            raise ConfigurationError(f"{where} has no return type; annotate it, with `-> None` if it returns nothing")
        try:
            self._adapter: TypeAdapter[Any] = TypeAdapter(returns)
            schema = self._adapter.json_schema(mode="serialization", schema_generator=ContractSchema)
        except NO_SCHEMA as error:
            raise no_schema(f"{where}: its result", returns, error) from error
        if _has_set(schema):
            raise ConfigurationError(
                f"{where}: its result holds a set, whose order changes from process to process, and a history must not: return a "
                "sorted list"
            )
        self.schema_text = canonical_schema(f"{where}: the schema of its result", schema)
        self._promise = Promise(self.schema_text)

    @property
    def subjects(self) -> tuple[str, ...]:
        """As the schema says."""
        return self._promise.subjects

    def write(self, result: object, seal: Seal) -> str:
        """Refuses a result that is not of the type which the contract promises."""
        try:
            value = self._adapter.dump_python(result, mode="json", by_alias=True, warnings="error")
        # Pydantic's own error is one, and so is what it raises for a value that is too deep.
        except ValueError as error:
            said = _sentence(error) if not self._promise.subjects else UNSAID
            raise Unclear(f"the tool did not return what it declares: {said}", INVALID_RESULT) from error
        # Pydantic lets through what only validation looks at: an absent key, a word that no Literal has, a limit.
        return self._promise.keep(value, seal)


class GivenResults:
    """Results by a schema that the author wrote."""

    def __init__(self, where: str, schema: Mapping[str, Any] | bool) -> None:
        self.schema_text = canonical_schema(f"{where}: result_schema", schema)
        self._promise = Promise(self.schema_text)

    @property
    def subjects(self) -> tuple[str, ...]:
        """As the schema says."""
        return self._promise.subjects

    def write(self, result: object, seal: Seal) -> str:
        """Refuses a result that breaks the schema."""
        return self._promise.keep(result, seal)


class Promise:
    """A result's schema as the contract publishes it: what is written keeps to it, whoever wrote the function."""

    def __init__(self, schema_text: str) -> None:
        self._schema = json.loads(schema_text)
        self._validator = jsonschema_rs.Draft202012Validator(self._schema, retriever=refuse_reference)
        self.subjects = tuple(dict.fromkeys(mark["subject"] for mark in marks(self._schema)))

    def keep(self, value: object, seal: Seal) -> str:
        """A value's canonical JSON, checked as a reader will see it. Raises ToolFailed INVALID_RESULT."""
        if self.subjects:
            try:
                # As a reader sees it: a tuple is a list.
                value = sealed(self._schema, json.loads(canonical_json(value)), seal)
            except NotCanonical:
                raise Unclear(f"the tool's result cannot be carried; {UNSAID}", INVALID_RESULT) from None
            except NotAsDeclared as error:
                raise Unclear(f"the result breaks the tool's result_schema: {error}", INVALID_RESULT) from error
        try:
            text = canonical_json(value)
        except NotCanonical as error:
            raise Unclear(f"the tool's result cannot be carried: {error}", INVALID_RESULT) from error
        try:
            self._validator.validate(json.loads(text))
        except jsonschema_rs.ValidationError as error:
            place = "/".join(str(part) for part in error.instance_path)
            said = error.message if not self.subjects else UNSAID
            message = f"the result breaks the tool's result_schema at /{place}: {said}"
            raise Unclear(message, INVALID_RESULT) from error
        except ValueError as error:
            # The validator follows a value so far and no further.
            raise Unclear(f"the tool's result cannot be checked: {error}", INVALID_RESULT) from error
        return text


def _has_set(schema: object) -> bool:
    """Pydantic says `uniqueItems` of sets and of nothing else."""
    if isinstance(schema, Mapping):
        return schema.get("uniqueItems") is True or any(_has_set(part) for part in schema.values())
    return isinstance(schema, list) and any(_has_set(part) for part in schema)


def _sentence(error: ValueError) -> str:
    return " ".join(str(error).split())
