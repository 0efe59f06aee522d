"""A history in a file: an Avro object container, so that any Avro tool reads it. Schemas and settings are in its metadata."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import fastavro

from motet.chassis.errors import ConfigurationError
from motet.chassis.message import Message
from motet.conformance.history import History

HEADER: Final = {
    "type": "record",
    "name": "Header",
    "fields": [{"name": "name", "type": "string"}, {"name": "value", "type": ["null", "bytes"]}],
}
SCHEMA: Final = {
    "type": "record",
    "name": "Message",
    "namespace": "motet.archive",
    "doc": "A message as it stood in its partition.",
    "fields": [
        {"name": "topic", "type": "string"},
        {"name": "partition", "type": "int"},
        {"name": "offset", "type": "long"},
        {"name": "key", "type": ["null", "bytes"]},
        {"name": "value", "type": ["null", "bytes"]},
        {"name": "timestamp_ms", "type": "long"},
        {"name": "headers", "type": {"type": "array", "items": HEADER}},
    ],
}
METADATA: Final = "motet.history"
# One block holds much, so that it compresses well.
BLOCK_BYTES: Final = 4_000_000


def write(history: History, path: Path) -> int:
    """Writes a history; returns the file's size in bytes."""
    about = {
        "partitions": history.partitions,
        "settings": dict(history.settings),
        "schemas": {str(number): json.loads(text) for number, text in sorted(history.schemas.items())},
        "covered": None
        if history.covered is None
        else [[*place, position] for place, position in sorted(history.covered.items())],
    }
    rows = (
        {
            **{name: getattr(one, name) for name in ("topic", "partition", "offset", "key", "value", "timestamp_ms")},
            "headers": [{"name": name, "value": value} for name, value in one.headers],
        }
        for one in history.messages
    )
    with path.open("wb") as file:
        fastavro.writer(
            *(file, fastavro.parse_schema(SCHEMA), rows),
            codec="xz",
            sync_interval=BLOCK_BYTES,
            metadata={METADATA: json.dumps(about, separators=(",", ":"))},
        )
    return path.stat().st_size


def read(path: Path) -> History:
    """Reads a history. Raises ConfigurationError for a file that is none."""
    try:
        with path.open("rb") as file:
            reader = fastavro.reader(file)
            about: Any = json.loads(reader.metadata[METADATA])
            messages = [message_of(row) for row in reader]
    except (OSError, ValueError, LookupError, EOFError) as error:
        raise ConfigurationError(f"{path} is no recorded history (`motet record` writes one): {error}") from error
    schemas = {int(number): json.dumps(schema) for number, schema in about["schemas"].items()}
    covered = about["covered"]
    return History(
        *(messages, schemas, about["partitions"], about["settings"]),
        covered=None if covered is None else {(name, shard): position for name, shard, position in covered},
    )


def message_of(row: Any) -> Message:
    """A message of a row."""
    headers = tuple((one["name"], one["value"]) for one in row.pop("headers"))
    return Message(**row, headers=headers)
