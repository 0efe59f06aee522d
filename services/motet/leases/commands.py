"""Commands about leases by idempotency key (`chassis.answered`).

What asked for a lease is known while the lease is open; from its end on, and any other command from its answer on, it counts for the window
that the settings say, by the log's time. Rows that are older change no answer; `cleaning` deletes them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import psycopg

from motet.chassis.answered import Answered


@dataclass(slots=True)
class Known:
    """What a key stands for. `answered_at` is in milliseconds since 1970; None while its lease is open."""

    lease_id: str
    command_sha256: str
    status: Literal["TAKEN", "REFUSED"]
    event_id: str
    answer: str
    answered_at: int | None = None


class Commands(Answered[Known]):
    """The commands that a batch touches, and the leases that ended in it."""

    def __init__(self, connection: psycopg.Connection[Any], partition: int, window_seconds: float) -> None:
        super().__init__(Known, connection, partition, window_seconds)
        self.over: dict[str, int] = {}

    def load(self, keys: Iterable[str]) -> None:
        """Reads the keys of a batch."""
        self.over.clear()
        super().load(keys)

    def put(self, key: str, known: Known) -> None:
        """Remembers an answer."""
        super().put(key, known)
        self.over.pop(key, None)

    def ended(self, key: str, now: int) -> None:
        """The lease that a key asked for is over: from now on its window runs."""
        self.over[key] = now
        if key in self.known:
            self.known[key].answered_at = now

    def save(self) -> None:
        """Writes what changed."""
        self.write()
        if self.over:
            self.connection.execute(
                "UPDATE command SET answered_at = ended.at FROM unnest(%s::text[], %s::bigint[]) AS ended (key_digest, at) "
                "WHERE command.key_digest = ended.key_digest",
                (list(self.over), list(self.over.values())),
            )
