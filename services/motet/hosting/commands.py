"""Commands about plans by idempotency key (`chassis.answered`).

Rows that are older than their window are deleted in bulk, a bounded number at a time; that changes no decision.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import psycopg

from motet.chassis.answered import Answered
from motet.chassis.expiry import ROWS_AT_ONCE, Expiry
from motet.records import RepeatStatus

# A shard's rows have one writer, so they stay where they are found.
EXPIRE: Final = (
    "DELETE FROM command WHERE ctid = ANY(ARRAY(SELECT ctid FROM command WHERE partition = %s AND answered_at < %s "
    "ORDER BY answered_at LIMIT %s))"
)

# In place of a digest: no command's.
ELSEWHERE: Final = ""


@dataclass(slots=True)
class Known:
    """What a key stands for. `answered_at` is in milliseconds since 1970; None while it is open."""

    plan_id: str
    command_sha256: str
    status: RepeatStatus
    terminal_event_id: str | None = None
    answer: str | None = None
    answered_at: int | None = None


class Commands(Answered[Known]):
    """The commands that a batch touches, and the deletes of what is too old."""

    def __init__(self, connection: psycopg.Connection[Any], partition: int, window_seconds: float) -> None:
        super().__init__(Known, connection, partition, window_seconds)
        self.expiry = Expiry()
        # The last delete, and when: its pipeline answers once the hop ends.
        self.expiring: psycopg.Cursor[Any] | None = None
        self.expired_at = 0

    def note(self, key: str, now: int) -> None:
        """Another host answers the command of a key: here the key is taken as well, so that it stands for one thing in all modes.

        What it asked for need not be known: the content says who answers, so no command that is answered here has the same.
        """
        if self.find(key, now) is None:
            self.put(key, Known("", ELSEWHERE, "ENDED", answered_at=now))

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
        self.write()
