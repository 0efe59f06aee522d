"""The SQL surface on a real database: its comments, its roles, and a rebuild that finds what was changed."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import psycopg
import pytest

from motet import projector
from motet.chassis.errors import ConfigurationError
from motet.chassis.service import Opening, Received
from motet.chassis.settings import Settings
from motet.chassis.waiting import wait_until
from motet.client import Call
from motet.projector import rebuild as rebuilding
from motet.projector import surface
from motet.projector.fold import fold
from motet.projector.handler import Projector
from motet.projector.lineage import LINEAGE
from motet.projector.rebuild import LOCK, rebuild
from motet.projector.writer import Writer
from motet.records import CommandRepeated, Meta, PlanAdmitted
from world import World

OWNER = "motet_test_owner"


@pytest.fixture(scope="module")
def projected(shared_world: World) -> World:
    """A few plans of two tenants, projected."""
    shared_world.coordinator()
    shared_world.projector()
    shared_world.tools("crash_tools")
    with shared_world.client() as client:
        for number in range(5):
            calls = [
                Call("crash.deposit", {"account": f"p{number}", "amount": 1}),
                Call("crash.fail", {"account": "x"}, id="bad"),
                Call("crash.deposit", {"account": "y", "amount": 1}, after=["bad"]),
            ]
            assert client.run(calls, idempotency_key=f"k{number}").status == "FAILED"
            client.run(calls, idempotency_key=f"k{number}")
            client.run([Call("crash.nothing")], idempotency_key=f"r{number}")
        client.run([Call("crash.deposit", {"account": "z", "amount": 1})], tenant=f"{shared_world.tenant}-2")
    shared_world.producer().flush()
    shared_world.await_no_lag("coordinator", "projector")
    return shared_world


def reader(world: World, role: str, tenant: str | None = None) -> psycopg.Connection[Any]:
    """A connection in a role."""
    connection = psycopg.connect(world.addresses.postgres, autocommit=True)
    if tenant is not None:
        connection.execute("SELECT set_config('motet.tenant', %s, false)", (tenant,))
    connection.execute(f"SET ROLE {role}".encode())
    return connection


def test_plans_and_calls_are_as_they_ended(projected: World) -> None:
    """Statuses, errors, repeats and reasons, from the events alone."""
    tenant = projected.tenant
    assert projected.sql(
        "SELECT status, calls, repeats, count(*) FROM motet.plans WHERE tenant = %s GROUP BY 1, 2, 3 ORDER BY 1",
        (tenant,),
    ) == [("FAILED", 3, 1, 5), ("REJECTED", 0, 0, 5)]
    assert projected.sql(
        "SELECT index, status, error_code, count(*) FROM motet.calls WHERE tenant = %s GROUP BY 1, 2, 3 ORDER BY 1",
        (tenant,),
    ) == [(0, "SUCCEEDED", None, 5), (1, "FAILED", "RAISED", 5), (2, "SKIPPED", "DEPENDENCY_FAILED", 5)]
    assert projected.sql(
        "SELECT plans_admitted, plans_failed, plans_rejected, commands_repeated, calls_succeeded, calls_failed, calls_skipped "
        "FROM motet.usage WHERE tenant = %s",
        (tenant,),
    ) == [(5, 5, 5, 5, 5, 5, 5)]
    assert projected.sql(
        "SELECT state, count(*) FROM motet.effects WHERE tenant = %s GROUP BY 1 ORDER BY 1", (tenant,)
    ) == [("DONE", 5), ("FAILED", 5), ("NOT_STARTED", 5)]
    assert projected.sql("SELECT count(*) FROM motet.resources WHERE tenant = %s", (tenant,)) == [(0,)]
    (reasons,) = projected.sql(
        "SELECT reasons FROM motet.plans WHERE tenant = %s AND status = 'REJECTED' LIMIT 1", (tenant,)
    )
    assert reasons[0][0]["code"] == "UNKNOWN_TOOL"


def test_every_event_leads_to_its_cause(projected: World) -> None:
    """Each event of a plan is in the lineage, and the first one's cause is the command's place in Kafka."""
    rows = projected.sql(
        "SELECT l.type, l.cause FROM motet.lineage l JOIN motet.plans p USING (plan_id) WHERE p.tenant = %s AND "
        "p.idempotency_key = 'k0' ORDER BY l.hlc",
        (projected.tenant,),
    )
    kinds = [kind for kind, _ in rows]
    assert kinds[:2] == ["PlanAdmitted", "CallsStarted"]
    assert {"CallsCommitted", "PlanEnded", "CommandRepeated"} <= set(kinds)
    assert rows[0][1].startswith("motet.commands:")


def test_every_table_view_and_column_is_explained(projected: World) -> None:
    """PostgreSQL's own catalogue has a comment for each."""
    assert (
        projected.sql(
            """
        SELECT c.relname, a.attname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'motet'
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        WHERE c.relkind IN ('r', 'v') AND (col_description(c.oid, a.attnum) IS NULL OR obj_description(c.oid, 'pg_class') IS NULL)
        """
        )
        == []
    )


def test_the_reader_reads_everything_and_writes_nothing(projected: World) -> None:
    """All tenants' rows, and no way to change one."""
    with reader(projected, surface.READER) as connection:
        row = connection.execute("SELECT count(DISTINCT tenant) FROM motet.plans").fetchone()
        assert row is not None
        assert row[0] >= 2
        for statement in (
            "DELETE FROM motet.plans",
            "UPDATE motet.calls SET status = 'X'",
            "CREATE TABLE motet.x (a int)",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement.encode())


def test_a_tenant_sees_its_own_rows_only(projected: World) -> None:
    """In every table and view that has a tenant; without a name it sees none."""
    tables = ["plans", "calls", "effects", "resources", "lineage", "dead_letters", "tenants", "usage"]
    with reader(projected, surface.TENANT_ROLE, projected.tenant) as connection:
        for table in tables:
            seen = {tenant for (tenant,) in connection.execute(f"SELECT tenant FROM motet.{table}".encode())}
            assert seen <= {projected.tenant}, table
        assert connection.execute("SELECT count(*) FROM motet.plans").fetchone() == (10,)
    with reader(projected, surface.TENANT_ROLE) as connection:
        for table in tables:
            assert connection.execute(f"SELECT count(*) FROM motet.{table}".encode()).fetchone() == (0,)


def test_an_owner_who_is_no_superuser_can_write(projected: World) -> None:
    """Row security is forced on owners too; the projector's own policy lets it write."""
    schema = f"motet_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(projected.addresses.postgres) as connection:
        connection.execute(f"CREATE ROLE {OWNER} NOSUPERUSER NOBYPASSRLS NOCREATEROLE".encode())
        connection.execute(f"GRANT CREATE ON DATABASE motet TO {OWNER}".encode())
        connection.execute(f"SET ROLE {OWNER}".encode())
        surface.create(connection, schema)
        writer = Writer(connection, schema)
        writer.see_tenants({"acme": ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z")})
        writer.see_tenants({"acme": ("2025-01-01T00:00:00Z", "2025-01-02T00:00:00Z")})
        rows = connection.execute(f"SELECT tenant, first_seen::date::text FROM {schema}.tenants".encode()).fetchall()
        assert rows == [("acme", "2025-01-01")]
        connection.rollback()


@pytest.mark.parametrize("cuts", [(), (1,), (2,), (3,), (1, 2), (2, 3), (1, 2, 3)])
def test_a_plan_that_is_admitted_again_keeps_its_repeats(projected: World, cuts: tuple[int, ...]) -> None:
    """Its host forgot it after its window: admitted, repeated, admitted and repeated, in whichever batches, is repeated twice."""
    schema = f"motet_{uuid.uuid4().hex[:8]}"
    records: list[Any] = []
    for number in range(2):
        about = (Meta(f"{number}", "c", "motet.commands:0:1", "acme", "d", number, number), "plan")
        records += [
            PlanAdmitted(*about, "key", "agent", "PLAN", "", ()),
            CommandRepeated(replace(about[0], event_id=f"again{number}"), "plan", "key", "agent", "OPEN"),
        ]
    batch = [
        Received("motet.events", 0, offset, b"acme/d", b"", 0, one, one.meta.event_id)
        for offset, one in enumerate(records)
    ]
    with psycopg.connect(projected.addresses.postgres) as connection:
        surface.create(connection, schema)
        writer = Writer(connection, schema)
        for begin, end in pairwise((0, *cuts, len(batch))):
            writer.write(fold(batch[begin:end]))
        assert connection.execute(f"SELECT repeats FROM {schema}.plans".encode()).fetchall() == [(2,)]
        connection.rollback()


def test_a_claim_of_a_cause_makes_no_circle(projected: World) -> None:
    """A command that says that it answers to what it led to is not followed there; one that answers to something earlier is."""
    schema = f"motet_{uuid.uuid4().hex[:8]}"
    rows = [
        *(("command1", "end1", "SubmitPlan", "one", 9), ("begin1", "command1", "PlanAdmitted", "one", 10)),
        *(("end1", "begin1", "PlanEnded", "one", 11), ("command2", "end1", "SubmitPlan", "two", 19)),
        *(("begin2", "command2", "PlanAdmitted", "two", 20), ("end2", "begin2", "PlanEnded", "two", 21)),
    ]
    with psycopg.connect(projected.addresses.postgres) as connection:
        surface.create(connection, schema)
        writer = Writer(connection, schema)
        about = {
            "tenant": "acme",
            "domain": "d",
            "recorded_at": "2026-01-01T00:00:00Z",
            "topic": "t",
            "partition": 0,
            "offset": 0,
        }
        writer.copy(
            LINEAGE, [{"effect": a, "cause": b, "type": c, "plan_id": d, "hlc": e, **about} for a, b, c, d, e in rows]
        )
        up = connection.execute(f"SELECT step, effect FROM {schema}.causes_of('end2')".encode()).fetchall()
        assert up == list(enumerate(["end2", "begin2", "command2", "end1", "begin1", "command1"]))
        down = connection.execute(f"SELECT step, effect FROM {schema}.effects_of('begin1')".encode()).fetchall()
        assert down == list(enumerate(["begin1", "end1", "command2", "begin2", "end2"]))
        assert connection.execute(f"SELECT count(*) FROM {schema}.effects_of('begin1', 2)".encode()).fetchone() == (3,)
        assert connection.execute(f"SELECT plan_id, before FROM {schema}.plans_before".encode()).fetchall() == [
            ("two", "one")
        ]
        connection.rollback()


@pytest.fixture
def changed(projected: World) -> Iterator[None]:
    """A row that somebody changed behind the projector's back."""
    projected.sql("UPDATE motet.plans SET agent = 'mallory' WHERE tenant = %s RETURNING 1", (projected.tenant,))
    projected.sql("DELETE FROM motet.calls WHERE tenant = %s AND index = 2 RETURNING 1", (projected.tenant,))
    yield
    assert projected.sql("SELECT count(*) FROM motet.plans WHERE agent = 'mallory'") == [(0,)]


@pytest.mark.usefixtures("changed")
def test_a_rebuild_finds_what_was_changed_and_repairs_it(projected: World, settings: Settings) -> None:
    """The rows that differ are counted, and the rebuilt tables take the place of the changed ones."""
    found = rebuild(settings, lambda *_: None)
    assert not found.equal
    assert (found.tables["plans"].only_live, found.tables["plans"].only_rebuilt) == (10, 10)
    assert (found.tables["calls"].only_live, found.tables["calls"].only_rebuilt) == (0, 5)
    told = found.tables["plans"].examples
    assert [side for side, _ in told] == ["live"] * 3 + ["rebuilt"] * 3
    assert ["mallory" in row for _, row in told] == [True] * 3 + [False] * 3
    assert found.tables["tenants"].examples == ()
    assert rebuild(settings, lambda *_: None).equal
    with reader(projected, surface.READER) as connection:
        assert connection.execute("SELECT count(*) FROM motet.calls WHERE index = 2").fetchone() is not None


def test_the_projector_goes_on_after_and_during_a_rebuild(projected: World, settings: Settings) -> None:
    """Plans go on while it runs; afterwards their rows are in the new tables, and those are equal once more."""
    stop = threading.Event()
    done: list[str] = []

    def submit() -> None:
        with projected.client() as client:
            while not stop.is_set():
                call = Call("crash.deposit", {"account": "d", "amount": 1})
                done.append(client.run([call], tenant=f"{projected.tenant}-3").plan_id)

    thread = threading.Thread(target=submit)
    thread.start()
    try:
        assert rebuild(settings, lambda *_: None).equal
        count = len(done)
        wait_until(lambda: len(done) > count + 5, 30, "plans go on")
    finally:
        stop.set()
        thread.join()
    projected.await_no_lag("coordinator", "projector")
    assert projected.sql(
        "SELECT count(*) FROM motet.plans WHERE plan_id = ANY(%s) AND status = 'SUCCEEDED'", (done,)
    ) == [(len(done),)]
    assert rebuild(settings, lambda *_: None).equal


def test_two_rebuilds_at_once_are_refused(projected: World, settings: Settings) -> None:
    """The second says so and touches nothing."""
    with psycopg.connect(projected.addresses.postgres, autocommit=True) as other:
        other.execute(LOCK)
        with pytest.raises(ConfigurationError, match="another rebuild is running"):
            rebuild(settings, lambda *_: None)
    assert rebuild(settings, lambda *_: None).equal


def test_a_killed_rebuild_leaves_the_tables_alone(
    projected: World, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it had begun is dropped by the next one."""

    class Killed(BaseException):
        """Stands for SIGKILL: nothing of the process goes on, and the database ends its transaction."""

    def die(*_: object) -> None:
        raise Killed

    monkeypatch.setattr(rebuilding, "swap", die)
    with pytest.raises(Killed):
        rebuild(settings, lambda *_: None)
    monkeypatch.undo()
    assert projected.sql("SELECT count(*) FROM pg_namespace WHERE nspname IN ('motet', 'motet_rebuild')") == [(2,)]
    assert rebuild(settings, lambda *_: None).equal
    assert projected.sql("SELECT count(*) FROM pg_namespace WHERE nspname IN ('motet_rebuild', 'motet_old')") == [(0,)]


def test_tables_of_another_version_are_built_anew(projected: World, settings: Settings) -> None:
    """Of two projectors that begin with them one builds and the other waits; whoever wrote until then is refused, and claims again."""
    with psycopg.connect(projected.addresses.postgres) as connection:
        connection.execute("COMMENT ON SCHEMA motet IS 'made by somebody else'")
        connection.execute("ALTER TABLE motet.plans ADD COLUMN former text")
        epochs = connection.execute("SELECT partition, epoch FROM projector.shard ORDER BY 1").fetchall()
    begun = [threading.Thread(target=projector.service, args=(settings,)) for _ in range(2)]
    for one in begun:
        one.start()
    for one in begun:
        one.join()
    assert projected.sql("SELECT count(*) FROM information_schema.columns WHERE column_name = 'former'") == [(0,)]
    built = projected.sql("SELECT partition, epoch FROM projector.shard ORDER BY 1")
    assert built == [(partition, epoch + 1) for partition, epoch in epochs]
    with projected.client() as client:
        call = Call("crash.deposit", {"account": "e", "amount": 1})
        done = client.run([call], tenant=f"{projected.tenant}-4").plan_id
    projected.await_no_lag("coordinator", "projector")
    assert projected.sql("SELECT status FROM motet.plans WHERE plan_id = %s", (done,)) == [("SUCCEEDED",)]
    assert rebuild(settings, lambda *_: None).equal


def test_tables_of_a_newer_version_are_left_alone(projected: World, settings: Settings) -> None:
    """Two versions that run beside each other must not build against each other for ever; who wants to go back says so with a rebuild."""
    (before,) = projected.sql("SELECT obj_description('motet'::regnamespace, 'pg_namespace')")[0]
    newer = before.replace(f"version {surface.VERSION}", f"version {surface.VERSION + 1}")
    for found in (newer, f"{before}0"):
        with psycopg.connect(projected.addresses.postgres) as connection:
            connection.execute(f"COMMENT ON SCHEMA motet IS '{found}'".encode())
        with pytest.raises(ConfigurationError, match=r"made by a newer Motet .* `motet rebuild`"):
            projector.service(settings)
        assert projected.sql("SELECT obj_description('motet'::regnamespace, 'pg_namespace')") == [(found,)]
    assert rebuild(settings, lambda *_: None).equal
    assert projected.sql("SELECT obj_description('motet'::regnamespace, 'pg_namespace')") == [(before,)]
    projector.service(settings)


def test_tables_that_a_later_version_made_are_not_written_to(projected: World) -> None:
    """A projector that claims a shard meanwhile says so."""
    with psycopg.connect(projected.addresses.postgres) as connection:
        connection.execute("COMMENT ON SCHEMA motet IS 'made by somebody else'")
        opening = Opening("projector", 0, 4, connection, bytes.decode, lambda _: None)
        with pytest.raises(ConfigurationError, match="another version of Motet"):
            Projector(opening)
        connection.rollback()
