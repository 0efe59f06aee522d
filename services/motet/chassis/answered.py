"""What commands were answered, by idempotency key: the first answer is kept, a repeat gets it again, other content is refused.

A service says with a dataclass what it keeps: its fields are the columns of the table `command` behind `key_digest`, in their order. An answer
counts for the window that the settings say, by the log's time, so that a replay forgets it at the same place.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeVar

import psycopg

from motet.chassis.canonical import compact

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    class Answer(DataclassInstance, Protocol):
        """What a key stands for. `answered_at` is in milliseconds since 1970; None while what it asked for is open."""

        answered_at: int | None


MILLISECONDS: Final = 1_000
A = TypeVar("A", bound="Answer")


class Answered(Generic[A]):
    """The commands that a batch touches, read in one query and written in one."""

    def __init__(
        self, kind: type[A], connection: psycopg.Connection[Any], partition: int, window_seconds: float
    ) -> None:
        self.kind = kind
        self.connection = connection
        self.partition = partition
        self.window = int(window_seconds * MILLISECONDS)
        self.known: dict[str, A] = {}
        self.changed: set[str] = set()
        names = [field.name for field in fields(kind)]
        self.columns_of = attrgetter(*names)
        columns = ", ".join(names)
        values = ", ".join(
            f"(r ->> {place})::bigint" if name == "answered_at" else f"r ->> {place}"
            for place, name in enumerate(names, 1)
        )
        replaced = ", ".join(f"{name} = excluded.{name}" for name in names)
        self.reading = f"SELECT key_digest, {columns} FROM command WHERE key_digest = ANY(%s)".encode()
        # One JSON value: an array a column costs the driver several times as much.
        self.writing = (
            f"INSERT INTO command (partition, key_digest, {columns}) SELECT %s, r ->> 0, {values} "
            f"FROM json_array_elements(%s::json) AS r ON CONFLICT (key_digest) DO UPDATE SET {replaced}"
        ).encode()

    def load(self, keys: Iterable[str]) -> None:
        """Reads the keys of a batch."""
        self.known.clear()
        self.changed.clear()
        self.read(sorted(set(keys)))

    def read(self, wanted: list[str]) -> None:
        """Reads keys."""
        if wanted:
            rows = self.connection.execute(self.reading, (wanted,))
            self.known.update((key, self.kind(*columns)) for key, *columns in rows)

    def find(self, key: str, now: int) -> A | None:
        """What a key stands for at a time of the log; None if it was never used, or longer ago than the window."""
        known = self.known.get(key)
        if known is not None and known.answered_at is not None and known.answered_at + self.window < now:
            return None
        return known

    def put(self, key: str, known: A) -> None:
        """Remembers an answer."""
        self.known[key] = known
        self.changed.add(key)

    def write(self) -> None:
        """Writes what changed."""
        if self.changed:
            rows = [[key, *self.columns_of(self.known[key])] for key in sorted(self.changed)]
            self.connection.execute(self.writing, (self.partition, compact(rows)))
