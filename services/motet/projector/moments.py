"""The past for who has SQL and nothing else: a procedure asks for a moment, a thread of the projector builds it, functions read it.

The thread does what `motet at` does (`past.py`), so a moment that one has built the other has as well. It has a connection of its own, and
nothing to do with the projector's hops.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final

import psycopg

from motet.chassis import telemetry
from motet.chassis.errors import MotetError
from motet.chassis.settings import Settings
from motet.projector import surface
from motet.projector.past import LOCKS, tables_at
from motet.projector.tables import TABLES
from motet.projector.views import VIEWS

SCHEMA: Final = "motet_past"
CHANNEL: Final = "motet_past"
LOCK: Final = "SELECT pg_advisory_xact_lock(hashtext('motet.past'))"
LOOK_SECONDS: Final = 2.0
AGAIN_SECONDS: Final = 5.0
# Moments that were asked for, built or not; older ones are forgotten.
ASKED: Final = 1_000
# What is the same whatever tables there are. `pg_sleep` is how PostgreSQL waits: a procedure that waits sees what others have committed since.
COMMON: Final = f"""
CREATE SCHEMA {SCHEMA};
COMMENT ON SCHEMA {SCHEMA} IS 'Motet: the tables of schema motet as they were. CALL motet_past.build(MOMENT), then ask the functions.';
CREATE TABLE {SCHEMA}.asked (
    at timestamptz PRIMARY KEY, asked_at timestamptz NOT NULL DEFAULT clock_timestamp(), built_in text, built_at timestamptz, failure text);
COMMENT ON TABLE {SCHEMA}.asked IS 'Moments that were asked for, the schema that has each, or why there is none.';
CREATE FUNCTION {SCHEMA}.ask(moment timestamptz) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    IF moment > clock_timestamp() THEN
        RAISE EXCEPTION '% lies in the future', moment USING ERRCODE = 'invalid_parameter_value';
    ELSIF moment < to_timestamp(0) THEN
        RAISE EXCEPTION '% lies before 1970', moment USING ERRCODE = 'invalid_parameter_value';
    END IF;
    INSERT INTO {SCHEMA}.asked AS m (at) VALUES (moment) ON CONFLICT (at) DO UPDATE SET asked_at = clock_timestamp(), failure = NULL,
        built_in = CASE WHEN to_regnamespace(m.built_in) IS NOT NULL THEN m.built_in END;
    DELETE FROM {SCHEMA}.asked WHERE at IN (SELECT at FROM {SCHEMA}.asked ORDER BY asked_at DESC OFFSET {ASKED});
    PERFORM pg_notify('{CHANNEL}', '');
END $$;
CREATE PROCEDURE {SCHEMA}.build(moment timestamptz, INOUT built_in text DEFAULT NULL, seconds float8 DEFAULT 60) LANGUAGE plpgsql AS $$
DECLARE
    began timestamptz := clock_timestamp();
    found record;
BEGIN
    -- Who only reads has transactions that only read; this one asks.
    COMMIT;
    SET TRANSACTION READ WRITE;
    PERFORM {SCHEMA}.ask(moment);
    COMMIT;
    LOOP
        SELECT m.built_in, m.failure INTO found FROM {SCHEMA}.asked AS m WHERE m.at = moment;
        built_in := found.built_in;
        EXIT WHEN built_in IS NOT NULL;
        IF found.failure IS NOT NULL THEN RAISE EXCEPTION '%', found.failure; END IF;
        IF clock_timestamp() > began + make_interval(secs => seconds) THEN
            RAISE EXCEPTION '% was not built within % s', moment, seconds
            USING HINT = 'The projector builds it: `motet status` says whether it runs. Call it again to wait on.';
        END IF;
        PERFORM pg_sleep(0.05);
        COMMIT;
    END LOOP;
END $$;
CREATE FUNCTION {SCHEMA}.schema_of(moment timestamptz) RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
    found text := (SELECT built_in FROM {SCHEMA}.asked WHERE at = moment);
BEGIN
    -- As long as this transaction lasts nobody drops it (`past.py`).
    IF found IS NOT NULL THEN PERFORM pg_advisory_xact_lock_shared({LOCKS.replace("%s", "found")}); END IF;
    IF to_regnamespace(found) IS NULL THEN
        RAISE EXCEPTION 'the tables of % are not there', moment
        USING HINT = format('CALL {SCHEMA}.build(%L) has them built; the last few are kept.', moment);
    END IF;
    RETURN found;
END $$;
REVOKE EXECUTE ON FUNCTION {SCHEMA}.ask FROM PUBLIC;
GRANT EXECUTE ON FUNCTION {SCHEMA}.ask TO {surface.READER};
GRANT USAGE ON SCHEMA {SCHEMA} TO {surface.READER}, {surface.TENANT_ROLE};
GRANT SELECT ON {SCHEMA}.asked TO {surface.READER}, {surface.TENANT_ROLE};
"""
COLUMNS: Final = """
SELECT string_agg(format('%%I %%s', attname, format_type(atttypid, atttypmod)), ', ' ORDER BY attnum) FROM pg_attribute
WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped
"""
WANTED: Final = f"SELECT at FROM {SCHEMA}.asked WHERE built_in IS NULL AND failure IS NULL ORDER BY asked_at LIMIT 1"
BUILT: Final = f"UPDATE {SCHEMA}.asked SET built_in = %s, built_at = clock_timestamp() WHERE at = %s"
FAILED: Final = f"UPDATE {SCHEMA}.asked SET failure = %s WHERE at = %s"


def prepare(connection: psycopg.Connection[Any]) -> None:
    """Makes the schema, unless this version made it: what is asked for is kept no longer than the functions that read it."""
    with connection.transaction():
        connection.execute(LOCK)
        whole = [COMMON, *functions(connection)]
        made_by = f"made by {hashlib.sha256(''.join(whole).encode()).hexdigest()[:12]}"
        row = connection.execute(
            "SELECT obj_description(to_regprocedure(%s), 'pg_proc')", (f"{SCHEMA}.schema_of(timestamptz)",)
        ).fetchone()
        if row == (made_by,):
            return
        connection.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE".encode())
        for statement in whole:
            connection.execute(statement.encode())
        connection.execute(f"COMMENT ON FUNCTION {SCHEMA}.schema_of IS '{made_by}'".encode())


def functions(connection: psycopg.Connection[Any]) -> Iterator[str]:
    """One function for each table and view, with its columns. They run as who calls them, so row security holds for the past too."""
    for one in (*TABLES, *VIEWS):
        row = connection.execute(COLUMNS, (f"{surface.SCHEMA}.{one.name}",)).fetchone()
        columns = row[0] if row else ""
        name = f"{SCHEMA}.{one.name}(timestamptz)"
        yield (
            f"CREATE FUNCTION {SCHEMA}.{one.name}(moment timestamptz) RETURNS TABLE ({columns}) LANGUAGE plpgsql STABLE AS $$ BEGIN "
            f"RETURN QUERY EXECUTE format('SELECT * FROM %I.{one.name}', {SCHEMA}.schema_of(moment)); END $$"
        )
        yield f"COMMENT ON FUNCTION {name} IS {surface.quoted(f'As it was at a moment: {one.comment}')}"


@contextmanager
def building(settings: Settings) -> Iterator[None]:
    """Builds moments that are asked for, as long as the block lasts."""
    stop = threading.Event()
    thread = threading.Thread(target=Builder(settings, stop).run, name="moments", daemon=True)
    thread.start()
    try:
        yield
    finally:
        # A build that is under way ends with the process: nothing of it is there until all of it is.
        stop.set()


class Builder:
    """The thread. Of several processes one builds a moment, and the others find it built."""

    def __init__(self, settings: Settings, stop: threading.Event) -> None:
        self.settings = settings
        self.stop = stop
        self.log = telemetry.configure("projector", settings.replica, settings.log_level)

    def run(self) -> None:
        """Looks for moments until it is told to stop; a database that is away is waited for."""
        while not self.stop.is_set():
            try:
                with psycopg.connect(
                    self.settings.postgres_url, autocommit=True, application_name="motet-past"
                ) as connection:
                    prepare(connection)
                    connection.execute(f"LISTEN {CHANNEL}".encode())
                    self.look(connection)
            except psycopg.Error as error:
                self.log.warning("moments", error=" ".join(str(error).split()))
                self.stop.wait(AGAIN_SECONDS)

    def look(self, connection: psycopg.Connection[Any]) -> None:
        """Builds what is asked for, one after the other."""
        while not self.stop.is_set():
            wanted = connection.execute(WANTED).fetchone()
            if wanted is not None:
                self.build(connection, wanted[0])
                continue
            for _ in connection.notifies(timeout=LOOK_SECONDS, stop_after=1):
                pass

    def build(self, connection: psycopg.Connection[Any], at: datetime) -> None:
        """One moment."""
        try:
            with tables_at(self.settings, at, lambda *_: None) as past:
                built, records = past.schema, past.records
                connection.execute(BUILT, (built, at))
        # It has connections of its own: whatever became of them, what else is asked for does not wait behind this one.
        except (MotetError, psycopg.Error) as error:
            connection.execute(FAILED, (" ".join(str(error).split()), at))
            return
        self.log.info("moment built", at=at.isoformat(), schema=built, records=records)
