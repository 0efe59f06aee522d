"""Avro in the Confluent wire format: a zero byte, the schema's id, the datum. Every byte is accounted for."""

from __future__ import annotations

import json
import struct
from functools import cache
from io import BytesIO
from typing import Any, Final, Protocol

import fastavro
from fastavro.schema import SchemaParseException, to_parsing_canonical_form

from motet.catalog.location import schemas_directory
from motet.chassis.avro_reading import Read, reader
from motet.chassis.avro_writing import Write, writer
from motet.chassis.errors import Undecodable
from motet.records import RECORDS, Record

MAGIC: Final = 0
PREFIX: Final = struct.Struct(">BI")


def schema_id_of(value: bytes) -> int | None:
    """The id of the schema that a value says it was written in; None for what is no record of ours."""
    if len(value) < PREFIX.size or value[0] != MAGIC:
        return None
    return int(PREFIX.unpack_from(value)[1])


class Schemas(Protocol):
    """Where ids come from: `registry.Registry`."""

    def schema_id(self, topic: str, full_name: str) -> int:
        """The id under which a record type is registered for a topic."""

    def schema(self, schema_id: int) -> str | None:
        """The schema's JSON text; None if the registry knows no such id."""


def without_logical_types(schema: Any) -> Any:
    """A schema whose timestamps are read as the integers that they are: turning them into datetime and back costs time."""
    if isinstance(schema, dict):
        return {name: without_logical_types(value) for name, value in schema.items() if name != "logicalType"}
    if isinstance(schema, list):
        return [without_logical_types(member) for member in schema]
    return schema


def every_schema() -> dict[str, list[str]]:
    """The JSON texts of all versions of every record type, by full name, the oldest first."""
    found: dict[str, list[tuple[int, str]]] = {}
    for path in (schemas_directory() / "avro").glob("*.avsc"):
        name, _, version = path.name.removesuffix(".avsc").rpartition(".v")
        found.setdefault(name, []).append((int(version), path.read_text()))
    return {name: [text for _, text in sorted(versions)] for name, versions in found.items()}


def newest_schemas() -> dict[str, str]:
    """The JSON text of the newest version of every record type, by full name."""
    return {name: texts[-1] for name, texts in every_schema().items()}


@cache
def shipped_forms() -> dict[str, str]:
    """The texts of all schemas by what decides how bytes are read: Avro's parsing canonical form. The newest of equals counts."""
    texts = (text for versions in every_schema().values() for text in versions)
    return {canonical_form(text): text for text in texts}


def canonical_form(text: str) -> str:
    """A schema's parsing canonical form: full names, fields and types in their order, and nothing else."""
    form: str = to_parsing_canonical_form(fastavro.parse_schema(json.loads(text), named_schemas={}))
    return form


def shipped(text: str) -> str | None:
    """Our own text of a schema as a registry gives it, which may write its names in another way; None if it is none of ours."""
    return shipped_forms().get(canonical_form(text))


def parse(schema: Any) -> Any:
    """A schema as fastavro wants it, without logical types."""
    return fastavro.parse_schema(without_logical_types(schema), named_schemas={})


def of_its_schema(kind: type[Record], value: bytes) -> str:
    """For people: a type, and the id that a value names."""
    return f"{kind.FULL_NAME} of schema {schema_id_of(value)}"


class Codec:
    """Writes records in their newest schema, reads them in whatever schema they were written in."""

    def __init__(self, schemas: Schemas) -> None:
        self.schemas = schemas
        self.own = {name: parse(json.loads(text)) for name, text in newest_schemas().items()}
        self.writers: dict[tuple[str, str], tuple[bytes, Write]] = {}
        self.readers: dict[tuple[int, tuple[str, ...]], tuple[Any, Read, type[Record]]] = {}
        # By the prefix of a value, for each choice of what is wanted of it.
        self.by_prefix: dict[tuple[str, ...], dict[bytes, tuple[Read, type[Record]]]] = {(): {}}

    def encode(self, topic: str, record: Record) -> bytes:
        """A record's bytes for a topic. Raises ValueError for what its schema has no place for."""
        place = (topic, record.FULL_NAME)
        found = self.writers.get(place)
        if found is None:
            prefix = PREFIX.pack(MAGIC, self.schemas.schema_id(*place))
            found = self.writers[place] = prefix, writer(self.own[record.FULL_NAME])
        prefix, write = found
        return write(prefix, record)

    def decode(self, value: bytes | None, without: tuple[str, ...] = ()) -> Record:
        """The record in a message's value; lists `without` which it is wanted are empty. Raises Undecodable; RegistryUnavailable passes through."""
        kind, datum = self.datum(value, without)
        try:
            return kind.from_avro(datum)
        except (ValueError, TypeError, LookupError) as error:
            raise Undecodable(
                "BROKEN_AVRO", f"the value is no {kind.FULL_NAME}: {type(error).__name__}: {error}"
            ) from error

    def datum(self, value: bytes | None, without: tuple[str, ...] = ()) -> tuple[type[Record], dict[str, Any]]:
        """A record's class and its content as plain data. Raises as `decode` does."""
        if value is None:
            raise Undecodable("NULL_VALUE", "the value is null; this topic knows no tombstones")
        known = self.by_prefix.get(without)
        read, kind = (known and known.get(value[: PREFIX.size])) or self.first_of(value, without)
        try:
            datum, end = read(value, PREFIX.size)
        # What the innermost read raises: there is no root to catch.
        except (
            EOFError,
            ValueError,
            TypeError,
            LookupError,
            OverflowError,
            MemoryError,
            RecursionError,
            ArithmeticError,
            struct.error,
        ) as error:
            raise Undecodable(
                "BROKEN_AVRO",
                f"the value is no {of_its_schema(kind, value)}: {type(error).__name__}: {error}",
            ) from error
        left = len(value) - end
        if left < 0:
            raise Undecodable("BROKEN_AVRO", f"the value is no {of_its_schema(kind, value)}: it ends too early")
        if left:
            raise Undecodable("TRAILING_BYTES", f"{left} bytes stand behind the {of_its_schema(kind, value)}")
        return kind, datum

    def first_of(self, value: bytes, without: tuple[str, ...]) -> tuple[Read, type[Record]]:
        """What reads a value whose prefix was not met before, and the class that it is read into."""
        schema_id = schema_id_of(value)
        if schema_id is None:
            raise Undecodable(
                "NOT_AVRO",
                f"the value ({len(value)} bytes) does not begin with a zero byte and a schema id: use a serializer of the schema registry",
            )
        found = self.reader_of(schema_id, without)[1:]
        self.by_prefix.setdefault(without, {})[value[: PREFIX.size]] = found
        return found

    def as_in(self, value: bytes, like: bytes) -> bytes:
        """A record of ours in the schema of another value; as it is where that one is of another type, or cannot hold what it says."""
        record = self.decode(value)
        try:
            schema, _, kind = self.reader_of(PREFIX.unpack_from(like)[1])
        except (Undecodable, struct.error):
            return value
        if kind is not type(record):
            return value
        buffer = BytesIO()
        buffer.write(like[: PREFIX.size])
        fastavro.schemaless_writer(buffer, schema, record.to_avro())
        written = buffer.getvalue()
        return written if self.decode(written) == record else value

    def reader_of(self, schema_id: int, without: tuple[str, ...] = ()) -> tuple[Any, Read, type[Record]]:
        """The writer's schema of an id, what reads it into ours, and the class that it is read into."""
        found = self.readers.get((schema_id, without))
        if found is None:
            schema, kind = self.reader(schema_id)
            own = self.own[kind.FULL_NAME]
            read = reader(schema, None if schema == own else own, without)
            found = self.readers[schema_id, without] = schema, read, kind
        return found

    def reader(self, schema_id: int) -> tuple[Any, type[Record]]:
        """The writer's schema of an id and the class that it is read into."""
        text = self.schemas.schema(schema_id)
        if text is None:
            raise Undecodable("UNKNOWN_SCHEMA", f"the registry knows no schema {schema_id}")
        try:
            schema = json.loads(text)
            name = f"{schema['namespace']}.{schema['name']}" if "namespace" in schema else schema["name"]
            kind = RECORDS.get(name)
            if kind is None:
                raise Undecodable("UNKNOWN_RECORD", f"schema {schema_id} is {name}, which is no record type of Motet")
            return parse(schema), kind
        except (ValueError, TypeError, LookupError, SchemaParseException) as error:
            raise Undecodable("UNKNOWN_SCHEMA", f"schema {schema_id} cannot be read: {error}") from error
