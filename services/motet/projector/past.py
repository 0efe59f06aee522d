"""The tables as they were at a moment: built from the topics up to there, beside the live ones, and kept for the next question.

A projection is a pure fold of the records, so its past is the same fold cut short. Nothing of the live tables is read: what an auditor
sees of the past, the topics say.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import psycopg

from motet.archive import opened
from motet.chassis.cuts import Cut, Place, cut_at
from motet.chassis.provision import catalog
from motet.chassis.settings import Settings
from motet.projector import surface
from motet.projector.handler import TOPICS
from motet.projector.source import Source
from motet.projector.writer import Writer

PREFIX: Final = "motet_at_"
LOCKS: Final = "hashtext('motet.at'), hashtext(%s)"


@dataclass(frozen=True, slots=True)
class Past:
    """A schema with the tables of a moment, the cut that they were built up to, and how many records were read for it: none if it was kept."""

    schema: str
    cut: Cut
    records: int


@contextmanager
def tables_at(settings: Settings, moment: datetime | Place, report: Callable[[int, int], None]) -> Iterator[Past]:
    """The tables at a moment, which nobody drops before the block ends; `report` is told how many records were read, and of how many.

    So many are kept as `Settings.kept_moments` says, those that were built last. Raises ConfigurationError for a place that has no
    record, LogUnreadable, LaneBroken.
    """
    with closing(opened(settings)) as log:
        cut = cut_at(log, ((topic, number) for topic in TOPICS for number in range(catalog()[0])), moment)
    schema, records = name_of(cut), 0
    with psycopg.connect(settings.postgres_url, autocommit=True, application_name="motet-at") as connection:
        while not held(connection, schema):
            # Only who builds excludes others; one of several waits here until another has built it.
            call(connection, "pg_advisory_lock", schema)
            if surface.description(connection, schema) is None:
                forget(connection, settings.kept_moments - 1)
                records = build(settings, connection, schema, cut, report)
            call(connection, "pg_advisory_unlock", schema)
        yield Past(schema, cut, records)


def build(
    settings: Settings,
    connection: psycopg.Connection[Any],
    schema: str,
    cut: Cut,
    report: Callable[[int, int], None],
) -> int:
    """Fills a schema up to a cut, all of it or nothing; how many records were read."""
    with closing(Source(settings)) as source:
        source.leave_out(cut.ends)
        with connection.transaction():
            surface.create(connection, schema)
            source.fill(connection, Writer(connection, schema), cut.ends, report)
        return source.records


def held(connection: psycopg.Connection[Any], schema: str) -> bool:
    """Whether a schema is there; then nobody drops it as long as this connection lasts."""
    call(connection, "pg_advisory_lock_shared", schema)
    if surface.description(connection, schema) is not None:
        return True
    call(connection, "pg_advisory_unlock_shared", schema)
    return False


def call(connection: psycopg.Connection[Any], function: str, schema: str) -> bool:
    """What a function of PostgreSQL's advisory locks says of the lock of a schema."""
    row = connection.execute(f"SELECT {function}({LOCKS})".encode(), (schema,)).fetchone()
    return row is not None and row[0] is True


def name_of(cut: Cut) -> str:
    """The schema of a cut: another one for another definition of the tables."""
    content = json.dumps([surface.comment(), sorted((*place, end) for place, end in cut.ends.items())])
    return f"{PREFIX}{hashlib.sha256(content.encode()).hexdigest()[:16]}"


def forget(connection: psycopg.Connection[Any], keep: int) -> None:
    """Drops the oldest moments beyond those to keep, but for those that somebody looks at."""
    found = connection.execute(
        "SELECT nspname FROM pg_namespace WHERE starts_with(nspname, %s) ORDER BY oid DESC OFFSET %s", (PREFIX, keep)
    ).fetchall()
    for (schema,) in found:
        if call(connection, "pg_try_advisory_lock", schema):
            connection.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE".encode())
            call(connection, "pg_advisory_unlock", schema)
