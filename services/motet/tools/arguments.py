"""A tool's arguments: their schema, and the step from JSON to what the function takes.

Two kinds: derived from the function's type hints, where values arrive typed (a model, a date), or given by the author as JSON
Schema, where they arrive as JSON has them, the coordinator having checked them against that schema.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, create_model

from motet.chassis.canonical import NotCanonical, canonical_json
from motet.chassis.errors import ConfigurationError
from motet.tools.failure import INVALID_ARGUMENTS, ToolFailed
from motet.tools.json_schema import NO_SCHEMA, ContractSchema, canonical_schema, no_schema
from motet.tools.signature import ABSENT, Argument, Signature

MAXIMUM_REPORTED_ERRORS = 10
MAXIMUM_REPORTED_CHARACTERS = 80


class Arguments(Protocol):
    """What both kinds offer. `schema` is a JSON Schema, `schema_text` the same as canonical JSON."""

    schema: Mapping[str, Any]
    schema_text: str

    def read(self, text: str) -> dict[str, Any]:
        """The function's keyword arguments from a JSON text. Raises ToolFailed INVALID_ARGUMENTS."""


class DerivedArguments:
    """Arguments by type hints: exactly those that the function has, nothing converted that JSON tells apart."""

    def __init__(self, where: str, signature: Signature) -> None:
        for argument in signature.arguments:
            _check_argument(where, argument)
        # Names of fields are ours and the arguments are aliases, so that an argument may be called `schema` or `model_config`.
        self._names = {f"argument_{index}": argument.name for index, argument in enumerate(signature.arguments)}
        fields: dict[str, Any] = {
            field: _field(argument) for field, argument in zip(self._names, signature.arguments, strict=True)
        }
        config = ConfigDict(extra="forbid", arbitrary_types_allowed=False)
        try:
            self._model: type[BaseModel] = create_model("Arguments", __config__=config, **fields)
            self._model.model_rebuild()
            schema = self._model.model_json_schema(schema_generator=ContractSchema)
        except NO_SCHEMA as error:
            # Each has one by itself, so it is what they are together.
            raise no_schema(f"{where}: its arguments together", "of all arguments", error) from error
        schema.pop("title", None)
        schema.setdefault("properties", {})
        self.schema: Mapping[str, Any] = schema
        self.schema_text = canonical_schema(f"{where}: the schema of its arguments", schema)

    def read(self, text: str) -> dict[str, Any]:
        """Strict as JSON is: "5" is no integer and 1 no boolean, but a date is written as text."""
        try:
            values = self._model.__pydantic_validator__.validate_json(text, strict=True).__dict__
        except ValidationError as error:
            raise ToolFailed(_reasons(error, self.schema), INVALID_ARGUMENTS) from error
        return {name: values[field] for field, name in self._names.items()}


class GivenArguments:
    """Arguments by a schema that the author wrote; the function takes them by name or as `**kwargs`."""

    def __init__(self, where: str, signature: Signature, schema: Mapping[str, Any]) -> None:
        if schema.get("type") != "object":
            raise ConfigurationError(
                f'{where}: arguments_schema must say "type": "object"; it says {schema.get("type")!r}'
            )
        self.schema_text = canonical_schema(f"{where}: arguments_schema", schema)
        self.schema: Mapping[str, Any] = json.loads(self.schema_text)
        _check_fit(where, signature, self.schema)

    def read(self, text: str) -> dict[str, Any]:
        """The arguments as they came."""
        try:
            values = json.loads(text)
        except ValueError as error:
            raise ToolFailed(f"the arguments are not JSON: {error}", INVALID_ARGUMENTS) from error
        if not isinstance(values, dict):
            raise ToolFailed(f"the arguments are {_short(values)}, not a JSON object", INVALID_ARGUMENTS)
        return values


def arguments_text(arguments: Mapping[str, Any]) -> str:
    """Arguments as the canonical JSON that a call carries. Raises ToolFailed INVALID_ARGUMENTS."""
    try:
        return canonical_json(dict(arguments))
    except NotCanonical as error:
        raise ToolFailed(f"the arguments cannot be carried: {error}", INVALID_ARGUMENTS) from error


def _check_argument(where: str, argument: Argument) -> None:
    """Each argument by itself, so that the message can name it."""
    place = f"{where}: the argument {argument.name!r}"
    if argument.hint is ABSENT:
        raise ConfigurationError(f"{place} has no type hint")
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(argument.hint)
        adapter.json_schema(schema_generator=ContractSchema)
    except NO_SCHEMA as error:
        raise no_schema(place, argument.hint, error) from error
    if argument.required:
        return
    try:
        adapter.validate_python(argument.default, strict=True)
    except ValidationError as error:
        raise ConfigurationError(
            f"{place} has the default {_short(argument.default)}, which is not of its type: {error.errors()[0]['msg']}"
        ) from error


def _field(argument: Argument) -> tuple[Any, Any]:
    if argument.required:
        return argument.hint, Field(alias=argument.name)
    return argument.hint, Field(default=argument.default, alias=argument.name)


def _check_fit(where: str, signature: Signature, schema: Mapping[str, Any]) -> None:
    """A call that the schema lets through must not fail for the function's parameters."""
    properties = set(schema.get("properties", {}))
    always = set(schema.get("required", ()))
    taken = {argument.name for argument in signature.arguments}
    missing = sorted(
        argument.name for argument in signature.arguments if argument.required and argument.name not in always
    )
    if missing:
        raise ConfigurationError(
            f"{where} needs {', '.join(missing)}, which arguments_schema does not list as required"
        )
    if signature.accepts_any:
        return
    unknown = sorted(properties - taken)
    if unknown:
        raise ConfigurationError(f"{where} does not take {', '.join(unknown)}, which arguments_schema lets through")
    if schema.get("additionalProperties") is not False and schema.get("unevaluatedProperties") is not False:
        raise ConfigurationError(
            f'{where}: arguments_schema lets other arguments through than the function takes; add "additionalProperties": false, '
            "or take **kwargs"
        )


def _reasons(error: ValidationError, schema: Mapping[str, Any]) -> str:
    problems = error.errors(include_url=False, include_context=False)
    reasons = []
    for problem in problems[:MAXIMUM_REPORTED_ERRORS]:
        place = ".".join(str(part) for part in problem["loc"]) or "arguments"
        # What a missing argument was given is the whole object, which says nothing.
        given = "" if problem["type"] == "missing" else f", not {_short(problem['input'])}"
        reasons.append(f"{place}: {problem['msg']}{given}")
    if len(problems) > MAXIMUM_REPORTED_ERRORS:
        reasons.append(f"and {len(problems) - MAXIMUM_REPORTED_ERRORS} more")
    if any(problem["type"] in ("missing", "extra_forbidden") for problem in problems):
        reasons.append(f"the arguments are: {', '.join(schema['properties']) or 'none'}")
    return "; ".join(reasons)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= MAXIMUM_REPORTED_CHARACTERS else text[: MAXIMUM_REPORTED_CHARACTERS - 1] + "…"
