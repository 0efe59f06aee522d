"""A history in a file: an Avro object container, so that any Avro tool reads it. Schemas and settings are in its metadata."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import fastavro

from motet.chassis.errors import ConfigurationError
from motet.chassis.message_rows import SCHEMA, message_of, row_of
from motet.conformance.history import History

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
    with path.open("wb") as file:
        fastavro.writer(
            *(file, fastavro.parse_schema(SCHEMA), map(row_of, history.messages)),
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
