"""What a bundle holds, and the files that it is written as."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from motet.chassis.message import Message
from motet.evidence.container import NotABundle
from motet.proofs.entry import Entry

FORMAT: Final = "motet evidence 1"
MANIFEST: Final = "manifest.json"
NOTE: Final = "checkpoint.note"
KEYS: Final = "keys.pub"
REPORT: Final = "report.txt"
RECORDS: Final = "records/"
SCHEMAS: Final = "schemas/"
CONTRACTS: Final = "contracts/"


@dataclass(frozen=True, slots=True)
class Item:
    """A record, its place in its partition's tree, and the hashes that lead from it to the signed root."""

    message: Message
    index: int
    size: int
    proof: tuple[bytes, ...]

    @property
    def name(self) -> str:
        """The file that it is in."""
        one = self.message
        return f"{RECORDS}{one.topic}-{one.partition}-{one.offset:012}.json"

    def content(self) -> bytes:
        """The file's content: bytes as base64, as they were in the log."""
        one = self.message
        return text(
            {
                "topic": one.topic,
                "partition": one.partition,
                "offset": one.offset,
                "timestamp_ms": one.timestamp_ms,
                "key": packed(one.key),
                "value": packed(one.value),
                "headers": [[name, packed(value)] for name, value in one.headers],
                "leaf": packed(Entry.of(one).leaf),
                "index": self.index,
                "size": self.size,
                "proof": [packed(part) for part in self.proof],
            }
        )


@dataclass(frozen=True, slots=True)
class Bundle:
    """The records of one plan and the contracts that it was admitted by, with what is needed to read and to check them."""

    plan_id: str
    items: tuple[Item, ...]
    # The schemas by the id that the records' bytes begin with.
    schemas: Mapping[int, str]
    note: str
    # The public keys, for convenience: whoever checks compares them with his own.
    keys: str


def packed(data: bytes | None) -> str | None:
    """Bytes in JSON."""
    return None if data is None else base64.b64encode(data).decode()


def unpacked(value: Any) -> bytes | None:
    """The same, back. Raises NotABundle."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise NotABundle(f"{value!r} is no base64")
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError) as error:
        raise NotABundle(f"{value[:40]!r} is no base64: {error}") from error


def text(value: Any) -> bytes:
    """JSON that people can read as well, always in the same form."""
    return (json.dumps(value, indent=1, ensure_ascii=False, sort_keys=True) + "\n").encode()


def manifest(plan_id: str, files: Mapping[str, bytes]) -> bytes:
    """What the bundle is of, and the SHA-256 of each of its other files."""
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items() if name != MANIFEST}
    return text({"format": FORMAT, "plan_id": plan_id, "files": digests})


def read_item(name: str, content: bytes) -> Item:
    """A record from its file. Raises NotABundle."""
    try:
        data = json.loads(content)
        message = Message(
            str(data["topic"]),
            int(data["partition"]),
            int(data["offset"]),
            unpacked(data["key"]),
            unpacked(data["value"]),
            int(data["timestamp_ms"]),
            tuple((str(name), unpacked(value)) for name, value in data["headers"]),
        )
        proof = tuple(unpacked(part) or b"" for part in data["proof"])
        item = Item(message, int(data["index"]), int(data["size"]), proof)
        due = item.content()
    except (ValueError, TypeError, LookupError, ArithmeticError, struct.error) as error:
        raise NotABundle(f"it is no record: {error}") from error
    if due != content or item.name != name:
        raise NotABundle("it is not in the form that `motet export` writes, or not the record that its name says")
    return item
