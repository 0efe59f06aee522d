"""Commands by idempotency key: the first answer is kept, a repeat gets it again, other content under the same key is refused."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import psycopg

from motet.chassis.canonical import compact, digest
from motet.records import RepeatStatus, SubmitPlan


@dataclass(slots=True)
class Known:
    """What a key stands for."""

    plan_id: str
    command_sha256: str
    status: RepeatStatus
    terminal_event_id: str | None = None
    answer: str | None = None


def key_digest(command: SubmitPlan) -> str:
    """A key within its tenant and domain."""
    return digest(command.tenant, command.domain, command.idempotency_key)


def command_digest(command: SubmitPlan) -> str:
    """SHA-256 over what a command asks for; where it came from and how it is traced does not count."""
    calls = [[c.call_id, c.tool, c.contract_version, c.arguments, list(c.after)] for c in command.calls]
    return digest(compact([command.agent, command.isolation, calls]))


def plan_id_of(key: str, content: str) -> str:
    """A plan's id: derived from key and content, so that a refused reuse of a key has an id of its own."""
    return digest(key, content)[:32]


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
        rows = [(key, self.known[key]) for key in sorted(self.changed)]
        self.connection.execute(
            "INSERT INTO command (key_digest, plan_id, command_sha256, status, terminal_event_id, answer) "
            "SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[]) "
            "ON CONFLICT (key_digest) DO UPDATE SET status = excluded.status, "
            "terminal_event_id = excluded.terminal_event_id, answer = excluded.answer",
            (
                [key for key, _ in rows],
                [one.plan_id for _, one in rows],
                [one.command_sha256 for _, one in rows],
                [one.status for _, one in rows],
                [one.terminal_event_id for _, one in rows],
                [one.answer for _, one in rows],
            ),
        )
