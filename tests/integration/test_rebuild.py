"""What a rebuild does while it fills its tables: by several processes, in batches of any size, without indexes until all is there."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import uuid
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from motet.chassis.service import Received
from motet.chassis.settings import Settings
from motet.chassis.waiting import wait_until
from motet.client import Call
from motet.projector import surface
from motet.projector.changes import Changes
from motet.projector.filling import LOCK as FILLING
from motet.projector.filling import FillerDied
from motet.projector.fold import fold
from motet.projector.rebuild import rebuild
from motet.projector.tables import PLANS
from motet.projector.writer import Writer
from motet.records import (
    AdmittedCall,
    AttemptsEnded,
    CallsStarted,
    Claim,
    EndedAttempt,
    Failure,
    Meta,
    PlanAdmitted,
    PlanEnded,
    PlanRejected,
    Reason,
)
from world import World


@pytest.fixture(scope="module")
def projected(shared_world: World) -> World:
    """Plans in all partitions, in flight at once so that batches cut them in the middle, projected."""
    shared_world.coordinator()
    shared_world.projector()
    shared_world.tools("crash_tools")
    with shared_world.client() as client:
        calls = [
            Call("crash.deposit", {"account": "a", "amount": 1}),
            Call("crash.fail", {"account": "x"}, id="bad"),
            Call("crash.deposit", {"account": "b", "amount": 1}, after=["bad"]),
        ]
        futures = [client.submit(calls, domain=f"d{number % 8}").future for number in range(40)]
        assert {one.result(60).status for one in futures} == {"FAILED"}
    shared_world.producer().flush()
    shared_world.await_no_lag("coordinator", "projector")
    return shared_world


@pytest.mark.usefixtures("projected")
def test_how_many_records_are_folded_together_makes_no_difference(settings: Settings) -> None:
    """One by one, some, all that there are: the same digest, and the live tables' rows."""
    rebuilt = [rebuild(settings, lambda *_: None, batch) for batch in (1, 100, 1_000, 100_000)]
    differ = {
        name: table for one in rebuilt for name, table in one.tables.items() if table.only_live or table.only_rebuilt
    }
    assert differ == {}
    assert [one.equal for one in rebuilt] == [True] * 4
    assert len({(one.digest, one.events) for one in rebuilt}) == 1


def test_a_process_that_dies_while_it_fills_ends_the_rebuild(projected: World, settings: Settings) -> None:
    """Who asked is told which; the live tables are as they were, nothing goes on writing, and another rebuild begins anew."""
    before = projected.sql("SELECT oid FROM pg_namespace WHERE nspname = 'motet'")
    killed: list[int] = []

    def kill(*_: int) -> None:
        (one, *_others) = multiprocessing.active_children()
        assert one.pid is not None
        killed.append(one.pid)
        os.kill(one.pid, signal.SIGKILL)

    with pytest.raises(FillerDied, match=r"filler-. \(process .*\) ended with exit code -9 .* rebuild again"):
        rebuild(settings, kill, 1)
    assert killed
    assert multiprocessing.active_children() == []
    assert projected.sql("SELECT oid FROM pg_namespace WHERE nspname = 'motet'") == before
    assert rebuild(settings, lambda *_: None).equal


def test_a_rebuild_waits_until_nobody_writes_for_a_killed_one(projected: World, settings: Settings) -> None:
    """What it left running holds a lock until it has ended: it must not write into the tables of the next one."""
    done = threading.Event()

    def run() -> None:
        assert rebuild(settings, lambda *_: None).equal
        done.set()

    thread = threading.Thread(target=run)
    with psycopg.connect(projected.addresses.postgres, autocommit=True) as left:
        left.execute(f"SELECT pg_advisory_lock_shared({FILLING})".encode())
        thread.start()
        waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND mode = 'ExclusiveLock'"
        wait_until(lambda: projected.sql(waiting) == [(1,)], 30, "the rebuild waits")
        assert not done.is_set()
    thread.join()
    assert done.is_set()


def test_what_is_made_after_filling_is_what_the_definition_says(projected: World) -> None:
    """Indexes and keys, by their names and definitions, of a schema that was filled without them and of one that never was."""
    asked = (
        "SELECT tablename, indexname, replace(indexdef, schemaname, 's') FROM pg_indexes WHERE schemaname = %s",
        "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = %s::regnamespace",
    )
    schema = f"motet_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(projected.addresses.postgres) as connection:
        surface.create(connection, schema)

        def found() -> list[set[Any]]:
            return [set(connection.execute(query.encode(), (schema,))) for query in asked]

        whole = found()
        surface.unindex(connection, schema)
        assert {name for table, name, _ in found()[0] if table in ("lineage", "plans")} == {"plans_pkey"}
        surface.index(connection, schema)
        assert found() == whole
        connection.rollback()


def test_arrays_and_texts_are_copied_as_they_are(projected: World) -> None:
    """Whatever stands in them: quotes, backslashes, commas, braces, nothing, the word NULL."""
    schema = f"motet_{uuid.uuid4().hex[:8]}"
    told = ['a"b', "c\\d", "e,f", "{g}", "", "NULL", "h\ti\nj", " k "]
    common = {"tenant": "t", "domain": "d", "agent": "\\.", "idempotency_key": "k\t", "status": "OPEN"}
    counted = {"calls": 0, "awaits_leases": False, "repeats": 0, "partition": 0, "correlation_id": "c"}
    rows = [
        {"plan_id": "p", "leases": told, "remaining": [3, 0], **common, **counted},
        {"plan_id": "q", "leases": [], **common, **counted},
    ]
    with psycopg.connect(projected.addresses.postgres) as connection:
        surface.create(connection, schema)
        Writer(connection, schema).copy(PLANS, rows)
        found = connection.execute(
            f"SELECT plan_id, leases, remaining, agent, idempotency_key FROM {schema}.plans ORDER BY 1".encode()
        ).fetchall()
        assert found == [("p", told, [3, 0], "\\.", "k\t"), ("q", [], None, "\\.", "k\t")]
        connection.rollback()


def test_a_plan_that_was_rejected_and_is_admitted_later_is_told_anew(projected: World) -> None:
    """And one that is run again after its window has nothing left of its first run, whichever rows that had."""
    schema = f"motet_{uuid.uuid4().hex[:8]}"
    about = Meta("e", "c", "motet.commands:0:1", "acme", "d", 1, 1)
    call = AdmittedCall("c", "t.f", 1, "{}", "s", (), (Claim("r", "WRITE"),), "PURE")
    rejected = PlanRejected(about, "plan", "key", "agent", (Reason("R", "no", None),))

    def admitted(event: str) -> PlanAdmitted:
        return PlanAdmitted(replace(about, event_id=event), "plan", "key", "agent", "PLAN", "", (call,))

    started = CallsStarted(replace(about, event_id="s"), "plan", (0,))
    with psycopg.connect(projected.addresses.postgres) as connection:
        surface.create(connection, schema)
        writer = Writer(connection, schema)
        events: list[Any] = [rejected, admitted("a"), started, admitted("b")]
        for offset, one in enumerate(events):
            writer.write(fold([Received("motet.events", 0, offset, b"", b"", 0, one, one.meta.event_id)]))
        query = f"SELECT p.status, p.admitted_event_id, c.status FROM {schema}.plans p JOIN {schema}.calls c USING (plan_id)"
        assert connection.execute(query.encode()).fetchall() == [("OPEN", "b", "WAITING")]
        assert connection.execute(f"SELECT count(*) FROM {schema}.claims".encode()).fetchone() == (1,)
        # A further run, whose plan is kept back until it ends: what its attempts wrote before is its own, and is there.
        kept, attempt = Changes(), EndedAttempt(0, 1, "FAILED", None, Failure("E", "m"), "RETRY", 5)
        later: list[Any] = [
            admitted("c"),
            AttemptsEnded(replace(about, event_id="e1"), "plan", (attempt,)),
            PlanEnded(replace(about, event_id="e2"), "plan", "key", "agent", "FAILED", (), "h"),
        ]
        for offset, one in enumerate(later, len(events)):
            received = Received("motet.events", 0, offset, b"", b"", 0, one, one.meta.event_id)
            due, kept = fold([received], kept).parted(1)
            writer.write(due)
        query = f"SELECT p.status, f.outcome FROM {schema}.plans p JOIN {schema}.former_attempts f USING (plan_id)"
        assert connection.execute(query.encode()).fetchall() == [("FAILED", "FAILED")]
        connection.rollback()
