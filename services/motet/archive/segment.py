"""A segment's file: an Avro object container of messages, the same bytes for the same messages."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import fastavro

from motet.archive.manifest import PART, Segment, make_folder, put
from motet.chassis.errors import ConfigurationError
from motet.chassis.message import Message
from motet.chassis.message_rows import SCHEMA, message_of, row_of
from motet.chassis.offsets import Place

# A block is what a reader decodes at a time.
BLOCK_BYTES: Final = 1_000_000
MARKER_BYTES: Final = 16


class Counted:
    """Messages on their way into a file: how many there were, and between which times."""

    def __init__(self, messages: Iterable[Message]) -> None:
        self.messages = messages
        self.records, self.first_ms, self.last_ms = 0, 0, 0

    def __iter__(self) -> Iterator[object]:
        """The rows."""
        for one in self.messages:
            self.first_ms = one.timestamp_ms if not self.records else min(self.first_ms, one.timestamp_ms)
            self.last_ms = max(self.last_ms, one.timestamp_ms)
            self.records += 1
            yield row_of(one)


def write(directory: Path, place: Place, first: int, upto: int, messages: Iterable[Message]) -> Segment:
    """Writes the records of a partition from an offset on, up to one that is not in it; what a killed run left there is replaced."""
    named = Segment(*place, first, upto, 0, 0, 0, 0, "")
    path = directory / named.path
    make_folder(path.parent)
    fresh = path.with_suffix(PART)
    rows = Counted(messages)
    # A marker between blocks is drawn by chance elsewhere; here the same records are the same bytes.
    marker = hashlib.sha256(named.path.encode()).digest()[:MARKER_BYTES]
    with fresh.open("wb") as file:
        fastavro.writer(
            *(file, fastavro.parse_schema(SCHEMA), rows), codec="deflate", sync_interval=BLOCK_BYTES, sync_marker=marker
        )
        file.flush()
        os.fsync(file.fileno())
    size, digest = fresh.stat().st_size, digest_of(fresh)
    put(fresh, path)
    return Segment(*place, first, upto, rows.records, rows.first_ms, rows.last_ms, size, digest)


def read(directory: Path, segment: Segment) -> Iterator[Message]:
    """A segment's records, in order. Raises ConfigurationError for a file that is gone, or is no such segment any more."""
    path, before = directory / segment.path, segment.first - 1
    try:
        with path.open("rb") as file:
            for row in fastavro.reader(file):
                message = message_of(row)
                if (message.topic, message.partition) != segment.place or not before < message.offset < segment.next:
                    raise ConfigurationError(
                        f"{path} has a record {message.where}, which does not belong there: `motet archive verify`"
                    )
                before = message.offset
                yield message
    except FileNotFoundError as error:
        raise ConfigurationError(f"{path} is gone, and the archive's manifest has it") from error
    except (OSError, ValueError, LookupError, EOFError, TypeError) as error:
        raise ConfigurationError(
            f"{path} cannot be read behind offset {before}: {error}; `motet archive verify` says what is whole"
        ) from error


def digest_of(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
