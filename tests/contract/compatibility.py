"""Whether what was written in one schema can be read in another: Avro's schema resolution (Avro 1.12, "Schema Resolution").

Stricter in two places, because Motet is: named types match by full name, since the codec finds classes by it, and a logical type stays
what it is, since a changed one would change what the same number means.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

# What each type may be written as, apart from itself.
PROMOTIONS: Final = {
    "long": {"int"},
    "float": {"int", "long"},
    "double": {"int", "long", "float"},
    "string": {"bytes"},
    "bytes": {"string"},
}
PRIMITIVES: Final = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})
NAMED: Final = ("record", "enum", "fixed")
VERSION: Final = re.compile(r"^(?P<name>.+)\.v(?P<version>[1-9][0-9]*)\.avsc$")


@dataclass
class Names:
    """The named types of one schema by full name."""

    types: dict[str, Any] = field(default_factory=dict)

    def take(self, schema: Any, namespace: str = "") -> Any:
        """A schema whose names are full and whose named types are known; nested definitions included."""
        if isinstance(schema, str):
            return schema if schema in PRIMITIVES else self.full(schema, namespace)
        if isinstance(schema, list):
            return [self.take(branch, namespace) for branch in schema]
        taken = dict(schema)
        if schema["type"] in NAMED:
            name = self.full(schema["name"], schema.get("namespace", namespace))
            taken["name"] = name
            self.types[name] = taken
            inner = name.rpartition(".")[0]
            if schema["type"] == "record":
                taken["fields"] = [{**one, "type": self.take(one["type"], inner)} for one in schema["fields"]]
        elif schema["type"] == "array":
            taken["items"] = self.take(schema["items"], namespace)
        elif schema["type"] == "map":
            taken["values"] = self.take(schema["values"], namespace)
        return taken

    def full(self, name: str, namespace: str) -> str:
        """A name with its namespace."""
        return name if "." in name or not namespace else f"{namespace}.{name}"

    def definition(self, schema: Any) -> Any:
        """What a name stands for."""
        return self.types.get(schema, schema) if isinstance(schema, str) else schema


class Resolution:
    """One direction: a reader's schema on data of a writer's schema."""

    def __init__(self, reader: Any, writer: Any) -> None:
        self.readers, self.writers = Names(), Names()
        self.reader, self.writer = self.readers.take(reader), self.writers.take(writer)
        self.seen: set[tuple[str, str]] = set()

    def faults(self) -> Iterator[str]:
        """Everything that the reader could not read, each with its place."""
        yield from self.compare(self.reader, self.writer, "")

    def compare(self, reader: Any, writer: Any, place: str) -> Iterator[str]:
        """One type of the reader on one type of the writer."""
        reader, writer = self.readers.definition(reader), self.writers.definition(writer)
        if isinstance(writer, list):
            for branch in writer:
                yield from self.compare(reader, branch, place)
        elif isinstance(reader, list):
            if not any(self.reads(branch, writer) for branch in reader):
                yield f"{place or 'the record'}: no branch of the reader's union reads {kind(writer)}"
        elif kind(reader) != kind(writer):
            if kind(writer) not in PROMOTIONS.get(kind(reader), ()):
                yield f"{place or 'the record'}: {kind(writer)} cannot be read as {kind(reader)}"
        else:
            yield from self.same_kind(reader, writer, place)

    def reads(self, reader: Any, writer: Any) -> bool:
        """Whether a branch of the reader's union takes a type of the writer."""
        return next(Branch(self, reader, writer).faults(), None) is None

    def same_kind(self, reader: Any, writer: Any, place: str) -> Iterator[str]:
        """Two types of one kind."""
        if logical(reader) != logical(writer):
            yield f"{place}: the logical type changed from {logical(writer)} to {logical(reader)}"
        match kind(reader):
            case "array":
                yield from self.compare(reader["items"], writer["items"], f"{place}[]")
            case "map":
                yield from self.compare(reader["values"], writer["values"], f"{place}{{}}")
            case "record" | "enum" | "fixed" if reader["name"] != writer["name"]:
                yield f"{place or 'the record'}: {writer['name']} cannot be read as {reader['name']}"
            case "record":
                yield from self.records(reader, writer, place)
            case "enum":
                unknown = [symbol for symbol in writer["symbols"] if symbol not in reader["symbols"]]
                if unknown and reader.get("default") not in reader["symbols"]:
                    yield f"{place}: the enum {reader['name']} knows no {', '.join(unknown)} and has no default for them"
            case "fixed" if reader["size"] != writer["size"]:
                yield f"{place}: the size of {reader['name']} changed from {writer['size']} to {reader['size']}"

    def records(self, reader: Any, writer: Any, place: str) -> Iterator[str]:
        """Fields by name or by the reader's aliases; what the writer does not have needs a default."""
        pair = (reader["name"], writer["name"])
        if pair in self.seen:
            return
        self.seen.add(pair)
        written = {one["name"]: one["type"] for one in writer["fields"]}
        for one in reader["fields"]:
            at = f"{place}.{one['name']}" if place else one["name"]
            names = [name for name in (one["name"], *one.get("aliases", ())) if name in written]
            if names:
                yield from self.compare(one["type"], written[names[0]], at)
            elif "default" not in one:
                yield f"{at}: the writer has no such field and the reader no default for it"


class Branch(Resolution):
    """A try of one branch of a union, which marks nothing as seen."""

    def __init__(self, parent: Resolution, reader: Any, writer: Any) -> None:
        self.readers, self.writers, self.reader, self.writer = parent.readers, parent.writers, reader, writer
        self.seen = set(parent.seen)


def kind(schema: Any) -> str:
    """A type's word: a primitive's name, or record, enum, fixed, array, map."""
    return schema if isinstance(schema, str) else str(schema["type"])


def logical(schema: Any) -> str | None:
    """The logical type, if there is one."""
    return schema.get("logicalType") if isinstance(schema, dict) else None


def unreadable(reader: Any, writer: Any) -> list[str]:
    """What a reader could not read of what a writer wrote."""
    return list(Resolution(reader, writer).faults())


def versions(directory: Path) -> dict[str, dict[int, Any]]:
    """Every version of every record by full name. Raises ValueError for a file that is not what its name says."""
    found: dict[str, dict[int, Any]] = {}
    for path in sorted(directory.iterdir()):
        match = VERSION.match(path.name)
        if match is None:
            raise ValueError(f"{path.name}: a schema file is named <full name>.v<version>.avsc")
        schema = json.loads(path.read_text())
        if f"{schema.get('namespace', '')}.{schema['name']}" != match["name"]:
            raise ValueError(f"{path.name} holds {schema.get('namespace', '')}.{schema['name']}")
        found.setdefault(match["name"], {})[int(match["version"])] = schema
    return found


def breaks(directory: Path) -> list[str]:
    """Why a folder of schemas is not FULL_TRANSITIVE: every version reads and is read by all before it, none is left out."""
    out = []
    for name, by_version in versions(directory).items():
        numbers = sorted(by_version)
        if numbers[0] != 1 or any(after != before + 1 for before, after in pairwise(numbers)):
            out.append(f"{name}: the versions {numbers} are not 1, 2, 3 …: a published version stays")
        for new in numbers:
            for old in (one for one in numbers if one < new):
                for reader, writer in ((new, old), (old, new)):
                    faults = unreadable(by_version[reader], by_version[writer])
                    out += [f"{name}: v{reader} cannot read v{writer}: {fault}" for fault in faults]
    return out
