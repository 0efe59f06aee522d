"""The keys of subjects: a table of PostgreSQL, in the services' database or in one of its own, and nowhere in the log.

Nothing is cached: a subject that was erased is erased for every process at once.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, LiteralString, TypeVar

import psycopg
from psycopg.rows import class_row

from motet.chassis.errors import MotetError
from motet.personal.sealing import KEY_BYTES, Key, KeyErased, NoSuchKey

T = TypeVar("T")

MAXIMUM_CHARACTERS: Final = 500
# So long is waited for the keys' database: a call has 8 s in all, and others wait behind it.
CONNECT_SECONDS: Final = 2
OPTIONS: Final = "-c statement_timeout=2s -c lock_timeout=2s"
# After it did not answer it is not asked for so long.
REST_SECONDS: Final = 1.0
# PostgreSQL writes the table anew; whoever dumps it meanwhile is waited for.
REWRITE: Final = ("SET statement_timeout = 0", "SET lock_timeout = '5s'", "VACUUM (FULL) motet_subjects.subject_key")
AS_BEFORE: Final = ("RESET statement_timeout", "RESET lock_timeout")
TABLES: Final = """
SELECT pg_advisory_xact_lock(hashtext('motet_subjects'));
CREATE SCHEMA IF NOT EXISTS motet_subjects;
CREATE TABLE IF NOT EXISTS motet_subjects.subject_key (
    tenant text NOT NULL, subject text NOT NULL, key_id text NOT NULL UNIQUE, secret bytea,
    made_at timestamptz NOT NULL DEFAULT now(), used_at timestamptz NOT NULL DEFAULT now(),
    erased_at timestamptz, erased_by text, reason text,
    PRIMARY KEY (tenant, subject), CHECK ((secret IS NULL) = (erased_at IS NOT NULL))
);
COMMENT ON TABLE motet_subjects.subject_key IS
    'Keys of personal values, by tenant and subject. Whoever reads secrets reads the values; a row without one is of a subject that was erased.';
"""
# Two that make the first row of a subject have one key: the second one's is not taken.
MAKE: Final = """
INSERT INTO motet_subjects.subject_key (tenant, subject, key_id, secret) VALUES (%s, %s, %s, %s) ON CONFLICT (tenant, subject) DO NOTHING
"""
FIND: Final = "SELECT key_id, secret, erased_at, used_at < now() - interval '1 day' FROM motet_subjects.subject_key WHERE tenant = %s"
BY_SUBJECT: Final = f"{FIND} AND subject = %s"
BY_ID: Final = f"{FIND} AND key_id = %s"
USED: Final = "UPDATE motet_subjects.subject_key SET used_at = now() WHERE key_id = %s"
ERASE: Final = """
UPDATE motet_subjects.subject_key SET secret = NULL, erased_at = now(), erased_by = %s, reason = %s
WHERE tenant = %s AND erased_at IS NULL AND
"""
COUNT: Final = """
SELECT count(*) FROM motet_subjects.subject_key WHERE tenant = %s AND erased_at IS NULL AND used_at < now() - %s - interval '1 day'
"""
ALL: Final = """
SELECT tenant, subject, key_id, made_at, used_at, erased_at, erased_by, reason FROM motet_subjects.subject_key
WHERE tenant = coalesce(%s, tenant) ORDER BY tenant, subject
"""


class KeysUnavailable(MotetError):
    """The database with the keys does not answer. Whoever asked tries again."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What is known of a subject but for its secret."""

    tenant: str
    subject: str
    key_id: str
    made_at: datetime
    used_at: datetime
    erased_at: datetime | None
    erased_by: str | None
    reason: str | None


class SubjectKeys:
    """Keys in PostgreSQL; connects when it is asked first. Usable from several threads."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.lock = threading.Lock()
        self.connection: psycopg.Connection[Any] | None = None
        self.rests_until = 0.0

    def of(self, tenant: str, subject: str) -> Key:
        """The key of a subject, made if there is none. Raises KeyErased, KeysUnavailable."""
        if not subject or len(subject) > MAXIMUM_CHARACTERS or not subject.isprintable():
            raise NoSuchKey(
                f"{subject[:60]!r} is no subject: up to {MAXIMUM_CHARACTERS} characters that print, such as customer:42"
            )

        def asked(connection: psycopg.Connection[Any]) -> Key:
            place = (tenant, subject)
            row = connection.execute(BY_SUBJECT, place).fetchone()
            if row is None:
                connection.execute(MAKE, (*place, secrets.token_hex(16), secrets.token_bytes(KEY_BYTES)))
                row = connection.execute(BY_SUBJECT, place).fetchone()
            key_id, secret, erased_at, stale = row or ("", None, None, False)
            if secret is None:
                raise KeyErased(f"subject {subject} of tenant {tenant} was erased at {erased_at:%F %T %Z}")
            if stale:
                connection.execute(USED, (key_id,))
            return Key(key_id, bytes(secret))

        return self.ask(asked)

    def known(self, tenant: str, subject: str) -> Key:
        """As `of`, of a subject that has a key; nothing is written. Raises KeyErased, NoSuchKey, KeysUnavailable."""
        return self.find(BY_SUBJECT, tenant, subject, f"subject {subject!r}")

    def named(self, tenant: str, key_id: str) -> Key:
        """The key of an id. Raises KeyErased, NoSuchKey, KeysUnavailable."""
        return self.find(BY_ID, tenant, key_id, f"key {key_id}")

    def find(self, query: LiteralString, tenant: str, wanted: str, what: str) -> Key:
        """A key that is there."""
        row = self.ask(lambda connection: connection.execute(query, (tenant, wanted)).fetchone())
        if row is None:
            raise NoSuchKey(f"tenant {tenant} has no {what}")
        key_id, secret, erased_at, _ = row
        if secret is None:
            raise KeyErased(f"the subject of key {key_id} was erased at {erased_at:%F %T %Z}")
        return Key(key_id, bytes(secret))

    def subjects(self, tenant: str | None = None) -> list[Subject]:
        """Every subject, of one tenant or of all, by name."""

        def asked(connection: psycopg.Connection[Any]) -> list[Subject]:
            with connection.cursor(row_factory=class_row(Subject)) as cursor:
                cursor.execute(ALL, (tenant,))
                return cursor.fetchall()

        return self.ask(asked)

    def erase(self, tenant: str, subject: str, who: str, reason: str) -> Subject:
        """Destroys a subject's key; a subject that was erased before stays as it is. Raises NoSuchKey if there is none such."""
        self.destroy("subject = %s", (who, reason, tenant, subject))
        self.rewrite()
        found = [one for one in self.subjects(tenant) if one.subject == subject]
        if not found:
            raise NoSuchKey(
                f"tenant {tenant} has no subject {subject!r}: nothing was ever sealed for it; `motet subjects list` has all"
            )
        return found[0]

    def unused(self, tenant: str, since: timedelta) -> int:
        """How many subjects of a tenant have a key with which nothing was sealed for so long. Use is written down once a day, so for a day more."""

        def asked(connection: psycopg.Connection[Any]) -> int:
            row = connection.execute(COUNT, (tenant, since)).fetchone()
            return int(row[0]) if row else 0

        return self.ask(asked)

    def expire(self, tenant: str, since: timedelta, who: str) -> int:
        """Destroys the keys that `unused` counts; how many."""
        condition = "used_at < now() - %s - interval '1 day'"
        count = self.destroy(condition, (who, f"unused for {since}", tenant, since))
        if count:
            self.rewrite()
        return count

    def destroy(self, condition: str, values: tuple[object, ...]) -> int:
        """Destroys keys; how many."""
        return self.ask(lambda connection: connection.execute(f"{ERASE} {condition}".encode(), values).rowcount)

    def rewrite(self) -> None:
        """Has PostgreSQL write the table anew: former rows would stay in its file until something else needs the room. Raises KeysUnavailable."""

        def asked(connection: psycopg.Connection[Any]) -> None:
            try:
                for statement in REWRITE:
                    connection.execute(statement.encode())
            finally:
                if not connection.closed:
                    for statement in AS_BEFORE:
                        connection.execute(statement.encode())

        try:
            self.ask(asked)
        except KeysUnavailable as error:
            raise KeysUnavailable(
                f"the key is destroyed, but its table could not be written anew ({error}): erase the subject once more, as the table's owner, "
                "while nobody dumps it"
            ) from error

    def ask(self, question: Callable[[psycopg.Connection[Any]], T]) -> T:
        """Asks PostgreSQL. Raises KeysUnavailable, at once where it did not answer a moment ago."""
        with self.lock:
            if time.monotonic() < self.rests_until:
                raise KeysUnavailable("the database with the subjects' keys did not answer a moment ago")
            try:
                return self.answer(question)
            except psycopg.Error as error:
                self.close()
                self.rests_until = time.monotonic() + REST_SECONDS
                said = " ".join(str(error).split())
                raise KeysUnavailable(f"the database with the subjects' keys does not answer: {said}") from error

    def answer(self, question: Callable[[psycopg.Connection[Any]], T]) -> T:
        """The answer. A connection that was lost since the last time is made anew, and so is a table that is not there."""
        before = self.connection
        try:
            return question(self.connected())
        except psycopg.errors.UndefinedTable:
            with self.connected().transaction():
                self.connected().execute(TABLES)
        except (psycopg.OperationalError, psycopg.InterfaceError):
            if before is None or not before.closed:
                raise
        return question(self.connected())

    def connected(self) -> psycopg.Connection[Any]:
        """The connection, opened if there is none."""
        if self.connection is None or self.connection.closed:
            self.connection = psycopg.connect(
                self.url,
                autocommit=True,
                application_name="motet-subject-keys",
                connect_timeout=CONNECT_SECONDS,
                options=OPTIONS,
            )
        return self.connection

    def close(self) -> None:
        """Ends the connection, if there is one."""
        if self.connection is not None:
            self.connection.close()
            self.connection = None
