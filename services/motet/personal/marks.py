"""Which values of a JSON Schema are personal, and what is put in their place.

In the schema that is published a marked value is a string that begins as sealed text does: what is not sealed breaks the schema, and a plan
with it is rejected. What the value itself must be stands beside it, for whoever writes it: a person, a program, a model.

    {"type": "string", "pattern": "^sealed…", "x-motet-personal": {"subject": "customer:{customer}", "schema": {"type": "string"}}}
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import jsonschema_rs

from motet.chassis.errors import ConfigurationError
from motet.personal.text import BEGIN, MARK, is_sealed

PLACEHOLDER: Final = re.compile(r"\{([^{}]*)\}")
SEALED_SCHEMA: Final[Mapping[str, Any]] = {"type": "string", "pattern": f"^{re.escape(BEGIN)}"}
# A value that stands for another call's result (`motet.plan.arguments`): what it brings is sealed already, or refused.
REFERENCE: Final = "$result"
# Where a schema has schemas that a value is followed into. A mark below anything else would not be found when a value is sealed.
BY_NAME: Final = frozenset({"properties", "$defs"})
EACH: Final = frozenset({"anyOf", "oneOf", "allOf", "prefixItems"})
ONE: Final = frozenset({"items", "additionalProperties"})

# Seals a value for the subject of a template.
Seal = Callable[[str, Any], str]


class NotAsDeclared(ConfigurationError):
    """A personal value is not of its type. The message says where, and not what it is; whoever wrote it writes it anew."""


@dataclass(frozen=True, slots=True)
class Personal:
    """Marks a value as personal: `Annotated[str, Personal("customer:{customer}")]`.

    `subject` says whose it is: text and names of the call's arguments in braces, which are not personal themselves. All values of one
    subject of a tenant have one key, and are erased together.
    """

    subject: str

    def __get_pydantic_json_schema__(self, core_schema: Any, handler: Any) -> dict[str, Any]:
        """What pydantic asks an annotation for."""
        return {**SEALED_SCHEMA, MARK: {"subject": self.subject, "schema": handler(core_schema)}}


def marked(schema: Any) -> bool:
    """Whether anything of a schema is personal."""
    return next(marks(schema), None) is not None


def marks(schema: Any) -> Iterator[Mapping[str, Any]]:
    """Every mark of a schema: `subject` and `schema`."""
    if isinstance(schema, Mapping):
        if MARK in schema:
            yield schema[MARK]
            return
        for value in schema.values():
            yield from marks(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from marks(value)


def check(where: str, schema: Any, arguments_schema: Mapping[str, Any]) -> None:
    """Refuses marks that mean nothing, and those that no value would be followed to. Raises ConfigurationError."""
    named = [mark["subject"] for mark in marks(schema)]
    if len(list(followed(schema))) != len(named):
        raise ConfigurationError(
            f"{where}: something below a {', '.join(sorted(_unfollowed(schema)))} is personal, and values are not followed there; "
            f"mark the whole value, or write it with {', '.join(sorted(BY_NAME | EACH | ONE))}"
        )
    properties = arguments_schema.get("properties", {})
    for subject in named:
        names = PLACEHOLDER.findall(subject)
        if not names:
            raise ConfigurationError(
                f"{where}: the subject {subject!r} names no argument in braces, so all the tool's calls would be about one person"
            )
        for name in names:
            if name not in properties or name not in arguments_schema.get("required", ()):
                raise ConfigurationError(
                    f"{where}: the subject {subject!r} needs an argument {name!r} that every call has; required are: "
                    f"{', '.join(arguments_schema.get('required', ())) or 'none'}"
                )
            if marked(properties[name]):
                raise ConfigurationError(
                    f"{where}: the subject {subject!r} follows from {name!r}, which is personal itself; name people by an id that is not"
                )


def followed(schema: Any) -> Iterator[Mapping[str, Any]]:
    """The marks that a value is followed to."""
    if not isinstance(schema, Mapping):
        return
    if MARK in schema:
        yield schema[MARK]
        return
    for keyword, inner in schema.items():
        if keyword in BY_NAME:
            for one in inner.values():
                yield from followed(one)
        elif keyword in EACH:
            for one in inner:
                yield from followed(one)
        elif keyword in ONE:
            yield from followed(inner)


def _unfollowed(schema: Any) -> Iterator[str]:
    if isinstance(schema, Mapping) and MARK not in schema:
        for keyword, inner in schema.items():
            if keyword in BY_NAME:
                for one in inner.values():
                    yield from _unfollowed(one)
            elif keyword in EACH | ONE:
                for one in inner if isinstance(inner, list) else [inner]:
                    yield from _unfollowed(one)
            elif marked(inner):
                yield keyword


def plain(schema: Any) -> Any:
    """A schema as it is for who writes the values: a marked one is what its author declared."""
    if isinstance(schema, Mapping):
        if MARK in schema:
            # What stands beside the mark (a description, a default) is said of the value.
            beside = {name: one for name, one in schema.items() if name != MARK and name not in SEALED_SCHEMA}
            return {**plain(schema[MARK]["schema"]), **beside}
        return {name: plain(one) for name, one in schema.items()}
    return [plain(one) for one in schema] if isinstance(schema, list) else schema


def sealed(schema: Any, value: Any, seal: Seal) -> Any:
    """A value with everything sealed that its schema marks. What is sealed already stays. Raises NotAsDeclared."""
    return _Sealing(schema, seal).at(schema, value, ())


class _Sealing:
    """A value followed through its schema."""

    def __init__(self, root: Any, seal: Seal) -> None:
        self.definitions = root.get("$defs", {}) if isinstance(root, Mapping) else {}
        self.plain_definitions = plain(self.definitions)
        self.seal = seal

    def at(self, schema: Any, value: Any, path: tuple[str, ...]) -> Any:
        """A value of a schema."""
        if not isinstance(schema, Mapping):
            return value
        if MARK in schema:
            return self.personal(schema[MARK], value, path)
        if "$ref" in schema:
            return self.at(self.definitions.get(str(schema["$ref"]).rpartition("/")[2], True), value, path)
        for keyword in ("anyOf", "oneOf"):
            branches = schema.get(keyword, ())
            fitting = [one for one in branches if self.fits(one, value)]
            if not fitting and any(map(marked, branches)):
                raise NotAsDeclared(
                    f"at /{'/'.join(path)}: a value that may be personal is of no type that its schema has"
                )
            for branch in fitting[:1]:
                value = self.at(branch, value, path)
        for branch in schema.get("allOf", ()):
            value = self.at(branch, value, path)
        return self.inside(schema, value, path)

    def inside(self, schema: Mapping[str, Any], value: Any, path: tuple[str, ...]) -> Any:
        """The parts of a value."""
        if isinstance(value, Mapping):
            properties, others = schema.get("properties", {}), schema.get("additionalProperties", True)
            return {name: self.at(properties.get(name, others), one, (*path, name)) for name, one in value.items()}
        if isinstance(value, list):
            first, others = schema.get("prefixItems", []), schema.get("items", True)
            return [
                self.at(first[place] if place < len(first) else others, one, (*path, str(place)))
                for place, one in enumerate(value)
            ]
        return value

    def personal(self, mark: Mapping[str, Any], value: Any, path: tuple[str, ...]) -> Any:
        """A personal value."""
        if is_sealed(value) or (isinstance(value, Mapping) and REFERENCE in value):
            return value
        if not self.fits(mark["schema"], value):
            raise NotAsDeclared(
                f"at /{'/'.join(path)}: the personal value is not what its schema says; `motet tools list` shows the schema"
            )
        return self.seal(mark["subject"], value)

    def fits(self, schema: Any, value: Any) -> bool:
        """Whether a value, sealed or not, is of a schema."""
        if is_sealed(value) and marked(schema):
            return True
        told = plain(schema)
        whole = {**told, "$defs": self.plain_definitions} if isinstance(told, Mapping) else told
        return bool(jsonschema_rs.is_valid(whole, value))


def filled(subject: str, arguments: Mapping[str, Any]) -> str:
    """Whose a value is. Raises NotAsDeclared where that follows from another call's result."""

    def of(found: re.Match[str]) -> str:
        value = arguments.get(found[1])
        if value is None or isinstance(value, (Mapping, list)):
            raise NotAsDeclared(
                f"whose a personal value is, {subject}, must be known when it is written, and {found[1]!r} is not given as a value"
            )
        return str(value)

    return PLACEHOLDER.sub(of, subject)
