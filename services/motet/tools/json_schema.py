"""JSON Schema 2020-12 from type hints, the same text in every process, and the checks on schemas that authors give."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, NoReturn, get_args

import jsonschema_rs
from pydantic.errors import PydanticInvalidForJsonSchema, PydanticSchemaGenerationError, PydanticUserError
from pydantic.json_schema import GenerateJsonSchema

from motet.chassis.canonical import NotCanonical, canonical_json
from motet.chassis.errors import ConfigurationError

MAXIMUM_SCHEMA_CHARACTERS = 100_000
TYPED_DICT: Final = "typed-dict-version"

# What pydantic raises for a type that it cannot validate or that JSON Schema cannot describe.
NO_SCHEMA = (PydanticSchemaGenerationError, PydanticInvalidForJsonSchema, PydanticUserError)


class ContractSchema(GenerateJsonSchema):
    """Leaves out titles made from names, which tell a model nothing, and orders the defaults that Python does not."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002  pydantic's signature
        """No titles but those that somebody wrote."""
        return False

    def encode_default(self, dft: Any) -> Any:
        """A default as JSON; a set's members sorted, because its order changes from process to process."""
        encoded = super().encode_default(dft)
        if isinstance(dft, (set, frozenset)) and isinstance(encoded, list):
            return sorted(encoded, key=canonical_json)
        return encoded

    def emit_warning(self, kind: Any, detail: str) -> None:
        """Say nothing of a default that JSON cannot carry: it stays out of the schema, and claims check for that."""


def no_schema(where: str, hint: Any, error: Exception) -> ConfigurationError:
    """What to tell an author whose type has no JSON Schema: pydantic's own words speak of settings that a tool does not have."""
    if isinstance(error, PydanticUserError) and error.code == TYPED_DICT:
        return ConfigurationError(
            f"{where} is or holds a typing.TypedDict, which cannot be read before Python 3.12: write "
            "`from typing_extensions import TypedDict`"
        )
    return ConfigurationError(
        f"{where} has the type {_name(hint)}, which no JSON Schema describes ({str(error).splitlines()[0]}); use what JSON has, "
        "a pydantic model, a dataclass, a typing_extensions.TypedDict, an enum or a date"
    )


def refuse_reference(uri: str) -> NoReturn:
    """A contract says everything itself: what stands at an address may change, and deciding must not wait for a network."""
    raise ValueError(f"the schema refers to {uri}; put what it needs under $defs and refer to #/$defs/name")


def canonical_schema(where: str, schema: Mapping[str, Any] | bool) -> str:
    """A schema's canonical JSON. Raises ConfigurationError if it is no JSON Schema 2020-12, or too large."""
    try:
        text = canonical_json(schema)
    except NotCanonical as error:
        raise ConfigurationError(f"{where}: {error}") from error
    if len(text) > MAXIMUM_SCHEMA_CHARACTERS:
        raise ConfigurationError(
            f"{where} has {len(text)} characters as JSON; the limit is {MAXIMUM_SCHEMA_CHARACTERS}: use plainer types"
        )
    try:
        jsonschema_rs.Draft202012Validator(json.loads(text), retriever=refuse_reference)
    except (ValueError, jsonschema_rs.ValidationError) as error:
        raise ConfigurationError(f"{where} is not a JSON Schema (2020-12): {error}") from error
    return text


def _name(hint: Any) -> str:
    return hint.__qualname__ if isinstance(hint, type) and not get_args(hint) else str(hint)
