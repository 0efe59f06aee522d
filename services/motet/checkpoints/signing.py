"""The singleton job: one process at a time reads what is new, signs it, and keeps it.

An act is one transaction under the leader's token (`chassis/singleton.py`), and the token is in the checkpoint. The row is the first place
where a checkpoint is; the topic and the folder get theirs from it, so that a leader who dies in between leaves nothing half done. To sign
the same text again gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psycopg

from motet.chassis.errors import ConfigurationError
from motet.chassis.job import Job, Lead
from motet.chassis.log_reader import LogReader
from motet.checkpoints.directory import Directory
from motet.checkpoints.making import Made, beside_of, covered, make
from motet.proofs import leaves
from motet.proofs.checkpoint import Checkpoint, Place
from motet.proofs.leaves import Grown, NoLeaves
from motet.proofs.note import Note, PrivateKey

NAME: Final = "sign-checkpoints"
LOOK_SECONDS: Final = 1.0
MILLISECONDS: Final = 1_000
KEPT_AT_ONCE: Final = 20
NEWEST: Final = "SELECT number, note, beside FROM checkpoint ORDER BY number DESC LIMIT 1"
INSERT: Final = "INSERT INTO checkpoint (number, note, beside) VALUES (%s, %s, %s)"
FORGET: Final = "UPDATE checkpoint SET beside = NULL WHERE number < %s AND number <= %s AND beside IS NOT NULL"
AFTER: Final = "SELECT number, note, beside FROM checkpoint WHERE number > %s ORDER BY number LIMIT %s"


@dataclass(frozen=True, slots=True)
class Rules:
    """How often, how much at once, and where to keep it."""

    seconds: float
    records: int
    directory: Path | None


class Signer:
    """The leader's work in one process."""

    def __init__(self, bootstrap: str, key: PrivateKey | None, rules: Rules) -> None:
        self.bootstrap, self.key, self.rules = bootstrap, key, rules
        self.reader: LogReader | None = None
        self.directory = None if rules.directory is None else Directory(rules.directory)
        self.kept: int | None = None
        # Whether there may be a row that is not published: whoever publishes looks.
        self.fresh = True

    def job(self) -> Job:
        """The job."""
        return Job(NAME, LOOK_SECONDS, self.work)

    def work(self, lead: Lead) -> None:
        """One look: keeps what is not kept, and signs what is due."""
        self.keep(lead.connection)
        made = self.due(lead)
        if made is not None:
            lead.connection.execute(INSERT, (made.checkpoint.number, made.note, made.beside))
            kept = made.checkpoint.number if self.directory is None else self.kept or 0
            lead.connection.execute(FORGET, (made.checkpoint.number, kept))
            self.fresh = True

    def due(self, lead: Lead) -> Made | None:
        """The next checkpoint, once enough is new or what is new has waited long enough. Raises Refused if the log has less than before."""
        if self.key is None:
            raise ConfigurationError("there is no key to sign with")
        if self.reader is None:
            self.reader = LogReader(self.bootstrap)
        before, beside = self.newest(lead.connection, self.reader)
        new = self.behind(self.reader, before)
        waited = lead.now - (before.time_ms if before else 0) >= self.rules.seconds * MILLISECONDS
        if not new or (new < self.rules.records and not waited):
            return None
        epoch, limit = lead.token, self.rules.records
        return make(self.reader, self.key, before, beside, epoch=epoch, time_ms=lead.now, limit=limit)

    def newest(
        self, connection: psycopg.Connection[Any], reader: LogReader
    ) -> tuple[Checkpoint | None, Mapping[Place, Grown]]:
        """The last checkpoint and what is beside it; where that was lost the log gives it again."""
        row = connection.execute(NEWEST).fetchone()
        if row is None:
            return None, {}
        before = Checkpoint.parse(Note.parse(row[1]).text)
        try:
            kept = leaves.read(row[2] or b"")
        except NoLeaves:
            kept = {}
        return before, beside_of(reader, before, kept)

    def behind(self, reader: LogReader, before: Checkpoint | None) -> int:
        """How many offsets nobody has signed yet; what went back counts as one, so that it is looked at."""
        bounds = reader.bounds(covered(reader)[1])
        signed = {head.place: head.next_offset for head in before.heads} if before else {}
        lost = any(place not in bounds or bounds[place].end < offset for place, offset in signed.items())
        return sum(max(0, one.end - signed.get(place, one.begin)) for place, one in bounds.items()) + lost

    def keep(self, connection: psycopg.Connection[Any]) -> None:
        """Writes what the folder does not have yet, a bounded number at a time. Raises Refused, ConfigurationError."""
        if self.directory is None:
            return
        if self.kept is None:
            self.directory.path.mkdir(parents=True, exist_ok=True)
            self.kept = max(self.directory.numbers(), default=0)
        for number, note, beside in connection.execute(AFTER, (self.kept, KEPT_AT_ONCE)).fetchall():
            self.directory.keep(number, note, beside)
            self.kept = number
