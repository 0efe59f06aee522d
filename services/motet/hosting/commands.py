"""Commands by idempotency key: the first answer is kept, a repeat gets it again, other content under the same key is refused.

An answer counts for the window that the settings say, by the log's time, so that a replay forgets it at the same place. Rows that are older
are deleted in bulk, a bounded number at a time; that changes no decision.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import psycopg

from motet.chassis.canonical import compact
from motet.chassis.expiry import ROWS_AT_ONCE, Expiry
from motet.records import RepeatStatus

MILLISECONDS: Final = 1_000
# A shard's rows have one writer, so they stay where they are found.
EXPIRE: Final = (
    "DELETE FROM command WHERE ctid = ANY(ARRAY(SELECT ctid FROM command WHERE partition = %s AND answered_at < %s "
    "ORDER BY answered_at LIMIT %s))"
)


@dataclass(slots=True)
class Known:
    """What a key stands for. `answered_at` is in milliseconds since 1970; None while it is open."""

    plan_id: str
    command_sha256: str
    status: RepeatStatus
    terminal_event_id: str | None = None
    answer: str | None = None
    answered_at: int | None = None


class Commands:
    """The commands that a batch touches, read in one query and written in one."""

    def __init__(self, connection: psycopg.Connection[Any], partition: int, window_seconds: float) -> None:
        self.connection = connection
        self.partition = partition
        self.window = int(window_seconds * MILLISECONDS)
        self.known: dict[str, Known] = {}
        self.changed: set[str] = set()
        self.expiry = Expiry()
        # The last delete, and when: its pipeline answers once the hop ends.
        self.expiring: psycopg.Cursor[Any] | None = None
        self.expired_at = 0

    def load(self, keys: Iterable[str]) -> None:
        """Reads the keys of a batch."""
        self.known.clear()
        self.changed.clear()
        self.read(list(set(keys)))

    def read(self, wanted: list[str]) -> None:
        """Reads keys."""
        if wanted:
            rows = self.connection.execute(
                "SELECT key_digest, plan_id, command_sha256, status, terminal_event_id, answer, answered_at FROM command "
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

    def note(self, key: str, content: str, now: int) -> None:
        """Another host answers the command of a key: here the key is taken as well, so that it stands for one thing in all modes."""
        if self.find(key, now) is None:
            self.put(key, Known("", content, "ENDED", answered_at=now))

    def answer(self, key: str, event_id: str, answer: str, now: int) -> None:
        """A command that was open has its answer."""
        if key not in self.known:
            self.read([key])
        known = self.known[key]
        known.status, known.terminal_event_id, known.answer, known.answered_at = "ENDED", event_id, answer, now
        self.changed.add(key)

    def save(self, now: int) -> None:
        """Writes what changed, and deletes some of what is too old."""
        if self.expiring is not None:
            # Asked in a pipeline, answered by now.
            self.expiry.deleted(self.expiring.rowcount, self.expired_at)
            self.expiring = None
        if self.expiry.due(now):
            self.expired_at = now
            self.expiring = self.connection.execute(EXPIRE, (self.partition, now - self.window, ROWS_AT_ONCE))
        if not self.changed:
            return
        rows = [
            [key, one.plan_id, one.command_sha256, one.status, one.terminal_event_id, one.answer, one.answered_at]
            for key, one in ((key, self.known[key]) for key in sorted(self.changed))
        ]
        # One JSON value: an array a column costs the driver several times as much.
        self.connection.execute(
            "INSERT INTO command (partition, key_digest, plan_id, command_sha256, status, terminal_event_id, answer, answered_at) "
            "SELECT %s, r ->> 0, r ->> 1, r ->> 2, r ->> 3, r ->> 4, r ->> 5, (r ->> 6)::bigint FROM json_array_elements(%s::json) AS r "
            "ON CONFLICT (key_digest) DO UPDATE SET plan_id = excluded.plan_id, command_sha256 = excluded.command_sha256, "
            "status = excluded.status, terminal_event_id = excluded.terminal_event_id, answer = excluded.answer, "
            "answered_at = excluded.answered_at",
            (self.partition, compact(rows)),
        )
