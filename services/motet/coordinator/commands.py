"""Commands by idempotency key: the first answer is kept, a repeat gets it again, other content under the same key is refused."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import psycopg

from motet.chassis.canonical import compact
from motet.records import RepeatStatus


@dataclass(slots=True)
class Known:
    """What a key stands for."""

    plan_id: str
    command_sha256: str
    status: RepeatStatus
    terminal_event_id: str | None = None
    answer: str | None = None


class Commands:
    """The commands that a batch touches, read in one query and written in one."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.connection = connection
        self.known: dict[str, Known] = {}
        self.changed: set[str] = set()

    def load(self, keys: Iterable[str]) -> None:
        """Reads the keys of a batch."""
        self.known.clear()
        self.changed.clear()
        wanted = list(set(keys))
        if wanted:
            rows = self.connection.execute(
                "SELECT key_digest, plan_id, command_sha256, status, terminal_event_id, answer FROM command "
                "WHERE key_digest = ANY(%s)",
                (wanted,),
            )
            self.known = {key: Known(*columns) for key, *columns in rows}

    def put(self, key: str, known: Known) -> None:
        """Remembers an answer."""
        self.known[key] = known
        self.changed.add(key)

    def save(self) -> None:
        """Writes what changed."""
        if not self.changed:
            return
        rows = [
            [key, one.plan_id, one.command_sha256, one.status, one.terminal_event_id, one.answer]
            for key, one in ((key, self.known[key]) for key in sorted(self.changed))
        ]
        # One JSON value: an array a column costs the driver several times as much.
        self.connection.execute(
            "INSERT INTO command (key_digest, plan_id, command_sha256, status, terminal_event_id, answer) "
            "SELECT r ->> 0, r ->> 1, r ->> 2, r ->> 3, r ->> 4, r ->> 5 FROM json_array_elements(%s::json) AS r "
            "ON CONFLICT (key_digest) DO UPDATE SET status = excluded.status, "
            "terminal_event_id = excluded.terminal_event_id, answer = excluded.answer",
            (compact(rows),),
        )
