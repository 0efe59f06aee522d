"""Commands about leases by idempotency key: the first answer is kept, a repeat gets it again, other content is refused.

What asked for a lease is known while the lease is open; from its end on, and any other command from its answer on, it counts for the window
that the settings say, by the log's time. Rows that are older change no answer; `cleaning` deletes them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Literal

import psycopg

from motet.chassis.canonical import compact

MILLISECONDS: Final = 1_000


@dataclass(slots=True)
class Known:
    """What a key stands for. `answered_at` is in milliseconds since 1970; None while its lease is open."""

    lease_id: str
    command_sha256: str
    status: Literal["TAKEN", "REFUSED"]
    event_id: str
    answer: str
    answered_at: int | None = None


class Commands:
    """The commands that a batch touches, read in one query and written in one."""

    def __init__(self, connection: psycopg.Connection[Any], partition: int, window_seconds: float) -> None:
        self.connection = connection
        self.partition = partition
        self.window = int(window_seconds * MILLISECONDS)
        self.known: dict[str, Known] = {}
        self.changed: set[str] = set()
        self.over: dict[str, int] = {}

    def load(self, keys: Iterable[str]) -> None:
        """Reads the keys of a batch."""
        self.known.clear()
        self.changed.clear()
        self.over.clear()
        wanted = sorted(set(keys))
        if wanted:
            rows = self.connection.execute(
                "SELECT key_digest, lease_id, command_sha256, status, event_id, answer, answered_at FROM command "
                "WHERE key_digest = ANY(%s)",
                (wanted,),
            )
            self.known.update((key, Known(*columns)) for key, *columns in rows)

    def find(self, key: str, now: int) -> Known | None:
        """What a key stands for at a time of the log; None if it was never used, or longer ago than the window."""
        known = self.known.get(key)
        if known is not None and known.answered_at is not None and known.answered_at + self.window < now:
            return None
        return known

    def put(self, key: str, known: Known) -> None:
        """Remembers an answer."""
        self.known[key] = known
        self.changed.add(key)
        self.over.pop(key, None)

    def ended(self, key: str, now: int) -> None:
        """The lease that a key asked for is over: from now on its window runs."""
        self.over[key] = now
        if key in self.known:
            self.known[key].answered_at = now

    def save(self) -> None:
        """Writes what changed."""
        if self.changed:
            rows = [
                [key, one.lease_id, one.command_sha256, one.status, one.event_id, one.answer, one.answered_at]
                for key, one in ((key, self.known[key]) for key in sorted(self.changed))
            ]
            self.connection.execute(
                "INSERT INTO command (partition, key_digest, lease_id, command_sha256, status, event_id, answer, answered_at) "
                "SELECT %s, r ->> 0, r ->> 1, r ->> 2, r ->> 3, r ->> 4, r ->> 5, (r ->> 6)::bigint "
                "FROM json_array_elements(%s::json) AS r ON CONFLICT (key_digest) DO UPDATE SET lease_id = excluded.lease_id, "
                "command_sha256 = excluded.command_sha256, status = excluded.status, event_id = excluded.event_id, "
                "answer = excluded.answer, answered_at = excluded.answered_at",
                (self.partition, compact(rows)),
            )
        if self.over:
            self.connection.execute(
                "UPDATE command SET answered_at = ended.at FROM unnest(%s::text[], %s::bigint[]) AS ended (key_digest, at) "
                "WHERE command.key_digest = ended.key_digest",
                (list(self.over), list(self.over.values())),
            )
