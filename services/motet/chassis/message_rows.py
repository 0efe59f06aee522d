"""Messages in files: rows of an Avro object container, so that any Avro tool reads them."""

from __future__ import annotations

from typing import Any, Final

from motet.chassis.message import Message

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
PLAIN: Final = ("topic", "partition", "offset", "key", "value", "timestamp_ms")


def row_of(message: Message) -> dict[str, Any]:
    """A message as a row."""
    return {
        **{name: getattr(message, name) for name in PLAIN},
        "headers": [{"name": name, "value": value} for name, value in message.headers],
    }


def message_of(row: Any) -> Message:
    """A message of a row."""
    headers = tuple((one["name"], one["value"]) for one in row.pop("headers"))
    return Message(**row, headers=headers)
