"""Results by effect key: a repeat within the tool's window gets the first one, and nothing runs.

A window counts by the log's time, so that a replay forgets at the same place. Rows that are older are deleted in bulk, a bounded number at a
time; that changes no answer.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import psycopg

from motet.chassis.canonical import sha256_text
from motet.chassis.expiry import ROWS_AT_ONCE, Expiry
from motet.records import Invocation

MILLISECONDS: Final = 1_000
# A shard's rows have one writer, so they stay where they are found. They are found by their time: the shard's number is no name of an index
# here, or all of the shard's rows would be read and sorted for the oldest few.
EXPIRE: Final = (
    "DELETE FROM answer WHERE ctid = ANY(ARRAY(SELECT ctid FROM answer WHERE partition + 0 = %s AND expires_at < %s "
    "ORDER BY expires_at LIMIT %s))"
)


@dataclass(frozen=True, slots=True)
class Answer:
    """A result and the digest of the arguments that it is for."""

    arguments_sha256: str
    result: str
    expires_at: int

    def fits(self, call: Invocation) -> bool:
        """Whether it is for the same arguments."""
        return self.arguments_sha256 == sha256_text(call.arguments)


class Answers:
    """The kept results of one shard, within whatever transaction is open."""

    def __init__(self, connection: psycopg.Connection[Any], partition: int) -> None:
        self.connection = connection
        self.partition = partition
        self.expiry = Expiry()

    def find(self, calls: Sequence[tuple[Invocation, int]]) -> dict[str, Answer]:
        """What is kept for calls, each with its time in the log in milliseconds since 1970, by key."""
        if not calls:
            return {}
        times = {call.key: now for call, now in calls}
        rows = self.connection.execute(
            "SELECT key, arguments_sha256, result, expires_at FROM answer WHERE partition = %s AND key = ANY(%s)",
            (self.partition, list(times)),
        )
        found = {key: Answer(*columns) for key, *columns in rows}
        return {key: answer for key, answer in found.items() if answer.expires_at > times[key]}

    def keep(self, ended: Iterable[tuple[Invocation, str, int]], *, late: bool = False) -> None:
        """Keeps results, each with when it may be forgotten; late ones only where there is none, since the call's history has another."""
        then = (
            "NOTHING"
            if late
            else "UPDATE SET arguments_sha256 = excluded.arguments_sha256, result = excluded.result, expires_at = excluded.expires_at"
        )
        rows = [[call.key, sha256_text(call.arguments), result, expires_at] for call, result, expires_at in ended]
        if rows:
            self.connection.execute(
                "INSERT INTO answer (partition, key, arguments_sha256, result, expires_at) "
                "SELECT %s, r ->> 0, r ->> 1, r ->> 2, (r ->> 3)::bigint FROM json_array_elements(%s::json) AS r "
                f"ON CONFLICT (partition, key) DO {then}".encode(),
                (self.partition, json.dumps(rows)),
            )

    def expire(self, now: int) -> None:
        """Deletes some of what is too old, now and then."""
        if self.expiry.due(now):
            rows = self.connection.execute(EXPIRE, (self.partition, now, ROWS_AT_ONCE)).rowcount
            self.expiry.deleted(rows, now)
