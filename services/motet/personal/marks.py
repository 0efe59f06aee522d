"""Which values of a JSON Schema are personal, and what is put in their place.

In the schema that is published a marked value is a string that begins as sealed text does: what is not sealed breaks the schema, and a plan
with it is rejected. What the value itself must be stands beside it, for whoever writes it: a person, a program, a model.

    {"type": "string", "pattern": "^sealed…", "x-motet-personal": {"subject": "customer:{customer}", "schema": {"type": "string"}}}
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import jsonschema_rs

from motet.chassis.errors import ConfigurationError
from motet.chassis.json_types import kinds_of
from motet.personal.text import BEGIN, MARK, is_sealed

PLACEHOLDER: Final = re.compile(r"\{([^{}]*)\}")
SEALED_SCHEMA: Final[Mapping[str, Any]] = {"type": "string", "pattern": f"^{re.escape(BEGIN)}"}
# A value that stands for another call's result (`motet.plan.arguments`): what it brings is sealed already, or refused.
REFERENCE: Final = "$result"
# Where a schema has schemas that a value is followed into, beside `properties`. A mark below anything else would not be found.
EACH: Final = frozenset({"anyOf", "oneOf", "allOf", "prefixItems"})
ONE: Final = frozenset({"items", "additionalProperties"})
ALTERNATIVES: Final = ("anyOf", "oneOf")
ANYTHING: Final = "anything"

# Seals a value for the subject of a template.
Seal = Callable[[str, Any], str]
# What becomes of a marked value: who asks, its mark, the value, where it stands.
AtMark = Callable[["Walk", Mapping[str, Any], Any, tuple[str, ...]], Any]


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
    """Refuses marks that mean nothing, and those that a value could pass by. Raises ConfigurationError."""
    for fault in Following(schema).faults():
        raise ConfigurationError(f"{where}: {fault}")
    properties = arguments_schema.get("properties", {})
    for subject in [mark["subject"] for mark in marks(schema)]:
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


class Following:
    """A schema as values are followed through it: what a walk would miss is found before any value comes."""

    def __init__(self, root: Any) -> None:
        self.root = root
        self.definitions = root.get("$defs", {}) if isinstance(root, Mapping) else {}
        self.seen: set[str] = set()

    def faults(self) -> Iterator[str]:
        """Why a personal value might be left as it is."""
        if marked(self.root):
            yield from self.at(self.root)

    def at(self, schema: Any) -> Iterator[str]:
        """What is wrong with a part of the schema."""
        if not isinstance(schema, Mapping) or MARK in schema:
            return
        if "$ref" in schema:
            yield from self.reference(schema)
            return
        for keyword, inner in schema.items():
            if keyword == "properties":
                for one in inner.values():
                    yield from self.at(one)
            elif keyword in EACH | ONE:
                for one in inner if isinstance(inner, list) else [inner]:
                    yield from self.at(one)
            elif keyword != "$defs" and self.holds(inner, frozenset()):
                yield (
                    f"something below a {keyword} is personal, and values are not followed there; mark the whole value, or write it "
                    f"with {', '.join(sorted({'properties', *EACH, *ONE}))}"
                )
        for keyword in ALTERNATIVES:
            yield from self.alternatives(schema.get(keyword, []))

    def reference(self, schema: Mapping[str, Any]) -> Iterator[str]:
        """A reference to a definition, and nothing beside it."""
        name = self.name_of(schema)
        beside = {keyword: inner for keyword, inner in schema.items() if keyword != "$ref"}
        if name is None or self.holds(beside, frozenset()):
            yield f"it has personal values and the reference {schema['$ref']!r}, and only #/$defs/NAME by itself is followed"
        elif name not in self.seen:
            self.seen.add(name)
            yield from self.at(self.definitions[name])

    def name_of(self, schema: Mapping[str, Any]) -> str | None:
        """The definition that a reference is to; None for another one."""
        target, name = str(schema["$ref"]).rpartition("/")[::2]
        return name if target == "#/$defs" and name in self.definitions else None

    def holds(self, schema: Any, seen: frozenset[str]) -> bool:
        """Whether anything of a part is personal, definitions included."""
        if isinstance(schema, list):
            return any(self.holds(one, seen) for one in schema)
        if not isinstance(schema, Mapping):
            return False
        if MARK in schema:
            return True
        name = self.name_of(schema) if "$ref" in schema else None
        if name is not None and name not in seen and self.holds(self.definitions[name], seen | {name}):
            return True
        return any(self.holds(one, seen) for one in schema.values())

    def alternatives(self, branches: Sequence[Any]) -> Iterator[str]:
        """Of several types one that has marks must be told from the others by its JSON type: a value must not pass as something else."""
        kinds = [self.kinds(one) for one in branches]
        for place, one in enumerate(branches):
            others: set[str] = set().union(*kinds[:place], *kinds[place + 1 :])
            if self.holds(one, frozenset()) and (ANYTHING in kinds[place] | others or kinds[place] & others):
                yield (
                    "a value may be of several types, one of them is personal, and another one is "
                    f"{' or '.join(sorted(kinds[place] & others)) or ANYTHING} too: mark all of it, Annotated[A | B, Personal(…)]"
                )
                return

    def kinds(self, schema: Any) -> set[str]:
        """The JSON types of a branch as it is written; an integer is a number."""
        found = set(kinds_of(plain(schema), plain(self.definitions)))
        return {"number" if one == "integer" else one for one in found}


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

    def at_mark(walk: Walk, mark: Mapping[str, Any], found: Any, path: tuple[str, ...]) -> Any:
        if is_sealed(found):
            return found
        if not walk.fits(mark["schema"], found):
            raise NotAsDeclared(
                f"at /{'/'.join(path)}: the personal value is not what its schema says; `motet tools list` shows the schema"
            )
        return seal(mark["subject"], found)

    return Walk(schema, at_mark).at(schema, value, ())


def opened(schema: Any, value: Any, unseal: Callable[[str], Any]) -> Any:
    """A value with everything opened that its schema marks; sealed text in another place stays, for what takes it would not seal it again."""

    def at_mark(_: Walk, __: Mapping[str, Any], found: Any, ___: tuple[str, ...]) -> Any:
        return unseal(found) if is_sealed(found) else found

    return Walk(schema, at_mark).at(schema, value, ())


class Walk:
    """A value followed through its schema; `at_mark` says what becomes of what is marked."""

    def __init__(self, root: Any, at_mark: AtMark) -> None:
        self.definitions = root.get("$defs", {}) if isinstance(root, Mapping) else {}
        self.plain_definitions = plain(self.definitions)
        self.at_mark = at_mark

    def at(self, schema: Any, value: Any, path: tuple[str, ...]) -> Any:
        """A value of a schema."""
        # What stands for another call's result brings what is sealed already, or is refused.
        if not isinstance(schema, Mapping) or (isinstance(value, Mapping) and REFERENCE in value):
            return value
        if MARK in schema:
            return self.at_mark(self, schema[MARK], value, path)
        if "$ref" in schema:
            return self.at(self.definitions.get(str(schema["$ref"]).rpartition("/")[2], True), value, path)
        for keyword in ALTERNATIVES:
            value = self.alternative(schema.get(keyword, []), value, path)
        for branch in schema.get("allOf", ()):
            value = self.at(branch, value, path)
        return self.inside(schema, value, path)

    def alternative(self, branches: Sequence[Any], value: Any, path: tuple[str, ...]) -> Any:
        """A value of one of several types, which `Following` tells apart."""
        fitting = [one for one in branches if self.fits(one, value)]
        if branches and not fitting and any(map(marked, branches)):
            raise NotAsDeclared(f"at /{'/'.join(path)}: a value that may be personal is of no type that its schema has")
        for branch in fitting:
            value = self.at(branch, value, path)
        return value

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
